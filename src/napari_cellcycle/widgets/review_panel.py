"""What looks wrong, the likeliest first, as a tab below the viewer."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.history import Edit
from napari_cellcycle.jobs import Failed
from napari_cellcycle.review.catalogue import LIKELY, Doubts
from napari_cellcycle.review.doubt import KINDS, MOST_MENDS, Doubt, facts_of
from napari_cellcycle.widgets.known_draft import draft_of, minutes_of
from napari_cellcycle.widgets.review_rows import CELL, CHANCE, FRAME, KIND, ChanceBar, DoubtRows
from napari_cellcycle.widgets.review_thread import Finder
from napari_cellcycle.widgets.session import Session

_NO_TRACKS = "Track the cells to see what looks wrong."
_LOOKING = "Looking for what may be wrong…"
_NOTHING = (
    "Nothing looks wrong any more. To find out how much is right, answer a few questions in the "
    "tab Audit."
)
_HIDDEN = "Nothing of this kind looks wrong."
_ALL = ""
_WIDTHS = {CHANCE: 64, KIND: 160, FRAME: 56, CELL: 56}


class ReviewPanel(QWidget):
    """The list of doubts, and for the one that was gone to why, and what could be done.

    N and Shift N go to the next and former doubt wherever one is in the window; with the panel
    chosen, as it is then, 1 to 3 take a mend and Enter says that all is right. `counted` comes
    with how many places are worth a look.
    """

    counted = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._draft: Draft | None = None
        self._stale = True
        self._touched: list[np.ndarray] = []
        self._doubts = Doubts()
        self._place = -1
        self._waits = False
        self.current: Doubt | None = None
        self.finder = Finder()
        self.facts = QLabel()
        self.kind = QComboBox()
        self.unlikely = QCheckBox("Unlikely ones, too")
        self.rows = DoubtRows()
        self.table = QTableView()
        self.words = QLabel(_NO_TRACKS)
        self.reason = QLabel()
        self.mends = [QPushButton() for _ in range(MOST_MENDS)]
        self.confirm_button = QPushButton("Right as it is  (Enter)")
        self.next_button = QPushButton("Next  (N)")
        self.former_button = QPushButton("Former  (Shift N)")
        self._build()
        self._connect()
        self._show_current()

    # ---------------------------------------------------------------- looks

    def _build(self) -> None:
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.kind.setToolTip("Show doubts of one kind only")
        self.unlikely.setToolTip(
            f"Show also what is right in more than {100 * (1 - LIKELY):.0f} of 100 such cases"
        )
        self.confirm_button.setToolTip("Nothing is wrong here; it is not shown again")
        self.next_button.setToolTip("Go to the next place to check, the likeliest first")
        self.former_button.setToolTip("Go back to the one before")
        self._build_table()
        for label in (self.words, self.reason):
            label.setWordWrap(True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.reason.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.reason.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        line = QHBoxLayout()
        line.addWidget(self.facts, 1)
        line.addWidget(self.unlikely)
        line.addWidget(self.kind)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.words)
        self._stack.addWidget(self._parts())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self._stack, 1)
        self.setMinimumHeight(170)

    def _build_table(self) -> None:
        table = self.table
        table.setModel(self.rows)
        table.setItemDelegateForColumn(CHANCE, ChanceBar(table))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setWordWrap(False)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(24)
        table.horizontalHeader().setStretchLastSection(True)
        for column, width in _WIDTHS.items():
            table.setColumnWidth(column, width)

    def _parts(self) -> QWidget:
        """The list, and beside it the doubt that was gone to: why, and what could be done."""
        about = QWidget()
        why = QVBoxLayout(about)
        why.setContentsMargins(6, 0, 0, 0)
        room = QScrollArea()
        room.setWidgetResizable(True)
        room.setFrameShape(QScrollArea.Shape.NoFrame)
        room.setWidget(self.reason)
        why.addWidget(room, 1)
        row = QHBoxLayout()
        row.addWidget(self.former_button)
        row.addWidget(self.next_button)
        why.addLayout(row)
        decide = QWidget()
        column = QVBoxLayout(decide)
        column.setContentsMargins(6, 0, 0, 0)
        column.setSpacing(3)
        for button in self.mends:
            button.setStyleSheet("text-align: left; padding: 3px 8px;")
            column.addWidget(button)
        column.addStretch(1)
        column.addWidget(self.confirm_button)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        for part in (self.table, about, decide):
            parts.addWidget(part)
        parts.setSizes([560, 380, 320])
        return parts

    def _connect(self) -> None:
        session = self._session
        session.changed.connect(self._on_changed)
        session.edited.connect(self._on_edited)
        self.finder.found.connect(self._on_found)
        self.finder.failed.connect(self._on_failed)
        self.kind.currentIndexChanged.connect(self._fill)
        self.unlikely.toggled.connect(self._on_unlikely)
        self.table.clicked.connect(self._on_clicked)
        self.confirm_button.clicked.connect(self.confirm)
        self.next_button.clicked.connect(self.go_next)
        self.former_button.clicked.connect(self.go_back)
        for number, button in enumerate(self.mends):
            button.clicked.connect(lambda _=False, number=number: self.mend(number))
        self._shortcuts = [self._key(key, self.confirm) for key in ("Return", "Enter")]
        for number in range(MOST_MENDS):
            self._shortcuts.append(self._key(str(number + 1), lambda n=number: self.mend(n)))

    def _key(self, key: str, slot: Any) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(slot)
        return shortcut

    # ---------------------------------------------------------------- keeping it up to date

    def showEvent(self, event: Any) -> None:
        """Catch up with what changed while this was hidden."""
        super().showEvent(event)
        if self._stale:
            self._on_changed()
        elif self._touched:
            self._refresh()

    def _on_changed(self, _experiment: object = None) -> None:
        """Look at another result, from the beginning."""
        self._stale, self._touched = True, []
        self.finder.forget()
        self._doubts, self.current, self._place = Doubts(), None, -1
        if not self.isVisible():
            self._fill()
            return
        self._stale = False
        self._draft = draft = draft_of(self._session)
        if draft is None:
            self.words.setText(_NO_TRACKS)
        else:
            self.words.setText(_LOOKING)
            self.finder.find(draft, facts_of(draft, 60 * minutes_of(self._session)))
        self._fill(looking=True)

    def _on_edited(self, edit: Edit) -> None:
        self._waits = False
        if self._stale:
            return
        self._touched.append(edit.cells)
        if self.isVisible():
            self._refresh()

    def _refresh(self) -> None:
        draft = self._session.draft
        if draft is None:
            return
        self._draft, cells = draft, np.unique(np.concatenate(self._touched))
        self._touched = []
        self.finder.refresh(draft, facts_of(draft, 60 * minutes_of(self._session)), cells)

    def _on_found(self, doubts: Doubts) -> None:
        self._doubts = doubts
        self.words.setText(_NOTHING)
        self.words.setToolTip("")
        self._fill()
        self.counted.emit(doubts.likely)
        if self._waits:
            self.go_next()
        self._waits = False

    def _on_failed(self, failed: Failed) -> None:
        """Say why there is no list; the next correction, or a look at this tab, tries again."""
        self._touched.append(np.empty(0, np.int64))
        self._doubts = Doubts()
        self._fill(looking=True)
        self.words.setText(failed.text)
        self.words.setToolTip(failed.details)

    def _on_unlikely(self, _on: bool) -> None:
        self._fill()

    # ---------------------------------------------------------------- the list

    @property
    def shown(self) -> tuple[Doubt, ...]:
        """The doubts that are in the list."""
        return self.rows.doubts

    def _fill(self, _index: int = 0, *, looking: bool = False) -> None:
        """Show the doubts of the chosen kind, and keep the one that was gone to."""
        draft, doubts = self._draft, self._doubts
        worth = doubts.items if self.unlikely.isChecked() else doubts[: doubts.likely]
        kind = self.kind.currentData() or _ALL
        self._fill_kinds(worth, kind)
        chosen = [doubt for doubt in worth if kind in (_ALL, doubt.kind)]
        chosen, labels = _still_there(draft, chosen)
        self.rows.show(chosen, labels)
        self._tell_count(looking)
        self._stack.setCurrentIndex(1 if worth else 0)
        row = self.rows.row_of(self.current)
        if row is not None:
            self.current, self._place = chosen[row], row
            self.table.selectRow(row)
        elif self.current is not None:  # it is mended, so the next one is where it was
            self.current, self._place = None, self._place - 1
        self._place = min(self._place, len(chosen) - 1)
        self._show_current()

    def _fill_kinds(self, doubts: tuple[Doubt, ...], kind: str) -> None:
        counts = Counter(doubt.kind for doubt in doubts)
        self.kind.blockSignals(True)
        self.kind.clear()
        self.kind.addItem(f"All kinds ({len(doubts):,})", _ALL)
        for name, words in KINDS.items():
            if counts[name] or name == kind:
                self.kind.addItem(f"{words} ({counts[name]:,})", name)
        self.kind.setCurrentIndex(max(0, self.kind.findData(kind)))
        self.kind.blockSignals(False)

    def _tell_count(self, looking: bool) -> None:
        doubts = self._doubts
        if looking or self._draft is None:
            self.facts.setText("")
            return
        sure = sum(doubt.weight >= 0.5 for doubt in doubts)
        places = "place" if doubts.likely == 1 else "places"
        self.facts.setText(
            f"{doubts.likely:,} {places} to check, {sure:,} of them more likely wrong than right"
            if doubts.likely
            else "Nothing left to check"
        )

    # ---------------------------------------------------------------- going to a doubt

    def go_next(self) -> None:
        """Go to the next doubt in the list; after the last, to the first.

        Where there are none yet, the first that are found are gone to.
        """
        self._waits = not self.shown
        if self.shown:
            self._go_to((self._place + 1) % len(self.shown))

    def go_back(self) -> None:
        """Go to the doubt before; where there are none yet, as `go_next`."""
        self._waits = not self.shown
        if self.shown:
            former = self._place - 1 if self.current is not None else self._place
            self._go_to(former % len(self.shown))

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.isValid():
            self._go_to(index.row())

    def _go_to(self, row: int) -> None:
        self._place, self.current = row, self.shown[row]
        self.table.selectRow(row)
        self.table.scrollTo(self.rows.index(row, 0))
        self.table.setFocus()
        self._show_current()
        self._look(self.current)

    def _look(self, doubt: Doubt) -> None:
        """Move the viewer to a doubt and choose its cell, and the other one beside it."""
        draft, session = self._session.draft or self._draft, self._session
        if draft is None or not draft.has(doubt.cells[0]):
            return
        label = draft.label(doubt.cells[0])
        session.select(label)
        session.look_at(doubt.frame, list(doubt.place), label)
        others = [c for c in doubt.cells[1:2] if draft.has(c) and draft.label(c) != label]
        session.pair(others)

    def _show_current(self) -> None:
        doubt = self.current
        if doubt is None:
            self.reason.setText(
                "Press N, or choose a place in the list, to go there."
                if self.shown
                else _HIDDEN
                if self._doubts
                else ""
            )
        else:
            self.reason.setText(doubt.reason)
        can_edit = self._session.editor is not None
        for number, button in enumerate(self.mends):
            fix = doubt.mends[number] if doubt is not None and number < len(doubt.mends) else None
            button.setVisible(fix is not None)
            button.setEnabled(can_edit)
            button.setText(f"{number + 1}   {fix.words}" if fix is not None else "")
        self.confirm_button.setEnabled(doubt is not None and can_edit)
        for button in (self.next_button, self.former_button):
            button.setEnabled(bool(self.shown))

    # ---------------------------------------------------------------- deciding

    def mend(self, number: int) -> None:
        """Do one of the proposed corrections."""
        doubt = self.current
        if doubt is not None and number < len(doubt.mends):
            fix = doubt.mends[number]
            self._session.do(fix.operation, **fix.arguments)

    def confirm(self) -> None:
        """Say that all is right; the doubt does not come back."""
        if self.current is not None:
            steps = [
                ("confirm", {"kind": kind, "number": number}) for kind, number in self.current.keys
            ]
            self._session.do_all(steps)

    def closeEvent(self, event: Any) -> None:
        """Wait for the thread."""
        self.finder.close()
        super().closeEvent(event)


def _still_there(draft: Draft | None, doubts: Sequence[Doubt]) -> tuple[list[Doubt], list[int]]:
    """Doubts whose first cells are there now, and the numbers of these."""
    if draft is None or not doubts:
        return [], []
    cells = np.array([doubt.cells[0] for doubt in doubts])
    there = np.isin(cells, draft.ids)
    labels = draft.column("label")[draft.rows(cells[there])].tolist()
    return [doubt for doubt, is_there in zip(doubts, there, strict=True) if is_there], labels
