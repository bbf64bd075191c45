"""What another model does differently: masks, links or stages in frames it did not learn from."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from napari_cellcycle.config import (
    ClassifySettings,
    ComputeSettings,
    SegmentSettings,
    TrackSettings,
)
from napari_cellcycle.data.channel import channel_of, seen_in, stage_channel_of
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import FrameArray
from napari_cellcycle.jobs import Job
from napari_cellcycle.jobs.job import StepName
from napari_cellcycle.models.store import Kind
from napari_cellcycle.pipeline.keep import kept_cells, kept_frames
from napari_cellcycle.widgets.step_section import StepModel
from napari_cellcycle.widgets.teach_differences import Change, of_links, of_masks, of_stages, places
from napari_cellcycle.widgets.work import Child, store
from napari_cellcycle.widgets.workplace import Workplace

STEPS: dict[Kind, StepName] = {"segment": "segment", "link": "track", "stage": "classify"}
_SETTINGS: dict[StepName, type[StepModel]] = {
    "segment": SegmentSettings,
    "track": TrackSettings,
    "classify": ClassifySettings,
}
_FRAMES: dict[Kind, int] = {"segment": 2, "link": 12, "stage": 60}
"""Frames that are looked at."""
_MOST = 200
"""Changes that are listed."""


@dataclass(frozen=True)
class Changes:
    """What differs, and where was looked: `frames` of the open movie.

    `masks` holds the masks before and after in each frame that was segmented.
    """

    kind: Kind
    frames: tuple[int, ...]
    changes: tuple[Change, ...]
    masks: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """Which two models to compare, by name or path, on which experiment."""

    kind: Kind
    before: str
    after: str
    experiment: Experiment
    compute: ComputeSettings


def find_changes(question: Question, *, progress: Any) -> Changes:
    """Run both models on a few frames, in a process of its own, and list what differs.

    Frames with few corrections are taken, as the new model has learned nothing from these.
    """
    experiment, kind = question.experiment, question.kind
    if experiment.labels is None or (kind == "stage" and experiment.tracks is None):
        raise BadInput("There is no result to compare on: open a movie and press Run first.")
    frames = choose_frames(experiment, kind)
    part = excerpt(experiment, frames, kind)
    workplace, child = Workplace("comparison"), Child()
    try:
        workplace.new_folder()
        found = [
            _run(question, part, model, workplace, child, _part_of(progress, number))
            for number, model in enumerate((question.before, question.after))
        ]
    finally:
        child.close()
        shutil.rmtree(workplace.folder, ignore_errors=True)
    return _compared(kind, frames, experiment, *found)


def choose_frames(experiment: Experiment, kind: Kind) -> tuple[int, ...]:
    """The frames to look at: those with the fewest corrections."""
    count = len(experiment.movie)
    touched = np.zeros(count)
    if experiment.tracks is not None:
        frames = experiment.tracks.cells["frame"].loc[kept_cells(experiment)]
        touched += np.bincount(frames.to_numpy(), minlength=count)[:count]
    touched[[time for time in kept_frames(experiment) if time < count]] += 1000
    n = min(_FRAMES[kind], count)
    if kind == "segment":
        order = np.argsort(touched, kind="stable")
        untouched = order[touched[order] == touched[order[0]]]
        spread = np.linspace(0, len(untouched) - 1, min(n, len(untouched))).round().astype(int)
        return tuple(sorted(untouched[spread].tolist()))
    total = np.convolve(touched, np.ones(n), "valid")
    best = np.flatnonzero(total == total.min())
    first = int(best[len(best) // 2])
    return tuple(range(first, first + n))


@dataclass(frozen=True)
class _Chosen:
    """Some frames of another reader, counted from 0."""

    read: Callable[..., np.ndarray]
    frames: tuple[int, ...]

    def __call__(self, time: int, *_channel: int) -> np.ndarray:
        return self.read(self.frames[time])


def excerpt(experiment: Experiment, frames: Sequence[int], kind: Kind) -> Experiment:
    """The chosen frames as an experiment of its own, with what a step of the kind starts from.

    Of the movie it is the channel that the step looks at; frames are read when they are needed.
    """
    known = stage_channel_of(experiment) if kind == "stage" else channel_of(experiment)
    movie = seen_in(experiment.movie, known or experiment.movie.channels[0])
    shape = (len(frames), 1, *movie.frame_shape)
    read = _Chosen(movie.frame, tuple(frames))
    movie = replace(movie, pixels=FrameArray(shape, movie.frame(0).dtype, read), source=None)
    part = Experiment(movie, stages=experiment.stages)
    if kind == "segment":
        return part
    assert experiment.labels is not None
    read, shape = _Chosen(experiment.labels.frame, tuple(frames)), (shape[0], *shape[2:])
    part = replace(part, labels=LabelStack(FrameArray(shape, np.dtype(np.int32), read, 1)))
    if kind == "link" or experiment.tracks is None:
        return part
    return replace(part, tracks=_within(experiment.tracks, frames[0], frames[-1] + 1))


def _within(tracks: Tracks, start: int, stop: int) -> Tracks:
    """Cells and links of frames from `start` to before `stop`, which count from 0 there."""
    frame = tracks.cells["frame"]
    cells = tracks.cells[(frame >= start) & (frame < stop)]
    links = tracks.links[tracks.links[["parent", "child"]].isin(cells.index).all(axis=1)]
    left = [name for name in cells if str(name) != "stage" and not str(name).startswith("p_")]
    plain = cells[left].assign(frame=cells["frame"] - start)
    return Tracks(plain.drop(columns="pinned", errors="ignore"), links.reset_index(drop=True))


def _run(
    question: Question,
    part: Experiment,
    model: str,
    workplace: Workplace,
    child: Child,
    progress: Any,
) -> Experiment:
    """What one model makes of the excerpt: masks, if they are what is compared, in memory."""
    from napari_cellcycle.io.experiment import open_experiment

    folder = workplace.new_folder()
    store(part, workplace, folder, progress)
    step = STEPS[question.kind]
    settings = settings_with(question.experiment, step, model)
    child.run(Job.computed(step, settings, folder, question.compute), progress)
    done = open_experiment(folder)
    assert done.labels is not None
    made = LabelStack(done.labels.to_array()) if question.kind == "segment" else None
    return replace(done, labels=made)


def settings_with(experiment: Experiment, step: StepName, model: str) -> Any:
    """The settings with which the open result was made, with another model, for an excerpt."""
    made = [each.settings for each in experiment.history if each.name == step]
    kind = _SETTINGS[step]
    fields = kind.model_fields
    every = [name for name in ("channel", "first_frame", "frame_count") if name in fields]
    whole: dict[str, Any] = {"model": model, **{name: fields[name].default for name in every}}
    try:
        return kind.model_validate({**made[-1], **whole} if made else whole)
    except ValidationError:
        return kind.model_validate(whole)


def _part_of(progress: Any, number: int) -> Any:
    """Report the run with one of two models as a half of the whole."""
    words = ("With the old model: ", "With the new model: ")[number]

    def report(done: int, total: int, message: str = "", seconds_left: float | None = None) -> None:
        progress(number * total + done, 2 * total, words + message)

    return report


def _compared(
    kind: Kind, frames: tuple[int, ...], experiment: Experiment, one: Experiment, other: Experiment
) -> Changes:
    if kind == "segment":
        assert one.labels is not None and other.labels is not None
        masks = {
            time: (one.labels.frame(number), other.labels.frame(number))
            for number, time in enumerate(frames)
        }
        return Changes(kind, frames, tuple(of_masks(masks)[:_MOST]), masks)
    assert one.tracks is not None and other.tracks is not None
    names = _names(experiment, frames[0])
    find = of_links if kind == "link" else of_stages
    found = find(one.tracks, other.tracks, names, frames[0])
    return Changes(kind, frames, tuple(found[:_MOST]))


def _names(experiment: Experiment, start: int) -> "pd.Series[int]":
    """The number on screen of each cell, by frame of the excerpt and place."""
    tracks = experiment.tracks
    if tracks is None:
        return pd.Series(dtype=np.int64)
    shifted = tracks.cells.assign(frame=tracks.cells["frame"] - start)
    names = pd.Series(tracks.track_id.to_numpy(), places(shifted, tracks.axes))
    return names[~names.index.duplicated()]
