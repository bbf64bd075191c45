"""Changing links so that every track keeps one number of its own, in the tables and the masks.

A track keeps its number through an edit; a piece that is cut off gets a new one, and a track that
is joined to an earlier one takes the earlier number.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.boxes import Box, corner_of
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.tracks import BY_USER, MOST_CHILDREN
from napari_cellcycle.errors import Refused


@dataclass(frozen=True)
class Parent:
    """Where a cell shall come from: a cell, or `NOBODY`; how sure that is, and who says so."""

    cell: int
    score: float = 1.0
    by: str = BY_USER


def relink(
    draft: Draft,
    parents: Mapping[int, Parent],
    leaving: Collection[int] = (),
    *,
    erased: bool = False,
) -> None:
    """Give each of some cells another parent, and number the tracks around them anew.

    A link that the user takes away or replaces is remembered as rejected, and one that the user
    makes no longer is. Cells that are `leaving`, which are among those that lose their links, are
    taken out of the tables, and of the masks if they are not `erased` there. Raises `Refused`,
    with nothing changed, if time would run backward or a cell would go on as more than two.
    """
    former = {child: draft.parent(child) for child in parents}
    for child, new in parents.items():
        if new.cell != NOBODY and draft.frame(new.cell) >= draft.frame(child):
            raise Refused(
                f"Cell {draft.label(child)} in frame {draft.frame(child)} cannot come from a cell "
                f"in frame {draft.frame(new.cell)}: choose one of an earlier frame."
            )
    draft.set_parents(
        list(parents),
        [new.cell for new in parents.values()],
        [new.score for new in parents.values()],
        [new.by for new in parents.values()],
    )
    around = {cell for cell in former.values() if cell}
    around |= {new.cell for new in parents.values() if new.cell}
    for parent in around:
        if len(draft.children(parent)) > MOST_CHILDREN:
            raise Refused(
                f"Cell {draft.label(parent)} divides after frame {draft.frame(parent)} already: "
                "unlink one of its daughters first."
            )
    by_user = {child: new for child, new in parents.items() if new.by == BY_USER}
    gone = [(former[c], c) for c, new in by_user.items() if former[c] not in (NOBODY, new.cell)]
    draft.mark("rejected", gone)
    draft.mark("rejected", [(new.cell, c) for c, new in by_user.items()], there=False)
    _take_out(draft, sorted(leaving), erased)
    _Numbering(draft).settle(around.difference(leaving), set(parents).difference(leaving))


def _take_out(draft: Draft, cells: list[int], erased: bool) -> None:
    for cell in cells if draft.masks is not None and not erased else ():
        frame = draft.frame(cell)
        box, inside = draft.pixels_of(cell)
        draft.set_pixels(frame, corner_of(box), np.where(inside, 0, draft.mask(frame)[box]))
    if cells:
        draft.remove_cells(cells)


def renumber(draft: Draft, labels: Mapping[int, int]) -> None:
    """Give cells other labels, in the tables and in the masks, all at the same time."""
    cells = np.array(sorted(labels), np.int64)
    rows, after = draft.rows(cells), np.array([labels[cell] for cell in cells.tolist()], np.int64)
    changed = draft.column("label")[rows] != after
    cells, rows, after = cells[changed], rows[changed], after[changed]
    if not len(cells):
        return
    frames: dict[int, list[tuple[int, Box, np.ndarray]]] = {}
    if draft.masks is not None:
        at = draft.column("frame")[rows].tolist()
        for cell, frame, label in zip(cells.tolist(), at, after.tolist(), strict=True):
            frames.setdefault(frame, []).append((label, *draft.pixels_of(cell)))
    for frame, pieces in frames.items():
        for label, box, inside in pieces:
            now = draft.mask(frame)[box]
            draft.set_pixels(frame, corner_of(box), np.where(inside, label, now))
    draft.set_values("label", cells, after)


class _Numbering:
    """Numbers the tracks around changed links; masks are painted when all of it is known."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._label: dict[int, int] = {}

    def settle(self, parents: set[int], children: Iterable[int]) -> None:
        """Number what begins at `children` without a parent, and what follows `parents`."""
        draft = self._draft
        heads = {cell for cell in children if draft.parent(cell) == NOBODY}
        for cell in sorted(parents | heads, key=lambda one: (draft.frame(one), one)):
            if cell in heads and self._is_shared(cell):
                self._give(cell, draft.fresh_label())
            if cell in parents:
                self._number_children(cell)
        renumber(draft, self._label)

    def _number_children(self, parent: int) -> None:
        born, own = self._draft.children(parent), self._of(parent)
        if len(born) == 1 and self._of(born[0]) != own:
            self._give(born[0], own)
        taken = {own}
        for cell in born if len(born) == MOST_CHILDREN else ():
            if self._of(cell) in taken or self._is_shared(cell):
                self._give(cell, self._draft.fresh_label())
            taken.add(self._of(cell))

    def _is_shared(self, cell: int) -> bool:
        """Whether the track before a cell, cut off from it now, has the same number."""
        draft, own = self._draft, self._of(cell)
        here = draft.column("frame") < draft.frame(cell)
        here &= draft.column("label") == own
        if any(self._label.get(one, own) == own for one in draft.ids[here].tolist()):
            return True
        frame = draft.frame(cell)
        return any(of == own and draft.frame(one) < frame for one, of in self._label.items())

    def _give(self, cell: int, label: int) -> None:
        self._label |= dict.fromkeys(_chain(self._draft, cell), label)

    def _of(self, cell: int) -> int:
        return self._label.get(cell, self._draft.label(cell))


def _chain(draft: Draft, cell: int) -> list[int]:
    """A cell and what it goes on as, up to its division or end."""
    found = [cell]
    while True:
        track = draft.onwards(found[-1])
        linked = draft.column("parent")[draft.rows(track[1:])] == track[:-1]
        track = track[: np.argmin([*linked, False]) + 1]
        born = np.sort(draft.column("parent")[np.isin(draft.column("parent"), track)])
        twice = born[1:][born[1:] == born[:-1]]
        divided = np.flatnonzero(np.isin(track, twice))
        if len(divided):
            return found[:-1] + track[: divided[0] + 1].tolist()
        found += track[1:].tolist()
        after = draft.children(found[-1])
        if not after:
            return found
        found += after
