"""Stages of all tracks over all frames as one matrix; knows no windows."""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.features.sighted import Sighted

NOBODY = -2
"""Code of a frame in which a track has no cell."""
SortBy = Literal["onset of mitosis", "birth"]


@dataclass(frozen=True)
class StageGrid:
    """One row a track, one column a frame.

    `tracks` (R,) are the ids, `codes` (R, T) int8 the stages as positions in `stages`, -1
    for a cell without one, `NOBODY` where there is no cell; `chances` (R, T) float32 their
    probabilities (NaN where unknown). `places` (R, T) are rows of the sights, and of the
    vertices of the display, -1 where there is no cell. `pinned` (R, T) marks stages that a user
    set. `births` and `onsets` (R,) are the first frame of each track and the one in which it
    enters mitosis (T if it does not).
    """

    tracks: np.ndarray
    codes: np.ndarray
    chances: np.ndarray
    places: np.ndarray
    pinned: np.ndarray
    births: np.ndarray
    onsets: np.ndarray
    stages: StageSet

    def sorted_by(self, by: SortBy) -> "StageGrid":
        """The same rows in another order; those that are equal in it stand by their birth."""
        first = self.onsets if by == "onset of mitosis" else self.births
        return self._taken(np.lexsort((self.tracks, self.births, first)))

    def in_order_of(self, former: "StageGrid") -> "StageGrid":
        """The same rows in the order that they had before an edit; those that came at the end."""
        place = {track: row for row, track in enumerate(former.tracks.tolist())}
        last = len(place)
        keys = np.array([place.get(track, last) for track in self.tracks.tolist()], np.int64)
        return self._taken(np.lexsort((self.tracks, keys)))

    def _taken(self, order: np.ndarray) -> "StageGrid":
        parts: dict[str, Any] = {
            part.name: getattr(self, part.name)[order]
            for part in fields(self)
            if part.name != "stages"
        }
        return StageGrid(**parts, stages=self.stages)

    def row_of(self, track: int | None) -> int | None:
        """Row of a track, if it is there."""
        if track is None:
            return None
        found = np.flatnonzero(self.tracks == track)
        return int(found[0]) if len(found) else None

    def boundary(self, row: int, frame: int) -> bool:
        """Whether at `frame` of a row another stage begins than the cell had before."""
        if not 0 < frame < self.codes.shape[1] or self.codes[row, frame] < 0:
            return False
        there = np.flatnonzero(self.codes[row, :frame] != NOBODY)
        before = int(self.codes[row, there[-1]]) if len(there) else -1
        return before >= 0 and before != self.codes[row, frame]

    def moved(self, row: int, frame: int, to: int) -> tuple[int, np.ndarray]:
        """Where the stage that begins at `frame` of a row can begin nearest to `to`.

        Returns that frame, and the stages (T,) that the row has then.
        """
        codes = self.codes[row].copy()
        there = np.flatnonzero(codes != NOBODY)
        place = int(np.searchsorted(there, frame))
        goal = int(np.clip(np.searchsorted(there, to), 1, len(there) - 1))
        before, after = codes[there[place - 1]], codes[there[place]]
        codes[there[goal : max(place, goal) + 1]] = after
        codes[there[min(place, goal) - 1 : goal]] = before
        return int(there[goal]), codes


def stage_grid(known: Sighted, frames: int) -> StageGrid:
    """Arrange the stages of all sights over `frames` frames, tracks in the order of their ids."""
    tracks = known.numbers
    row = np.repeat(np.arange(len(tracks)), known.stops - known.starts)
    shape, at = (len(tracks), frames), (row, known.frames)
    codes, chances = np.full(shape, NOBODY, np.int8), np.full(shape, np.nan, np.float32)
    places, pinned = np.full(shape, -1, np.int32), np.zeros(shape, bool)
    places[at] = np.arange(len(known))
    codes[at] = known.codes
    chances[at] = known.chances
    pinned[at] = known.pinned
    onsets = np.where(known.onsets < 0, frames, known.onsets)
    return StageGrid(tracks, codes, chances, places, pinned, known.births, onsets, known.stages)
