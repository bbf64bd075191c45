"""Teachings that run on their own: started from the viewer, found again after it was closed.

teaching = start_teaching(TeachRequest(sources=(folder,), kinds=("link",)))
teaching.state       # TeachingState(phase="running", ...)
teaching.curve()     # [CurvePoint(...), ...]
teaching.cancel(keep_best=True)
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from napari_cellcycle.errors import BadInput, JobDied
from napari_cellcycle.io.experiment import is_experiment
from napari_cellcycle.io.storage import writing_to
from napari_cellcycle.jobs.process import command_of_child
from napari_cellcycle.jobs.teaching_files import (
    CANCEL,
    KEEP_BEST,
    LOG,
    OVER,
    PAUSE,
    CurvePoint,
    Phase,
    TeachingState,
    lower_flag,
    note_process,
    process_of,
    raise_flag,
    read_curve,
    read_state,
    write_state,
)
from napari_cellcycle.models.store import own_folder
from napari_cellcycle.training.teach import TaughtResult, TeachRequest, read_request, read_result
from napari_cellcycle.training.teach.proposals import JOB, RESULT, keep_request
from napari_cellcycle.training.teach.request import TEACHINGS

__all__ = [
    "OVER",
    "CurvePoint",
    "Phase",
    "Teaching",
    "TeachingState",
    "attach",
    "list_teachings",
    "running",
    "start_teaching",
]

_CHILD = "napari_cellcycle.jobs.teaching_child"
_PATIENCE = 0.7
"""Seconds that a process has to stop by itself, before it is ended."""


class Teaching:
    """A teaching in a folder of its own, which its process shares with whoever watches.

    Everything is read from files, so it can be watched, paused and stopped from any process.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def name(self) -> str:
        """What it is called: the name of its folder."""
        return self.folder.name

    @property
    def request(self) -> TeachRequest:
        """What is taught. Raises `BadInput` if the job file is damaged."""
        return read_request(self.folder / JOB)

    @property
    def is_alive(self) -> bool:
        """Whether its process is there."""
        return process_of(self.folder) is not None

    @property
    def state(self) -> TeachingState:
        """How it is getting on; cheap enough to be asked ten times a second."""
        told = read_state(self.folder)
        if told is None:
            told = TeachingState("waiting", "Starting")
        if told.phase in OVER or self.is_alive:
            return told
        told = read_state(self.folder) or told  # it may have ended between the two questions
        if told.phase in OVER:
            return told
        if (self.folder / RESULT).is_file():  # of the command line, which tells no state
            return TeachingState("done")
        return replace(
            told,
            phase="interrupted",
            message="Interrupted; it goes on from the last round that was over",
            seconds_left=None,
        )

    def curve(self, after: int = 0) -> list[CurvePoint]:
        """The rounds so far, without the first `after`."""
        return read_curve(self.folder)[after:]

    def result(self) -> TaughtResult | None:
        """What came of it; None as long as it is not over."""
        return read_result(self.folder)

    def pause(self) -> None:
        """Let it wait; it gives up no memory."""
        raise_flag(self.folder, PAUSE)

    def go_on(self) -> None:
        """Let a paused one go on, or resume one that was interrupted, with the same result.

        One that failed or was cancelled is tried again from the last round that was over.
        """
        lower_flag(self.folder, PAUSE)
        lower_flag(self.folder, CANCEL)
        if not self.is_alive and self.result() is None:
            self._start()

    def cancel(self, *, keep_best: bool = False) -> None:
        """Stop it within a second; `keep_best` proposes the best model so far."""
        process = process_of(self.folder)
        if self.state.phase in OVER:
            return
        raise_flag(self.folder, CANCEL, KEEP_BEST if keep_best else "")
        lower_flag(self.folder, PAUSE)
        if process is not None and self._stops(process):
            return
        _end(process)
        lower_flag(self.folder, CANCEL)
        if keep_best:
            self._start("--keep-best")
        else:
            write_state(self.folder, TeachingState("cancelled", "Stopped; nothing was changed"))

    def delete(self) -> None:
        """Delete the folder of one that is over, proposals not accepted included.

        Raises `BadInput` while it runs.
        """
        if self.is_alive and self.state.phase not in OVER:
            raise BadInput(f"The teaching {self.name} still runs: stop it first.")
        with writing_to(self.folder):
            shutil.rmtree(self.folder)

    def _stops(self, process: psutil.Process) -> bool:
        """Whether it takes notice of the flag in time."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and process.is_running():
            if not (self.folder / CANCEL).is_file():
                return True
            time.sleep(0.02)
        return not (self.folder / CANCEL).is_file()

    def _start(self, *more: str) -> None:
        message = "Keeping the best so far" if more else "Starting"
        write_state(self.folder, TeachingState("waiting", message))
        note_process(self.folder, _started([*_command(), *more, str(self.folder)], self.folder))


def start_teaching(request: TeachRequest) -> Teaching:
    """Start a teaching in a process of its own, which outlives this one.

    Raises `BadInput` or `CannotWrite` if it cannot be.
    """
    for source in request.sources:
        if not is_experiment(Path(source).expanduser()):
            raise BadInput(
                f"{source} is no experiment, but models are taught from corrected ones: save it "
                "as NAME.cellcycle first."
            )
    keep_request(request)
    teaching = Teaching(request.folder)
    teaching._start()
    return teaching


def list_teachings(model_folder: str | Path | None = None) -> list[Teaching]:
    """All teachings of a model folder, the newest first."""
    jobs = (own_folder(model_folder) / TEACHINGS).glob(f"*/{JOB}")
    found = []
    for job in jobs:
        with suppress(OSError):
            found.append((job.stat().st_mtime, job.parent.name, Teaching(job.parent)))
    return [teaching for _, _, teaching in sorted(found, key=lambda each: each[:2], reverse=True)]


def attach(name: str, model_folder: str | Path | None = None) -> Teaching:
    """The teaching of that name; `BadInput` if there is none."""
    folder = own_folder(model_folder) / TEACHINGS / name
    if not name or not (folder / JOB).is_file():
        names = ", ".join(each.name for each in list_teachings(model_folder)) or "none"
        raise BadInput(f"There is no teaching {name!r}; there are: {names}; choose one of them.")
    return Teaching(folder)


def running(teachings: Iterable[Teaching]) -> list[Teaching]:
    """Those that are not over."""
    return [each for each in teachings if each.state.phase not in OVER]


def _command() -> list[str]:
    return [*command_of_child()[:-1], _CHILD]


def _started(command: Sequence[str], folder: Path) -> int:
    """Start a process that does not end with this one, and give its number."""
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    flags |= getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    try:
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=sys.platform != "win32",
                creationflags=flags,
            )
    except OSError as error:
        raise JobDied(
            f"The process that teaches models cannot be started ({error}); run 'napari-cellcycle "
            "doctor' to see what is wrong."
        ) from error
    process.returncode = 0  # or Popen would warn that it still runs
    return process.pid


def _end(process: psutil.Process | None) -> None:
    if process is None:
        return
    with suppress(psutil.Error):
        process.kill()
        process.wait(timeout=2)
