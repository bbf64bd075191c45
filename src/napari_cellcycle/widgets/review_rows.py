"""Doubts as rows of a table: how likely, what kind, where and why."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from napari_cellcycle.review.doubt import KINDS, Doubt
from napari_cellcycle.widgets.colours import DOUBTFUL, WORST
from napari_cellcycle.widgets.table_rows import TableRows

COLUMNS = ("Wrong?", "Kind", "Frame", "Cell", "Why")
CHANCE, KIND, FRAME, CELL, WHY = range(len(COLUMNS))
_TIPS = (
    "How likely it is that something is wrong here",
    "What kind of doubt it is",
    "The frame to look at",
    "The number of the cell",
    "What speaks for it",
)


class DoubtRows(TableRows):
    """The doubts that are shown, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.doubts: tuple[Doubt, ...] = ()
        self._labels: list[int] = []

    def show(self, doubts: Sequence[Doubt], labels: list[int]) -> None:
        """Show other doubts; `labels` are the numbers of their first cells."""
        self.beginResetModel()
        self.doubts, self._labels = tuple(doubts), labels
        self.endResetModel()

    def row_of(self, doubt: Doubt | None) -> int | None:
        """Where a doubt, as it is or as it has become, is shown."""
        if doubt is None:
            return None
        for row, other in enumerate(self.doubts):
            if other.key == doubt.key:
                return row
        keys = set(doubt.keys)
        return next(
            (r for r, other in enumerate(self.doubts) if not keys.isdisjoint(other.keys)), None
        )

    def __len__(self) -> int:
        """Number of rows that are shown."""
        return len(self.doubts)

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a field shows."""
        doubt, column = self.doubts[index.row()], index.column()
        if role == Qt.ItemDataRole.ToolTipRole:
            return doubt.reason
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (FRAME, CELL):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.UserRole and column == CHANCE:
            return doubt.weight
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        values = (
            chance(doubt.weight),
            KINDS[doubt.kind],
            doubt.frame,
            self._labels[index.row()],
            doubt.reason,
        )
        return values[column]

    def titles(self) -> list[tuple[str, str]]:
        """Title of each column, and what it means."""
        return list(zip(COLUMNS, _TIPS, strict=True))


class ChanceBar(QStyledItemDelegate):
    """A bar, amber to red, as long as a doubt is likely, with the number on it."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Any) -> None:
        """Draw bar and number."""
        super().paint(painter, option, index)
        weight = float(index.data(Qt.ItemDataRole.UserRole))
        room = QRectF(option.rect).adjusted(3, 0, -3, 0)
        low, high = QColor(DOUBTFUL), QColor(WORST)
        mixed = [
            (1 - weight) * a + weight * b
            for a, b in (
                (low.redF(), high.redF()),
                (low.greenF(), high.greenF()),
                (low.blueF(), high.blueF()),
            )
        ]
        colour = QColor.fromRgbF(*mixed)
        bar = QRectF(room.left(), room.bottom() - 4, room.width() * weight, 3)
        painter.save()
        painter.fillRect(bar, colour)
        painter.restore()


def chance(weight: float) -> str:
    """A chance in words, such as "83 %"; never quite sure."""
    percent = round(100 * weight)
    return "> 99 %" if percent > 99 else f"{max(percent, 1)} %"
