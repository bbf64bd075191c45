"""Teach a flow network further on a few images of one's own, without forgetting what it knows.

Little data calls for small steps: the statistics of batch norms stay as they are, the learning
rate is low and steady, weights are averaged over the last steps, and some of the crops are of
simulated movies, which the network knows. Crops show cells about as large as the network will
see them when it is used.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.models.segment.network import FlowNet
from napari_cellcycle.models.segment.normalise import diameters_px
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.segment.examples import Example, example, varied_crop
from napari_cellcycle.training.segment.flow import SegmentTask
from napari_cellcycle.training.segment.held_out import HeldOutScore, score_held_out
from napari_cellcycle.training.segment.sources import one_channel

if TYPE_CHECKING:
    import torch

USUAL = FitSettings(
    epochs=20,
    learning_rate=1e-3,
    weight_decay=0.0,
    schedule="constant",
    average=0.95,
    patience=6,
)
BATCHES, BATCH_SIZE, SIDE_PX = 25, 8, 160
"""Batches in an epoch, crops in a batch, and side of a crop."""
SIMULATED_SHARE = 0.2
_SPREAD = (0.75, 1.4)
"""Least and greatest size of cells in crops, times that at which the network will see them."""
_SCORED_EACH_EPOCH = 4


@dataclass(frozen=True)
class Tuning:
    """How a network is taught further.

    Once `clock` shows `ends`, no new epoch begins. `channel` is that of images with several;
    `simulated` are examples that are mixed in.
    """

    fit: FitSettings = USUAL
    batch_size: int = BATCH_SIZE
    batches: int = BATCHES
    side_px: int = SIDE_PX
    optimiser: str = "adamw"
    channel: str | None = None
    simulated: Sequence[Example] = ()
    ends: float | None = None
    clock: Callable[[], float] = time.perf_counter


@dataclass(frozen=True)
class LearnedModel(Model):
    """A model whose weights are in memory only."""

    state: "dict[str, torch.Tensor]" = field(default_factory=dict)

    def weights(self) -> "dict[str, torch.Tensor]":
        """Copy the tensors, by name, to the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.state.items()}


class SteadyFlowNet(FlowNet):
    """A `FlowNet` whose batch norms keep their statistics while it learns."""

    def train(self, mode: bool = True) -> "SteadyFlowNet":
        """Learn or not; batch norms never do."""
        from torch import nn

        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(False)
        return self


class TuneTask(SegmentTask):
    """Crops of one's own images among simulated ones, and AP on held-out images.

    Each image of one's own is shown at `sizes` (one pair an image), simulated ones at any size.
    """

    def __init__(
        self,
        own: Sequence[Example],
        sizes: Sequence[tuple[float, float]],
        tuning: Tuning,
        score: "Callable[[torch.nn.Module], float | None]",
    ) -> None:
        simulated = tuning.simulated
        share = SIMULATED_SHARE if simulated else 0.0
        weights = np.r_[
            np.full(len(own), (1 - share) / len(own)),
            np.full(len(simulated), share / max(1, len(simulated))),
        ]
        super().__init__(
            [*own, *simulated],
            weights,
            batches_per_epoch=tuning.batches,
            batch_size=tuning.batch_size,
            side_px=tuning.side_px,
        )
        self._sizes = list(sizes) + [self.sizes_px] * len(simulated)
        self._score = score

    def batches(self, rng: np.random.Generator) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
        """Images (N, 1, Y, X) and maps (N, 4, Y, X)."""
        import torch

        for _ in range(len(self)):
            drawn = rng.choice(len(self.examples), self.batch_size, p=self.chances)
            crops = [
                varied_crop(self.examples[i], rng, self.side_px, self._sizes[i]) for i in drawn
            ]
            images = torch.from_numpy(np.stack([image for image, _ in crops])[:, None])
            maps = torch.from_numpy(np.stack([maps for _, maps in crops]).astype(np.float32))
            yield images, maps

    def score(self, network: "torch.nn.Module") -> float | None:
        """Mean AP at .5 and .75 of the masks of held-out images."""
        return self._score(network)


def tune(
    base: Model,
    learned: Sequence[Annotated],
    aside: Sequence[Annotated],
    tuning: Tuning,
    *,
    device: "torch.device",
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> "tuple[dict[str, torch.Tensor], list[Epoch]]":
    """Weights of `base` after learning from `learned`, and the record of each epoch.

    Those of the epoch that does best on up to four images of `aside` are kept, or the last ones
    if there are none.
    """
    import torch

    torch.manual_seed(tuning.fit.seed)
    network = SteadyFlowNet(tuple(base.card.settings["widths"]))
    network.load_state_dict(base.weights())
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    usual = sizes_of([*learned, *aside])
    scored = spread(aside, _SCORED_EACH_EPOCH)

    def score(current: "torch.nn.Module") -> float | None:
        return score_flow(base, current, scored, device, tuning.channel, usual).value

    task = TuneTask(
        [_example(image, usual(image), tuning.channel) for image in learned],
        [_shown_px(base, usual(image)) for image in learned],
        tuning,
        score if scored else lambda _network: None,
    )
    history = fit(
        network,
        task,
        tuning.fit,
        optimiser=_sgd(tuning) if tuning.optimiser == "sgd" else None,
        checkpoint=checkpoint,
        is_over=lambda: tuning.ends is not None and tuning.clock() >= tuning.ends,
        progress=progress if tuning.ends is None else _by_clock(tuning, tuning.ends, progress),
    )
    return network.state_dict(), history


def _by_clock(tuning: Tuning, ends: float, progress: Progress) -> Progress:
    """Show how much of the time is over, instead of how many of the batches."""
    began = tuning.clock()

    def shown(done: int, total: int, message: str = "") -> None:
        whole = max(1, round(ends - began))
        progress(min(whole, round(tuning.clock() - began)), whole, message)

    return shown


def score_flow(
    base: Model,
    network: "torch.nn.Module",
    images: Sequence[Annotated],
    device: "torch.device",
    channel: str | None,
    sizes: Callable[[Annotated], float] | None = None,
    progress: Progress = silent,
) -> HeldOutScore:
    """Score `network`, used as `base` would be, dynamics and all."""
    from napari_cellcycle.models.segment.cellcycle import FlowSegmenter

    segmenter = FlowSegmenter(LearnedModel(base.card, base.path, network.state_dict()), device)
    return score_held_out(segmenter, images, channel=channel, diameters_px=sizes, progress=progress)


def sizes_of(images: Sequence[Annotated]) -> Callable[[Annotated], float]:
    """Tell the typical diameter of the cells of an image, in pixels: the median of its group."""
    found: dict[str, list[np.ndarray]] = {}
    for image in images:
        found.setdefault(image.group, []).append(diameters_px(image.cells))
    together = {group: np.concatenate(sizes) for group, sizes in found.items()}
    overall = float(np.median(np.concatenate(list(together.values()))))
    usual = {g: float(np.median(sizes)) if len(sizes) else overall for g, sizes in together.items()}
    return lambda image: usual[image.group]


def spread(images: Sequence[Annotated], most: int) -> list[Annotated]:
    """At most so many of them, evenly spread, those with cells first."""
    shown = [image for image in images if (image.masks > 0).any()] or list(images)
    if len(shown) <= most:
        return shown
    return [shown[int(i)] for i in np.linspace(0, len(shown) - 1, most).round()]


def _example(image: Annotated, diameter_px: float, channel: str | None) -> Example:
    known = image.known.astype(np.float32)
    return example(one_channel(image, channel), image.cells, diameter_px, known)


def _shown_px(base: Model, diameter_px: float) -> tuple[float, float]:
    """Sizes of cells in crops: about that at which the network works on such cells."""
    least, most = base.card.settings["working_px"]
    works_at = min(max(diameter_px, float(least)), float(most))
    return _SPREAD[0] * works_at, _SPREAD[1] * works_at


def _sgd(tuning: Tuning) -> "Callable[[torch.nn.Module], torch.optim.Optimizer]":
    def made(network: "torch.nn.Module") -> "torch.optim.Optimizer":
        import torch

        return torch.optim.SGD(
            network.parameters(),
            lr=tuning.fit.learning_rate,
            momentum=0.9,
            weight_decay=tuning.fit.weight_decay,
        )

    return made


def description(tuning: Tuning) -> dict[str, Any]:
    """How it was taught, for model cards and to know a training again."""
    return {
        **tuning.fit.model_dump(),
        "batches in an epoch": tuning.batches,
        "batch size": tuning.batch_size,
        "crop px": tuning.side_px,
        "optimiser": tuning.optimiser,
        "channel": tuning.channel,
        "simulated images": len(tuning.simulated),
    }
