"""How the whole field moves between frames, as when the stage jumps, from positions alone."""

from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

NEAR = 0.3
"""Diameters within which a cell counts as being where it is expected."""
FAR = 12.0
"""Diameters beyond which a jump is not looked for."""
LEAST = 0.4
"""Diameters below which a movement is left to the linker, which knows its neighbours' own."""
FEWEST = 5
"""Cells that have to agree."""
_SAMPLE, _NEIGHBOURS = 300, 200
_STILL, _AGREED, _CLEARLY = 0.5, 0.4, 1.6


class Field:
    """Follows the field frame by frame; `offset` (d,) is how far it has moved since the first.

    Frames with too few cells to tell are taken to have moved with the field, and the next is
    compared with the last frame that could tell.
    """

    def __init__(self, ndim: int) -> None:
        self.offset = np.zeros(ndim)
        self._before: np.ndarray | None = None

    def follow(self, position: np.ndarray, diameter: np.ndarray) -> np.ndarray:
        """Offset of a frame whose cells are at `position` (n, d) and have `diameter` (n,)."""
        if len(position) >= FEWEST:
            if self._before is not None:
                unit = float(np.median(diameter))
                self.offset = self.offset + unit * field_shift(self._before / unit, position / unit)
            self._before = position
        return self.offset


def field_offsets(frame: np.ndarray, position: np.ndarray, diameter: np.ndarray) -> np.ndarray:
    """Offset (frames, d) of the field in every frame, in the unit of `position` (n, d).

    `frame` (n,) is ascending. All but 0 where the movement is slow or cannot be told.
    """
    field = Field(position.shape[1])
    starts = np.searchsorted(frame, np.arange(frame.max(initial=-1) + 2))
    offsets = [field.follow(position[a:b], diameter[a:b]) for a, b in pairwise(starts)]
    return np.array(offsets).reshape(-1, position.shape[1])


def diameters(area: np.ndarray, ndim: int) -> np.ndarray:
    """Diameter of the disc, or ball, of each `area`, or volume."""
    return np.asarray((area * (4 / np.pi if ndim == 2 else 6 / np.pi)) ** (1 / ndim))


def field_shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Movement (d,) of the field between two frames, in diameters; 0 unless it is clear.

    Every pair of a cell of `before` (n, d) and one of `after` (m, d) votes for the movement
    that would make them the same; pairs that are the same agree, others scatter. A movement
    is accepted if many cells agree, and clearly more than on no movement or on any other one
    elsewhere. Cost is bounded: at most some 300 cells vote for their 200 nearest.
    """
    none = np.zeros(before.shape[1])
    if min(len(before), len(after)) < FEWEST:
        return none
    tree = cKDTree(after)
    sample = before[np.unique(np.linspace(0, len(before) - 1, _SAMPLE).astype(int))]
    if _agreeing(tree, sample, none).mean() > _STILL:
        return none
    votes = _votes(tree, sample)
    peaks = np.array([_refined(votes, peak) for peak in _peaks(votes)])
    shares = [_share(tree, sample, peak) for peak in peaks]
    best = int(np.argmax(shares))
    shift = peaks[best]
    agreed = _agreeing(tree, sample, shift)
    away = np.linalg.norm(peaks - shift, axis=1) > 1
    rivals = [share for share, is_away in zip(shares, away, strict=True) if is_away]
    rival = max([*rivals, _share(tree, sample, none)])
    is_clear = shares[best] > max(_AGREED, _CLEARLY * rival)
    is_jump = np.linalg.norm(shift) > LEAST and agreed.sum() >= FEWEST
    return shift if is_clear and is_jump else none


def _agreeing(tree: cKDTree, sample: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Which cells are found where `shift` would have moved them."""
    return np.isfinite(tree.query(sample + shift, distance_upper_bound=NEAR)[0])


def _share(tree: cKDTree, sample: np.ndarray, shift: np.ndarray) -> float:
    """Share of agreeing cells among those that are still in the field after `shift`."""
    moved = sample + shift
    inside = ((moved >= tree.mins - NEAR) & (moved <= tree.maxes + NEAR)).all(1)
    agreed = _agreeing(tree, sample, shift)
    return float(agreed.sum() / max(inside.sum(), len(sample) / 2))


def _votes(tree: cKDTree, sample: np.ndarray) -> np.ndarray:
    k = np.arange(1, min(_NEIGHBOURS, tree.n) + 1)
    index = tree.query(sample, k=k, distance_upper_bound=FAR)[1]
    row, place = np.nonzero(index < tree.n)
    return np.asarray(tree.data[index[row, place]] - sample[row])


def _peaks(votes: np.ndarray, most: int = 6) -> np.ndarray:
    """The movements (k, d) with most votes near them, by counting on a grid."""
    if not len(votes):
        return np.zeros((1, votes.shape[1]))
    d = votes.shape[1]
    cell = np.floor((votes + FAR) / NEAR).astype(np.int64) + 1
    width = int(2 * FAR / NEAR) + 4
    counts = np.bincount(np.ravel_multi_index(tuple(cell.T), (width,) * d), minlength=width**d)
    crowd = counts.reshape((width,) * d)
    for axis in range(d):
        crowd = 2 * crowd + np.roll(crowd, 1, axis) + np.roll(crowd, -1, axis)
    chosen = np.argsort(-crowd, axis=None, kind="stable")[: most * 3**d]
    found: list[np.ndarray] = []
    for place in np.column_stack(np.unravel_index(chosen, crowd.shape)):
        centre = (place - 0.5) * NEAR - FAR
        if all(np.linalg.norm(centre - other) > 1 for other in found):
            found.append(centre)
    return np.array(found[:most])


def _refined(votes: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The median of the votes near `shift`."""
    for reach in (1.5 * NEAR, NEAR, NEAR):
        near = np.linalg.norm(votes - shift, axis=1) < reach
        if near.any():
            shift = np.median(votes[near], axis=0)
    return shift
