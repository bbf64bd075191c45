"""Teachings that run on their own: started from the viewer, found again after it was closed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_cellcycle.training.teach import TaughtResult, TeachRequest

Phase = Literal["waiting", "running", "paused", "interrupted", "done", "failed", "cancelled"]
OVER: frozenset[Phase] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class TeachingState:
    """How a teaching is getting on.

    `phase` is "interrupted" where its process is gone though it was not over: `go_on` resumes it.
    `message` is for the user; `error` a sentence where it failed, `details` what to report.
    """

    phase: Phase
    message: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    error: str = ""
    details: str = ""
    notes: tuple[str, ...] = ()
    updated: float = 0.0


@dataclass(frozen=True)
class CurvePoint:
    """A round of learning of one kind of model, as it is appended to the curve."""

    kind: str
    epoch: int
    loss: float
    score: float | None
    seconds: float
    seconds_left: float | None


class Teaching:
    """A teaching in a folder of its own, which its process shares with whoever watches.

    Everything is read from files, so it can be watched, paused and stopped from any process.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def request(self) -> TeachRequest:
        """What is taught."""
        raise NotImplementedError

    @property
    def state(self) -> TeachingState:
        """How it is getting on; cheap enough to be asked ten times a second."""
        raise NotImplementedError

    def curve(self, after: int = 0) -> list[CurvePoint]:
        """The rounds so far, without the first `after`."""
        raise NotImplementedError

    def result(self) -> TaughtResult | None:
        """What came of it; None as long as it is not over."""
        raise NotImplementedError

    def pause(self) -> None:
        """Let it wait; it gives up no memory."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Let a paused one go on, or resume one that was interrupted, with the same result."""
        raise NotImplementedError

    def cancel(self, *, keep_best: bool = False) -> None:
        """Stop it within a second; `keep_best` proposes the best model so far."""
        raise NotImplementedError

    def delete(self) -> None:
        """Delete the folder of one that is over, proposals not accepted included."""
        raise NotImplementedError


def start_teaching(request: TeachRequest) -> Teaching:
    """Start a teaching in a process of its own, which outlives this one.

    Raises `BadInput` or `CannotWrite` if it cannot be.
    """
    raise NotImplementedError


def list_teachings(model_folder: str | Path | None = None) -> list[Teaching]:
    """All teachings of a model folder, the newest first."""
    raise NotImplementedError


def attach(name: str, model_folder: str | Path | None = None) -> Teaching:
    """The teaching of that name; `BadInput` if there is none."""
    raise NotImplementedError


def running(teachings: Iterable[Teaching]) -> list[Teaching]:
    """Those that are not over."""
    return [each for each in teachings if each.state.phase not in OVER]
