"""What an image layer says about the movie it shows."""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import UserError
from napari_cellcycle.progress import Progress, silent

METADATA = "napari-cellcycle"
"""Key of a layer's metadata under which our readers say what they know of it."""

_QUICK_FILES = (".tif", ".tiff", ".zarr")
_FEW_CHANNELS = 4


def plain(layer: Any) -> Any:
    """The layer itself, where a plugin is given a proxy of it."""
    return getattr(layer, "__wrapped__", layer)


def is_movie(layer: Layer) -> bool:
    """Whether `layer` can be a movie of cells: an image over time, neither colour nor masks.

    One frame alone is one where our readers say so.
    """
    if not isinstance(layer, Image) or layer.rgb or layer.ndim not in (3, 4, 5):
        return False
    pixels = _pixels(layer)
    names = _names(layer)
    lacks_time = names[0] in ("z", "c") and "t" not in names
    over_time = pixels.shape[0] > 1 or METADATA in layer.metadata
    return over_time and np.dtype(pixels.dtype) != bool and not lacks_time


def movie_layers(layers: Iterable[Layer]) -> list[Image]:
    """Layers that can be the movie, the likeliest first."""

    def rank(layer: Image) -> tuple[bool, bool, int]:
        return (METADATA in layer.metadata, layer.visible, _pixels(layer).shape[0])

    return sorted((x for x in map(plain, layers) if is_movie(x)), key=rank, reverse=True)


def fits(layer: Layer, movie: Movie) -> bool:
    """Whether `layer` holds masks of the shape of `movie`."""
    shape = (len(movie), *movie.frame_shape)
    return isinstance(layer, Labels) and tuple(_pixels(layer).shape) == shape


def movie_of(layer: Image, *, channels: bool | None = None) -> Movie:
    """Describe the movie that `layer` shows; nothing is loaded.

    `channels` says whether the second axis of a layer with four axes holds channels (True) or
    planes (False); None decides by itself. Pixel size and frame interval come from our own
    metadata, the layer's units and scale, or the file it was read from; what none of them
    knows is `guessed`. Raises `BadInput` if the layer cannot be a movie.
    """
    from napari_cellcycle.io.movies import movie_from_array

    record = layer.metadata.get(METADATA, {})
    if recorded := _recorded(record):
        return recorded
    pixels, axes = _pixels(layer), axes_of(layer, channels)
    spatial = [axis for axis, name in enumerate(axes) if name in "ZYX"]
    size, interval = _from_layer(layer, spatial)
    movie = movie_from_array(
        pixels,
        axes,
        pixel_size=size,
        frame_interval=record.get("frame_interval") or interval,
        channels=_channel_names(layer, axes),
        name=f"The layer {layer.name!r}",
    )
    movie = replace(movie, guessed=movie.guessed | set(record.get("guessed", ())))
    return movie if record else _with_file(movie, layer)


def same_pixels(movie: Movie, progress: Progress = silent) -> Movie | None:
    """The movie as its file holds it, with what `movie` says of it; None if it has no file.

    A file that holds other pixels than the layer (which was cropped, or filtered, say) is not the
    same movie. All frames may be read, so this is for a thread.
    """
    from napari_cellcycle.io.movies import have_same_pixels

    if movie.source and getattr(movie.pixels, "source", None) == movie.source:
        return movie
    found = _open(movie.source) if movie.source else None
    if found is None or not have_same_pixels(found, movie, progress):
        return None
    return replace(
        found,
        pixel_size=movie.pixel_size,
        frame_interval=movie.frame_interval,
        channels=movie.channels,
        guessed=movie.guessed,
    )


def is_ambiguous(layer: Image) -> bool:
    """Whether the second axis could be channels or planes, and nothing says which."""
    known = METADATA in layer.metadata or set(_names(layer)) & {"c", "z"}
    return layer.ndim == 4 and not known


def axes_of(layer: Image, channels: bool | None = None) -> str:
    """Axes of a movie layer, such as "TZYX"; see `movie_of` for `channels`."""
    names, shape = _names(layer), _pixels(layer).shape
    if len(shape) == 3:
        return "TYX"
    if len(shape) == 5:
        last = names.index("c") == 2 if "c" in names else shape[1] > shape[2]
        return "TZCYX" if last else "TCZYX"
    if "c" in names or "z" in names:
        return "TCYX" if "c" in names else "TZYX"
    if channels is None:
        channels = shape[1] <= _FEW_CHANNELS
    return "TCYX" if channels else "TZYX"


def _names(layer: Image) -> list[str]:
    return [label.lower() for label in layer.axis_labels]


def _pixels(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _channel_names(layer: Image, axes: str) -> tuple[str, ...] | None:
    return None if "C" in axes else (layer.name,)


def _from_layer(layer: Image, spatial: list[int]) -> tuple[tuple[float, ...] | None, float | None]:
    """Pixel size (um) and frame interval (s) where the layer's units or scale tell them."""
    size = [_quantity(layer, axis, "micrometer") for axis in spatial]
    known = tuple(value for value in size if value is not None)
    if len(known) < len(size):
        scale = tuple(float(layer.scale[axis]) for axis in spatial)
        scaled = any(not math.isclose(value, 1) for value in scale)
        return scale if scaled else None, _quantity(layer, 0, "second")
    return known, _quantity(layer, 0, "second")


def _quantity(layer: Image, axis: int, unit: str) -> float | None:
    own = layer.units[axis]
    if not own.is_compatible_with(unit):
        return None
    return float((float(layer.scale[axis]) * own).to(unit).magnitude)


def _with_file(movie: Movie, layer: Image) -> Movie:
    """Complete `movie` from the file that `layer` was read from, if it has the same shape."""
    path = layer.source.path
    if path is None or Path(path).suffix.lower() not in _QUICK_FILES:
        return movie
    found = _open(path)
    if found is None or found.pixels.shape != movie.pixels.shape:
        return movie
    facts: dict[str, Any] = {"source": str(path), "channels": found.channels}
    facts |= {name: getattr(found, name) for name in movie.guessed - found.guessed}
    return replace(movie, guessed=movie.guessed & found.guessed, **facts)


def _recorded(record: dict[str, Any]) -> Movie | None:
    """The whole movie, of which a layer of our readers shows one channel."""
    found = record.get("movie")
    if found is None and record.get("source"):
        found = _open(record["source"])
    if found is None:
        return None
    return replace(
        found,
        pixel_size=tuple(record["pixel_size"]),
        frame_interval=record["frame_interval"],
        channels=tuple(record["channels"]),
        guessed=frozenset(record["guessed"]),
    )


def _open(path: str) -> Movie | None:
    from napari_cellcycle.io.movies import open_movie

    try:
        return open_movie(path)
    except UserError:
        return None
