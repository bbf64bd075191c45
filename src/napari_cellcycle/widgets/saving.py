"""Saving an experiment with the history of its corrections, beside the viewer."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.io.experiment import SUFFIX
from napari_cellcycle.widgets.exports import may_write, plain_name
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.result import Result, Snapshot
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.teach_carry import carry_rounds
from napari_cellcycle.widgets.workplace import root

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


def ask_and_save(dock: "CellCycle") -> Task | None:
    """Ask for a name and save the open experiment there.

    The name is offered without its ending, as dialogs open a folder that is there. About a folder
    that is not the one of this result is asked before it is replaced.
    """
    recording = dock.session.recording
    if recording is None or recording.result is None:
        return None
    saved_in, name = recording.saved_in, plain_name(recording.layer.name)
    start = saved_in.parent / saved_in.stem if saved_in is not None else Path.home() / name
    chosen, _ = QFileDialog.getSaveFileName(dock, "Save experiment", str(start), f"*{SUFFIX}")
    if not chosen:
        return None
    folder, own = _ended(Path(chosen)), recording.result.folder
    is_own = own is not None and own.resolve() == folder.resolve()
    return save(dock, folder) if is_own or may_write(dock, folder) else None


def save(dock: "CellCycle", folder: Path) -> Task | None:
    """Save the open experiment in `folder`, beside the viewer; corrections go on there."""
    recording = dock.session.recording
    if recording is None or recording.result is None or dock.task is not None:
        return None
    folder, result = _ended(folder), recording.result
    snapshot = result.snapshot()
    task = Task("Save", _saved, snapshot, folder)
    task.succeeded.connect(partial(_on_saved, dock, recording, result, snapshot, folder))
    return dock.begin(task)


def _ended(folder: Path) -> Path:
    """The folder with the ending that experiments have."""
    return folder if folder.suffix == SUFFIX else folder.with_name(folder.name + SUFFIX)


def _saved(snapshot: Snapshot, folder: Path, *, progress: Any) -> Experiment:
    from napari_cellcycle.io.experiment import save_experiment
    from napari_cellcycle.io.journal import not_in_use

    experiment, journal = snapshot.experiment, snapshot.journal
    source = experiment.movie.source
    if source is not None and root() in Path(source).parents:
        experiment = replace(experiment, movie=replace(experiment.movie, source=None))
    own = journal is not None and journal.path.parent.resolve() == folder.resolve()
    if not own:
        not_in_use(folder)
    return save_experiment(experiment, folder, progress, journal=journal)


def _on_saved(
    dock: "CellCycle",
    recording: Recording,
    result: Result,
    snapshot: Snapshot,
    folder: Path,
    saved: Experiment,
) -> None:
    recording.saved_in = folder
    carry_rounds(result.folder, folder)
    try:
        result.go_on_in(folder, saved, snapshot)
    except CannotWrite as error:
        dock.notice.tell(str(error))
        return
    dock.session.saved.emit()
    dock.notice.tell(f"Saved as {folder}.", problem=False)
