"""Previews in a thread of their own: what was asked for last is segmented, the rest dropped."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_cellcycle.config import ComputeSettings, SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.region import Region
from napari_cellcycle.jobs.events import Failed
from napari_cellcycle.jobs.preview import Look
from napari_cellcycle.widgets.preview_talk import Answer, Talk
from napari_cellcycle.widgets.task import JobFailed, describe

_PATIENCE = 2.0


@dataclass(frozen=True, eq=False)
class Wanted:
    """A frame, or a region of it, to be segmented by these settings."""

    movie: Movie
    time: int
    settings: SegmentSettings
    compute: ComputeSettings
    region: Region | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """What was found: masks ([Z,] Y, X) of a region, and the diameter in micrometres that served.

    `map` (y, x) is what a query model sees in the same region; None for other models. `notes` tell
    of less memory than was hoped for.
    """

    wanted: Wanted
    masks: np.ndarray
    region: Region
    diameter: float | None
    map: np.ndarray | None
    seconds: float
    notes: tuple[str, ...] = ()


class _Superseded(Exception):
    """Something else is wanted now."""


class Previews(QObject):
    """Segments what was asked for last; what was asked for before and is not done is dropped.

    `seen` comes with a `Seen`, `failed` with a `Failed`. Thread and process are started when they
    are first needed and end with `close`.
    """

    seen = Signal(object)
    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self._lock = threading.Condition()
        self._wanted: Wanted | None = None
        self._pixels: Any = None
        self._movies = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def warm(self) -> None:
        """Start the process, so that it has imported the slow libraries when it is needed."""
        with self._lock:
            self._start()

    def want(self, wanted: Wanted | None) -> None:
        """Segment this instead of what was asked for before; None: nothing more."""
        with self._lock:
            self._wanted = wanted
            if wanted is None:
                self._pixels = None
            else:
                self._start()

    @property
    def is_busy(self) -> bool:
        """Whether something that is wanted was not seen yet."""
        return self._wanted is not None

    def close(self) -> None:
        """End thread and process."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        self.talk.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="previews", daemon=True)
            self._thread.start()
        self._lock.notify_all()

    def _run(self) -> None:
        with suppress(Exception):  # what is wrong is told when something is asked for
            self.talk.begin()
        while (wanted := self._next()) is not None:
            with suppress(_Superseded):
                self._work(wanted)

    def _next(self) -> Wanted | None:
        with self._lock:
            while self._wanted is None and not self._closed:
                self._lock.wait()
            return None if self._closed else self._wanted

    def _work(self, wanted: Wanted) -> None:
        outcome: Seen | Failed
        try:
            outcome = _seen(wanted, self._ask(wanted))
        except _Superseded:
            raise
        except JobFailed as error:
            outcome = error.event
        except Exception as error:  # noqa: BLE001 - told to the user
            outcome = describe(error)
        with self._lock:
            self._check(wanted)
            self._wanted = None
        with suppress(RuntimeError):  # the dock may be gone
            (self.seen if isinstance(outcome, Seen) else self.failed).emit(outcome)

    def _ask(self, wanted: Wanted) -> Answer:
        movie, channel = wanted.movie, wanted.settings.channel
        series = str(self._number_of(movie)), str(channel)
        image = self.talk.store((*series, wanted.time), lambda: _image(movie, wanted.time, channel))
        look = Look(
            "preview",
            (image,),
            self.talk.new_file(),
            movie.pixel_size,
            wanted.settings.model_copy(update={"channel": None}),
            wanted.region,
            series=" ".join(series),
            device=wanted.compute.device,
            model_folder=wanted.compute.model_folder,
        )
        return self.talk.ask(look, lambda: self._check(wanted))

    def _number_of(self, movie: Movie) -> int:
        """A number that no other movie has, or had, for the frames of this one."""
        if movie.pixels is not self._pixels:
            self._pixels = movie.pixels
            self._movies += 1
        return self._movies

    def _check(self, wanted: Wanted) -> None:
        if self._closed or self._wanted is not wanted:
            raise _Superseded


def _image(movie: Movie, time: int, channel: str | None) -> np.ndarray:
    """A channel of a frame, ([Z,] Y, X); all of them, (C, [Z,] Y, X), where none is chosen."""
    if channel is not None or len(movie.channels) == 1:
        return movie.frame(time, channel)
    return movie.colours(time)


def _seen(wanted: Wanted, answer: Answer) -> Seen:
    found = answer.found
    diameter = float(found["diameter"])
    return Seen(
        wanted,
        found["masks"],
        Region(*(int(end) for end in found["region"])),
        None if np.isnan(diameter) else diameter,
        found.get("map"),
        answer.seconds,
        answer.notes,
    )
