"""What is wrong in an experiment whose truth is known, cell by cell, also while it is corrected."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks

NONE = -1


class Truth:
    """The truth about a draft. True cells are rows of `tracks`; cells of the draft are ids.

    `frame` and `parent` (n,) are of the true cells, `children` lists theirs. `found` (n,) is the
    cell whose mask covers more than half of each true cell, `NOBODY` without one, and `mask` (n,)
    the same where that mask holds no other true cell.
    """

    def __init__(self, tracks: Tracks, labels: LabelStack, draft: Draft) -> None:
        known, n = tracks.cells.index, len(tracks)
        parents = known.get_indexer(tracks.links["parent"])
        born = known.get_indexer(tracks.links["child"])
        self.parent = np.full(n, NONE)
        self.parent[born] = parents
        self.children: list[list[int]] = [[] for _ in range(n)]
        for mother, child in zip(parents.tolist(), born.tolist(), strict=True):
            self.children[mother].append(child)
        self.frame = tracks.cells["frame"].to_numpy()
        self.found = np.full(n, NOBODY)
        self._label = tracks.cells["label"].to_numpy()
        self._pixels = [self._listed(time, labels.frame(time)) for time in range(len(labels))]
        for frame in range(len(labels)):
            self._match(draft, frame)

    def _listed(self, frame: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flat places of all pixels of true cells in a frame, and the rows of those cells."""
        rows = np.flatnonzero(self.frame == frame)
        rows = rows[np.argsort(self._label[rows])]
        pixels = np.flatnonzero(mask)
        values = mask.ravel()[pixels]
        place = np.minimum(np.searchsorted(self._label[rows], values), max(len(rows) - 1, 0))
        known = self._label[rows][place] == values
        return pixels[known], rows[place[known]]

    def pixels(self, true: int) -> np.ndarray:
        """Flat places of the pixels of a true cell in its frame."""
        places, owner = self._pixels[int(self.frame[true])]
        return places[owner == true]

    def look_again(self, draft: Draft, frames: Iterable[int]) -> None:
        """Find the true cells in masks that were changed."""
        for frame in frames:
            self._match(draft, frame)

    def _match(self, draft: Draft, frame: int) -> None:
        places, owner = self._pixels[frame]
        rows = np.flatnonzero(self.frame == frame)
        self.found[rows] = NOBODY
        cells = draft.in_frame(frame)
        if not len(places) or not len(cells):
            return
        value = draft.mask(frame).ravel()[places]
        labels = draft.column("label")[draft.rows(cells)]
        order = np.argsort(labels)
        place = np.minimum(np.searchsorted(labels[order], value), len(cells) - 1)
        covered = labels[order][place] == value
        pair = owner[covered] * len(cells) + order[place[covered]]
        pairs, shared = np.unique(pair, return_counts=True)
        size = np.bincount(owner, minlength=len(self.frame))
        true, cell = np.divmod(pairs, len(cells))
        holds = 2 * shared > size[true]
        self.found[true[holds]] = cells[cell[holds]]

    @property
    def mask(self) -> np.ndarray:
        """The cell that shows each true cell and no other (n,); `NOBODY` where there is none."""
        counts = np.bincount(self.found)
        counts[NOBODY] = 0
        return np.where(counts[self.found] == 1, self.found, NOBODY)

    def of(self, cells: np.ndarray) -> np.ndarray:
        """The true cell (row) that each of `cells` shows; `NONE` for none or several."""
        mask = self.mask
        table = np.full(int(max(mask.max(initial=0), np.max(cells, initial=0))) + 1, NONE)
        table[mask[mask != NOBODY]] = np.flatnonzero(mask != NOBODY)
        return table[cells]

    def inside(self, cell: int) -> list[int]:
        """All true cells (rows) in the mask of a cell."""
        return np.flatnonzero(self.found == cell).tolist()

    def errors(self, draft: Draft) -> int:
        """How much is wrong: cells without a mask of their own, masks that are no cell, links."""
        missing = int((self.mask == NOBODY).sum())
        false = int((self.of(draft.ids) == NONE).sum())
        return missing + false + sum(map(len, self.wrong_links(draft)))

    def wrong_links(self, draft: Draft) -> tuple[np.ndarray, np.ndarray]:
        """True children whose link is missed though both have masks, and rows linked wrongly."""
        own, mask = self.of(draft.ids), self.mask
        linked = np.flatnonzero(draft.column("parent"))
        parents = draft.rows(draft.column("parent")[linked])
        right = (own[linked] != NONE) & (own[parents] != NONE)
        right &= self.parent[own[linked]] == own[parents]
        child = np.flatnonzero(self.parent != NONE)
        both = (mask[child] != NOBODY) & (mask[self.parent[child]] != NOBODY)
        done = np.zeros(len(self.parent), bool)
        done[own[linked[right]]] = True
        return child[both & ~done[child]], linked[~right]


@dataclass(frozen=True)
class Wrong:
    """One error: the cells that lead to it, and the true cells it is about."""

    cells: frozenset[int]
    true: frozenset[int]


def link_errors(truth: Truth, draft: Draft) -> list[Wrong]:
    """Every missed and every false link, each with the cells that lead to it.

    To a missed link of a cell without a mask, the nearest relatives lead that have one; to one of
    a mask that is no cell, or holds several, all such of the track without a break.
    """
    mask, errors = truth.mask, []
    for child in np.flatnonzero(truth.parent != NONE).tolist():
        parent = int(truth.parent[child])
        ends = int(mask[parent]), int(mask[child])
        if not all(ends) or draft.parent(ends[1]) != ends[0]:
            known = _above(truth, mask, parent) | _below(truth, mask, child)
            errors.append(Wrong(known, frozenset((parent, child))))
    own, run = truth.of(draft.ids), _runs(truth, draft)
    for row in truth.wrong_links(draft)[1].tolist():
        parent = int(draft.column("parent")[row])
        true = {int(own[row]), int(own[draft.row(parent)])} - {NONE}
        cells = run.get(int(draft.ids[row]), frozenset()) | run.get(parent, frozenset())
        errors.append(Wrong(cells | {int(draft.ids[row]), parent}, frozenset(true)))
    return errors


def _runs(truth: Truth, draft: Draft) -> dict[int, frozenset[int]]:
    """For each cell that shows no true cell alone, all such in its track without a break."""
    false = np.flatnonzero(truth.of(draft.ids) == NONE)
    label, frame = draft.column("label")[false], draft.column("frame")[false]
    order = np.lexsort((frame, label))
    breaks = (np.diff(label[order]) != 0) | (np.diff(frame[order]) > 1)
    found = {}
    for part in np.split(draft.ids[false][order], np.flatnonzero(breaks) + 1):
        found |= dict.fromkeys(part.tolist(), frozenset(part.tolist()))
    return found


def division_errors(truth: Truth, draft: Draft) -> list[Wrong]:
    """Every division that is missed, or false, or has another daughter."""
    mask, errors = truth.mask, []
    for mother, born in enumerate(truth.children):
        own, daughters = int(mask[mother]), {int(mask[child]) for child in born}
        if len(born) == 2 and (not own or set(draft.children(own)) != daughters):
            known = _above(truth, mask, mother).union(*(_below(truth, mask, c) for c in born))
            errors.append(Wrong(known, frozenset([mother])))
    mothers, counts = np.unique(draft.column("parent"), return_counts=True)
    mothers = mothers[(counts == 2) & (mothers != NOBODY)]
    for mother, true in zip(mothers.tolist(), truth.of(mothers).tolist(), strict=True):
        if true == NONE or len(truth.children[true]) != 2:
            cells = frozenset((mother, *draft.children(mother)))
            errors.append(Wrong(cells, frozenset({true} - {NONE})))
    return errors


def mask_errors(truth: Truth, draft: Draft) -> list[Wrong]:
    """Every mask that is no cell, or holds several; all such of a track lead to each other."""
    return [
        Wrong(cells, frozenset(truth.inside(cell))) for cell, cells in _runs(truth, draft).items()
    ]


def _above(truth: Truth, mask: np.ndarray, row: int) -> frozenset[int]:
    """The mask of a true cell, or of the nearest of its ancestors that has one."""
    while row != NONE and not mask[row]:
        row = int(truth.parent[row])
    return frozenset() if row == NONE else frozenset([int(mask[row])])


def _below(truth: Truth, mask: np.ndarray, row: int) -> frozenset[int]:
    """The mask of a true cell, or of the nearest of its descendants that have one."""
    if mask[row]:
        return frozenset([int(mask[row])])
    return frozenset().union(*(_below(truth, mask, child) for child in truth.children[row]))


def as_events(errors: list[Wrong]) -> np.ndarray:
    """Which event each error belongs to: those that share a true cell, or one of the draft."""
    names: dict[tuple[str, int], int] = {}
    pairs: list[tuple[int, int]] = []
    for number, error in enumerate(errors):
        about = [*(("cell", c) for c in error.cells), *(("true", t) for t in error.true)]
        pairs += [(number, names.setdefault(name, len(names))) for name in about]
    n = len(errors)
    rows, columns = np.array(pairs, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), (rows, n + columns)), shape=(n + len(names),) * 2)
    return np.unique(connected_components(graph, directed=False)[1][:n], return_inverse=True)[1]


def found_by(errors: list[Wrong], items: Iterable[Iterable[int]]) -> np.ndarray:
    """Place of the first of `items` (cells) that leads to each error; their number if none does."""
    listed = [list(cells) for cells in items]
    first: dict[int, int] = {}
    for place, cells in enumerate(listed):
        for cell in cells:
            first.setdefault(cell, place)
    none = len(listed)
    return np.array([min((first.get(c, none) for c in e.cells), default=none) for e in errors], int)
