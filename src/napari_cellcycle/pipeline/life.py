"""What a life may look like: the chances of stages following each other over time.

Each stage is a row of equal exponential steps, its phases, whose number and rate give it the mean
and spread that it has (an Erlang distribution; Cox 1955, "A use of complex probabilities in the
theory of stochastic processes"). So durations have a most likely length, which a plain Markov
chain cannot say, and yet the chances over any time between two sightings, however long and
however many stages fall in between, are one matrix exponential.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import expm

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.pipeline.durations import Durations

ABSORBED = 0.02
"""Share of the cells leaving a stage that enter one without return (they die)."""
RARE = 1e-3
"""Share of the cells leaving a stage below which none is believed to have gone that way."""
FLOOR = 1e-13
"""Least chance of what is possible at all."""
NEVER = -1e5
"""Log-chance of what is impossible: a dead cell that lives again."""


@dataclass(frozen=True)
class Steps:
    """Chances (K, K) that a cell in phase i is in phase j some time later, and their logarithm."""

    chance: np.ndarray

    @cached_property
    def log(self) -> np.ndarray:
        """Logarithm of `chance`, `NEVER` where it is zero."""
        return _log(self.chance)


@dataclass(frozen=True)
class Life:
    """The phases that a cell passes through.

    `stage` (K,) is the stage of each phase.
    """

    stages: StageSet
    durations: Durations

    @cached_property
    def stage(self) -> np.ndarray:
        """Code of the stage of each phase, (K,)."""
        return np.repeat(np.arange(len(self.stages)), self._phases)

    @cached_property
    def start(self) -> np.ndarray:
        """Chance of each phase when a cell is first seen that was not born then, (K,).

        The longer a stage lasts the likelier, each of its phases alike; one without return only
        for those who enter it.
        """
        share = np.where(self._onward.any(axis=1), 1, ABSORBED)
        time = share * np.array(self.durations.mean_minutes)
        return np.asarray((time / self._phases / time.sum())[self.stage])

    @lru_cache(maxsize=256)  # noqa: B019 - lives are few and kept
    def within(self, minutes: float) -> Steps:
        """Chances over `minutes` of one track."""
        return Steps(_chances(self._chain(self._onward), minutes))

    @lru_cache(maxsize=256)  # noqa: B019
    def across(self, minutes: float) -> tuple[Steps, Steps]:
        """Chances from a mother to a daughter, given a division within `minutes`.

        The first also counts how likely the mother is to divide at all (its rows sum to that),
        the second does not (its rows sum to one): one each for the two daughters.
        """
        count = len(self.stage)
        whole = _chances(self._divided_chain(), minutes)[:count, count:]
        total = whole.sum(axis=1, keepdims=True)
        # A mother who cannot divide says nothing of her daughters.
        apart = np.where(total > 0, whole / np.where(total > 0, total, 1), self.start)
        return Steps(whole), Steps(apart)

    def succession(self, minutes: float, *, division: bool = False) -> np.ndarray:
        """Chance (S, S) that a cell in stage i is in stage j some `minutes` later.

        With `division`, the cell divided meanwhile and j is the stage of a daughter. Cells of
        stage i are taken to be in any of its phases, all alike.
        """
        steps = self.across(minutes)[1] if division else self.within(minutes)
        into = np.equal.outer(self.stage, np.arange(len(self.stages))).astype(float)
        return np.asarray((into / self._phases).T @ steps.chance @ into)

    @lru_cache(maxsize=256)  # noqa: B019
    def follows(self, minutes: float, *, division: bool = False) -> np.ndarray:
        """Whether stage j can be the next one seen after stage i, some `minutes` later, (S, S).

        Of the cells that leave i meanwhile, or divide, more than `RARE` must be in j; and of
        the mothers that divide, more than `RARE` squared must come out of i.
        """
        chance = self.succession(minutes, division=division)
        here = np.eye(len(chance), dtype=bool)
        if not division:
            leave = 1 - np.diag(chance)
            return np.asarray(here | (chance > RARE * leave[:, None]))
        whole = self.across(minutes)[0].chance.sum(axis=1)
        divides = np.bincount(self.stage, whole) / self._phases
        return np.asarray((chance > RARE) & (divides > RARE**2 * divides.max())[:, None])

    @cached_property
    def _phases(self) -> np.ndarray:
        """Phases of each stage, (S,); a stage without return needs one."""
        return np.where(self._onward.any(axis=1), self.durations.phases, 1)

    @cached_property
    def _births(self) -> np.ndarray:
        return births(self.stages)

    @cached_property
    def _onward(self) -> np.ndarray:
        return onward(self.stages)

    @cached_property
    def _dead_end(self) -> np.ndarray:
        return np.asarray(~self._onward.any(axis=1))

    def _chain(self, onward: np.ndarray, stages: np.ndarray | None = None) -> np.ndarray:
        """Rates per minute (K', K') from phase to phase, `onward` (S', S') between stages.

        `stages` (S',) are the codes of the rows, by default all in order. Each step ends in
        death with the same chance, so that `ABSORBED` of a stage's visits do.
        """
        stages = np.arange(len(self.stages)) if stages is None else stages
        phases, dead_end = self._phases[stages], self._dead_end[stages]
        first = np.cumsum(phases) - phases
        last = first + phases - 1
        rate = phases / np.array(self.durations.mean_minutes)[stages]
        alive, lost = onward & ~dead_end, onward & dead_end
        dies = lost.any(axis=1) * (1 - (1 - ABSORBED) ** (1 / phases))
        dies = np.where(alive.any(axis=1), dies, lost.any(axis=1))
        chain = np.zeros((phases.sum(), phases.sum()))
        number = np.maximum(lost.sum(axis=1), 1)
        of = np.repeat(np.arange(len(stages)), phases)
        chain[:, first] = (lost * (rate * dies / number)[:, None])[of]
        onto = alive * (rate * (1 - dies) / np.maximum(alive.sum(axis=1), 1))[:, None]
        chain[np.ix_(last, first)] += onto
        inner = np.flatnonzero(of[1:] == of[:-1])
        chain[inner, inner + 1] += (rate * (1 - dies))[of[inner]]
        return chain

    def _divided_chain(self) -> np.ndarray:
        """Rates between two copies of all phases, before and after a division."""
        stages, count = self.stages, len(self.stages)
        last = np.array([name in stages.last for name in stages.names])
        first = np.array([name in stages.first for name in stages.names])
        onward = np.zeros((2 * count, 2 * count), bool)
        onward[:count, :count] = self._onward & ~(first & ~last)
        onward[:count, count:] = self._births & ~np.eye(count, dtype=bool)
        onward[count:, count:] = self._onward & ~(last & ~first)
        chain = self._chain(onward, np.tile(np.arange(count), 2))
        # A stage on both sides of the division is divided at any of its phases, and goes on.
        of = self.stage
        splits = np.diag(self._births)[of]
        rate = (self._phases / np.array(self.durations.mean_minutes))[of]
        here = np.arange(len(of))
        chain[here, here + len(of)] += np.where(splits, rate, 0)
        return chain


def births(stages: StageSet) -> np.ndarray:
    """Which first stage of a daughter comes right after which last one of her mother, (S, S).

    Those that can follow it anyway; any first one if there is none.
    """
    pairs = stages.allowed_at_division()
    if not pairs.any():
        pairs = np.ones_like(pairs)
    near = pairs & stages.allowed()
    return np.asarray(np.where(near.any(axis=1, keepdims=True), near, pairs))


def onward(stages: StageSet) -> np.ndarray:
    """Which other stage comes right after which within a track, (S, S).

    A stage that nothing follows but birth or death is followed by birth, as divisions are missed
    and tracks then go on in one of the daughters.
    """
    other = ~np.eye(len(stages), dtype=bool)
    allowed, born = stages.allowed() & other, births(stages)
    dead_end = ~allowed.any(axis=1) & ~born.any(axis=1)
    stuck = ~(allowed & ~dead_end).any(axis=1)
    return np.asarray(allowed | (born & other & stuck[:, None]))


@lru_cache(maxsize=32)
def life(stages: StageSet, durations: Durations) -> Life:
    """The life of cells with these stages; kept, as its matrices take time."""
    return Life(stages, durations)


def _chances(chain: np.ndarray, minutes: float) -> np.ndarray:
    """Chances after some `minutes` of a chain with such rates, at least `FLOOR` if possible."""
    reach = (chain > 0) | np.eye(len(chain), dtype=bool)
    for _ in range(int(np.ceil(np.log2(len(chain) + 1)))):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    chance = expm((chain - np.diag(chain.sum(axis=1))) * minutes)
    return np.where(reach, np.maximum(chance, FLOOR), 0.0)


def _log(chance: np.ndarray) -> np.ndarray:
    return np.where(chance > 0, np.log(np.where(chance > 0, chance, 1)), NEVER)
