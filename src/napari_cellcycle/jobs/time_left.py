"""How much longer a job will take, told calmly."""

import math
import time
from collections.abc import Callable

from napari_cellcycle.progress import sub_step

_SMALL = 0.05
"""Share of the whole up to which what comes first is not what the rest is like."""


class TimeLeft:
    """Estimate the seconds left of a job from the progress it reports.

    The speed is an exponentially weighted mean over the latter third of the time gone (at
    least five seconds), so that a slower sub-step is noticed without every hiccup being shown.
    What passes before the first small part is over, as a model is loaded, says nothing of it,
    nor do the small steps that come before the one that takes long.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._grew = self._told_at = 0.0
        self._fraction = self._seconds = self._growth = 0.0
        self._told: float | None = None
        self._is_going = False
        self._doing = ""

    def __call__(self, done: int, total: int, message: str = "") -> float | None:
        """Seconds left now that `done` of `total` parts are over; None while it cannot be told.

        `message` says what is being done, and by its words, not its numbers, which step that is.
        """
        fraction = min(1.0, done / total) if total > 0 else 0.0
        now, doing = self._clock(), sub_step(message)
        is_new, self._doing = doing != self._doing, doing
        is_before = is_new and fraction <= _SMALL
        if self._since is None or is_before or fraction < self._fraction:
            self._is_going = False
            self._restart(fraction, now)
            return None
        passed, grown = now - self._grew, fraction - self._fraction
        if grown > 0 and not self._is_going:
            self._is_going = True
            if grown <= _SMALL:
                self._restart(fraction, now)
                return None
        if grown > 0:
            keep = math.exp(-passed / max(5.0, (now - self._since) / 3))
            self._seconds = self._seconds * keep + passed
            self._growth = self._growth * keep + grown
            self._grew, self._fraction = now, fraction
        if fraction >= 1:
            return 0.0
        if now - self._since < 1 or self._growth <= 0:
            return None
        return self._shown(now)

    def _shown(self, now: float) -> float:
        """Estimate that moves towards the newest one within about two seconds."""
        newest = (1 - self._fraction) * self._seconds / self._growth - (now - self._grew)
        told = newest
        if self._told is not None:
            passed = now - self._told_at
            going_on = self._told - passed
            told = going_on + (newest - going_on) * (1 - math.exp(-passed / 2))
        self._told, self._told_at = told, now
        return max(0.0, told)

    def _restart(self, fraction: float, now: float) -> None:
        self._since = self._grew = self._told_at = now
        self._fraction = fraction
        self._seconds = self._growth = 0.0
        self._told = None


def spoken(seconds: float | None) -> str:
    """Time left in words: "2 min 10 s left"; empty while it is not known."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min left"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60} s left"
    return f"{whole} s left"
