"""The menu of a cell: everything that can be done to it, with the keys that do the same."""

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QMenu, QWidget

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.widgets.actions import ACTIONS
from napari_cellcycle.widgets.session import Session


class ContextMenu(QMenu):
    """Corrections of the chosen cell, its stages, and where to go from it."""

    def __init__(self, parent: QWidget, session: Session, do: Callable[[str], None]) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setToolTipsVisible(True)
        self._session = session
        title = f"Cell {session.track}" if session.track is not None else "No cell chosen"
        self.addSection(title)
        group = ""
        for action in ACTIONS:
            if group and action.group != group:
                self.addSeparator()
            group = action.group
            entry = self.addAction(action.title, partial(do, action.name))
            entry.setToolTip(action.words)
            if action.keys:
                entry.setShortcut(QKeySequence(action.keys[0]))
                entry.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        if session.cell != NOBODY and session.draft is not None:
            self._add_stages()

    def _add_stages(self) -> None:
        draft = self._session.draft
        assert draft is not None
        stages = self.addMenu("Stage from here on")
        for name in draft.stages.names:
            stages.addAction(name, partial(self._set_stage, name))

    def _set_stage(self, name: str) -> None:
        if self._session.cell != NOBODY:
            self._session.do("set_stage_from", cell=self._session.cell, stage=name)
