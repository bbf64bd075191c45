"""The child process: imports the slow libraries, then runs one job after another.

It reads one JSON object a line from standard input (a job, or the word to go on alone) and
writes events the same way to what was its standard output; whatever a library prints goes to
standard error, which the parent keeps for its details. It ends when its input closes, that is
when its parent ends, however that comes about.
"""

import faulthandler
import gc
import json
import os
import queue
import sys
import threading
import time
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any, TextIO

from napari_cellcycle.jobs.events import Done, Failed, Progress, to_json
from napari_cellcycle.jobs.job import Job
from napari_cellcycle.jobs.memory import memory_cap, too_much_memory, watch_memory
from napari_cellcycle.jobs.record import forget, record
from napari_cellcycle.jobs.time_left import TimeLeft
from napari_cellcycle.jobs.work import Work, outcome, run_step
from napari_cellcycle.progress import sub_step

SLOW = (
    "torch",
    "napari_cellcycle.io.experiment",
    "napari_cellcycle.pipeline.run",
    "safetensors.torch",
    "scipy.optimize",
    "skimage.measure",
    "cellpose.dynamics",
)
"""What is imported before the first job, in the order in which steps need it."""

OVER_MEMORY = 71
_EVERY = 0.1


class Child:
    """The child's end of the conversation."""

    def __init__(self, events: TextIO, work: Work = run_step) -> None:
        self._events = events
        self._work = work
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._alone = False

    def serve(self, slow: tuple[str, ...]) -> None:
        """Import `slow` while nothing is asked for, then run jobs until the parent is gone."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        for name in slow:
            if not self._jobs.empty():
                break
            with suppress(Exception):  # the step that needs it will say what is wrong
                import_module(name)
        while (job := self._jobs.get()) is not None:
            self._run(job)
            _give_back_memory()

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "job" in message:
                self._jobs.put(Job.from_json(message["job"]))
            else:
                self._go_on_alone()
        if not self._alone:
            os._exit(0)
        self._jobs.put(None)

    def _go_on_alone(self) -> None:
        self._alone = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)

    def _run(self, job: Job) -> None:
        cap, over = memory_cap(job.memory_gb), threading.Event()
        watch = watch_memory(cap, lambda: self._stop_for_memory(job, cap), over)
        try:
            event = outcome(job, self._reporter(), self._work)
        finally:
            over.set()
            watch.join()
        self._end(job, event)

    def _reporter(self) -> Any:
        """Progress function that sends ten reports a second, and each change of what is done."""
        left, sent, said = TimeLeft(), -_EVERY, ""

        def report(done: int, total: int, message: str = "") -> None:
            nonlocal sent, said
            seconds_left, now = left(done, total, message), time.monotonic()
            words = sub_step(message)
            if now - sent < _EVERY and words == said and done < total:
                return
            sent, said = now, words
            self._send(Progress(int(done), int(total), message, seconds_left))

        return report

    def _stop_for_memory(self, job: Job, cap: int) -> None:
        self._end(job, Failed(too_much_memory(cap), "", "memory"))
        os._exit(OVER_MEMORY)

    def _end(self, job: Job, event: Done | Failed) -> None:
        with suppress(OSError):
            if isinstance(event, Done):
                forget(job)
            elif self._alone:
                record(job, failed=event.text, details=event.details)
        self._send(event)

    def _send(self, event: Progress | Done | Failed) -> None:
        with suppress(OSError), self._lock:
            self._events.write(json.dumps(to_json(event)) + "\n")
            self._events.flush()


def _give_back_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def main(work: Work = run_step) -> None:
    """Be a child process; with `--warm`, import the slow libraries first and give way to others."""
    faulthandler.enable()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    slow: tuple[str, ...] = ()
    if "--warm" in sys.argv:
        slow = SLOW
        if hasattr(os, "nice"):
            os.nice(5)
    Child(events, work).serve(slow)


if __name__ == "__main__":
    main()
