"""How well a segmentation model does on images that it has not learned from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.evaluation.segmentation import THRESHOLDS, ImageScore, score_masks
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.segment.sources import one_channel

if TYPE_CHECKING:
    from napari_cellcycle.models.segment.segmenter import Segmenter

_IN_PIXELS = (1.0, 1.0)


@dataclass(frozen=True)
class HeldOutScore:
    """Average precision at each of `THRESHOLDS`: the mean over `images`, which show `cells`.

    `masks` were found, and cells taken to measure `diameter_px` (None: no cell was found).
    """

    precision: dict[float, float]
    images: int
    cells: int
    masks: int
    diameter_px: float | None

    @property
    def value(self) -> float:
        """Mean AP at Jaccard indices of .5 and .75: what the best round is chosen by.

        That at .5 alone is as good as it gets long before outlines are right.
        """
        return float(np.mean([self.precision[threshold] for threshold in THRESHOLDS[:2]]))

    def figures(self) -> dict[str, Any]:
        """Numbers for a model card."""
        named = {f"AP {threshold:g}": round(ap, 4) for threshold, ap in self.precision.items()}
        size = None if self.diameter_px is None else round(self.diameter_px, 1)
        counts = {"images": self.images, "cells": self.cells, "masks": self.masks}
        return {**named, **counts, "diameter px": size}


def score_held_out(
    segmenter: "Segmenter",
    images: Sequence[Annotated],
    *,
    channel: str | None = None,
    diameters_px: Callable[[Annotated], float] | None = None,
    progress: Progress = silent,
) -> HeldOutScore:
    """Segment images and score them as users would get them.

    As for a movie, the size of cells is found from the first, middle and last image of each
    group, unless `diameters_px` tells that of each. Images with neither cells nor masks do not
    count.
    """
    scores: list[ImageScore] = []
    sizes: list[float] = []
    found: dict[str, float | None] = {}
    for image in track_progress(images, len(images), progress, "Scoring what was kept aside"):
        if diameters_px is not None:
            size: float | None = diameters_px(image)
        else:
            if image.group not in found:
                found[image.group] = _found_size(segmenter, images, image.group, channel)
            size = found[image.group]
        sizes += [size] if size else []
        masks = segmenter(
            one_channel(image, channel), _IN_PIXELS, SegmentSettings(diameter=size or None)
        )
        scores.append(score_masks(masks, image.masks))
    counted = [score for score in scores if score.segmented or score.masks]
    precision = {
        threshold: float(np.mean([score.precision[threshold] for score in counted] or [0.0]))
        for threshold in THRESHOLDS
    }
    return HeldOutScore(
        precision,
        len(counted),
        sum(score.segmented for score in counted),
        sum(score.masks for score in counted),
        float(np.median(sizes)) if sizes else None,
    )


def _found_size(
    segmenter: "Segmenter", images: Sequence[Annotated], group: str, channel: str | None
) -> float | None:
    members = [image for image in images if image.group == group]
    chosen = dict.fromkeys((0, len(members) // 2, len(members) - 1))
    shown = [one_channel(members[i], channel) for i in chosen]
    return segmenter.find_diameter(shown, _IN_PIXELS, SegmentSettings())
