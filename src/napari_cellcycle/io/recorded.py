"""The movie of an experiment folder: a path to it, or the movie itself where there is none."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.data.movie import ArrayLike, Movie
from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.io.arrays import FrameArray
from napari_cellcycle.io.labelstore import StoredFrames, fresh_entry, is_same_folder, scale_of
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.omezarr import create_image, open_array, stored_at
from napari_cellcycle.io.storage import remove_unfinished
from napari_cellcycle.progress import Progress, silent, track_progress


def record_movie(
    movie: Movie, folder: Path, former: Mapping[str, Any], progress: Progress = silent
) -> tuple[dict[str, Any], str | None]:
    """Describe a movie for `experiment.json`, and store it if it comes from no file.

    Returns
    -------
    entry, made
        `made` is the name of the entry of the folder that this call wrote, if any.
    """
    entry: dict[str, Any] = {
        "shape": list(movie.pixels.shape),
        "pixel_size": list(movie.pixel_size),
        "frame_interval": movie.frame_interval,
        "channels": list(movie.channels),
        "guessed": sorted(movie.guessed),
    }
    if movie.source is not None and _reopens(movie):
        path = Path(movie.source).absolute()
        entry |= {
            "source": movie.source,
            "absolute": str(path),
            "relative": _relative(path, folder),
        }
        entry["axes"] = getattr(movie.pixels, "axes", None)
        return entry, None
    place = stored_at(movie.pixels)
    if place is not None and is_same_folder(place.parent.parent, folder):
        return entry | {"stored": place.parent.name, "prints": former.get("prints")}, None
    prints = _prints(movie)
    stored = former.get("stored")
    if stored and former.get("prints") == prints and (folder / stored).is_dir():
        return entry | {"stored": stored, "prints": prints}, None
    name = fresh_entry(folder, "movie", ".zarr")
    try:
        _store_movie(movie, folder / name, progress)
    except BaseException:
        remove_unfinished(folder / name)
        raise
    return entry | {"stored": name, "prints": prints}, name


def reopen_movie(entry: Mapping[str, Any], folder: Path, instead: str | Path | None) -> Movie:
    """Open the movie that `record_movie` described; `instead` says where it is now.

    Raises
    ------
    BadInput
        The movie is gone, or has another shape than before.
    """
    source: str | None = None
    if instead is None and "stored" in entry:
        pixels: ArrayLike = _stored_pixels(folder / entry["stored"])
    else:
        path = Path(instead).expanduser() if instead is not None else _found(entry, folder)
        pixels = open_movie(path, axes=entry.get("axes")).pixels
        source = entry.get("source") if instead is None else str(path.absolute())
        if instead is None and Path(entry["absolute"]) != path:
            source = str(path)
    if tuple(pixels.shape) != tuple(entry["shape"]):
        raise BadInput(
            f"The movie {source or folder} has shape {tuple(pixels.shape)}, but the experiment "
            f"{folder.name} was made from one of {tuple(entry['shape'])}: give the right one with "
            "open_experiment(folder, movie=PATH)."
        )
    return Movie(
        pixels,
        tuple(entry["pixel_size"]),
        entry["frame_interval"],
        tuple(entry["channels"]),
        source,
        frozenset(entry["guessed"]),
    )


def _reopens(movie: Movie) -> bool:
    """Tell whether the movie's source gives this movie when it is opened."""
    if isinstance(movie.pixels, FrameArray):
        return True
    try:
        pixels = open_movie(str(movie.source)).pixels
    except (UserError, OSError):
        return False
    return tuple(pixels.shape) == tuple(movie.pixels.shape)


def _relative(path: Path, folder: Path) -> str | None:
    try:
        return Path(os.path.relpath(path, folder.absolute())).as_posix()
    except ValueError:
        return None


def _found(entry: Mapping[str, Any], folder: Path) -> Path:
    """Path of the movie: where it was, or where it is as seen from the folder."""
    places = [Path(entry["absolute"])]
    if entry.get("relative"):
        places.append(Path(os.path.normpath(folder.absolute() / entry["relative"])))
    for place in places:
        if place.exists():
            return place
    raise BadInput(
        f"The movie of {folder} is no longer at {places[0]}: put it back, or say where it is with "
        "open_experiment(folder, movie=PATH)."
    )


def _prints(movie: Movie) -> str:
    """Fingerprint of a movie: of its first, middle and last frame."""
    digest = sha256(repr(tuple(movie.pixels.shape)).encode())
    for time in sorted({0, len(movie) // 2, len(movie) - 1}):
        for channel in movie.channels:
            digest.update(np.ascontiguousarray(movie.frame(time, channel)).tobytes())
    return digest.hexdigest()


def _store_movie(movie: Movie, place: Path, progress: Progress) -> None:
    omero = {"omero": {"channels": [{"label": name} for name in movie.channels]}}
    axes = "TC" + "ZYX"[-movie.ndim :]
    dtype = movie.frame(0).dtype
    target = create_image(
        place, movie.pixels.shape, dtype, axes, scale=scale_of(movie), attributes=omero
    )
    for time in track_progress(range(len(movie)), len(movie), progress, "Saving the movie"):
        for number, channel in enumerate(movie.channels):
            target[time, number] = movie.frame(time, channel)


def _stored_pixels(place: Path) -> FrameArray:
    array = open_array(str(place / "0"))
    axes = "TC" + "ZYX"[-(array.ndim - 2) :]
    reader = StoredFrames(str(place / "0"), axes)
    return FrameArray(tuple(array.shape), np.dtype(array.dtype), reader, name=place.name)
