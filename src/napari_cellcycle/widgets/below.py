"""Panels below the viewer, one tab each."""

from typing import Any

from qtpy.QtWidgets import QWidget


def show_below(viewer: Any, panel: QWidget, name: str) -> None:
    """Show `panel` as a tab below the viewer; it comes back if it was closed."""
    holder: Any = panel.parent()
    if holder is None:
        holder = viewer.window.add_dock_widget(
            panel, name=name, area="bottom", tabify=True, add_vertical_stretch=False
        )
    holder.show()
    holder.raise_()
