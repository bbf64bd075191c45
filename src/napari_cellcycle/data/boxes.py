"""Boxes in a frame: where the pixels of a cell are, found without searching all of a frame."""

from collections.abc import Iterator, Sequence

import numpy as np

Box = tuple[slice, ...]
"""A part of a frame, along [z,] y, x."""


def pixels_of(
    mask: np.ndarray,
    label: int,
    place: np.ndarray,
    area: float,
    pixel_size: Sequence[float] | None,
) -> tuple[Box, np.ndarray]:
    """The smallest box of a frame that holds all pixels of a label, and which of them are its.

    `place` (d,) is about where it is, in pixels, and `area` how large, in um2 or um3: a window
    that holds just as many pixels of it holds all of it. Where they are wrong or not known, the
    whole frame is searched.
    """
    if pixel_size is not None and 0 < area < np.inf and np.isfinite(place).all():
        count = round(area / float(np.prod(pixel_size)))
        for window in _windows(place, area, pixel_size, mask.shape):
            inside = mask[window] == label
            if np.count_nonzero(inside) == count:
                return tight(window, inside)
    return tight(whole(mask.shape), mask == label)


def whole(shape: Sequence[int]) -> Box:
    """The box of a whole frame."""
    return tuple(slice(0, n) for n in shape)


def corner_of(box: Box) -> list[int]:
    """The first pixel of a box."""
    return [part.start for part in box]


def tight(window: Box, inside: np.ndarray) -> tuple[Box, np.ndarray]:
    """The smallest box in `window` that holds all pixels `inside` it, and that part of them."""
    if not inside.any():
        return tuple(slice(p.start, p.start) for p in window), inside[(slice(0, 0),) * inside.ndim]
    spans = []
    for axis in range(inside.ndim):
        others = tuple(i for i in range(inside.ndim) if i != axis)
        there = np.flatnonzero(inside.any(axis=others))
        spans.append(slice(int(there[0]), int(there[-1]) + 1))
    starts = zip(window, spans, strict=True)
    box = tuple(slice(part.start + span.start, part.start + span.stop) for part, span in starts)
    return box, inside[tuple(spans)]


def wider(box: Box, margin: int, shape: Sequence[int]) -> Box:
    """A box with a margin around it, as far as a frame of that shape reaches."""
    return tuple(
        slice(max(0, part.start - margin), min(int(n), part.stop + margin))
        for part, n in zip(box, shape, strict=True)
    )


def joined(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds all of some boxes."""
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )


def common(box: Box, other: Box) -> Box | None:
    """What two boxes share; None if that is nothing."""
    both = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other, strict=True)
    )
    return both if all(part.start < part.stop for part in both) else None


def inside_of(box: Box, window: Box) -> Box:
    """The same box, counted from the corner of `window`."""
    return tuple(
        slice(part.start - w.start, part.stop - w.start)
        for part, w in zip(box, window, strict=True)
    )


def _windows(
    place: np.ndarray, area: float, pixel_size: Sequence[float], shape: tuple[int, ...]
) -> Iterator[Box]:
    """Boxes around a place, of somewhat more than one and of some four diameters of a ball."""
    size = np.array(pixel_size)
    diameter = 2 * (area / np.pi) ** 0.5 if len(shape) == 2 else (6 * area / np.pi) ** (1 / 3)
    for half in (0.8 * diameter / size + 3, 2 * diameter / size + 6):
        low = np.maximum(np.floor(place - half), 0).astype(int)
        high = np.minimum(np.ceil(place + half) + 1, shape).astype(int)
        yield tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
