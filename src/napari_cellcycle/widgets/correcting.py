"""What makes corrections of the dock's result: keys, brush, menus, and what is said of them."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint
from qtpy.QtGui import QCursor

from napari_cellcycle.errors import Refused
from napari_cellcycle.jobs import Failed
from napari_cellcycle.widgets import keys
from napari_cellcycle.widgets.context_menu import ContextMenu
from napari_cellcycle.widgets.painting import Painting
from napari_cellcycle.widgets.tools import TOOLS, MaskTools

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


class Correcting:
    """Connects what corrects with the session of a dock, and refusals with its notice."""

    def __init__(self, dock: "CellCycle") -> None:
        self._dock = dock
        self._has_refused = False
        session = dock.session
        self._painting = Painting(session)
        self._keys = keys.bind(dock)
        self._tools = MaskTools(dock.viewer, session, dock)
        self._tools.changed.connect(self._on_tool)
        dock.corrections.more["new"] = self._paint_new
        for tool in TOOLS:
            dock.corrections.more[tool.name] = partial(self._tools.take, tool.name)
        session.edited.connect(self._on_edited)
        session.changed.connect(self._withdraw)
        session.refused.connect(self._on_refused)
        session.failed.connect(self._on_failed)
        session.troubled.connect(self._on_trouble)

    def close(self) -> None:
        """Let go of the viewer."""
        self._painting.close()
        self._tools.close()
        self._keys.close()

    def show_menu(self, cell: int = 0, place: QPoint | None = None) -> None:
        """Show all that can be done to a cell, by default the chosen one, where the mouse is."""
        dock, draft = self._dock, self._dock.session.draft
        if cell and draft is not None and draft.has(cell):
            dock.session.select(draft.label(cell))
            dock.session.go_to_frame(draft.frame(cell))
        menu = ContextMenu(dock, dock.session, dock.corrections.do)
        menu.popup(QCursor.pos() if place is None else place)

    def _paint_new(self) -> None:
        recording = self._dock.session.recording
        label = self._painting.new_label()
        if label and recording is not None:
            recording.layers.paint_with(label)
        else:
            self._dock.notice.tell("There are no masks to paint in yet: press Run first.")

    def _on_tool(self, name: str) -> None:
        words = next((tool.words for tool in TOOLS if tool.name == name), "")
        if not words:
            self._dock.notice.hide()
        else:
            self._dock.notice.tell(f"{words[0].upper()}{words[1:]}; Esc ends it.", problem=False)

    def _on_edited(self, _edit: object) -> None:
        """Show what a correction changed in the facts, and no more."""
        dock, session = self._dock, self._dock.session
        self._withdraw()
        dock.results.show_display(session.result.display if session.result else None)
        idle = dock.task is None
        dock.results.set_ready(idle=idle, can_undo=session.can_undo, can_redo=session.can_redo)

    def _withdraw(self, _experiment: object = None) -> None:
        """Take back what was refused and offered: it was about cells that are not shown now."""
        if self._has_refused:
            self._has_refused = False
            self._dock.notice.hide()

    def _on_refused(self, refused: Refused) -> None:
        self._has_refused = True
        fixes = [
            (fix.words, partial(self._dock.session.do, fix.operation, **fix.arguments))
            for fix in refused.fixes
        ]
        self._dock.notice.offer(str(refused), fixes)

    def _on_failed(self, failed: Failed) -> None:
        self._dock.notice.tell(failed.text, failed.details)

    def _on_trouble(self, sentence: str) -> None:
        self._dock.notice.tell(sentence)
