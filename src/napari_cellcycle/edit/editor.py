"""The open experiment that is being corrected: one history, kept on disk as it grows."""

import getpass
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from psygnal import Signal

from napari_cellcycle.data.changes import Change
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.history import Edit, History
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.consequences import follow_up
from napari_cellcycle.edit.operations import OPERATIONS
from napari_cellcycle.errors import CannotWrite, Refused
from napari_cellcycle.io.journal import Entry, are_masks
from napari_cellcycle.io.replay import replay

Step = tuple[str, dict[str, Any]]
"""An operation and its arguments."""


class Record(Protocol):
    """Where edits are kept, such as a `Journal`."""

    def append(self, entry: Entry) -> None:
        """Keep an entry; raises `CannotWrite` if that is not possible now."""


class Editor:
    """Does, undoes and redoes corrections, and has each of them written down at once.

    `edited` comes with the edit that was done, taken back or done again. `trouble` comes with a
    sentence where edits cannot be kept on disk; they are in memory, and go on. Raises nothing but
    what operations raise.
    """

    edited = Signal(object)
    trouble = Signal(str)

    def __init__(
        self,
        bench: Bench,
        record: Record | None = None,
        *,
        entries: Iterable[Entry] = (),
        applied: int = 0,
        resolving: bool = True,
        model: str | None = None,
    ) -> None:
        self.bench = bench
        self.draft: Draft = bench.draft
        self.history = History(self.draft)
        self.resolving = resolving
        self.record = record
        self.model = model
        self._author = _author()
        self._is_busy = False
        self._copies: dict[tuple[int, int], np.ndarray] = {}
        self.entries = list(entries)
        """All that was ever done, undone and redone, as it is written down."""
        replay(self.history, self.entries, applied)

    # ---------------------------------------------------------------- correcting

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self.history.done)

    @property
    def can_redo(self) -> bool:
        """Whether an edit was taken back."""
        return bool(self.history.undone)

    def do(self, operation: str, **arguments: Any) -> Edit | None:
        """Do one thing, as one step of the history; None if nothing came of it.

        Raises `Refused`, with nothing changed, if it is not possible.
        """
        return self.do_all([(operation, arguments)])

    def do_all(self, steps: Sequence[Step]) -> Edit | None:
        """Do several things as one step of the history: all of them, or none."""
        before = len(self.history.done)
        for _ in self.doing(steps):
            pass
        return self.history.done[-1] if len(self.history.done) > before else None

    def doing(self, steps: Sequence[Step]) -> Iterator[None]:
        """What `do_all` does, a step each time that it is asked for the next, as one edit.

        So a long one need not hold up who calls it. Until its end nothing else can be done; if it
        is given up before, nothing was.
        """
        if self._is_busy:
            raise Refused("Another correction is still being made: wait until it is done.")
        self._is_busy = True
        try:
            with self.draft.recording() as changes:
                words = []
                for name, arguments in steps:
                    words.append(OPERATIONS[name](self.bench, **arguments))
                    yield
                consequences: tuple[str, ...] = ()
                if changes:
                    consequences = follow_up(self.bench, tuple(changes), resolving=self.resolving)
        except BaseException:
            self._forget_copies(steps)
            raise
        finally:
            self._is_busy = False
        if changes:
            self._done(steps, words, changes, consequences)

    def _done(
        self,
        steps: Sequence[Step],
        words: Sequence[str],
        changes: Sequence[Change],
        consequences: tuple[str, ...],
    ) -> None:
        """Remember what was done, write it down, and tell of it."""
        operation, arguments = steps[0] if len(steps) == 1 else ("several", {"steps": len(steps)})
        arguments = {k: v for k, v in arguments.items() if not are_masks(v)}
        said = words[0] if len(words) == 1 else f"{words[0]}, and {len(words) - 1} more"
        edit = Edit(
            operation, arguments, said, tuple(changes), consequences, self._author, self.model
        )
        self.history.push(edit)
        self._keep(Entry("edit", edit))
        self.edited.emit(edit)

    def undo(self) -> Edit | None:
        """Take back the last edit; None if there is none, or another is still being made."""
        return None if self._is_busy else self._tell(self.history.undo(), Entry("undo"))

    def redo(self) -> Edit | None:
        """Do again what was taken back last; None as `undo`."""
        return None if self._is_busy else self._tell(self.history.redo(), Entry("redo"))

    def forget_undone(self) -> None:
        """Make what was taken back impossible to do again, as something else came after."""
        self.history.undone.clear()

    def _tell(self, edit: Edit | None, entry: Entry) -> Edit | None:
        if edit is not None:
            self._keep(entry)
            self.edited.emit(edit)
        return edit

    def _keep(self, entry: Entry) -> None:
        self.entries.append(entry)
        if self.record is None:
            return
        try:
            self.record.append(entry)
        except CannotWrite as error:
            self.trouble.emit(str(error))

    # ---------------------------------------------------------------- what came of it

    def experiment(self, former: Experiment, *, every_mask: bool = False) -> Experiment:
        """`former` with masks and tracks as they are now; the masks are copied where edited.

        `former` is what was opened, `with_settled`, or what was saved of it since.

        `every_mask` copies them all, as those that were stored are gone.
        """
        draft, labels = self.draft, former.labels
        if labels is not None and draft.masks is not None:
            copies = self._copied()
            others = set(range(len(labels))).difference(copies) if every_mask else ()
            copies |= {frame: self._copy(frame) for frame in others}
            labels = replace(labels, edited=MappingProxyType({**labels.edited, **copies}))
        return replace(former, labels=labels, tracks=draft.tracks(), confirmed=draft.confirmed)

    def _copied(self) -> dict[int, np.ndarray]:
        """Masks of the edited frames; each frame is copied once after it was edited."""
        former, edited = self._copies, self.draft.edited_frames.items()
        self._copies = {key: former[key] if key in former else self._copy(key[0]) for key in edited}
        return {frame: mask for (frame, _), mask in self._copies.items()}

    def _copy(self, frame: int) -> np.ndarray:
        return self.draft.mask(frame).astype(np.int32)

    def _forget_copies(self, steps: Sequence[Step]) -> None:
        """Copy anew what these steps were to paint: they may have been copied half painted."""
        frames = {arguments.get("frame") for _, arguments in steps}
        self._copies = {key: mask for key, mask in self._copies.items() if key[0] not in frames}


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
