"""Train small networks that judge cells by what is measured of them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.models.rank_net import MEMBERS, RankNet, tell
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit

FIT = FitSettings(epochs=60, learning_rate=2e-3, weight_decay=0.3, warmup=0.1, average=0.99)


class RankSettings(Settings):
    """How the classes of measured cells are learned."""

    batch_size: int = 64
    smoothing: float = 0.05
    noise: float = 0.2
    linear: bool = False


class Measured(NamedTuple):
    """Traits of cells (n, F) float32, their classes (n,) int, and how often each is to be seen.

    Without `chances` (n,) every cell is seen once an epoch.
    """

    traits: np.ndarray
    classes: np.ndarray
    chances: np.ndarray | None = None


class RankTask:
    """As many cells an epoch as there are, others for each member: a `Task` for `fit`."""

    def __init__(
        self, network: RankNet, learned: Measured, held_out: Measured | None, settings: RankSettings
    ) -> None:
        self.ranks = network.ranked(torch.from_numpy(learned.traits))
        self.classes = torch.from_numpy(learned.classes)
        self.chances, self.held_out, self.settings = learned.chances, held_out, settings

    def __len__(self) -> int:
        return -(-len(self.classes) // self.settings.batch_size)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Ranked traits (members, n, F) and classes (members, n)."""
        count, size = len(self.classes), self.settings.batch_size
        seen_again = self.chances is not None
        order = np.stack(
            [rng.choice(count, count, seen_again, self.chances) for _ in range(MEMBERS)]
        )
        for start in range(0, count, size):
            chosen = torch.from_numpy(order[:, start : start + size])
            yield self.ranks[chosen], self.classes[chosen]

    def loss(self, network: Any, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy of softened classes; ranks are blurred, as masks in use are not those."""
        ranks, classes = (part.to(network.levels.device) for part in batch)
        ranks = ranks + self.settings.noise * torch.randn_like(ranks)
        return functional.cross_entropy(
            network(ranks).flatten(0, 1), classes.flatten(), label_smoothing=self.settings.smoothing
        )

    def score(self, network: Any) -> float | None:
        """How sure the network is of the right class of the cells kept aside, on average.

        Less than the accuracy, and finer: with few cells, many epochs have the same accuracy.
        """
        if self.held_out is None:
            return None
        told = tell(network, self.held_out.traits)
        classes = self.held_out.classes
        right = (told.argmax(1) == classes).mean()
        sure = np.log(np.maximum(told[np.arange(len(classes)), classes], 1e-6)).mean()
        return float(right + 0.1 * sure)


def train_ranks(
    learned: Measured,
    held_out: Measured | None = None,
    fit_settings: FitSettings = FIT,
    settings: RankSettings | None = None,
    *,
    classes: int,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[RankNet, list[Epoch]]:
    """Train the networks; the epoch that is best on `held_out` is kept, otherwise the last."""
    torch.manual_seed(fit_settings.seed)
    settings = settings or RankSettings()
    network = RankNet(classes, learned.traits.shape[1], linear=settings.linear)
    network.know(learned.traits)
    if settings.linear:
        alike = np.ones(len(learned.classes))
        network.discriminate(
            learned.traits, learned.classes, alike if learned.chances is None else learned.chances
        )
    task = RankTask(network, learned, held_out, settings)
    network.to(device or torch.device("cpu"))
    history = fit(network, task, fit_settings, checkpoint=checkpoint, progress=progress)
    return network.eval(), history
