"""Learn the published query network, with its own sampling of points and its own crops.

What differs, because the published training has none: images are kept aside, and the epoch with
the least loss on fixed points of theirs is kept. An image without nuclei, or too few of them for
a draw, gives as many points as it has.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_cellcycle.config import Settings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.features.colours import COLOURS, colours_last, lit_colours
from napari_cellcycle.models.device import device_of, faster_products
from napari_cellcycle.models.segment.query.model import PAPER, Search
from napari_cellcycle.models.segment.query.paper import SIDE, PaperQueryNet
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit

if TYPE_CHECKING:
    from napari_cellcycle.training.segment.query.own import Lesson

FIT = FitSettings(
    epochs=2000, learning_rate=3e-4, weight_decay=0, warmup=0, schedule="constant", clip=0
)
"""As published: Adam at a fixed rate."""
_TRIES = 20
_SHARE, _RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
_REDUCED = 4


class PaperSettings(Settings):
    """How the published query network is trained."""

    batch_size: int = 12
    positives: int = 128
    negatives: int = 256
    blur_px: float = 64.0
    temperature: float = 0.1


@dataclass(frozen=True)
class PaperExample:
    """An image to learn from, at its own size and a quarter of it.

    `levels` hold colours (y, x, 3) uint8, each half as wide as the one before; `inside` (Y, X)
    uint8 is 1 in nuclei, and `near` the blurred nuclei, a quarter as wide.
    """

    levels: tuple[np.ndarray, ...]
    inside: np.ndarray
    near: np.ndarray


class PaperBatch(NamedTuple):
    """Images (N, 3, 224, 224), points (N, Q, 2), whether they lie in nuclei, and which count."""

    images: Tensor
    points: Tensor
    inside: Tensor
    counts: Tensor


def paper_example(image: Annotated, blur_px: float = 64.0) -> PaperExample:
    """An annotated image with what points are drawn by."""
    import cv2

    colours = (255 * lit_colours(colours_last(image.image, COLOURS)) + 0.5).astype(np.uint8)
    levels: list[np.ndarray] = [colours]
    for _ in range(2):
        half = (max(1, levels[-1].shape[1] // 2), max(1, levels[-1].shape[0] // 2))
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    inside = (image.masks > 0).astype(np.uint8)
    small = cv2.resize(
        inside.astype(np.float32), levels[-1].shape[1::-1], interpolation=cv2.INTER_AREA
    )
    near = cv2.GaussianBlur(small, (0, 0), blur_px / _REDUCED, borderType=cv2.BORDER_REFLECT)
    return PaperExample(tuple(levels), inside, near)


class PaperTask:
    """All images once an epoch, each in a crop of its own: a `Task` for `fit`."""

    def __init__(
        self,
        learned: Sequence[PaperExample],
        held_out: Sequence[PaperExample] = (),
        settings: PaperSettings | None = None,
    ) -> None:
        self.learned, self.settings = learned, settings or PaperSettings()
        rng = np.random.default_rng(0)
        self._held_out = [self._batch([example], rng, whole=True) for example in held_out]

    def __len__(self) -> int:
        return -(-len(self.learned) // self.settings.batch_size)

    def batches(self, rng: np.random.Generator) -> Iterator[PaperBatch]:
        """Batches of one epoch."""
        order = rng.permutation(len(self.learned))
        for start in range(0, len(order), self.settings.batch_size):
            chosen = order[start : start + self.settings.batch_size]
            yield self._batch([self.learned[i] for i in chosen], rng)

    def loss(self, network: Any, batch: PaperBatch) -> Tensor:
        """Mean cross-entropy over the points that count."""
        device = device_of(network)
        images, points, inside, counts = (part.to(device) for part in batch)
        with faster_products(device):
            logits = network(images, points)
        each = binary_cross_entropy_with_logits(logits.float(), inside, reduction="none")
        return (each * counts).sum() / counts.sum().clamp_min(1)

    def score(self, network: Any) -> float | None:
        """Minus the mean loss on fixed points of the images kept aside."""
        if not self._held_out:
            return None
        return -float(np.mean([float(self.loss(network, batch)) for batch in self._held_out]))

    def _batch(
        self, examples: Sequence[PaperExample], rng: np.random.Generator, *, whole: bool = False
    ) -> PaperBatch:
        drawn = [paper_crop(example, self.settings, rng, whole=whole) for example in examples]
        return PaperBatch(*(torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True)))


def train_paper_queries(
    learned: Sequence[PaperExample],
    held_out: Sequence[PaperExample] = (),
    fit_settings: FitSettings = FIT,
    settings: PaperSettings | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[PaperQueryNet, list[Epoch]]:
    """Train the published query network."""
    torch.manual_seed(fit_settings.seed)
    network = PaperQueryNet().to(device or torch.device("cpu"))
    history = fit(
        network,
        PaperTask(learned, held_out, settings),
        fit_settings,
        optimiser=lambda trained: torch.optim.Adam(
            trained.parameters(), fit_settings.learning_rate
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    return network, history


def taught_paper(
    lesson: "Lesson", checkpoint: Checkpoint, progress: Progress
) -> tuple[dict[str, Tensor], str, dict[str, Any], list[Epoch]]:
    """Train the published network: its weights, architecture, settings and epochs."""
    learned, aside = (
        [
            paper_example(image.annotated())
            for image in track_progress(images, len(images), progress, "Reading images")
        ]
        for images in (lesson.learned, lesson.held_out)
    )
    asked = {"seed": lesson.settings.seed, "epochs": lesson.settings.epochs or FIT.epochs}
    network, history = train_paper_queries(
        learned,
        aside,
        FIT.model_copy(update=asked),
        checkpoint=checkpoint,
        device=lesson.device,
        progress=progress,
    )
    return network.state_dict(), PAPER, {"search": asdict(Search())}, history


def paper_crop(
    example: PaperExample,
    settings: PaperSettings,
    rng: np.random.Generator,
    *,
    whole: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One image, its points, their truth and which of them count, see `PaperBatch`.

    The image is turned by any angle, cropped to 8 to 100 % of its area at sides of 3 : 4 to
    4 : 3, brought to 224 x 224 pixels and mirrored; `whole` leaves it as it is. Crops are drawn
    again until they hold enough nuclei, but not for ever.
    """
    for attempt in range(_TRIES):
        matrix = _whole(example) if whole else _placed(example, rng)
        inside = _warped(example.inside, matrix, nearest=True) > 0
        if whole or inside.sum() >= settings.positives or attempt == _TRIES - 1:
            break
    near = _warped(example.near, matrix, 1 / _REDUCED)
    positive = _drawn(np.where(inside, 0.0, -np.inf), settings.positives, rng)
    weight = np.where(inside, -np.inf, near / settings.temperature)
    negative = _drawn(weight, settings.negatives, rng)
    wanted = settings.positives + settings.negatives
    chosen = np.concatenate([positive, negative])
    pixels = np.zeros(wanted, np.int64)
    pixels[: len(chosen)] = chosen
    points = np.stack([pixels % SIDE, pixels // SIDE], 1) / SIDE
    truth = inside.ravel()[pixels]
    return (
        _seen(example, matrix),
        points.astype(np.float32),
        truth.astype(np.float32),
        (np.arange(wanted) < len(chosen)).astype(np.float32),
    )


def _drawn(weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pixels drawn without replacement, with chances as the exponential of `weight`.

    The largest of weights to which Gumbel noise was added (Vieira 2014).
    """
    usable = np.flatnonzero(np.isfinite(weight))
    if len(usable) <= count:
        return usable
    noisy = weight.ravel()[usable] + rng.gumbel(size=len(usable))
    return usable[np.argpartition(noisy, -count)[-count:]]


def _whole(example: PaperExample) -> np.ndarray:
    height, width = example.inside.shape
    return _centred(np.diag([SIDE / width, SIDE / height]), np.array([width, height]) / 2)


def _placed(example: PaperExample, rng: np.random.Generator) -> np.ndarray:
    """Affine matrix (2, 3), in (x, y), from the image to a crop of 224 x 224 pixels."""
    height, width = example.inside.shape
    while True:
        area = height * width * rng.uniform(*_SHARE)
        ratio = math.exp(rng.uniform(*np.log(_RATIO)))
        sides = np.array([math.sqrt(area * ratio), math.sqrt(area / ratio)])
        if sides[0] <= width and sides[1] <= height:
            break
    corner = rng.uniform(0, 1, 2) * (np.array([width, height]) - sides)
    angle = rng.uniform(-math.pi, math.pi)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array([width, height]) / 2
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    linear = mirror @ np.diag(SIDE / sides) @ turn
    return _centred(linear, middle + turn.T @ (corner + sides / 2 - middle))


def _centred(linear: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The matrix that brings `centre` to the middle; positions are edges, not pixel centres."""
    return np.concatenate([linear, (SIDE / 2 - linear @ centre)[:, None]], 1)


def _seen(example: PaperExample, matrix: np.ndarray) -> np.ndarray:
    """The crop (3, 224, 224) float32 from 0 to 1, from the level that is not far too fine."""
    shrunk = 1 / math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    level = int(np.clip(round(math.log2(max(shrunk, 1))), 0, len(example.levels) - 1))
    crop = _warped(example.levels[level], matrix, 0.5**level)
    return np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32) / 255


def _warped(
    image: np.ndarray, matrix: np.ndarray, scale: float = 1.0, *, nearest: bool = False
) -> np.ndarray:
    """The crop of an image that is `scale` as large as the matrix thinks; zeros beyond it."""
    import cv2

    linear = matrix[:, :2] / scale
    shift = matrix[:, 2] + linear @ np.full(2, 0.5) - 0.5
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    moved = np.concatenate([linear, shift[:, None]], 1)
    return np.asarray(cv2.warpAffine(image, moved, (SIDE, SIDE), flags=flags))
