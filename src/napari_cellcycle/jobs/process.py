"""The child process as its parent sees it."""

import json
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.spawn import get_executable
from typing import IO, Any

import psutil

from napari_cellcycle.errors import JobDied
from napari_cellcycle.jobs.events import Event, from_json

_KEPT_LINES = 200


@dataclass(frozen=True)
class Ended:
    """The child is gone; `code` is its exit status, negative for the signal that ended it."""

    code: int


def command_of_child() -> list[str]:
    """How a child is started: by this Python, without what lies in the current folder."""
    python = get_executable() or sys.executable
    if isinstance(python, bytes):
        python = python.decode()
    return [python, "-P", "-m", "napari_cellcycle.jobs.child"]


class ChildProcess:
    """A running child and the threads that listen to it.

    It is started by a plain command, not by `multiprocessing`, which would first run the
    parent's main script once more: napari's own imports Qt.
    """

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise JobDied(
                f"The process that computes steps cannot be started ({error}); "
                "run 'napari-cellcycle doctor' to see what is wrong."
            ) from error
        self._heard: queue.SimpleQueue[Event | Ended] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        assert self.process.stdout and self.process.stderr
        self._errors = _thread(self._keep_words, self.process.stderr)
        self._events = _thread(self._listen, self.process.stdout)

    @property
    def is_alive(self) -> bool:
        """Whether the child still runs."""
        return self.process.poll() is None

    @property
    def last_words(self) -> str:
        """The end of what the child has printed."""
        return "".join(self._said)

    def send(self, message: dict[str, Any]) -> None:
        """Send an object; `OSError` if the child is gone."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, seconds: float = 0.0) -> Event | Ended | None:
        """Next thing heard, waiting for it at most `seconds`; None if there is nothing."""
        try:
            if seconds > 0:
                return self._heard.get(timeout=seconds)
            return self._heard.get_nowait()
        except queue.Empty:
            return None

    def kill(self) -> None:
        """End the child, and whatever it has started, at once."""
        with suppress(psutil.Error):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    process.kill()
        self.process.kill()
        self.process.wait()
        self._close()

    def let_go(self) -> None:
        """Let the child finish its job alone, and end then."""
        with suppress(OSError):
            self.send({"go_on": "alone"})
        self._close()
        if self.process.returncode is None:
            self.process.returncode = 0  # or Popen would warn that it still runs

    def _close(self) -> None:
        assert self.process.stdin
        with suppress(OSError):
            self.process.stdin.close()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with suppress(ValueError, KeyError):
                    self._heard.put(from_json(json.loads(line)))
        code = self.process.wait()
        self._errors.join(timeout=0.3)
        self._heard.put(Ended(code))

    def _keep_words(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._said.append(line.decode(errors="replace"))


def _thread(target: Any, stream: IO[bytes]) -> threading.Thread:
    thread = threading.Thread(target=target, args=(stream,), name="job child", daemon=True)
    thread.start()
    return thread
