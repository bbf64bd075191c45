"""What is usual in a movie: how large cells are, how they move, grow and brighten."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from napari_cellcycle.review.scene import Scene

_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""
_LOOK_BACK = 3
"""Frames before a division in which mitosis is looked for."""
_LEAST_STEP, _LEAST_GROWTH, _LEAST_LIGHT = 0.03, 0.04, 0.03


@dataclass(frozen=True, eq=False)
class Norms:
    """Typical values of a movie, robust against what is wrong in it.

    `unit` is the median diameter in um; `drift` (frames, d) how far, in um, most cells move into
    each frame, and `step` how far, in diameters, they scatter about that. `growth` and `light`
    are the spreads of the changes of log area and log brightness from frame to frame, `lighter`
    (frames,) the median of the latter into each frame. `trouble` is the logarithm of the share of
    cells at which a track is broken: it is lost or appears away from the edge, or has a gap.
    `mitosis` is how much of it is seen before a usual division, 0 where cells have no stages, and
    `scored` whether it is known how sure the tracker was.
    """

    unit: float
    drift: np.ndarray
    step: float
    growth: float
    light: float
    lighter: np.ndarray
    trouble: float
    mitosis: float
    scored: bool


def norms_of(scene: "Scene") -> Norms:
    """The norms of a movie, from the links between consecutive frames that are no divisions."""
    known = scene.diameter[np.isfinite(scene.diameter)]
    unit = float(np.median(known)) if len(known) else 20.0 * scene.facts.pixel_size[-1]
    child = np.flatnonzero(scene.parent >= 0)
    parent = scene.parent[child]
    plain = (scene.second[parent] < 0) & (scene.frame[child] - scene.frame[parent] == 1)
    child, parent = child[plain], parent[plain]
    into = scene.frame[child]
    step = scene.place[child] - scene.place[parent]
    drift = _median_by_frame(into, step, scene.facts.frames)
    away = np.linalg.norm(step - drift[into], axis=1) / unit
    grown = np.abs(scene.log_area[child] - scene.log_area[parent])
    light = scene.log_light[child] - scene.log_light[parent]
    lighter = _median_by_frame(into, light[:, None], scene.facts.frames)[:, 0]
    return Norms(
        unit,
        drift,
        max(_spread(away), _LEAST_STEP),
        max(_spread(grown), _LEAST_GROWTH),
        max(_spread(np.abs(light - lighter[into])), _LEAST_LIGHT),
        lighter,
        _trouble(scene, unit),
        _usual_mitosis(scene),
        _is_scored(scene),
    )


def mitosis_seen(scene: "Scene", rows: np.ndarray) -> np.ndarray:
    """How much of the stages in which cells divide was seen in the frames up to `rows` (m,).

    NaN where nothing was seen, as no network has looked.
    """
    seen = [f"seen_{name}" for name in scene.draft.stages.last]
    if not all(name in scene.draft.names for name in seen):
        return np.full(len(rows), np.nan)
    most, at = np.zeros(len(rows)), rows
    for _ in range(_LOOK_BACK):
        most = np.maximum(most, sum(scene.draft.column(name)[at] for name in seen))
        former = scene.comes_alone(at)
        at = np.where(former >= 0, former, at)
    return most


def _is_scored(scene: "Scene") -> bool:
    score = scene.draft.column("link_score")[scene.parent >= 0]
    return len(scene.rivals.table) > 0 or bool(((score > 0) & (score < 1)).any())


def _trouble(scene: "Scene", unit: float) -> float:
    loose = (scene.parent < 0) & (scene.frame > 0)
    loose |= (scene.first < 0) & (scene.frame < scene.facts.frames - 1)
    rows = np.flatnonzero(loose)
    broken = int((scene.edge_distance(rows) > unit / 2).sum())
    child = np.flatnonzero(scene.parent >= 0)
    broken += int((scene.frame[child] - scene.frame[scene.parent[child]] > 1).sum())
    drawn = scene.filled(child) & ~scene.filled(scene.parent[child])
    return float(np.log((broken + int(drawn.sum()) + 1) / (len(scene) + 100)))


def _usual_mitosis(scene: "Scene") -> float:
    mothers = np.flatnonzero(scene.second >= 0)
    seen = mitosis_seen(scene, mothers)
    return float(np.nan_to_num(np.nanmedian(seen))) if np.isfinite(seen).any() else 0.0


def _spread(deviations: np.ndarray) -> float:
    known = deviations[np.isfinite(deviations)]
    return float(_TO_SIGMA * np.median(known)) if len(known) else 0.0


def _median_by_frame(frame: np.ndarray, values: np.ndarray, frames: int) -> np.ndarray:
    """Median (frames, k) of `values` (n, k) in each frame; 0 where there are too few."""
    table = pd.DataFrame(values).groupby(frame)
    medians = np.zeros((frames, values.shape[1]))
    enough = table.size() >= 3
    at = np.flatnonzero(enough)
    medians[enough.index[at]] = np.nan_to_num(table.median().to_numpy()[at])
    return medians
