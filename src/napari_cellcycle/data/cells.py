"""Cells as arrays, one a column, and everything that can be looked up about them.

Looking something up scans a column, which for a hundred thousand cells takes less than a tenth of a
millisecond; so there is nothing else to keep in step.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from napari_cellcycle.data.boxes import Box, pixels_of
from napari_cellcycle.data.changes import Table

NOBODY = 0
"""Id of no cell, and label of no mask."""


class Masks(Protocol):
    """Masks that can be read and written by frame: numpy arrays, and `OverlaidMasks`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, [Z,] Y, X)."""

    def __getitem__(self, index: Any, /) -> Any: ...
    def __setitem__(self, index: Any, values: Any, /) -> None: ...


class Cells:
    """Cells by their ids, with the links to where they come from, and their masks if there are any.

    Rows of every column are in the order of the ids.
    """

    masks: Masks | None
    pixel_size: tuple[float, ...] | None
    _columns: Table

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ids(self) -> np.ndarray:
        """Ids of all cells, ascending; the order of the rows of every column."""
        return self._columns["cell_id"]

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return list(self._columns)

    @property
    def axes(self) -> list[str]:
        """Names of the position columns: [z,] y, x, in pixels."""
        return [axis for axis in ("z", "y", "x") if axis in self._columns]

    def column(self, name: str) -> np.ndarray:
        """Values (n,) of all cells; read-only. Links are `parent`, `link_score` and `link_by`."""
        return self._columns[name]

    def has(self, cell: int) -> bool:
        """Whether there is such a cell."""
        row = int(np.searchsorted(self.ids, cell))
        return row < len(self) and self.ids[row] == cell

    def row(self, cell: int) -> int:
        """Row of a cell in every column."""
        row = int(np.searchsorted(self.ids, cell))
        if row >= len(self) or self.ids[row] != cell:
            raise KeyError(f"there is no cell {cell}")
        return row

    def rows(self, cells: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows (k,) of cells (k,) that are there."""
        wanted = np.asarray(cells, np.int64)
        rows = np.searchsorted(self.ids, wanted)
        if len(wanted) and (rows.max() >= len(self) or (self.ids[rows] != wanted).any()):
            raise KeyError(f"there is no cell {wanted[~np.isin(wanted, self.ids)][0]}")
        return rows

    def value(self, cell: int, name: str) -> Any:
        """What one cell has in one column."""
        return self._columns[name][self.row(cell)]

    def frame(self, cell: int) -> int:
        """Frame that a cell is in."""
        return int(self.value(cell, "frame"))

    def label(self, cell: int) -> int:
        """Label of a cell, which is the number of its track."""
        return int(self.value(cell, "label"))

    def place(self, cell: int) -> np.ndarray:
        """Position [z,] y, x of a cell in pixels."""
        row = self.row(cell)
        return np.array([self._columns[axis][row] for axis in self.axes], float)

    def parent(self, cell: int) -> int:
        """Cell that a cell comes from, `NOBODY` if it appears."""
        return int(self.value(cell, "parent"))

    def children(self, cell: int) -> list[int]:
        """Cells that a cell goes on as: none, one, or two after a division."""
        return self.ids[self._columns["parent"] == cell].tolist()

    def in_frame(self, frame: int) -> np.ndarray:
        """Ids of the cells in a frame."""
        return self.ids[self._columns["frame"] == frame]

    def cell_at(self, frame: int, label: int) -> int:
        """The cell with a label in a frame; `NOBODY` if there is none."""
        here = (self._columns["label"] == label) & (self._columns["frame"] == frame)
        found = self.ids[here]
        return int(found[0]) if len(found) else NOBODY

    def track(self, label: int) -> np.ndarray:
        """Ids of the cells of a track, in the order of time."""
        rows = np.flatnonzero(self._columns["label"] == label)
        return self.ids[rows[np.argsort(self._columns["frame"][rows], kind="stable")]]

    def onwards(self, cell: int) -> np.ndarray:
        """The rest of a cell's track, from it to its division or end, in the order of time."""
        track = self.track(self.label(cell))
        return track[self._columns["frame"][self.rows(track)] >= self.frame(cell)]

    def daughters(self, label: int) -> list[int]:
        """Labels of the two tracks that a track divides into, if it does."""
        track = self.track(label)
        born = self.children(int(track[-1])) if len(track) else []
        return [self.label(cell) for cell in born] if len(born) == 2 else []

    def mother(self, label: int) -> int:
        """Label of the track that a track was born from; `NOBODY` if it appeared."""
        track = self.track(label)
        parent = self.parent(int(track[0])) if len(track) else NOBODY
        return self.label(parent) if parent else NOBODY

    def mask(self, frame: int) -> np.ndarray:
        """Masks ([Z,] Y, X) of a frame; read-only."""
        assert self.masks is not None
        return np.asarray(self.masks[frame])

    def pixels_of(self, cell: int) -> tuple[Box, np.ndarray]:
        """A box in the frame of a cell, and which pixels of it, bool, are the cell's.

        Its measured area tells whether a window around its place holds all of it, so that the
        rest of a large frame need not be searched.
        """
        row = self.row(cell)
        area = float(self._columns["area"][row]) if "area" in self._columns else 0.0
        mask, label = self.mask(self.frame(cell)), int(self._columns["label"][row])
        return pixels_of(mask, label, self.place(cell), area, self.pixel_size)
