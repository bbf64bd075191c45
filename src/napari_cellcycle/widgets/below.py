"""Panels below the viewer, one tab each, made when they are first asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

_COLUMNS = 3


@dataclass(frozen=True)
class View:
    """A panel: its name, what its button and tab say, and what makes it.

    It `needs` a "movie", "tracks" or "stages" to show anything.
    """

    name: str
    title: str
    words: str
    needs: str
    make: Callable[[], QWidget]


class BelowRow(QWidget):
    """Buttons that open the panels below the viewer."""

    asked = Signal(str)

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        self._needs = {view.name: view.needs for view in views}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for number, view in enumerate(views):
            button = QPushButton(view.title)
            button.setToolTip(view.words)
            button.clicked.connect(partial(self._on_clicked, view.name))
            self.buttons[view.name] = button
            layout.addWidget(button, *divmod(number, _COLUMNS))

    def set_ready(self, known: set[str]) -> None:
        """Enable what has something to show: of "movie", "tracks" and "stages" those `known`."""
        for name, button in self.buttons.items():
            button.setEnabled(self._needs[name] in known)

    def _on_clicked(self, name: str, _checked: bool = False) -> None:
        self.asked.emit(name)


class Panels:
    """The panels of one dock; each is made once, when it is first shown."""

    def __init__(self, viewer: Any, views: tuple[View, ...]) -> None:
        self._viewer = viewer
        self._views = {view.name: view for view in views}
        self._made: dict[str, QWidget] = {}

    def panel(self, name: str) -> Any:
        """The panel of that name."""
        if name not in self._made:
            self._made[name] = self._views[name].make()
        return self._made[name]

    def show(self, name: str) -> Any:
        """Show a panel as a tab below the viewer."""
        panel = self.panel(name)
        show_below(self._viewer, panel, self._views[name].title)
        return panel


def show_below(viewer: Any, panel: QWidget, name: str) -> None:
    """Show `panel` as a tab below the viewer; it comes back if it was closed.

    Behind another tab it is hidden, so that it does no work there; Qt would only move it away.
    """
    holder: Any = panel.parent()
    if holder is None:
        holder = viewer.window.add_dock_widget(
            panel, name=name, area="bottom", tabify=True, add_vertical_stretch=False
        )
        policy = panel.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        panel.setSizePolicy(policy)
        holder.visibilityChanged.connect(panel.setVisible)
    holder.show()
    holder.raise_()
