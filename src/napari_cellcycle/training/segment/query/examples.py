"""Examples that coordinate queries are learned from: images at the working size, and depth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.features.colours import working_size
from napari_cellcycle.models.segment.normalise import diameters_px
from napari_cellcycle.models.segment.query.prepare import prepared

UNKNOWN = 255
"""Depth where it is not known whether there is a cell."""
_DEEPEST = 254
_POOL = 20_000
_AROUND = 0.4
"""How far, in cell diameters, the surroundings reach that are asked about more often."""


@dataclass(frozen=True)
class QueryExample:
    """An image to learn from.

    `image` (y, x, C) float32 is prepared, at the working size; `depth` (Y, X) uint8, at the size
    of the file, is 0 outside cells, 1 to 254 in them and `UNKNOWN` where nothing is known.
    `inside` and `around` (n, 2) are pixels of `depth` in cells and at their outlines.
    """

    image: np.ndarray
    depth: np.ndarray
    inside: np.ndarray
    around: np.ndarray


def usual_diameter_px(images: Iterable[Annotated]) -> float:
    """Median diameter of all cells, in pixels; 0 where there are none."""
    found = [diameters_px(np.maximum(image.masks, 0)) for image in images]
    sizes = np.concatenate([np.zeros(0), *found])
    return float(np.median(sizes)) if len(sizes) else 0.0


def query_examples(
    images: Sequence[Annotated], scale: float, channels: int, rng: np.random.Generator
) -> list[QueryExample]:
    """Examples of annotated images, reduced by `scale`."""
    return [_example(image, scale, channels, rng) for image in images]


def depth_of(masks: np.ndarray) -> np.ndarray:
    """Distance to the outline over the largest in the same cell, as `QueryExample.depth` has it.

    The edge of the image is no outline. `masks` (Y, X), -1 where nothing is known.
    """
    import cv2

    padded = np.pad(masks, 1, mode="edge")
    inner = masks > 0
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        shifted = padded[y : y + masks.shape[0], x : x + masks.shape[1]]
        inner &= shifted == masks
    distance = cv2.distanceTransform(inner.astype(np.uint8), cv2.DIST_L2, 5)
    if inner.all():
        distance = np.ones_like(distance)
    cells = masks > 0
    index, distance = masks[cells], distance[cells]
    largest = np.full(int(masks.max(initial=0)) + 1, 1e-6, np.float32)
    np.maximum.at(largest, index, distance)
    depth = np.zeros(masks.shape, np.uint8)
    depth[cells] = 1 + np.rint((_DEEPEST - 1) * distance / largest[index])
    depth[masks < 0] = UNKNOWN
    return depth


def _example(
    image: Annotated, scale: float, channels: int, rng: np.random.Generator
) -> QueryExample:
    import cv2

    size = working_size(image.masks.shape, scale)
    depth = depth_of(image.masks)
    cells = (depth > 0) & (depth < UNKNOWN)
    reach = _AROUND * max(usual_diameter_px([image]), 4.0)
    near = cv2.distanceTransform((~cells).astype(np.uint8), cv2.DIST_L2, 5)
    ring = cells.any() & (near < reach) & ((depth == 0) | (depth < _DEEPEST // 4))
    values = prepared(image.image, channels, size)
    return QueryExample(values, depth, _some(cells, rng), _some(ring, rng))


def _some(chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most `_POOL` of the pixels (n, 2) where `chosen` is true."""
    found = np.flatnonzero(chosen)
    if len(found) > _POOL:
        found = rng.choice(found, _POOL, replace=False)
    return np.stack(np.unravel_index(found, chosen.shape), 1).astype(np.int16)
