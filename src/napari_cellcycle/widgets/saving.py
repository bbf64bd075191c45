"""Saving an experiment with the history of its corrections, beside the viewer."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.io.experiment import SUFFIX
from napari_cellcycle.widgets.exports import plain_name
from napari_cellcycle.widgets.result import Result, Snapshot
from napari_cellcycle.widgets.session import Recording
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.teach_carry import carry_rounds
from napari_cellcycle.widgets.workplace import root

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


def ask_and_save(dock: "CellCycle") -> Task | None:
    """Ask for a name and save the open experiment there."""
    recording = dock.session.recording
    if recording is None or recording.result is None:
        return None
    start = recording.saved_in or Path.home() / f"{plain_name(recording.layer.name)}{SUFFIX}"
    chosen, _ = QFileDialog.getSaveFileName(dock, "Save experiment", str(start), f"*{SUFFIX}")
    return save(dock, Path(chosen)) if chosen else None


def save(dock: "CellCycle", folder: Path) -> Task | None:
    """Save the open experiment in `folder`, beside the viewer; corrections go on there."""
    recording = dock.session.recording
    if recording is None or recording.result is None or dock.task is not None:
        return None
    if folder.suffix != SUFFIX:
        folder = folder.with_name(folder.name + SUFFIX)
    result = recording.result
    snapshot = result.snapshot()
    task = Task("Save", _saved, snapshot, folder)
    task.succeeded.connect(partial(_on_saved, dock, recording, result, snapshot, folder))
    return dock.begin(task)


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
    dock.notice.tell(f"Saved as {folder}.", problem=False)
