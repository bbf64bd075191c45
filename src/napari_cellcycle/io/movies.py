"""Movies from files of any known kind, and from arrays."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import ArrayFrames, FrameArray
from napari_cellcycle.io.axes import refuse_rgb, resolve_axes
from napari_cellcycle.io.calibration import Calibration
from napari_cellcycle.io.frame_numbers import missing_frames
from napari_cellcycle.io.frames import FolderFrames, open_any
from napari_cellcycle.progress import Progress, silent, track_progress

DEFAULT_PIXEL_SIZE = {"Z": 2.0, "Y": 0.65, "X": 0.65}
"""Micrometres (a 10x to 20x objective), where a file does not say."""

DEFAULT_FRAME_INTERVAL = 300.0
"""Seconds, where a file does not say."""

PixelSize = float | tuple[float, ...]


def open_movie(
    path: str | Path,
    *,
    pixel_size: PixelSize | None = None,
    frame_interval: float | None = None,
    axes: str | None = None,
) -> Movie:
    """Open a movie without reading its pixels.

    Warns where a folder seems to lack a file between others, since later frames then move up.

    Parameters
    ----------
    path
        A folder of TIFF frames (in natural order of their names), a TIFF or OME-TIFF file, an
        OME-Zarr image or a Zarr array.
    pixel_size
        Micrometres along [z,] y, x, or one number for y and x, with z as the file says; overrules
        the file.
    frame_interval
        Seconds; overrules the file.
    axes
        Axes of a file that does not say, or says it wrong, such as "TZYX".

    Raises
    ------
    BadInput
        Nothing there, no image, colour, frames of different sizes, a file cut short, or axes
        that cannot be told apart. Reading a frame raises it too, where only that frame is bad.
    """
    movie = open_known_movie(path, pixel_size=pixel_size, frame_interval=frame_interval, axes=axes)
    frames = getattr(movie.pixels, "read", None)
    if isinstance(frames, FolderFrames):
        files = [Path(name) for name in frames.paths]
        missing = missing_frames(files)
        if 0 < len(missing) < len(files):  # more, and the numbers do not count frames
            more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            warnings.warn(
                f"{path} holds no {missing[0]}{more}, and the movie goes on without: the frames "
                "after it count one earlier each. If that is not meant, add what is missing and "
                "open the movie again.",
                stacklevel=2,
            )
    return movie


def open_known_movie(
    path: str | Path,
    *,
    pixel_size: PixelSize | None = None,
    frame_interval: float | None = None,
    axes: str | None = None,
) -> Movie:
    """Open a movie as `open_movie` does, but say nothing of missing files a second time."""
    path = Path(path).expanduser()
    frames, shape, dtype, found = open_any(path, axes, what="a movie")
    source = str(path.absolute())
    pixels = FrameArray(shape, dtype, frames, name=path.name, axes=axes, source=source)
    return _described(pixels, found, pixel_size, frame_interval, source)


def movie_from_array(
    array: Any,
    axes: str | None = None,
    *,
    pixel_size: PixelSize | None = None,
    frame_interval: float | None = None,
    channels: tuple[str, ...] | None = None,
    name: str = "The image",
) -> Movie:
    """Take any array (numpy, dask, zarr) for a movie; nothing is copied or loaded.

    Parameters
    ----------
    axes
        One of T, C, Z, Y, X for each axis. Left out: the last two are y and x, the first is
        time, and in between a short axis (up to 4) is channels, a longer one z.
    name
        What a message calls it.

    Raises
    ------
    BadInput
        Fewer than two axes, colour, values that are no numbers, or axes that do not fit.
    """
    shape, dtype = tuple(array.shape), np.dtype(array.dtype)
    if dtype.kind not in "buif" or 0 in shape:
        raise BadInput(
            f"{name} has values of type {dtype} and shape {shape}, but a movie holds numbers and "
            "no axis of length 0: choose another image."
        )
    if axes is None and len(shape) > 2 and shape[-1] in (3, 4) and dtype == np.uint8:
        raise refuse_rgb(name)
    if len(shape) < 2:
        raise BadInput(f"{name} has shape {shape}, but a movie has at least the axes y and x.")
    unknown = "?" * (len(shape) - 2) + "YX"
    resolved = resolve_axes(unknown, shape, name, given=axes)
    length = dict(zip(resolved, shape, strict=True))
    spatial = tuple(length[axis] for axis in "ZYX" if axis in length)
    whole = (length.get("T", 1), length.get("C", 1), *spatial)
    pixels = FrameArray(whole, dtype, ArrayFrames(array, resolved), name=name)
    found = Calibration(channels=channels)
    return _described(pixels, found, pixel_size, frame_interval, None)


def have_same_pixels(one: Movie, other: Movie, progress: Progress = silent) -> bool:
    """Whether two movies show the same; a frame of each is in memory at a time."""
    if tuple(one.pixels.shape) != tuple(other.pixels.shape):
        return False
    return all(
        np.array_equal(np.asarray(one.pixels[time, number]), np.asarray(other.pixels[time, number]))
        for time in track_progress(range(len(one)), len(one), progress, "Comparing the movie")
        for number in range(one.pixels.shape[1])
    )


def _described(
    pixels: FrameArray,
    found: Calibration,
    pixel_size: PixelSize | None,
    frame_interval: float | None,
    source: str | None,
) -> Movie:
    spatial = "ZYX"[-(pixels.ndim - 2) :]
    known = {**found.spacing, **_given_size(pixel_size, spatial)}
    size = tuple(known.get(axis, DEFAULT_PIXEL_SIZE[axis]) for axis in spatial)
    guessed = set() if set(spatial) <= set(known) else {"pixel_size"}
    interval = frame_interval if frame_interval is not None else found.frame_interval
    if interval is None:
        interval, guessed = DEFAULT_FRAME_INTERVAL, guessed | {"frame_interval"}
    if not interval > 0:
        raise BadInput(f"The frame interval is {interval} s; give a number above 0.")
    names = _channel_names(found.channels, pixels.shape[1])
    return Movie(pixels, size, float(interval), names, source, frozenset(guessed))


def _given_size(pixel_size: PixelSize | None, spatial: str) -> dict[str, float]:
    """Micrometres by axis, as far as they are given: one number says nothing of z."""
    if pixel_size is None:
        return {}
    size: tuple[float, ...]
    if isinstance(pixel_size, int | float):
        axes, size = "YX", (float(pixel_size),) * 2
    else:
        axes, size = spatial, tuple(float(value) for value in pixel_size)
    if len(size) != len(axes) or min(size) <= 0:
        raise BadInput(
            f"The pixel size {pixel_size} does not fit a movie with the axes "
            f"{', '.join(spatial.lower())}: give {len(spatial)} numbers above 0, in micrometres."
        )
    return dict(zip(axes, size, strict=True))


def _channel_names(found: tuple[str, ...] | None, count: int) -> tuple[str, ...]:
    if found and len(found) == count and len(set(found)) == count and all(found):
        return found
    return tuple(f"channel {number}" for number in range(1, count + 1))
