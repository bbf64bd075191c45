"""Stages of the cell cycle: their names, colours and the order they can follow in."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

ANY_TIME = (1.0, 100_000.0)
"""Duration, in minutes, of a stage of which none is known."""


@dataclass(frozen=True)
class Stage:
    """One stage: its name, colour (#rrggbb) and usual duration in minutes.

    `duration` is (shortest, longest) as lived by a healthy cell; a tracked cell can show
    less where the movie, or the field of view, cuts it off.
    """

    name: str
    colour: str
    duration: tuple[float, float]


@dataclass(frozen=True)
class StageSet:
    """An ordered set of stages and the successions that biology allows.

    `successions` holds (from, to) pairs of names; staying in a stage is always allowed.
    `first` and `last` name the stages that a daughter can start with and that a mother can
    end with when she divides.
    """

    name: str
    stages: tuple[Stage, ...]
    successions: frozenset[tuple[str, str]]
    first: frozenset[str]
    last: frozenset[str]

    def __post_init__(self) -> None:
        names = set(self.names)
        if len(names) != len(self.stages):
            raise ValueError("two stages have the same name")
        unknown = {n for pair in self.successions for n in pair} | self.first | self.last
        if unknown - names:
            raise ValueError(f"unknown stage {sorted(unknown - names)[0]!r}")

    def __len__(self) -> int:
        return len(self.stages)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order; a stage's code is its position here."""
        return tuple(stage.name for stage in self.stages)

    @property
    def timed(self) -> bool:
        """Whether it is known how long stages last."""
        limits = [stage.duration for stage in self.stages]
        return all(limit != ANY_TIME and isfinite(limit[1]) for limit in limits)

    @property
    def colours(self) -> dict[str, str]:
        """Colour (#rrggbb) by name."""
        return {stage.name: stage.colour for stage in self.stages}

    def allowed(self) -> np.ndarray:
        """Boolean matrix (S, S): whether stage j can follow stage i within one cell."""
        matrix = np.eye(len(self), dtype=bool)
        for before, after in self.successions:
            matrix[self.names.index(before), self.names.index(after)] = True
        return matrix

    def allowed_at_division(self) -> np.ndarray:
        """Boolean matrix (S, S): whether a daughter can start in j when her mother ended in i."""
        is_last = np.array([name in self.last for name in self.names])
        is_first = np.array([name in self.first for name in self.names])
        return np.outer(is_last, is_first)


def _h2b() -> StageSet:
    stages = (
        Stage("interphase", "#4477aa", (240, 3000)),
        Stage("prophase", "#66ccee", (4, 30)),
        Stage("prometaphase", "#ccbb44", (4, 40)),
        Stage("metaphase", "#ee9944", (5, 90)),
        Stage("anaphase", "#ee6677", (3, 15)),
        Stage("telophase", "#aa3377", (6, 60)),
        Stage("apoptosis", "#999999", (10, 600)),
    )
    cycle = ("interphase", "prophase", "prometaphase", "metaphase", "anaphase", "telophase")
    successions = set(zip(cycle, (*cycle[1:], "interphase"), strict=True))
    successions |= {(name, "apoptosis") for name in cycle}
    return StageSet(
        "H2B 7 stages",
        stages,
        frozenset(successions),
        first=frozenset({"anaphase", "telophase"}),
        last=frozenset({"metaphase", "anaphase"}),
    )


H2B = _h2b()
"""Chromatin stages of a histone-labelled nucleus, from interphase to telophase, and apoptosis."""


def _mitosis() -> StageSet:
    chosen = tuple(stage for stage in H2B.stages if stage.name != "apoptosis")
    names = tuple(stage.name for stage in chosen)
    pairs = zip(names, (*names[1:], names[0]), strict=True)
    return StageSet("Mitosis 6 stages", chosen, frozenset(pairs), H2B.first, H2B.last)


MITOSIS = _mitosis()
"""The six stages of the CellCognition H2B benchmark (Zhong et al. 2012), without cell death."""

LIVE_CELL = StageSet(
    "Mitosis 3 stages",
    (
        Stage("interphase", "#4477aa", (240, 3000)),
        Stage("early mitosis", "#ee9944", (10, 120)),
        Stage("late mitosis", "#ee6677", (15, 180)),
    ),
    frozenset(
        {
            ("interphase", "early mitosis"),
            ("early mitosis", "late mitosis"),
            ("late mitosis", "interphase"),
        }
    ),
    first=frozenset({"late mitosis"}),
    last=frozenset({"early mitosis", "late mitosis"}),
)
"""Interphase, mitosis before anaphase, and mitosis from its onset on (LiveCellMiner)."""

NUCLEUS = StageSet(
    "Nucleus state",
    (
        Stage("stable", "#4477aa", (240, 3000)),
        Stage("mitotic", "#ee9944", (5, 40)),
        Stage("new daughter", "#ee6677", (5, 40)),
        Stage("death", "#999999", (10, 600)),
    ),
    frozenset(
        {
            ("stable", "mitotic"),
            ("new daughter", "stable"),
            ("stable", "death"),
            ("mitotic", "death"),
            ("new daughter", "death"),
        }
    ),
    first=frozenset({"new daughter"}),
    last=frozenset({"mitotic"}),
)
"""States of a nucleus in an embryo: about to divide, just born, dying, or neither."""

_PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee9944", "#999999")


def free_stages(names: tuple[str, ...] | list[str]) -> StageSet:
    """Stages of which nothing is known but their names: each can follow any, and last any time."""
    stages = tuple(
        Stage(name, _PALETTE[i % len(_PALETTE)], ANY_TIME) for i, name in enumerate(names)
    )
    pairs = frozenset((a, b) for a in names for b in names if a != b)
    every = frozenset(names)
    return StageSet(", ".join(names), stages, pairs, first=every, last=every)
