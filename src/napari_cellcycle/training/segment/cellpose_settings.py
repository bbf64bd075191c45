"""How a Cellpose network is taught: settings, and what fills them for each version."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.fit import FitSettings

if TYPE_CHECKING:
    import torch

_SLOW_EPOCHS = 10
_SIDE_4 = 256
_MOMENTUM = 0.9


class CellposeSettings(Settings):
    """How a Cellpose network is taught. What is empty is as usual for its version."""

    epochs: int = Field(40, ge=1, description="Most passes over the examples")
    images_per_epoch: int | None = Field(
        40, ge=1, description="Crops learned from in each epoch; empty: one of every image"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="Greatest step of the weights; empty: .005, or 1e-5 in version 4"
    )
    weight_decay: float | None = Field(
        None, ge=0, description="Pull of the weights towards zero; empty: 1e-5, or .1 in version 4"
    )
    batch_size: int | None = Field(
        None, ge=1, le=64, description="Crops learned from at once; empty: 8, or 1 in version 4"
    )
    optimiser: Literal["adamw", "radam", "sgd"] = Field(
        "adamw", description="How steps are made of gradients"
    )
    schedule: Literal["cosine", "halving"] = Field(
        "cosine", description="The learning rate falls to zero, or is halved at the end only"
    )
    rescale: bool = Field(
        True,
        description="Bring cells to the size that the network works at (version 3; version 4 "
        "takes cells as they are)",
    )
    crop_px: int | None = Field(
        None, ge=64, multiple_of=16, description="Side of crops; empty: 224, or 256 in version 4"
    )
    least_masks: int = Field(
        0, ge=0, description="Images with fewer cells than this are not learned from"
    )
    score_every: int = Field(1, ge=1, description="Epochs between two scores on what is kept aside")
    scored_images: int = Field(
        4, ge=1, description="Images of those kept aside that are scored meanwhile"
    )
    patience: int = Field(
        0, ge=0, description="Epochs without a better score before training ends; 0: go to the end"
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same model")


PAPER = CellposeSettings(
    epochs=500,
    images_per_epoch=None,
    learning_rate=0.2,
    weight_decay=1e-5,
    batch_size=8,
    optimiser="sgd",
    schedule="halving",
    rescale=True,
    crop_px=224,
    least_masks=5,
    score_every=10,
)
"""The settings with which Cellpose was taught on CELLULAR."""
USUAL: dict[int, dict[str, Any]] = {
    3: {"learning_rate": 5e-3, "weight_decay": 1e-5, "batch_size": 8, "crop_px": 224},
    4: {"learning_rate": 1e-5, "weight_decay": 0.1, "batch_size": 1, "crop_px": _SIDE_4},
}
"""What stands for an empty setting, by the version of Cellpose."""


def filled(settings: CellposeSettings, major: int) -> CellposeSettings:
    """Settings with nothing empty, for version `major` of Cellpose.

    Raises `BadInput` if version 4 would get crops of another side than it can take.
    """
    usual = USUAL[min(4, major)]
    empty = {name: value for name, value in usual.items() if getattr(settings, name) is None}
    if major >= 4:
        empty["rescale"] = False
        if settings.crop_px not in (None, _SIDE_4):
            raise BadInput(
                f"Crops of {settings.crop_px} pixels were asked for, but Cellpose {major} can only "
                f"learn from crops of {_SIDE_4}: leave their side empty."
            )
    return settings.model_copy(update=empty)


def fit_settings(settings: CellposeSettings) -> FitSettings:
    """What the training loop needs to know of filled `settings`."""
    assert settings.learning_rate is not None
    assert settings.weight_decay is not None
    return FitSettings(
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup=min(_SLOW_EPOCHS / settings.epochs, 0.1),
        schedule=settings.schedule,
        clip=0.0,
        patience=settings.patience,
        seed=settings.seed,
    )


def optimiser_of(
    settings: CellposeSettings,
) -> "Callable[[torch.nn.Module], torch.optim.Optimizer]":
    """Give the optimiser of a network, by filled `settings`."""

    def made(network: "torch.nn.Module") -> "torch.optim.Optimizer":
        import torch

        rate, decay = settings.learning_rate or 0.0, settings.weight_decay or 0.0
        learning = [p for p in network.parameters() if p.requires_grad]
        if settings.optimiser == "sgd":
            return torch.optim.SGD(learning, lr=rate, momentum=_MOMENTUM, weight_decay=decay)
        kind = torch.optim.RAdam if settings.optimiser == "radam" else torch.optim.AdamW
        return kind(learning, lr=rate, weight_decay=decay)

    return made
