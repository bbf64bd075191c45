"""All sights of all cells in the order of track and time, as views of many cells need them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.features.mitosis import enters_mitosis, is_mitotic

NOT_SEEN = -1
"""Row of a sight that there is not."""


@dataclass(frozen=True, eq=False)
class Sighted:
    """A row a sight, sorted by track and frame.

    `cells` (n,) are ids of cells, `tracks` and `frames` (n,) where they belong, `centres_px`
    (n, ndim) their places. `codes` (n,) int8 are stages as positions in `stages`, -1 where none
    is known, `chances` (n,) the probability of each stage and `scores` (n,) that of the link from
    the cell before, NaN where they are not known; `pinned` (n,) whether a user set the stage.
    `mothers` holds {track of a daughter: track of her mother}.
    """

    cells: np.ndarray
    tracks: np.ndarray
    frames: np.ndarray
    centres_px: np.ndarray
    codes: np.ndarray
    chances: np.ndarray
    scores: np.ndarray
    pinned: np.ndarray
    mothers: dict[int, int]
    stages: StageSet

    def __len__(self) -> int:
        return len(self.tracks)

    @cached_property
    def starts(self) -> np.ndarray:
        """Row of the first sight of each track, (R,)."""
        changes = np.diff(self.tracks, prepend=self.tracks[:1] - 1) != 0
        return np.flatnonzero(changes)

    @cached_property
    def stops(self) -> np.ndarray:
        """Row after the last sight of each track, (R,)."""
        return np.append(self.starts[1:], len(self)) if len(self) else self.starts

    @cached_property
    def numbers(self) -> np.ndarray:
        """Each track once, (R,), ascending."""
        return self.tracks[self.starts]

    @cached_property
    def births(self) -> np.ndarray:
        """First frame of each track, (R,)."""
        return self.frames[self.starts]

    @cached_property
    def ends(self) -> np.ndarray:
        """Last frame of each track, (R,)."""
        return self.frames[self.stops - 1]

    @cached_property
    def divides(self) -> np.ndarray:
        """Which tracks, (R,) bool, end in a division."""
        return np.isin(self.numbers, np.fromiter(self.mothers.values(), np.int64))

    @cached_property
    def onsets(self) -> np.ndarray:
        """Frame in which each track enters mitosis, (R,); `NOT_SEEN` if it is not seen to."""
        first = np.zeros(len(self), bool)
        first[self.starts] = True
        daughters = np.isin(self.tracks, np.fromiter(self.mothers, np.int64))
        entering = np.flatnonzero(enters_mitosis(self.codes, first, daughters, self.stages))
        owner = np.searchsorted(self.starts, entering, "right") - 1
        onset = np.full(len(self.starts), NOT_SEEN)
        onset[owner[::-1]] = self.frames[entering[::-1]]
        return onset

    @cached_property
    def mitotic(self) -> np.ndarray:
        """Number of sights in mitosis of each track, (R,)."""
        return self._summed(is_mitotic(self.codes, self.stages).astype(float)).astype(np.int64)

    @cached_property
    def mistakes(self) -> np.ndarray:
        """Number of wrong stages and links to be expected in each track, (R,), as models told."""
        wrong = np.nan_to_num(1 - self.chances) * ~self.pinned + np.nan_to_num(1 - self.scores)
        return self._summed(wrong)

    def _summed(self, values: np.ndarray) -> np.ndarray:
        if not len(self):
            return np.zeros(0)
        return np.add.reduceat(values, self.starts)

    @cached_property
    def _keys(self) -> np.ndarray:
        return self.tracks * self._period + self.frames

    @cached_property
    def _period(self) -> int:
        return int(self.frames.max(initial=0)) + 1

    def row_of(self, track: int) -> int | None:
        """Position of a track in `numbers`, if it is there."""
        row = int(np.searchsorted(self.numbers, track))
        return row if row < len(self.numbers) and self.numbers[row] == track else None

    def at(self, tracks: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Rows of the sights of `tracks` in `frames`, of one shape; `NOT_SEEN` where none is."""
        if not len(self):
            return np.full(np.broadcast_shapes(tracks.shape, frames.shape), NOT_SEEN)
        asked = tracks * self._period + frames
        found = np.minimum(np.searchsorted(self._keys, asked), len(self) - 1)
        there = (self._keys[found] == asked) & (frames >= 0) & (frames < self._period)
        return np.where(there, found, NOT_SEEN)
