"""Somebody who knows the truth and corrects a result by what the viewer offers, counting clicks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np
from known_truth import NONE, Truth

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.changes import Pixels, Rows, Values
from napari_cellcycle.data.history import Edit
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.review.doubt import Doubt, Facts
from napari_cellcycle.review.find import find_doubts, refreshed

COSTS = {
    "jump": 1,  # N
    "mend": 1,  # 1, 2 or 3
    "confirm": 1,  # Enter
    "view": 1,  # the next part of a frame, or the next frame
    "undo": 1,  # Z
    "link": 3,  # two cells, C
    "replace": 4,  # two cells, C, and the way out that is offered
    "unlink": 2,  # the cell, B
    "divide": 4,  # three cells, Y
    "swap": 3,  # two cells, S
    "delete_cells": 2,  # the cell, D
    "delete_track": 2,  # the cell, Shift D
    "paint": 2,  # to the frame where a mask is missing, and one stroke
    "split": 3,  # the cell, the tool, one line
}
"""Clicks and keys that each thing takes."""
IN_VIEW = 25
"""Cells that can be judged at a glance; a frame with more is looked at part by part."""
_MOST = 200
_PASSES = 4


@dataclass
class Log:
    """What correcting took: clicks and looks so far and errors left, step by step; steps by kind.

    A look is one doubt, or one cell in one frame, that is judged.
    """

    clicks: list[int] = field(default_factory=lambda: [0])
    looks: list[int] = field(default_factory=lambda: [0])
    errors: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str) -> None:
        """Count a step."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.clicks[-1] += COSTS[kind]

    def note(self, errors: int) -> None:
        """Remember how many errors are left now."""
        self.errors.append(errors)
        self.clicks.append(self.clicks[-1])
        self.looks.append(self.looks[-1])

    def until(self, share: float) -> tuple[int, int] | None:
        """Clicks and looks after which that share of the errors is gone; None if it never was."""
        enough = (1 - share) * self.errors[0]
        reached = [place for place, errors in enumerate(self.errors) if errors <= enough]
        return (self.clicks[reached[0]], self.looks[reached[0]]) if reached else None


class Annotator:
    """Corrects through an editor until lineages and masks are as in the truth."""

    def __init__(self, editor: Editor, truth: Truth, facts: Facts) -> None:
        self.editor, self.draft, self.truth, self.facts = editor, editor.draft, truth, facts
        self.log = Log()
        self.touched: set[int] = set()
        self.log.note(self.errors)

    @property
    def errors(self) -> int:
        """How much is wrong now."""
        return self.truth.errors(self.draft)

    # ---------------------------------------------------------------- orders

    def follow_list(self, rng: np.random.Generator | None = None) -> None:
        """Look at all that is worth a look, the weightiest first; with `rng` in any order."""
        doubts = find_doubts(self.draft, self.facts)
        while doubts.likely and self.log.errors[-1]:
            place = 0 if rng is None else int(rng.integers(doubts.likely))
            self.touched = set()
            self._visit(doubts[place])
            doubts = refreshed(doubts, self.draft, self.facts, self.touched)
            self.log.note(self.errors)

    def go_through_frames(self) -> None:
        """Look at all cells of all frames, one after the other; again if anything is left."""
        for _ in range(_PASSES):
            for frame in range(self.facts.frames):
                if not self.log.errors[-1]:
                    return
                self._look_at_frame(frame)

    def _look_at_frame(self, frame: int) -> None:
        cells = self.draft.in_frame(frame)
        for _ in range(max(1, ceil(len(cells) / IN_VIEW))):
            self.log.add("view")
        self.log.looks[-1] += len(cells)
        self._put_right(cells.tolist())
        missing = (self.truth.frame == frame) & (self.truth.mask == NOBODY)
        for true in np.flatnonzero(missing).tolist():
            self._do(*self._drawn(true))
        self._put_right(self.draft.in_frame(frame).tolist())
        self.log.note(self.errors)

    def _visit(self, doubt: Doubt) -> None:
        self.log.add("jump")
        self.log.looks[-1] += 1
        if all(self._next(cell) is None for cell in doubt.cells):
            self._confirm(doubt)
            return
        mended = self._mend(doubt)
        self._put_right([*doubt.cells, *mended])

    def _confirm(self, doubt: Doubt) -> None:
        self.log.add("confirm")
        keys = [("confirm", {"kind": kind, "number": number}) for kind, number in doubt.keys]
        self._note(self.editor.do_all(keys))

    def _mend(self, doubt: Doubt) -> list[int]:
        """Take the mend after which least is wrong, if it makes anything better."""
        before, best = self.errors, None
        for fix in doubt.mends:
            try:
                edit = self.editor.do(fix.operation, **fix.arguments)
            except Refused:
                continue
            if edit is None:
                continue
            self._note(edit)
            after = self.errors
            self._note(self.editor.undo())
            if after < before:
                before, best = after, fix
        if best is None:
            return []
        self.log.add("mend")
        edit = self.editor.do(best.operation, **best.arguments)
        self._note(edit)
        return _relinked(edit)

    # ---------------------------------------------------------------- putting right

    def _put_right(self, cells: Iterable[int]) -> None:
        """Correct whatever is wrong with cells, and with what that changes, until nothing is."""
        waiting, edits = list(dict.fromkeys(cells)), 0
        while waiting and edits < _MOST:
            step = self._next(waiting[0])
            edit = self._do(*step) if step is not None else None
            if edit is None:
                waiting.pop(0)
                continue
            edits += 1
            waiting += [cell for cell in _relinked(edit) if cell not in waiting]

    def _do(self, name: str, arguments: dict[str, Any]) -> Edit | None:
        self.log.add(name)
        try:
            edit = self.editor.do("paint" if name == "split" else name, **arguments)
        except Refused:
            return None
        self._note(edit)
        return edit

    def _note(self, edit: Edit | None) -> None:
        if edit is not None:
            self.touched.update(edit.cells.tolist())
            self.truth.look_again(self.draft, _redrawn(edit))

    def _next(self, cell: int) -> tuple[str, dict[str, Any]] | None:
        """The next thing to do about a cell; None if all is right with it."""
        draft, truth = self.draft, self.truth
        if not draft.has(cell):
            return None
        true = int(truth.of(np.array([cell]))[0])
        if true == NONE:
            inside = truth.inside(cell)
            return self._parted(cell, inside) if inside else self._deleted(cell)
        mask, above = truth.mask, int(truth.parent[true])
        if above != NONE and not mask[above]:
            return self._drawn(above)
        if above != NONE and draft.parent(cell) != mask[above]:
            return self._linked(int(mask[above]), cell)
        if above == NONE and draft.parent(cell):
            return "unlink", {"child": cell}
        missing = [child for child in truth.children[true] if not mask[child]]
        if missing:
            return self._drawn(missing[0])
        wanted = [int(mask[child]) for child in truth.children[true]]
        there = draft.children(cell)
        if set(wanted) == set(there):
            return None
        if len(wanted) == 2:
            return "divide", {"mother": cell, "daughters": wanted}
        wrong = [child for child in there if child not in wanted]
        if wrong and (not wanted or wanted[0] in there):
            return "unlink", {"child": wrong[0]}
        return self._linked(cell, wanted[0])

    def _deleted(self, cell: int) -> tuple[str, dict[str, Any]]:
        """Take out a mask that is no cell: here, or the whole track if none of it is."""
        label = self.draft.label(cell)
        track = self.draft.track(label)
        if len(track) > 1 and not np.isin(track, self.truth.found).any():
            return "delete_track", {"label": label}
        return "delete_cells", {"cells": [cell]}

    def _linked(self, parent: int, child: int) -> tuple[str, dict[str, Any]]:
        """The shortest way to link two cells."""
        draft, truth, mask = self.draft, self.truth, self.truth.mask
        true = int(truth.of(np.array([parent]))[0])
        born = [int(mask[other]) for other in truth.children[true]]
        if len(born) == 2 and all(born):
            return "divide", {"mother": parent, "daughters": born}
        there = [other for other in draft.children(parent) if other not in born]
        if not there:
            return "link", {"parent": parent, "child": child}
        other, former = there[0], draft.parent(child)
        owner = int(truth.parent[truth.of(np.array([other]))[0]])
        same = draft.frame(other) == draft.frame(child) and len(there) == 1
        if same and former and len(draft.children(former)) == 1 and mask[owner] == former:
            return "swap", {"first": child, "second": other}
        return "replace", {"parent": parent, "child": child}

    def _drawn(self, true: int) -> tuple[str, dict[str, Any]]:
        """Draw the mask of a true cell that has none, in the number of its track if it has one."""
        frame = int(self.truth.frame[true])
        mask, whole = self.draft.mask(frame), self.truth.pixels(true)
        free = whole[mask.ravel()[whole] == 0]
        return "paint", self._painted(frame, free if 2 * len(free) > len(whole) else whole, true)

    def _parted(self, cell: int, inside: list[int]) -> tuple[str, dict[str, Any]]:
        """Part a mask that holds several cells: the smallest of them gets a number of its own."""
        frame, own = self.draft.frame(cell), self.draft.label(cell)
        mask = self.draft.mask(frame).ravel()
        pixels = [self.truth.pixels(true) for true in inside]
        pixels = [places[mask[places] == own] for places in pixels]
        least = int(np.argmin([len(places) for places in pixels]))
        return "split", self._painted(frame, pixels[least], inside[least])

    def _painted(self, frame: int, places: np.ndarray, true: int) -> dict[str, Any]:
        """What to paint at flat places of a frame so that they show a true cell."""
        mask = self.draft.mask(frame)
        where = np.unravel_index(places, mask.shape)
        box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in where)
        corner = tuple(part.start for part in box)
        masks = mask[box].copy()
        masks[tuple(axis - first for axis, first in zip(where, corner, strict=True))] = (
            self._number(true, frame)
        )
        return {"frame": frame, "corner": corner, "masks": masks}

    def _number(self, true: int, frame: int) -> int:
        """The number of the track that a true cell belongs to, if it is free; else a new one."""
        truth, draft, mask = self.truth, self.draft, self.truth.mask
        above = int(truth.parent[true])
        near = [above] if above != NONE and len(truth.children[above]) == 1 else []
        near += truth.children[true] if len(truth.children[true]) == 1 else []
        for cell in mask[near].tolist():
            if cell and not draft.cell_at(frame, draft.label(cell)):
                return draft.label(cell)
        return draft.fresh_label()


def _redrawn(edit: Edit) -> list[int]:
    """Frames in which an edit changed which pixels are which cell's, other than by numbers."""
    frames: set[int] = set()
    for change in edit.changes:
        if isinstance(change, Rows):
            frames.update(change.table["frame"].tolist())
        elif isinstance(change, Pixels) and _reshapes(change):
            frames.add(change.frame)
    return sorted(frames)


def _reshapes(change: Pixels) -> bool:
    """Whether masks changed their form, not only their number."""
    pairs = np.unique(np.column_stack([change.before.ravel(), change.after.ravel()]), axis=0)
    return any(len(np.unique(side)) < len(pairs) for side in pairs.T)


def _relinked(edit: Edit | None) -> list[int]:
    """Cells that an edit gave another parent, took one from, or made."""
    found: set[int] = set()
    for change in edit.changes if edit is not None else ():
        if isinstance(change, Values) and change.column == "parent":
            found.update(change.cells.tolist(), change.before.tolist(), change.after.tolist())
        elif isinstance(change, Rows):
            found.update(change.cells.tolist(), change.table["parent"].tolist())
    return sorted(found - {NOBODY})
