"""Masks that may hold two cells, or be a part of one."""

from collections.abc import Iterator

import numpy as np

from napari_cellcycle.data.row_of import NONE
from napari_cellcycle.errors import Fix
from napari_cellcycle.review.doubt import Doubt
from napari_cellcycle.review.evidence import Evidence, known, near
from napari_cellcycle.review.mends import joined, parted
from napari_cellcycle.review.scene import Scene
from napari_cellcycle.review.weights import LEAST, chance
from napari_cellcycle.review.words import listed, times

_BESIDE = 1.3
"""Diameters within which a loose end may have been taken into a mask."""
_CHANGED, _DENTED = 0.1, 0.03
"""From when on it is mentioned: a change of log area, and of the fill of the ellipse around."""


def mask_rows(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` whose size is known, as is that of the same cell before or after."""
    rows = rows[np.isfinite(scene.log_area[rows]) & ~scene.filled(rows)]
    return rows[(scene.comes_alone(rows) != NONE) | (scene.goes_on_alone(rows) != NONE)]


def mask_evidence(scene: Scene, rows: np.ndarray) -> Evidence:
    """What speaks for masks that hold more, or less, than one cell."""
    return {**_of_itself(scene, rows), **_of_neighbours(scene, rows, scene.nearest(rows, 0, 2)[1])}


def _of_itself(scene: Scene, rows: np.ndarray) -> Evidence:
    out = out_of_size(scene, rows)
    hollow = np.zeros(len(rows))
    if "fill" in scene.draft.names:
        hollow = -_out(scene, rows, scene.draft.column("fill"))
    return {
        "more": np.log1p(np.maximum(out, 0) / scene.norms.growth),
        "less": np.log1p(np.maximum(-out, 0) / scene.norms.growth),
        "twice": np.exp(-(((out - 0.7) / 0.3) ** 2)),
        "half": np.exp(-(((out + 0.7) / 0.4) ** 2)),
        "size": scene.log_area[rows] - scene.ndim * np.log(scene.norms.unit),
        "hollow": hollow,
        "trouble": np.full(len(rows), scene.norms.trouble),
    }


def _of_neighbours(scene: Scene, rows: np.ndarray, away: np.ndarray) -> Evidence:
    return {
        "beside": near(away[:, 1]),
        "lost": _loose_beside(scene, rows, -1),
        "found": _loose_beside(scene, rows, 1),
    }


def out_of_size(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """How much larger masks are than those of the same cell around them, in logs (m,).

    The lesser of the two changes if it grows and shrinks again, or the other way round; 0 if it
    only grows or shrinks. Where there is one neighbour in time, the change from it.
    """
    before, after, size = scene.comes_alone(rows), scene.goes_on_alone(rows), scene.log_area
    rise = np.where(before != NONE, size[rows] - size[before], np.nan)
    fall = np.where(after != NONE, size[rows] - size[after], np.nan)
    both = np.isfinite(rise) & np.isfinite(fall)
    least = np.where(np.abs(rise) < np.abs(fall), rise, fall)
    least = np.where(np.sign(rise) == np.sign(fall), least, 0)
    return known(np.where(both, least, np.where(np.isfinite(rise), rise, fall)))


def _out(scene: Scene, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How much larger values are than the mean of those before and after (m,)."""
    before, after = scene.comes_alone(rows), scene.goes_on_alone(rows)
    before, after = np.where(before == NONE, rows, before), np.where(after == NONE, rows, after)
    return known(values[rows] - (values[before] + values[after]) / 2)


def _loose_beside(scene: Scene, rows: np.ndarray, later: int) -> np.ndarray:
    """Whether a track ends right before (-1), or begins right after (1), beside each of `rows`."""
    loose = (scene.first if later == -1 else scene.parent) == NONE
    places, frames = scene.place[rows], scene.frame[rows] + later
    away = scene.nearest_to(places, frames, loose, 1, _BESIDE)[1][:, 0]
    return (away < _BESIDE).astype(float)


def mask_doubts(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """A doubt for each mask of `rows` that may hold two cells, or be a part of one."""
    rows = mask_rows(scene, rows)
    own = _of_itself(scene, rows)
    most = {name: np.ones(len(rows)) for name in ("beside", "lost", "found")}
    likely = chance("mask", {**own, **most}) >= LEAST  # who is near is slow to find out
    rows, own = rows[likely], {name: values[likely] for name, values in own.items()}
    found, away = scene.nearest(rows, 0, 2)
    evidence = {**own, **_of_neighbours(scene, rows, away)}
    weight = chance("mask", evidence)
    shown = weight >= LEAST
    rows, weight, found, away = rows[shown], weight[shown], found[shown], away[shown]
    evidence = {name: values[shown] for name, values in evidence.items()}
    out = out_of_size(scene, rows)
    beside = np.where((out < 0) & (away[:, 1] <= _BESIDE), found[:, 1], NONE)
    for place, row in enumerate(rows.tolist()):
        change = float(out[place])
        merged = change >= 0
        said = [f"it is {times(change, 'larger', 'smaller')} than before and after"]
        said = said if abs(change) > _CHANGED else []
        said += ["a cell beside it is lost"] if evidence["lost"][place] else []
        said += ["a cell appears beside it"] if evidence["found"][place] else []
        said += ["its outline is dented"] if evidence["hollow"][place] > _DENTED else []
        what = "may hold two cells" if merged else "may be a part of it only"
        name, frame = scene.label[row], scene.frame[row]
        yield scene.doubt(
            "merged" if merged else "split",
            [row] if beside[place] == NONE else [row, int(beside[place])],
            f"The mask of cell {name} in frame {frame} {what}{': ' if said else ''}{listed(said)}.",
            float(weight[place]),
            ("mask", int(scene.ids[row])),
            _mends(scene, row, int(beside[place]), merged),
        )


def _mends(scene: Scene, row: int, beside: int, merged: bool) -> tuple[Fix, ...]:
    """Part a mask, or join it with the one beside; or take it out."""
    name, frame = int(scene.label[row]), int(scene.frame[row])
    deleted = Fix(
        f"Delete cell {name} in frame {frame}", "delete_cells", {"cells": [int(scene.ids[row])]}
    )
    if merged:
        return parted(scene, row), deleted
    return (deleted,) if beside == NONE else (joined(scene, row, beside), deleted)
