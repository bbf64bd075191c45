"""Where in a movie one looks: the rectangle in view, or one that was drawn."""

from typing import Any

import numpy as np
from napari.layers import Image, Shapes

from napari_cellcycle.data.region import Region
from napari_cellcycle.widgets.movies import plain

_WHOLE = 0.8
"""Share of the frame in view from which the whole frame counts."""
_LEAST = 8


def visible_region(viewer: Any, movie: Image) -> Region | None:
    """Rows and columns of `movie` in view; None for (nearly) all of them, or in 3D."""
    dims = viewer.dims
    if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
        return None
    first, last = np.asarray(movie.corner_pixels)[:, -2:]
    return _region(movie, first, last + 1)


def drawn_region(viewer: Any, movie: Image) -> Region | None:
    """Rows and columns of the rectangle drawn last in a Shapes layer; None without one."""
    layers = [layer for layer in map(plain, viewer.layers) if isinstance(layer, Shapes)]
    layers = [layer for layer in layers if layer.visible and len(layer.data)]
    if not layers:
        return None
    active = plain(viewer.layers.selection.active)
    layer = active if any(active is one for one in layers) else layers[-1]
    chosen = sorted(layer.selected_data)
    corners = np.asarray(layer.data[chosen[-1] if chosen else -1])
    world = np.array([layer.data_to_world(corner) for corner in corners])[:, -2:]
    scale, start = np.asarray(movie.scale)[-2:], np.asarray(movie.translate)[-2:]
    places = (world - start) / scale
    return _region(movie, np.floor(places.min(0) + 0.5), np.ceil(places.max(0) + 0.5))


def _region(movie: Image, first: np.ndarray, last: np.ndarray) -> Region | None:
    """Rows and columns from `first` to before `last`, within the frame; None for all of them."""
    shape = np.array(_pixels(movie).shape[-2:])
    first = np.clip(first, 0, shape - 1).astype(int)
    last = np.clip(last, 1, shape).astype(int)
    side = last - first
    if (side < _LEAST).any() or np.prod(side) >= _WHOLE * np.prod(shape):
        return None
    return Region(int(first[0]), int(first[1]), int(last[0]), int(last[1]))


def _pixels(movie: Image) -> Any:
    return movie.data[0] if movie.multiscale else movie.data
