"""The movie of an experiment folder: a path to it, or the movie itself where there is none."""

import os
import warnings
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.data.movie import ArrayLike, Movie
from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.io.arrays import FrameArray
from napari_cellcycle.io.labelstore import StoredFrames, fresh_entry, is_same_folder, scale_of
from napari_cellcycle.io.movies import have_same_pixels, open_known_movie
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
    if movie.source is not None and _reopens(movie, progress):
        path = Path(movie.source).absolute()
        entry |= {
            "source": movie.source,
            "absolute": str(path),
            "relative": _relative(path, folder),
        }
        entry["axes"] = getattr(movie.pixels, "axes", None)
        entry["prints"] = _few_prints(movie)
        return entry, None
    place = stored_at(movie.pixels)
    if place is not None and is_same_folder(place.parent.parent, folder):
        return entry | {"stored": place.parent.name, "prints": former.get("prints")}, None
    times = track_progress(range(len(movie)), len(movie), progress, "Comparing the movie")
    prints = _prints(movie, times)
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

    Warns if the pixels of its file are others than before.

    Raises
    ------
    BadInput
        The movie is gone, or has another shape than before.
    """
    source: str | None = None
    if instead is None and "stored" in entry:
        pixels: ArrayLike = _stored_pixels(folder / entry["stored"])
    else:
        path = Path(instead) if instead is not None else _found(entry, folder)
        opened = open_known_movie(path, axes=entry.get("axes"))
        pixels, source = opened.pixels, opened.source
    if tuple(pixels.shape) != tuple(entry["shape"]):
        raise BadInput(
            f"The movie {source or folder} has shape {tuple(pixels.shape)}, but the experiment "
            f"{folder.name} was made from one of {tuple(entry['shape'])}: give the right one with "
            "open_experiment(folder, movie=PATH)."
        )
    movie = Movie(
        pixels,
        tuple(entry["pixel_size"]),
        entry["frame_interval"],
        tuple(entry["channels"]),
        source,
        frozenset(entry["guessed"]),
    )
    before, now = entry.get("prints"), None if source is None else _few_prints(movie)
    if before and now and before != now:
        warnings.warn(
            f"The movie {source} holds other pixels than when {folder.name} was saved, so masks "
            "and tracks may not fit it: if it is the wrong one, put the right one in its place, or "
            "give it with open_experiment(folder, movie=PATH).",
            stacklevel=2,
        )
    return movie


def _reopens(movie: Movie, progress: Progress) -> bool:
    """Tell whether the movie's source gives this movie when it is opened."""
    if getattr(movie.pixels, "source", None) == movie.source:
        return True
    try:
        return have_same_pixels(open_known_movie(str(movie.source)), movie, progress)
    except (UserError, OSError):
        return False


def _relative(path: Path, folder: Path) -> str | None:
    try:
        return Path(os.path.relpath(path, folder.absolute())).as_posix()
    except ValueError:
        return None


def _found(entry: Mapping[str, Any], folder: Path) -> Path:
    """Path of the movie: where it is as seen from the folder, or where it was.

    In this order, so that an experiment that was copied together with its movie has its own.
    """
    former = Path(entry["absolute"])
    beside = folder.absolute() / (entry.get("relative") or former)
    for place in (Path(os.path.normpath(beside)), former):
        if place.exists():
            return place
    raise BadInput(
        f"The movie of {folder} is no longer at {former}: put it back, or say where it is with "
        "open_experiment(folder, movie=PATH)."
    )


def _few_prints(movie: Movie) -> str | None:
    """Fingerprint of the first, middle and last frame; None if one of them cannot be read."""
    try:
        return _prints(movie, sorted({0, len(movie) // 2, len(movie) - 1}))
    except (UserError, OSError):
        return None


def _prints(movie: Movie, times: Iterable[int]) -> str:
    """Fingerprint of frames, of which one is in memory at a time."""
    digest = sha256(repr(tuple(movie.pixels.shape)).encode())
    for time in times:
        for channel in movie.channels:
            frame = np.ascontiguousarray(movie.frame(time, channel))
            digest.update(str(frame.dtype).encode())
            digest.update(frame.data)
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
