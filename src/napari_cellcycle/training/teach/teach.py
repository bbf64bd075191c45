"""Teach models from corrections: score before, learn, score after on the same truth, propose."""

from collections.abc import Callable
from typing import Any

from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.teach.request import TeachRequest
from napari_cellcycle.training.teach.result import TaughtResult

Listen = Callable[[dict[str, Any]], None]
"""Hears of each round of learning: kind, epoch, loss, held-out score, seconds, time left."""


def teach(
    request: TeachRequest, progress: Progress = silent, listen: Listen | None = None
) -> TaughtResult:
    """Teach all models asked for and propose them; nothing is replaced.

    A teaching that was interrupted goes on where it was, and ends with the same weights. What is
    done is kept in `request.folder`.

    Raises
    ------
    BadInput
        There is nothing to learn from, or the corrections contradict each other; if several kinds
        are asked for, only when none of them can be taught.
    Cancelled
        From `progress`; `keep_best` makes a proposal of what was learned so far.
    """
    raise NotImplementedError


def keep_best(request: TeachRequest, progress: Progress = silent) -> TaughtResult:
    """Make proposals of the best rounds so far of a teaching that was stopped."""
    raise NotImplementedError
