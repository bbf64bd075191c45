"""Train the published crop classifier on cells sorted into classes."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.stage.cell_classifier import CellClassifier, as_batch, predict
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.colour_turns import colour_views
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.frame import macro_f1

FIT = FitSettings(
    epochs=250, learning_rate=1e-3, weight_decay=0, warmup=0, schedule="constant", clip=0
)
"""As published, Adam at a fixed rate; but the best epoch is kept where cells are kept aside."""


class ClassifierSettings(Settings):
    """How the published classifier is trained."""

    batch_size: int = 32
    dropout: float = 0.0


class ClassifierTask:
    """Learn classes of colour crops, every crop once an epoch: a `Task` for `fit`."""

    def __init__(
        self, learned: Examples, held_out: Examples | None, settings: ClassifierSettings
    ) -> None:
        self.learned, self.held_out, self.settings = learned, held_out, settings

    def __len__(self) -> int:
        return -(-len(self.learned) // self.settings.batch_size)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All crops in a random order, each seen in its own way."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        order = rng.permutation(len(self.learned))
        for start in range(0, len(order), self.settings.batch_size):
            chosen = order[start : start + self.settings.batch_size]
            seen = colour_views(as_batch(self.learned.images[chosen]), generator)
            yield seen, torch.from_numpy(self.learned.code[chosen])

    def loss(
        self, network: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Cross-entropy."""
        device = device_of(network)
        images, code = batch
        return functional.cross_entropy(network(images.to(device)), code.to(device))

    def score(self, network: torch.nn.Module) -> float | None:
        """Macro-F1 on the crops kept aside."""
        if self.held_out is None:
            return None
        device = device_of(network)
        code = predict(network, self.held_out.images, device).argmax(1)
        return macro_f1(self.held_out.code, code, len(self.held_out.stages))


def train_classifier(
    learned: Examples,
    fit_settings: FitSettings = FIT,
    settings: ClassifierSettings | None = None,
    *,
    start: dict[str, torch.Tensor] | None = None,
    held_out: Examples | None = None,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[CellClassifier, list[Epoch]]:
    """Train a crop classifier on `learned`, whose images are (n, 224, 224, 3).

    `start` are weights to begin with.
    """
    settings = settings or ClassifierSettings()
    torch.manual_seed(fit_settings.seed)
    network = CellClassifier(len(learned.stages), settings.dropout)
    if start is not None:
        network.load_state_dict(start)
    network.to(device or torch.device("cpu"))
    history = fit(
        network,
        ClassifierTask(learned, held_out, settings),
        fit_settings,
        optimiser=lambda trained: torch.optim.Adam(
            trained.parameters(), fit_settings.learning_rate
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    return network, history
