"""Who lives when, and in which stage: the family tree of a simulated movie, as plain tables.

Life is written on one axis, the *phase*: its integer part names the stage in the order a cell
passes them, its fraction how much of that stage is over::

    0 anaphase (one of two daughters)   3 prophase        6 anaphase (plates still together)
    1 telophase                         4 prometaphase    7 the division itself
    2 interphase                        5 metaphase       8 apoptosis
"""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.config import SimulateSettings

STAGE_OF_PHASE = np.array(
    [
        "anaphase",
        "telophase",
        "interphase",
        "prophase",
        "prometaphase",
        "metaphase",
        "anaphase",
        "anaphase",
        "apoptosis",
    ]
)
APOPTOSIS = 8.0
# Minutes from one phase to the next, HeLa H2B at 37 degrees C; interphase takes the rest.
MINUTES = np.array([6.0, 20.0, np.nan, 10.0, 12.0, 15.0, 2.5])
APOPTOSIS_MINUTES = 60.0
SHORTEST_INTERPHASE = 30.0
CROWDED_SLOWDOWN = 20.0


@dataclass(frozen=True)
class Lineage:
    """Every cell that ever lives, parents before their children.

    Times are minutes since the first frame. `parent` (n,) is -1 for founders, `founder` (n,) the
    first ancestor, `starts` (n, 8) when each phase 0-7 begins, `death` (n,) when apoptosis begins
    (inf if it does not), `end` (n,) when the cell divides or is gone.
    """

    parent: np.ndarray
    founder: np.ndarray
    starts: np.ndarray
    death: np.ndarray
    end: np.ndarray

    @property
    def born(self) -> np.ndarray:
        """Minute at which each cell becomes a cell of its own, (n,)."""
        return np.asarray(self.starts[:, 0])

    @property
    def sibling(self) -> np.ndarray:
        """Index of the other daughter of the same parent, (n,); -1 for founders."""
        sibling = np.full(len(self.parent), -1)
        children = np.flatnonzero(self.parent >= 0).reshape(-1, 2)
        sibling[children[:, 0]], sibling[children[:, 1]] = children[:, 1], children[:, 0]
        return sibling

    def alive(self, time: float) -> np.ndarray:
        """Indices of the cells that exist at `time`."""
        return np.flatnonzero((self.born <= time) & (time < self.end))

    def phase(self, time: float, cells: np.ndarray) -> np.ndarray:
        """Phase of each of `cells` at `time`, (n,) float."""
        starts, death = self.starts[cells], self.death[cells]
        index = np.clip((time >= starts).sum(axis=1) - 1, 0, 6)
        row = np.arange(len(cells))
        begin, finish = starts[row, index], starts[row, index + 1]
        phase = index + np.clip((time - begin) / (finish - begin), 0, 1 - 1e-6)
        dying = time >= death
        over = (time - death[dying]) / (self.end[cells][dying] - death[dying])
        phase[dying] = APOPTOSIS + np.clip(over, 0, 1 - 1e-6)
        return np.asarray(phase)


def stage_of(phase: np.ndarray) -> np.ndarray:
    """Name of the stage at each phase, (n,) str."""
    return np.asarray(STAGE_OF_PHASE[np.floor(phase).astype(int)])


def grow(
    settings: SimulateSettings, founders: int, capacity: int, rng: np.random.Generator
) -> Lineage:
    """Let `founders` cells of all ages divide and die until the last frame.

    Ages of the founders follow steady exponential growth (density proportional to 2^(-age/cycle)).
    Cells born when there are `capacity` of them already hardly cycle any more (contact
    inhibition), so that crowds stay bounded.
    """
    last = settings.frames * settings.frame_interval / 60
    durations = _durations(settings, founders, np.zeros(founders, bool), rng)
    length = durations.sum(axis=1)
    age = length * (1 - np.log2(1 + rng.random(founders)))
    generation = _generation(
        np.full(founders, -1),
        -np.maximum(age, durations[:, :2].sum(axis=1)),
        durations,
        settings,
        rng,
    )
    generations, offset = [generation], 0
    while True:
        divide = (generation.end < last) & np.isinf(generation.death)
        parent = np.repeat(np.flatnonzero(divide), 2)
        if not len(parent):
            break
        born = generation.end[parent]
        crowded = _population(generations, born) > capacity
        durations = _durations(settings, len(parent), crowded, rng)
        generation = _generation(parent + offset, born, durations, settings, rng)
        offset += len(generations[-1].parent)
        generations.append(generation)
    return _join(generations)


def _durations(
    settings: SimulateSettings, n: int, crowded: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Minutes spent in phases 0-6 by `n` cells, (n, 7)."""
    spread = rng.lognormal(0, 0.25, (n, len(MINUTES)))
    minutes = MINUTES * settings.mitosis_stretch * spread
    cycle = settings.cycle_hours * 60 * rng.lognormal(0, settings.cycle_spread, n)
    rest = cycle - np.nansum(minutes, axis=1)
    shortest = max(SHORTEST_INTERPHASE, 2 * settings.frame_interval / 60)
    minutes[:, 2] = np.maximum(rest, shortest) * np.where(crowded, CROWDED_SLOWDOWN, 1)
    return np.asarray(minutes)


def _generation(
    parent: np.ndarray,
    born: np.ndarray,
    durations: np.ndarray,
    settings: SimulateSettings,
    rng: np.random.Generator,
) -> Lineage:
    """Cells of one generation; founders are given parent -1 and resolved in `_join`."""
    n = len(parent)
    starts = np.cumsum(np.column_stack([born, durations]), axis=1)
    dies = rng.random(n) < settings.death_rate
    # A founder has survived until the first frame, give or take the time dying takes.
    earliest = np.maximum(starts[:, 2], -APOPTOSIS_MINUTES / 2)
    latest = np.maximum(starts[:, 3], earliest)
    death = np.where(dies, earliest + (latest - earliest) * rng.random(n), np.inf)
    lasting = APOPTOSIS_MINUTES * settings.mitosis_stretch * rng.lognormal(0, 0.3, n)
    end = np.where(dies, death + lasting, starts[:, 7])
    return Lineage(parent, parent, starts, death, end)


def _population(generations: list[Lineage], times: np.ndarray) -> np.ndarray:
    """How many cells of all `generations` are alive at each of `times`, (n,)."""
    born = np.sort(np.concatenate([g.born for g in generations]))
    end = np.sort(np.concatenate([g.end for g in generations]))
    # Every birth of the generation to come adds two cells.
    coming = 2 * np.argsort(np.argsort(times[::2])).repeat(2)
    alive = np.searchsorted(born, times, "right") - np.searchsorted(end, times, "right")
    return np.asarray(alive + coming)


def _join(generations: list[Lineage]) -> Lineage:
    founder = [np.arange(len(generations[0].parent))]
    for before, generation in zip(_offsets(generations), generations[1:], strict=False):
        founder.append(founder[-1][generation.parent - before])
    return Lineage(
        parent=np.concatenate([g.parent for g in generations]),
        founder=np.concatenate(founder),
        starts=np.concatenate([g.starts for g in generations]),
        death=np.concatenate([g.death for g in generations]),
        end=np.concatenate([g.end for g in generations]),
    )


def _offsets(generations: list[Lineage]) -> list[int]:
    """Index of the first cell of each generation."""
    sizes = [len(g.parent) for g in generations]
    return [0, *np.cumsum(sizes[:-1]).tolist()]
