"""What every kind of teaching has in common: learn, and be judged by what was kept aside."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.models.store import Kind, Model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.teach.plan import Plan
from napari_cellcycle.training.teach.request import TeachSettings
from napari_cellcycle.training.teach.tallies import Tally

if TYPE_CHECKING:
    import torch

State = dict[str, "torch.Tensor"]
"""Weights by name, on the CPU."""
Named = tuple[str, Experiment]
"""An experiment with the name of its folder."""


@dataclass(frozen=True)
class Material:
    """What a lesson is made of: the base model, the experiments, and how it is taught."""

    base: Model
    experiments: Sequence[Named]
    settings: TeachSettings
    device: "torch.device"


@dataclass(frozen=True)
class Learned:
    """The weights that a lesson led to, and the record of each epoch.

    Where each part of the corrections was kept aside in turn, `state` has learned from all of them,
    and each of `apart` from all but one part.
    """

    state: State
    history: Sequence[Epoch]
    apart: tuple[State, ...] = ()


class Lesson(ABC):
    """Corrections of one kind, dealt into what is learned from and what is kept aside.

    Making one raises `BadInput` where there is nothing to learn from, or it fits the base model
    not at all. `counts` is how much is learned from, `corrections` the number of it by which it is
    much or little; `split` says what was kept aside, and `held` is what that is called, such as "3
    lineages kept aside". `data` names what was learned from, for the card.
    """

    kind: Kind
    counts: dict[str, int]
    corrections: int
    split: str
    held: str
    data: list[str]
    notes: tuple[str, ...] = ()
    material: Material

    def start(self) -> State:
        """Weights of the base model, as this lesson begins with them."""
        return self.material.base.weights()

    @property
    def card_settings(self) -> dict[str, Any]:
        """Settings in which the card of the new model differs from that of the base."""
        return {}

    @abstractmethod
    def learn(self, plan: Plan, checkpoint: Checkpoint, progress: Progress = silent) -> Learned:
        """Teach the base model; an interrupted training goes on."""

    def learned(self, weights: State, history: Sequence[Epoch]) -> Learned:
        """What `learn` would give had it ended with these weights, as a checkpoint holds them."""
        return Learned(weights, history)

    @abstractmethod
    def judge(self, state: State, plan: Plan, progress: Progress = silent) -> Tally | None:
        """Score weights on what was kept aside; None if nothing was."""

    def judge_step(
        self, learned: Learned, share: float, plan: Plan, progress: Progress = silent
    ) -> Tally | None:
        """Score a step of a `share` of the way from the old weights to those that were learned."""
        return self.judge(blended(self.start(), learned.state, share), plan, progress)

    @abstractmethod
    def remembers(self, state: State, progress: Progress = silent) -> Tally | None:
        """Score weights on simulated movies, the same for ever; None if there are none."""


@dataclass(frozen=True)
class HeardCheckpoint(Checkpoint):
    """A checkpoint that tells the latest round of learning whenever it is written."""

    heard: Callable[[Epoch], None] = lambda epoch: None

    def write(
        self,
        state: Mapping[str, Any],
        network: "torch.nn.Module",
        rng: np.random.Generator,
        about: Mapping[str, Any],
    ) -> None:
        """Keep the state, then tell of it."""
        super().write(state, network, rng, about)
        self.heard(Epoch(**state["history"][-1]))


def best_so_far(path: Path) -> tuple[State, list[Epoch]] | None:
    """The weights that a training would have kept had it ended after its latest round.

    None if no round was over, or the file cannot be read.
    """
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, there is nothing to keep
        return None
    history = [Epoch(**epoch) for epoch in found["history"]]
    if found["best"] is not None:
        return dict(found["best"][1]), history
    return dict(found["average"] or found["network"]), history


def blended(old: State, new: State, share: float) -> State:
    """Weights on the line from old (0) to new (1): what both agree on stays (Wortsman 2022)."""
    return {
        name: old[name].lerp(tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in new.items()
    }
