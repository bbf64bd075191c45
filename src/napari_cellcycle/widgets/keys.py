"""The keys of the dock, wherever in the window one is."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut

from napari_cellcycle.widgets.movies import plain
from napari_cellcycle.widgets.segment_section import FRAME, REGION

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


def bind(dock: "CellCycle") -> None:
    """Make the keys of `help_sheet` do what it says."""
    keys: dict[str, Callable[[], object]] = {
        "O": dock.switch_colours,
        "Alt+P": dock.segment.preview_button.click,
        "R": partial(_on_again, dock, FRAME),
        "Shift+R": partial(_on_again, dock, REGION),
        "?": dock.show_help,
    }
    for key, slot in keys.items():
        shortcut = QShortcut(QKeySequence(key), dock)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(slot)


def _on_again(dock: "CellCycle", kind: str) -> None:
    """Segment again; but in a Shapes layer R chooses the tool that draws rectangles."""
    active = plain(dock.viewer.layers.selection.active)
    if kind == FRAME and isinstance(active, Shapes):
        active.mode = "add_rectangle"
    else:
        dock.segment_again(kind)
