"""Learn what kind of cell lies at a point, from what is measured of annotated cells."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from napari_cellcycle.features.colours import COLOURS, colours_last, lit_colours
from napari_cellcycle.features.kind_traits import traits_of
from napari_cellcycle.models.rank_net import HIDDEN, MEMBERS
from napari_cellcycle.models.segment.query.finder import centres_of
from napari_cellcycle.models.stage.model import KINDS
from napari_cellcycle.progress import Progress, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch
from napari_cellcycle.training.rank_net import FIT, Measured, train_ranks

if TYPE_CHECKING:
    from napari_cellcycle.io.labelme import LabelledImage
    from napari_cellcycle.training.segment.query.own import Lesson


def taught_kinds(
    lesson: "Lesson", checkpoint: Checkpoint, progress: Progress
) -> tuple[dict[str, Tensor], str, dict[str, Any], list[Epoch]]:
    """Train the default classifier: its weights, architecture, settings and epochs."""
    from napari_cellcycle.training.segment.query.own import usual_diameter

    diameter = usual_diameter(lesson.learned)
    learned, held_out = (
        kind_examples(images, lesson.classes, diameter, progress)
        for images in (lesson.learned, lesson.held_out)
    )
    asked = {"seed": lesson.settings.seed, "epochs": lesson.settings.kind_epochs or FIT.epochs}
    network, history = train_ranks(
        learned,
        held_out if len(held_out.classes) else None,
        FIT.model_copy(update=asked),
        classes=len(lesson.classes),
        checkpoint=checkpoint,
        device=lesson.device,
        progress=progress,
    )
    sizes = {"traits": network.traits, "members": MEMBERS, "hidden": HIDDEN}
    return network.state_dict(), KINDS, {"diameter": diameter, **sizes}, history


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


def kind_examples(
    images: "Sequence[LabelledImage]", classes: Sequence[str], diameter: float, progress: Progress
) -> Measured:
    """Traits of all cells of the given classes, measured in their annotated masks."""
    traits: list[np.ndarray] = []
    kinds = [np.zeros(0, np.int64)]
    for image in track_progress(images, len(images), progress, "Measuring cells"):
        masks, kind = image.masks(), image.kinds(classes)
        seen = np.isin(np.arange(1, len(kind) + 1), masks) & (kind >= 0)
        numbers = np.flatnonzero(seen) + 1
        if len(numbers):
            places = centres_of(masks, numbers, np.zeros((len(numbers), 2)))
            traits.append(traits_of(image.pixels(), masks, numbers, places, diameter))
            kinds.append(kind[seen].astype(np.int64))
    found = np.concatenate(traits) if traits else np.zeros((0, 0), np.float32)
    return Measured(found, np.concatenate(kinds))
