"""Long work beside the viewer: in a thread, which itself waits for the child process."""

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_cellcycle.errors import UserError
from napari_cellcycle.jobs import Done, Failed, Job, JobRunner, Progress
from napari_cellcycle.progress import Cancelled

_POLL = 0.02
_REPORT_EVERY = 0.03


class Task(QObject):
    """One call of a function in napari's thread pool.

    The function gets a `progress` argument (see `napari_cellcycle.progress`). Reporting
    through it updates the viewer; after `cancel` the next report raises `Cancelled` inside
    the function. Exactly one of `succeeded`, `failed` and `cancelled` is emitted, then
    `ended`. napari knows of the task, so that it asks before it closes its window, and
    cancels the task if it is closed all the same. `name` says what is done, for that question.
    """

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    def __init__(self, name: str, function: Callable[..., Any], *args: Any) -> None:
        super().__init__()
        self.name = name
        self._stop = threading.Event()
        self._last_report = 0.0
        call = _Call(name, self._run, (function, args))
        self._worker = create_worker(call, _ignore_errors=True)
        self._worker.returned.connect(self._on_returned)

    def start(self) -> None:
        """Start the function."""
        self._worker.start()

    def cancel(self) -> None:
        """Stop the function at its next progress report."""
        self._stop.set()

    def _run(self, function: Callable[..., Any], args: Any) -> "_Outcome":
        try:
            result = function(*args, progress=self._report)
            self._check()
            return _Outcome("succeeded", result)
        except Cancelled:
            return _Outcome("cancelled")
        except JobFailed as error:
            return _Outcome("failed", error.event)
        except Exception as error:  # noqa: BLE001 - shown with all its details
            return _Outcome("failed", describe(error))

    def _check(self) -> None:
        if self._stop.is_set() or self._worker.abort_requested:
            raise Cancelled

    def _report(
        self, done: int, total: int, message: str = "", seconds_left: float | None = None
    ) -> None:
        self._check()
        now = time.monotonic()
        if done >= total or now - self._last_report > _REPORT_EVERY:
            self._last_report = now
            self.progressed.emit(Progress(done, total, message, seconds_left))

    def _on_returned(self, outcome: "_Outcome") -> None:
        if outcome.kind == "succeeded":
            self.succeeded.emit(outcome.value)
        elif outcome.kind == "failed":
            self.failed.emit(outcome.value)
        else:
            self.cancelled.emit()
        self.ended.emit()


class JobFailed(Exception):
    """A job ended without its result; `event` says why."""

    def __init__(self, event: Failed) -> None:
        super().__init__(event.text)
        self.event = event


def run_job(runner: JobRunner, job: Job, progress: Any) -> Done:
    """Run `job` in the child of `runner`, in the calling thread, and wait for its end.

    `progress` is a task's own, which knows of time left. Raises `JobFailed`, or `Cancelled`
    from `progress`, after which the child is dead and the folder as it was.
    """
    runner.start(job)
    last = Progress(0, 1, "Starting")
    try:
        while True:
            for event in runner.poll():
                if isinstance(event, Done):
                    return event
                if isinstance(event, Failed):
                    raise JobFailed(event)
                if isinstance(event, Progress):
                    last = event
            progress(last.done, last.total, last.message, last.seconds_left)
            time.sleep(_POLL)
    finally:
        if runner.is_busy:
            runner.cancel()
            runner.poll()


def describe(error: BaseException) -> Failed:
    """What the user is told about an exception."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, UserError):
        return Failed(str(error), details, "user")
    return Failed(
        f"Something in the program went wrong ({type(error).__name__}: {error}); nothing was "
        "lost: try again, and report it with the details below if it stays.",
        details,
    )


@dataclass(frozen=True)
class _Outcome:
    kind: str
    value: Any = None


class _Call:
    """A function that napari shows by a name a user understands."""

    def __init__(self, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._name = name
        self._function = function
        self._args = args

    def __call__(self) -> Any:
        return self._function(*self._args)

    def __str__(self) -> str:
        return f"'{self._name}'"
