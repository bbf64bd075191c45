"""The crop classifier of the point-based cell pipeline: what kind of cell is in the middle.

For cells that were sorted into classes and not followed over time. It sees 224 pixels around a
cell at the resolution of the image, with zeros beyond its border, in three colours. The network
has the published shape: 118,162 weights for two classes.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.colours import colours_last, lit_colours
from napari_cellcycle.features.sights import Sight
from napari_cellcycle.models.stage.model import CLASSIFIER, stages_of
from napari_cellcycle.models.store import Model

SIZE = 224
"""Side of a crop in pixels."""
_WIDTHS = (3, 8, 16, 32, 64, 128)
_KERNELS = (7, 5, 3, 3, 3)


class CellClassifier(nn.Module):
    """Five convolutions of stride 2, one mean, two layers: logits (n, K) of crops (n, 3, 224, 224).

    Brightness is expected from 0 to 1.
    """

    def __init__(self, classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for kernel, before, after in zip(_KERNELS, _WIDTHS[:-1], _WIDTHS[1:], strict=True):
            layers += [nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
        self.features = nn.Sequential(*layers, nn.AvgPool2d(7))
        self.head = nn.Sequential(
            nn.Linear(_WIDTHS[-1], 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, classes)
        )

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Logits (n, K) of crops (n, 3, 224, 224)."""
        return self.head(self.features(crops).flatten(1))


def zero_padded(image: np.ndarray, centres_px: np.ndarray) -> np.ndarray:
    """`SIZE` pixels of an image (Y, X[, C]) around each centre (n, 2), with zeros beyond it.

    At the resolution of the image; uint8 stays what it is, for the sake of memory.
    """
    half = SIZE // 2
    edge = [(half, half)] * 2 + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(image, edge)
    start = np.rint(np.asarray(centres_px, float).reshape(-1, 2)).astype(np.int64)
    start = np.clip(start, 0, np.array(image.shape[:2]) - 1)
    reach = np.arange(SIZE)
    y = (start[:, :1] + reach)[:, :, None]
    x = (start[:, 1:] + reach)[:, None, :]
    return np.asarray(padded[y, x])


def lit(image: np.ndarray) -> np.ndarray:
    """An image with values from 0 to 1, float32.

    Bytes are divided by 255, as published; any other kind is taken from its darkest to its
    99.9th percentile.
    """
    if image.dtype == np.uint8:
        return np.asarray(image, np.float32) / 255
    low, high = float(image.min()), float(np.percentile(image, 99.9))
    unit = max(high - low, 1e-6)
    return np.clip((np.asarray(image, np.float32) - low) / unit, 0, 1)


def predict(
    network: nn.Module, images: np.ndarray, device: torch.device, batch_size: int = 64
) -> np.ndarray:
    """Probabilities (n, K), float32, of crops (n, 224, 224[, 3]) of values 0 to 1 or bytes."""
    results = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = as_batch(images[start : start + batch_size]).to(device)
            results.append(network(batch).softmax(1).cpu().numpy())
    if not results:
        return network(torch.zeros(1, 3, SIZE, SIZE, device=device))[:0].detach().cpu().numpy()
    return np.concatenate(results)


def as_batch(images: np.ndarray) -> torch.Tensor:
    """Crops (n, Y, X[, 3]) as the network takes them: (n, 3, Y, X) float32, 0 to 1."""
    seen = torch.from_numpy(np.ascontiguousarray(images))
    seen = seen.float() / 255 if images.dtype == np.uint8 else seen.float()
    if seen.ndim == 3:
        return seen[:, None].expand(-1, 3, -1, -1)
    return seen.permute(0, 3, 1, 2)


class CropClassifier:
    """A trained classifier with what it takes to use it on a movie: a `StageModel`."""

    reach, channels = 0, 3

    def __init__(
        self, network: nn.Module, stages: StageSet, device: torch.device | None = None
    ) -> None:
        self.stages = stages
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()

    @classmethod
    def open(cls, model: Model, device: torch.device | None = None) -> "CropClassifier":
        """Build the network that a model card describes and load its weights."""
        stages = stages_of(model.card)
        network = CellClassifier(len(stages))
        try:
            network.load_state_dict(model.weights())
        except RuntimeError as error:
            raise MissingModel(
                f"The weights in {model.path} do not fit their card; expected a {CLASSIFIER} of "
                f"{len(stages)} classes; get the model again."
            ) from error
        return cls(network, stages, device)

    def __call__(
        self, sights: Iterable[Sight], parent: np.ndarray, batch_size: int = 64
    ) -> np.ndarray:
        """Probabilities (n, S) of each cell in each frame by itself; volumes are projected."""
        result = np.zeros((len(parent), len(self.stages)), np.float32)
        for sight in sights:
            colours = sight.colours.max(axis=1) if sight.image.ndim == 3 else sight.colours
            image = lit(colours[0] if len(colours) == 1 else colours_last(colours, self.channels))
            for start in range(0, len(sight.rows), batch_size):
                part = slice(start, start + batch_size)
                seen = zero_padded(image, sight.centres_px[part, -2:])
                result[sight.rows[part]] = predict(self.network, seen, self.device, batch_size)
        return result

    def at(
        self, image: np.ndarray, masks: np.ndarray, labels: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Probabilities (n, K) of the cells at `places` (n, 2) of an image (Y, X) or (C, Y, X).

        As published: a single channel is shown as green and blue; masks do not matter.
        """
        colours = lit_colours(colours_last(image, self.channels))
        return predict(self.network, zero_padded(colours, places), self.device)

    def tell(
        self, images: np.ndarray, diameter_px: float = 0.0, batch_size: int = 64
    ) -> np.ndarray:
        """Probabilities (n, S) of crops (n, Y, X, 3) of any size, each centred on a cell.

        The diameter of the cells does not matter to this model.
        """
        middle = (np.array(images.shape[1:3]) / 2)[None]
        found = [np.zeros((0, len(self.stages)), np.float32)]
        for start in range(0, len(images), batch_size):
            seen = [zero_padded(image, middle) for image in images[start : start + batch_size]]
            found.append(predict(self.network, np.concatenate(seen), self.device, batch_size))
        return np.concatenate(found)
