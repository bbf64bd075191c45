"""Panels below the viewer, one tab each."""

from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget


class BelowRow(QWidget):
    """Buttons that open the panels below the viewer."""

    def __init__(self) -> None:
        super().__init__()
        self.filmstrip = QPushButton("Filmstrip")
        self.filmstrip.setToolTip("Show the cell that you click on over time")
        self.stages = QPushButton("Stages over time")
        self.stages.setToolTip("Show the stages of all cells over time, a row a cell")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.filmstrip)
        layout.addWidget(self.stages)


def show_below(viewer: Any, panel: QWidget, name: str) -> None:
    """Show `panel` as a tab below the viewer; it comes back if it was closed."""
    holder: Any = panel.parent()
    if holder is None:
        holder = viewer.window.add_dock_widget(
            panel, name=name, area="bottom", tabify=True, add_vertical_stretch=False
        )
    holder.show()
    holder.raise_()
