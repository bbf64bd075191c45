"""What has to be looked at again after an edit: the tracks it touched, and what is near."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.row_of import NONE, RowOf
from napari_cellcycle.review.ends import REACH
from napari_cellcycle.review.evidence import FARTHEST, spread
from napari_cellcycle.review.rivals import Lookup
from napari_cellcycle.review.scene import Scene

_WATCHED = ("parent", "link_by", "area", "filled", "fill", "stage", "pinned")
"""Columns by which a cell counts as changed."""
_WHOLE = 2


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a draft was at some time; its columns are never changed in place."""

    ids: np.ndarray
    columns: dict[str, np.ndarray]
    marks: frozenset[tuple]

    @classmethod
    def of(cls, draft: Draft) -> "Snapshot":
        """What `draft` is now."""
        names = {*_WATCHED, "frame", "label", *draft.axes} & set(draft.names)
        columns = {name: draft.column(name) for name in names}
        return cls(draft.ids, columns, draft.confirmed | draft.rejected)

    def rows(self, cells: np.ndarray) -> np.ndarray:
        """Rows (k,) that `cells` (k,) had, `NONE` of those that were not there."""
        if not len(self.ids):
            return np.full(len(cells), NONE)
        row = np.minimum(np.searchsorted(self.ids, cells), len(self.ids) - 1)
        return np.where(self.ids[row] == cells, row, NONE)


@dataclass(frozen=True, eq=False)
class Focus:
    """Rows to be looked at again, and those of them whose whole tracks are.

    `looked_at` (n + 1,) says for each row whether it is among the former (1) or among both (2);
    the last is the row of cells that are gone (2).
    """

    rows: np.ndarray
    tracks: np.ndarray
    looked_at: np.ndarray
    row_of: RowOf

    def has_rows(self, cells: np.ndarray) -> np.ndarray:
        """Whether `cells` (k,) are looked at, or gone."""
        return self._level(cells) >= 1

    def has_tracks(self, cells: np.ndarray) -> np.ndarray:
        """Whether the whole tracks of `cells` (k,) are looked at, or they are gone."""
        return self._level(cells) >= _WHOLE

    def _level(self, cells: np.ndarray) -> np.ndarray:
        return np.asarray(self.looked_at[self.row_of(cells)])


def focus_on(
    scene: Scene,
    before: Snapshot,
    touched: Iterable[int],
    telling: Callable[[np.ndarray], np.ndarray],
) -> Focus:
    """What to look at after an edit that touched some cells (ids).

    `telling` gives, for some cells, those that there are doubts about which tell of them.
    """
    marks = (scene.draft.confirmed | scene.draft.rejected) ^ before.marks
    marked = np.array([c for mark in marks for c in mark if isinstance(c, int)], np.int64)
    cells = np.union1d(np.fromiter(touched, np.int64), marked)
    changed = np.union1d(_changed(scene, before, cells), marked)
    parents = _parents(scene, before, changed)
    near = np.unique(np.concatenate([_loose(scene, cells), changed, parents]))
    told = telling(cells)
    tracks = _tracks(scene, np.unique(np.concatenate([cells, parents, told])))
    rows = np.zeros(len(scene), bool)
    rows[tracks] = True
    rows[_rows(scene, told)] = True
    rows[_near(scene, before, near)] = True
    rows[_rivals(scene, np.union1d(cells, parents))] = True
    looked_at = np.append(rows.astype(np.int64), _WHOLE)
    looked_at[tracks] = _WHOLE
    return Focus(np.flatnonzero(rows), tracks, looked_at, scene.row_of)


def _changed(scene: Scene, before: Snapshot, cells: np.ndarray) -> np.ndarray:
    """Those of `cells` that came, went, or differ in what doubts are about."""
    now, then = scene.rows_of(cells), before.rows(cells)
    both = (now != NONE) & (then != NONE)
    differs = ~both
    for name in _WATCHED:
        if name in before.columns:
            new, old = scene.draft.column(name)[now[both]], before.columns[name][then[both]]
            differs[both] |= np.asarray(new != old, bool)
    return cells[differs]


def _parents(scene: Scene, before: Snapshot, cells: np.ndarray) -> np.ndarray:
    """What `cells` come from, now and before, and what came from those that are gone."""
    then = before.rows(cells)
    former = before.columns["parent"][then[then != NONE]]
    now = scene.draft.column("parent")[_rows(scene, cells)]
    orphans = before.ids[np.isin(before.columns["parent"], cells)]
    found = np.concatenate([former, now, orphans])
    return np.unique(found[found != NOBODY])


def _tracks(scene: Scene, cells: np.ndarray) -> np.ndarray:
    """Rows of the tracks of `cells`, of their mothers and of their daughters."""
    labels = np.unique(scene.label[_rows(scene, cells)])
    heads, tails = scene.head_of(labels), scene.tail_of(labels)
    relatives = np.concatenate([scene.parent[heads], scene.first[tails], scene.second[tails]])
    labels = np.union1d(labels, scene.label[relatives[relatives != NONE]])
    return np.flatnonzero(np.isin(scene.label, labels))


def _loose(scene: Scene, cells: np.ndarray) -> np.ndarray:
    """Those of `cells` that come from nowhere or do not go on."""
    rows = _rows(scene, cells)
    return scene.ids[rows[(scene.parent[rows] == NONE) | (scene.first[rows] == NONE)]]


def _near(scene: Scene, before: Snapshot, cells: np.ndarray) -> np.ndarray:
    """Rows that rules compare with `cells`: neighbours, and loose ends of frames around."""
    now, then = scene.rows_of(cells), before.rows(cells)
    gone = (now == NONE) & (then != NONE)
    places = [scene.place[now[now != NONE]]]
    axes = [before.columns[axis][then[gone]] for axis in scene.draft.axes]
    places.append(np.column_stack(axes) * scene.facts.pixel_size)
    frames = np.concatenate([scene.frame[now[now != NONE]], before.columns["frame"][then[gone]]])
    points, radius = np.concatenate(places), FARTHEST * scene.norms.unit
    is_loose = (scene.parent == NONE) | (scene.first == NONE)
    found = [np.empty(0, np.int64)]
    for frame in np.unique(frames).tolist():
        here = cKDTree(points[frames == frame])
        for other in range(frame - REACH, frame + REACH + 1):
            rows, gap = scene.in_frame(other), abs(other - frame)
            rows = rows if gap <= 1 else rows[is_loose[rows]]
            reach = radius * max(gap, 1) ** 0.5
            there = scene.place[rows]
            around = ((there >= here.mins - reach) & (there <= here.maxes + reach)).all(axis=1)
            away = here.query(there[around])[0]
            found.append(rows[around][away <= reach])
    return np.concatenate(found)


def _rivals(scene: Scene, cells: np.ndarray) -> np.ndarray:
    """Rows of cells that the tracker thought could be linked with `cells`, and their children."""
    rivals = scene.rivals
    asked = (rivals.into, rivals.out, rivals.divisions, rivals.births)
    ends = np.concatenate([_candidates(lookup, cells).ravel() for lookup in asked])
    rows = _rows(scene, np.unique(ends))
    found = np.concatenate([rows, scene.first[rows], scene.second[rows]])
    return found[found != NONE]


def _candidates(lookup: Lookup, cells: np.ndarray) -> np.ndarray:
    begin, end = (np.searchsorted(lookup.key, cells, side) for side in ("left", "right"))
    return lookup.ends[spread(begin, end)[1]]


def _rows(scene: Scene, cells: np.ndarray) -> np.ndarray:
    rows = scene.rows_of(cells)
    return rows[rows != NONE]
