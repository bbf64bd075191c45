"""Masks too large for memory that can be painted on: what is edited is kept, the rest is read."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from threading import RLock
from typing import Any, Protocol

import numpy as np

_MOST_KEPT = 256_000_000
"""Bytes of frames that were read lately and are kept; the last two always are."""
_LEAST_KEPT = 2


class FramesOfMasks(Protocol):
    """Masks that are read a frame at a time, such as a `LabelStack`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, [Z,] Y, X)."""

    def frame(self, time: int, /) -> np.ndarray:
        """Masks of one frame, int32 ([Z,] Y, X)."""


class OverlaidMasks:
    """Looks like an int32 array (T, [Z,] Y, X) over `base`, which is never written to.

    A frame comes into memory for good when something is first written into it. Indices mean what
    they do in numpy: integers, slices, `...`, and arrays of integers or booleans, where arrays
    lie in neighbouring places. What is read is a copy, but `masks[time]` with a plain number is
    the frame itself, read-only, for those who look at many frames.
    """

    dtype = np.dtype(np.int32)

    def __init__(self, base: FramesOfMasks) -> None:
        self._base = base
        self._edited: dict[int, np.ndarray] = {}
        self._recent: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = RLock()
        self.shape = tuple(int(n) for n in base.shape)

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

    @property
    def edited(self) -> Mapping[int, np.ndarray]:
        """The frames that something was written into."""
        return self._edited

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[time] for time in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Load everything. For masks that fit into memory only."""
        return self[...].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            frame = self._frame(_within(index, len(self))).view()
            frame.flags.writeable = False
            return frame
        first, rest = self._parts(index)
        if isinstance(first, np.ndarray):
            return self._points(first, rest)
        if isinstance(first, slice):
            return self._range(first, rest)
        picked = self._frame(_within(first, len(self)))[rest]
        return picked.copy() if isinstance(picked, np.ndarray) else picked

    def __setitem__(self, index: Any, values: Any) -> None:
        first, rest = self._parts(index)
        if isinstance(first, np.ndarray):
            self._set_points(first, rest, values)
        elif isinstance(first, slice):
            times = range(len(self))[first]
            shape = (len(times), *self._like_frame()[rest].shape)
            each = np.broadcast_to(_fitted(values, len(shape)), shape)
            for place, time in enumerate(times):
                self._own(time)[rest] = each[place]
        else:
            self._own(_within(first, len(self)))[rest] = values

    def frame(self, time: int) -> np.ndarray:
        """Masks of one frame, read-only."""
        return np.asarray(self[time])

    def rebase(self, base: FramesOfMasks, saved: Iterable[int] = ()) -> None:
        """Go on over other masks, in which the frames `saved` are as they are here."""
        with self._lock:
            self._base = base
            self._recent.clear()
            for time in saved:
                self._edited.pop(time, None)

    # ---------------------------------------------------------------- frames

    def _frame(self, time: int) -> np.ndarray:
        with self._lock:
            if time in self._edited:
                return self._edited[time]
            if time not in self._recent:
                self._recent[time] = np.asarray(self._base.frame(time), self.dtype)
                self._drop_old()
            self._recent.move_to_end(time)
            return self._recent[time]

    def _own(self, time: int) -> np.ndarray:
        """A frame to write into."""
        with self._lock:
            if time not in self._edited:
                self._edited[time] = self._frame(time).copy()
                self._recent.pop(time, None)
            return self._edited[time]

    def _drop_old(self) -> None:
        held = sum(frame.nbytes for frame in self._recent.values())
        while held > _MOST_KEPT and len(self._recent) > _LEAST_KEPT:
            held -= self._recent.popitem(last=False)[1].nbytes

    def _like_frame(self) -> np.ndarray:
        """An array of the shape of a frame that takes no memory."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape[1:])

    # ---------------------------------------------------------------- indices

    def _parts(self, index: Any) -> tuple[Any, tuple[Any, ...]]:
        """What an index asks of the frames, and of each frame."""
        parts = list(index) if isinstance(index, tuple) else [index]
        parts = [p if p is Ellipsis or isinstance(p, slice) else np.asarray(p) for p in parts]
        whole: list[Any] = []
        for part in parts:
            is_mask = isinstance(part, np.ndarray) and part.dtype == bool
            whole += list(np.nonzero(part)) if is_mask else [part]
        dots = [place for place, part in enumerate(whole) if part is Ellipsis]
        if len(dots) > 1 or len(whole) - len(dots) > self.ndim:
            raise IndexError(f"too many indices for {self.ndim} axes")
        at = dots[0] if dots else len(whole)
        fill = [slice(None)] * (self.ndim - len(whole) + len(dots))
        whole = [*whole[:at], *fill, *whole[at + len(dots) :]]
        return self._sorted_out(whole)

    def _sorted_out(self, parts: list[Any]) -> tuple[Any, tuple[Any, ...]]:
        places = [place for place, part in enumerate(parts) if isinstance(part, np.ndarray)]
        if not any(parts[place].ndim for place in places):
            parts = [p if isinstance(p, slice) else int(p) for p in parts]
        elif places != list(range(places[0], places[-1] + 1)):
            raise IndexError("arrays of indices must lie in neighbouring places")
        else:
            shape = np.broadcast_shapes(*(parts[place].shape for place in places))
            for place in places:
                parts[place] = np.broadcast_to(parts[place], shape)
        return parts[0], tuple(parts[1:])

    def _range(self, first: slice, rest: tuple[Any, ...]) -> np.ndarray:
        times = range(len(self))[first]
        found = [self._frame(time)[rest] for time in times]
        if not found:
            return np.empty((0, *self._like_frame()[rest].shape), self.dtype)
        return np.stack(found)

    def _points(self, times: np.ndarray, rest: tuple[Any, ...]) -> np.ndarray:
        """As numpy does where the frames are given by an array (...): (..., [what is sliced])."""
        found = np.empty((*times.shape, *self._sliced(rest)), self.dtype)
        for time, here, inside in self._by_frame(times, rest):
            found[here] = self._frame(time)[inside]
        return found

    def _set_points(self, times: np.ndarray, rest: tuple[Any, ...], values: Any) -> None:
        each = np.broadcast_to(np.asarray(values), (*times.shape, *self._sliced(rest)))
        for time, here, inside in self._by_frame(times, rest):
            self._own(time)[inside] = each[here]

    def _sliced(self, rest: tuple[Any, ...]) -> tuple[int, ...]:
        """Lengths of the last axes, which are given by slices."""
        inner = tuple(part for part in rest if isinstance(part, slice))
        lengths = self.shape[self.ndim - len(inner) :]
        return tuple(len(range(n)[part]) for n, part in zip(lengths, inner, strict=True))

    def _by_frame(
        self, times: np.ndarray, rest: tuple[Any, ...]
    ) -> Iterator[tuple[int, np.ndarray, tuple[Any, ...]]]:
        """For each frame of `times`: where these are, and what of the frame they ask for."""
        for time in np.unique(times):
            here = times == time
            parts = [part[here] if isinstance(part, np.ndarray) else part for part in rest]
            if not any(isinstance(part, np.ndarray) for part in rest):
                parts = [np.newaxis, *parts]
            yield _within(time, len(self)), here, tuple(parts)


def _within(time: Any, length: int) -> int:
    if not -length <= time < length:
        raise IndexError(f"frame {time} is out of bounds for {length} frames")
    return int(time) % length


def _fitted(values: Any, ndim: int) -> np.ndarray:
    """An array without leading axes of length one that there is no room for, as numpy has it."""
    array = np.asarray(values)
    while array.ndim > ndim and array.shape[0] == 1:
        array = array[0]
    return array
