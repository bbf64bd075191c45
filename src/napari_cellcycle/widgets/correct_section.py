"""The section of the dock that corrects: what was done last, what followed, and all that can be."""

from collections.abc import Callable
from functools import partial

from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton

from napari_cellcycle.data.history import Edit
from napari_cellcycle.widgets.actions import ACTIONS, Action
from napari_cellcycle.widgets.fold import Fold
from napari_cellcycle.widgets.session import Session

_COLUMNS = 3
_GROUPS = ("links", "cells")
_MOST_TOLD = 3


class CorrectSection(Fold):
    """A button for every correction, and what came of the last one."""

    def __init__(self, session: Session, do: Callable[[str], None]) -> None:
        super().__init__("Correct")
        self._session = session
        self._do = do
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.chosen = QLabel()
        self.chosen.setWordWrap(True)
        self.resolving = QCheckBox("Mend the surroundings after each correction")
        self.resolving.setToolTip(
            "Links next to a correction are decided anew around what you said, and the stages of "
            "its lineage; what you confirmed stays. It is undone together with the correction."
        )
        self.resolving.setChecked(True)
        self.resolving.toggled.connect(self._on_resolving)
        self.buttons: dict[str, QPushButton] = {}
        self.body.addWidget(self.chosen)
        self._grid = QGridLayout()
        self._grid.setSpacing(4)
        self.body.addLayout(self._grid)
        for action in (a for a in ACTIONS if a.group in _GROUPS):
            self.add(action)
        self.body.addWidget(self.resolving)
        self.body.addWidget(self.said)
        session.edited.connect(self._on_edited)
        session.changed.connect(self._on_changed)
        session.selected.connect(self._show_chosen)
        session.paired.connect(self._show_chosen)
        session.moved.connect(self._show_chosen)
        self._on_changed()

    def add(self, action: Action) -> None:
        """Add a button for one more correction."""
        row, column = divmod(self._grid.count(), _COLUMNS)
        self._grid.addWidget(self._button(action), row, column)

    def _button(self, action: Action) -> QPushButton:
        button = QPushButton(action.title)
        keys = f" ({action.keys[0]})" if action.keys else ""
        button.setToolTip(f"{action.words[0].upper()}{action.words[1:]}{keys}")
        button.clicked.connect(partial(self._on_pressed, action.name))
        self.buttons[action.name] = button
        return button

    def _on_pressed(self, name: str, _checked: bool = False) -> None:
        self._do(name)

    def _on_resolving(self, resolving: bool) -> None:
        if self._session.editor is not None:
            self._session.editor.resolving = resolving

    def _on_changed(self, _experiment: object = None) -> None:
        self.setVisible(self._session.editor is not None)
        self._on_resolving(self.resolving.isChecked())
        self.said.setText("")
        self._show_chosen()

    def _on_edited(self, edit: Edit) -> None:
        editor = self._session.editor
        undone = editor is not None and edit in editor.history.undone
        parts = [f"Taken back: {edit.words}." if undone else f"{edit.words}."]
        if not undone:
            parts += edit.consequences[:_MOST_TOLD]
            more = len(edit.consequences) - _MOST_TOLD
            parts += [f"And {more} more."] if more > 0 else []
        self.said.setText(" ".join(parts))
        self._show_chosen()
        self.fit()

    def _show_chosen(self, _any: object = None) -> None:
        session, draft = self._session, self._session.draft
        if draft is None or session.track is None:
            self.chosen.setText("Click on a cell; Shift-click on another to link or swap them.")
            return
        words = f"Cell {session.track}"
        words += f" in frame {session.frame}" if session.cell else " (not in this frame)"
        others = [
            f"{draft.label(cell)} in frame {draft.frame(cell)}"
            for cell in session.others
            if draft.has(cell)
        ]
        self.chosen.setText(f"{words}, and {' and '.join(others)}" if others else words)
