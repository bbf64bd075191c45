"""The process of a teaching: it tells its state in files, and looks there for what is asked."""

import faulthandler
import os
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from napari_cellcycle.errors import BadInput, OutOfMemory, UserError, is_out_of_memory
from napari_cellcycle.jobs.teaching_files import (
    CANCEL,
    KEEP_BEST,
    PAUSE,
    CurvePoint,
    TeachingState,
    append_point,
    flag,
    lower_flag,
    note_process,
    write_state,
)
from napari_cellcycle.jobs.time_left import TimeLeft
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.teach import TaughtResult, keep_best, read_request, teach
from napari_cellcycle.training.teach.proposals import JOB

_EVERY, _LOOK = 0.25, 0.1
"""Seconds between two tellings of the state, and between two looks at the flags."""


class Teller:
    """The progress of a teaching: tells it in files, waits while paused, stops when asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._left = folder, TimeLeft()
        self._told = self._looked = -_EVERY
        self._message = ""

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Tell how far it is. Raises `Cancelled`."""
        now = time.monotonic()
        if now - self._looked >= _LOOK:
            self._obey(done, total, message)
            self._looked = time.monotonic()
        left = self._left(done, total, message)
        if now - self._told >= _EVERY or done >= total:
            self._told = now
            write_state(self._folder, TeachingState("running", message, done, total, left))

    def hear(self, point: dict[str, Any]) -> None:
        """Add a round of learning to the curve."""
        append_point(self._folder, CurvePoint(**point))

    def _obey(self, done: int, total: int, message: str) -> None:
        if flag(self._folder, CANCEL) is not None:
            raise Cancelled
        if flag(self._folder, PAUSE) is None:
            return
        write_state(self._folder, TeachingState("paused", message or "Paused", done, total))
        while flag(self._folder, PAUSE) is not None:
            time.sleep(_LOOK)
            if flag(self._folder, CANCEL) is not None:
                raise Cancelled
        self._left = TimeLeft()
        write_state(self._folder, TeachingState("running", message, done, total))


def work(folder: Path, *, best_only: bool = False) -> TeachingState:
    """Run the teaching in a folder, or (`best_only`) keep the best of it; gives the last state."""
    teller = Teller(folder)
    try:
        request = read_request(folder / JOB).model_copy(update={"model_folder": folder.parents[1]})
        if best_only:
            return _done(keep_best(request, teller))
        return _done(teach(request, teller, teller.hear))
    except Cancelled:
        wanted = flag(folder, CANCEL)
        lower_flag(folder, CANCEL)
        if wanted == KEEP_BEST:
            write_state(folder, TeachingState("running", "Keeping the best so far"))
            return work(folder, best_only=True)
        return TeachingState("cancelled", "Stopped; nothing was changed")
    except Exception as error:  # noqa: BLE001 - told to the user, with all its details
        text = _words_for(error)
        return TeachingState("failed", text, error=text, details=traceback.format_exc())


def _words_for(error: Exception) -> str:
    """Say what went wrong and what to do, for the user."""
    if isinstance(error, OutOfMemory):
        return str(error)
    if is_out_of_memory(error):
        return (
            "The memory ran out; no model was changed. Close other programs, or teach from fewer "
            "experiments at once, and go on."
        )
    if isinstance(error, UserError):
        return str(error)
    said = " ".join(str(error).split()) or "no message"
    return (
        f"The teaching stopped because of an error in the program ({type(error).__name__}: "
        f"{said}); no model was changed, and the details say where it happened."
    )


def _done(result: TaughtResult) -> TeachingState:
    notes = tuple(note for model in result.models for note in model.notes)
    words = "; ".join(f"{model.name}: {model.verdict.outcome}" for model in result.models)
    return TeachingState("done", words, 1, 1, 0.0, notes=(*notes, *result.refused.values()))


def main() -> None:
    """Be the process of the teaching in the folder that is the last argument."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[-1])
    if not (folder / JOB).is_file():
        raise BadInput(f"There is no teaching in {folder}.")
    note_process(folder, os.getpid())
    if hasattr(os, "nice"):
        os.nice(5)
    write_state(folder, work(folder, best_only="--keep-best" in sys.argv))


if __name__ == "__main__":
    main()
