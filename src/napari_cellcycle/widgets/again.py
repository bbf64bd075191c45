"""Segmenting some frames, or a region of the one that is shown, again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.config import ComputeSettings, SegmentSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.region import Region
from napari_cellcycle.edit.editor import Step
from napari_cellcycle.widgets.place import drawn_region, visible_region
from napari_cellcycle.widgets.preferences import compute_settings
from napari_cellcycle.widgets.preview_talk import RemoteSegmenter, Talk
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.segment_section import FRAME, REGION
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
    recording, result = dock.session.recording, dock.session.result
    experiment = result.experiment if result is not None else None
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
    edited = dict(dock.session.draft.edited_frames) if dock.session.draft is not None else {}
    task.succeeded.connect(partial(_on_done, dock, recording, result, edited))
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


def _on_done(
    dock: "CellCycle",
    recording: Recording,
    result: Result | None,
    edited: dict[int, int],
    found: _Found,
) -> None:
    """Take the masks over as one correction; a frame after the other, so that nothing is held up.

    Nothing is kept if the movie was closed, or another result of it shown, meanwhile. Frames that
    were corrected since (`edited` tells of those before) stay as they are.
    """
    editor = result.editor if result is not None else None
    is_open = recording in dock.session.recordings
    if not is_open or editor is None or recording.result is not result:
        what = "another result is shown" if is_open else "the movie was closed"
        dock.notice.tell(f"Meanwhile {what}, so nothing was changed.", problem=False)
        return
    now = editor.draft.edited_frames
    left = [time for time in found.masks if now.get(time, 0) > edited.get(time, 0)]
    steps: list[Step] = [
        ("adopt_masks", {"frame": time, "masks": masks})
        for time, masks in found.masks.items()
        if time not in left
    ]
    doing = editor.doing(steps)
    parts: list[Callable[[], object]] = [partial(next, doing, None)] * (len(steps) + 1)
    notes = [*found.notes, *([_left_alone(left)] if left else [])]
    if notes:
        parts.append(partial(dock.notice.tell, " ".join(notes), problem=False))
    dock.show_later(parts if steps else parts[-1:])


def _left_alone(frames: list[int]) -> str:
    which = ", ".join(map(str, frames))
    one = len(frames) == 1
    return (
        f"Frame{'' if one else 's'} {which} {'was' if one else 'were'} corrected meanwhile and "
        f"stay{'s' if one else ''} as {'it is' if one else 'they are'}: press again to replace "
        f"{'it' if one else 'them'}."
    )
