"""Rows of the cell table: sorted by any column, and only those that are asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_cellcycle.data.track_search import rows_found
from napari_cellcycle.data.track_table import columns_of
from napari_cellcycle.errors import BadInput
from napari_cellcycle.widgets.colours import TRUSTED, doubt_colours
from napari_cellcycle.widgets.lineage_look import argb
from napari_cellcycle.widgets.table_rows import TableRows

_DIGITS = {"hours": 1, "doubt": 2, "area_um2": 1, "volume_um3": 1}
_LEFT_EMPTY = ("mother", "corrections", "confirmed")


class CellRows(TableRows):
    """A table as `track_table` gives it, a row a track."""

    def __init__(self) -> None:
        super().__init__()
        self.table = pd.DataFrame({"track": np.empty(0, np.int64)})
        self._columns = columns_of(self.table)
        self._values = [self.table["track"].to_numpy()]
        self._wanted = ""
        self._order = ("track", Qt.SortOrder.AscendingOrder)
        self._rows = np.empty(0, np.int64)

    def show(self, table: pd.DataFrame) -> None:
        """Hold this table instead, sorted and searched as the former one was.

        A search for columns that it does not have is let go.
        """
        self.beginResetModel()
        self.table, self._columns = table, columns_of(table)
        self._values = [table[name].to_numpy() for name in table.columns]
        try:
            self._rows = self._arranged(self._wanted)
        except BadInput:
            self._wanted = ""
            self._rows = self._arranged("")
        self.endResetModel()

    def search(self, words: str) -> None:
        """Show only rows that `words` ask for; raises `BadInput` where they are not understood."""
        rows = self._arranged(words)
        self.beginResetModel()
        self._wanted, self._rows = words, rows
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column; unknown values come last."""
        if not 0 <= column < len(self._columns):
            return
        self.beginResetModel()
        self._order = (self._columns[column].name, order)
        self._rows = self._arranged(self._wanted)
        self.endResetModel()

    def _arranged(self, words: str) -> np.ndarray:
        name, order = self._order
        found = np.flatnonzero(rows_found(self.table, words))
        if name not in self.table:
            return found
        values = self.table[name].to_numpy()[found]
        if values.dtype == object:
            values = values.astype(str)
        unknown = values != values
        keys = np.unique(values, return_inverse=True)[1]
        keys = keys if order == Qt.SortOrder.AscendingOrder else -keys
        return found[np.lexsort((keys, unknown))]

    # ---------------------------------------------------------------- rows and tracks

    def tracks(self, rows: Sequence[int]) -> list[int]:
        """Numbers of the tracks in rows as they are shown."""
        return self.table["track"].to_numpy()[self._rows[list(rows)]].tolist()

    def row_of(self, track: int | None) -> int | None:
        """Row that a track is shown in, if it is."""
        found = np.flatnonzero(self.table["track"].to_numpy()[self._rows] == track)
        return int(found[0]) if len(found) else None

    def shown(self, rows: Sequence[int] | None = None) -> pd.DataFrame:
        """The table as it is shown, or some of its rows."""
        chosen = self._rows if rows is None else self._rows[list(rows)]
        return self.table.iloc[chosen].reset_index(drop=True)

    def column_of(self, name: str) -> int:
        """Place of a column by its name."""
        return [column.name for column in self._columns].index(name)

    # ---------------------------------------------------------------- for the view

    def __len__(self) -> int:
        """Number of rows that are shown."""
        return len(self._rows)

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a field of the table shows."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ForegroundRole):
            return None
        name = self._columns[index.column()].name
        value = self._values[index.column()][self._rows[index.row()]]
        if role == Qt.ItemDataRole.DisplayRole:
            return written(name, value)
        if name == "doubt" and value < TRUSTED:
            return QColor.fromRgba(int(argb(doubt_colours().map([value]))[0]))
        return None

    def titles(self) -> list[tuple[str, str]]:
        """Title of each column, and what it means."""
        return [(column.title, column.meaning) for column in self._columns]


def written(name: str, value: Any) -> str:
    """A value as it is read in the table; nothing for what there is not."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    if isinstance(value, str):
        return value
    if value != value or (name in _LEFT_EMPTY and not value):
        return ""
    if name == "doubt" and value < TRUSTED:
        return f"▯ {value:.2f}"
    if name == "confirmed":
        return f"✓ {value}"
    if isinstance(value, float | np.floating):
        return f"{value:,.{_DIGITS.get(name, 0)}f}"
    return str(value)
