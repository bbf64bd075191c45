"""How long stages last: as a stage set says, or as cells were seen to stay in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammainc
from scipy.stats import gamma

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import parents

FEWEST_VISITS = 5
"""A stage that was left less often while being watched keeps its given duration."""
MOST_PHASES = 8
"""Most steps that the chain of one stage has; sd / mean of a stage is then at least .35."""


@dataclass(frozen=True)
class Durations:
    """Minutes that a cell spends in each stage: mean and standard deviation, (S,) each."""

    mean_minutes: tuple[float, ...]
    spread: tuple[float, ...]

    @property
    def phases(self) -> tuple[int, ...]:
        """Equal exponential steps that together last as long and vary as much, (S,)."""
        shape = (np.array(self.mean_minutes) / np.array(self.spread)) ** 2
        return tuple(np.clip(np.round(shape), 1, MOST_PHASES).astype(int).tolist())


@lru_cache(maxsize=32)
def given_durations(stages: StageSet) -> Durations:
    """Durations that a stage set states: its (shortest, longest) hold 90 % of all visits.

    The gamma distribution whose 5 and 95 % points stand in that ratio, with a whole number of
    phases from 1 to `MOST_PHASES`.
    """
    shape = np.arange(1, MOST_PHASES + 1)
    low, high = gamma.ppf(0.05, shape), gamma.ppf(0.95, shape)
    limits = np.array([stage.duration for stage in stages.stages], float)
    ratio = np.log(limits[:, 1] / limits[:, 0])
    chosen = np.abs(np.log(high / low) - ratio[:, None]).argmin(axis=1)
    scale = np.sqrt(limits.prod(axis=1) / (low * high)[chosen])
    mean = shape[chosen] * scale
    return Durations(tuple(mean.tolist()), tuple((mean / np.sqrt(shape[chosen])).tolist()))


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
    a cell is first seen is left out, as long ones are likelier to be met so. A visit of d
    minutes is seen in floor(d / interval) frames or one more, the nearer the likelier, and may
    fall between two frames; both are allowed for. A visit goes on through a division. Stages
    that fewer than `FEWEST_VISITS` cells were seen to leave keep the `given` durations (by
    default those that the stage set states).
    """
    given = given or given_durations(stages)
    if "stage" not in tracks.cells:
        raise BadInput("The tracks have no stages to learn durations from; run Classify first.")
    code, frames, is_whole = _visits(tracks, stages)
    mean, spread = list(given.mean_minutes), list(given.spread)
    for stage in range(len(stages)):
        mine = code == stage
        if is_whole[mine].sum() < FEWEST_VISITS:
            continue
        first = mean[stage] * 60 / frame_interval, spread[stage] * 60 / frame_interval
        fitted = _fit(frames[mine], is_whole[mine], first)
        mean[stage], spread[stage] = (value * frame_interval / 60 for value in fitted)
    return Durations(tuple(mean), tuple(spread))


def durations_to_json(durations: Durations, stages: StageSet) -> dict[str, list[float]]:
    """Mean and spread in minutes by name of the stage, for a model card."""
    pairs = zip(stages.names, durations.mean_minutes, durations.spread, strict=True)
    return {name: [round(mean, 3), round(spread, 3)] for name, mean, spread in pairs}


def durations_from_json(
    found: Mapping[str, Sequence[float]] | Any, stages: StageSet
) -> Durations | None:
    """What `durations_to_json` described; None if nothing was found.

    Raises `BadInput` if a stage is missing or a duration is no positive number.
    """
    if found is None:
        return None
    try:
        pairs = np.array([found[name] for name in stages.names], float).reshape(len(stages), 2)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"The durations of stages cannot be read ({error}); expected mean and spread in "
            f"minutes of {', '.join(stages.names)}; mend them or leave them out."
        ) from error
    if not (np.isfinite(pairs) & (pairs > 0)).all():
        raise BadInput(
            "A stage lasts zero or fewer minutes; expected a positive mean and spread of each; "
            "mend the durations or leave them out."
        )
    return Durations(tuple(pairs[:, 0].tolist()), tuple(pairs[:, 1].tolist()))


def _visits(tracks: Tracks, stages: StageSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stage, length in frames (gaps shared out) and whether its end was seen, of each visit."""
    position = {name: code for code, name in enumerate(stages.names)}
    code = tracks.cells["stage"].astype(str).map(position).fillna(-1).to_numpy(np.int64)
    frame = tracks.cells["frame"].to_numpy(float)
    parent = parents(tracks)
    child = np.flatnonzero(parent >= 0)
    mother = parent[child]
    stays, halfway = code[child] == code[mother], (frame[child] + frame[mother]) / 2
    # Each cell learns when its visit began: from the nearest ancestor that began one.
    source, begin = np.arange(len(code)), np.full(len(code), np.nan)
    source[child[stays]] = mother[stays]
    begin[child] = np.where(stays | (code[mother] < 0), np.nan, halfway)
    while (source != source[source]).any():
        source = source[source]
    begin = begin[source]
    end = frame + 0.5
    end[mother] = halfway
    goes_on, has_child = np.zeros(len(code), bool), np.zeros(len(code), bool)
    goes_on[mother[stays]] = has_child[mother] = True
    blind = np.zeros(len(code), bool)
    blind[mother[code[child] < 0]] = True
    told = (code >= 0) & ~goes_on & np.isfinite(begin)
    return code[told], (end - begin)[told], (has_child & ~blind)[told]


def _fit(frames: np.ndarray, is_whole: np.ndarray, first: tuple[float, float]) -> np.ndarray:
    """Mean and spread, in frames, that make visits of so many frames likeliest."""
    kinds, count = np.unique(np.column_stack([frames, is_whole]), axis=0, return_counts=True)
    seen, whole = kinds[:, 0], kinds[:, 1] > 0

    def misfit(place: np.ndarray) -> float:
        shape, scale = np.exp(place)

        def under(x: np.ndarray) -> np.ndarray:  # integral of the distribution function to x
            x = np.maximum(x, 0) / scale
            return np.asarray(scale * (x * gammainc(shape, x) - shape * gammainc(shape + 1, x)))

        here, after, before = under(seen), under(seen + 1), under(seen - 1)
        chance = np.where(whole, after - 2 * here + before, 1 - (here - before))
        chance = chance / max(1 - float(under(np.ones(1))[0]), 1e-12)
        # A weak pull to ordinary shapes keeps few visits from looking all alike.
        pull = 0.5 * (place[0] - np.log(3)) ** 2
        return float(pull - (count * np.log(np.maximum(chance, 1e-300))).sum())

    shape = (first[0] / first[1]) ** 2
    begin = np.log([np.clip(shape, 0.7, 16), max(frames.mean(), 0.5) / np.clip(shape, 0.7, 16)])
    limits = [(np.log(0.5), np.log(64)), (np.log(1e-3), np.log(1e5))]
    best = minimize(misfit, begin, method="Nelder-Mead", bounds=limits, tol=1e-3)
    shape, scale = np.exp(best.x)
    return np.array([shape * scale, np.sqrt(shape) * scale])
