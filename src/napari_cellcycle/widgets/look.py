"""Moving the viewer to a place of a layer."""

from collections.abc import Sequence
from typing import Any

from napari.layers import Layer

_CELLS_IN_VIEW = 14
"""Typical cells that fit into the height of the view, at least, after moving to one."""


def look_at(viewer: Any, layer: Layer, place: Sequence[float], side: float) -> None:
    """Show the frame of `place` (t, [z,] y, x in pixels of `layer`), with it in the middle.

    Sliders move to it; the view comes closer, if need be, until a cell of `side`, in units of the
    world, is well seen.
    """
    world = layer.data_to_world(place)
    first = viewer.dims.ndim - layer.ndim
    for axis, value in enumerate(world):
        viewer.dims.set_point(first + axis, value)
    shown = [float(world[axis - first]) for axis in viewer.dims.displayed]
    viewer.scene.camera.center = (0.0,) * (3 - len(shown)) + tuple(shown)
    height = viewer.window.geometry()[3]
    viewer.scene.camera.zoom = max(viewer.scene.camera.zoom, height / (_CELLS_IN_VIEW * side))
