"""Running a network over images of any size, tile by tile."""

from collections.abc import Callable

import numpy as np

OVERLAP = 32
"""Pixels by which neighbouring tiles overlap."""


def tiles_of(
    image: np.ndarray,
    compute: Callable[[np.ndarray], np.ndarray],
    tile: int,
    batch_size: int,
    multiple: int,
) -> np.ndarray:
    """Maps (C, Y, X) that `compute` gives of an image, in tiles blended where they overlap.

    The image is (Y, X), or (K, Y, X) in colours. `compute` takes float32 images (N, K, Y, X),
    K = 1 without colours, whose sides divide by `multiple`, and gives maps (N, C, Y, X). Images
    are mirrored at their edges.
    """
    planes = image[None] if image.ndim == 2 else image
    height, width = shape = planes.shape[1:]
    sides = [_side(length, tile, multiple) for length in shape]
    beyond = [(0, max(0, side - length)) for side, length in zip(sides, shape, strict=True)]
    padded = np.pad(planes, [(0, 0), *beyond], mode="symmetric")
    corners = [
        (y, x)
        for y in _starts(padded.shape[1], sides[0])
        for x in _starts(padded.shape[2], sides[1])
    ]
    if len(corners) == 1:
        return compute(padded[None].astype(np.float32))[0, :, :height, :width]
    weight = np.outer(_ramp(sides[0]), _ramp(sides[1])).astype(np.float32)
    total: np.ndarray | None = None
    weights = np.zeros(padded.shape[1:], np.float32)
    for start in range(0, len(corners), batch_size):
        chosen = corners[start : start + batch_size]
        tiles = [padded[:, y : y + sides[0], x : x + sides[1]] for y, x in chosen]
        maps = compute(np.stack(tiles).astype(np.float32))
        if total is None:
            total = np.zeros((maps.shape[1], *padded.shape[1:]), np.float32)
        for (y, x), part in zip(chosen, maps, strict=True):
            total[:, y : y + sides[0], x : x + sides[1]] += part * weight
            weights[y : y + sides[0], x : x + sides[1]] += weight
    assert total is not None
    return (total / weights)[:, :height, :width]


def _side(length: int, tile: int, multiple: int) -> int:
    """Side of a tile, as a multiple: the whole length if it fits, else of equal tiles, as few."""
    if length > tile:
        count = _count(length, tile)
        length = -(-(length + (count - 1) * OVERLAP) // count)
    return -(-length // multiple) * multiple


def _count(length: int, side: int) -> int:
    """Fewest tiles that cover `length` with at least the overlap."""
    return -(-(length - OVERLAP) // (side - OVERLAP))


def _starts(length: int, side: int) -> list[int]:
    """Evenly spread first pixels of tiles that cover `length` with at least the overlap."""
    if length <= side:
        return [0]
    count = _count(length, side)
    return [round(start) for start in np.linspace(0, length - side, count)]


def _ramp(side: int) -> np.ndarray:
    """Weight along one side of a tile, small at its ends."""
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) + 1
    return np.minimum(distance / OVERLAP, 1.0)
