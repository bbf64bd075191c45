"""The default query network: features at four scales, sampled wherever a point is asked for.

Nothing in it knows where in the image a point lies, so an image may be of any size and may be
looked at in tiles. Features of a scale with stride s stand at the pixels 0, s, 2 s, ...; between
them they are interpolated, so a point need not be a pixel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 48, 64)
"""Feature maps at strides 2, 4, 8 and 16."""


class QueryNet(nn.Module):
    """Two answers at each point: the logit of being in a cell, and that of its depth there.

    Depth is the distance to the outline over the largest one in the same cell: 1 in the middle,
    0 at the outline and outside, so that cells that touch part.

    Parameters
    ----------
    channels
        Of the image: 1, or 3 for colours.
    widths
        Feature maps at strides 2, 4, 8, ...
    features
        Length of what is known of a point before the answer is given.
    """

    def __init__(
        self, channels: int = 3, widths: Sequence[int] = WIDTHS, features: int = 64
    ) -> None:
        super().__init__()
        self.channels = channels
        self.stride = 2 ** len(widths)
        inputs = (channels, *widths[:-1])
        self.levels = nn.ModuleList(
            _Level(before, after, 5 if number == 0 else 3, 1 if number == 0 else 2)
            for number, (before, after) in enumerate(zip(inputs, widths, strict=True))
        )
        self.project = nn.ModuleList(nn.Conv2d(width, features, 1) for width in widths)
        self.answer = nn.Sequential(
            nn.GELU(), nn.Linear(features, features // 2), nn.GELU(), nn.Linear(features // 2, 2)
        )

    def encode(self, images: Tensor) -> list[Tensor]:
        """What is to be sampled of images (N, channels, Y, X): one map (N, F, ...) a stride."""
        maps, found = images, []
        for level, project in zip(self.levels, self.project, strict=True):
            maps = level(maps)
            found.append(project(maps))
        return found

    def ask(self, encoded: Sequence[Tensor], points: Tensor) -> Tensor:
        """Logits (N, Q, 2) at `points` (N, Q, 2), in pixels (y, x) of the encoded images.

        The sum of interpolated projections is the first layer of a perceptron on all scales:
        being linear, it can be computed before the points are known.
        """
        known: Tensor | None = None
        for number, maps in enumerate(encoded):
            at = _sampled(maps, points / 2 ** (number + 1))
            known = at if known is None else known + at
        return self.answer(known)

    def ask_grid(self, encoded: Sequence[Tensor], shape: tuple[int, int], fine: int = 1) -> Tensor:
        """Logits (N, 2, fine Y, fine X) at a grid over images of `shape`, `fine` points a pixel.

        The points are the centres of the parts into which each pixel is divided.
        """
        device = encoded[0].device
        y, x = ((torch.arange(n * fine, device=device) + 0.5) / fine - 0.5 for n in shape)
        rows = []
        for some in y.split(max(1, 65536 // len(x))):
            points = torch.stack(torch.meshgrid(some, x, indexing="ij"), -1).flatten(0, 1)
            found = self.ask(encoded, points.expand(len(encoded[0]), -1, -1))
            rows.append(found.transpose(1, 2).unflatten(2, (len(some), len(x))))
        return torch.cat(rows, 2)

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        """Logits (N, Q, 2) at `points` (N, Q, 2) of images (N, channels, Y, X)."""
        return self.ask(self.encode(images), points)


class _Level(nn.Module):
    """Halve the sides of maps, then `blocks` residual pairs of convolutions."""

    def __init__(self, before: int, after: int, kernel: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(after),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(after, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.Conv2d(after, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
            )
            for _ in range(blocks)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, after, Y / 2, X / 2) of maps (N, before, Y, X)."""
        maps = self.enter(maps)
        for block in self.blocks:
            maps = maps + block(maps)
        return functional.relu(maps)


def _sampled(maps: Tensor, points: Tensor) -> Tensor:
    """Features (N, Q, F) of maps (N, F, Y, X) at points (N, Q, 2), (y, x) in pixels of the maps."""
    most = torch.tensor([max(1, n - 1) for n in maps.shape[2:]], device=maps.device)
    grid = (2 * points / most - 1).flip(-1)[:, :, None].to(maps.dtype)
    found = functional.grid_sample(maps, grid, padding_mode="border", align_corners=True)
    return found[..., 0].transpose(1, 2)
