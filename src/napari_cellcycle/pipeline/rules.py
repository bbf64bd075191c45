"""Rules that couple decisions over time, which a link or a division alone cannot break."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.pipeline.assign import Rule, pack, slots_of


def assign_by_rules(
    candidates: Candidates,
    link_worth: np.ndarray,
    division_worth: np.ndarray,
    frame: np.ndarray,
    min_generation: int,
) -> tuple[np.ndarray, np.ndarray]:
    """As `assign`, and no cell divides within `min_generation` frames from its birth.

    A cell that a division bore has to be seen, from its first to its last frame, in that many
    `frame`s before it divides. Such rules are many and hardly ever broken, so they are added
    when they are: solve, forbid each chain of division, links and division that is too short,
    solve what hangs together with it again, until none is left. The answer is exact; it may also
    be to cut the cell's track, if no division is worth less than a link of it.

    Returns boolean masks over the links and over the divisions.
    """
    n_links, n_cells = len(candidates), len(frame)
    worth = np.concatenate([link_worth, division_worth])
    option, slot = slots_of(candidates, worth > 0, n_cells)
    chosen = pack(option, slot, worth, 2 * n_cells)
    hurried = _Hurried(candidates, division_worth > 0, frame, min_generation)
    rules: list[Rule] = []
    while min_generation > 1 and (new := hurried.rules(chosen)):
        rules += new
        again = _hanging_together(option, slot, worth > 0, 2 * n_cells, rules, new)
        here = again[option]
        alone = np.where(again, worth, 0)
        held = [rule for rule in rules if again[rule.options].any()]
        chosen[again] = pack(option[here], slot[here], alone, 2 * n_cells, held)[again]
    return chosen[:n_links], chosen[n_links:]


def without_short_tracks(
    tracks: Tracks, least: int, spared: Sequence[int] | np.ndarray = ()
) -> Tracks:
    """The tracks but those seen in fewer than `least` frames, with neither mother nor daughters.

    Those that hold a cell that is `spared` stay.
    """
    if least <= 1:
        return tracks
    track = tracks.components
    sightings = np.bincount(track)
    at_division = tracks.links[tracks.links["parent"].isin(tracks.divisions)]
    in_lineage = np.zeros(len(sightings), bool)
    for end in ("parent", "child"):
        in_lineage[track[tracks.cells.index.isin(at_division[end])]] = True
    in_lineage[track[tracks.cells.index.isin(spared)]] = True
    kept = (in_lineage | (sightings >= least))[track]
    inside = tracks.links["parent"].isin(tracks.cells.index[kept])
    return Tracks(tracks.cells[kept], tracks.links[inside].reset_index(drop=True))


class _Hurried:
    """Finds divisions, of those that are open (m,), that follow too soon on the one before."""

    def __init__(
        self,
        candidates: Candidates,
        is_open: np.ndarray,
        frame: np.ndarray,
        min_generation: int,
    ) -> None:
        self._c, self._frame, self._least = candidates, frame, min_generation
        c, rows = candidates, np.flatnonzero(is_open)
        first, second = c.first[rows], c.second[rows]
        self._mothers = _Rows(c.parent[first], rows)
        self._daughters = [_Rows(c.child[link], rows) for link in (first, second)]

    def rules(self, chosen: np.ndarray) -> list[Rule]:
        """One rule for each chain in `chosen` that is too short.

        It forbids the chain of links together with any division that bears its first cell and
        any that ends its last: of each kind only one can be chosen anyway.
        """
        c, n = self._c, len(self._c)
        single, pair = np.flatnonzero(chosen[:n]), np.flatnonzero(chosen[n:])
        follows = np.full(len(self._frame), -1)
        follows[c.parent[single]] = single
        divides = np.zeros(len(self._frame), bool)
        divides[c.parent[c.first[pair]]] = True
        born = np.concatenate([c.child[c.first[pair]], c.child[c.second[pair]]])
        path, now = np.empty((len(born), 0), np.int64), born
        found: list[Rule] = []
        while len(born):
            soon = self._frame[now] - self._frame[born] + 1 < self._least
            hurried = np.flatnonzero(soon & divides[now])
            found += [self._rule(int(born[i]), path[i], int(now[i])) for i in hurried]
            link = follows[now]
            goes_on = soon & (link >= 0)
            path = np.column_stack([path, link])[goes_on]
            born, now = born[goes_on], c.child[link[goes_on]]
        return found

    def _rule(self, born: int, links: np.ndarray, mother: int) -> Rule:
        bearing = np.concatenate([rows.of(born) for rows in self._daughters])
        ending = self._mothers.of(mother)
        divisions = len(self._c) + np.concatenate([bearing, ending])
        return Rule(np.concatenate([links, divisions]), len(links) + 1)


class _Rows:
    """Which `rows` have a value, looked up quickly."""

    def __init__(self, values: np.ndarray, rows: np.ndarray) -> None:
        order = np.argsort(values, kind="stable")
        self._order, self._sorted = rows[order], values[order]

    def of(self, value: int) -> np.ndarray:
        begin, end = np.searchsorted(self._sorted, [value, value + 1])
        return self._order[begin:end]


def _hanging_together(
    option: np.ndarray,
    slot: np.ndarray,
    is_open: np.ndarray,
    n_slots: int,
    rules: list[Rule],
    new: list[Rule],
) -> np.ndarray:
    """Which options could change because of the `new` rules (boolean mask)."""
    used = is_open[option]
    n = len(is_open)
    ends = [np.column_stack([option[used], n + slot[used]])]
    for number, rule in enumerate(rules):
        place = np.full(len(rule.options), n + n_slots + number)
        ends.append(np.column_stack([rule.options, place]))
    row, column = np.concatenate(ends).T
    size = n + n_slots + len(rules)
    joined = coo_array((np.ones(len(row), bool), (row, column)), shape=(size, size))
    component = connected_components(joined, directed=False)[1]
    touched = np.zeros(size, bool)
    touched[component[np.concatenate([rule.options for rule in new])]] = True
    return touched[component[:n]] & is_open
