"""How long stages last, as cells were seen to stay in them."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.sparse.csgraph import shortest_path
from scipy.special import gammainc

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import parents
from napari_cellcycle.pipeline.durations import Durations, given_durations
from napari_cellcycle.pipeline.life import onward

FEWEST_VISITS = 5
"""A stage that was left less often while being watched keeps its given duration."""


def fit_durations(
    tracks: Tracks,
    stages: StageSet,
    frame_interval: float,
    *,
    given: Durations | None = None,
) -> Durations:
    """Durations as the cells of `tracks` (column `stage`) show them.

    For each stage, the likeliest gamma distribution of visits whose beginning was seen, those
    cut off by the end of a track counting as at least that long. A visit already under way when
    a cell is first seen is left out, as long ones are likelier to be met so. A visit goes on
    through a division. A visit of d frame intervals, begun at any time between two frames, is
    seen in floor(d) frames or one more; one that fell between two frames, as the stages before
    and after it tell, counts as seen in none.

    Stages that fewer than `FEWEST_VISITS` cells were seen to leave keep the `given` durations
    (by default those that the stage set states). Raises `BadInput` without stages.
    """
    given = given or given_durations(stages)
    if "stage" not in tracks.cells:
        raise BadInput("The tracks have no stages to learn durations from; run Classify first.")
    code, frames, is_whole = _visits(tracks, stages)
    mean, spread = list(given.mean_minutes), list(given.spread)
    for stage in range(len(stages)):
        mine = code == stage
        if (is_whole & (frames > 0))[mine].sum() < FEWEST_VISITS:
            continue
        first = mean[stage] * 60 / frame_interval, spread[stage] * 60 / frame_interval
        fitted = _fit(frames[mine], is_whole[mine], first)
        mean[stage], spread[stage] = (value * frame_interval / 60 for value in fitted)
    return Durations(tuple(mean), tuple(spread))


def _visits(tracks: Tracks, stages: StageSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stage, length in frames (gaps shared out) and whether its end was seen, of each visit."""
    position = {name: code for code, name in enumerate(stages.names)}
    code = tracks.cells["stage"].astype(str).map(position).fillna(-1).to_numpy(np.int64)
    frame = tracks.cells["frame"].to_numpy(float)
    parent = parents(tracks)
    child = np.flatnonzero(parent >= 0)
    mother = parent[child]
    stays, halfway = code[child] == code[mother], (frame[child] + frame[mother]) / 2
    # A visit began where the nearest ancestor that changed its stage did so.
    source, begin = np.arange(len(code)), np.full(len(code), np.nan)
    source[child[stays]] = mother[stays]
    begin[child] = np.where(stays | (code[mother] < 0), np.nan, halfway)
    while (source != source[source]).any():
        source = source[source]
    begin = begin[source]
    end = frame + 0.5
    end[mother] = halfway
    goes_on, is_whole = np.zeros(len(code), bool), np.zeros(len(code), bool)
    goes_on[mother[stays]] = is_whole[mother] = True
    is_whole[mother[code[child] < 0]] = False
    told = np.flatnonzero((code >= 0) & ~goes_on & np.isfinite(begin))
    # What a daughter can start with counts once a daughter, also where her mother ended it.
    daughters = np.bincount(mother, minlength=len(code)) == 2
    is_first = np.array([name in stages.first for name in stages.names])
    told = np.r_[told, told[daughters[told] & is_first[code[told]]]]
    near = ~stays & (frame[child] == frame[mother] + 1) & (code[child] >= 0) & (code[mother] >= 0)
    is_second = pd.Series(mother).duplicated().to_numpy()
    link, skipped = _skipped(code[mother[near]], code[child[near]], stages)
    once = ~(daughters[mother] & is_second)[near][link] | is_first[skipped]
    skipped = skipped[once]
    return (
        np.r_[code[told], skipped],
        np.r_[(end - begin)[told], np.zeros(len(skipped))],
        np.r_[is_whole[told], np.ones(len(skipped), bool)],
    )


def _skipped(
    before: np.ndarray, after: np.ndarray, stages: StageSet
) -> tuple[np.ndarray, np.ndarray]:
    """Changes, and stages on their way from one to the next seen: one entry each time."""
    way = np.asarray(shortest_path(onward(stages).astype(float), unweighted=True))
    direct = way[before, after]
    via = way[before] + way[:, after].T  # (changes, S)
    inside = np.isfinite(direct)[:, None] & (via == direct[:, None])
    inside[np.arange(len(before)), before] = inside[np.arange(len(after)), after] = False
    change, stage = np.nonzero(inside)
    return change, stage


def _fit(frames: np.ndarray, is_whole: np.ndarray, first: tuple[float, float]) -> np.ndarray:
    """Mean and spread, in frames, that make visits of so many frames likeliest."""
    kinds, count = np.unique(np.column_stack([frames, is_whole]), axis=0, return_counts=True)
    seen, whole = kinds[:, 0], kinds[:, 1] > 0

    def misfit(place: np.ndarray) -> float:
        shape, scale = np.exp(place[0]), np.exp(place[1] - place[0])

        def under(x: np.ndarray) -> np.ndarray:  # integral of the distribution function to x
            x = np.maximum(x, 0) / scale
            return np.asarray(scale * (x * gammainc(shape, x) - shape * gammainc(shape + 1, x)))

        here, after, before = under(seen), under(seen + 1), under(seen - 1)
        chance = np.where(whole, after - 2 * here + before, 1 - (here - before))
        # Weak pulls to an ordinary shape and the usual mean, for what few visits cannot tell.
        pull = 0.5 * (place[0] - np.log(3)) ** 2 + 0.5 * (place[1] - np.log(first[0])) ** 2
        return float(pull - (count * np.log(np.maximum(chance, 1e-300))).sum())

    begin = np.log([np.clip((first[0] / first[1]) ** 2, 0.7, 16), max(frames.mean(), 0.5)])
    limits = [(np.log(0.5), np.log(64)), (np.log(1e-3), np.log(1e6))]
    best = minimize(misfit, begin, method="Nelder-Mead", bounds=limits, tol=1e-3)
    shape, mean = np.exp(best.x)
    return np.array([mean, mean / np.sqrt(shape)])
