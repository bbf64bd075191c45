"""Cutting crops of a cell in a thread of its own, those that are looked at first."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import UserError
from napari_cellcycle.features.crops import crops, median_diameter

SIZE = 96
"""Pixels along a side of a crop."""
WIDTHS = 2.4
"""Usual side of a crop in diameters of the median cell."""
_DEPTH = 0.6
_MARGIN = 1.2
_REPORT_EVERY = 0.05
_PATIENCE = 2.0
_MOST_KEPT = 30_000_000
"""Pixels of a frame that is kept while more than one crop is cut from it."""

Key = tuple[int, int]
"""What a crop shows: a number, of a track or a cell, and the frame."""


@dataclass(frozen=True)
class Place:
    """Where one crop is cut: its key and the centre of the cell in pixels."""

    key: Key
    centre_px: np.ndarray

    @property
    def frame(self) -> int:
        """Frame that the crop is of."""
        return self.key[1]


@dataclass(frozen=True)
class Source:
    """What is cut from: a channel of a movie, with windows of `side` micrometres.

    Where `side` is None it is `WIDTHS` diameters of the median mask of `labels`.
    """

    movie: Movie
    channel: str | None
    labels: LabelStack | None
    side: float | None = None
    depth: float | None = None


class Cutter(QObject):
    """Cuts the crops that were asked for last.

    `cut` comes with {key: crop (SIZE, SIZE) float32}, `measured` with the side in micrometres
    where none was given, `failed` with a sentence. The thread ends when nothing is left to do.
    Each signal names the source by its number, as `begin` returned it.
    """

    cut = Signal(int, object)
    measured = Signal(int, float, float)
    failed = Signal(int, str)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._source: Source | None = None
        self._number = 0
        self._wanted: list[Place] = []

    def begin(self, source: Source | None) -> int:
        """Cut from `source` from now on; nothing is wanted of it yet."""
        with self._lock:
            self._number += 1
            self._source, self._wanted = source, []
        if source is not None and source.side is None:
            self._start()
        return self._number

    def want(self, places: Sequence[Place]) -> None:
        """Cut these, in their order, instead of what was wanted before."""
        with self._lock:
            self._wanted = list(places)
        if places:
            self._start()

    def close(self) -> None:
        """Stop."""
        self.begin(None)
        thread = self._thread
        if thread is not None:
            thread.join(_PATIENCE)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="crops", daemon=True)
                self._thread.start()

    def _next(self) -> tuple[int, Source, Place | None, bool] | None:
        """What to do now, and whether more is wanted of the same frame.

        None, and the thread is forgotten, if there is nothing.
        """
        with self._lock:
            source = self._source
            if source is not None and source.side is None:
                return self._number, source, None, False
            if source is None or not self._wanted:
                self._thread = None
                return None
            place = self._wanted.pop(0)
            more = bool(self._wanted) and self._wanted[0].frame == place.frame
            return self._number, source, place, more

    def _run(self) -> None:
        done: dict[Key, np.ndarray] = {}
        told, number, kept = time.monotonic(), 0, _KeptFrame()
        try:
            while (task := self._next()) is not None:
                if task[0] != number:
                    done, number, kept = {}, task[0], _KeptFrame()
                if task[2] is None:
                    self._measure(number, task[1])
                    continue
                whole = kept.of(task[1], task[2].frame, task[3])
                done[task[2].key] = cut_one(task[1], task[2], whole)
                with self._lock:
                    last = not self._wanted
                if last or time.monotonic() - told > _REPORT_EVERY:
                    _tell(self.cut, number, done)
                    done, told = {}, time.monotonic()
            if done:
                _tell(self.cut, number, done)
        except Exception as error:  # noqa: BLE001 - told to the user
            with self._lock:
                self._thread, self._wanted = None, []
            why = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            _tell(
                self.failed,
                number,
                f"The movie could not be read for the filmstrip ({why}); check that its file is "
                "still where it was, and choose the cell again.",
            )

    def _measure(self, number: int, source: Source) -> None:
        labels, size = source.labels, source.movie.pixel_size
        from napari_cellcycle.features.follow import USUAL_DIAMETER

        diameter = USUAL_DIAMETER if labels is None else median_diameter(labels, size)
        with self._lock:
            if number == self._number:
                depth = _DEPTH * diameter
                self._source = Source(
                    source.movie, source.channel, labels, WIDTHS * diameter, depth
                )
        _tell(self.measured, number, WIDTHS * diameter, diameter)


def _tell(signal: Any, *words: Any) -> None:
    """Emit a signal, unless the window it belongs to was closed meanwhile."""
    with suppress(RuntimeError):
        signal.emit(*words)


class _KeptFrame:
    """The frame that was read last, where several crops are cut from it."""

    def __init__(self) -> None:
        self._time = -1
        self._frame: np.ndarray | None = None

    def of(self, source: Source, time: int, more: bool) -> np.ndarray | None:
        """The whole frame, if it is better read at once; None if windows of it are to be read."""
        movie = source.movie
        if isinstance(movie.pixels, np.ndarray):
            return None
        if time != self._time:
            small = int(np.prod(movie.frame_shape, dtype=np.int64)) <= _MOST_KEPT
            self._time = time
            self._frame = movie.frame(time, source.channel) if more and small else None
        return self._frame


def cut_one(source: Source, place: Place, whole: np.ndarray | None = None) -> np.ndarray:
    """The crop of one cell, (SIZE, SIZE) float32, reading little more than it shows.

    Beyond the border of the movie it is as dark as the background. Of a volume, the brightest
    values of the planes around the cell are seen. Nothing is read if the `whole` frame is given.
    """
    assert source.side is not None
    movie, side = source.movie, source.side
    pixel = np.asarray(movie.pixel_size)
    side_px, size = side / pixel, [SIZE] * movie.ndim
    if movie.ndim == 3:
        depth = source.depth or _DEPTH * side / WIDTHS
        size[0] = max(1, round(depth / pixel[0]))
        side_px[0] = size[0]
    shape = np.asarray(movie.frame_shape)
    low = np.clip(np.floor(place.centre_px - _MARGIN * side_px / 2) - 1, 0, shape - 1).astype(int)
    high = np.clip(np.ceil(place.centre_px + _MARGIN * side_px / 2) + 2, low + 1, shape).astype(int)
    window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    if whole is None:
        channel = movie.channel_number(source.channel)
        part = np.asarray(movie.pixels[(place.frame, channel, *window)])
    else:
        part = whole[window]
    centre = (place.centre_px - low)[np.newaxis]
    seen = crops(part, centre, tuple(side_px), tuple(size), padding="background")[0]
    return seen.max(axis=0) if movie.ndim == 3 else seen
