"""What a way to train a stage model is: what it takes, and what it gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.training.stage.weak import Aligner

Food = Literal["sequences", "crops", "colour crops", "nuclei"]
FIRST_SEED = 30_000
"""Simulated movies that models of one's own learn from are numbered from here."""


@dataclass(frozen=True)
class StageLesson:
    """What a stage model is to learn.

    `learned` and `held_out` are `CellSequences`, `Examples` or `NucleusExamples`, whichever the
    preset takes. `aligner` stands for the stages where only their order is known; `simulated` is
    the number of simulated movies to learn from besides.
    """

    learned: Any
    stages: StageSet
    settings: FitSettings
    held_out: Any = None
    start: Model | None = None
    checkpoint: Checkpoint | None = None
    device: str = "auto"
    aligner: "Aligner | None" = None
    simulated: int = 0

    @property
    def seeds(self) -> Sequence[int]:
        """Seeds of the simulated movies."""
        first = FIRST_SEED + 1000 * self.settings.seed
        return range(first, first + self.simulated)


@dataclass(frozen=True)
class StageLearned:
    """Weights, what is needed to build their network again, and what they make of `held_out`.

    `told` (n, S) are the probabilities of its examples, `before` those of the model that training
    began with.
    """

    state: "dict[str, torch.Tensor]"
    settings: dict[str, Any]
    history: list[Epoch]
    told: np.ndarray | None = None
    before: np.ndarray | None = None


@dataclass(frozen=True)
class StagePreset:
    """A way to train.

    `food` is what it learns from; `window` the side of crops in usual cell diameters and in
    pixels, margin included. `architecture` and `description` are for the card; `start` is the
    shipped model that training goes on from where its stages fit; `settings` those of a training
    from nothing.
    """

    train: Callable[[StageLesson, Progress], StageLearned]
    food: Food
    architecture: str
    description: str
    settings: FitSettings
    start: str | None = None
    window: tuple[float, int] = (0.0, 0)
    simulates: StageSet | None = None
    learns_order: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
