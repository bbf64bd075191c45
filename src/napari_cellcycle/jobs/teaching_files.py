"""What a teaching and its watchers tell each other: small files in its folder."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import psutil

Phase = Literal["waiting", "running", "paused", "interrupted", "done", "failed", "cancelled"]
OVER: frozenset[Phase] = frozenset({"done", "failed", "cancelled"})
STATE, CURVE, PROCESS, LOG = "state.json", "curve.jsonl", "process.json", "log.txt"
PAUSE, CANCEL = "pause", "cancel"
"""Flags: files whose being there asks for something. What is in CANCEL says what to keep."""
KEEP_BEST = "keep the best"
_SAME_START = 2.0
"""Seconds by which two tellings of when a process began may differ."""


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


def write_state(folder: Path, state: TeachingState) -> None:
    """Replace the state; if the disk refuses, the former one stays."""
    told = asdict(state) | {"updated": time.time()}
    with suppress(OSError):
        _replace(folder / STATE, json.dumps(told))


def read_state(folder: Path) -> TeachingState | None:
    """The state as it was last told; None if there is none, or it cannot be read."""
    try:
        told = json.loads((folder / STATE).read_text(encoding="utf-8"))
        known = {field.name for field in fields(TeachingState)}
        found = {name: value for name, value in told.items() if name in known}
        return TeachingState(**{**found, "notes": tuple(found.get("notes", ()))})
    except (OSError, ValueError, TypeError):
        return None


def append_point(folder: Path, point: CurvePoint) -> None:
    """Add a round to the curve."""
    with suppress(OSError), (folder / CURVE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(point)) + "\n")


def read_curve(folder: Path) -> list[CurvePoint]:
    """All rounds told so far; one that was told again, after an interruption, counts once."""
    found: dict[tuple[str, int], CurvePoint] = {}
    with suppress(OSError):
        for line in (folder / CURVE).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, TypeError):
                point = CurvePoint(**json.loads(line))
                found[point.kind, point.epoch] = point
    return list(found.values())


def note_process(folder: Path, pid: int) -> None:
    """Write down which process works in a folder."""
    with suppress(psutil.Error, OSError):
        told = {"pid": pid, "began": psutil.Process(pid).create_time()}
        _replace(folder / PROCESS, json.dumps(told))


def process_of(folder: Path) -> psutil.Process | None:
    """The process that works in a folder; None if it is gone."""
    try:
        told = json.loads((folder / PROCESS).read_text(encoding="utf-8"))
        process = psutil.Process(int(told["pid"]))
        same = abs(process.create_time() - float(told["began"])) < _SAME_START
        gone = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    if gone:
        _reap(process.pid)
    return process if same and not gone else None


def raise_flag(folder: Path, name: str, text: str = "") -> None:
    """Ask for something."""
    (folder / name).write_text(text, encoding="utf-8")


def lower_flag(folder: Path, name: str) -> None:
    """Ask for it no more."""
    (folder / name).unlink(missing_ok=True)


def flag(folder: Path, name: str) -> str | None:
    """What a flag says; None if it is not there."""
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError:
        return None


def _reap(pid: int) -> None:
    """Let the system forget a child that has ended."""
    if hasattr(os, "waitpid"):
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)


def _replace(path: Path, text: str) -> None:
    """Replace a file as a whole, without waiting for the disk: it is told anew all the time."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
