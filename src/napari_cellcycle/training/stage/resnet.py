"""Train the published frame-by-frame baseline, a ResNet-18."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import Unit
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.stage.resnet import SIZE, ResNetClassifier, predict
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.frame import macro_f1
from napari_cellcycle.training.stage.paper_rnn import SecondRateAdagrad

FIT = FitSettings(
    epochs=500, learning_rate=1e-2, weight_decay=1e-5, warmup=0, schedule="constant", clip=0
)
"""As published; Adagrad takes the steps."""


class ResNetTraining(Settings):
    """How the baseline is trained. It begins from random weights: none are fetched."""

    batch: int = Field(4, ge=1, description="Crops in a batch")
    second_step: int = Field(2000, ge=0, description="Batches before the rate falls; 0: never")
    second_rate: float = Field(0.1, gt=0, description="What the rate is then multiplied by")
    turns: bool = Field(True, description="Mirror and turn crops by quarters at random")
    classes: int = Field(1000, ge=0, description="Outputs in front of the last layer; 0: none")
    width: int = Field(64, ge=1, description="Channels of the first convolution")
    size: int = Field(SIZE, ge=32, description="Side in pixels that crops are brought to")
    side: float = Field(2.4, gt=0, description="Side of the window that crops were cut from")
    unit: Unit = Field("diameters", description="What that side is counted in")


class ResNetTask:
    """Learn stages of crops, every crop once an epoch: a `Task` for `fit`."""

    def __init__(
        self, learned: Examples, held_out: Examples | None, settings: ResNetTraining
    ) -> None:
        self.learned, self.held_out, self.settings = learned, held_out, settings
        if len(np.unique(learned.code)) < 2:
            raise BadInput(
                "The crops show fewer than two stages, but a stage model needs at least two; "
                "add cells of other stages."
            )

    def __len__(self) -> int:
        return max(1, len(self.learned) // self.settings.batch)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Crops in random order, turned at random; a last batch that is not full is left out."""
        order = rng.permutation(len(self.learned))
        for number in range(len(self)):
            chosen = order[number * self.settings.batch : (number + 1) * self.settings.batch]
            images = torch.from_numpy(self.learned.images[chosen]).float()
            if self.settings.turns:
                images = torch.rot90(images, int(rng.integers(4)), (1, 2))
                flip = torch.from_numpy(rng.random(len(chosen)) < 0.5)
                images = torch.where(flip[:, None, None], images.flip(2), images)
            yield images, torch.from_numpy(self.learned.code[chosen])

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


def train_resnet(
    learned: Examples,
    fit_settings: FitSettings = FIT,
    settings: ResNetTraining | None = None,
    *,
    start: Mapping[str, torch.Tensor] | None = None,
    held_out: Examples | None = None,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[ResNetClassifier, list[Epoch]]:
    """Train the baseline on crops whose images are (n, m, m), of any size.

    `start` are weights to begin with. Raises `BadInput` if the crops show one stage only.
    """
    settings = settings or ResNetTraining()
    torch.manual_seed(fit_settings.seed)
    network = ResNetClassifier(len(learned.stages), settings.width, settings.classes, settings.size)
    if start is not None:
        network.load_state_dict(start)
    network.to(device or torch.device("cpu"))
    history = fit(
        network,
        ResNetTask(learned, held_out, settings),
        fit_settings,
        optimiser=lambda trained: SecondRateAdagrad(
            trained, fit_settings, settings.second_step, settings.second_rate
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    return network, history


def card_settings(stages: StageSet, settings: ResNetTraining) -> dict[str, Any]:
    """What the card of a trained baseline has to hold for it to be built again."""
    shape = {name: getattr(settings, name) for name in ("width", "classes", "size", "side", "unit")}
    return {"stages": stages_to_json(stages), **shape}
