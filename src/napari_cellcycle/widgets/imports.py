"""Importing tracks of another program onto the chosen movie, beside the viewer."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.widgets.channel_layers import unstack
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.running import MISSED, show
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.work import load, store
from napari_cellcycle.widgets.workplace import Workplace

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle

_FILES = "Tracks (*.xml *.csv *.tsv *.txt)"
_FOLDER_TITLE = "Choose a geff, or a result of the Cell Tracking Challenge"


def button(dock: "CellCycle") -> QPushButton:
    """The button that imports, with a menu of what can be."""
    made = QPushButton("Import tracks")
    made.setToolTip(
        "Take over tracks of another program, on the masks chosen above; without masks each cell "
        "gets a spot"
    )
    menu = QMenu(made)
    menu.addAction("From a file (TrackMate XML, table)…", partial(ask_for_file, dock))
    menu.addAction("From a folder (geff, Cell Tracking Challenge)…", partial(ask_for_folder, dock))
    made.setMenu(menu)
    return made


def ask_for_file(dock: "CellCycle") -> Task | None:
    """Ask for a file of tracks and import it."""
    if not _is_ready(dock):
        return None
    title = "Choose a TrackMate file or a table of tracks"
    chosen, _ = QFileDialog.getOpenFileName(dock, title, _start(dock), _FILES)
    return import_tracks(dock, Path(chosen)) if chosen else None


def ask_for_folder(dock: "CellCycle") -> Task | None:
    """Ask for a folder of tracks and import it."""
    if not _is_ready(dock):
        return None
    chosen = QFileDialog.getExistingDirectory(dock, _FOLDER_TITLE, _start(dock))
    return import_tracks(dock, Path(chosen)) if chosen else None


def import_tracks(dock: "CellCycle", path: Path) -> Task | None:
    """Show the tracks in a file or folder as the result of the chosen movie.

    They are placed on the masks that the step Track starts from. What was shown before can be
    brought back by Undo. The notice tells what was taken and what was left out.
    """
    if dock.task is None:
        unstack(dock)
    recording, movie = dock.session.recording, dock.picker.movie
    if not _is_ready(dock) or recording is None or movie is None:
        return None
    masks = dock.source("track")
    labels = None if masks is None else masks.labels
    task = Task("Import tracks", _imported, path, movie, labels, recording.workplace)
    corrected = partial(len, dock.session.editor.entries if dock.session.editor else [])
    task.succeeded.connect(partial(_on_imported, dock, recording, corrected, corrected()))
    return dock.begin(task)


def _on_imported(
    dock: "CellCycle",
    recording: Recording,
    corrected: Callable[[], int],
    corrected_before: int,
    result: Result,
) -> None:
    notes = list(result.experiment.history[-1].notes)
    if corrected() > corrected_before:
        notes.append(MISSED)
    show(dock, recording, result, " ".join(notes))


def _imported(
    path: Path, movie: Movie, labels: LabelStack | None, workplace: Workplace, *, progress: Any
) -> Result:
    """The tracks in `path` as a stored result; if anything goes wrong, nothing is left behind.

    Pixel size and frame interval are those that the dock shows, even if they are only assumed.
    """
    from napari_cellcycle.io.exchange import form_of, import_experiment
    from napari_cellcycle.io.frames import open_labels

    form = form_of(path)
    labels = open_labels(path) if form == "ctc" else labels
    known = replace(movie, guessed=frozenset())
    experiment, _ = import_experiment(path, known, labels, form, spots=True, progress=progress)
    folder = workplace.new_folder()
    try:
        store(replace(experiment, movie=movie), workplace, folder, progress)
        return load(folder, progress)
    except BaseException:
        workplace.discard(folder)
        raise


def _is_ready(dock: "CellCycle") -> bool:
    """Whether something can be imported now; if not, why is told."""
    reason = dock.hindrance("segment")  # a movie is open, and nothing else runs
    if reason:
        dock.notice.tell(reason)
    return not reason


def _start(dock: "CellCycle") -> str:
    source = dock.picker.movie.source if dock.picker.movie is not None else None
    return str(Path.home() if source is None else Path(source).parent)
