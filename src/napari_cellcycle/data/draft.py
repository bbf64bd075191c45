"""An experiment while it is corrected: tables that change in place, and take every change back.

A draft is arrays, one a column, with a row for each cell, and no index beside them; so what an edit
costs hardly depends on the size of the movie.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.cells import NOBODY, Cells, Masks
from napari_cellcycle.data.changes import Change, Mark, Marks, Pixels, Rows, Table, Values
from napari_cellcycle.data.columns import Form
from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.data.tracks import BY_MODEL, Tracks

_LINK = {
    "parent": (np.int64, "parent"),
    "link_score": (float, "score"),
    "link_by": (object, "by"),
}
"""Columns of links: their type here, and their name in the table of links."""
_EXACT = ("frame", "label", "parent", "child")
_TEXT = {"stage": "", "pinned": "", "by": BY_MODEL}


class Draft(Cells):
    """Cells, links and masks that are being corrected.

    Cells are known by their id, a positive number that stays for good; links belong to the child.
    The label of a cell in the masks is its label here and the number of its track. Whoever
    changes more than one thing does so inside `recording`, which takes all of it back if anything
    fails. `masks` is shared with whoever shows it, and changed in place; None without masks.
    """

    def __init__(
        self,
        tracks: Tracks | None = None,
        masks: Masks | None = None,
        stages: StageSet = H2B,
        confirmed: Iterable[tuple[str, int]] = (),
        pixel_size: Sequence[float] | None = None,
    ) -> None:
        self.masks = masks
        self.pixel_size = None if pixel_size is None else tuple(pixel_size)
        self.stages = stages
        self.edited_frames: dict[int, int] = {}
        """Frames whose masks are not those stored, each with the number of its last change."""
        self._changed = 0
        self._marks: dict[Mark, frozenset[tuple]] = {
            "rejected": frozenset(),
            "confirmed": frozenset(confirmed),
        }
        self._changes: list[Change] | None = None
        self._tracks = tracks
        self._open(tracks if tracks is not None else _no_tracks(masks))

    def _open(self, tracks: Tracks) -> None:
        cells, links = tracks.cells, tracks.links
        self._index_name = cells.index.name or "cell_id"
        self._form = Form(cells, cells.index.to_numpy(), _EXACT)
        self._link_form = Form(links, links["child"].to_numpy(), _EXACT)
        self._columns: Table = {
            "cell_id": np.sort(cells.index.to_numpy(np.int64)),
            **self._form.arrays(cells),
        }
        n = len(cells)
        for name, value in _TEXT.items():
            self._columns.setdefault(name, np.full(n, value, object))
        known = self._link_form.arrays(links)
        row = np.searchsorted(self.ids, known["child"])
        for name, (kind, of) in _LINK.items():
            self._columns[name] = np.full(n, "" if kind is object else 0, kind)
            self._columns[name][row] = known[of]
        pairs = tracks.rejected[["parent", "child"]].to_numpy(np.int64).tolist()
        self._first_rejected: list[tuple[int, int]] = list(map(tuple, pairs))
        self._marks["rejected"] = frozenset(self._first_rejected)
        self.candidates = tracks.candidates
        table = tracks.candidates
        self.considered: tuple[np.ndarray, np.ndarray] = (
            table[["parent", "child", "other"]].to_numpy(np.int64).T.copy(),
            table["score"].to_numpy(float),
        )
        """Candidates as arrays: parent, child and other (3, k), and score (k,)."""
        self.next_cell = int(self.ids[-1]) + 1 if n else 1
        self.next_label = int(self.column("label").max(initial=0)) + 1

    # ---------------------------------------------------------------- looking things up

    def as_it_is(self) -> "Draft":
        """A draft to be read, also in another thread, while this one goes on; masks are shared."""
        other = copy(self)
        other._columns, other._marks, other._changes = dict(self._columns), dict(self._marks), None
        return other

    @property
    def tracked(self) -> bool:
        """Whether there are tracks; without, there are only masks."""
        return self._tracks is not None

    @property
    def rejected(self) -> frozenset[tuple[int, int]]:
        """Pairs of cells (parent, child) that the user said are no link."""
        return self._marks["rejected"]

    @property
    def confirmed(self) -> frozenset[tuple[str, int]]:
        """What the user said is right: (kind, number), such as ("division", cell)."""
        return self._marks["confirmed"]

    def fresh_label(self) -> int:
        """A label that no track has, or ever had."""
        self.next_label += 1
        return self.next_label - 1

    def fresh_cell(self) -> int:
        """An id that no cell has, or ever had."""
        self.next_cell += 1
        return self.next_cell - 1

    # ---------------------------------------------------------------- changing things

    @contextmanager
    def recording(self) -> Iterator[list[Change]]:
        """Collect every change of the block; if it fails, none of them has happened."""
        if self._changes is not None:
            yield self._changes
            return
        changes: list[Change] = []
        self._changes = changes
        try:
            yield changes
        except BaseException:
            for change in reversed(changes):
                self.apply(change.inverse())
            raise
        finally:
            self._changes = None

    def set_values(self, name: str, cells: Sequence[int] | np.ndarray, values: Any) -> None:
        """Give `cells` (k,) other values in a column, one each or one for all."""
        wanted = np.asarray(cells, np.int64)
        order = np.argsort(wanted, kind="stable")
        rows = self.rows(wanted[order])
        column = self._columns[name]
        after = np.empty(len(wanted), column.dtype)
        after[:] = values
        after, before = after[order], column[rows]
        differs = ~_equal(before, after)
        if differs.any():
            self._do(Values(name, wanted[order][differs], before[differs], after[differs]))

    def set_parents(
        self,
        children: Sequence[int],
        parents: Sequence[int],
        scores: Sequence[float],
        by: Sequence[str],
    ) -> None:
        """Say which cells `children` (k,) come from; `NOBODY` takes a link away."""
        there = np.asarray(parents, np.int64) != NOBODY
        self.set_values("parent", children, parents)
        self.set_values("link_score", children, np.where(there, scores, 0.0))
        self.set_values("link_by", children, np.where(there, np.asarray(by, object), ""))

    def add_cells(self, table: Table) -> np.ndarray:
        """Add cells with what is known of them; returns their new ids.

        `table` needs `frame`, `label` and the position; columns it lacks are empty.
        """
        n = len(table["frame"])
        ids = np.array([self.fresh_cell() for _ in range(n)], np.int64)
        filled = {
            name: _filled(name, column, table.get(name), n)
            for name, column in self._columns.items()
        }
        self._do(Rows(True, {**filled, "cell_id": ids}))
        return ids

    def remove_cells(self, cells: Sequence[int] | np.ndarray) -> None:
        """Take out cells that have no links any more, and the rejected pairs that they are in."""
        gone = np.unique(np.asarray(cells, np.int64))
        rows = self.rows(gone)
        if self._columns["parent"][rows].any() or np.isin(self._columns["parent"], gone).any():
            raise ValueError("a cell that is taken out still has links")
        leaving = set(gone.tolist())
        self.mark("rejected", [p for p in self.rejected if not leaving.isdisjoint(p)], there=False)
        self._do(Rows(False, {name: column[rows] for name, column in self._columns.items()}))

    def set_pixels(self, frame: int, corner: Sequence[int], after: np.ndarray) -> None:
        """Write masks ([Z,] Y, X) into a box of a frame, its first pixel at `corner`."""
        new = np.ascontiguousarray(after, np.int32)
        change = Pixels(int(frame), tuple(int(c) for c in corner), new, new)
        before = self.mask(frame)[change.box].astype(np.int32)
        if not np.array_equal(before, new):
            self._do(Pixels(change.frame, change.corner, before, new.copy()))

    def mark(self, mark: Mark, entries: Iterable[tuple], there: bool = True) -> None:
        """Put entries into a set of marks, or take them out."""
        known, asked = self._marks[mark], frozenset(entries)
        changed = asked - known if there else asked & known
        if changed:
            nothing: frozenset[tuple] = frozenset()
            added, removed = (changed, nothing) if there else (nothing, changed)
            self._do(Marks(mark, added, removed))

    def _do(self, change: Change) -> None:
        if self._changes is None:
            raise RuntimeError("a draft is changed inside of `recording` only")
        self.apply(change)
        self._changes.append(change)

    def apply(self, change: Change) -> None:
        """Make a change that was recorded before; for undo, redo and a journal."""
        if isinstance(change, Values):
            column = self._columns[change.column].copy()
            column[self.rows(change.cells)] = change.after
            self._columns[change.column] = column
        elif isinstance(change, Rows):
            self._insert(change.table) if change.came else self._delete(change.cells)
        elif isinstance(change, Pixels):
            assert self.masks is not None
            self.masks[(change.frame, *change.box)] = change.after
            self._changed += 1
            self.edited_frames[change.frame] = self._changed
        else:
            known = self._marks[change.mark]
            self._marks[change.mark] = (known - change.removed) | change.added
        self.reserve(change)
        if not isinstance(change, Pixels):
            self._known = None

    def reserve(self, change: Change) -> None:
        """See to it that ids and labels that a change names are never given out anew."""
        if isinstance(change, Rows):
            self.next_cell = max(self.next_cell, int(change.cells.max(initial=0)) + 1)
            labels = change.table["label"]
        elif isinstance(change, Values) and change.column == "label":
            labels = np.maximum(change.before, change.after)
        else:
            return
        self.next_label = max(self.next_label, int(labels.max(initial=0)) + 1)

    def _insert(self, table: Table) -> None:
        n = len(table["cell_id"])
        places = np.searchsorted(self.ids, table["cell_id"])
        for name, column in self._columns.items():
            values = _filled(name, column, table.get(name), n)
            self._columns[name] = np.insert(column, places, values)

    def _delete(self, cells: np.ndarray) -> None:
        rows = self.rows(cells)
        for name, column in self._columns.items():
            self._columns[name] = np.delete(column, rows)

    # ---------------------------------------------------------------- as tables

    _known: Tracks | None = None

    def tracks(self) -> Tracks | None:
        """Everything but the masks, as tables; the same object until something changes."""
        if self._tracks is None:
            return None
        if self._known is None:
            self._known = self._as_tracks()
        return self._known

    def _as_tracks(self) -> Tracks:
        columns = {n: c for n, c in self._columns.items() if n not in ("cell_id", *_LINK)}
        for name in ("stage", "pinned"):
            if name not in self._form and not columns[name].astype(bool).any():
                del columns[name]
        cells = self._form.table(self.ids, columns)
        cells.index.name = self._index_name
        linked = np.flatnonzero(self._columns["parent"])
        both = {"parent": self._columns["parent"][linked], "child": self.ids[linked]}
        known = {of: self._columns[name][linked] for name, (_, of) in _LINK.items()}
        links = self._link_form.table(self.ids[linked], both | known).reset_index(drop=True)
        order = {pair: place for place, pair in enumerate(self._first_rejected)}
        pairs = sorted(self.rejected, key=lambda pair: (order.get(pair, len(order)), pair))
        ends = np.array(pairs, np.int64).reshape(-1, 2)
        rejected = pd.DataFrame(ends, columns=["parent", "child"])
        return Tracks(cells, links, rejected, self.candidates)


def _no_tracks(masks: Masks | None) -> Tracks:
    axes = ["z", "y", "x"][-(len(masks.shape) - 1) :] if masks is not None else ["y", "x"]
    cells = pd.DataFrame({"frame": [], "label": []}, dtype=np.int64)
    cells = cells.assign(**{axis: np.empty(0) for axis in axes})
    cells.index = pd.Index([], dtype=np.int64, name="cell_id")
    links = pd.DataFrame({"parent": [], "child": []}, dtype=np.int64).assign(score=np.empty(0))
    return Tracks(cells, links)


def _filled(name: str, column: np.ndarray, given: Any, n: int) -> np.ndarray:
    values = np.empty(n, column.dtype)
    if given is not None:
        values[:] = given
    elif column.dtype == object:
        values[:] = _TEXT.get(name, "")
    else:
        values[:] = np.nan if column.dtype.kind == "f" and name not in _LINK else 0
    return values


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    same = np.asarray(one == other, bool)
    if one.dtype.kind == "f":
        same |= np.isnan(one) & np.isnan(other)
    return same
