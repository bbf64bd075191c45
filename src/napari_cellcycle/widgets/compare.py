"""Comparing the tracks that are open with a truth, beside the viewer."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.widgets.below import show_below
from napari_cellcycle.widgets.session import Compared, Recording, Result
from napari_cellcycle.widgets.task import Task

if TYPE_CHECKING:
    from napari_cellcycle.evaluation.tracking import TrackingComparison
    from napari_cellcycle.widgets.dock import CellCycle

_TITLE = "Choose the truth: a folder NAME_GT, a tracking result or an experiment"


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


def _likely(experiment: Experiment) -> Path:
    """Where the truth of the movie is, or may be near."""
    from napari_cellcycle.io.ctc import find_truth

    source = experiment.movie.source
    if source is None:
        return Path.home()
    found = find_truth(source).tracking
    return found.parent if found else Path(source).parent
