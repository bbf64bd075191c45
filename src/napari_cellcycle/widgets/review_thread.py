"""Finding what looks wrong in a thread, so that nobody waits for it."""

import threading
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.jobs import Failed
from napari_cellcycle.review.catalogue import Doubts
from napari_cellcycle.review.doubt import Facts
from napari_cellcycle.review.find import find_doubts, refreshed
from napari_cellcycle.widgets.task import describe

_PATIENCE = 5.0


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What a draft is now, and the cells touched since the last answer; None: all of them."""

    draft: Draft
    facts: Facts
    touched: np.ndarray | None


class Finder(QObject):
    """Keeps the list of doubts about a draft up to date.

    `found` comes with the list, a moment after it was asked for, or `failed` with a `Failed`; all
    is looked at anew then when it is asked for again. Where several edits come in between, they
    are looked at together. The thread ends when nothing is left to do.
    """

    found = Signal(object)
    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._wanted: _Wanted | None = None
        self._known: Doubts | None = None
        self._thread: threading.Thread | None = None
        self._turn = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is looked at now."""
        return self._thread is None

    def find(self, draft: Draft, facts: Facts) -> None:
        """Look at a whole draft, another one than before."""
        with self._lock:
            self._turn += 1
            self._known = None
            self._ask(_Wanted(draft.as_it_is(), facts, None))

    def refresh(self, draft: Draft, facts: Facts, cells: np.ndarray) -> None:
        """Look again after an edit of the same draft that touched `cells` (ids)."""
        with self._lock:
            touched: np.ndarray | None = cells
            if self._wanted is not None:
                waiting = self._wanted.touched
                touched = None if waiting is None else np.union1d(waiting, cells)
            self._ask(_Wanted(draft.as_it_is(), facts, touched))

    def forget(self) -> None:
        """Look at nothing any more; what is under way is dropped."""
        with self._lock:
            self._turn += 1
            self._wanted = self._known = None

    def close(self) -> None:
        """Wait for the thread, whose answer is dropped."""
        self.forget()
        thread = self._thread
        if thread is not None:
            thread.join(_PATIENCE)

    def _ask(self, wanted: _Wanted) -> None:
        self._wanted = wanted
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="doubts", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                wanted, known, turn = self._wanted, self._known, self._turn
                self._wanted = None
                if wanted is None:
                    self._thread = None
                    return
            outcome = _looked(known, wanted)
            with self._lock:
                if turn != self._turn:
                    continue
                self._known = None if isinstance(outcome, Failed) else outcome
            with suppress(RuntimeError):  # the window was closed in the meantime
                (self.failed if isinstance(outcome, Failed) else self.found).emit(outcome)


def _looked(known: Doubts | None, wanted: _Wanted) -> Doubts | Failed:
    """The list of doubts, brought up to date or made anew; or what went wrong."""
    try:
        if known is None or wanted.touched is None:
            return find_doubts(wanted.draft, wanted.facts)
        return refreshed(known, wanted.draft, wanted.facts, wanted.touched)
    except Exception as error:  # noqa: BLE001 - told to the user
        return describe(error)
