"""The many ways one nucleus could have been recorded: random views of example samples."""

import math

import torch
from pydantic import Field
from torch.nn import functional

from napari_cellcycle.config import Settings


class NucleusViews(Settings):
    """How far views differ from the samples they are made of.

    The defaults of brightness, contrast and noise are the published ones.
    """

    flips: bool = Field(True, description="Mirror along x, y and z, each in half of the samples")
    turns: bool = Field(False, description="Quarter turns in the plane")
    degrees: float = Field(0.0, ge=0, description="Greatest turn in the plane besides those")
    zoom: float = Field(0.0, ge=0, description="Spread of the size in the plane (log)")
    planes: int = Field(0, ge=0, description="Greatest shift along z, in planes")
    contrast: float = Field(0.2, ge=0, description="Greatest change of contrast")
    noise: float = Field(0.02, ge=0, description="Standard deviation of noise")
    brightness: float = Field(0.1, ge=0, description="Greatest change of brightness")
    chance: float = Field(0.7, ge=0, le=1, description="Share of samples with each of the three")
    blind: float = Field(
        0.0, ge=0, le=1, description="Chance that the frames before, or after, are missing"
    )
    clipped: bool = Field(True, description="Frames are kept within 0 to 1")


OURS = NucleusViews(
    turns=True,
    degrees=5.0,
    zoom=0.08,
    planes=1,
    noise=0.06,
    contrast=0.3,
    blind=0.04,
    clipped=False,
)


def views(
    samples: torch.Tensor, frames: int, settings: NucleusViews, generator: torch.Generator
) -> torch.Tensor:
    """Random views of samples (n, C, z, y, x), whose first `frames` channels are frames.

    Frames and mask of a sample are moved alike; only frames change their brightness.
    """
    moved = _turned(_flipped(samples, settings, generator), frames, settings, generator)
    moved = _shifted(moved, settings.planes, generator)
    seen = _blinded(moved[:, :frames], settings.blind, generator)
    seen = _lit(seen, settings, generator)
    return torch.cat([seen, moved[:, frames:]], dim=1)


def _flipped(
    samples: torch.Tensor, settings: NucleusViews, generator: torch.Generator
) -> torch.Tensor:
    if settings.flips:
        for axis in (2, 3, 4):
            samples = torch.where(_some(samples, 0.5, generator), samples.flip(axis), samples)
    if settings.turns:
        # With mirroring, exchanging y and x gives all quarter turns.
        turned = samples.transpose(3, 4)
        samples = torch.where(_some(samples, 0.5, generator), turned, samples)
    return samples


def _turned(
    samples: torch.Tensor, frames: int, settings: NucleusViews, generator: torch.Generator
) -> torch.Tensor:
    """Turn and zoom in the plane, frames linearly and masks by the nearest sample."""
    if not (settings.degrees or settings.zoom):
        return samples
    n = len(samples)
    angle = math.radians(settings.degrees) * (2 * torch.rand(n, generator=generator) - 1)
    zoom = torch.exp((settings.zoom * torch.randn(n, generator=generator)).clamp(-0.3, 0.3))
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos() * zoom
    matrix[:, 0, 1] = -angle.sin() * zoom
    matrix[:, 1, 0] = angle.sin() * zoom
    parts = []
    for part, mode, outside in (
        (samples[:, :frames], "bilinear", "border"),
        (samples[:, frames:], "nearest", "zeros"),
    ):
        flat = part.flatten(1, 2)
        grid = functional.affine_grid(matrix, [n, 1, *flat.shape[-2:]], align_corners=False)
        moved = functional.grid_sample(
            flat, grid, mode=mode, padding_mode=outside, align_corners=False
        )
        parts.append(moved.reshape(part.shape))
    return torch.cat(parts, dim=1)


def _shifted(samples: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Shift along z by whole planes; the outermost plane is repeated."""
    depth = samples.shape[2]
    if not most or depth == 1:
        return samples
    step = torch.randint(-most, most + 1, (len(samples), 1), generator=generator)
    plane = (torch.arange(depth) + step).clamp(0, depth - 1)
    return samples.gather(2, plane[:, None, :, None, None].expand_as(samples))


def _blinded(images: torch.Tensor, chance: float, generator: torch.Generator) -> torch.Tensor:
    """Put the middle frame in place of those before, or after, as at the ends of a movie."""
    count = images.shape[1]
    middle = count // 2
    if not chance or count == 1:
        return images
    own = images[:, middle : middle + 1]
    sides = [images[:, :middle], images[:, middle + 1 :]]
    sides = [torch.where(_some(side, chance, generator), own, side) for side in sides]
    return torch.cat([sides[0], own, sides[1]], dim=1)


def _lit(images: torch.Tensor, settings: NucleusViews, generator: torch.Generator) -> torch.Tensor:
    def drawn(most: float) -> torch.Tensor:
        """Differ by up to `most` in the share of the samples that is changed."""
        amount = most * (2 * torch.rand(len(images), 1, 1, 1, 1, generator=generator) - 1)
        return amount * _some(images, settings.chance, generator)

    mean = images.mean((2, 3, 4), keepdim=True)
    images = mean + (images - mean) * (1 + drawn(settings.contrast))
    grain = settings.noise * _some(images, settings.chance, generator)
    if not settings.clipped:
        grain = grain * torch.rand(len(images), 1, 1, 1, 1, generator=generator)
    images = images + grain * torch.randn(images.shape, generator=generator)
    images = images + drawn(settings.brightness)
    return images.clamp(0, 1) if settings.clipped else images


def _some(samples: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Pick a share of the samples at random, (n, 1, 1, 1, 1) bool."""
    return torch.rand(len(samples), 1, 1, 1, 1, generator=generator) < share
