"""An experiment while it is corrected: tables that change in place, and take every change back.

A draft is arrays, one a column, with a row for each cell. Looking something up scans a column,
which for a hundred thousand cells takes less than a tenth of a millisecond; so there is nothing
else to keep in step, and what an edit costs hardly depends on the size of the movie.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, Protocol

import numpy as np
import pandas as pd

from napari_cellcycle.data.boxes import Box, pixels_of
from napari_cellcycle.data.changes import Change, Mark, Marks, Pixels, Rows, Table, Values
from napari_cellcycle.data.columns import Form
from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.data.tracks import BY_MODEL, Tracks

NOBODY = 0
"""Id of no cell, and label of no mask."""
_LINK = {
    "parent": (np.int64, "parent"),
    "link_score": (float, "score"),
    "link_by": (object, "by"),
}
"""Columns of links: their type here, and their name in the table of links."""
_EXACT = ("frame", "label", "parent", "child")
_TEXT = {"stage": "", "pinned": "", "by": BY_MODEL}


class Masks(Protocol):
    """Masks that can be read and written by frame: numpy arrays, and `OverlaidMasks`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, [Z,] Y, X)."""

    def __getitem__(self, index: Any, /) -> Any: ...
    def __setitem__(self, index: Any, values: Any, /) -> None: ...


class Draft:
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

    def __len__(self) -> int:
        return len(self.ids)

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
    def ids(self) -> np.ndarray:
        """Ids of all cells, ascending; the order of the rows of every column."""
        return self._columns["cell_id"]

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return list(self._columns)

    @property
    def axes(self) -> list[str]:
        """Names of the position columns: [z,] y, x, in pixels."""
        return [axis for axis in ("z", "y", "x") if axis in self._columns]

    @property
    def rejected(self) -> frozenset[tuple[int, int]]:
        """Pairs of cells (parent, child) that the user said are no link."""
        return self._marks["rejected"]

    @property
    def confirmed(self) -> frozenset[tuple[str, int]]:
        """What the user said is right: (kind, number), such as ("division", cell)."""
        return self._marks["confirmed"]

    def column(self, name: str) -> np.ndarray:
        """Values (n,) of all cells; read-only. Links are `parent`, `link_score` and `link_by`."""
        return self._columns[name]

    def has(self, cell: int) -> bool:
        """Whether there is such a cell."""
        row = int(np.searchsorted(self.ids, cell))
        return row < len(self) and self.ids[row] == cell

    def row(self, cell: int) -> int:
        """Row of a cell in every column."""
        row = int(np.searchsorted(self.ids, cell))
        if row >= len(self) or self.ids[row] != cell:
            raise KeyError(f"there is no cell {cell}")
        return row

    def rows(self, cells: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows (k,) of cells (k,) that are there."""
        wanted = np.asarray(cells, np.int64)
        rows = np.searchsorted(self.ids, wanted)
        if len(wanted) and (rows.max() >= len(self) or (self.ids[rows] != wanted).any()):
            raise KeyError(f"there is no cell {wanted[~np.isin(wanted, self.ids)][0]}")
        return rows

    def value(self, cell: int, name: str) -> Any:
        """What one cell has in one column."""
        return self._columns[name][self.row(cell)]

    def frame(self, cell: int) -> int:
        """Frame that a cell is in."""
        return int(self.value(cell, "frame"))

    def label(self, cell: int) -> int:
        """Label of a cell, which is the number of its track."""
        return int(self.value(cell, "label"))

    def place(self, cell: int) -> np.ndarray:
        """Position [z,] y, x of a cell in pixels."""
        row = self.row(cell)
        return np.array([self._columns[axis][row] for axis in self.axes], float)

    def parent(self, cell: int) -> int:
        """Cell that a cell comes from, `NOBODY` if it appears."""
        return int(self.value(cell, "parent"))

    def children(self, cell: int) -> list[int]:
        """Cells that a cell goes on as: none, one, or two after a division."""
        return self.ids[self._columns["parent"] == cell].tolist()

    def in_frame(self, frame: int) -> np.ndarray:
        """Ids of the cells in a frame."""
        return self.ids[self._columns["frame"] == frame]

    def cell_at(self, frame: int, label: int) -> int:
        """The cell with a label in a frame; `NOBODY` if there is none."""
        here = (self._columns["label"] == label) & (self._columns["frame"] == frame)
        found = self.ids[here]
        return int(found[0]) if len(found) else NOBODY

    def track(self, label: int) -> np.ndarray:
        """Ids of the cells of a track, in the order of time."""
        rows = np.flatnonzero(self._columns["label"] == label)
        return self.ids[rows[np.argsort(self._columns["frame"][rows], kind="stable")]]

    def onwards(self, cell: int) -> np.ndarray:
        """The rest of a cell's track, from it to its division or end, in the order of time."""
        track = self.track(self.label(cell))
        return track[self._columns["frame"][self.rows(track)] >= self.frame(cell)]

    def daughters(self, label: int) -> list[int]:
        """Labels of the two tracks that a track divides into, if it does."""
        track = self.track(label)
        born = self.children(int(track[-1])) if len(track) else []
        return [self.label(cell) for cell in born] if len(born) == 2 else []

    def mother(self, label: int) -> int:
        """Label of the track that a track was born from; `NOBODY` if it appeared."""
        track = self.track(label)
        parent = self.parent(int(track[0])) if len(track) else NOBODY
        return self.label(parent) if parent else NOBODY

    def mask(self, frame: int) -> np.ndarray:
        """Masks ([Z,] Y, X) of a frame; read-only."""
        assert self.masks is not None
        return np.asarray(self.masks[frame])

    def pixels_of(self, cell: int) -> tuple[Box, np.ndarray]:
        """A box in the frame of a cell, and which pixels of it, bool, are the cell's.

        Its measured area tells whether a window around its place holds all of it, so that the
        rest of a large frame need not be searched.
        """
        row = self.row(cell)
        area = float(self._columns["area"][row]) if "area" in self._columns else 0.0
        mask, label = self.mask(self.frame(cell)), int(self._columns["label"][row])
        return pixels_of(mask, label, self.place(cell), area, self.pixel_size)

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
