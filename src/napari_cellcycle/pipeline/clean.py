"""Which masks of a frame are left out: too large, or cut by the edge of the image."""

import math

import numpy as np

from napari_cellcycle.config import SegmentSettings

Edges = tuple[bool, bool, bool, bool]
"""Which sides of an array (top, left, bottom, right) are edges of the image."""
ALL_EDGES: Edges = (True, True, True, True)


def clean(
    masks: np.ndarray,
    settings: SegmentSettings,
    pixel_size: tuple[float, ...],
    edges: Edges = ALL_EDGES,
) -> np.ndarray:
    """Drop the masks ([Z,] Y, X) that `settings` leave out and number the others 1, 2, ..."""
    if not (settings.max_diameter or settings.drop_at_edge) or not masks.any():
        return masks
    sizes = np.bincount(masks.ravel())
    gone = too_large(sizes, settings, pixel_size)
    if settings.drop_at_edge:
        gone[at_edge(masks, edges)] = True
    return numbered(sizes, gone)[masks]


def too_large(
    sizes: np.ndarray, settings: SegmentSettings, pixel_size: tuple[float, ...]
) -> np.ndarray:
    """Whether each mask, of which `sizes` (n + 1,) holds the pixels, is above the limit.

    The limit is the area, or volume, of a disc, or ball, of `max_diameter` typical diameters.
    Without a known diameter the median of the masks is typical.
    """
    if not settings.max_diameter:
        return np.zeros(len(sizes), bool)
    ndim = len(pixel_size)
    ball = math.pi / (4 if ndim == 2 else 6)
    if settings.diameter:
        usual = ball * settings.diameter**ndim / math.prod(pixel_size)
    else:
        found = sizes[1:][sizes[1:] > 0]
        usual = float(np.median(found)) if len(found) else 0.0
    large = sizes > settings.max_diameter**ndim * usual
    large[0] = False
    return large


def at_edge(masks: np.ndarray, edges: Edges = ALL_EDGES) -> np.ndarray:
    """Numbers of the masks ([Z,] Y, X) that touch one of the `edges` in y or x."""
    sides = (masks[..., 0, :], masks[..., 0], masks[..., -1, :], masks[..., -1])
    touched = [np.unique(side) for side, is_edge in zip(sides, edges, strict=True) if is_edge]
    numbers = np.unique(np.concatenate(touched)) if touched else np.zeros(0, masks.dtype)
    return numbers[numbers > 0]


def numbered(sizes: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """New number of each mask, (n + 1,) int32: 1, 2, ... of those that are there and stay."""
    stays = (sizes > 0) & ~gone
    stays[0] = False
    number = np.zeros(len(sizes), np.int32)
    number[stays] = np.arange(1, int(stays.sum()) + 1)
    return number
