"""What was done, what can be taken back, and what can be done again."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from napari_cellcycle.data.changes import Change, touched_cells, touched_frames
from napari_cellcycle.data.draft import Draft


@dataclass(frozen=True, eq=False)
class Edit:
    """One thing that was done, with everything that it changed.

    `operation` and `arguments` say what was asked for; `words` what came of it, and
    `consequences` what else was changed because of it, each in a sentence. `model` is the
    tracker whose links were corrected.
    """

    operation: str
    arguments: dict[str, Any]
    words: str
    changes: tuple[Change, ...]
    consequences: tuple[str, ...] = ()
    author: str = ""
    model: str | None = None
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def cells(self) -> np.ndarray:
        """Ids of all cells that it touched, ascending; some may be gone, or not there yet."""
        return touched_cells(self.changes)

    @property
    def frames(self) -> list[int]:
        """Frames whose masks it changed, ascending."""
        return touched_frames(self.changes)


class History:
    """The edits of a draft in their order; those that were taken back can be done again."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self.done: list[Edit] = []
        self.undone: list[Edit] = []

    def push(self, edit: Edit) -> None:
        """Remember an edit that was done; what was undone before is forgotten."""
        self.done.append(edit)
        self.undone.clear()

    def repeat(self, edit: Edit, *, apply: bool = True) -> None:
        """Do an edit of a journal; without `apply` the draft holds it already."""
        for change in edit.changes:
            if apply:
                self._draft.apply(change)
            else:
                self._draft.reserve(change)
        self.push(edit)

    def undo(self, *, apply: bool = True) -> Edit | None:
        """Take back the last edit; None if there is none."""
        if not self.done:
            return None
        edit = self.done.pop()
        for change in reversed(edit.changes) if apply else ():
            self._draft.apply(change.inverse())
        self.undone.append(edit)
        return edit

    def redo(self, *, apply: bool = True) -> Edit | None:
        """Do again what was taken back last; None if there is nothing."""
        if not self.undone:
            return None
        edit = self.undone.pop()
        for change in edit.changes if apply else ():
            self._draft.apply(change)
        self.done.append(edit)
        return edit
