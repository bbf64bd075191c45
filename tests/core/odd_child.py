"""A child process whose steps misbehave, named by the model of the segmentation settings."""

import ctypes
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.jobs.child import main


def work(job, progress):
    deed = job.settings.model
    progress(1, 10, "Segmenting frame 1 of 10")
    if deed == "good":
        sys.stdout.write("a library chats\n")
        sys.stderr.write("and warns\n")
        for frame in range(10):
            progress(frame, 10, f"Segmenting frame {frame + 1} of 10")
        progress(10, 10, "Saving")
        return history("Frame 3 was computed in smaller tiles.")
    if deed == "slow":
        time.sleep(2)
        (job.folder / "finished").touch()
        return history()
    if deed == "loaded":
        return history(",".join(sorted({name.split(".")[0] for name in sys.modules})))
    return misbehave(deed, job)


def misbehave(deed, job):
    if deed == "user":
        raise BadInput("The movie is black; expected cells; choose another channel.")
    if deed == "error":
        raise KeyError("oops")
    if deed == "exit":
        os._exit(3)
    if deed == "segfault":
        ctypes.string_at(0)
    if deed == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if deed == "no memory":
        raise MemoryError
    if deed == "hog":
        kept = []
        while True:
            kept.append(np.ones(2_000_000))
            time.sleep(0.005)
    if deed == "busy in C":  # holds the interpreter lock, so that no Python of the child runs
        (job.folder / "labels-2.zarr").mkdir()
        ctypes.PyDLL(None).sleep(60)
    raise AssertionError(deed)


def history(*notes):
    now = datetime.now(UTC) + timedelta(seconds=1)
    return SimpleNamespace(history=(SimpleNamespace(notes=notes, time=now),))


main(work)
