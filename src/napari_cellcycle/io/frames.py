"""Folders with one file a frame: movies and masks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_cellcycle.data.labels import LabelStack, as_labels
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io import omezarr
from napari_cellcycle.io.arrays import FrameArray
from napari_cellcycle.io.calibration import Calibration
from napari_cellcycle.io.storage import replaced_folder, writing_to
from napari_cellcycle.io.tiff import SUFFIXES, open_tiff, read_header
from napari_cellcycle.progress import Progress, silent, track_progress

MOST_CHECKED = 500
"""Files of a folder whose headers are all read when it is opened; of more, only some are."""

LARGEST_ID = 65_535


@dataclass(frozen=True)
class FolderFrames:
    """Frames of a folder, one file each, in their order."""

    paths: tuple[str, ...]

    def __call__(self, time: int, channel: int = 0) -> np.ndarray:
        """Read one channel of one time as ([Z,] Y, X)."""
        frames, shape, _, _ = open_tiff(Path(self.paths[time]), one_frame=True)
        if channel >= shape[1]:
            raise BadInput(
                f"{self.paths[time]} has {shape[1]} channels, but the first frame has more: all "
                "frames must have the same channels."
            )
        return frames(0, channel)


@dataclass(frozen=True)
class LabelFrames:
    """Masks read through another reader, checked to be whole numbers that int32 can hold."""

    read: Any
    name: str

    def __call__(self, time: int) -> np.ndarray:
        """Read the masks of one time as int32 ([Z,] Y, X)."""
        return as_labels(self.read(time, 0), f"Frame {time} of {self.name}")


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Sort by name so that t2 comes before t10."""
    return sorted(
        paths,
        key=lambda path: [
            (0, int(part), "") if part.isdigit() else (1, 0, part.lower())
            for part in re.split(r"(\d+)", path.name)
            if part
        ],
    )


def frame_files(folder: Path) -> list[Path]:
    """TIFF files of a folder in natural order, without hidden ones."""
    return natural_order(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def open_frames(
    files: list[Path],
) -> tuple[FolderFrames, tuple[int, ...], np.dtype, Calibration]:
    """Open one file a frame without reading pixels; the headers of up to 500 are compared.

    Returns
    -------
    frames, shape, dtype, calibration
        `shape` is (T, C, [Z,] Y, X).

    Raises
    ------
    BadInput
        Frames of different sizes (both files are named), colour, or files that cannot be read.
    """
    _, shape, dtype, calibration = open_tiff(files[0], one_frame=True)
    first = read_header(files[0])
    checked = files[1:] if len(files) <= MOST_CHECKED else [files[len(files) // 2], files[-1]]
    for path in checked:
        header = read_header(path)
        if header.shape != first.shape:
            raise BadInput(
                f"{path.name} has shape {header.shape}, but {files[0].name} has {first.shape}: all "
                f"frames of {path.parent} must have the same size, so crop or remove those that "
                "differ."
            )
        dtype = np.promote_types(dtype, header.dtype)
    return (
        FolderFrames(tuple(map(str, files))),
        (len(files), *shape[1:]),
        dtype,
        Calibration(calibration.spacing, None, calibration.channels),
    )


def open_labels(path: str | Path, *, axes: str | None = None) -> LabelStack:
    """Open masks lazily: a folder of mask files, a TIFF stack, OME-Zarr or plain Zarr.

    Parameters
    ----------
    path
        For example `01_GT/TRA`, `masks.tif` or `labels.zarr`.
    axes
        Axes of a stack that does not say, such as "TZYX".

    Raises
    ------
    BadInput
        Nothing there, nothing readable, several channels, or (when a frame is read) values
        that are not whole numbers.
    """
    path = Path(path).expanduser()
    frames, shape, _, _ = open_any(path, axes, what="masks")
    if shape[1] != 1:
        raise BadInput(
            f"{path} has {shape[1]} channels, but masks have one: choose the masks, not the image."
        )
    reader = LabelFrames(frames, path.name)
    return LabelStack(FrameArray((shape[0], *shape[2:]), np.dtype(np.int32), reader, 1, path.name))


def open_any(
    path: Path, axes: str | None, *, what: str
) -> tuple[Any, tuple[int, ...], np.dtype, Calibration]:
    """Open a file or folder of any known kind; `what` is what a message says is expected.

    Returns
    -------
    frames, shape, dtype, calibration
        `frames(time, channel)` gives ([Z,] Y, X); `shape` is (T, C, [Z,] Y, X).
    """
    expected = "a folder of TIFF frames, a TIFF or OME-TIFF file, or an OME-Zarr folder"
    if not path.exists():
        raise BadInput(f"There is no {path}; give the path of {what}: {expected}.")
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise BadInput(
                f"{path} is not {what} that can be read; expected {expected}, so save it "
                "as one of these (in Fiji: File > Save As > Tiff or OME-TIFF)."
            )
        return open_tiff(path, given=axes)
    if omezarr.is_zarr(path):
        return omezarr.open_zarr(path, given=axes)
    files = frame_files(path)
    if not files:
        raise _nothing_inside(path, what, expected)
    return open_tiff(files[0], given=axes) if len(files) == 1 else open_frames(files)


def check_labels_fit(movie: Movie, labels: LabelStack) -> None:
    """Refuse masks that have another shape than the movie.

    Raises
    ------
    BadInput
        Frames or sizes differ; names both shapes.
    """
    expected = (len(movie), *movie.frame_shape)
    if labels.shape != expected:
        raise BadInput(
            f"The masks have shape {labels.shape}, but the movie has {expected}: choose the masks "
            "that were made from this movie."
        )


def write_label_frames(
    labels: LabelStack, folder: str | Path, prefix: str = "mask", progress: Progress = silent
) -> None:
    """Write masks as mask000.tif, mask001.tif ... (16 bit, compressed); replaces such a folder.

    Raises
    ------
    BadInput
        A label above 65,535.
    CannotWrite
        The disk refuses, or `folder` holds anything else; it is then as it was.
    """
    folder = Path(folder).expanduser()
    with writing_to(folder), replaced_folder(folder, own=frame_pattern(prefix)) as draft:
        names = frame_names(prefix, len(labels))
        times = track_progress(range(len(labels)), len(labels), progress, "Writing masks")
        for time in times:
            mask = labels.frame(time)
            if mask.size and mask.max() > LARGEST_ID:
                raise BadInput(
                    f"Frame {time} has a mask numbered {mask.max():,}, but TIFF masks go up to "
                    f"{LARGEST_ID:,}: renumber the masks, or export the tracks instead."
                )
            write_plane(draft / names[time], mask.astype(np.uint16))


def write_movie_frames(
    movie: Movie, folder: str | Path, channel: str | None = None, progress: Progress = silent
) -> None:
    """Write one channel as t000.tif, t001.tif ... in its own type; replaces such a folder.

    Raises
    ------
    CannotWrite
        The disk refuses, or `folder` holds anything else; it is then as it was.
    """
    folder = Path(folder).expanduser()
    with writing_to(folder), replaced_folder(folder, own=frame_pattern("t")) as draft:
        names = frame_names("t", len(movie))
        for time in track_progress(range(len(movie)), len(movie), progress, "Writing frames"):
            write_plane(draft / names[time], movie.frame(time, channel))


def frame_names(prefix: str, count: int) -> list[str]:
    """File names of `count` frames: three digits, four from 1,000 frames on."""
    digits = max(3, len(str(count - 1)))
    return [f"{prefix}{time:0{digits}d}.tif" for time in range(count)]


def frame_pattern(prefix: str) -> str:
    """Regular expression of the names that `frame_names` gives."""
    return rf"{re.escape(prefix)}\d+\.tif"


def write_plane(path: Path, frame: np.ndarray) -> None:
    """Write one frame ([Z,] Y, X) as a compressed grey TIFF."""
    axes = "ZYX"[-frame.ndim :]
    tifffile.imwrite(
        path,
        frame,
        compression="zlib",
        compressionargs={"level": 4},
        photometric="minisblack",
        metadata={"axes": axes},
    )


def _nothing_inside(path: Path, what: str, expected: str) -> BadInput:
    if (path / "experiment.json").is_file():
        return BadInput(f"{path} is an experiment, not {what}: open it as an experiment.")
    inner = natural_order(
        p for p in path.iterdir() if p.is_dir() and (omezarr.is_zarr(p) or frame_files(p))
    )
    if inner:
        return BadInput(
            f"{path} holds no TIFF files itself, but its folder {inner[0].name} does: choose "
            f"{inner[0]} as {what}."
        )
    return BadInput(f"{path} holds no TIFF files; give the path of {what}: {expected}.")
