"""Crops that a Cellpose network learns from, its loss on them, and how well it does meanwhile.

Crops are turned, mirrored, scaled and moved as in Cellpose's own training (Stringer et al. 2021),
but drawn from a generator of one's own, so that a training can be repeated and resumed, and with
what is unknown marked in them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.segment.dynamics import flows_of
from napari_cellcycle.models.segment.normalise import stretch
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.segment.sources import one_channel

if TYPE_CHECKING:
    import torch

FLOW_TIMES = 5.0
"""What the network multiplies unit flows with."""
_CELL, _UNKNOWN = 2, 3
_MARGIN_PX = 2


@dataclass(frozen=True)
class Prepared:
    """One image with its targets.

    `image` (Y, X) is stretched; `maps` (Y, X, 4) hold the flow in y and x, cell, and unknown.
    Both are float16, at the image's own size. Its cells measure `diameter_px`.
    """

    image: np.ndarray
    maps: np.ndarray
    diameter_px: float


@dataclass(frozen=True)
class Shown:
    """How crops are drawn: side, and cells of which size (None: their own), give or take a share.

    `channels` are those of the network; all but the first are empty.
    """

    side_px: int
    diameter_px: float | None
    spread: float
    channels: int


def prepare(
    images: Sequence[Annotated],
    sizes_px: Callable[[Annotated], float],
    channel: str | None = None,
    progress: Progress = silent,
) -> list[Prepared]:
    """Stretch images and compute the flows of their masks, which takes a second or so each."""
    prepared = []
    for image in track_progress(images, len(images), progress, "Preparing images to learn from"):
        cells = image.cells
        maps = np.dstack([*flows_of(cells), cells > 0, ~image.known]).astype(np.float16)
        values = stretch(one_channel(image, channel))
        limit = np.float32(np.finfo(np.float16).max)
        half = np.clip(values, -limit, limit).astype(np.float16)
        prepared.append(Prepared(half, maps, sizes_px(image)))
    return prepared


def crop(source: Prepared, rng: np.random.Generator, shown: Shown) -> tuple[np.ndarray, np.ndarray]:
    """A crop of an image, image (side, side) and maps (4, side, side), float32.

    What lies outside the image is 0, and known to be no cell, as in Cellpose.
    """
    import cv2

    zoom = rng.uniform(1 - shown.spread, 1 + shown.spread)
    if shown.diameter_px is not None:
        zoom *= shown.diameter_px / source.diameter_px
    angle, mirrored, move = rng.uniform(0, 2 * np.pi), rng.random() < 0.5, rng.uniform(-0.5, 0.5, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirrored:
        turn = turn @ np.diag([1, -1])
    side = shown.side_px
    size = np.array(source.image.shape[::-1], float)
    centre = (size - 1) / 2 + move * np.maximum(0, size - side / zoom)
    reach = side / zoom / math.sqrt(2) + _MARGIN_PX
    low = np.clip(np.floor(centre - reach), 0, size - 1).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, low + 1, size).astype(int)
    patch = (slice(low[1], high[1]), slice(low[0], high[0]))
    to_source = turn / zoom
    matrix = np.column_stack([to_source, centre - low - to_source @ np.full(2, (side - 1) / 2)])
    both = np.dstack([source.image[patch], source.maps[patch]]).astype(np.float32)
    both = np.dstack(
        [
            cv2.warpAffine(
                np.ascontiguousarray(part), matrix, (side, side),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            )
            for part in (both[..., 0], both[..., 1:])
        ]
    )  # fmt: skip
    flow_xy = both[..., 2:0:-1] @ turn
    maps = np.stack([flow_xy[..., 1], flow_xy[..., 0], both[..., 3], both[..., 4]])
    return both[..., 0], maps.astype(np.float32)


def flow_loss(out: "torch.Tensor", maps: "torch.Tensor") -> "torch.Tensor":
    """Cellpose's loss on what is known: half the squared error of flows, plus cross-entropy.

    `out` (N, 3 or more, Y, X) ends with flow in y, in x and the logit of being cell; `maps`
    (N, 4, Y, X).
    """
    import torch

    known = maps[:, _UNKNOWN] < 0.01
    flow = (out[:, -3:-1] - FLOW_TIMES * maps[:, :2]).square().mean(1)
    cell = torch.nn.functional.binary_cross_entropy_with_logits(
        out[:, -1], (maps[:, _CELL] > 0.5).to(out.dtype), reduction="none"
    )
    return ((0.5 * flow + cell) * known).sum() / known.sum().clamp_min(1)


@dataclass
class CellposeTask:
    """Crops of prepared images, and the loss and the score on those kept aside.

    `in_epoch` crops are drawn in each epoch; if that is the number of images, each is shown once.
    `score_network` is asked in every epoch whose number `score_every` divides, and in the last of
    `epochs`. `held_out_losses` grows by one number an epoch.
    """

    examples: Sequence[Prepared]
    held_out: Sequence[Prepared]
    shown: Shown
    batch_size: int
    in_epoch: int
    epochs: int
    score_every: int
    score_network: "Callable[[torch.nn.Module], float] | None"
    held_out_losses: list[float | None] = field(default_factory=list)

    def __len__(self) -> int:
        return math.ceil(self.in_epoch / self.batch_size)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
        """Images (N, C, Y, X) and maps (N, 4, Y, X)."""
        count = len(self.examples)
        order = (
            rng.permutation(count) if count == self.in_epoch else rng.choice(count, self.in_epoch)
        )
        yield from self._drawn([self.examples[i] for i in order], rng)

    def loss(
        self, network: "torch.nn.Module", batch: tuple["torch.Tensor", "torch.Tensor"]
    ) -> "torch.Tensor":
        """Cellpose's loss where the truth is known."""
        images, maps = batch
        device = device_of(network)
        return flow_loss(network(images.to(device))[0], maps.to(device))

    def score(self, network: "torch.nn.Module") -> float | None:
        """Score what is kept aside, and note the loss on always the same crops of it."""
        same = np.random.default_rng(0)
        losses = [
            float(self.loss(network, batch)) * len(batch[0])
            for batch in self._drawn(self.held_out, same)
        ]
        self.held_out_losses.append(sum(losses) / len(self.held_out) if losses else None)
        number = len(self.held_out_losses)
        if self.score_network is None or (number % self.score_every and number != self.epochs):
            return None
        return self.score_network(network)

    def _drawn(
        self, sources: Sequence[Prepared], rng: np.random.Generator
    ) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
        import torch

        for start in range(0, len(sources), self.batch_size):
            chosen = sources[start : start + self.batch_size]
            crops = [crop(source, rng, self.shown) for source in chosen]
            side = self.shown.side_px
            images = np.zeros((len(crops), self.shown.channels, side, side), np.float32)
            images[:, 0] = [image for image, _ in crops]
            maps = np.stack([maps for _, maps in crops])
            yield torch.from_numpy(images), torch.from_numpy(maps)
