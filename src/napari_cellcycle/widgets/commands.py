"""What the menu entries and the command palette call."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import napari

from napari_cellcycle.jobs.job import StepName
from napari_cellcycle.widgets import compare, imports
from napari_cellcycle.widgets.below import show_below
from napari_cellcycle.widgets.movies import is_movie, plain
from napari_cellcycle.widgets.preferences import PLUGIN, compute_settings
from napari_cellcycle.widgets.teach_wiring import take_model

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle

WIDGET = "Cell cycle"


_docks_of: "WeakValueDictionary[int, CellCycle]" = WeakValueDictionary()
"""The dock of each viewer, by the id of its window; closed ones too, as they hold results."""


def dock_widget() -> "CellCycle":
    """The dock of the viewer in front: what is put into the window by napari.

    A viewer has one. If it was closed, its results and corrections are still there.
    """
    from napari_cellcycle.widgets.dock import CellCycle

    viewer = napari.current_viewer()
    if viewer is None:
        raise RuntimeError("There is no viewer to open the panel in.")
    known = _docks_of.get(id(viewer.window))
    if known is None or known.viewer.window is not viewer.window:
        known = _docks_of[id(viewer.window)] = CellCycle(viewer)
    return known


def open_dock(viewer: "napari.viewer.Viewer") -> Any:
    """The dock widget of `viewer`, which is opened if it was not."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.setVisible(True)
    return widget


def segment_layers(viewer: "napari.viewer.Viewer") -> None:
    """Find the cells in the chosen layer."""
    _start(viewer, "segment")


def track_layers(viewer: "napari.viewer.Viewer") -> None:
    """Follow the cells over time."""
    _start(viewer, "track")


def classify_layers(viewer: "napari.viewer.Viewer") -> None:
    """Give each cell its stage."""
    _start(viewer, "classify")


def run_all(viewer: "napari.viewer.Viewer") -> None:
    """Segment, track and classify the chosen layer."""
    _start(viewer, "run")


def switch_colours(viewer: "napari.viewer.Viewer") -> None:
    """Colour cells by stage instead of by track, and back."""
    open_dock(viewer).switch_colours()


def compare_tracks(viewer: "napari.viewer.Viewer") -> None:
    """Compare the tracks with a truth and list what differs."""
    compare.ask_and_compare(open_dock(viewer))


def compare_masks(viewer: "napari.viewer.Viewer") -> None:
    """Compare the masks with a truth and show which are right."""
    compare.ask_and_compare_masks(open_dock(viewer))


def import_file(viewer: "napari.viewer.Viewer") -> None:
    """Take over tracks of another program from a file."""
    imports.ask_for_file(open_dock(viewer))


def import_folder(viewer: "napari.viewer.Viewer") -> None:
    """Take over tracks of another program from a folder."""
    imports.ask_for_folder(open_dock(viewer))


def preview_frame(viewer: "napari.viewer.Viewer") -> None:
    """Show what the present settings find in this frame, or stop showing it."""
    open_dock(viewer).segment.preview_button.click()


def segment_again(viewer: "napari.viewer.Viewer") -> None:
    """Find the cells of this frame anew."""
    open_dock(viewer).segment_again("frame")


def show_filmstrip(viewer: "napari.viewer.Viewer") -> None:
    """Show the chosen cell over time."""
    open_dock(viewer).panels.show("filmstrip")


def show_stages(viewer: "napari.viewer.Viewer") -> None:
    """Show the stages of all cells over time."""
    open_dock(viewer).panels.show("stages")


def open_library(viewer: "napari.viewer.Viewer") -> Any:
    """Show all models below the viewer, which are in use, and what can be done with them."""
    from napari_cellcycle.widgets.library_panel import LibraryPanel

    return _open_below(viewer, "Models", LibraryPanel, partial(_follow_library, viewer))


def open_teaching(viewer: "napari.viewer.Viewer") -> Any:
    """Teach the models from what was corrected."""
    return open_dock(viewer).panels.show("teach")


def open_doctor(viewer: "napari.viewer.Viewer") -> Any:
    """Look at the installation and the graphics card, and say what is wrong with them."""
    from napari_cellcycle.widgets.doctor_panel import DoctorPanel

    return _open_below(viewer, "Doctor", DoctorPanel)


def _follow_library(viewer: Any, panel: Any) -> None:
    panel.used.connect(partial(_on_used, viewer))
    panel.changed.connect(partial(_on_models, viewer))


def _on_used(viewer: Any, kind: str, name: str) -> None:
    """Have the dock, if it is open, take a model that is in use from now on."""
    for dock in _docks(viewer):
        take_model(dock, kind, name)


def _on_models(viewer: Any) -> None:
    for dock in _docks(viewer):
        dock.offer_models()


def _docks(viewer: Any) -> list[Any]:
    widgets = viewer.window.dock_widgets.values()
    return [widget for widget in widgets if hasattr(widget, "offer_models")]


def _open_below(
    viewer: Any, name: str, kind: Any, prepare: Callable[[Any], None] = lambda panel: None
) -> Any:
    """The panel of that name below the viewer, which is made, and prepared, unless it is there."""
    folder = compute_settings().model_folder
    panel = viewer.window.dock_widgets.get(name)
    if panel is None:
        panel = kind(folder)
        prepare(panel)
    else:
        panel.folder = folder
    show_below(viewer, panel, name)
    return panel


def show_lineage(viewer: "napari.viewer.Viewer") -> None:
    """Show cells and their divisions as a tree."""
    open_dock(viewer).panels.show("lineage")


def show_gallery(viewer: "napari.viewer.Viewer") -> None:
    """Show cells side by side."""
    open_dock(viewer).panels.show("gallery")


def show_table(viewer: "napari.viewer.Viewer") -> None:
    """Show a table of all cells."""
    open_dock(viewer).panels.show("table")


def show_review(viewer: "napari.viewer.Viewer") -> None:
    """Show what is probably wrong."""
    open_dock(viewer).panels.show("review")


def show_audit(viewer: "napari.viewer.Viewer") -> None:
    """Estimate how much is right."""
    open_dock(viewer).panels.show("audit")


def _start(viewer: Any, step: StepName) -> None:
    widget = open_dock(viewer)
    for layer in map(plain, viewer.layers.selection):
        if is_movie(layer):
            widget.picker.choose(layer)
    widget.start(step)
