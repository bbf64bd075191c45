"""Masks inside an experiment folder: written frame by frame, never changed once they count."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import FrameArray, take
from napari_cellcycle.io.omezarr import create_image, open_array, stored_at
from napari_cellcycle.io.storage import remove_unfinished, writing_to
from napari_cellcycle.progress import Progress, silent, track_progress


@dataclass(frozen=True)
class StoredFrames:
    """Frames of a stored array; one that was never written is an error, not an empty frame."""

    path: str
    axes: str

    def __call__(self, time: int, channel: int = 0) -> np.ndarray:
        """Read one channel of one time as ([Z,] Y, X)."""
        return self._take(None, time, channel)

    def part(self, part: tuple[slice, ...], time: int, channel: int = 0) -> np.ndarray:
        """Read a piece of a frame, and no more chunks than it lies in."""
        return self._take(part, time, channel)

    def _take(self, part: tuple[slice, ...] | None, time: int, channel: int) -> np.ndarray:
        if not (Path(self.path) / "c" / str(time)).is_dir():
            raise BadInput(
                f"Frame {time} is not in {self.path}, because it was replaced or never finished: "
                "open the experiment again."
            )
        return take(open_array(self.path), self.axes, time, channel, part)


def new_label_store(folder: str | Path, shape: Sequence[int]) -> Any:
    """Create masks in an experiment folder for a step to write frames into: `store[t] = mask`.

    They count once an `Experiment` whose `labels.base` is this array is saved to the folder.

    Parameters
    ----------
    shape
        (T, [Z,] Y, X).

    Returns
    -------
    zarr.Array
        int32; one compressed chunk a frame, or tiles of huge frames.

    Raises
    ------
    CannotWrite
        The disk refuses.
    """
    folder = Path(folder).expanduser()
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / fresh_entry(folder, "labels", ".zarr")
        label = {"image-label": {"version": "0.5"}}
        return create_image(place, shape, np.int32, _axes(shape), scale={}, attributes=label)


def store_labels(
    labels: LabelStack, folder: Path, movie: Movie, progress: Progress = silent
) -> tuple[str, bool]:
    """Bring masks into an experiment folder.

    Masks that are there already and unedited stay; of edited ones, the other frames are linked,
    not copied.

    Returns
    -------
    name, is_new
        Of the entry that holds them, and whether this call made it.
    """
    place = stored_at(labels.base)
    inside = place is not None and is_same_folder(place.parent.parent, folder)
    if place is not None and inside and not labels.edited:
        _describe(place.parent, movie)
        return place.parent.name, False
    target = new_label_store(folder, labels.shape)
    made = stored_at(target)
    if made is None:
        raise TypeError("masks are stored on disk")
    try:
        linkable = place if place is not None and inside and _same_layout(place, made) else None
        times = track_progress(range(len(labels)), len(labels), progress, "Saving masks")
        for time in times:
            if linkable is None or time in labels.edited or not _linked(linkable, made, time):
                target[time] = labels.frame(time)
        _describe(made.parent, movie)
    except BaseException:
        remove_unfinished(made.parent)
        raise
    return made.parent.name, True


def stored_labels(folder: Path) -> LabelStack:
    """Open the masks of one entry of an experiment folder, lazily."""
    array = open_array(str(folder / "0"))
    shape = tuple(array.shape)
    reader = StoredFrames(str(folder / "0"), _axes(shape))
    return LabelStack(FrameArray(shape, np.dtype(np.int32), reader, 1, folder.name))


def fresh_entry(folder: Path, kind: str, suffix: str) -> str:
    """Name an entry that does not exist yet: labels.zarr, labels-2.zarr, ..."""
    number, name = 1, f"{kind}{suffix}"
    while (folder / name).exists():
        number += 1
        name = f"{kind}-{number}{suffix}"
    return name


def is_same_folder(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to the same place."""
    return os.path.realpath(one) == os.path.realpath(other)


def scale_of(movie: Movie) -> Mapping[str, float]:
    """Micrometres along z, y, x and seconds along t."""
    spatial = dict(zip("zyx"[-movie.ndim :], movie.pixel_size, strict=True))
    return {"t": movie.frame_interval, **spatial}


def _axes(shape: Sequence[int]) -> str:
    return "TZYX" if len(shape) == 4 else "TYX"


def _describe(group: Path, movie: Movie) -> None:
    """Write the movie's pixel size and frame interval into the masks' metadata."""
    import zarr

    attributes: Any = zarr.open_group(group, mode="r").attrs
    ome: Any = dict(attributes["ome"])
    scale = scale_of(movie)
    entry = dict(ome["multiscales"][0])
    values = [float(scale.get(axis["name"], 1.0)) for axis in entry["axes"]]
    dataset = dict(entry["datasets"][0])
    transforms = [{"type": "scale", "scale": values}]
    if dataset["coordinateTransformations"] == transforms:
        return
    dataset["coordinateTransformations"] = transforms
    ome["multiscales"] = [{**entry, "datasets": [dataset]}]
    zarr.open_group(group, mode="r+").attrs["ome"] = ome


def _same_layout(one: Path, other: Path) -> bool:
    return (one / "zarr.json").read_bytes() == (other / "zarr.json").read_bytes()


def _linked(source: Path, target: Path, time: int) -> bool:
    """Make the stored frame of one entry a frame of another; a link where the disk has them."""
    frame = source / "c" / str(time)
    if not frame.is_dir():
        return False
    try:
        shutil.copytree(frame, target / "c" / str(time), copy_function=os.link)
    except (OSError, shutil.Error):
        shutil.rmtree(target / "c" / str(time), ignore_errors=True)
        return False
    return True
