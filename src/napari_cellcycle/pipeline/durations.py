"""How long stages last, as a stage set or a model card says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import gamma

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.store import find_model

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


def stored_durations(model: object, stages: StageSet) -> Durations | None:
    """Durations of `stages` on the card of the stage model of that name or file, if it has any.

    None for a model that was opened already. Raises `MissingModel` if there is none.
    """
    if not isinstance(model, str | Path):
        return None
    card = find_model(str(model), "stage").card
    return durations_from_json(card.settings.get("durations"), stages)
