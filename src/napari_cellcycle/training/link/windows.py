"""What the trainings of `simple` and of the graph network share: windows of recordings."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.training.link.keep import KEPT, Energies

if TYPE_CHECKING:
    import torch

BATCHES = 150
"""Batches of an epoch."""


class WindowTask(ABC):
    """Windows of examples, drawn so that every recording counts by its weight: a fit `Task`.

    `judge` gives the tracking score of a network on held-out recordings; without it the last,
    averaged weights are kept. After `hold`, what is not known of the examples stays as a network
    thought it.
    """

    former: "torch.nn.Module | None" = None

    def __init__(
        self,
        examples: Sequence[tuple[Any, float]],
        batches: int = BATCHES,
        at_once: int = 2,
        judge: "Callable[[torch.nn.Module], float] | None" = None,
    ) -> None:
        self._examples = [example for example, _ in examples]
        weight = np.array([weight for _, weight in examples])
        self._share = weight / weight.sum()
        self._batches, self._at_once, self._judge = batches, at_once, judge

    def __len__(self) -> int:
        return self._batches

    def batches(self, rng: np.random.Generator) -> Iterator[list[Any]]:
        """Draw windows at random."""
        for _ in range(self._batches):
            drawn = rng.choice(len(self._examples), self._at_once, p=self._share)
            yield [self.cut(self._examples[i], rng) for i in drawn]

    def loss(self, network: "torch.nn.Module", batch: list[Any]) -> "torch.Tensor":
        """Mean over the windows of what the truth was worth against its rivals."""
        import torch

        return torch.stack([self.window_loss(network, window) for window in batch]).mean()

    def hold(self, network: "torch.nn.Module") -> None:
        """Have what is not known stay as `network` thinks it now."""
        self.former = copy.deepcopy(network).eval()

    def window_loss(self, network: "torch.nn.Module", window: Any) -> "torch.Tensor":
        """What the truth was worth in one window, and how far the rest moved: a scalar."""
        import torch

        energies = self.energies(network, window)
        loss = self.rivalry(energies, window)
        if self.former is None:
            return loss
        with torch.no_grad():
            before = self.energies(self.former, window)
        return loss + KEPT * self.drift(energies, before, window)

    def score(self, network: "torch.nn.Module") -> float | None:
        """Tracking score of held-out recordings."""
        return None if self._judge is None else self._judge(network)

    @abstractmethod
    def cut(self, example: Any, rng: np.random.Generator) -> Any:
        """A window of an example, in random place."""

    @abstractmethod
    def energies(self, network: "torch.nn.Module", window: Any) -> Energies:
        """Energies of the links and of the divisions of a window."""

    @abstractmethod
    def rivalry(self, energies: Energies, window: Any) -> "torch.Tensor":
        """What the truth was worth against its rivals."""

    @abstractmethod
    def drift(self, now: Energies, before: Energies, window: Any) -> "torch.Tensor":
        """How far thoughts of what is not known moved."""


def sample(tables: list[np.ndarray], most: int = 20_000) -> "torch.Tensor":
    """Some rows of each table, together, to standardise by."""
    import torch

    parts = [table[:: max(1, len(table) // most)] for table in tables]
    return torch.from_numpy(np.concatenate(parts))
