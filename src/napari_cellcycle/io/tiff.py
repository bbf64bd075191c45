"""One TIFF file: what it holds, and its planes read one at a time."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import tifffile

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import take
from napari_cellcycle.io.axes import refuse_rgb, resolve_axes
from napari_cellcycle.io.calibration import (
    Calibration,
    from_imagej,
    from_ome_xml,
    from_resolution,
)

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
_GREY = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
_reading = Lock()


@dataclass(frozen=True)
class Header:
    """What the start of a TIFF file says about its first plane."""

    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True)
class TiffFrames:
    """Frames of one TIFF file, read plane by plane; planes left out of the file are 0."""

    path: str
    axes: str
    shape: tuple[int, ...]

    def __call__(self, time: int = 0, channel: int = 0) -> np.ndarray:
        """Read one channel of one time as ([Z,] Y, X)."""
        with _opened(self.path), _named_errors(self.path, f"frame {time}"):
            series = _series(self.path)
            if series.dataoffset is not None:
                return np.array(take(_mapped(self.path, series), self.axes, time, channel))
            return self._from_pages(series, time, channel)

    def _from_pages(self, series: Any, time: int, channel: int) -> np.ndarray:
        page_shape = tuple(series.keyframe.shape)
        depth = len(self.shape) - len(page_shape)
        place = {"T": time, "C": channel}
        outer = self.axes[:depth]
        index = tuple(slice(None) if a in "ZYX" else place.get(a, 0) for a in outer)
        numbers = np.arange(np.prod(self.shape[:depth], dtype=int)).reshape(self.shape[:depth])
        wanted = numbers[index]
        planes = [_plane(series, int(number), page_shape) for number in np.ravel(wanted)]
        kept = "".join(axis for axis in outer if axis in "ZYX")
        stack = np.stack(planes).reshape(*wanted.shape, *page_shape)
        return take(stack, kept + self.axes[depth:], 0, channel)


def _plane(series: Any, number: int, shape: tuple[int, ...]) -> np.ndarray:
    page = series[number] if len(series) > 1 else series.pages[0]
    if page is None:
        return np.zeros(shape, series.dtype)
    file = page.parent.filehandle
    was_closed = file.closed
    file.open()
    try:
        return np.asarray(page.asarray())
    finally:
        if was_closed:
            file.close()


def open_tiff(
    path: Path, *, one_frame: bool = False, given: str | None = None
) -> tuple[TiffFrames, tuple[int, ...], np.dtype, Calibration]:
    """Open a TIFF file without reading its pixels.

    Returns
    -------
    frames, shape, dtype, calibration
        `shape` is (T, C, [Z,] Y, X).

    Raises
    ------
    BadInput
        No image, colour, truncated, or axes that cannot be told apart.
    """
    name = str(path)
    with _opened(name), _named_errors(name, "its header"):
        series = _series(name)
        if is_rgb(series.keyframe):
            raise refuse_rgb(path.name)
        _check_numbers(series.dtype, path.name)
        _check_length(path, series)
        calibration = _calibration(series)
        axes, shape = str(series.axes), tuple(map(int, series.shape))
        dtype = np.dtype(series.dtype)
    resolved = resolve_axes(axes, shape, path.name, one_frame=one_frame, given=given)
    length = dict(zip(resolved, shape, strict=True))
    spatial = tuple(length[axis] for axis in "ZYX" if axis in length)
    return (
        TiffFrames(name, resolved, shape),
        (length.get("T", 1), length.get("C", 1), *spatial),
        dtype.newbyteorder("="),
        calibration,
    )


def read_header(path: Path) -> Header:
    """Read shape and type of the first plane, and check that the file is whole up to there."""
    with _named_errors(str(path), "its header"), tifffile.TiffFile(path) as tif:
        page: Any = tif.pages[0]
        if is_rgb(page):
            raise refuse_rgb(path.name)
        _check_end(path, page)
        return Header(tuple(page.shape), np.dtype(page.dtype).newbyteorder("="))


def is_rgb(page: Any) -> bool:
    """Tell whether a page holds colour rather than independent channels."""
    return page.samplesperpixel in (3, 4) and page.photometric not in _GREY


@lru_cache(maxsize=32)
def _file(path: str, changed: int) -> tifffile.TiffFile:
    tif = tifffile.TiffFile(path)
    log, heard = logging.getLogger("tifffile"), _BrokenChain(logging.ERROR)
    log.addHandler(heard)
    try:
        if not tif.series:
            raise ValueError("it holds no image")
    finally:
        log.removeHandler(heard)
        tif.filehandle.close()
    if heard.pages:
        raise _cut_short(Path(path), heard.pages[0])
    return tif


class _BrokenChain(logging.Handler):
    """Hears of pages that lie beyond the end of a file, which tifffile only logs."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.pages: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the offset of the missing page."""
        found = re.search(r"invalid page offset (\d+)", record.getMessage())
        if found:
            self.pages.append(int(found[1]))


def _series(path: str) -> Any:
    return _cached(path).series[0]


def _cached(path: str) -> tifffile.TiffFile:
    return _file(path, Path(path).stat().st_mtime_ns)


@contextmanager
def _opened(path: str) -> Iterator[None]:
    """Hold the file open, and no longer than needed; the parsed structure stays cached."""
    with _reading:
        with _named_errors(path, "its header"):
            handle = _cached(path).filehandle
            handle.open()
        try:
            yield
        finally:
            handle.close()


@contextmanager
def _named_errors(path: str, part: str) -> Iterator[None]:
    try:
        yield
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(
            f"{path} is no longer there: put it back, or open the movie again."
        ) from error
    except Exception as error:
        size = Path(path).stat().st_size
        raise BadInput(
            f"{path} ({size:,} bytes) is not a TIFF image that can be read, or is cut short "
            f"(in {part}: {_one_line(error)}): copy or export it again."
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _mapped(path: str, series: Any) -> np.ndarray:
    dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
    return np.memmap(path, dtype, "r", int(series.dataoffset), tuple(series.shape))


def _check_length(path: Path, series: Any) -> None:
    if series.dataoffset is not None:
        needed = int(series.dataoffset) + int(series.nbytes)
        if path.stat().st_size < needed:
            raise _cut_short(path, needed)
        return
    _check_end(path, series.keyframe)
    last = series[len(series) - 1] if len(series) > 1 else None
    if last is not None and last.parent.filehandle.path == str(path):
        _check_end(path, last)


def _check_end(path: Path, page: Any) -> None:
    ends = [
        start + length
        for start, length in zip(page.dataoffsets, page.databytecounts, strict=False)
        if length
    ]
    if ends and max(ends) > path.stat().st_size:
        raise _cut_short(path, max(ends))


def _cut_short(path: Path, needed: int) -> BadInput:
    return BadInput(
        f"{path} is cut short: it has {path.stat().st_size:,} bytes where at least {needed:,} are "
        "expected; copy or export it again."
    )


def _check_numbers(dtype: Any, name: str) -> None:
    if dtype is None or np.dtype(dtype).kind not in "buif":
        raise BadInput(
            f"{name} holds values of type {dtype}, but whole or decimal numbers are expected: "
            "convert it, for example to 16-bit."
        )


def _calibration(series: Any) -> Calibration:
    tif = series.keyframe.parent
    if tif.is_ome and tif.ome_metadata:
        return from_ome_xml(tif.ome_metadata)
    page = series.keyframe
    across, down = (float(value) for value in page.get_resolution())
    resolution = (down, across)
    unit = getattr(page.resolutionunit, "name", "NONE")
    if tif.is_imagej:
        found = from_imagej(tif.imagej_metadata or {}, resolution)
        if found.spacing:
            return found
        tags = from_resolution(resolution, unit)
        return Calibration(tags.spacing, found.frame_interval, found.channels)
    return from_resolution(resolution, unit)
