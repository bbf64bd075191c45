"""Tracks that miss a cell in a frame: a new mask in such a place is most likely theirs."""

from collections.abc import Sequence

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.masks.found import fresh_labels, spacing, usual_diameter

_REACH = 0.6
"""How far from the way of a track, in diameters of a usual cell, a mask can be its missing one."""


def labels_for(bench: Bench, frame: int, places: Sequence[np.ndarray]) -> list[int]:
    """Labels for new masks with their middles at places [z,] y, x of a frame.

    A mask on the way of a track that leads across the frame, but has no cell in it, gets the label
    of that track; others get fresh ones.
    """
    draft = bench.draft
    label, way = _gaps(bench, frame)
    found = [NOBODY] * len(places)
    if len(label):
        size = spacing(draft, way.shape[1])
        reach = _REACH * usual_diameter(draft, frame, way.shape[1])
        away = np.linalg.norm((np.array(places)[:, np.newaxis] - way) * size, axis=2)
        while away.min() <= reach:
            place, gap = np.unravel_index(int(away.argmin()), away.shape)
            found[int(place)] = int(label[gap])
            away[place], away[:, gap] = np.inf, np.inf
    fresh = iter(fresh_labels(draft, frame, found.count(NOBODY)))
    return [one or next(fresh) for one in found]


def _gaps(bench: Bench, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (k,) of the tracks that lead across a frame, and where they are then (k, d)."""
    draft = bench.draft
    frames, parent = draft.column("frame"), draft.column("parent")
    later = np.flatnonzero((frames > frame) & (frames <= frame + bench.track.max_gap))
    later = later[parent[later] != NOBODY]
    earlier = draft.rows(parent[later])
    own = draft.column("label")
    across = (frames[earlier] < frame) & (own[earlier] == own[later])
    later, earlier = later[across], earlier[across]
    share = (frame - frames[earlier]) / np.maximum(frames[later] - frames[earlier], 1)
    place = np.column_stack([draft.column(axis) for axis in draft.axes])
    way = place[earlier] + share[:, np.newaxis] * (place[later] - place[earlier])
    return own[later], way
