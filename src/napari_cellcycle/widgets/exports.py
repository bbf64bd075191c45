"""Exporting what is open, beside the viewer."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.widgets.task import Task

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


@dataclass(frozen=True)
class _Kind:
    """How an export is asked for: window title, end of the name offered, and name filter.

    Folders are offered without the ending that they get: dialogs open those that are there.
    """

    title: str
    ending: str
    pattern: str = ""


_KINDS = {
    "ctc": _Kind("Export a new folder", "_RES"),
    "csv": _Kind("Export a table", ".csv", "*.csv"),
    "trackmate": _Kind("Export a TrackMate file", ".xml", "*.xml"),
    "geff": _Kind("Export a new geff folder", ""),
    "figures": _Kind("Write figures and tables to a new folder", "_figures"),
    "film": _Kind("Write a film", ".mp4", "Films (*.mp4 *.gif)"),
    "report": _Kind("Write pages about cells to a new folder", "_cells"),
}
"""Everything that the Export menu offers."""

_ENDINGS = {
    "csv": (".csv",),
    "trackmate": (".xml",),
    "geff": (".geff",),
    "film": (".mp4", ".gif"),
}
"""Endings that a name must have; the first is added if it has none of them."""


def ask_and_export(dock: "CellCycle", kind: str) -> Task | None:
    """Ask for a name and export the open experiment; `kind` is a key of `_KINDS`.

    The dialog asks before something is replaced, but not about the name with its ending.
    """
    recording = dock.session.recording
    if recording is None or recording.result is None:
        return None
    asked = _KINDS[kind]
    start = Path.home() / f"{plain_name(recording.layer.name)}{asked.ending}"
    chosen, _ = QFileDialog.getSaveFileName(dock, asked.title, str(start), asked.pattern)
    path = _ended(kind, Path(chosen))
    if not chosen or (path != Path(chosen) and not may_write(dock, path)):
        return None
    return export(dock, kind, path)


def export(dock: "CellCycle", kind: str, path: Path) -> Task | None:
    """Export the open experiment, beside the viewer; `kind` is a key of `_KINDS`.

    Forms that other programs read are read again, and the notice says what they hold and what
    they have no place for. The pages are those of the chosen cell and its lineage, or of all
    cells if none is chosen.
    """
    experiment = dock.session.experiment
    if experiment is None or dock.task is not None:
        return None
    path = _ended(kind, path)
    cells = None
    if kind == "report" and dock.session.track is not None and experiment.tracks is not None:
        cells = family(experiment.tracks, dock.session.track)
    task = Task("Export", _exported, experiment, kind, path, cells)

    def on_exported(told: tuple[str, bool]) -> None:
        sentence, is_right = told
        dock.notice.tell(sentence, problem=not is_right)

    task.succeeded.connect(on_exported)
    return dock.begin(task)


def _ended(kind: str, path: Path) -> Path:
    """A path with an ending that its kind must have."""
    endings = _ENDINGS.get(kind, (path.suffix.lower(),))
    return path if path.suffix.lower() in endings else path.with_name(path.name + endings[0])


def may_write(parent: QWidget, path: Path) -> bool:
    """Whether something can be written there: asks if that would replace what is there."""
    if not path.exists():
        return True
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent,
        "Replace?",
        f"{path.name} is in {path.parent} already. Replace it?",
        buttons.Yes | buttons.No,
        buttons.No,
    )
    return answer == buttons.Yes


def family(tracks: Tracks, track: int) -> list[int]:
    """The tracks of the lineage of a cell, from its founder on."""
    founder = track
    while founder in tracks.mothers:
        founder = tracks.mothers[founder]
    found = [founder]
    for mother in found:
        found += [daughter for daughter, other in tracks.mothers.items() if other == mother]
    return found


def _exported(
    experiment: Experiment, kind: str, path: Path, cells: list[int] | None, *, progress: Any
) -> tuple[str, bool]:
    """Write one export: what to say of it, and whether it came back as it was."""
    from napari_cellcycle.io.exchange import FORMS, export_experiment

    if experiment.tracks is None or experiment.labels is None:
        raise BadInput("There are no tracks to export yet: track the cells first.")
    if kind in {"figures", "report"} and path.exists() and not _is_empty(path):
        raise BadInput(f"{path} exists already; choose the name of a new folder.")
    if kind in FORMS:
        report = export_experiment(experiment, path, kind, progress)
        return f"Exported to {path}. {' '.join(report.sentences[1:])}", report.complete
    note = ""
    if kind == "figures":
        from napari_cellcycle.evaluation.figure_folder import write_figures

        write_figures(experiment, path, progress=progress)
    elif kind == "film":
        from napari_cellcycle.evaluation.movie_export import write_film

        note = write_film(experiment, path, progress=progress)
    else:
        from napari_cellcycle.evaluation.report import write_report

        path = write_report(experiment, path, cells, progress=progress)
    return f"Exported to {path}. {note}".strip(), True


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def plain_name(name: str) -> str:
    """A name that files can have."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_") or "movie"
