"""Cells that were drawn into gaps of a track, where the segmentation had none."""

from collections.abc import Iterator

import numpy as np

from napari_cellcycle.data.row_of import NONE
from napari_cellcycle.errors import Fix
from napari_cellcycle.review.doubt import Doubt
from napari_cellcycle.review.evidence import Evidence, known, logit
from napari_cellcycle.review.mends import unlinked
from napari_cellcycle.review.scene import Scene
from napari_cellcycle.review.weights import LEAST, chance
from napari_cellcycle.review.words import frames

_LONGEST = 10


def filled_rows(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` that are the first of some drawn into a gap, before one that was seen."""
    rows = rows[scene.filled(rows)]
    parent = scene.comes_alone(rows)
    rows = rows[(parent != NONE) & ~scene.filled(parent) & ~scene.held(rows)]
    return rows[~scene.filled(gap_end(scene, rows))]


def gap_end(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Where the gaps that begin with `rows` end: the first cell after each that was seen."""
    end = rows
    for _ in range(_LONGEST):
        goes_on = scene.filled(end) & (scene.goes_on_alone(end) != NONE)
        end = np.where(goes_on, scene.first[end], end)
    return end


def filled_evidence(scene: Scene, rows: np.ndarray) -> Evidence:
    """What speaks for and against the cells that were drawn into the gaps from `rows` on."""
    norms, before, after = scene.norms, scene.parent[rows], gap_end(scene, rows)
    length = scene.frame[after] - scene.frame[before]
    drift = np.cumsum(norms.drift, axis=0)
    step = scene.place[after] - scene.place[before]
    step -= drift[scene.frame[after]] - drift[scene.frame[before]]
    away = np.linalg.norm(step, axis=1) / norms.unit / np.sqrt(np.maximum(length, 1))
    unsure = -logit(scene.draft.column("link_score")[rows])
    return {
        **({"unsure": unsure} if norms.scored else {}),
        "step": np.log1p(away / norms.step),
        "length": np.log(np.maximum(length, 1)),
        "grown": np.log1p(np.abs(known(scene.log_area[after] - scene.log_area[before]))),
        "trouble": np.full(len(rows), norms.trouble),
    }


def filled_doubts(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """A doubt for each gap, beginning with one of `rows`, that may have been none."""
    rows = filled_rows(scene, rows)
    weight = chance(scene.named("filled"), filled_evidence(scene, rows))
    shown = np.flatnonzero(weight >= LEAST)
    rows = rows[shown]
    ends = gap_end(scene, rows)
    for place, row in enumerate(rows.tolist()):
        run = [row]
        while scene.first[run[-1]] != ends[place] and len(run) < _LONGEST:
            run.append(int(scene.first[run[-1]]))
        cells = [int(scene.ids[each]) for each in run]
        name, first = scene.label[row], scene.frame[row]
        words = f"Delete what was drawn of cell {name} from frame {first} on"
        yield scene.doubt(
            "gap",
            [row, int(scene.parent[row])],
            f"Cell {name} was not found for {frames(len(run))} from frame {first} on, and drawn "
            "in between.",
            float(weight[shown[place]]),
            ("link", cells[0]),
            (unlinked(scene, cells[0]), Fix(words, "delete_cells", {"cells": cells})),
        )
