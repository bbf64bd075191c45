"""What an edit changed, small enough to keep all of them, and how to take it back.

Each kind of change holds what was before and what is after, so that its `inverse` needs nothing
else. They are applied by `Draft.apply`.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Table = dict[str, np.ndarray]
"""Columns by name, all of one length."""

Mark = Literal["rejected", "confirmed"]
"""Pairs of cells that are no link; things that the user said are right."""


@dataclass(frozen=True, eq=False)
class Values:
    """Other values in one column of some cells; `cells` (n,) are ids, ascending."""

    column: str
    cells: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def inverse(self) -> "Values":
        """The change that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, eq=False)
class Rows:
    """Cells that came (`came`) or went, with everything that was known of them."""

    came: bool
    table: Table

    @property
    def cells(self) -> np.ndarray:
        """Their ids, ascending."""
        return self.table["cell_id"]

    def inverse(self) -> "Rows":
        """The change that takes this one back."""
        return replace(self, came=not self.came)


@dataclass(frozen=True, eq=False)
class Pixels:
    """Other masks in a box of one frame: `before` and `after` ([Z,] Y, X) lie at `corner`."""

    frame: int
    corner: tuple[int, ...]
    before: np.ndarray
    after: np.ndarray

    @property
    def box(self) -> tuple[slice, ...]:
        """Where in the frame."""
        ends = zip(self.corner, self.after.shape, strict=True)
        return tuple(slice(start, start + length) for start, length in ends)

    def inverse(self) -> "Pixels":
        """The change that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True)
class Marks:
    """Entries added to and taken from a set of marks: pairs (parent, child), or (kind, number)."""

    mark: Mark
    added: frozenset[tuple] = frozenset()
    removed: frozenset[tuple] = frozenset()

    def inverse(self) -> "Marks":
        """The change that takes this one back."""
        return replace(self, added=self.removed, removed=self.added)


Change = Values | Rows | Pixels | Marks


def touched_cells(changes: tuple[Change, ...]) -> np.ndarray:
    """Ids of all cells that `changes` are about, ascending; some may be gone."""
    found = [change.cells for change in changes if isinstance(change, Values | Rows)]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def touched_frames(changes: tuple[Change, ...]) -> list[int]:
    """Frames whose masks were changed, ascending."""
    return sorted({change.frame for change in changes if isinstance(change, Pixels)})
