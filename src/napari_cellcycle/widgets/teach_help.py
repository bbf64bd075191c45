"""What it would help most to correct: a list of frames and cells, each with its reason."""

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import KINDS, Suggestion
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.teach_words import TITLES

_EMPTY = "Press 'Look' to see which frames and cells teach most."
_NONE = "Nothing stands out: any correction helps."


class Suggestions(QWidget):
    """A choice leads to the frame or cell; `asked` tells that they are to be looked for."""

    asked = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._found: dict[Kind, list[Suggestion]] = {}
        self.kind = QComboBox()
        for kind in KINDS:
            self.kind.addItem(TITLES[kind], kind)
        self.kind.setToolTip("Which model it would help")
        self.look_button = QPushButton("Look")
        self.look_button.setToolTip("Look for them, by what is corrected until now")
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setSpacing(1)
        self.said = QLabel(_EMPTY)
        self.said.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(QLabel("<b>What would help most</b>"), 1)
        line.addWidget(self.kind)
        line.addWidget(self.look_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(line)
        layout.addWidget(self.said)
        layout.addWidget(self.list, 1)
        self.kind.currentIndexChanged.connect(self._fill)
        self.look_button.clicked.connect(self.asked)
        self.list.itemClicked.connect(self._go)
        self.list.itemActivated.connect(self._go)
        self.forget()

    def show_found(self, found: dict[Kind, list[Suggestion]]) -> None:
        """Show what was found, by kind."""
        self._found = found
        if not found.get(self.kind.currentData()):
            first = next((number for number, kind in enumerate(KINDS) if found.get(kind)), 0)
            self.kind.setCurrentIndex(first)
        self._fill()

    def forget(self) -> None:
        """Show none."""
        self._found = {}
        self._fill()

    def set_looking(self, looking: bool) -> None:
        """Say that they are being looked for."""
        self.look_button.setEnabled(not looking)
        self.look_button.setText("Looking…" if looking else "Look")

    def _fill(self, _index: int = 0) -> None:
        self.list.clear()
        kind = self.kind.currentData()
        for found in self._found.get(kind, []):
            item = QListWidgetItem(found.reason)
            item.setData(Qt.ItemDataRole.UserRole, found)
            item.setToolTip("Click to go there")
            self.list.addItem(item)
        empty = not self.list.count()
        self.said.setText(_NONE if kind in self._found else _EMPTY)
        self.said.setVisible(empty)
        self.list.setVisible(not empty)

    def _go(self, item: Any) -> None:
        found: Suggestion = item.data(Qt.ItemDataRole.UserRole)
        draft = self._session.draft
        label = None
        if found.cell is not None and draft is not None and draft.has(found.cell):
            label = draft.label(found.cell)
            self._session.select(label)
        if found.place is None:
            self._session.go_to_frame(found.frame)
        else:
            self._session.look_at(found.frame, found.place, label)
