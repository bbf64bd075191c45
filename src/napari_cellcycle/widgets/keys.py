"""The keys of the dock, wherever in the window one is."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Points, Shapes
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut

from napari_cellcycle.widgets.actions import ACTIONS
from napari_cellcycle.widgets.movies import plain
from napari_cellcycle.widgets.segment_section import FRAME, REGION

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle

_IN_SHAPES = "Shift+R"
"""What segments a region again, which has just been drawn as a shape."""


def bind(dock: "CellCycle") -> "Keys":
    """Make the keys of `help_sheet` do what it says."""
    keys: dict[str, Callable[[], object]] = {
        "O": dock.switch_colours,
        "Alt+P": dock.segment.preview_button.click,
        "R": partial(dock.segment_again, FRAME),
        _IN_SHAPES: partial(dock.segment_again, REGION),
        "?": dock.show_help,
    }
    for action in ACTIONS:
        for key in action.keys:
            keys[key] = partial(dock.corrections.do, action.name)
    return Keys(dock, keys)


class Keys:
    """Shortcuts of the whole window; layers that are drawn in keep those of napari."""

    def __init__(self, dock: "CellCycle", keys: dict[str, Callable[[], object]]) -> None:
        self._layers = dock.viewer.layers
        self._shortcuts = {key: _shortcut(dock, key, slot) for key, slot in keys.items()}
        self._layers.selection.events.active.connect(self._on_active)

    def close(self) -> None:
        """Let go of the viewer."""
        self._layers.selection.events.active.disconnect(self._on_active)

    def _on_active(self, _event: object = None) -> None:
        active = plain(self._layers.selection.active)
        for key, shortcut in self._shortcuts.items():
            own_region = key == _IN_SHAPES and isinstance(active, Shapes)
            shortcut.setEnabled(own_region or not isinstance(active, Shapes | Points))


def _shortcut(dock: "CellCycle", key: str, slot: Callable[[], object]) -> QShortcut:
    shortcut = QShortcut(QKeySequence(key), dock)
    shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
    shortcut.activated.connect(slot)
    return shortcut
