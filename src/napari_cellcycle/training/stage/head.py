"""Fit the last layer of a frame network alone: a convex problem, solved in seconds."""

import numpy as np
import torch
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.models.stage.frame import FrameNetwork
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.turns import ViewSettings, views


class HeadSettings(Settings):
    """How the last layer is fitted: logistic regression on views of the examples."""

    views: int = 6
    penalty: float = 1e-2
    iterations: int = 60
    look: ViewSettings = ViewSettings()


def fit_head(
    network: FrameNetwork,
    examples: Examples,
    weight: np.ndarray,
    settings: HeadSettings | None = None,
    seed: int = 0,
) -> None:
    """Replace the last layer of `network` by the best one for `examples`, in place.

    `weight` (n,) says how much each example counts. Every example is seen as it is, and in several
    random views. Weights are held back by `penalty` times their squares, in units of the spread
    of each feature.
    """
    settings = settings or HeadSettings()
    generator = torch.Generator().manual_seed(seed)
    network.eval()
    images = torch.from_numpy(examples.images)
    with torch.inference_mode():
        found = [_features(network, torch.from_numpy(examples.windows()))]
        for _ in range(settings.views):
            seen = [views(part, settings.look, generator) for part in images.split(128)]
            found.append(_features(network, torch.cat(seen)))
    features = torch.cat(found).clone()
    code = torch.from_numpy(examples.code).repeat(len(found))
    share = torch.from_numpy(weight / weight.sum()).float().repeat(len(found)) / len(found)
    mean = (share[:, None] * features).sum(0)
    spread = (share[:, None] * (features - mean) ** 2).sum(0).sqrt() + 1e-3
    scaled = ((features - mean) / spread).clamp(-5, 5)
    slope, offset = _logistic(scaled, code, share, len(examples.stages), settings)
    layer = network.head[-1]
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.weight.copy_((slope / spread[:, None]).T)
        layer.bias.copy_(offset - (mean / spread) @ slope)


def _features(network: FrameNetwork, images: torch.Tensor) -> torch.Tensor:
    return torch.cat([network.features(part) for part in images.split(256)])


def _logistic(
    features: torch.Tensor,
    code: torch.Tensor,
    share: torch.Tensor,
    stages: int,
    settings: HeadSettings,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (F, S) and offsets (S,) of a penalised logistic regression (L-BFGS)."""
    slope = torch.zeros(features.shape[1], stages, requires_grad=True)
    offset = torch.zeros(stages, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [slope, offset], max_iter=settings.iterations, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = features @ slope + offset
        value = (functional.cross_entropy(logits, code, reduction="none") * share).sum()
        value = value + settings.penalty * (slope**2).sum()
        value.backward()
        return value

    optimiser.step(loss)
    return slope.detach(), offset.detach()
