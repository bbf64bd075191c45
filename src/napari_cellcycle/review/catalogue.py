"""Doubts with what they are made of, in arrays that tell at once which an edit is about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
_BY_DOUBT = ("serial", "weight", "frame", "first", "kind")
_BY_PART = ("belongs", "place", "anchor", "whole")
_BY_CELL = ("cell", "within", "at")
_MOST_PARTS = 1 << 20
_CODES = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, eq=False)
class Columns:
    """Doubts and their parts as numbers.

    By doubt (n,): its `serial` number, `weight`, `frame`, `first` cell and the code of its `kind`.
    By part (m,): the serial number of the doubt that it `belongs` to, its `place` in that, its
    `anchor` (first cell), and whether it is about a `whole` track. By cell of a part (k,): the
    `cell`, and serial number (`within`) and place (`at`) of doubt and part.
    """

    serial: np.ndarray
    weight: np.ndarray
    frame: np.ndarray
    first: np.ndarray
    kind: np.ndarray
    belongs: np.ndarray
    place: np.ndarray
    anchor: np.ndarray
    whole: np.ndarray
    cell: np.ndarray
    within: np.ndarray
    at: np.ndarray

    @classmethod
    def of(cls, found: Sequence[Merged], first_serial: int) -> "Columns":
        """Number doubts, from `first_serial` on."""
        doubts = [one.doubt for one in found]
        serial = first_serial + np.arange(len(found))
        counts = [len(one.parts) for one in found]
        parts = [part for one in found for part in one.parts]
        belongs = np.repeat(serial, counts)
        place = np.array([number for count in counts for number in range(count)], np.int64)
        sizes = [len(part.cells) for part in parts]
        return cls(
            serial,
            np.array([doubt.weight for doubt in doubts], float),
            np.array([doubt.frame for doubt in doubts], np.int64),
            np.array([doubt.cells[0] for doubt in doubts], np.int64),
            np.array([_CODES[doubt.kind] for doubt in doubts], np.int64),
            belongs,
            place,
            np.array([part.cells[0] for part in parts], np.int64),
            np.array([part.kind in OF_TRACKS for part in parts], bool),
            np.array([cell for part in parts for cell in part.cells], np.int64),
            np.repeat(belongs, sizes),
            np.repeat(place, sizes),
        )

    def only(self, kept: np.ndarray) -> "Columns":
        """Some of the doubts (a mask by serial number) with all that belongs to them."""
        masks = {
            **dict.fromkeys(_BY_DOUBT, kept[self.serial]),
            **dict.fromkeys(_BY_PART, kept[self.belongs]),
            **dict.fromkeys(_BY_CELL, kept[self.within]),
        }
        return Columns(**{name: getattr(self, name)[mask] for name, mask in masks.items()})

    def and_(self, other: "Columns") -> "Columns":
        """These and others."""
        names = (*_BY_DOUBT, *_BY_PART, *_BY_CELL)
        return Columns(**{n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in names})


@dataclass(frozen=True, eq=False)
class Doubts(Sequence[Doubt]):
    """Doubts, the weightiest first, and what is needed to bring them up to date."""

    merged: tuple[Merged, ...] = ()
    columns: Columns | None = None
    next_serial: int = 0
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
        return 0 if self.columns is None else int((self.columns.weight >= LIKELY).sum())

    def telling(self, cells: np.ndarray) -> np.ndarray:
        """First cells of the parts that are about some of `cells`."""
        columns = self._known
        about = np.isin(columns.cell, cells)
        keys = _keys(columns.within[about], columns.at[about])
        return columns.anchor[np.isin(_keys(columns.belongs, columns.place), keys)]

    @property
    def _known(self) -> Columns:
        assert self.columns is not None
        return self.columns

    def without(
        self, focus: Focus, confirmed: frozenset[Key], found: Sequence[Doubt]
    ) -> tuple["Doubts", list[Doubt]]:
        """Doubts that an edit leaves as they are, and parts of others that are still right.

        Those are left that no cell in `focus` belongs to, nor any cell of what was `found` there,
        nor, from one to the next, of what these belong to.
        """
        columns = self._known
        again = np.where(
            columns.whole, focus.has_tracks(columns.anchor), focus.has_rows(columns.anchor)
        )
        taken = np.zeros(self.next_serial, bool)
        taken[columns.belongs[again]] = True
        gone = _keys(columns.belongs[again], columns.place[again])
        stays = ~np.isin(_keys(columns.within, columns.at), gone)
        cells = np.array([cell for doubt in found for cell in doubt.cells], np.int64)
        while True:
            cells = np.concatenate([cells, columns.cell[taken[columns.within] & stays]])
            more = columns.within[np.isin(columns.cell, cells)]
            if taken[more].all():
                break
            taken[more] = True
        where = np.full(self.next_serial, -1)
        where[columns.serial] = np.arange(len(self))
        free = taken[columns.belongs] & ~again
        places = zip(
            where[columns.belongs[free]].tolist(), columns.place[free].tolist(), strict=True
        )
        parts = [self.merged[item].parts[place] for item, place in places]
        kept = np.flatnonzero(~taken[columns.serial]).tolist()
        left = replace(
            self, merged=tuple(self.merged[item] for item in kept), columns=columns.only(~taken)
        )
        return left, [part for part in parts if part.keys[0] not in confirmed]

    def with_(self, found: Sequence[Merged], snapshot: Snapshot) -> "Doubts":
        """These and other doubts, all in their order."""
        new = Columns.of(found, self.next_serial)
        columns = new if self.columns is None else self.columns.and_(new)
        order = np.lexsort((columns.first, columns.kind, columns.frame, -columns.weight))
        every = (*self.merged, *found)
        by_doubt = {n: getattr(columns, n)[order] for n in _BY_DOUBT}
        return replace(
            self,
            merged=tuple(every[place] for place in order.tolist()),
            columns=replace(columns, **by_doubt),
            next_serial=self.next_serial + len(found),
            snapshot=snapshot,
        )


def _keys(doubt: np.ndarray, part: np.ndarray) -> np.ndarray:
    """One number for a doubt and the place of a part in it."""
    return doubt * _MOST_PARTS + part
