"""The likeliest life of every cell: stages along each lineage that biology allows."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import parents
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
    last, and a mother and her daughters are joined by a division. Chances are exact (sum-product
    on a tree). Of all lives whose stages can follow each other in the time between, the one is
    chosen of which most cells can be expected to be right (exact, too; Käll, Krogh and Sonnhammer
    2005, "An HMM posterior decoder for sequence feature prediction that includes homology
    information"). Time and memory grow with the number of cells.

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

    Raises
    ------
    BadInput
        `probabilities` or `pinned` do not fit the cells and stages.
    """
    frame = tracks.cells["frame"].to_numpy()
    return decode_cells(
        frame,
        parents(tracks),
        probabilities,
        stages,
        frame_interval,
        smoothing,
        pinned=pinned,
        durations=durations,
    )


def decode_cells(
    frame: np.ndarray,
    parent: np.ndarray,
    probabilities: np.ndarray,
    stages: StageSet,
    frame_interval: float,
    smoothing: float,
    *,
    pinned: np.ndarray | None = None,
    durations: Durations | None = None,
) -> Decoded:
    """What `decode` does, for cells in `frame` (n,) whose parents are in the rows `parent` (n,).

    -1 is the parent of a cell without one; two cells with the same parent are daughters.
    """
    seen = _checked(len(frame), probabilities, stages)
    pinned = _checked_pins(len(frame), pinned, stages)
    if smoothing <= 0 or not len(seen):
        seen = np.where(pinned[:, None] < 0, seen, np.eye(len(stages))[pinned])
        return Decoded(seen.argmax(axis=1), seen / seen.sum(axis=1, keepdims=True))
    lives = life(stages, durations or given_durations(stages))
    fit = np.log(np.maximum(seen, LEAST)) / (2 * smoothing)
    held = (pinned[:, None] >= 0) & (pinned[:, None] != np.arange(len(stages)))
    fit[held] = PINNED_OUT
    forest = _forest(frame, parent)
    fit = fit[forest.order]
    minutes = frame_interval / 60
    kinds = [(first, last, gap * minutes, rank) for first, last, gap, rank in forest.groups]
    posterior, code = np.empty_like(fit), np.empty(len(fit), np.int64)
    chances = _chances(lives, fit, forest.parent, kinds)
    posterior[forest.order] = chances
    code[forest.order] = _path(chances, held[forest.order], forest.parent, kinds, lives)
    return Decoded(code, posterior)


_Kind = tuple[int, int, float, int]
"""Cells from, to, minutes since their parents, and rank as in `_Forest`."""


@dataclass(frozen=True)
class _Forest:
    """Cells in order of time: `order` (n,) are their rows, `parent` (n,) places in that order.

    `groups` (from, to, frames since the parent, rank) are runs of cells of one frame. Rank is
    -1 of founders, 0 within a track, 1 and 2 of the daughters of a division.
    """

    order: np.ndarray
    parent: np.ndarray
    groups: list[tuple[int, int, int, int]]


def _forest(frame: np.ndarray, parent: np.ndarray) -> _Forest:
    n = len(frame)
    child = np.flatnonzero(parent >= 0)
    mother = parent[child]
    gap, rank = np.zeros(n, np.int64), np.full(n, -1)
    gap[child] = frame[child] - frame[mother]
    by_mother = np.argsort(mother, kind="stable")
    is_second = np.r_[False, np.diff(mother[by_mother]) == 0][: len(child)]
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


def _steps(lives: Life, kinds: list[_Kind]) -> list[tuple[int, int, Steps | None]]:
    """Chances of the phase of each group given its parents'; none of founders."""
    steps: dict[tuple[float, int], Steps | None] = {}
    for minutes, rank in {kind[2:] for kind in kinds}:
        pair = lives.across(minutes) if rank > 0 else (lives.within(minutes),)
        steps[minutes, rank] = None if rank < 0 else pair[max(rank - 1, 0)]
    return [(first, last, steps[minutes, rank]) for first, last, minutes, rank in kinds]


def _chances(lives: Life, fit: np.ndarray, parent: np.ndarray, kinds: list[_Kind]) -> np.ndarray:
    """Chance (n, S) of each stage given all that was seen of the lineage: sum-product."""
    of = lives.stage
    below = fit[:, of]  # log-chance of what was seen of a cell and its descendants, per phase
    above = np.tile(np.log(lives.start), (len(fit), 1))
    message = np.zeros_like(below)
    groups = _steps(lives, kinds)
    for first, last, steps in reversed(groups):
        below[first:last] -= below[first:last].max(axis=1, keepdims=True)
        if steps is not None:
            message[first:last] = _through(below[first:last], steps.chance.T, steps.log.T)
            below[parent[first:last]] += message[first:last]
    for first, last, steps in groups:
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


def _path(
    posterior: np.ndarray, held: np.ndarray, parent: np.ndarray, kinds: list[_Kind], lives: Life
) -> np.ndarray:
    """Codes (n,) with the largest sum of chances of which each can follow its parent's."""
    score = np.where(held, PINNED_OUT, posterior)
    best = np.zeros(posterior.shape, np.int64)  # stage of a cell, by that of its parent
    for first, last, minutes, rank in reversed(kinds):
        if rank >= 0:
            follows = lives.follows(minutes, division=rank > 0)
            future = np.where(follows, 0.0, NEVER) + score[first:last, None, :]
            best[first:last] = future.argmax(axis=2)
            reached = future.max(axis=2)
            score[parent[first:last]] += reached - reached.max(axis=1, keepdims=True)
    code = score.argmax(axis=1)
    for first, last, _, rank in kinds:
        if rank >= 0:
            code[first:last] = best[np.arange(first, last), code[parent[first:last]]]
    return np.asarray(code)


def _checked(n: int, probabilities: np.ndarray, stages: StageSet) -> np.ndarray:
    """Probabilities as floats, even where they are unknown."""
    seen = np.asarray(probabilities, float)
    if seen.shape != (n, len(stages)) and (seen.size or n):
        raise BadInput(
            f"The probabilities have the shape {seen.shape}, but there are {n} cells and "
            f"{len(stages)} stages; give one row a cell and one column a stage."
        )
    seen = seen.reshape(n, len(stages))
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
