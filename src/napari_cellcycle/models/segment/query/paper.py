"""The published coordinate-query network: whether a point of the image lies in a nucleus.

The image is squeezed into 224 x 224 pixels, whatever its sides are. A point is known by its
coordinates, by a patch of the image around it and by the image as a whole: 405,229 weights.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellcycle.models.device import device_of

SIDE = 224
"""Sides of the image, in pixels, as the network sees it."""
PATCH = 8
_OCTAVES = 12
_PLANE, _GLOBAL = (3, 16, 32, 4), (3, 4, 8, 16, 32, 64)
_POINT, _FUSED = 256, 512
_AT_ONCE = 8192


class PaperQueryNet(nn.Module):
    """Logits at points (x, y), each from 0 to 1 along its side, of images (N, 3, 224, 224)."""

    def __init__(self) -> None:
        super().__init__()
        self.plane = _convolutions(_PLANE, (2, 2, 1))
        self.whole = _convolutions(_GLOBAL, (2,) * 5)
        self.point = nn.Sequential(
            nn.Linear(4 * _OCTAVES, _POINT), nn.GELU("tanh"), nn.Linear(_POINT, _POINT)
        )
        known = _POINT + _PLANE[-1] * PATCH**2 + _GLOBAL[-1]
        self.answer = nn.Sequential(nn.Linear(known, _FUSED), nn.GELU("tanh"), nn.Linear(_FUSED, 1))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What is known of images before the points are: maps (N, 4, 56, 56), features (N, 64)."""
        return self.plane(images), self.whole(images).mean((2, 3))

    def ask(self, encoded: tuple[Tensor, Tensor], points: Tensor) -> Tensor:
        """Logits (N, Q) at `points` (N, Q, 2)."""
        maps, whole = encoded
        known = [
            self.point(positional(points)),
            patches(maps, points),
            whole[:, None].expand(-1, points.shape[1], -1),
        ]
        return self.answer(torch.cat(known, -1))[..., 0]

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        """Logits (N, Q) at `points` (N, Q, 2) of images (N, 3, 224, 224)."""
        return self.ask(self.encode(images), points)


def positional(points: Tensor) -> Tensor:
    """Sines and cosines (..., 48) of coordinates (..., 2) times 1, 2, 4, ... 2048."""
    factor = 2.0 ** torch.arange(_OCTAVES, device=points.device)
    angle = points[..., None, :] * factor[:, None]
    return torch.stack([angle.sin(), angle.cos()], -2).flatten(-3)


def patches(maps: Tensor, points: Tensor) -> Tensor:
    """Maps (N, C, Y, X) sampled one pixel of theirs apart around points: (N, Q, 64 C).

    By linear interpolation, with zeros beyond the border; points (N, Q, 2) are (x, y) from 0, the
    middle of the first pixel, to 1, that of the last.
    """
    sides = torch.tensor([maps.shape[3] - 1, maps.shape[2] - 1], device=maps.device)
    steps = torch.arange(PATCH, device=maps.device) - (PATCH - 1) / 2
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1)
    place = points[:, :, None] * sides + offsets
    grid = (2 * place / sides - 1).to(maps.dtype)
    found = functional.grid_sample(maps, grid, align_corners=True)
    return found.permute(0, 2, 1, 3).flatten(2)


def query_grid(device: torch.device) -> Tensor:
    """The 50,176 points (1, Q, 2) that an image is asked about, row after row."""
    line = torch.linspace(0, 1, SIDE, device=device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).view(1, -1, 2)


def squeezed(colours: np.ndarray) -> np.ndarray:
    """An image (Y, X, 3) of values 0 to 1 as the network takes it: (3, 224, 224) float32."""
    from napari_cellcycle.models.segment.normalise import resize

    small = resize(colours, (SIDE, SIDE))
    return np.ascontiguousarray(small.transpose(2, 0, 1), np.float32)


def probabilities(network: Any, image: np.ndarray) -> np.ndarray:
    """Probability (224, 224) that each point of a squeezed image lies in a nucleus."""
    device = device_of(network)
    with torch.inference_mode():
        encoded = network.encode(torch.from_numpy(image)[None].to(device))
        parts = query_grid(device).split(_AT_ONCE, 1)
        logits = torch.cat([network.ask(encoded, part) for part in parts], 1)
    return logits.sigmoid().view(SIDE, SIDE).float().cpu().numpy()


def _convolutions(widths: tuple[int, ...], strides: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for (before, after), stride in zip(pairwise(widths), strides, strict=True):
        layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.GELU("tanh")]
    return nn.Sequential(*layers)
