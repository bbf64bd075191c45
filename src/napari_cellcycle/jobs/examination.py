"""The examination in a process of its own: a torch that breaks down takes nobody along.

The child writes one JSON object a line: what it looks at next with the report so far, and at the
end the report alone.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from contextlib import suppress
from typing import IO, Any

from napari_cellcycle.errors import JobDied
from napari_cellcycle.jobs.doctor import checks, look
from napari_cellcycle.jobs.findings import Problem, Report
from napari_cellcycle.jobs.process import command_of_child
from napari_cellcycle.jobs.torch_build import install
from napari_cellcycle.progress import Progress, silent

_POLL = 0.1
_PATIENCE = 240.0
"""Seconds that the whole may take: torch on a slow network drive needs minutes to be imported."""


def command_of_examination() -> list[str]:
    """How the process is started."""
    return [*command_of_child()[:-1], "napari_cellcycle.jobs.examination"]


def examine_apart(
    model_folder: str | None = None,
    *,
    benchmark: bool = True,
    progress: Progress = silent,
    command: list[str] | None = None,
    patience: float = _PATIENCE,
) -> Report:
    """Look at the installation in a child process, and wait for it.

    If the child breaks down or takes too long, the report says at what, beside all that was found
    before. `progress` may cancel; the child is then ended.

    Raises `JobDied` if no process can be started.
    """
    arguments = ["--no-benchmark"] * (not benchmark) + ([model_folder] if model_folder else [])
    child = _started([*(command or command_of_examination()), *arguments])
    heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    said: deque[bytes] = deque(maxlen=20)
    assert child.stdout and child.stderr
    threading.Thread(target=_listen, args=(child.stdout, heard), daemon=True).start()
    errors = threading.Thread(target=_keep, args=(child.stderr, said), daemon=True)
    errors.start()
    try:
        state, is_over = _followed(heard, progress, time.monotonic() + patience)
    finally:
        child.kill()
        code = child.wait()
        errors.join(1.0)
    report = Report.from_json(state["report"]) if "report" in state else Report()
    if not is_over:
        report.problems.append(_broken(state, code, b"".join(said).decode(errors="replace")))
    return report


def _followed(
    heard: "queue.SimpleQueue[bytes | None]", progress: Progress, ends: float
) -> tuple[dict[str, Any], bool]:
    """The last that was heard, and whether it was the end of it."""
    state: dict[str, Any] = {}
    progress(0, 1, "Starting")
    while time.monotonic() < ends:
        try:
            line = heard.get(timeout=_POLL)
        except queue.Empty:
            line = b""
        if line is None:
            return state, False
        with suppress(ValueError):
            state = json.loads(line)
        if "next" not in state and state:
            return state, True
        done, total = state.get("done", 0), state.get("total", 1)
        progress(done, total, f"Looking at {state['next']}" if state else "Starting")
    return {**state, "late": True}, False


def _broken(state: dict[str, Any], code: int, said: str) -> Problem:
    at = state.get("next", "the installation")
    words = " ".join(said.split()[-30:])
    if state.get("late"):
        what = f"Looking at {at} took too long and was ended."
    else:
        what = f"Looking at {at} ended the process that did (exit status {code})."
    return Problem(f"{what} {words}".strip(), install(None) if at in _USES_TORCH else "")


_USES_TORCH = ("torch", "cellpose", "the speed")


def _started(command: list[str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise JobDied(
            f"The process that looks at the installation cannot be started ({error}); install the "
            "package anew."
        ) from error


def _listen(stream: IO[bytes], heard: "queue.SimpleQueue[bytes | None]") -> None:
    with stream:
        for line in stream:
            heard.put(line)
    heard.put(None)


def _keep(stream: IO[bytes], said: deque[bytes]) -> None:
    with stream:
        said.extend(stream)


def main() -> None:
    """Be the process that looks."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    folders = [argument for argument in sys.argv[1:] if argument != "--no-benchmark"]
    wanted = checks(*folders[:1], benchmark="--no-benchmark" not in sys.argv)
    report = Report()
    for done, (name, check) in enumerate(wanted.items()):
        state = {"next": name, "done": done, "total": len(wanted)}
        _write(lines, {**state, "report": json.loads(report.to_json())})
        look(name, check, report)
    _write(lines, {"report": json.loads(report.to_json())})


def _write(lines: Any, state: dict[str, Any]) -> None:
    lines.write(json.dumps(state) + "\n")
    lines.flush()


if __name__ == "__main__":
    main()
