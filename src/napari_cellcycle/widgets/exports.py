"""Saving and exporting what is open, beside the viewer."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
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


@dataclass(frozen=True)
class _Kind:
    """How an export is asked for: window title, end of its name, and name filter."""

    title: str
    ending: str
    pattern: str = ""


_KINDS = {
    "ctc": _Kind("Export a new folder", "_RES"),
    "csv": _Kind("Export a table", ".csv", "*.csv"),
    "figures": _Kind("Write figures and tables to a new folder", "_figures"),
    "film": _Kind("Write a film", ".mp4", "Films (*.mp4 *.gif)"),
    "report": _Kind("Write pages about cells to a new folder", "_cells"),
}
"""Everything that the Export menu offers."""


def ask_and_export(dock: "CellCycle", kind: str) -> Task | None:
    """Ask for a name and export the open experiment; `kind` is a key of `_KINDS`."""
    recording = dock.session.recording
    if recording is None or recording.result is None:
        return None
    asked = _KINDS[kind]
    start = Path.home() / f"{_plain(recording.layer.name)}{asked.ending}"
    chosen, _ = QFileDialog.getSaveFileName(dock, asked.title, str(start), asked.pattern)
    return export(dock, kind, Path(chosen)) if chosen else None


def export(dock: "CellCycle", kind: str, path: Path) -> Task | None:
    """Export the open experiment, beside the viewer: "ctc", "csv", "figures", "film" or "report".

    The report is that of the chosen cell and its lineage, or of all cells if none is chosen.
    """
    experiment = dock.session.experiment
    if experiment is None or dock.task is not None:
        return None
    endings = {"csv": (".csv",), "film": (".mp4", ".gif")}.get(kind)
    if endings is not None and path.suffix.lower() not in endings:
        path = path.with_name(path.name + endings[0])
    cells = None
    if kind == "report" and dock.session.track is not None and experiment.tracks is not None:
        cells = family(experiment.tracks, dock.session.track)
    task = Task("Export", _exported, experiment, kind, path, cells)
    task.succeeded.connect(lambda told: dock.notice.tell(told, problem=False))
    return dock.begin(task)


def family(tracks: Tracks, track: int) -> list[int]:
    """The tracks of the lineage of a cell, from its founder on."""
    founder = track
    while founder in tracks.mothers:
        founder = tracks.mothers[founder]
    found = [founder]
    for mother in found:
        found += [daughter for daughter, other in tracks.mothers.items() if other == mother]
    return found


def _saved(experiment: Experiment, folder: Path, *, progress: Any) -> Path:
    from napari_cellcycle.io.experiment import save_experiment

    source = experiment.movie.source
    if source is not None and root() in Path(source).parents:
        experiment = replace(experiment, movie=replace(experiment.movie, source=None))
    save_experiment(experiment, folder, progress=progress)
    return folder


def _exported(
    experiment: Experiment, kind: str, path: Path, cells: list[int] | None, *, progress: Any
) -> str:
    """Write one export, and say where it is."""
    if experiment.tracks is None or experiment.labels is None:
        raise BadInput("There are no tracks to export yet: track the cells first.")
    if kind in {"figures", "report"} and path.exists() and not _is_empty(path):
        raise BadInput(f"{path} exists already; choose the name of a new folder.")
    note = ""
    if kind == "ctc":
        from napari_cellcycle.io.ctc import write_ctc

        write_ctc(experiment.labels, experiment.tracks, path, progress=progress)
    elif kind == "csv":
        from napari_cellcycle.io.tables import write_cell_table

        write_cell_table(experiment, path)
    elif kind == "figures":
        from napari_cellcycle.evaluation.figure_folder import write_figures

        write_figures(experiment, path, progress=progress)
    elif kind == "film":
        from napari_cellcycle.evaluation.movie_export import write_film

        note = write_film(experiment, path, progress=progress)
    else:
        from napari_cellcycle.evaluation.report import write_report

        path = write_report(experiment, path, cells, progress=progress)
    return f"Exported to {path}. {note}".strip()


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_") or "movie"
