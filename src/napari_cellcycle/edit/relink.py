"""Changing links so that every track keeps one number of its own, in the tables and the masks.

A track keeps its number through an edit; a piece that is cut off gets a new one, and a track that
is joined to an earlier one takes the earlier number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.draft import NOBODY, Draft
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.errors import Refused

MOST_CHILDREN = 2


@dataclass(frozen=True)
class Parent:
    """Where a cell shall come from: a cell, or `NOBODY`; how sure that is, and who says so."""

    cell: int
    score: float = 1.0
    by: str = BY_USER


def relink(draft: Draft, parents: Mapping[int, Parent]) -> None:
    """Give each of some cells another parent, and number the tracks around them anew.

    A link that the user takes away or replaces is remembered as rejected, and one that the user
    makes no longer is. Raises `Refused`, with nothing changed, if time would run backward or a
    cell would go on as more than two.
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
    _Numbering(draft).settle(around, parents)


def renumber(draft: Draft, labels: Mapping[int, int]) -> None:
    """Give cells other labels, in the tables and in the masks, all at the same time."""
    former = {cell: draft.label(cell) for cell in labels}
    changed = [cell for cell in labels if former[cell] != labels[cell]]
    if not changed:
        return
    frames: dict[int, list[int]] = {}
    for cell in changed:
        frames.setdefault(draft.frame(cell), []).append(cell)
    for frame, cells in frames.items() if draft.masks is not None else ():
        pieces = [(labels[cell], *draft.pixels_of(cell)) for cell in cells]
        for label, box, inside in pieces:
            now = draft.mask(frame)[box]
            draft.set_pixels(frame, [part.start for part in box], np.where(inside, label, now))
    draft.set_values("label", changed, [labels[cell] for cell in changed])


class _Numbering:
    """Numbers the tracks around changed links; masks are painted when all of it is known."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._label: dict[int, int] = {}

    def settle(self, parents: set[int], children: Iterable[int]) -> None:
        """Number what begins at `children` without a parent, and what follows `parents`."""
        draft = self._draft
        heads = {cell for cell in children if draft.parent(cell) == NOBODY}
        for cell in sorted(parents | heads, key=draft.frame):
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
            if self._of(cell) in taken:
                self._give(cell, self._draft.fresh_label())
            taken.add(self._of(cell))

    def _is_shared(self, cell: int) -> bool:
        """Whether the track before a cell, cut off from it now, has the same number."""
        draft = self._draft
        earlier = draft.column("frame") < draft.frame(cell)
        same = draft.ids[earlier & (draft.column("label") == draft.label(cell))]
        return any(self._of(one) == self._of(cell) for one in same.tolist())

    def _give(self, cell: int, label: int) -> None:
        for one in self._chain(cell):
            self._label[one] = label

    def _chain(self, cell: int) -> list[int]:
        """A cell and what it goes on as, up to its division or end."""
        found = [cell]
        while len(born := self._draft.children(found[-1])) == 1:
            found += born
        return found

    def _of(self, cell: int) -> int:
        return self._label.get(cell, self._draft.label(cell))
