"""Comparing the tracks or masks that are open with a truth, beside the viewer."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog, QInputDialog

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.widgets.below import show_below
from napari_cellcycle.widgets.movies import METADATA, fits, plain
from napari_cellcycle.widgets.recording import Compared, Recording
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.task import Task

if TYPE_CHECKING:
    from napari_cellcycle.evaluation.mask_comparison import MaskComparison
    from napari_cellcycle.evaluation.tracking import TrackingComparison
    from napari_cellcycle.widgets.dock import CellCycle

_TITLE = "Choose the truth: a folder NAME_GT, a tracking result or an experiment"
_MASKS_TITLE = "Choose the truth: a folder NAME_GT, a folder of masks or an experiment"
_FOLDER = "Choose a folder…"


def ask_and_compare(dock: "CellCycle") -> Task | None:
    """Ask for the folder of the truth and compare the open tracks with it."""
    experiment = dock.session.experiment
    if experiment is None or experiment.tracks is None:
        dock.notice.tell("There are no tracks to compare yet: track the cells first.")
        return None
    chosen = QFileDialog.getExistingDirectory(dock, _TITLE, str(_likely(experiment)))
    return compare(dock, Path(chosen)) if chosen else None


def compare(dock: "CellCycle", truth: Path) -> Task | None:
    """Compare the open tracks with those in the folder `truth`, beside the viewer."""
    recording = dock.session.recording
    if recording is None or recording.result is None or dock.task is not None:
        return None
    task = Task("Compare with truth", _compared, recording.result.experiment, truth)
    task.succeeded.connect(partial(_on_compared, dock, recording, recording.result, truth))
    return dock.begin(task)


def _on_compared(
    dock: "CellCycle",
    recording: Recording,
    result: Result,
    truth: Path,
    comparison: "TrackingComparison",
) -> None:
    dock.session.compare(recording, Compared(result, truth, comparison))
    show_below(dock.viewer, dock.errors, "Errors")


def _compared(experiment: Experiment, truth: Path, *, progress: Any) -> "TrackingComparison":
    from napari_cellcycle.evaluation.tracking import compare_tracking, open_tracked

    assert experiment.labels is not None and experiment.tracks is not None
    labels, tracks = open_tracked(truth)
    return compare_tracking(experiment.labels, experiment.tracks, labels, tracks, progress=progress)


def ask_and_compare_masks(dock: "CellCycle") -> Task | None:
    """Ask for the truth, a folder or another layer of masks, and compare the open masks with it."""
    experiment, movie = dock.session.experiment, dock.picker.movie
    if experiment is None or experiment.labels is None or movie is None:
        dock.notice.tell("There are no masks to compare yet: segment the cells first.")
        return None
    others = [layer for layer in map(plain, dock.viewer.layers) if _may_be_truth(dock, layer)]
    if others:
        names = [_FOLDER, *(layer.name for layer in others)]
        title = "Compare masks with a truth"
        chosen, is_chosen = QInputDialog.getItem(dock, title, "The truth:", names, 1, False)
        if not is_chosen:
            return None
        if chosen != _FOLDER:
            return compare_masks(dock, others[names.index(chosen) - 1])
    folder = QFileDialog.getExistingDirectory(dock, _MASKS_TITLE, str(_likely(experiment)))
    return compare_masks(dock, Path(folder)) if folder else None


def compare_masks(dock: "CellCycle", truth: Path | Labels) -> Task | None:
    """Compare the open masks with those in a folder or layer, beside the viewer."""
    recording = dock.session.recording
    if recording is None or recording.result is None or dock.task is not None:
        return None
    name = truth if isinstance(truth, Path) else Path(truth.name)
    task = Task("Compare with truth", _compared_masks, recording.result.experiment, truth)
    task.succeeded.connect(partial(_on_masks_compared, dock, recording, recording.result, name))
    return dock.begin(task)


def _on_masks_compared(
    dock: "CellCycle",
    recording: Recording,
    result: Result,
    truth: Path,
    comparison: "MaskComparison",
) -> None:
    dock.session.compare(recording, Compared(result, truth, comparison, comparison))
    show_below(dock.viewer, dock.errors, "Errors")


def _compared_masks(
    experiment: Experiment, truth: Path | Labels, *, progress: Any
) -> "MaskComparison":
    from napari_cellcycle.evaluation.mask_comparison import compare_masks as compared
    from napari_cellcycle.evaluation.mask_files import masks_of_stack, open_truth

    assert experiment.labels is not None
    if isinstance(truth, Path):
        known = open_truth(truth)
    else:
        data = truth.data[0] if truth.multiscale else truth.data
        known = masks_of_stack(LabelStack(data))
    return compared(masks_of_stack(experiment.labels), known, progress=progress)


def _may_be_truth(dock: "CellCycle", layer: Any) -> bool:
    """Whether `layer` holds masks of the movie, but not our own."""
    movie, recording = dock.picker.movie, dock.session.recording
    if movie is None or recording is None or layer is recording.layers.labels:
        return False
    return fits(layer, movie) and layer.metadata.get(METADATA, {}).get("shows") != "agreement"


def _likely(experiment: Experiment) -> Path:
    """Where the truth of the movie is, or may be near."""
    from napari_cellcycle.io.ctc import find_truth

    source = experiment.movie.source
    if source is None:
        return Path.home()
    found = find_truth(source).tracking
    return found.parent if found else Path(source).parent
