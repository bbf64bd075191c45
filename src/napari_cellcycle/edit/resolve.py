"""Linking the surroundings of an edit anew, around what the user has decided.

Only what an edit set free is decided again: cells that lost their parent or what they went on as,
cells that came, and their rivals for the same links. Links that the user made or confirmed hold,
rejected ones stay away, and the scores are those of the tracker. The answer is the exact optimum
of the same program that tracking solves, on those few cells.
"""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.changes import Change, Rows, Values
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.tracks import BY_MODEL
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.nearby import Nearby
from napari_cellcycle.edit.relink import Parent, relink
from napari_cellcycle.edit.standins import stand_ins
from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.pipeline.assign import assign
from napari_cellcycle.pipeline.track import DIVISION_WEIGHT

_HOPS = 3
"""From a loose end to what it could be linked with, its rivals for that, and what these could."""
_KEPT = 0.01
"""What a link that is there is worth at least, so that it is given up for a better one only."""
_MOST = 300
"""An edit that sets more cells free than this, such as a frame segmented anew, is left alone."""


@dataclass(frozen=True)
class _Loose:
    """Cells that lack a parent, and cells that lack what they go on as; ids, ascending."""

    heads: np.ndarray
    ends: np.ndarray

    @property
    def cells(self) -> np.ndarray:
        return np.union1d(self.heads, self.ends)


@dataclass(frozen=True)
class _Options:
    """Links (n, 2) that could be, divisions (m, 3) of mother and daughters, and their scores."""

    links: np.ndarray
    link_score: np.ndarray
    divisions: np.ndarray
    division_score: np.ndarray


def resolve(bench: Bench, changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Link anew what `changes` set free; returns what became of it, a sentence a link."""
    draft = bench.draft
    loose = _loose_ends(draft, changes)
    if not 0 < len(loose.cells) <= _MOST:
        return ()
    drawn, chance = _drawn(bench, loose)
    near = Nearby(draft, np.union1d(loose.cells, drawn), _HOPS + 2)
    options = _options(draft, near, drawn, chance)
    region = _region(near, loose.cells, options)
    decided = _decide(bench, near, region, options)
    moved = {child: new for child, new in decided.items() if draft.parent(child) != new.cell}
    if not moved:
        return ()
    former = {child: draft.parent(child) for child in moved}
    relink(draft, moved)
    return tuple(_told(draft, child, former[child]) for child in sorted(moved))


def _loose_ends(draft: Draft, changes: tuple[Change, ...]) -> _Loose:
    """Cells that lost a parent or what they went on as, or came, and lack it still."""
    above, below = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for change in changes:
        if isinstance(change, Values) and change.column == "parent":
            above.append(change.cells[change.after == NOBODY])
            below.append(change.before[change.before != NOBODY])
        elif isinstance(change, Rows) and change.came:
            above.append(change.cells)
            below.append(change.cells)
    heads, ends = np.unique(np.concatenate(above)), np.unique(np.concatenate(below))
    heads, ends = heads[np.isin(heads, draft.ids)], ends[np.isin(ends, draft.ids)]
    heads = heads[draft.column("parent")[draft.rows(heads)] == NOBODY]
    return _Loose(heads, ends[~np.isin(ends, draft.column("parent"))])


def _drawn(bench: Bench, loose: _Loose) -> tuple[np.ndarray, np.ndarray]:
    """Stand-ins for links of cells that the tracker never saw: links (n, 2) and chances (n,)."""
    draft = bench.draft
    seen = Nearby(draft, loose.cells, 1).options[:, :2]
    unseen = loose.cells[~np.isin(loose.cells, seen)]
    drawn, chance = stand_ins(draft, unseen, bench.track.max_gap)
    taken = np.isin(drawn[:, 0], draft.column("parent"))  # distance alone takes no link away
    taken |= draft.column("parent")[draft.rows(drawn[:, 1])] != NOBODY
    return drawn[~taken], chance[~taken]


def _options(draft: Draft, near: Nearby, drawn: np.ndarray, chance: np.ndarray) -> _Options:
    """What the tracker thought of, and stand-ins, but for what the user rejected."""
    single = near.options[:, 2] == NOBODY
    links, divisions = near.options[single, :2], near.options[~single]
    links, score = np.concatenate([links, drawn]), np.concatenate([near.score[single], chance])
    allowed = _allowed(draft, links)
    both = _allowed(draft, divisions[:, :2]) & _allowed(draft, divisions[:, ::2])
    return _Options(links[allowed], score[allowed], divisions[both], near.score[~single][both])


def _allowed(draft: Draft, links: np.ndarray) -> np.ndarray:
    """Which links (n, 2) the user has not rejected."""
    if not draft.rejected or not len(links):
        return np.ones(len(links), bool)
    rejected = np.array(sorted(draft.rejected), np.int64)
    near = np.flatnonzero(np.isin(links[:, 0], rejected[:, 0]))
    allowed = np.ones(len(links), bool)
    allowed[near] = [tuple(pair) not in draft.rejected for pair in links[near].tolist()]
    return allowed


def _region(near: Nearby, loose: np.ndarray, options: _Options) -> np.ndarray:
    """The loose ends, what they could be linked with, the rivals for that, and their choices."""
    region, parent = loose, near.column("parent")
    for _ in range(_HOPS):
        links = np.isin(options.links, region).any(axis=1)
        divisions = np.isin(options.divisions, region).any(axis=1)
        linked = np.isin(parent, region) | np.isin(near.ids, region)
        linked &= parent != NOBODY
        found = [options.links[links].ravel(), options.divisions[divisions].ravel()]
        region = np.unique(np.concatenate([region, *found, near.ids[linked], parent[linked]]))
    return region


def _decide(bench: Bench, near: Nearby, region: np.ndarray, options: _Options) -> dict[int, Parent]:
    """The best parent of every cell of the region that nothing else has decided."""
    parent = near.column("parent")
    inside = np.isin(near.ids, region) & np.isin(parent, region)
    free = inside & (near.column("link_by") == BY_MODEL)
    held = (parent != NOBODY) & ~free
    held |= np.isin(parent, parent[held])  # a division is decided as a whole
    free &= ~held
    has_parent, has_child = near.ids[held], np.unique(parent[held])
    known = np.column_stack([parent[free], near.ids[free]])
    known_score = near.column("link_score")[free]
    links = np.concatenate([options.links, known])
    score = np.concatenate([options.link_score, known_score])
    open_ = np.isin(links, region).all(axis=1)
    open_ &= ~np.isin(links[:, 1], has_parent) & ~np.isin(links[:, 0], has_child)
    n_known = int(open_[len(options.links) :].sum())
    links, score, is_known = _once(links[open_], score[open_], n_known)
    pairs = options.divisions
    whole = np.isin(pairs, region).all(axis=1) & ~np.isin(pairs[:, 0], has_child)
    whole &= ~np.isin(pairs[:, 1:], has_parent).any(axis=1)
    pairs, pair_score = _with_known(pairs[whole], options.division_score[whole], near, free)
    settings = bench.track
    worth = score - settings.min_score
    worth[is_known] = np.fmax(worth[is_known], _KEPT)
    pair_worth = DIVISION_WEIGHT * (pair_score - settings.division_cost)
    divided = _are_among(pairs[:, [0, 1]], known) & _are_among(pairs[:, [0, 2]], known)
    pair_worth[divided] = np.fmax(pair_worth[divided], _KEPT)
    return _solved(
        bench.draft, _Choice(links, score, worth), _Choice(pairs, pair_score, pair_worth)
    )


@dataclass(frozen=True)
class _Choice:
    """What can be chosen: cells (n, 2) or (n, 3), how probable each is, and what it is worth."""

    cells: np.ndarray
    score: np.ndarray
    worth: np.ndarray


def _once(
    links: np.ndarray, score: np.ndarray, n_known: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each link once, with its first score, and whether it is there now: among the last."""
    every, first, inverse = np.unique(links, axis=0, return_index=True, return_inverse=True)
    is_known = np.zeros(len(every), bool)
    is_known[inverse.ravel()[len(links) - n_known :]] = True
    return every, score[first], is_known


def _are_among(links: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which links (n, 2) are among those that are known (m, 2)."""
    there = set(map(tuple, known.tolist()))
    return np.array([tuple(link) in there for link in links.tolist()], bool)


def _with_known(
    pairs: np.ndarray, score: np.ndarray, near: Nearby, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Divisions, with those that are there now and that the tracker's table does not name."""
    parent, ids = near.column("parent"), near.ids
    mothers, counts = np.unique(parent[free], return_counts=True)
    known = {(int(p[0]), *sorted(map(int, p[1:]))) for p in pairs}
    more, more_score = [], []
    for mother in mothers[counts == 2].tolist():
        rows = np.flatnonzero(free & (parent == mother))
        both = (mother, *sorted(ids[rows].tolist()))
        if both not in known:
            more.append(both)
            more_score.append(float(near.column("link_score")[rows].mean()))
    if not more:
        return pairs, score
    return np.concatenate([pairs, more]), np.concatenate([score, more_score])


def _solved(draft: Draft, links: _Choice, pairs: _Choice) -> dict[int, Parent]:
    """Choose, as tracking does, the links and divisions that are worth most together."""
    n, m = len(links.cells), len(pairs.cells)
    halves = np.concatenate([pairs.cells[:, [0, 1]], pairs.cells[:, [0, 2]]]).reshape(-1, 2)
    both = np.concatenate([links.cells, halves])
    every, place = np.unique(both, axis=0, return_inverse=True)
    place = place.ravel()
    worth, score = np.full(len(every), -1.0), np.zeros(len(every))
    worth[place[:n]], score[place[:n]] = links.worth, links.score
    cells, row = np.unique(every, return_inverse=True)
    row = row.reshape(-1, 2)
    frame = draft.column("frame")[draft.rows(cells)]
    first, second = place[n : n + m], place[n + m :]
    gap = frame[row[:, 1]] - frame[row[:, 0]]
    candidates = Candidates(row[:, 0], row[:, 1], gap, first, second)
    single, pair = assign(candidates, worth, pairs.worth, len(cells))
    decided = {int(child): Parent(NOBODY, 0.0, BY_MODEL) for child in np.unique(every[:, 1])}
    for number in np.flatnonzero(single):
        mother, child = every[number].tolist()
        decided[child] = Parent(mother, float(score[number]), BY_MODEL)
    for number in np.flatnonzero(pair):
        for half in (first[number], second[number]):
            mother, child = every[half].tolist()
            decided[child] = Parent(mother, float(pairs.score[number]), BY_MODEL)
    return decided


def _told(draft: Draft, child: int, former: int) -> str:
    now, frame = draft.parent(child), draft.frame(child)
    name = f"Cell {draft.label(child)}"
    if now == NOBODY:
        return f"{name} begins anew in frame {frame}."
    if len(draft.children(now)) == 2:
        return f"{name} is born of cell {draft.label(now)} in frame {frame}."
    verb = "goes on" if former == NOBODY else "goes on otherwise"
    return f"{name} {verb} from frame {draft.frame(now)} to {frame}."
