"""The results of an experiment as the arrays that layers show; made outside the GUI thread."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.overlay import OverlaidMasks
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.widgets.colours import TRUSTED

MOST_LOADED = 1_000_000_000
_LEFT_OUT = ("cell_id", "track_id", "label", "frame", "parent", "link_score")
"""Columns that say nothing more than the rows of the tracks layer do."""


@dataclass(frozen=True)
class Display:
    """What is shown of an experiment.

    `labels` is int32 (T, [Z,] Y, X), in memory up to a gigabyte and lazy above. `vertices`
    has rows (track, frame, [z,] y, x) in pixels, sorted by track and frame. `features` has a
    row for each of them, with the `link_score` of the link from its parent (NaN without one) and
    whether its mask was `filled` in over a gap, where that is known. `graph` holds {daughter:
    [mother]}; `cells` the id of the cell of each row. Without tracks there are no rows.
    """

    labels: Any
    stages: StageSet
    vertices: np.ndarray
    features: pd.DataFrame
    graph: dict[int, list[int]]
    counts: dict[str, int]
    cells: np.ndarray
    _order: np.ndarray = field(repr=False)
    _starts: np.ndarray = field(repr=False)

    @property
    def has_tracks(self) -> bool:
        """Whether there are tracks to show."""
        return len(self.vertices) > 0

    @property
    def has_stages(self) -> bool:
        """Whether the cells have stages."""
        return "stage" in self.features

    @property
    def doubts(self) -> int:
        """Number of links trusted less than one half; -1 if nothing says how far links are."""
        if "link_score" not in self.features:
            return -1
        score = self.features["link_score"].to_numpy()
        known = score[~np.isnan(score)]
        return int((known < TRUSTED).sum()) if (known < 1).any() else -1

    def in_frame(self, time: int) -> pd.DataFrame:
        """Rows of `features` of the cells in one frame."""
        if not 0 <= time < len(self._starts) - 1:
            return self.features.iloc[:0]
        return self.features.iloc[self._order[self._starts[time] : self._starts[time + 1]]]

    def stage_counts(self) -> dict[str, int]:
        """How many cells, over all frames, are in each stage."""
        if not self.has_stages:
            return {}
        counted = Counter(self.features["stage"].tolist())  # quicker than pandas with texts
        return {name: counted[name] for name in self.stages.names}


def prepare(
    experiment: Experiment, *, most_loaded: int = MOST_LOADED, progress: Progress = silent
) -> Display:
    """Bring the results of `experiment` into the form that layers need.

    Masks of up to `most_loaded` bytes are loaded, so that they can be painted on.
    """
    assert experiment.labels is not None
    labels = loaded(experiment.labels, most_loaded, progress)
    tracks = experiment.tracks
    if tracks is not None and len(tracks):
        tracks = tracks.with_columns(label=tracks.track_id)
    return display_of(Draft(tracks, labels, experiment.stages), labels)


def display_of(draft: Draft, labels: Any) -> Display:
    """What layers show of a draft whose masks are `labels`."""
    if not len(draft):
        ndim = len(labels.shape) - 1
        vertices, features = np.zeros((0, ndim + 2)), pd.DataFrame({"track": [], "frame": []})
        counts = {"cells": 0 if draft.tracked else _count(draft, labels)}
        cells, graph = np.zeros(0, np.int64), dict[int, list[int]]()
    else:
        vertices, features, cells = _vertices(draft)
        graph = _graph(draft)
        counts = {
            "cells": len(draft),
            "tracks": len(np.unique(draft.column("label"))),
            "divisions": len(graph) // 2,
        }
    frames = features["frame"].to_numpy(np.int64)
    order = np.argsort(frames, kind="stable")
    starts = np.searchsorted(frames[order], np.arange(labels.shape[0] + 1))
    return Display(labels, draft.stages, vertices, features, graph, counts, cells, order, starts)


def loaded(labels: LabelStack, most_loaded: int = MOST_LOADED, progress: Progress = silent) -> Any:
    """Masks as layers show and change them: in memory up to `most_loaded` bytes, else lazy."""
    size = 4 * int(np.prod(labels.shape, dtype=np.int64))
    if size <= most_loaded:
        if isinstance(labels.base, np.ndarray) and not labels.edited:
            return labels.base.astype(np.int32, copy=False)
        loaded = np.empty(labels.shape, np.int32)
        for time in track_progress(range(len(labels)), len(labels), progress, "Loading masks"):
            loaded[time] = labels.frame(time)
        return loaded
    return OverlaidMasks(labels)


@dataclass
class _Counted:
    """How many masks each frame of a draft has, as of its change number `until`."""

    in_frames: np.ndarray
    until: int


_counted: WeakKeyDictionary[Draft, _Counted] = WeakKeyDictionary()
"""What was counted of drafts without tracks, so that a correction costs the frames it changed."""


def _count(draft: Draft, labels: Any) -> int:
    """Masks of all frames of a draft; -1 where they are not in memory."""
    if not isinstance(labels, np.ndarray):
        return -1
    edited = dict(draft.edited_frames)
    known = _counted.get(draft)
    changed = [frame for frame, number in edited.items() if known and number > known.until]
    if known is None:
        changed = list(range(len(labels)))
        known = _counted[draft] = _Counted(np.zeros(len(labels), np.int64), 0)
    for frame in changed:
        known.in_frames[frame] = np.count_nonzero(np.bincount(labels[frame].ravel())[1:])
    known.until = max(edited.values(), default=known.until)
    return int(known.in_frames.sum())


def _vertices(draft: Draft) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Rows of the tracks layer, what is known of each, and whose cell it is."""
    track, frame = draft.column("label"), draft.column("frame")
    order = np.argsort(track * (int(frame.max()) + 1) + frame)  # quicker than by two keys
    places = [draft.column(axis)[order] for axis in draft.axes]
    vertices = np.column_stack([track[order], frame[order], *places]).astype(float)
    columns: dict[str, Any] = {"track": track[order], "frame": frame[order]}
    for name in draft.names:
        column = draft.column(name)
        if name not in _LEFT_OUT and column.dtype != object and column.dtype != bool:
            columns[name] = column[order]
    score = draft.column("link_score")
    columns["link_score"] = np.where(draft.column("parent") == NOBODY, np.nan, score)[order]
    if "filled" in draft.names:
        columns["filled"] = draft.column("filled").astype(bool)[order]
    stage = draft.column("stage")
    if stage.astype(bool).any():
        columns["stage"] = pd.Series(stage[order], dtype=object)  # telling texts apart takes long
        chances = [f"p_{name}" for name in draft.stages.names]
        if set(chances) <= set(draft.names):
            columns["probability"] = np.maximum.reduce([draft.column(n) for n in chances])[order]
    shown = ("track", "frame", "stage", "probability", "link_score", "filled", "area")
    first = [name for name in shown if name in columns]
    rest = [name for name in columns if name not in first]
    features = pd.DataFrame({name: columns[name] for name in (*first, *rest)}, copy=False)
    return vertices, features, draft.ids[order]


def _graph(draft: Draft) -> dict[int, list[int]]:
    """{daughter: [mother]} by the numbers of the tracks."""
    parent = draft.column("parent")
    mothers, counts = np.unique(parent[parent != NOBODY], return_counts=True)
    born = np.flatnonzero(np.isin(parent, mothers[counts == 2]))
    label = draft.column("label")
    mother = label[draft.rows(parent[born])]
    return {int(d): [int(m)] for d, m in zip(label[born], mother, strict=True)}
