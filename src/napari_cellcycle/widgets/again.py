"""Segmenting some frames, or a region of the one that is shown, again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.config import ComputeSettings, SegmentSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.region import Region
from napari_cellcycle.widgets.place import drawn_region, visible_region
from napari_cellcycle.widgets.preferences import compute_settings
from napari_cellcycle.widgets.preview_talk import RemoteSegmenter, Talk
from napari_cellcycle.widgets.segment_section import FRAME, REGION
from napari_cellcycle.widgets.session import Recording
from napari_cellcycle.widgets.task import Task

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle

NO_MASKS = "There are no masks yet: press Run first, or look at the Preview."
_NO_REGION = (
    "The whole frame is in view: zoom in, or draw a rectangle in a Shapes layer, to segment a "
    "region again; This frame (R) segments all of it."
)


def hindrance(dock: "CellCycle") -> str:
    """Why nothing can be segmented again now; empty if it can."""
    reason = dock.hindrance("segment")
    known = dock.session.experiment
    return reason or ("" if known is not None and known.labels is not None else NO_MASKS)


def again(dock: "CellCycle", kind: str) -> Task | None:
    """Segment the frame shown, a region of it, or the range of frames again."""
    reason = hindrance(dock)
    recording, experiment = dock.session.recording, dock.session.experiment
    if reason or recording is None or experiment is None or experiment.labels is None:
        dock.notice.tell(reason or NO_MASKS)
        return None
    count = len(experiment.labels)
    region: Region | None = None
    times = [min(max(dock.session.frame, 0), count - 1)]
    if kind == REGION:
        movie = recording.layer
        region = drawn_region(dock.viewer, movie) or visible_region(dock.viewer, movie)
        if region is None:
            dock.notice.tell(_NO_REGION, problem=False)
            return None
    elif kind != FRAME:
        times = [frame for frame in dock.segment.frames if frame < count]
    settings = dock.settings("segment")
    assert isinstance(settings, SegmentSettings)
    task = Task(
        "Segment again",
        _found_again,
        experiment,
        times,
        settings,
        region,
        dock.preview.process.talk,
        compute_settings(),
    )
    task.succeeded.connect(partial(_on_done, dock, recording))
    return dock.begin(task)


@dataclass(frozen=True)
class _Found:
    """New masks ([Z,] Y, X) by frame, and what to tell about how they were found."""

    masks: dict[int, np.ndarray]
    notes: tuple[str, ...]


def _found_again(
    experiment: Experiment,
    times: list[int],
    settings: SegmentSettings,
    region: Region | None,
    talk: Talk,
    compute: ComputeSettings,
    *,
    progress: Any,
) -> _Found:
    from napari_cellcycle.pipeline.resegment import resegment

    assert experiment.labels is not None
    model = RemoteSegmenter(talk, settings.model, compute, lambda: progress(0, 0))
    labels, _ = resegment(
        experiment.labels,
        None,
        experiment.movie,
        times,
        settings,
        region,
        model=model,
        progress=progress,
    )
    return _Found({time: labels.frame(time) for time in times}, model.notes)


def _on_done(dock: "CellCycle", recording: Recording, found: _Found) -> None:
    """Take the masks over as one correction; a frame after the other, so that nothing is held up.

    Nothing is kept if the movie was closed meanwhile.
    """
    editor = dock.session.editor
    if dock.session.recording is not recording or editor is None:
        dock.notice.tell("The movie was closed meanwhile, and nothing is kept.", problem=False)
        return
    steps = [("adopt_masks", {"frame": t, "masks": m}) for t, m in found.masks.items()]
    doing = editor.doing(steps)
    parts: list[Callable[[], object]] = [partial(next, doing, None)] * (len(steps) + 1)
    if found.notes:
        parts.append(partial(dock.notice.tell, " ".join(found.notes), problem=False))
    dock.show_later(parts)
