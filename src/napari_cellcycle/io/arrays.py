"""A movie or a stack of masks on disk that looks like an array and is read one frame at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from napari_cellcycle.errors import BadInput


@dataclass(frozen=True, eq=False)
class FrameArray:
    """Frames read when they are indexed: integers, slices, lists of numbers and `...`.

    `read` takes one number for each of the first `leading` axes, (time, channel) in a movie or
    (time,) in masks, and returns one frame ([Z,] Y, X). If it has a method `part`, which takes
    slices of the frame before these numbers, pieces of a frame are read by that alone. The object
    holds no pixels and no open file, and can be pickled if `read` can. `name` is what a message
    calls the file; `axes` are the axes that the caller said the file has, if any; `source` is the
    path that gives this array when it is opened, if there is one.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[..., np.ndarray]
    leading: int = 2
    name: str = "the movie"
    axes: str | None = None
    source: str | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Memory that it would take if it were loaded whole."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def channel(self, number: int) -> "FrameArray":
        """Give one channel of a movie as masks are given: (T, [Z,] Y, X), as lazily."""
        shape = (self.shape[0], *self.shape[2:])
        return FrameArray(shape, self.dtype, OneChannel(self.read, number), 1, self.name)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read what is asked for, and nothing more than the frames concerned."""
        parts = _expand(index, self.ndim)
        outer, inner = parts[: self.leading], parts[self.leading :]
        picks = [_positions(part, n) for part, n in zip(outer, self.shape, strict=False)]
        frames = [self._part(place, inner) for place in product(*picks)]
        kept = [
            len(pick)
            for pick, part in zip(picks, outer, strict=True)
            if not isinstance(part, int | np.integer)
        ]
        if not kept:
            return frames[0]
        if frames:
            return np.stack(frames).reshape(*kept, *frames[0].shape)
        empty = np.empty(self.shape[self.leading :], self.dtype)[inner]
        return np.empty((*kept, *empty.shape), self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Load everything. For movies that fit into memory only."""
        return self[...].astype(dtype or self.dtype, copy=False)

    def _part(self, place: tuple[int, ...], inner: tuple[Any, ...]) -> np.ndarray:
        """Read a frame and give what `inner` asks for, or read only that where it can be done."""
        part = getattr(self.read, "part", None)
        plain = all(isinstance(i, slice) and i.step in (None, 1) for i in inner)
        if part is None or not plain or all(i == slice(None) for i in inner):
            return self._frame(place)[inner]
        return self._checked(part(inner, *place), place)

    def _frame(self, place: tuple[int, ...]) -> np.ndarray:
        frame = self.read(*place)
        if frame.shape != self.shape[self.leading :]:
            raise BadInput(
                f"Frame {place[0]} of {self.name} has shape {frame.shape}, but the first frame has "
                f"{self.shape[self.leading :]}: all frames must have the same size, so crop or "
                "remove those that differ."
            )
        return self._checked(frame, place)

    def _checked(self, frame: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
        if frame.dtype.kind == "f" and not np.isfinite(frame).all():
            raise BadInput(
                f"Frame {place[0]} of {self.name} holds values that are not numbers (NaN or "
                "infinite) where only numbers are expected: replace them, for example by 0, and "
                "open it again."
            )
        cast = _cast(frame, self.dtype)
        if cast is None:
            raise BadInput(
                f"Frame {place[0]} of {self.name} holds values of type {frame.dtype} that do not "
                f"fit into {self.dtype}, the type of other frames: convert all frames to one type, "
                "such as 16-bit."
            )
        return cast


@dataclass(frozen=True)
class OneChannel:
    """Frames of one channel of another reader."""

    read: Callable[..., np.ndarray]
    number: int

    def __call__(self, time: int) -> np.ndarray:
        """Read one frame as ([Z,] Y, X)."""
        return self.read(time, self.number)


@dataclass(frozen=True)
class ArrayFrames:
    """Frames of any array whose axes are named by one letter each: T, C, Z, Y, X."""

    array: Any
    axes: str

    def __call__(self, time: int, channel: int = 0) -> np.ndarray:
        """Read one frame as ([Z,] Y, X)."""
        return take(self.array, self.axes, time, channel)


def take(
    array: Any, axes: str, time: int = 0, channel: int = 0, part: tuple[slice, ...] | None = None
) -> np.ndarray:
    """Read one channel of one time as ([Z,] Y, X) from an array with axes such as "ZCTYX".

    Axes other than T, C, Z, Y and X must have length 1. With `part`, only these slices of the
    frame are read.
    """
    left = [axis for axis in axes if axis in "ZYX"]
    wanted = [axis for axis in "ZYX" if axis in left]
    place: dict[str, Any] = {"T": time, "C": channel, **dict.fromkeys(wanted, slice(None))}
    if part is not None:
        place |= dict(zip(wanted, part, strict=True))
    index = tuple(place.get(axis, 0) for axis in axes)
    frame = np.asarray(array[index])
    return frame.transpose([left.index(axis) for axis in wanted])


def _cast(frame: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """The frame in another type, or None if that type cannot hold its values."""
    if np.can_cast(frame.dtype, dtype, "safe"):
        return frame.astype(dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = frame.astype(dtype)
    fits = np.isfinite(cast) if dtype.kind == "f" else cast == frame
    return cast if fits.all() else None


def _expand(index: Any, ndim: int) -> tuple[Any, ...]:
    parts = index if isinstance(index, tuple) else (index,)
    dots = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(parts) - len(dots) > ndim or len(dots) > 1:
        raise IndexError(f"too many indices for {ndim} axes")
    at = dots[0] if dots else len(parts)
    fill = (slice(None),) * (ndim - len(parts) + len(dots))
    return (*parts[:at], *fill, *parts[at + len(dots) :])


def _positions(part: Any, length: int) -> list[int]:
    if isinstance(part, slice):
        return list(range(length)[part])
    if isinstance(part, int | np.integer):
        if not -length <= part < length:
            raise IndexError(f"index {part} is out of bounds for an axis of length {length}")
        return [int(part) % length]
    numbers = np.asarray(part)
    if numbers.dtype == bool:
        numbers = np.flatnonzero(numbers)
    return [int(place) for number in numbers for place in _positions(int(number), length)]
