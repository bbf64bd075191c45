"""What the models of all tables share: how many rows, and titles of the columns."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, Qt


class TableRows(QAbstractTableModel):
    """Rows under titled columns."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows that are shown."""

    @abstractmethod
    def titles(self) -> Sequence[tuple[str, str]]:
        """Title of each column, and what it means."""

    def rowCount(self, parent: Any = None) -> int:
        """Number of rows that are shown."""
        return 0 if parent is not None and parent.isValid() else len(self)

    def columnCount(self, parent: Any = None) -> int:
        """Number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.titles())

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Titles of the columns, and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        title, meaning = self.titles()[section]
        texts = {
            int(Qt.ItemDataRole.DisplayRole): title,
            int(Qt.ItemDataRole.ToolTipRole): meaning,
        }
        return texts.get(int(role))
