"""Scores that can be drawn anew: what each independent group adds, and intervals from that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_cellcycle.training.teach.result import Contrast

DRAWS = 2000
"""Bootstrap samples of groups."""
FEWEST = 3
"""Groups below which an interval would say nothing, so that all differences count as chance."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""Turns sums (..., k) of what groups add into scores (...), higher is better."""


@dataclass(frozen=True)
class Tally:
    """What each group (a lineage, a frame) adds to a score, (groups, k).

    `score` makes a score of such sums, `figures` do so for details. `name` is what is counted.
    """

    name: str
    added: np.ndarray
    score: Statistic
    figures: Mapping[str, Statistic] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The score of all groups together."""
        return float(self.score(self.added.sum(axis=0)))

    def samples(self, drawn: np.ndarray) -> np.ndarray:
        """Scores (draws,) of groups drawn so often, (draws, groups)."""
        return np.asarray(self.score(drawn @ self.added))


def draws(groups: int, seed: int = 0) -> np.ndarray:
    """How often each group is in each bootstrap sample, (draws, groups)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), DRAWS).astype(float)


def contrast(before: Tally, after: Tally, on: str, seed: int = 0) -> Contrast:
    """Compare two models on the same groups, which are drawn together, so differences are paired.

    With fewer than `FEWEST` groups, the interval of the difference is all there could be; of few
    groups it is wider than the samples are, as these spread too little (Hesterberg 2015).
    """
    drawn = draws(len(before.added), seed)
    one, other = before.samples(drawn), after.samples(drawn)
    gain = after.value - before.value
    bounds = _expanded(_interval(other - one), gain, len(before.added))
    chance = _chance(gain, float(np.std(other - one)), len(before.added))
    sums = before.added.sum(axis=0), after.added.sum(axis=0)
    details = {name: (float(f(sums[0])), float(f(sums[1]))) for name, f in before.figures.items()}
    return Contrast(
        name=before.name,
        on=on,
        before=before.value,
        after=after.value,
        before_interval=_interval(one),
        after_interval=_interval(other),
        gain=gain,
        gain_interval=bounds,
        chance=chance,
        groups=len(before.added),
        firm=_firm(before, after),
        figures=details,
    )


def _firm(before: Tally, after: Tally) -> bool:
    """Whether what was won would still be won without any one of the groups.

    Samples do not tell: where a kind of thing is seen in one group alone, most of them hold it.
    """
    one, other = (tally.score(tally.added.sum(axis=0) - tally.added) for tally in (before, after))
    return bool(np.all(other > one))


def error_of_gain(before: Tally, after: Tally, seed: int = 0) -> float:
    """Standard error of the difference between two models on the same groups."""
    drawn = draws(len(before.added), seed)
    return float(np.std(after.samples(drawn) - before.samples(drawn)))


def _expanded(interval: tuple[float, float], value: float, groups: int) -> tuple[float, float]:
    """The interval of a difference, made as wide as Student's t asks for of so few groups."""
    from scipy.stats import norm, t

    if groups < FEWEST:
        return -1.0, 1.0
    wider = t.ppf(0.975, groups - 1) / norm.ppf(0.975) * _narrow(groups)
    low, high = (value + wider * (bound - value) for bound in interval)
    return float(max(-1.0, low)), float(min(1.0, high))


def _chance(gain: float, error: float, groups: int) -> float:
    """Chance that a gain with a bootstrap standard error is none by chance (Student's t)."""
    from scipy.stats import t

    if groups < FEWEST or gain == 0:
        return 0.5
    return float(t.cdf(gain / max(error * _narrow(groups), 1e-12), groups - 1))


def _narrow(groups: int) -> float:
    """By how much samples of so few groups spread too little."""
    return float(np.sqrt(groups / (groups - 1)))


def _interval(samples: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)


def f1_of(right: int, found: int, true: int) -> Statistic:
    """F1 from the columns of sums that hold what is right, found and true; 1 where nothing is."""

    def score(sums: np.ndarray) -> np.ndarray:
        both = sums[..., found] + sums[..., true]
        return np.where(both > 0, 2 * sums[..., right] / np.maximum(both, 1e-9), 1.0)

    return score


def macro_f1_of(stages: int) -> Statistic:
    """Mean F1 of the stages that occur, from confusion matrices as rows (..., stages^2)."""

    def score(sums: np.ndarray) -> np.ndarray:
        table = sums.reshape(*sums.shape[:-1], stages, stages)
        hits = np.diagonal(table, axis1=-2, axis2=-1)
        true, told = table.sum(axis=-1), table.sum(axis=-2)
        f1 = np.where(true > 0, 2 * hits / np.maximum(true + told, 1e-9), 0.0)
        return np.asarray(f1.sum(axis=-1) / np.maximum((true > 0).sum(axis=-1), 1))

    return score


def spherical(chances: np.ndarray, true: np.ndarray) -> np.ndarray:
    """How well chances (n, k) fit what is true (n,), 0 to 1: the spherical score.

    It is 1 if what is true was certain, 0 if it was ruled out, and on average best for honest
    chances (Good 1971), so it tells of a change long before something else is the likeliest.
    """
    length = np.sqrt((chances**2).sum(axis=1))
    right = np.take_along_axis(chances, true[:, None], axis=1)[:, 0]
    return np.asarray(right / np.maximum(length, 1e-9))


_LEAST_CHANCE = 0.05
"""Chance below which what is true counts as ruled out, so that no single cell decides."""


def log_chance(chances: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Logarithm of the chance (n, k) that what is true (n,) was given, at most 0.

    Of few cells it tells sooner of a change than the spherical score, as what was ruled out counts
    for much.
    """
    right = np.take_along_axis(chances, true[:, None], axis=1)[:, 0]
    return np.asarray(np.log((right + _LEAST_CHANCE) / (1 + _LEAST_CHANCE)))


def mean_fit(fit: slice, often: slice) -> Statistic:
    """Mean over the kinds of things that occur of how well the chances of one fit.

    From the columns of sums that hold the sum of the fit of each kind, and how often it was.
    """

    def score(sums: np.ndarray) -> np.ndarray:
        there = sums[..., often] > 0
        each = np.where(there, sums[..., fit] / np.maximum(sums[..., often], 1e-9), 0.0)
        return np.asarray(each.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1))

    return score
