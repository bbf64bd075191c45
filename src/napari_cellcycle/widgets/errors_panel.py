"""What tracks or masks differ in from a truth: scores, and a table that leads to each error."""

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.widgets.agreement import legend
from napari_cellcycle.widgets.recording import Compared
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.table_rows import TableRows

_COLUMNS = {
    "frame": ("Frame", "The frame that it is seen in"),
    "kind": ("Kind", "What kind of error it is"),
    "cell": ("Cell", "The number of the cell in the result, or in the truth"),
    "sentence": ("What is wrong", "The error in words"),
}
_SCORES = {
    "TRA": "TRA",
    "LNK": "LNK",
    "CT": "CT",
    "DIV_F1(1)": "Divisions F1",
    "CHOTA": "CHOTA",
    "SEG": "SEG",
    "DET": "DET",
    "AP@0.5": "AP@0.5",
    "F1@0.5": "F1@0.5",
    "PQ": "PQ",
    "AJI": "AJI",
}
_EMPTY = "No comparison of the result that is shown; press Compare with truth… in the dock."


class ErrorTable(TableRows):
    """Rows of errors as `list_errors` gives them, in the order that a header was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = pd.DataFrame(columns=list(_COLUMNS))

    def show(self, errors: pd.DataFrame) -> None:
        """Hold these rows instead."""
        self.beginResetModel()
        self.errors = errors
        self.endResetModel()

    def __len__(self) -> int:
        """Number of rows that are shown."""
        return len(self.errors)

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell of the table shows."""
        name = list(_COLUMNS)[index.column()]
        row = self.errors.iloc[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            mark = " (truth)" if name == "cell" and row["of"] == "truth" else ""
            return f"{row[name]}{mark}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(row["sentence"])
        return None

    def titles(self) -> list[tuple[str, str]]:
        """Title of each column, and what it means."""
        return list(_COLUMNS.values())

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column; rows that are equal there stay as they were."""
        name = list(_COLUMNS)[column]
        upwards = order == Qt.SortOrder.AscendingOrder
        self.show(self.errors.sort_values(name, ascending=upwards, kind="stable"))


class ErrorsPanel(QWidget):
    """Scores in one line, a choice of kinds, and the errors; choosing one shows it.

    Empty while the result that is shown has not been compared with a truth.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.facts = QLabel()
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.legend = QLabel()
        self.legend.setToolTip("Colours of the layers that show where masks agree with the truth")
        self.kind = QComboBox()
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.kind.setToolTip("Show errors of one kind only")
        self.model = ErrorTable()
        self.table = QTableView()
        self.table.setModel(self.model)
        self._build()
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        session.compared.connect(self._on_compared)
        session.changed.connect(self._on_compared)
        self._on_compared()

    def _build(self) -> None:
        table = self.table
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        table.setSortingEnabled(True)
        table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        header = table.horizontalHeader()
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column, width in enumerate((70, 160, 110)):
            table.setColumnWidth(column, width)
        line = QHBoxLayout()
        line.addWidget(self.facts, 1)
        line.addWidget(self.legend)
        line.addWidget(self.kind)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(line)
        layout.addWidget(table, 1)
        self.setMinimumHeight(160)

    def _on_compared(self, _any: object = None) -> None:
        compared = self._session.comparison
        self.facts.setText(_facts(compared) if compared else _EMPTY)
        self.facts.setToolTip(f"Compared with {compared.truth}" if compared else "")
        of_masks = compared.of_masks if compared else None
        self.legend.setText(legend(of_masks) if of_masks else "")
        self.legend.setVisible(of_masks is not None)
        self.kind.blockSignals(True)
        self.kind.clear()
        if compared:
            total = len(compared.comparison.errors)
            self.kind.addItem(f"all kinds ({total:,})", None)
            for kind, count in compared.comparison.counts().items():
                self.kind.addItem(f"{kind} ({count:,})", kind)
        self.kind.blockSignals(False)
        self.kind.setEnabled(compared is not None)
        self._on_kind()

    def _on_kind(self, _index: int = 0) -> None:
        compared, kind = self._session.comparison, self.kind.currentData()
        errors = compared.comparison.errors if compared else self.model.errors.iloc[:0]
        header = self.table.horizontalHeader()
        self.model.show(errors if kind is None else errors[errors["kind"] == kind])
        self.model.sort(header.sortIndicatorSection(), header.sortIndicatorOrder())

    def _on_row(self, index: QModelIndex, _former: QModelIndex | None = None) -> None:
        if not index.isValid():
            return
        row = self.model.errors.iloc[index.row()]
        place = [float(row[axis]) for axis in ("z", "y", "x") if axis in row]
        cell = int(row["cell"]) if row["of"] == "result" else None
        if np.isfinite(place).all():
            self._session.look_at(int(row["frame"]), place, cell)


def _facts(compared: Compared) -> str:
    table = compared.comparison.scores.table()
    values = {title: table.get(name) for name, title in _SCORES.items()}
    said = [f"{title} {value:.3f}" for title, value in values.items() if value is not None]
    return f"{compared.truth.name}:   " + "   ".join(said)
