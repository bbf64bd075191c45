"""A teaching that went on, or ended, while napari was closed: told when the dock opens."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_cellcycle.errors import UserError
from napari_cellcycle.widgets.preferences import compute_settings

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


class TeachingsFound(QObject):
    """Tells in the dock of a teaching that goes on, or ended, while napari was closed."""

    found = Signal(str)

    def __init__(self, dock: "CellCycle") -> None:
        super().__init__(dock)
        self._dock = dock
        self.found.connect(self._offer)

    def look(self) -> None:
        """Look for one; call it in a thread."""
        from napari_cellcycle.widgets.teach_found import former_teachings

        with suppress(UserError, OSError, NotImplementedError):
            teachings = former_teachings(compute_settings().model_folder)
            if any(each.runs for each in teachings):
                self.found.emit("Models are being taught still.")
            elif teachings and teachings[0].is_open:
                self.found.emit("A teaching has ended: its models wait for your decision.")

    def _offer(self, sentence: str) -> None:
        if self._dock.notice.isHidden() and self._dock.task is None:
            show = partial(self._dock.panels.show, "teach")
            self._dock.notice.offer(sentence, [("Show it", show)])
