"""Learn the default query network: varied crops, and points in, around and between cells."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.evaluation.keypoints import KeypointScore, score_keypoints
from napari_cellcycle.features.colours import COLOURS
from napari_cellcycle.models.device import device_of, faster_products
from napari_cellcycle.models.segment.query.model import DEFAULT, QuerySegmenter, Search, in_image
from napari_cellcycle.models.segment.query.network import WIDTHS, QueryNet
from napari_cellcycle.models.store import ModelCard
from napari_cellcycle.progress import Progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.segment.query.examples import (
    UNKNOWN,
    QueryExample,
    query_examples,
)

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.io.labelme import LabelledImage
    from napari_cellcycle.training.segment.query.own import Lesson

FIT = FitSettings(epochs=20, learning_rate=3e-3, average=0.99)
WORKING_PX = 22.6
"""Diameter of the usual cell in pixels at the working size."""
SEARCH = Search(threshold=0.5, smoothing=1.5, radius=5.0)
_THRESHOLDS = (0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65, 0.3, 0.7)
_DEEPEST = 254
_SCALES = (0.75, 1.35)


class QueryBatch(NamedTuple):
    """Images (N, C, Y, X), points (N, Q, 2) in their pixels, depth (N, Q), and what is known."""

    images: "torch.Tensor"
    points: "torch.Tensor"
    depth: "torch.Tensor"
    known: "torch.Tensor"


class QueryTask:
    """Batches of turned, mirrored and recoloured crops, each with points: a `Task` for `fit`.

    Parameters
    ----------
    examples
        Drawn from in equal shares.
    score
        Gives the held-out score of a network; None keeps the last weights.
    """

    def __init__(
        self,
        examples: Sequence[QueryExample],
        *,
        batches_per_epoch: int = 100,
        batch_size: int = 8,
        side_px: int = 192,
        queries: int = 768,
        score: Callable[[Any], float] | None = None,
    ) -> None:
        self.examples = examples
        self.batches_per_epoch, self.batch_size = batches_per_epoch, batch_size
        self.side_px, self.queries = side_px, queries
        self._score = score

    def __len__(self) -> int:
        return self.batches_per_epoch

    def batches(self, rng: np.random.Generator) -> Iterator[QueryBatch]:
        """Batches of one epoch."""
        import torch

        for _ in range(len(self)):
            drawn = rng.integers(len(self.examples), size=self.batch_size)
            parts = [varied(self.examples[i], self.side_px, self.queries, rng) for i in drawn]
            images, points, depth = (
                torch.from_numpy(np.stack(some)) for some in zip(*parts, strict=True)
            )
            yield QueryBatch(images, points, depth / _DEEPEST, depth < UNKNOWN)

    def loss(self, network: Any, batch: QueryBatch) -> "torch.Tensor":
        """Cross-entropy of being in a cell, and of depth as if it were a chance."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        device = device_of(network)
        images, points, depth, known = (some.to(device) for some in batch)
        with faster_products(device):
            encoded = network.encode(images.contiguous(memory_format=torch.channels_last))
        answers = network.ask([maps.float() for maps in encoded], points)
        target = torch.stack([(depth > 0).float(), depth], -1)
        each = binary_cross_entropy_with_logits(answers, target, reduction="none").sum(-1)
        return (each * known).sum() / known.sum().clamp_min(1)

    def score(self, network: Any) -> float | None:
        """Held-out score."""
        return None if self._score is None else self._score(network)


def varied(
    example: QueryExample, side: int, queries: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A crop (C, side, side), points in it (Q, 2) and their depth (Q,), all float32.

    A third of the points lies anywhere, a third in cells and a third around their outlines, where
    neighbours are told apart. Where the crop reaches beyond the image, nothing is known.
    """
    import cv2

    image, depth = example.image, example.depth
    matrix = _placed(example, side, rng)
    crop = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT)
    crop = crop.reshape(side, side, -1)
    ratio = np.array(image.shape[:2]) / depth.shape
    pools = [
        _forward((pool[:, ::-1] + 0.5) * ratio[::-1] - 0.5, matrix)
        for pool in (example.inside, example.around)
    ]
    some = [_among(pool, side, queries // 3, rng) for pool in pools]
    rest = queries - sum(map(len, some))
    points = np.concatenate([*some, rng.uniform(0, side - 1, (rest, 2))])
    points = np.clip(points + rng.uniform(-0.5, 0.5, points.shape) * ratio.mean(), 0, side - 1)
    back = cv2.invertAffineTransform(matrix)
    at = np.rint((_forward(points, back) + 0.5) / ratio[::-1] - 0.5).astype(np.int64)[:, ::-1]
    limit = np.array(depth.shape) - 1
    beyond = ((at < 0) | (at > limit)).any(1)
    at = np.clip(at, 0, limit)
    told = np.where(beyond, UNKNOWN, depth[at[:, 0], at[:, 1]])
    crop = _recoloured(crop, rng)
    return (
        np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32),
        np.ascontiguousarray(points[:, ::-1], np.float32),
        told.astype(np.float32),
    )


def _placed(example: QueryExample, side: int, rng: np.random.Generator) -> np.ndarray:
    """Affine matrix (2, 3), in (x, y), from the image to a turned, mirrored, scaled crop.

    The crop is centred on a cell every other time.
    """
    height, width = example.image.shape[:2]
    centre = rng.uniform(0, 1, 2) * (width, height)
    if len(example.inside) and rng.random() < 0.5:
        ratio = np.array([height, width]) / example.depth.shape
        centre = (rng.choice(example.inside) * ratio)[::-1]
    angle = rng.uniform(0, 2 * math.pi)
    scale = math.exp(rng.uniform(*np.log(_SCALES)))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = scale * turn @ np.diag([rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.1), 1.0])
    moved = (side - 1) / 2 + rng.uniform(-0.3, 0.3, 2) * side - linear @ centre
    return np.concatenate([linear, moved[:, None]], 1)


def _forward(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (n, 2) in (x, y) after an affine `matrix` (2, 3)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def _among(points: np.ndarray, side: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` of the points that lie in a crop."""
    kept = points[((points >= 0) & (points <= side - 1)).all(1)]
    return kept[rng.integers(len(kept), size=count)] if len(kept) else kept


def _recoloured(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another brightness and gamma of each channel, then noise, and sometimes a blur."""
    import cv2

    channels = crop.shape[-1]
    gain = np.exp(rng.uniform(-0.35, 0.35, channels))
    power = np.exp(rng.uniform(-0.25, 0.25, channels))
    values = np.sign(crop) * np.abs(crop) ** power * gain + rng.uniform(-0.06, 0.06, channels)
    if rng.random() < 0.2:
        values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.4, 1.2))
        values = values.reshape(crop.shape)
    noise = rng.uniform(0, 0.05)
    return values + noise * rng.standard_normal(crop.shape)


def taught_default(
    lesson: "Lesson", checkpoint: Checkpoint, progress: Progress
) -> tuple[dict[str, "torch.Tensor"], str, dict[str, Any], list[Epoch]]:
    """Train the default network: its weights, architecture, settings and epochs.

    The epoch and the threshold are those that find the cells of the images kept aside best.
    """
    import torch

    from napari_cellcycle.training.segment.query.own import annotated, usual_diameter

    diameter = usual_diameter(lesson.learned)
    scale, search = WORKING_PX / diameter, asdict(SEARCH)
    known: dict[str, Any] = {
        "channels": COLOURS,
        "widths": list(WIDTHS),
        "features": 64,
        "scale": scale,
        "diameter_px": diameter,
        "search": search,
    }
    images = annotated(lesson.learned, progress, "Reading images")
    rng = np.random.default_rng(lesson.settings.seed)
    examples = query_examples(images, scale, COLOURS, rng)
    del images
    card = ModelCard(name=lesson.name, kind="segment", architecture=DEFAULT, settings=known)
    torch.manual_seed(lesson.settings.seed)
    network = QuerySegmenter.network_of(card).to(lesson.device)
    trial = _Trial(card, lesson.held_out, lesson.device) if lesson.held_out else None
    history = fit(
        network,
        QueryTask(examples, score=None if trial is None else trial.score),
        FIT.model_copy(
            update={"seed": lesson.settings.seed, "epochs": lesson.settings.epochs or FIT.epochs}
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    if trial is not None:
        scores = trial.scores(network)
        search["threshold"] = max(scores, key=lambda threshold: scores[threshold].f1)
    return network.state_dict(), DEFAULT, known, history


class _Trial:
    """Cells of the images kept aside, to be found."""

    def __init__(
        self, card: ModelCard, images: "Sequence[LabelledImage]", device: "torch.device"
    ) -> None:
        self.card, self.device = card, device
        self.images = [(image.pixels(), image) for image in images]

    def scores(self, network: QueryNet) -> dict[float, KeypointScore]:
        """Score at each of some thresholds."""
        model = QuerySegmenter(self.card, network, self.device)
        scores = dict.fromkeys(_THRESHOLDS, KeypointScore())
        for pixels, image in self.images:
            values = model.query_maps(pixels, None, SegmentSettings())[1]
            truth = [(shape.corner, shape.mask) for shape in image.shapes]
            for threshold in _THRESHOLDS:
                points = in_image(
                    replace(SEARCH, threshold=threshold)(values), values.shape, pixels.shape
                )
                scores[threshold] += score_keypoints(points.places, None, truth, [])
        return scores

    def score(self, network: QueryNet) -> float:
        """Mean F1 over the thresholds."""
        return float(np.nanmean([score.f1 for score in self.scores(network).values()]))
