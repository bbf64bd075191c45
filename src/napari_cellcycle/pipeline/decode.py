"""The likeliest life of every cell: stages along each track that biology allows."""

import numpy as np
import pandas as pd
from scipy.linalg import expm

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks

ABSORBED = 0.02
"""Share of the cells leaving a stage that enter one without return (they die)."""
FLOOR = np.exp(-30.0)
"""Least probability of what is possible at all."""
NEVER = -1e6
"""Log-probability of what is impossible: a dead cell that lives again."""


def decode(
    tracks: Tracks,
    probabilities: np.ndarray,
    stages: StageSet,
    frame_interval: float,
    smoothing: float,
) -> np.ndarray:
    """Choose the stages of all cells together, so that whole lineages are likely.

    Each lineage is a tree-shaped hidden Markov model: `probabilities` say how well a stage fits
    what a cell looks like, `transition_costs` how likely one follows another in the time
    between, and a mother and her daughters are joined by a division. The best assignment is
    exact (Viterbi on a tree: best futures are summed from the last frame to the first, choices
    made on the way back).

    Parameters
    ----------
    tracks
        Cells and links.
    probabilities
        Of each stage in each frame by itself, (n, S), in the order of `tracks.cells`.
    stages
        Names, durations and allowed successions of the S stages.
    frame_interval
        Seconds between frames.
    smoothing
        Weight of the order and durations of stages: 0 keeps the likeliest stage of each
        frame, 0.5 is Bayes' rule, 1 counts them twice.

    Returns
    -------
    np.ndarray
        Codes of the stages (positions in `stages`), (n,).
    """
    n = len(tracks)
    if smoothing <= 0 or n == 0:
        return np.asarray(probabilities, float).reshape(n, len(stages)).argmax(axis=1)
    fit = np.log(np.clip(np.asarray(probabilities, float), 1e-6, None))
    parent, gap, divides = _parents(tracks)
    weight = 2 * smoothing
    fit[parent < 0] += weight * first_costs(stages)
    costs = {
        (int(g), bool(d)): np.maximum(
            weight * transition_costs(stages, g * frame_interval / 60, division=bool(d)), NEVER
        )
        for g, d in np.unique(np.column_stack([gap, divides])[parent >= 0], axis=0)
    }
    frame = tracks.cells["frame"].to_numpy()
    order = np.argsort(frame, kind="stable")
    by_frame = np.split(order, np.flatnonzero(np.diff(frame[order])) + 1)
    kinds = [(key, (gap == key[0]) & (divides == key[1]) & (parent >= 0)) for key in costs]
    best = np.zeros((n, len(stages)), np.int64)
    for cells in reversed(by_frame):
        for key, belongs in kinds:
            chosen = cells[belongs[cells]]
            if not len(chosen):
                continue
            future = costs[key] + fit[chosen, None, :]
            best[chosen] = future.argmax(axis=2)
            np.add.at(fit, parent[chosen], future.max(axis=2))
    return _read_back(fit, best, parent, by_frame)


def transition_costs(stages: StageSet, minutes: float, *, division: bool = False) -> np.ndarray:
    """Log-probability (S, S) that a cell in stage i is in stage j some `minutes` later.

    A continuous-time Markov chain that leaves each stage at the rate of one over its usual
    duration (geometric mean of its limits), along the allowed successions only. A coarse
    interval so lets stages be skipped, the more readily the shorter they are. With `division`,
    the cell divided meanwhile and j is the stage of a daughter.
    """
    count = len(stages)
    duration, allowed = _durations(stages), _successions(stages)
    last = np.array([name in stages.last for name in stages.names])
    first = np.array([name in stages.first for name in stages.names])
    if not division:
        chain = _chain(allowed, duration)
    else:
        # Two copies of every stage, before and after the division.
        whole = np.zeros((2 * count, 2 * count), bool)
        whole[:count, :count] = allowed & ~(first & ~last)
        whole[:count, count:] = stages.allowed_at_division() & stages.allowed()
        whole[count:, count:] = allowed & ~(last & ~first)
        chain = _chain(whole, np.tile(duration, 2))
    probability = expm(chain * minutes)
    possible = _reachable(chain != 0)
    if division:
        probability, possible = probability[:count, count:], possible[:count, count:]
    return np.where(possible, np.log(np.maximum(probability, FLOOR)), NEVER)


def first_costs(stages: StageSet) -> np.ndarray:
    """Log-probability (S,) of the stage in which a cell is first seen, if it was not born then.

    The longer a stage lasts the likelier; one without return only for those who enter it.
    """
    dead_end = ~_successions(stages).any(axis=1)
    time = _durations(stages) * np.where(dead_end, ABSORBED, 1)
    return np.asarray(np.log(time / time.sum()))


def _durations(stages: StageSet) -> np.ndarray:
    """Usual minutes spent in each stage, (S,)."""
    return np.array([np.sqrt(stage.duration[0] * stage.duration[1]) for stage in stages.stages])


def _successions(stages: StageSet) -> np.ndarray:
    """Which stage can follow which other one, (S, S)."""
    return stages.allowed() & ~np.eye(len(stages), dtype=bool)


def _chain(allowed: np.ndarray, duration: np.ndarray) -> np.ndarray:
    """Generator of the Markov chain: rate per minute of each succession."""
    dead_end = ~allowed.any(axis=1)
    share = np.zeros(allowed.shape)
    onward, lost = allowed & ~dead_end, allowed & dead_end
    for targets, total in ((onward, 1 - ABSORBED), (lost, ABSORBED)):
        number = targets.sum(axis=1, keepdims=True)
        share += np.where(targets, total / np.maximum(number, 1), 0)
    rate = share / duration[:, None]
    return rate - np.diag(rate.sum(axis=1))


def _reachable(step: np.ndarray) -> np.ndarray:
    """Transitive closure of a boolean matrix, each state reaching itself."""
    reach = step | np.eye(len(step), dtype=bool)
    for _ in range(len(step)):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return np.asarray(reach)


def _parents(tracks: Tracks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row of each cell's parent (-1: none), frames since, and whether the parent divides."""
    n = len(tracks)
    row = {"parent": np.full(n, -1), "gap": np.zeros(n, np.int64), "divides": np.zeros(n, bool)}
    child = tracks.cells.index.get_indexer(pd.Index(tracks.links["child"]))
    parent = tracks.cells.index.get_indexer(pd.Index(tracks.links["parent"]))
    frame = tracks.cells["frame"].to_numpy()
    row["parent"][child] = parent
    row["gap"][child] = frame[child] - frame[parent]
    row["divides"][child] = np.isin(tracks.links["parent"].to_numpy(), tracks.divisions)
    return row["parent"], row["gap"], row["divides"]


def _read_back(
    fit: np.ndarray, best: np.ndarray, parent: np.ndarray, by_frame: list[np.ndarray]
) -> np.ndarray:
    """Choose each root's best stage, then each child's best one given its parent's."""
    code = fit.argmax(axis=1)
    for cells in by_frame:
        child = cells[parent[cells] >= 0]
        code[child] = best[child, code[parent[child]]]
    return code
