"""The likeliest life of every cell: stages along each lineage that biology allows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.pipeline.durations import Durations, given_durations
from napari_cellcycle.pipeline.life import NEVER, Life, Steps, life

LEAST = 1e-6
"""No network is surer than this that a cell is not in a stage."""
PINNED_OUT = -1e9
"""Log-chance of every other stage than the one that the user set."""
_FAINT = -600.0


@dataclass(frozen=True)
class Decoded:
    """Stages of n cells: `code` (n,), the chosen ones, and `posterior` (n, S), chances of all.

    The chances of a cell add up to one and count what was seen of its whole lineage.
    """

    code: np.ndarray
    posterior: np.ndarray

    @property
    def certainty(self) -> np.ndarray:
        """Chance of the chosen stage of each cell, (n,)."""
        return np.asarray(self.posterior[np.arange(len(self.code)), self.code])


def decode(
    tracks: Tracks,
    probabilities: np.ndarray,
    stages: StageSet,
    frame_interval: float,
    smoothing: float,
    *,
    pinned: np.ndarray | None = None,
    durations: Durations | None = None,
) -> Decoded:
    """Choose the stages of all cells together, so that whole lineages are likely.

    Each lineage is a tree-shaped hidden semi-Markov model: `probabilities` say how well a stage
    fits what a cell looks like, `pipeline.life` how stages follow each other and how long they
    last, and a mother and her daughters are joined by a division. Chances are exact
    (sum-product on a tree), and so is the likeliest life (max-product), which is the one chosen.
    Time and memory grow with the number of cells.

    Parameters
    ----------
    tracks
        Cells and links.
    probabilities
        Of each stage in each frame by itself, (n, S), in the order of `tracks.cells`. A row of
        NaN is a cell that nothing is known of but its relatives.
    stages
        Names, durations and allowed successions of the S stages.
    frame_interval
        Seconds between frames.
    smoothing
        Weight of the order and durations of stages: 0 keeps the likeliest stage of each
        frame, 0.5 is Bayes' rule, 1 believes each frame half as much (powers of
        `probabilities` in between).
    pinned
        Code of the stage that the user set for a cell, (n,); -1 where there is none. It holds
        whatever the rest says; pins that contradict each other all hold.
    durations
        How long stages last; by default what `stages` states.

    Raises `BadInput` if `probabilities` or `pinned` do not fit the cells and stages.
    """
    seen = _checked(tracks, probabilities, stages)
    pinned = _checked_pins(len(tracks), pinned, stages)
    if smoothing <= 0 or not len(seen):
        seen = np.where(pinned[:, None] < 0, seen, np.eye(len(stages))[pinned])
        return Decoded(seen.argmax(axis=1), seen / seen.sum(axis=1, keepdims=True))
    lives = life(stages, durations or given_durations(stages))
    fit = np.log(np.maximum(seen, LEAST)) / (2 * smoothing)
    held = (pinned[:, None] >= 0) & (pinned[:, None] != np.arange(len(stages)))
    fit[held] = PINNED_OUT
    forest = _forest(tracks)
    fit = fit[forest.order]
    kinds = [
        (first, last, _kind(lives, gap * frame_interval / 60, rank))
        for first, last, gap, rank in forest.groups
    ]
    posterior, code = np.empty_like(fit), np.empty(len(fit), np.int64)
    posterior[forest.order] = _chances(lives, fit, forest.parent, kinds)
    code[forest.order] = _likeliest(lives, fit, forest.parent, kinds)
    return Decoded(code, posterior)


_Kind = tuple[int, int, Steps | None]
"""Cells from, to, and the chances of their phase given the parent's; none of founders."""


@dataclass(frozen=True)
class _Forest:
    """Cells in order of time: `order` (n,) are their rows, `parent` (n,) places in that order.

    `groups` (from, to, frames since the parent, rank) are runs of cells of one frame. Rank is
    -1 of founders, 0 within a track, 1 and 2 of the daughters of a division.
    """

    order: np.ndarray
    parent: np.ndarray
    groups: list[tuple[int, int, int, int]]


def _forest(tracks: Tracks) -> _Forest:
    n = len(tracks)
    child = tracks.cells.index.get_indexer(pd.Index(tracks.links["child"]))
    mother = tracks.cells.index.get_indexer(pd.Index(tracks.links["parent"]))
    frame = tracks.cells["frame"].to_numpy()
    parent, gap, rank = np.full(n, -1), np.zeros(n, np.int64), np.full(n, -1)
    parent[child], gap[child] = mother, frame[child] - frame[mother]
    by_mother = np.argsort(mother, kind="stable")
    is_second = np.r_[False, np.diff(mother[by_mother]) == 0] if n else np.zeros(0, bool)
    is_second = is_second[: len(child)]
    is_first = np.r_[is_second[1:], False]
    rank[child[by_mother]] = np.where(is_second, 2, np.where(is_first, 1, 0))
    order = np.lexsort((rank, gap, frame))
    place = np.empty(n + 1, np.int64)
    place[order], place[-1] = np.arange(n), -1
    key = np.column_stack([frame, gap, rank])[order]
    starts = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]).any(axis=1)])
    ends = np.r_[starts[1:], n]
    groups = zip(starts.tolist(), ends.tolist(), *key[starts, 1:].T.tolist(), strict=True)
    return _Forest(order, place[parent[order]], list(groups))


def _kind(lives: Life, minutes: float, rank: int) -> Steps | None:
    if rank < 0:
        return None
    return lives.across(minutes)[rank - 1] if rank else lives.within(minutes)


def _chances(lives: Life, fit: np.ndarray, parent: np.ndarray, kinds: list[_Kind]) -> np.ndarray:
    """Chance (n, S) of each stage given all that was seen of the lineage: sum-product."""
    of = lives.stage
    below = fit[:, of]  # log-chance of what was seen of a cell and its descendants, per phase
    above = np.tile(np.log(lives.start), (len(fit), 1))
    message = np.zeros_like(below)
    for first, last, steps in reversed(kinds):
        below[first:last] -= below[first:last].max(axis=1, keepdims=True)
        if steps is not None:
            message[first:last] = _through(below[first:last], steps.chance.T, steps.log.T)
            below[parent[first:last]] += message[first:last]
    for first, last, steps in kinds:
        if steps is not None:
            mother = parent[first:last]
            rest = above[mother] + below[mother] - message[first:last]
            above[first:last] = _through(rest, steps.chance, steps.log)
    both = above + below
    chance = np.exp(both - both.max(axis=1, keepdims=True))
    first_phase = np.searchsorted(of, np.arange(fit.shape[1]))
    chance = np.add.reduceat(chance, first_phase, axis=1)
    return np.asarray(chance / chance.sum(axis=1, keepdims=True))


def _through(log: np.ndarray, chance: np.ndarray, log_chance: np.ndarray) -> np.ndarray:
    """Log of exp(`log`) (m, K) times `chance` (K, K), up to a constant each, `NEVER` at least."""
    log = log - log.max(axis=1, keepdims=True)
    product = np.exp(log) @ chance
    told = product > 0
    out = np.where(told, np.log(np.where(told, product, 1)), NEVER)
    # Where a chance is too small for a float, but not impossible, sum logarithms instead.
    faint = ((log < _FAINT) & (log > NEVER / 2)).any(axis=1)
    if faint.any():
        out[faint] = np.logaddexp.reduce(log[faint, :, None] + log_chance, axis=1)
    return np.asarray(np.maximum(out - out.max(axis=1, keepdims=True), NEVER))


def _likeliest(lives: Life, fit: np.ndarray, parent: np.ndarray, kinds: list[_Kind]) -> np.ndarray:
    """Stage (n,) of each cell in the likeliest life of its whole lineage: max-product."""
    below = fit[:, lives.stage]
    best = np.zeros(below.shape, np.int64)  # phase of a cell, by that of its parent
    for first, last, steps in reversed(kinds):
        if steps is None:
            below[first:last] += np.log(lives.start)
            continue
        future = steps.log + below[first:last, None, :]
        chosen = best[first:last] = future.argmax(axis=2)
        reached = np.take_along_axis(future, chosen[:, :, None], axis=2)[:, :, 0]
        below[parent[first:last]] += reached - reached.max(axis=1, keepdims=True)
    phase = below.argmax(axis=1)
    for first, last, steps in kinds:
        if steps is not None:
            phase[first:last] = best[np.arange(first, last), phase[parent[first:last]]]
    return np.asarray(lives.stage[phase])


def _checked(tracks: Tracks, probabilities: np.ndarray, stages: StageSet) -> np.ndarray:
    """Probabilities as floats, even where they are unknown."""
    seen = np.asarray(probabilities, float)
    if seen.shape != (len(tracks), len(stages)) and (seen.size or len(tracks)):
        raise BadInput(
            f"The probabilities have the shape {seen.shape}, but there are {len(tracks)} cells "
            f"and {len(stages)} stages; give one row a cell and one column a stage."
        )
    seen = seen.reshape(len(tracks), len(stages))
    blind = ~np.isfinite(seen).all(axis=1) | (seen.clip(0).sum(axis=1) <= 0)
    return np.where(blind[:, None], 1 / len(stages), np.maximum(seen, 0))


def _checked_pins(n: int, pinned: np.ndarray | None, stages: StageSet) -> np.ndarray:
    if pinned is None:
        return np.full(n, -1)
    pinned = np.asarray(pinned, np.int64)
    if pinned.shape != (n,) or (n and (pinned.min() < -1 or pinned.max() >= len(stages))):
        raise BadInput(
            f"The pinned stages of {pinned.shape} cells do not fit {n} cells and "
            f"{len(stages)} stages; give one code from 0 to {len(stages) - 1} a cell, or -1."
        )
    return pinned
