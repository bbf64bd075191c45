"""The published frame-by-frame baseline: ResNet-18 on one crop at a time."""

from collections.abc import Iterable
from typing import get_args

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.sights import Sight, Unit, flat_crops
from napari_cellcycle.models.resnet import ResNet18
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.store import Model

SIZE = 224
"""Side of the network's input in pixels, as published."""
CUT = 96
"""Side of a crop in pixels before it is brought to the network's size."""


class ResNetClassifier(nn.Module):
    """Crops (n, y, x) of any size to logits (n, S) of their stages.

    Each crop is divided by its brightest value, brought to `size` pixels and given to three
    equal colour channels. With `classes`, the trunk keeps its own output of so many classes in
    front of the last layer, as the publication does with the 1000 of ImageNet; 0 leaves it out.
    """

    def __init__(
        self, stages: int = 6, width: int = 64, classes: int = 1000, size: int = SIZE
    ) -> None:
        super().__init__()
        self.size = size
        self.trunk = ResNet18(2, width, channels=3)
        features = self.trunk.features
        self.classes: nn.Module = nn.Linear(features, classes) if classes else nn.Identity()
        self.head = nn.Linear(classes or features, stages)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, S) of crops (n, y, x) in any unit of brightness."""
        images = images.clamp_min(0)
        seen = images / images.amax((1, 2), keepdim=True).clamp_min(1e-6)
        seen = seen[:, None]
        if seen.shape[-1] != self.size:
            seen = functional.interpolate(
                seen, size=(self.size, self.size), mode="bilinear", antialias=True
            )
        return self.head(self.classes(self.trunk(seen.expand(-1, 3, -1, -1))))


def predict(
    network: nn.Module,
    images: np.ndarray,
    device: torch.device | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """Probabilities (n, S) of crops (n, y, x), float32."""
    device, results = device or torch.device("cpu"), []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(images[start : start + batch_size]).float().to(device)
            results.append(network(batch).softmax(1).cpu().numpy())
    return np.concatenate(results)


class ResNetModel:
    """A trained baseline with what it takes to use it on a movie: a `StageModel`."""

    reach = 0

    def __init__(
        self,
        network: ResNetClassifier,
        stages: StageSet = H2B,
        device: torch.device | None = None,
        side: float = 2.4,
        unit: Unit = "diameters",
    ) -> None:
        self.stages, self.side, self.unit = stages, side, unit
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "ResNetModel":
        """Build the network that a model card describes and load its weights."""
        settings, stages = model.card.settings, stages_of(model.card)
        try:
            sizes = {name: int(settings[name]) for name in ("width", "classes", "size")}
            network = ResNetClassifier(len(stages), **sizes)
            network.load_state_dict(model.weights())
            side, unit = float(settings["side"]), settings["unit"]
            if unit not in get_args(Unit):
                raise ValueError(f"unit {unit!r}")
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise MissingModel(
                f"The stage model {model.path} does not fit its card ({type(error).__name__}); "
                "expected a ResNet with the settings 'stages', 'width', 'classes', 'size', "
                "'side' and 'unit'; get the model again."
            ) from error
        return cls(network, stages, device, side, unit)

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell in each frame by itself."""
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        for sight in sights:
            for start in range(0, len(sight.rows), batch_size):
                chosen = slice(start, start + batch_size)
                seen = flat_crops(sight, self.side, CUT, self.unit, chosen)
                told = predict(self.network, seen, self.device, min(batch_size, 32))
                result[sight.rows[chosen]] = told
        return result
