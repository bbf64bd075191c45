"""The models of the library, a row each."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_cellcycle.models.library import Entry
from napari_cellcycle.models.library_cards import headline
from napari_cellcycle.widgets.library_page import STEPS

_TITLES = ("In use", "Step", "Name", "Taught from", "Score", "Made")
_WIDTHS = (50, 62, 150, 145, 185, 84)


class LibraryTable(QTableWidget):
    """One row for each model, by step, those in use first in each; `chosen` tells of a choice."""

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__(0, len(_TITLES))
        self.entries: list[Entry] = []
        self.setHorizontalHeaderLabels(list(_TITLES))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.verticalHeader().setVisible(False)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)
        self.itemSelectionChanged.connect(self.chosen)

    def show_entries(self, entries: list[Entry], select: str | None = None) -> None:
        """Show these models, and choose the one called `select`, or the one chosen before."""
        wanted = select or (self.selected[0].model.card.name if self.selected else None)
        self.entries = sorted(entries, key=_order)
        self.blockSignals(True)
        self.setRowCount(len(self.entries))
        for row, entry in enumerate(self.entries):
            for column, text in enumerate(_row(entry)):
                item = QTableWidgetItem(text)
                item.setToolTip(entry.model.card.description if column == 2 else text)
                self.setItem(row, column, item)
        names = [entry.model.card.name for entry in self.entries]
        self.clearSelection()
        if wanted in names:
            self.selectRow(names.index(wanted))
        self.blockSignals(False)
        self.chosen.emit()

    @property
    def selected(self) -> list[Entry]:
        """The models that are chosen, the one chosen first first."""
        rows = [index.row() for index in self.selectionModel().selectedRows()]
        return [self.entries[row] for row in rows if row < len(self.entries)]


def _order(entry: Entry) -> tuple[int, bool, bool, str]:
    card = entry.model.card
    return list(STEPS).index(card.kind), not entry.used, not entry.shipped, card.name.casefold()


def _row(entry: Entry) -> tuple[str, ...]:
    card = entry.model.card
    return (
        "✓" if entry.used else "",
        STEPS[card.kind],
        card.name,
        "(shipped)" if entry.shipped else card.parent or "",
        headline(card),
        f"{card.created:%d %b %Y}",
    )
