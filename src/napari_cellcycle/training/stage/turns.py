"""The many ways one cell could have been photographed: random views of example crops."""

import math

import torch
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.models.stage.frame import SIZE, normalise


class ViewSettings(Settings):
    """How far views differ from the crops they are made of."""

    zoom: float = 0.1
    stretch: float = 0.06
    shift: float = 0.03
    gamma: float = 0.2
    blur: float = 1.2
    grain: float = 0.06
    shade: float = 0.08
    darkness: float = 0.1


def views(images: torch.Tensor, settings: ViewSettings, generator: torch.Generator) -> torch.Tensor:
    """Turn, mirror, zoom, shift, blur, re-light and grain crops at random.

    Takes images (n, [channels,] m, m) with a margin around the network's window and gives
    (n, [channels,] SIZE, SIZE), normalised. All channels of a crop are moved alike and lit each by
    itself; any but the first is sometimes left dark, so that the network does without it.
    """
    if images.ndim == 3:
        return _lit(_move(images[:, None], settings, generator)[:, 0], settings, generator)
    moved = _move(images, settings, generator)
    first, *others = (_lit(part, settings, generator) for part in moved.unbind(1))
    kept = [first]
    for other in others:
        dark = torch.rand(len(images), generator=generator) < settings.darkness
        kept.append(torch.where(dark[:, None, None], 0.0, other))
    return torch.stack(kept, 1)


def _lit(images: torch.Tensor, settings: ViewSettings, generator: torch.Generator) -> torch.Tensor:
    """Blur, normalise, re-light and grain images (n, y, x)."""
    seen = normalise(blur_each(images[None], settings.blur, generator)[0])
    n = len(seen)
    power = torch.exp(settings.gamma * torch.randn(n, 1, 1, generator=generator))
    seen = seen.sign() * seen.abs() ** power.clamp(0.4, 2.5)
    slope = settings.shade * torch.randn(n, 2, 1, 1, generator=generator)
    line = torch.linspace(-1, 1, SIZE)
    seen = seen + slope[:, 0] * line[:, None] + slope[:, 1] * line
    amount = settings.grain * torch.rand(n, 1, 1, generator=generator) ** 2
    return seen + amount * torch.randn(seen.shape, generator=generator)


def _move(images: torch.Tensor, settings: ViewSettings, generator: torch.Generator) -> torch.Tensor:
    n, channels, m = images.shape[:3]
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    zoom = torch.exp((settings.zoom * torch.randn(n, generator=generator)).clamp(-0.35, 0.35))
    stretch = torch.exp(settings.stretch * torch.randn(n, generator=generator))
    scale = SIZE / m * zoom
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = cosine * stretch * mirror, -sine / stretch
    matrix[:, 1, 0], matrix[:, 1, 1] = sine * stretch * mirror, cosine / stretch
    matrix[:, :, 2] = settings.shift * 2 * SIZE / m * torch.randn(n, 2, generator=generator)
    grid = functional.affine_grid(matrix, [n, channels, SIZE, SIZE], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def blur_each(stacks: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """Blur half of n stacks (t, n, y, x), each by its own Gaussian of up to `most` pixels."""
    n = stacks.shape[1]
    strong = torch.rand(n, generator=generator) < 0.5
    sigma = torch.where(strong, most * torch.rand(n, generator=generator), 0.0).clamp_min(0.05)
    reach = math.ceil(2.5 * most)
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-(offset**2) / (2 * sigma[:, None] ** 2))
    kernel /= kernel.sum(1, keepdim=True)
    padded = functional.pad(stacks, (reach,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel[:, None, :, None], groups=n)
    return functional.conv2d(rows, kernel[:, None, None, :], groups=n)
