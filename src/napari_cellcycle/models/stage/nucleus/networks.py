"""Convolutional networks for samples of a nucleus: the published ones and ours.

All take samples (n, C, z, y, x) and give logits (n, classes). A plane of one (2D) goes the same
way: of each kernel only its middle plane then meets the image, and nothing is pooled along z.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from napari_cellcycle.models.stage.nucleus.presets import NucleusPreset


def build(preset: "NucleusPreset", classes: int) -> nn.Module:
    """The untrained network of a preset, laid out in memory as convolutions of volumes like it."""
    network = _new(preset, classes)
    for part in network.modules():
        if isinstance(part, nn.Conv3d):
            part.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network


def _new(preset: "NucleusPreset", classes: int) -> nn.Module:
    if preset.network == "convlstm":
        from napari_cellcycle.models.stage.nucleus.conv_lstm import ConvLstmNetwork

        return ConvLstmNetwork(classes, preset.dropout)
    if preset.network == "cnn":
        return PaperCnn(preset.channels, classes, preset.dropout, preset.norm_before_pool)
    return NucleusNetwork(preset.channels, classes, preset.width, preset.dropout)


def halve(maps: torch.Tensor) -> torch.Tensor:
    """Maximum over 2 x 2 x 2 samples, of axes that have more than one."""
    return functional.max_pool3d(maps, [min(2, length) for length in maps.shape[2:]])


class PaperStep(nn.Module):
    """Convolution, ReLU, pooling and normalisation: one step of the published networks.

    The publication normalises what was pooled; with `norm_before_pool` each convolution is
    normalised, as is usual.
    """

    def __init__(self, before: int, after: int, norm_before_pool: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv3d(before, after, 3, padding=1)
        self.norm = nn.BatchNorm3d(after)
        self.norm_before_pool = norm_before_pool

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (n, after, z / 2, y / 2, x / 2) of maps (n, before, z, y, x)."""
        if self.norm_before_pool:
            return halve(functional.relu(self.norm(self.conv(maps))))
        return self.norm(halve(functional.relu(self.conv(maps))))


class PaperCnn(nn.Module):
    """The published cnn (1 channel), 3ncnn (3) and 4ncnn (3 and the mask)."""

    def __init__(
        self, channels: int, classes: int, dropout: float = 0.0, norm_before_pool: bool = False
    ) -> None:
        super().__init__()
        widths = (channels, 16, 32, 64)
        self.steps = nn.Sequential(
            *(PaperStep(a, b, norm_before_pool) for a, b in pairwise(widths))
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], classes))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) of samples (n, C, z, y, x)."""
        return self.head(self.steps(samples).mean((2, 3, 4)))


class NucleusNetwork(nn.Module):
    """Ours: a small residual network, normalised within each sample, that knows the centre.

    Normalising within a sample (Wu and He 2018, groups of channels) lets volumes and flat images
    be learned side by side. The last map is pooled three ways: its mean, its maximum, and its mean
    weighted by closeness to the centre, where the cell is.
    """

    def __init__(self, channels: int, classes: int, width: int = 16, dropout: float = 0.1) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        self.stem = nn.Sequential(
            nn.Conv3d(channels, width, (3, 5, 5), 2, (1, 2, 2), bias=False),
            nn.GroupNorm(4, width),
            nn.ReLU(inplace=True),
        )
        self.first = Block(width, width)
        self.deeper = nn.ModuleList(Block(a, b) for a, b in pairwise(widths))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(3 * widths[-1], classes))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) of samples (n, C, z, y, x)."""
        maps = self.first(self.stem(samples))
        for block in self.deeper:
            maps = block(halve(maps))
        axes = (2, 3, 4)
        centre = (maps * closeness(maps)).sum(axes)
        return self.head(torch.cat([maps.mean(axes), maps.amax(axes), centre], dim=1))


class Block(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv3d(before, after, 3, padding=1, bias=False),
            nn.GroupNorm(4, after),
            nn.ReLU(inplace=True),
            nn.Conv3d(after, after, 3, padding=1, bias=False),
            nn.GroupNorm(4, after),
        )
        self.shortcut = nn.Identity() if before == after else nn.Conv3d(before, after, 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (n, after, z, y, x) of maps (n, before, z, y, x)."""
        return functional.relu(self.inner(maps) + self.shortcut(maps))


def closeness(maps: torch.Tensor) -> torch.Tensor:
    """Weights (z, y, x) that fall off from the middle of maps (..., z, y, x) and sum to one."""
    squared = torch.zeros((), device=maps.device, dtype=maps.dtype)
    for axis, length in enumerate(maps.shape[-3:]):
        edge = 1 - 1 / length
        line = torch.linspace(-edge, edge, length, device=maps.device, dtype=maps.dtype)
        squared = squared + line.reshape([-1 if a == axis else 1 for a in range(3)]) ** 2
    weight = torch.exp(-squared / (2 * 0.35**2))
    return weight / weight.sum()
