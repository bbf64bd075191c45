"""Random views of colour crops, as the published crop classifier was trained with.

Torch alone: turned by any angle, mirrored, distorted in brightness, contrast, saturation and hue,
made grey, sharpened. Constants are those of the published recipe, which takes them from
torchvision's `RandomPhotometricDistort`, `RandomGrayscale` and `RandomAdjustSharpness`.
"""

import math
from collections.abc import Callable

import torch
from torch.nn import functional

_GREY = (0.2989, 0.587, 0.114)
GREY_CHANCE = 0.1
SHARP_CHANCE = 0.3
SHARPNESS = 2.0


def colour_views(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, mirror, distort, grey and sharpen crops (n, 3, y, x) of values 0 to 1 at random."""
    seen = _turned(images, generator)
    seen = _photometric(seen, generator)
    seen = _where(_coin(len(seen), GREY_CHANCE, generator), _grey, seen)
    return _where(_coin(len(seen), SHARP_CHANCE, generator), _sharpened, seen)


def _coin(n: int, chance: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(n, generator=generator) < chance


def _where(
    chosen: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    """`images` with those that are `chosen` (n,) changed."""
    return torch.where(chosen[:, None, None, None], change(images), images)


def _turned(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rotated by any angle and mirrored either way, zeros beyond the border."""
    n = len(images)
    angle = math.pi * (2 * torch.rand(n, generator=generator) - 1)
    flips = [torch.where(_coin(n, 0.5, generator), -1.0, 1.0) for _ in range(2)]
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = angle.cos() * flips[0], -angle.sin() * flips[1]
    matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin() * flips[0], angle.cos() * flips[1]
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _photometric(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Brightness, contrast, saturation, hue and the order of channels, each at even odds.

    Contrast is changed before or after saturation and hue, at even odds.
    """
    n = len(images)

    def factor(low: float, high: float) -> torch.Tensor:
        drawn = low + (high - low) * torch.rand(n, generator=generator)
        return torch.where(_coin(n, 0.5, generator), drawn, 1.0)[:, None, None, None]

    seen = (images * factor(0.875, 1.125)).clamp(0, 1)
    contrast, early = factor(0.5, 1.5), _coin(n, 0.5, generator)

    def contrasted(values: torch.Tensor) -> torch.Tensor:
        mean = _grey(values).mean((1, 2, 3), keepdim=True)
        return (mean + contrast * (values - mean)).clamp(0, 1)

    seen = _where(early, contrasted, seen)
    saturation = factor(0.5, 1.5)
    seen = (_grey(seen) + saturation * (seen - _grey(seen))).clamp(0, 1)
    turn = torch.where(
        _coin(n, 0.5, generator), 0.1 * torch.rand(n, generator=generator) - 0.05, 0.0
    )
    seen = _hue_turned(seen, turn)
    seen = _where(~early, contrasted, seen)
    order = torch.rand(n, 3, generator=generator).argsort(1)
    kept = torch.where(_coin(n, 0.5, generator)[:, None], order, torch.arange(3))
    return seen.gather(1, kept[:, :, None, None].expand_as(seen))


def _grey(images: torch.Tensor) -> torch.Tensor:
    """Luminance in all three channels."""
    weight = torch.tensor(_GREY)[:, None, None]
    return (images * weight).sum(1, keepdim=True).expand_as(images)


def _hue_turned(images: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Hue moved by `turn` (n,) of the colour circle, value and saturation kept."""
    value, low = images.amax(1), images.amin(1)
    span = value - low
    red, green, blue = images.unbind(1)
    safe = span.clamp_min(1e-6)
    sector = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (sector / 6 + turn[:, None, None]) % 1.0
    # A channel is `value` less `span` times how far the hue is from it on the circle.
    place = torch.tensor([5.0, 3.0, 1.0])[:, None, None]
    k = (place + 6 * hue[:, None]) % 6
    away = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[:, None] - span[:, None] * away


def _sharpened(images: torch.Tensor) -> torch.Tensor:
    """Sharpened against a 3 x 3 blur; the outermost pixels stay."""
    kernel = torch.ones(3, 1, 3, 3)
    kernel[:, :, 1, 1] = 5
    blurred = images.clone()
    blurred[:, :, 1:-1, 1:-1] = functional.conv2d(images, kernel / 13, groups=3)
    return (blurred + SHARPNESS * (images - blurred)).clamp(0, 1)
