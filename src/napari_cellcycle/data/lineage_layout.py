"""Where the tracks of a lineage tree stand: time runs along, daughters lie around their mother."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft

NONE = -1
"""Position of no track."""
_APART = 0.5
"""Rows left free between two lineages."""


@dataclass(frozen=True, eq=False)
class Lineages:
    """The cells of a draft by track and frame, and which track descends from which.

    `order` (n,) are rows of the draft, sorted by track and frame; `cells`, `frames` (n,) and
    `track_of` (n,) their ids, frames and positions among the tracks. `tracks` (m,) are the
    numbers of the tracks, ascending; the cells of the track at position i are `starts[i]` to
    `starts[i + 1]`. `mothers` (m,) are positions of the mothers, `NONE` without one.
    """

    order: np.ndarray
    cells: np.ndarray
    frames: np.ndarray
    track_of: np.ndarray
    tracks: np.ndarray
    starts: np.ndarray
    mothers: np.ndarray

    def __len__(self) -> int:
        return len(self.tracks)

    @cached_property
    def first(self) -> np.ndarray:
        """First frame (m,) of each track."""
        return self.frames[self.starts[:-1]]

    @cached_property
    def last(self) -> np.ndarray:
        """Last frame (m,) of each track."""
        return self.frames[self.starts[1:] - 1]

    @cached_property
    def generations(self) -> list[np.ndarray]:
        """Positions of the tracks of each generation, founders first; none is left out."""
        found = [np.flatnonzero(self.mothers == NONE)]
        generation = np.where(self.mothers == NONE, 0, NONE)
        while len(found[-1]):
            born = (generation == NONE) & (generation[self.mothers] == len(found) - 1)
            generation[born] = len(found)
            found.append(np.flatnonzero(born))
        return found[:-1]

    @cached_property
    def founders(self) -> np.ndarray:
        """Position (m,) of the founder of each track's lineage."""
        founder = np.arange(len(self))
        for born in self.generations[1:]:
            founder[born] = founder[self.mothers[born]]
        return founder

    @cached_property
    def progeny(self) -> tuple[np.ndarray, np.ndarray]:
        """How many tracks descend from each, and the last frame of itself and those, both (m,)."""
        number, until = np.zeros(len(self), np.int64), self.last.copy()
        for born in reversed(self.generations[1:]):
            np.add.at(number, self.mothers[born], number[born] + 1)
            np.maximum.at(until, self.mothers[born], until[born])
        return number, until

    def position(self, track: int | None) -> int:
        """Position of a track by its number; `NONE` if it is not there."""
        return NONE if track is None else _position(self.tracks, track)

    def daughters(self, position: int) -> np.ndarray:
        """Positions of the daughters of a track."""
        return np.flatnonzero(self.mothers == position)

    def ancestors(self, position: int) -> Iterator[int]:
        """Positions of the mother, her mother, and so on."""
        while (position := int(self.mothers[position])) != NONE:
            yield position

    def place(self, position: int, frame: int) -> int:
        """Place in `cells` of a track's cell in a frame; `NONE` if it is not seen in it."""
        start, stop = self.starts[position : position + 2]
        place = int(start + np.searchsorted(self.frames[start:stop], frame))
        return place if place < stop and self.frames[place] == frame else NONE

    def nearest(self, position: int, frame: int) -> int:
        """Place in `cells` of the cell of a track that is nearest in time to a frame."""
        start, stop = self.starts[position : position + 2]
        return int(start + np.abs(self.frames[start:stop] - frame).argmin())


def lineages_of(draft: Draft) -> Lineages:
    """Sort the cells of `draft` by track and frame, and find the mother of every track."""
    label, frame = draft.column("label").astype(np.int64), draft.column("frame").astype(np.int64)
    order = np.argsort(label * (int(frame.max(initial=0)) + 1) + frame, kind="stable")
    label, frame = label[order], frame[order]
    begins = np.flatnonzero(np.diff(label, prepend=NONE))
    tracks = label[begins]
    parent = draft.column("parent")[order[begins]]
    mothers = np.full(len(tracks), NONE)
    born = np.flatnonzero(parent != NOBODY)
    mother = draft.column("label")[draft.rows(parent[born])]
    mothers[born] = np.searchsorted(tracks, mother)
    mothers[mothers == np.arange(len(tracks))] = NONE
    return Lineages(
        order=order,
        cells=draft.ids[order],
        frames=frame,
        track_of=np.repeat(np.arange(len(tracks)), np.diff(begins, append=len(label))),
        tracks=tracks,
        starts=np.append(begins, len(label)),
        mothers=mothers,
    )


@dataclass(frozen=True, eq=False)
class Layout:
    """On which row each track of some lineages lies.

    `rows` (m,) are NaN for tracks that are not shown: those of other lineages, and the progeny
    of a track that is folded. A track without daughters has a row of its own, whole numbers
    apart within a lineage; a mother lies in the middle of her daughters. `height` is the number
    of rows; `folded` (m,) tells which tracks hide their progeny.
    """

    lineages: Lineages
    rows: np.ndarray
    height: float
    folded: np.ndarray

    @cached_property
    def shown(self) -> np.ndarray:
        """Which tracks, (m,) bool, are shown."""
        return ~np.isnan(self.rows)

    def track_at(self, frame: float, row: float, reach: float, before: float = 0.0) -> int:
        """Position of the track nearest to a place; `NONE` if none is near.

        A track is near within `reach` rows, and `before` frames, of its line.
        """
        known = self.lineages
        last = np.where(self.folded, known.progeny[1], known.last)
        along = np.maximum(known.first - 0.5 - frame, frame - last - 0.5)
        off = np.abs(self.rows - row)
        near = np.flatnonzero(self.shown & (off <= reach) & (along <= before))
        if not len(near):
            return NONE
        return int(near[np.lexsort((off[near], np.maximum(along[near], 0)))[0]])

    def beside(self, position: int, frame: int, step: int) -> int:
        """Position of the shown track below (`step` 1) or above (-1) that is there in a frame.

        The nearest one whatever its frames if there is none; `NONE` at the end.
        """
        known = self.lineages
        off = (self.rows - self.rows[position]) * step
        other = self.shown & (off > 0)
        alive = other & (known.first <= frame) & (known.last >= frame)
        choice = np.flatnonzero(alive if alive.any() else other)
        return int(choice[off[choice].argmin()]) if len(choice) else NONE


def lay_out(lineages: Lineages, only: int | None = None, folded: Collection[int] = ()) -> Layout:
    """Give every track of `lineages` its row.

    Lineages stand in the order of the first frame and the number of their founders; sisters in
    that of their numbers. `only` shows the lineage of this track alone; `folded` are numbers of
    tracks whose progeny is hidden.
    """
    m, mothers = len(lineages), lineages.mothers
    number, _ = lineages.progeny
    is_folded = np.isin(lineages.tracks, list(folded)) & (number > 0)
    shown = np.ones(m, bool)
    if (chosen := lineages.position(only)) != NONE:
        shown = lineages.founders == lineages.founders[chosen]
    for born in lineages.generations[1:]:
        above = mothers[born]
        shown[born] &= shown[above] & ~is_folded[above]
    seen = [born[shown[born]] for born in lineages.generations]
    leaves = _leaves(m, mothers, seen)
    starts, height = _starts(lineages, seen, leaves)
    rows = np.full(m, np.nan)
    low, high = np.full(m, np.inf), np.full(m, -np.inf)
    for born in reversed(seen):
        rows[born] = starts[born]
        above = born[np.isfinite(low[born])]
        rows[above] = (low[above] + high[above]) / 2
        below = born[mothers[born] != NONE]
        np.minimum.at(low, mothers[below], rows[below])
        np.maximum.at(high, mothers[below], rows[below])
    return Layout(lineages, rows, height, is_folded & shown)


def _leaves(m: int, mothers: np.ndarray, seen: list[np.ndarray]) -> np.ndarray:
    """Rows (m,) that each track and its progeny take."""
    leaves = np.zeros(m)
    for born in reversed(seen):
        leaves[born] = np.maximum(leaves[born], 1)
        below = born[mothers[born] != NONE]
        np.add.at(leaves, mothers[below], leaves[below])
    return leaves


def _starts(
    lineages: Lineages, seen: list[np.ndarray], leaves: np.ndarray
) -> tuple[np.ndarray, float]:
    """First row (m,) of each track and its progeny, and the height of all."""
    starts = np.zeros(len(lineages))
    if not seen:
        return starts, 0.0
    founders = seen[0]
    founders = founders[np.lexsort((lineages.tracks[founders], lineages.first[founders]))]
    taken = np.cumsum(leaves[founders] + _APART)
    starts[founders] = taken - leaves[founders] - _APART
    for born in seen[1:]:
        mother = lineages.mothers[born]
        born = born[np.argsort(mother, kind="stable")]
        mother = lineages.mothers[born]
        before = np.cumsum(leaves[born]) - leaves[born]
        first = np.flatnonzero(np.diff(mother, prepend=NONE))
        sisters = np.diff(first, append=len(born))
        starts[born] = starts[mother] + before - np.repeat(before[first], sisters)
    return starts, float(taken[-1] - _APART) if len(taken) else 0.0


def _position(tracks: np.ndarray, track: int) -> int:
    place = int(np.searchsorted(tracks, track))
    return place if place < len(tracks) and tracks[place] == track else NONE
