"""The keys of the dock, wherever in the window one is."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Points, Shapes
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QApplication, QListView, QListWidget, QMainWindow, QWidget

from napari_cellcycle.widgets.actions import ACTIONS
from napari_cellcycle.widgets.movies import plain
from napari_cellcycle.widgets.segment_section import FRAME, REGION

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle
    from napari_cellcycle.widgets.review_panel import ReviewPanel

_IN_SHAPES = "Shift+R"
"""What segments a region again, which has just been drawn as a shape."""
_ANYWHERE = ("N", "Shift+N")
"""What works in layers that are drawn in, too, as napari has no use for it there."""
_IN_LISTS = "Del"
"""What takes the selected layers away while napari's list of them has the focus."""
_MOVED = (QEvent.Type.ParentChange, QEvent.Type.Show)


def bind(dock: "CellCycle") -> "Keys":
    """Make the keys of `help_sheet` do what it says."""
    keys: dict[str, Callable[[], object]] = {
        "O": dock.switch_colours,
        "Shift+P": dock.segment.preview_button.click,
        "R": partial(dock.segment_again, FRAME),
        _IN_SHAPES: partial(dock.segment_again, REGION),
        "?": dock.show_help,
        "N": lambda: _review(dock).go_next(),
        "Shift+N": lambda: _review(dock).go_back(),
    }
    for action in ACTIONS:
        for key in action.keys:
            keys[key] = partial(dock.corrections.do, action.name)
    return Keys(dock, keys)


class Keys(QObject):
    """Shortcuts of the window that the dock is in; layers that are drawn in keep those of napari.

    They work while the dock is hidden behind another tab, and rest while it is in no window.
    """

    def __init__(self, dock: "CellCycle", keys: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self._layers = dock.viewer.layers
        self._shortcuts = {key: window_key(dock, key, slot) for key, slot in keys.items()}
        self._layers.selection.events.active.connect(self._rest_or_work)
        application: Any = QApplication.instance()
        self._focus_changed = application.focusChanged
        self._focus_changed.connect(self._rest_or_work)
        dock.installEventFilter(self)

    def close(self) -> None:
        """Let go of the viewer and its window."""
        self._layers.selection.events.active.disconnect(self._rest_or_work)
        self._focus_changed.disconnect(self._rest_or_work)
        for shortcut in self._shortcuts.values():
            remove_key(shortcut)

    def eventFilter(self, dock: Any, event: Any) -> bool:
        """Follow the dock into a window, and out of it."""
        if event.type() in _MOVED:
            for shortcut in self._shortcuts.values():
                shortcut.setParent(main_window(dock) or dock)
        return False

    def _rest_or_work(self, *_: object) -> None:
        active = plain(self._layers.selection.active)
        focused = QApplication.focusWidget()
        in_list = isinstance(focused, QListView) and not isinstance(focused, QListWidget)
        for key, shortcut in self._shortcuts.items():
            works = key in _ANYWHERE or (key == _IN_SHAPES and isinstance(active, Shapes))
            drawn_in = isinstance(active, Shapes | Points) and not works
            shortcut.setEnabled(not drawn_in and not (key == _IN_LISTS and in_list))


def _review(dock: "CellCycle") -> "ReviewPanel":
    """The list of doubts, which is shown."""
    panel: ReviewPanel = dock.panels.show("review")
    return panel


def main_window(widget: QWidget | None) -> QMainWindow | None:
    """The window that a widget is docked in, also if it floats or is hidden; None without one."""
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()
    return widget


def window_key(widget: QWidget, key: str, slot: Callable[[], object]) -> QShortcut:
    """A key of the whole window that a widget is docked in, whether or not that is seen."""
    shortcut = QShortcut(QKeySequence(key), main_window(widget) or widget)
    shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
    shortcut.activated.connect(slot)
    return shortcut


def remove_key(shortcut: QShortcut) -> None:
    """Take a key out of its window."""
    with suppress(RuntimeError):  # it went with the window
        shortcut.setEnabled(False)
        shortcut.deleteLater()
