"""Saving and exporting what is open, beside the viewer."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.experiment import SUFFIX
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.workplace import root

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


def ask_and_save(dock: "CellCycle") -> Task | None:
    """Ask for a name and save the open experiment there."""
    recording = dock.session.recording
    if recording is None or recording.result is None:
        return None
    start = recording.saved_in or Path.home() / f"{_plain(recording.layer.name)}{SUFFIX}"
    chosen, _ = QFileDialog.getSaveFileName(dock, "Save experiment", str(start), f"*{SUFFIX}")
    return save(dock, Path(chosen)) if chosen else None


def save(dock: "CellCycle", folder: Path) -> Task | None:
    """Save the open experiment in `folder`, beside the viewer."""
    recording = dock.session.recording
    if recording is None or recording.result is None or dock.task is not None:
        return None
    if folder.suffix != SUFFIX:
        folder = folder.with_name(folder.name + SUFFIX)
    task = Task("Save", _saved, recording.result.experiment, folder)

    def on_saved(path: Path) -> None:
        recording.saved_in = path
        dock.notice.tell(f"Saved as {path}.", problem=False)

    task.succeeded.connect(on_saved)
    return dock.begin(task)


def ask_and_export(dock: "CellCycle", kind: str) -> Task | None:
    """Ask for a name and export the open experiment; `kind` is "ctc" or "csv"."""
    recording = dock.session.recording
    if recording is None or recording.result is None:
        return None
    name = _plain(recording.layer.name)
    start = Path.home() / (f"{name}_RES" if kind == "ctc" else f"{name}.csv")
    title = "Export a new folder" if kind == "ctc" else "Export a table"
    pattern = "" if kind == "ctc" else "*.csv"
    chosen, _ = QFileDialog.getSaveFileName(dock, title, str(start), pattern)
    return export(dock, kind, Path(chosen)) if chosen else None


def export(dock: "CellCycle", kind: str, path: Path) -> Task | None:
    """Export the open experiment, beside the viewer; `kind` is "ctc" or "csv"."""
    experiment = dock.session.experiment
    if experiment is None or dock.task is not None:
        return None
    if kind == "csv" and path.suffix != ".csv":
        path = path.with_name(path.name + ".csv")
    task = Task("Export", _exported, experiment, kind, path)
    task.succeeded.connect(lambda at: dock.notice.tell(f"Exported to {at}.", problem=False))
    return dock.begin(task)


def _saved(experiment: Experiment, folder: Path, *, progress: Any) -> Path:
    from napari_cellcycle.io.experiment import save_experiment

    source = experiment.movie.source
    if source is not None and root() in Path(source).parents:
        experiment = replace(experiment, movie=replace(experiment.movie, source=None))
    save_experiment(experiment, folder, progress=progress)
    return folder


def _exported(experiment: Experiment, kind: str, path: Path, *, progress: Any) -> Path:
    if experiment.tracks is None or experiment.labels is None:
        raise BadInput("There are no tracks to export yet: track the cells first.")
    if kind == "ctc":
        from napari_cellcycle.io.ctc import write_ctc

        write_ctc(experiment.labels, experiment.tracks, path, progress=progress)
    else:
        from napari_cellcycle.io.tables import write_cell_table

        write_cell_table(experiment, path)
    return path


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_") or "movie"
