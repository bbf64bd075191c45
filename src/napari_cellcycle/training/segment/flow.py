"""Batches of varied crops for the flow network, and Cellpose's loss on them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.models.device import device_of, faster_products
from napari_cellcycle.training.segment.examples import SIZES_PX, Example, varied_crop

if TYPE_CHECKING:
    import torch


TOUCHING = 3.0
"""How much more a pixel counts where two cells touch."""


class SegmentTask:
    """Batches of varied crops, and Cellpose's loss on them.

    Parameters
    ----------
    examples
        What is drawn from.
    weights
        Share of each example among the draws, in any unit.
    batches_per_epoch, batch_size, side_px
        Size of an epoch, of a batch and of a crop.
    sizes_px
        Least and greatest diameter of the cells in crops, in pixels.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        weights: np.ndarray,
        *,
        batches_per_epoch: int = 100,
        batch_size: int = 8,
        side_px: int = 160,
        sizes_px: tuple[float, float] = SIZES_PX,
    ) -> None:
        self.examples = examples
        self.chances = np.asarray(weights, float) / np.sum(weights)
        self.batches_per_epoch = batches_per_epoch
        self.batch_size = batch_size
        self.side_px = side_px
        self.sizes_px = sizes_px

    def __len__(self) -> int:
        return self.batches_per_epoch

    def batches(self, rng: np.random.Generator) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
        """Images (N, 1, Y, X) and maps (N, 4, Y, X)."""
        import torch

        for _ in range(len(self)):
            drawn = rng.choice(len(self.examples), self.batch_size, p=self.chances)
            crops = [varied_crop(self.examples[i], rng, self.side_px, self.sizes_px) for i in drawn]
            images = torch.from_numpy(np.stack([image for image, _ in crops])[:, None])
            maps = torch.from_numpy(np.stack([maps for _, maps in crops]).astype(np.float32))
            yield images, maps

    def loss(
        self, network: "torch.nn.Module", batch: tuple["torch.Tensor", "torch.Tensor"]
    ) -> "torch.Tensor":
        """Half the squared error of five times the flow, plus cross-entropy (as Cellpose).

        Where cells touch, mistakes count more: see `_where_cells_touch`.
        """
        import torch

        device = device_of(network)
        images, maps = (part.to(device) for part in batch)
        with faster_products(device):
            out = network(images.contiguous(memory_format=torch.channels_last))
        out = out.float()
        known = maps[:, 3] > 0.99
        flow = (out[:, :2] - 5 * maps[:, :2]).square().mean(1)
        cell = torch.nn.functional.binary_cross_entropy_with_logits(
            out[:, 2], (maps[:, 2] > 0.5).float(), reduction="none"
        )
        weight = known * (1 + TOUCHING * _where_cells_touch(maps[:, :2]))
        return ((0.5 * flow + cell) * weight).sum() / known.sum().clamp_min(1)

    def score(self, network: "torch.nn.Module") -> float | None:
        """None: the last weights are kept (averaged, at the end of a cosine schedule)."""
        return None


def _where_cells_touch(flow: "torch.Tensor") -> "torch.Tensor":
    """Pixels (N, Y, X) from which flows (N, 2, Y, X) lead apart to both sides, 0 to 1."""
    import torch

    apart = torch.zeros_like(flow[:, 0])
    apart[:, 1:-1] += flow[:, 0, 2:] - flow[:, 0, :-2]
    apart[:, :, 1:-1] += flow[:, 1, :, 2:] - flow[:, 1, :, :-2]
    touching = ((apart - 1.2) / 0.6).clamp(0, 1)
    return torch.nn.functional.max_pool2d(touching[:, None], 5, 1, 2)[:, 0]
