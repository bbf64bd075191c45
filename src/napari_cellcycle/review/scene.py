"""Everything that rules look at, as arrays with a row for each cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.row_of import NONE, RowOf
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.errors import Fix
from napari_cellcycle.features.drift import diameters
from napari_cellcycle.review.doubt import Doubt, Facts, Key
from napari_cellcycle.review.evidence import FARTHEST, known, spread
from napari_cellcycle.review.norms import Norms, norms_of
from napari_cellcycle.review.rivals import Lookup, Rivals

Candidate = tuple[list[int], float]
"""Parent, child and other child (ids; 0 for a link), and the tracker's probability."""
_FEW = 1_000_000
"""Pairs of cells up to which comparing all is faster than building trees."""
_LOOKED_AT = 4
"""How many of the likeliest candidates of a cell are tried until one is still possible."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A draft as rules see it. Rows are those of the draft's columns; `NONE` is no row.

    `row_of` gives the row of each id. `parent` (n,) is the row that each cell comes from, `first`
    and `second` (n,) those that it goes on as, the second only after a division. `place` (n, d)
    and `diameter` (n,) are in um, the latter NaN where areas are not known.
    """

    draft: Draft
    facts: Facts
    rivals: Rivals
    row_of: RowOf
    parent: np.ndarray
    first: np.ndarray
    second: np.ndarray
    place: np.ndarray
    diameter: np.ndarray
    given: Norms | None = None

    @classmethod
    def of(
        cls,
        draft: Draft,
        facts: Facts,
        rivals: Rivals | None = None,
        norms: Norms | None = None,
    ) -> "Scene":
        """Look at a draft; `rivals` and `norms` of an earlier look may be used again."""
        if rivals is None or rivals.table is not draft.candidates:
            rivals = Rivals.of(draft.candidates)
        ids, n = draft.ids, len(draft)
        row_of = RowOf(ids)
        parent = row_of(draft.column("parent"))
        children = np.flatnonzero(parent != NONE)
        first, second = np.full(n, NONE), np.full(n, NONE)
        first[parent[children[::-1]]] = children[::-1]
        second[parent[children]] = children
        second[second == first] = NONE
        place = np.column_stack([draft.column(axis) for axis in draft.axes])
        area = draft.column("area") if "area" in draft.names else np.full(n, np.nan)
        size = diameters(np.where(area > 0, area, np.nan), place.shape[1])
        links = parent, first, second
        return cls(draft, facts, rivals, row_of, *links, place * facts.pixel_size, size, norms)

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def ids(self) -> np.ndarray:
        """Ids (n,) of the cells."""
        return self.draft.ids

    @property
    def frame(self) -> np.ndarray:
        """Frame (n,) of each cell."""
        return self.draft.column("frame")

    @property
    def label(self) -> np.ndarray:
        """Number (n,) of each cell's track."""
        return self.draft.column("label")

    def named(self, kind: str) -> str:
        """What the weights of a kind of doubt are called, with or without a tracker's scores."""
        return kind if self.norms.scored else f"{kind}, no scores"

    def rows_of(self, cells: np.ndarray) -> np.ndarray:
        """Rows of `cells` (ids, any shape); `NONE` of those that are not there, or deleted."""
        return self.row_of(cells)

    def label_of(self, cell: int) -> int:
        """Number of the track of a cell (id)."""
        return int(self.label[self.row_of.one(cell)])

    @property
    def ndim(self) -> int:
        """Number of spatial dimensions."""
        return self.place.shape[1]

    @cached_property
    def _positions(self) -> list[np.ndarray]:
        return [self.draft.column(axis) for axis in self.draft.axes]

    @cached_property
    def norms(self) -> Norms:
        """What is usual in the whole movie."""
        return self.given or norms_of(self)

    @cached_property
    def log_area(self) -> np.ndarray:
        """Logarithm of the area or volume (n,), by its diameter; NaN where it is not known."""
        return self.ndim * np.log(self.diameter)

    @cached_property
    def log_light(self) -> np.ndarray:
        """Logarithm of the brightness above the background (n,); NaN where it is not known."""
        if not {"intensity_mean", "background"} <= set(self.draft.names):
            return np.full(len(self), np.nan)
        above = self.draft.column("intensity_mean") - self.draft.column("background")
        return np.log(np.where(above > 0, above, np.nan))

    def doubt(
        self,
        kind: str,
        rows: Sequence[int],
        reason: str,
        weight: float,
        key: Key,
        mends: tuple[Fix, ...],
    ) -> Doubt:
        """A doubt about `rows`, of which the first is to be looked at."""
        row = rows[0]
        place = tuple(float(values[row]) for values in self._positions)
        cells = tuple(int(self.ids[each]) for each in rows)
        return Doubt(kind, cells, int(self.frame[row]), place, reason, weight, (key,), mends)

    # ---------------------------------------------------------------- one by one

    def held(self, rows: np.ndarray) -> np.ndarray:
        """Whether a user made or confirmed the links that lead to `rows`."""
        by = self.draft.column("link_by")[rows]
        return np.asarray(by == BY_USER, bool) & (self.parent[rows] != NONE)

    def filled(self, rows: np.ndarray) -> np.ndarray:
        """Whether the masks of `rows` were drawn into gaps."""
        if "filled" not in self.draft.names:
            return np.zeros(len(rows), bool)
        return self.draft.column("filled")[rows].astype(bool)

    def goes_on_alone(self, rows: np.ndarray) -> np.ndarray:
        """What each of `rows` is in a later frame; `NONE` if it divides, or is lost."""
        return np.where(self.second[rows] == NONE, self.first[rows], NONE)

    def comes_alone(self, rows: np.ndarray) -> np.ndarray:
        """What each of `rows` was in an earlier frame; `NONE` if it was born, or appears."""
        parent = self.parent[rows]
        return np.where(self.second[parent] == NONE, parent, NONE)

    def edge_distance(self, rows: np.ndarray) -> np.ndarray:
        """How far, in um, outlines are from the nearest border in y or x; 0 if they touch it."""
        size = np.array(self.facts.pixel_size[-2:])
        extent = (np.array(self.facts.frame_shape[-2:]) - 1) * size
        place = self.place[rows][:, -2:]
        away = np.minimum(place, extent - place).min(axis=1) - known(self.diameter[rows]) / 2
        if "at_edge" in self.draft.names:
            away = np.where(self.draft.column("at_edge")[rows].astype(bool), 0, away)
        return np.maximum(away, 0)

    # ---------------------------------------------------------------- tracks

    def head(self, rows: np.ndarray) -> np.ndarray:
        """Where the tracks of `rows` begin."""
        return self.head_of(self.label[rows])

    def tail(self, rows: np.ndarray) -> np.ndarray:
        """Where the tracks of `rows` end, by a division or for good."""
        return self.tail_of(self.label[rows])

    def head_of(self, labels: np.ndarray) -> np.ndarray:
        """Where the tracks with some numbers begin."""
        return self._heads[self._track_of(labels)]

    def tail_of(self, labels: np.ndarray) -> np.ndarray:
        """Where the tracks with some numbers end."""
        return self._tails[self._track_of(labels)]

    @cached_property
    def _heads(self) -> np.ndarray:
        parent = self.parent
        heads = np.flatnonzero((parent == NONE) | (self.second[parent] != NONE))
        return self._by_track(heads)

    @cached_property
    def _tails(self) -> np.ndarray:
        return self._by_track(np.flatnonzero((self.first == NONE) | (self.second != NONE)))

    @cached_property
    def _track_of(self) -> RowOf:
        return RowOf(np.unique(self.label))

    def _by_track(self, rows: np.ndarray) -> np.ndarray:
        table = np.full(len(self._track_of) + 1, NONE)  # the last is that of no track, row -1
        table[self._track_of(self.label[rows])] = rows
        return table

    # ---------------------------------------------------------------- who is near

    @cached_property
    def _by_frame(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.frame.astype(np.int32), kind="stable")
        starts = np.searchsorted(self.frame[order], np.arange(self.facts.frames + 1))
        return order, starts

    def in_frame(self, frame: int) -> np.ndarray:
        """Rows of the cells in a frame; none outside of the movie."""
        if not 0 <= frame < self.facts.frames:
            return np.empty(0, np.int64)
        order, starts = self._by_frame
        return order[starts[frame] : starts[frame + 1]]

    def nearest(self, rows: np.ndarray, later: int, most: int) -> tuple[np.ndarray, np.ndarray]:
        """The cells nearest to each of `rows`, so many frames later, or earlier if negative.

        Returns rows (m, most), `NONE` where there are no more within `FARTHEST`, and distances in
        diameters of a usual cell, infinite there.
        """
        order, starts = self._by_frame
        frames = self.frame[rows] + later
        inside = (frames >= 0) & (frames < self.facts.frames)
        begin, end = (starts[np.where(inside, frames, 0) + one] for one in (0, 1))
        end = np.where(inside, end, begin)
        if (end - begin).sum() > _FEW:
            every = np.ones(len(self), bool)
            return self.nearest_to(self.place[rows], frames, every, most, FARTHEST)
        asking, at = spread(begin, end)
        there, reach = order[at], FARTHEST * self.norms.unit
        level = self.place[:, -1]
        close = np.flatnonzero(np.abs(level[there] - level[rows][asking]) <= reach)
        asking, there = asking[close], there[close]
        apart = self.place[there] - self.place[rows[asking]]
        distance = np.sqrt(np.einsum("nd,nd->n", apart, apart)) / self.norms.unit
        near = np.flatnonzero(distance <= FARTHEST)
        near = near[np.lexsort((distance[near], asking[near]))]
        asking = asking[near]
        rank = np.arange(len(near)) - np.searchsorted(asking, asking)
        found = np.full((len(rows), most), NONE)
        away = np.full((len(rows), most), np.inf)
        kept = rank < most
        where = asking[kept], rank[kept]
        found[where], away[where] = there[near[kept]], distance[near[kept]]
        return found, away

    def nearest_to(
        self, places: np.ndarray, frames: np.ndarray, among: np.ndarray, most: int, reach: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The cells nearest to `places` (m, d) in `frames` (m,), of those that are `among` (n,).

        Returns rows (m, most), `NONE` where there are no more within `reach`, and distances;
        these are in diameters of a usual cell, and infinite there. Of cells that are as near as
        each other, the first row comes first.
        """
        found = np.full((len(places), most), NONE)
        away = np.full((len(places), most), np.inf)
        beyond = np.nextafter(reach * self.norms.unit, np.inf)
        order = np.argsort(frames, kind="stable")
        asked, starts = np.unique(frames[order], return_index=True)
        for frame, asking in zip(asked.tolist(), np.split(order, starts[1:]), strict=False):
            there = self.in_frame(frame)
            there = there[among[there]]
            if not len(there):
                continue
            tree = cKDTree(self.place[there], balanced_tree=False)
            k = np.arange(1, most + 1)
            distance, index = tree.query(places[asking], k=k, distance_upper_bound=beyond)
            found[asking], away[asking] = np.append(there, NONE)[index], distance
        order = np.lexsort((found, away))
        found, away = (np.take_along_axis(each, order, axis=1) for each in (found, away))
        return found, away / self.norms.unit

    # ---------------------------------------------------------------- what else could be

    def likeliest(
        self, lookup: Lookup, rows: np.ndarray, but: tuple[int, np.ndarray] | None = None
    ) -> np.ndarray:
        """Score of the likeliest candidate of each of `rows` that is still possible; else 0.

        With `but`, a column (0 parent, 1 child) and rows (m,), candidates whose cell in that
        column is of the same track as these do not count.
        """
        best = np.zeros(len(rows))
        if not len(lookup.key):
            return best
        cells = self.ids[rows]
        begin = np.searchsorted(lookup.key, cells)
        waiting = np.arange(len(rows))
        for further in range(_LOOKED_AT):
            at = begin[waiting] + further
            inside = at < len(lookup.key)
            inside[inside] = lookup.key[at[inside]] == cells[waiting[inside]]
            waiting, at = waiting[inside], at[inside]
            counts = self.possible(lookup.ends[at])
            if but is not None:
                other = self.label[self.rows_of(lookup.ends[at, but[0]])]
                counts &= other != self.label[but[1][waiting]]
            best[waiting[counts]] = lookup.score[at[counts]]
            waiting = waiting[~counts]
        return best

    def still(self, lookup: Lookup, rows: np.ndarray) -> list[list[Candidate]]:
        """Candidates of each of `rows` that are still possible, the likeliest first."""
        cells = self.ids[rows]
        begin, end = (np.searchsorted(lookup.key, cells, side) for side in ("left", "right"))
        owner, at = spread(begin, end)
        there = self.possible(lookup.ends[at])
        owner, at = owner[there], at[there]
        found: list[list[Candidate]] = [[] for _ in range(len(rows))]
        ends, scores = lookup.ends[at].tolist(), lookup.score[at].tolist()
        for one, end, score in zip(owner.tolist(), ends, scores, strict=True):
            found[one].append((end, score))
        return found

    def possible(self, ends: np.ndarray) -> np.ndarray:
        """Which candidates (k, 3: parent, child, other child) no edit has ruled out."""
        parent, child, other = self.rows_of(ends).T
        single = ends[:, 2] == 0
        fits = (parent != NONE) & (child != NONE) & (single | (other != NONE))
        for born in (child, other):
            is_taken = (born != NONE) & (self.parent[born] != parent)
            is_taken[is_taken] = self.held(born[is_taken])
            fits &= ~is_taken
        for born in (self.first[parent], self.second[parent]):
            goes_elsewhere = (parent != NONE) & (born != NONE) & (born != child) & (born != other)
            goes_elsewhere[goes_elsewhere] = self.held(born[goes_elsewhere])
            fits &= ~goes_elsewhere
        if len(self._rejected):
            fits &= ~np.isin(parent * len(self) + child, self._rejected)
            fits &= single | ~np.isin(parent * len(self) + other, self._rejected)
        return fits

    def is_cut(self, rows: np.ndarray, after: bool) -> np.ndarray:
        """Whether a user cut the track after each of `rows`, or else before (m,)."""
        ends = {pair[0 if after else 1] for pair in self.draft.rejected}
        return np.isin(self.ids[rows], np.array(sorted(ends), np.int64))

    @cached_property
    def _rejected(self) -> np.ndarray:
        """One number for each rejected pair of cells that are both there."""
        pairs = np.array(sorted(self.draft.rejected), np.int64).reshape(-1, 2)
        parent, child = self.rows_of(pairs).T
        both = (parent != NONE) & (child != NONE)
        return parent[both] * len(self) + child[both]
