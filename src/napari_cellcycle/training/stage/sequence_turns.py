"""Random views of whole sequences of crops: one turn, light and grain for all of its frames."""

import math

import torch
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.models.stage.frame import normalise
from napari_cellcycle.training.stage.turns import blur_each


class SequenceViewSettings(Settings):
    """How far views of a sequence differ from its crops."""

    zoom: float = 0.1
    stretch: float = 0.05
    shift: float = 0.03
    gamma: float = 0.2
    blur: float = 1.2
    grain: float = 0.06
    shade: float = 0.06


def turn_sequences(
    images: torch.Tensor,
    masks: torch.Tensor,
    size: int,
    share: float,
    settings: SequenceViewSettings,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn by any angle, mirror, zoom, blur, re-light and grain sequences at random.

    Takes crops and masks (b, t, m, m) and gives normalised crops and masks (b, t, size, size)
    of the middle `share` of their width. All frames of a sequence are turned and lit alike; the
    centre wanders a little from frame to frame, as centroids do.
    """
    b, t = images.shape[:2]
    grid = _grid(b, t, size, share, settings, generator)
    stacked = torch.stack([images.flatten(0, 1), masks.flatten(0, 1)], dim=1)
    moved = functional.grid_sample(stacked, grid, padding_mode="reflection", align_corners=False)
    stacks = moved[:, 0].view(b, t, size, size).transpose(0, 1)
    seen = blur_each(stacks, settings.blur, generator).transpose(0, 1)
    seen = normalise(seen.flatten(0, 1)).view(b, t, size, size)
    power = torch.exp(settings.gamma * torch.randn(b, 1, 1, 1, generator=generator))
    seen = seen.sign() * seen.abs() ** power.clamp(0.4, 2.5)
    slope = settings.shade * torch.randn(b, 2, 1, 1, 1, generator=generator)
    line = torch.linspace(-1, 1, size)
    seen = seen + slope[:, 0] * line[:, None] + slope[:, 1] * line
    amount = settings.grain * torch.rand(b, 1, 1, 1, generator=generator) ** 2
    seen = seen + amount * torch.randn(seen.shape, generator=generator)
    return seen, (moved[:, 1].view(b, t, size, size) > 0.5).float()


def _grid(
    b: int,
    t: int,
    size: int,
    share: float,
    settings: SequenceViewSettings,
    generator: torch.Generator,
) -> torch.Tensor:
    """Where each pixel of the views comes from, (b t, size, size, 2)."""

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    angle = 2 * math.pi * torch.rand(b, 1, generator=generator) + 0.03 * normal(b, t)
    mirror = torch.where(torch.rand(b, 1, generator=generator) < 0.5, -1.0, 1.0)
    zoom = torch.exp((settings.zoom * normal(b, 1)).clamp(-0.3, 0.3))
    stretch = torch.exp(settings.stretch * normal(b, 1))
    cosine, sine = torch.cos(angle) * share * zoom, torch.sin(angle) * share * zoom
    matrix = torch.zeros(b, t, 2, 3)
    matrix[..., 0, 0], matrix[..., 0, 1] = cosine * stretch * mirror, -sine / stretch
    matrix[..., 1, 0], matrix[..., 1, 1] = sine * stretch * mirror, cosine / stretch
    matrix[..., 2] = 2 * settings.shift * share * (normal(b, 1, 2) + 0.7 * normal(b, t, 2))
    return functional.affine_grid(matrix.flatten(0, 1), [b * t, 1, size, size], align_corners=False)
