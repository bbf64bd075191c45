"""Learn what kind of cell lies at a point: turned, mirrored and recoloured views."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.models.segment.query.finder import KINDS, centres_of
from napari_cellcycle.models.segment.query.kind import (
    FAR,
    NEAR,
    NEAR_DIAMETER_PX,
    WIDTH,
    KindCrops,
    KindNet,
    as_floats,
    joined,
    kind_crops,
    planes_of,
    seen_at,
    tell,
    turned,
    with_company,
)
from napari_cellcycle.models.segment.query.prepare import COLOURS, colours_last, lit_colours
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit

if TYPE_CHECKING:
    from napari_cellcycle.io.labelme import LabelledImage
    from napari_cellcycle.training.segment.query.own import Lesson

FIT = FitSettings(epochs=16, learning_rate=3e-3, weight_decay=0.1, average=0.99)


_COMPANY = (0.0, 0.25, 0.5)


class KindSettings(Settings):
    """How the kinds of cells are learned."""

    batch_size: int = 32
    smoothing: float = 0.05
    turns: int = 1


class KindExamples(NamedTuple):
    """Views of cells, their kinds and the number of their image, both (n,) int."""

    crops: KindCrops
    kinds: np.ndarray
    image: np.ndarray | None = None


class KindTask:
    """Every cell once an epoch, seen in its own way: a `Task` for `fit`."""

    def __init__(
        self, learned: KindExamples, held_out: KindExamples | None, settings: KindSettings
    ) -> None:
        self.learned, self.held_out, self.settings = learned, held_out, settings

    def __len__(self) -> int:
        return -(-len(self.learned.kinds) // self.settings.batch_size)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Near and far planes, and kinds."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        order = rng.permutation(len(self.learned.kinds))
        for start in range(0, len(order), self.settings.batch_size):
            chosen = order[start : start + self.settings.batch_size]
            near, far = _varied(self.learned.crops.subset(chosen), generator)
            yield near, far, torch.from_numpy(self.learned.kinds[chosen])

    def loss(self, network: Any, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Cross-entropy of softened kinds."""
        device = next(network.parameters()).device
        near, far, kinds = (part.to(device) for part in batch)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = network(near, far)
        return functional.cross_entropy(
            logits.float(), kinds, label_smoothing=self.settings.smoothing
        )

    def score(self, network: Any) -> float | None:
        """How sure the network is of the right kind of the cells kept aside, on average.

        Less than the accuracy, and finer: with few cells, many epochs have the same accuracy.
        """
        if self.held_out is None:
            return None
        told = tell(network, self.held_out.crops, self.settings.turns)
        kinds = self.held_out.kinds
        right = (told.argmax(1) == kinds).mean()
        sure = np.log(np.maximum(told[np.arange(len(kinds)), kinds], 1e-6)).mean()
        return float(right + 0.1 * sure)


def train_kinds(
    learned: KindExamples,
    held_out: KindExamples | None = None,
    fit_settings: FitSettings = FIT,
    settings: KindSettings | None = None,
    *,
    kinds: int = 2,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[KindNet, list[Epoch]]:
    """Train the default classifier; the epoch that is best on `held_out` is kept."""
    torch.manual_seed(fit_settings.seed)
    network = KindNet(kinds).to(device or torch.device("cpu"))
    task = KindTask(learned, held_out, settings or KindSettings())
    history = fit(network, task, fit_settings, checkpoint=checkpoint, progress=progress)
    return network, history


def taught_kinds(
    lesson: "Lesson", checkpoint: Checkpoint, progress: Progress
) -> tuple[dict[str, Tensor], str, dict[str, Any], list[Epoch]]:
    """Train the default classifier: its weights, architecture, settings and epochs."""
    from napari_cellcycle.training.segment.query.own import usual_diameter

    scale = NEAR_DIAMETER_PX / usual_diameter(lesson.learned)
    parts = [
        _examples(images, lesson.classes, scale, progress)
        for images in (lesson.learned, lesson.held_out)
    ]
    asked = {"seed": lesson.settings.seed, "epochs": lesson.settings.kind_epochs or FIT.epochs}
    network, history = train_kinds(
        parts[0],
        parts[1] if len(parts[1].kinds) else None,
        FIT.model_copy(update=asked),
        kinds=len(lesson.classes),
        checkpoint=checkpoint,
        device=lesson.device,
        progress=progress,
    )
    company = 0.0 if not len(parts[1].kinds) else best_company(network, parts[1])
    known = {"scale": scale, "width": WIDTH, "company": company}
    return network.state_dict(), KINDS, known, history


def best_company(network: KindNet, held_out: KindExamples) -> float:
    """How much the other cells of an image should count: the least that does best."""
    told = tell(network, held_out.crops)
    image = np.zeros(len(told)) if held_out.image is None else held_out.image
    right = {
        share: int((with_company(told, image, share).argmax(1) == held_out.kinds).sum())
        for share in _COMPANY
    }
    return max(right, key=lambda share: right[share])


def taught_crops(
    lesson: "Lesson", checkpoint: Checkpoint, progress: Progress
) -> tuple[dict[str, Tensor], str, dict[str, Any], list[Epoch]]:
    """Train the published classifier: its weights, architecture, settings and epochs."""
    from napari_cellcycle.models.stage.cell_classifier import SIZE, zero_padded
    from napari_cellcycle.models.stage.model import CLASSIFIER
    from napari_cellcycle.training.stage.cell_classifier import FIT as PUBLISHED
    from napari_cellcycle.training.stage.cell_classifier import train_classifier
    from napari_cellcycle.training.stage.crop_examples import Examples

    parts = []
    for images in (lesson.learned, lesson.held_out):
        crops, kinds = [np.zeros((0, SIZE, SIZE, COLOURS), np.uint8)], [np.zeros(0, np.int64)]
        for image in track_progress(images, len(images), progress, "Cutting out cells"):
            kind = image.kinds(lesson.classes)
            boxes = np.array([shape.box for shape in image.shapes], float).reshape(-1, 4)
            middles = (boxes[:, :2] + boxes[:, 2:]) / 2
            colours = (255 * lit_colours(colours_last(image.pixels(), COLOURS))).astype(np.uint8)
            crops.append(zero_padded(colours, middles[kind >= 0]))
            kinds.append(kind[kind >= 0])
        code = np.concatenate(kinds)
        parts.append(Examples(np.concatenate(crops), code, np.arange(len(code)), lesson.classes))
    asked = {
        "seed": lesson.settings.seed,
        "epochs": lesson.settings.kind_epochs or PUBLISHED.epochs,
    }
    network, history = train_classifier(
        parts[0],
        PUBLISHED.model_copy(update=asked),
        held_out=parts[1] if len(parts[1]) else None,
        checkpoint=checkpoint,
        device=lesson.device,
        progress=progress,
    )
    return network.state_dict(), CLASSIFIER, {}, history


def _examples(
    images: "Sequence[LabelledImage]", classes: Sequence[str], scale: float, progress: Progress
) -> KindExamples:
    """Views of all cells of the given classes."""
    parts, kinds = [], [np.zeros(0, np.int64)]
    counts = []
    for image in track_progress(images, len(images), progress, "Cutting out cells"):
        masks, kind = image.masks(), image.kinds(classes)
        seen = np.isin(np.arange(1, len(kind) + 1), masks) & (kind >= 0)
        numbers = np.flatnonzero(seen) + 1
        places = centres_of(masks, numbers, np.zeros((len(numbers), 2)))
        parts.append(kind_crops(image.pixels(), masks, numbers, places, scale))
        kinds.append(kind[seen])
        counts.append(len(numbers))
    crops = joined(parts) if parts else None
    if crops is None:
        side = (0, NEAR, NEAR, 4)
        crops = KindCrops(np.zeros(side), np.zeros(side), np.zeros(0), np.zeros(0))
    image_number = np.repeat(np.arange(len(counts)), counts)
    return KindExamples(crops, np.concatenate(kinds), image_number)


def _varied(crops: KindCrops, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Planes of both views, turned alike, with another gain and gamma of each colour."""
    near, far, low, high = as_floats(crops, torch.device("cpu"))
    count = len(near)

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    matrix = turned(drawn(-np.pi, np.pi), drawn(0, 1) < 0.5) * drawn(-0.18, 0.18, 1, 1).exp()
    gain, power = drawn(-0.3, 0.3, 3, 1, 1).exp(), drawn(-0.2, 0.2, 3, 1, 1).exp()
    ends = [(end ** power[:, 0, 0, 0] * gain[:, 0, 0, 0]).clamp(0, 1) for end in (low, high)]
    planes = []
    for view, side in ((near, NEAR), (far, FAR)):
        turned_view = seen_at(view, matrix, side)
        colours = (turned_view[:, :3].clamp_min(1e-6) ** power * gain).clamp(0, 1)
        noise = drawn(0, 0.02, 1, 1, 1) * torch.randn(colours.shape, generator=generator)
        colours = (colours + noise).clamp(0, 1)
        planes.append(planes_of(torch.cat([colours, turned_view[:, 3:]], 1), *ends))
    return planes[0], planes[1]
