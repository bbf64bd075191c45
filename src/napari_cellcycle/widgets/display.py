"""The results of an experiment as the arrays that layers show; made outside the GUI thread."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.widgets.colours import TRUSTED

MOST_LOADED = 1_000_000_000
_LEFT_OUT = ("by", "cell_id")


@dataclass(frozen=True)
class Display:
    """What is shown of an experiment.

    `labels` is int32 (T, [Z,] Y, X), in memory up to a gigabyte and lazy above. `vertices`
    has rows (track, frame, [z,] y, x) in pixels, sorted by track and frame. `features` has a
    row for each of them, with the `link_score` of the link from its parent (NaN without one) and
    whether its mask was `filled` in over a gap, where that is known. `graph` holds {daughter:
    [mother]}. Without tracks there are no rows.
    """

    labels: Any
    stages: StageSet
    vertices: np.ndarray
    features: pd.DataFrame
    graph: dict[int, list[int]]
    counts: dict[str, int]
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
        counted = self.features["stage"].value_counts()
        return {name: int(counted.get(name, 0)) for name in self.stages.names}


def prepare(
    experiment: Experiment, *, most_loaded: int = MOST_LOADED, progress: Progress = silent
) -> Display:
    """Bring the results of `experiment` into the form that layers need.

    Masks of up to `most_loaded` bytes are loaded, so that they can be painted on.
    """
    assert experiment.labels is not None
    labels = _labels(experiment.labels, most_loaded, progress)
    tracks = experiment.tracks
    if tracks is None or not len(tracks):
        ndim = experiment.labels.ndim
        vertices, features = np.zeros((0, ndim + 2)), pd.DataFrame({"track": [], "frame": []})
        counts = {"cells": _count(labels)}
        graph: dict[int, list[int]] = {}
    else:
        vertices, features = _vertices(tracks, experiment.stages)
        graph = {child: [mother] for child, mother in tracks.mothers.items()}
        counts = {
            "cells": len(tracks),
            "tracks": int(tracks.track_id.max()),
            "divisions": len(tracks.divisions),
        }
    frames = features["frame"].to_numpy(np.int64)
    order = np.argsort(frames, kind="stable")
    starts = np.searchsorted(frames[order], np.arange(len(experiment.labels) + 1))
    return Display(labels, experiment.stages, vertices, features, graph, counts, order, starts)


def _labels(labels: LabelStack, most_loaded: int, progress: Progress) -> Any:
    size = 4 * int(np.prod(labels.shape, dtype=np.int64))
    if size <= most_loaded:
        if isinstance(labels.base, np.ndarray) and not labels.edited:
            return labels.base.astype(np.int32, copy=False)
        loaded = np.empty(labels.shape, np.int32)
        for time in track_progress(range(len(labels)), len(labels), progress, "Loading masks"):
            loaded[time] = labels.frame(time)
        return loaded
    import dask.array as da
    from dask.delayed import delayed

    frames = [
        da.from_delayed(delayed(labels.frame)(time), labels.shape[1:], np.int32)
        for time in range(len(labels))
    ]
    return da.stack(frames)


def _count(labels: Any) -> int:
    """Masks of all frames; -1 where they are not in memory."""
    if not isinstance(labels, np.ndarray):
        return -1
    return sum(int(np.count_nonzero(np.bincount(frame.ravel())[1:])) for frame in labels)


def _vertices(tracks: Tracks, stages: StageSet) -> tuple[np.ndarray, pd.DataFrame]:
    cells, track = tracks.cells, tracks.track_id.to_numpy()
    order = np.lexsort((cells["frame"].to_numpy(), track))
    cells, track = cells.iloc[order], track[order]
    frame = cells["frame"].to_numpy(np.int64)
    places = [cells[axis].to_numpy(float) for axis in tracks.axes]
    vertices = np.column_stack([track, frame, *places]).astype(float)
    known = {"track": track, "frame": frame}
    measured = cells.drop(columns=["frame", "label", "track_id", *_LEFT_OUT], errors="ignore")
    features = measured.select_dtypes("number").assign(**known)
    score = tracks.links.set_index("child")["score"].astype(float)
    features["link_score"] = score.reindex(features.index)
    if "filled" in cells:
        features["filled"] = cells["filled"].astype(bool)
    features = features.reset_index(drop=True)
    if "stage" in cells:
        names = cells["stage"].astype(str).to_numpy()
        features["stage"] = names
        chances = [f"p_{name}" for name in stages.names]
        if set(chances) <= set(cells.columns):
            features["probability"] = cells[chances].to_numpy(float).max(axis=1)
    shown = ("track", "frame", "stage", "probability", "link_score", "filled", "area")
    first = [name for name in shown if name in features]
    rest = [name for name in features.columns if name not in first]
    return vertices, features[[*first, *rest]]
