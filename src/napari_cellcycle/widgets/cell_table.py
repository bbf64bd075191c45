"""All tracks as a table, as a tab below the viewer."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QModelIndex, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.lineage_layout import NONE, Lineages, lineages_of
from napari_cellcycle.data.track_table import track_table
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.evaluation.duration_table import mitotic_stages
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.widgets.cell_rows import CellRows
from napari_cellcycle.widgets.known_draft import draft_of, minutes_of
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.session import Session

_NO_TRACKS = "Track the cells to see a table of them."
_HOW = (
    "Only some cells: a number (the cell, its mother and its daughters), 'divides', 'confirmed',\n"
    "'not divides', or a column with a number, such as: hours > 20; lowest link < 0.5"
)
_PAUSE_MS = 200


class TableView(QTableView):
    """A table whose rows are copied as a whole; `copied` when somebody asks for it by the key."""

    copied = Signal()

    def event(self, event: Any) -> bool:
        """Keep the key of copying from the shortcuts of the window."""
        if event.type() == QEvent.Type.ShortcutOverride and _is_copy(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: Any) -> None:
        """Copy rows, not the one field that is current."""
        if _is_copy(event):
            self.copied.emit()
        else:
            super().keyPressEvent(event)


class CellTable(QWidget):
    """A row a track, sorted by any column; choosing a row chooses the cell, and the other way.

    What is written in the search line says which rows are shown; they can be copied as text
    (Ctrl C) and exported.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._draft: Draft | None = None
        self._known: Lineages | None = None
        self._stale = True
        self._following = False
        self.rows = CellRows()
        self.view = TableView()
        self.search = QLineEdit()
        self.facts = QLabel()
        self.copy_button = QPushButton("Copy")
        self.export_button = QPushButton("Export CSV…")
        self._later = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._settled = QTimer(self, singleShot=True, interval=0)
        self._build()
        self._connect()

    def _build(self) -> None:
        self.search.setPlaceholderText("Search: 12, or hours > 20; not divides")
        self.search.setToolTip(_HOW)
        self.search.setClearButtonEnabled(True)
        self.copy_button.setToolTip("Copy the chosen rows as text, or all that are shown (Ctrl C)")
        self.export_button.setToolTip("Write all rows that are shown as a table of comma values")
        view = self.view
        view.setModel(self.rows)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setSortingEnabled(True)
        view.setWordWrap(False)
        view.setAlternatingRowColors(False)
        view.verticalHeader().setVisible(False)
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        view.verticalHeader().setDefaultSectionSize(22)
        view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.facts.setMinimumWidth(80)
        line = QHBoxLayout()
        line.addWidget(self.search, 1)
        line.addWidget(self.facts)
        line.addWidget(self.copy_button)
        line.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(view, 1)

    def _connect(self) -> None:
        session = self._session
        session.changed.connect(self._on_changed)
        session.edited.connect(self._on_changed)
        session.selected.connect(self._on_selected)
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self.view.clicked.connect(self._on_clicked)
        self.rows.modelReset.connect(self._on_reset)
        self.search.textChanged.connect(lambda _: self._later.start())
        self.search.returnPressed.connect(self._search)
        self._later.timeout.connect(self._search)
        self._settled.timeout.connect(lambda: self.view.scrollTo(self.view.currentIndex()))
        self.copy_button.clicked.connect(self.copy)
        self.export_button.clicked.connect(self._ask_and_export)
        self.view.copied.connect(self.copy)

    # ---------------------------------------------------------------- keeping it up to date

    def showEvent(self, event: Any) -> None:
        """Catch up with what changed while this was hidden."""
        super().showEvent(event)
        if self._stale:
            self._on_changed()
        self._on_selected(self._session.life)
        self._settled.start()

    def _on_changed(self, _what: object = None) -> None:
        if not self.isVisible():
            self._stale = True
            return
        self._stale = False
        self._draft = draft = draft_of(self._session)
        self._known = lineages_of(draft) if draft is not None else None
        if draft is None:
            self.rows.show(CellRows().table)
        else:
            minutes = minutes_of(self._session)
            mitotic = mitotic_stages(draft.stages)
            columns = self.rows.columnCount()
            self.rows.show(track_table(draft, minutes, mitotic, self._known))
            if self.rows.columnCount() != columns:
                self.view.resizeColumnsToContents()
        for button in (self.copy_button, self.export_button):
            button.setEnabled(draft is not None)

    def _on_reset(self) -> None:
        """After sorting, searching and corrections: count, and find the chosen row again."""
        number, all_of = self.rows.rowCount(), len(self.rows.table)
        self.facts.setText(
            _NO_TRACKS
            if self._draft is None
            else f"{all_of:,} cells"
            if number == all_of
            else f"{number:,} of {all_of:,} cells"
        )
        self._on_selected(self._session.life)

    def _search(self) -> None:
        self._later.stop()
        try:
            self.rows.search(self.search.text())
        except BadInput as error:
            self.facts.setText(str(error))

    # ---------------------------------------------------------------- following and leading

    def _on_selected(self, life: Life | None) -> None:
        """Mark the row of the chosen cell, and bring it into view."""
        if not self.isVisible() or self._following:
            return
        row = self.rows.row_of(life.track if life else None)
        self._following = True
        if row is None:
            self.view.clearSelection()
            self.view.setCurrentIndex(QModelIndex())
        elif row != self.view.currentIndex().row() or not self.view.selectionModel().hasSelection():
            column = max(self.view.currentIndex().column(), 0)
            self.view.setCurrentIndex(self.rows.index(row, column))
            self.view.scrollTo(self.rows.index(row, column))
        self._following = False

    def _on_row(self, now: QModelIndex, _before: QModelIndex) -> None:
        if not self._following and now.isValid():
            self._lead(now.row())

    def _on_clicked(self, index: QModelIndex) -> None:
        """Lead to a cell that is chosen already as well."""
        if self.rows.tracks([index.row()]) != [self._session.track]:
            self._lead(index.row())

    def _lead(self, row: int) -> None:
        """Choose the cell of a row and show it: in the frame shown, or where it is nearest."""
        draft, known, session = self._draft, self._known, self._session
        if draft is None or known is None:
            return
        track = self.rows.tracks([row])[0]
        position = known.position(track)
        if position == NONE:
            return
        place = known.nearest(position, session.frame)
        self._following = True
        session.select(track)
        there = draft.place(int(known.cells[place])).tolist()
        session.look_at(int(known.frames[place]), there, track)
        self._following = False

    # ---------------------------------------------------------------- taking it along

    def copy(self) -> None:
        """Copy the chosen rows as text; all that are shown if one or none is chosen."""
        chosen = sorted({index.row() for index in self.view.selectionModel().selectedRows()})
        table = self.rows.shown(chosen if len(chosen) > 1 else None)
        clipboard = QGuiApplication.clipboard()
        clipboard.setText(table.to_csv(sep="\t", index=False, lineterminator="\n"))

    def export(self, path: Path) -> None:
        """Write all rows that are shown, as CSV; raises `CannotWrite` if that is not possible."""
        path = path if path.suffix.lower() == ".csv" else path.with_name(path.name + ".csv")
        table = self.rows.shown()
        table["mother"] = table["mother"].astype("Int64").where(table["mother"] > 0)
        with writing_to(path):
            replace_file(path, table.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
        self.facts.setText(f"Exported to {path}")

    def _ask_and_export(self) -> None:
        start = str(Path.home() / "tracks.csv")
        chosen, _ = QFileDialog.getSaveFileName(self, "Export the table", start, "*.csv")
        if chosen:
            try:
                self.export(Path(chosen))
            except CannotWrite as error:
                self.facts.setText(str(error))


def _is_copy(event: Any) -> bool:
    return event.matches(QKeySequence.StandardKey.Copy)
