"""ResNet-18 for images and for volumes (He et al. 2016; Hara et al. 2018 in 3D)."""

from itertools import pairwise
from typing import Any

import torch
from torch import nn

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


def convolution(ndim: int, before: int, after: int, kernel: int, stride: int) -> nn.Module:
    """A convolution without bias that keeps the size but for its stride."""
    return _CONVOLUTION[ndim](before, after, kernel, stride=stride, padding=kernel // 2, bias=False)


class ResNet18(nn.Module):
    """Crops (n, channels, [Z,] Y, X) to 8 x `width` features each; random weights to begin with.

    A stem of 7 pixels and a pooling, then four stages of two blocks. In 3D the stem keeps the
    planes, and all shortcuts that change shape are convolutions.
    """

    def __init__(self, ndim: int = 2, width: int = 64, channels: int = 1) -> None:
        super().__init__()
        stride: Any = 2 if ndim == 2 else (1, 2, 2)
        stem = _CONVOLUTION[ndim](channels, width, 7, stride=stride, padding=3, bias=False)
        self.stem = nn.Sequential(
            stem, _NORM[ndim](width), nn.ReLU(inplace=True), _POOL[ndim](3, stride=2, padding=1)
        )
        sizes = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    Block(ndim, before, after, stride=1 if stage == 0 else 2),
                    Block(ndim, after, after, stride=1),
                )
                for stage, (before, after) in enumerate(pairwise(sizes))
            )
        )
        self.features = 8 * width
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Features (n, 8 x width)."""
        return self.stages(self.stem(crops)).flatten(2).mean(2)


class Block(nn.Module):
    """Two convolutions of 3 pixels, added to what came in."""

    def __init__(self, ndim: int, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(ndim, before, after, 3, stride),
            _NORM[ndim](after),
            nn.ReLU(inplace=True),
            convolution(ndim, after, after, 3, 1),
            _NORM[ndim](after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                convolution(ndim, before, after, 1, stride), _NORM[ndim](after)
            )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of the same or half the size."""
        return torch.relu(self.body(maps) + self.shortcut(maps))
