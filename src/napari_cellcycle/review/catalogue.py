"""Doubts with what they are made of, in arrays that tell at once which an edit is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np

from napari_cellcycle.review.doubt import KINDS, OF_TRACKS, Doubt, Key
from napari_cellcycle.review.focus import Focus, Snapshot
from napari_cellcycle.review.merging import Merged
from napari_cellcycle.review.norms import Norms
from napari_cellcycle.review.rivals import Rivals

LIKELY = 0.1
"""Weight from which a doubt is worth a look before all others."""


@dataclass(frozen=True, eq=False)
class Doubts(Sequence[Doubt]):
    """Doubts, the weightiest first, and what is needed to bring them up to date."""

    merged: tuple[Merged, ...] = ()
    snapshot: Snapshot | None = None
    norms: Norms | None = None
    rivals: Rivals | None = None

    @cached_property
    def items(self) -> tuple[Doubt, ...]:
        """The doubts, without what they are made of."""
        return tuple(one.doubt for one in self.merged)

    @overload
    def __getitem__(self, index: int) -> Doubt: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Doubt, ...]: ...
    def __getitem__(self, index: int | slice) -> Doubt | tuple[Doubt, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.merged)

    def __repr__(self) -> str:
        return f"Doubts({len(self)}, {self.likely} of them likely)"

    @property
    def likely(self) -> int:
        """How many are worth a look before all others."""
        return int((self._weights >= LIKELY).sum())

    @cached_property
    def _weights(self) -> np.ndarray:
        return np.array([doubt.weight for doubt in self.items])

    @cached_property
    def parts(self) -> list[Doubt]:
        """What the doubts are made of, in their order."""
        return [part for one in self.merged for part in one.parts]

    @cached_property
    def owner(self) -> np.ndarray:
        """Place of the doubt that each of `parts` belongs to (m,)."""
        counts = [len(one.parts) for one in self.merged]
        return np.repeat(np.arange(len(counts)), counts)

    @cached_property
    def _anchor(self) -> np.ndarray:
        return np.array([part.cells[0] for part in self.parts], np.int64)

    @cached_property
    def _of_track(self) -> np.ndarray:
        return np.array([part.kind in OF_TRACKS for part in self.parts], bool)

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells of all parts, and the part that each is of."""
        counts = [len(part.cells) for part in self.parts]
        cells = [cell for part in self.parts for cell in part.cells]
        return np.array(cells, np.int64), np.repeat(np.arange(len(counts)), counts)

    def telling(self, cells: np.ndarray) -> np.ndarray:
        """First cells of the parts that are about some of `cells`."""
        every, part = self._cells
        return self._anchor[np.unique(part[np.isin(every, cells)])]

    def without(
        self, focus: Focus, confirmed: frozenset[Key], found: Sequence[Doubt]
    ) -> tuple[list[Merged], list[Doubt]]:
        """Doubts that an edit leaves as they are, and parts of others that are still right.

        Those are left that no cell in `focus` belongs to, nor any cell of what was `found` there,
        nor, from one to the next, of what these belong to.
        """
        looked_at = np.where(
            self._of_track, focus.has_tracks(self._anchor), focus.has_rows(self._anchor)
        )
        looked_at |= np.array([part.keys[0] in confirmed for part in self.parts], bool)
        taken = np.zeros(len(self), bool)
        taken[self.owner[looked_at]] = True
        every, part = self._cells
        owner = self.owner[part]
        cells = np.array([cell for doubt in found for cell in doubt.cells], np.int64)
        while True:
            cells = np.concatenate([cells, every[taken[owner] & ~looked_at[part]]])
            more = owner[np.isin(every, cells)]
            if taken[more].all():
                break
            taken[more] = True
        kept = [self.merged[place] for place in np.flatnonzero(~taken).tolist()]
        free = np.flatnonzero(taken[self.owner] & ~looked_at).tolist()
        return kept, [self.parts[place] for place in free]


def ranked(found: Sequence[Merged]) -> tuple[Merged, ...]:
    """The weightiest first, then by frame."""
    kinds = {kind: number for number, kind in enumerate(KINDS)}
    doubts = [one.doubt for one in found]
    order = np.lexsort(
        (
            [doubt.cells[0] for doubt in doubts],
            [kinds[doubt.kind] for doubt in doubts],
            [doubt.frame for doubt in doubts],
            [-doubt.weight for doubt in doubts],
        )
    )
    return tuple(found[place] for place in order.tolist())
