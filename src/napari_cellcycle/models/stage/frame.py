"""The `frame` model: the stage of a cell from one small image of it."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.crops import crops
from napari_cellcycle.features.sights import Sight, flat_crops
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.store import Model

WINDOW = 1.4
"""Side of the window around a cell, in median cell diameters of the movie."""
SIZE = 56
"""Side of the network's input in pixels."""


class FrameNetwork(nn.Module):
    """A small residual network that looks at a cell's centre and at the whole window.

    Takes crops (n, size, size), or (n, channels, size, size), in any unit of brightness and gives
    logits (n, stages). Maps are pooled in several ways, among them the mean weighted by closeness
    to the centre, so that neighbours in the window inform but do not outvote the cell. With
    `levels` those of every depth are pooled, and fine texture counts beside shape. Several
    channels are looked at one by one, by the same layers; those that are not there count as dark.
    """

    def __init__(
        self,
        stages: int = 7,
        width: int = 12,
        dropout: float = 0.1,
        *,
        channels: int = 1,
        levels: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.levels = channels, levels
        widths = (width, 2 * width, 4 * width, 6 * width)
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        for before, after in pairwise(widths):
            blocks += [Block(before, before, 1), Block(before, after, 2)]
        self.blocks = nn.Sequential(*blocks, Block(widths[-1], widths[-1], 1))
        seen = 4 * (sum(widths[1:]) + widths[-1]) if levels else 3 * widths[-1]
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels * seen, stages))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, stages) of crops (n, [channels,] size, size)."""
        return self.head(self.features(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What is pooled from crops (n, [channels,] size, size): (n, channels * F)."""
        images = images[:, None] if images.ndim == 3 else images
        missing = self.channels - images.shape[1]
        images = functional.pad(images, (0, 0, 0, 0, 0, missing)) if missing > 0 else images
        maps = self.stem(normalise(images.flatten(0, 1))[:, None])
        pooled = []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            is_last = number == len(self.blocks) - 1
            if is_last or (self.levels and number % 2):
                pooled += _pooled(maps, self.levels)
        return torch.cat(pooled, dim=1).view(len(images), -1)


def _pooled(maps: torch.Tensor, with_spread: bool) -> list[torch.Tensor]:
    """Mean, maximum, mean near the centre and, if asked for, spread of maps: each (n, width)."""
    centre = (maps * _closeness(maps)).sum((2, 3))
    found = [maps.mean((2, 3)), maps.amax((2, 3)), centre]
    return [*found, maps.var((2, 3)).clamp_min(1e-12).sqrt()] if with_spread else found


class Block(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(before, after, 1, bias=False)
            )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (n, after, y / stride, x / stride) of maps (n, before, y, x)."""
        return functional.relu(self.inner(maps) + self.shortcut(maps))


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Bring crops (n, y, x) to about 0 (background) to 1 (the cell's bright parts).

    The lower end is the fifth percentile of the window, the upper one the 98th of its central
    disc, so a bright neighbour does not make the cell dim.
    """
    size = images.shape[-1]
    coordinate = torch.linspace(-1, 1, size, device=images.device)
    central = (coordinate[:, None] ** 2 + coordinate**2) < 0.36
    low = _quantile(images[:, ::2, ::2].flatten(1), 0.05)
    high = _quantile(images[:, central], 0.98)
    span = (high - low).clamp_min(1e-6)
    return ((images - low[:, None, None]) / span[:, None, None]).clamp(-0.5, 2.0)


def _quantile(values: torch.Tensor, share: float) -> torch.Tensor:
    rank = 1 + int(share * (values.shape[1] - 1))
    return torch.kthvalue(values, rank, dim=1).values


def _closeness(maps: torch.Tensor) -> torch.Tensor:
    size = maps.shape[-1]
    coordinate = torch.linspace(-1, 1, size, device=maps.device, dtype=maps.dtype)
    weight = torch.exp(-(coordinate[:, None] ** 2 + coordinate**2) / (2 * 0.35**2))
    return weight / weight.sum()


def predict(
    network: nn.Module,
    images: np.ndarray,
    device: torch.device | None = None,
    batch_size: int = 256,
    views: int = 1,
) -> np.ndarray:
    """Probabilities (n, stages) of crops (n, [channels,] size, size), float32.

    `views` (1 to 8) of the eight turned and mirrored images of each crop are averaged.
    """
    device = device or device_of(network)
    results = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(images[start : start + batch_size]).to(device)
            turned = [network(_turn(batch, view)).softmax(1) for view in range(views)]
            results.append(torch.stack(turned).mean(0).cpu().numpy())
    if not results:
        stages = network(torch.zeros(1, SIZE, SIZE, device=device)).shape[1]
        return np.zeros((0, stages), np.float32)
    return np.concatenate(results)


def _turn(batch: torch.Tensor, view: int) -> torch.Tensor:
    """One of the eight symmetries of a square; 0 is the identity, 1 half a turn."""
    quarter = (0, 2, 1, 3)[view % 4]
    turned = torch.rot90(batch, quarter, (-2, -1))
    return turned.flip(-1) if view >= 4 else turned


class FrameModel:
    """A trained frame network with what it takes to use it on a movie: a `StageModel`."""

    reach = 0

    def __init__(
        self,
        network: nn.Module,
        stages: StageSet = H2B,
        device: torch.device | None = None,
        views: int = 1,
    ) -> None:
        self.stages = stages
        self.views = views
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()
        self.channels = int(getattr(network, "channels", 1))

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "FrameModel":
        """Build the network that a model card describes and load its weights."""
        settings, stages = model.card.settings, stages_of(model.card)
        try:
            channels = int(settings.get("channels", 1))
            network = FrameNetwork(
                len(stages),
                int(settings["width"]),
                channels=channels,
                levels=bool(settings.get("levels", False)),
            )
            network.load_state_dict(model.weights())
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise MissingModel(
                f"The stage model {model.path} does not fit its card ({type(error).__name__}); "
                "expected a frame network with the settings 'stages' and 'width'; "
                "get the model again."
            ) from error
        return cls(network, stages, device, int(settings.get("views", 1)))

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell in each frame by itself."""
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        for sight in sights:
            result[sight.rows] = self.look(sight, batch_size)
        return result

    def look(self, sight: Sight, batch_size: int = 256) -> np.ndarray:
        """Probabilities (m, S) of the cells of one frame.

        Of a volume, the brightest values of the planes around each cell are seen.
        """
        results = []
        for start in range(0, max(len(sight.rows), 1), batch_size):
            seen = flat_crops(sight, WINDOW, SIZE, chosen=slice(start, start + batch_size))
            results.append(predict(self.network, seen, self.device, batch_size, self.views))
        return np.concatenate(results)

    def tell(self, images: np.ndarray, diameter_px: float, batch_size: int = 256) -> np.ndarray:
        """Probabilities (n, S) of crops in colour (n, Y, X, channels), a cell in their middle.

        `diameter_px` is the usual diameter of these cells. Colours that the network does not know
        are left out.
        """
        middle = (np.array(images.shape[1:3]) - 1)[None] / 2
        side = WINDOW * diameter_px
        cut = [
            [crops(image[..., i], middle, side, SIZE)[0] for i in range(self.channels)]
            for image in images
        ]
        return predict(self.network, np.array(cut), self.device, batch_size, self.views)
