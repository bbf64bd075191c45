"""Masks carried over time: copied to the next frame, or drawn between two that are there."""

import numpy as np

from napari_cellcycle.data.boxes import Box, common, inside_of, joined, whole
from napari_cellcycle.edit.masks.cuts import depth_in
from napari_cellcycle.edit.masks.found import Found


def shifted(found: Found, step: np.ndarray) -> tuple[Box, np.ndarray]:
    """A mask moved by whole pixels; the box may reach out of the frame."""
    return _moved(found.box, step), found.inside


def in_between(
    first: Found, second: Found, share: float, space: np.ndarray
) -> tuple[Box, np.ndarray]:
    """The mask a `share` of the way from one to the other, in form, size and place.

    Both are laid over each other, and what lies deepest in the mean of the two is taken, as many
    pixels as are between the sizes of the two. The box may reach out of the frame.
    """
    place = (1 - share) * first.centre + share * second.centre
    boxes = [_moved(one.box, np.rint(place - one.centre).astype(int)) for one in (first, second)]
    window = tuple(slice(part.start - 1, part.stop + 1) for part in joined(boxes))
    shape = [part.stop - part.start for part in window]
    depth = np.zeros(shape)
    for one, box, weight in zip((first, second), boxes, (1 - share, share), strict=True):
        inside = np.zeros(shape, bool)
        inside[inside_of(box, window)] = one.inside
        depth += weight * (depth_in(inside, space) - depth_in(~inside, space))
    count = round((1 - share) * first.count + share * second.count)
    edge = np.partition(depth.ravel(), depth.size - count)[depth.size - count]
    return window, depth >= edge


def in_frame(box: Box, inside: np.ndarray, shape: tuple[int, ...]) -> tuple[Box, np.ndarray] | None:
    """The part of a mask that lies in a frame of that shape; None if there is nothing."""
    part = common(box, whole(shape))
    if part is None:
        return None
    kept = inside[inside_of(part, box)]
    return (part, kept) if kept.any() else None


def _moved(box: Box, step: np.ndarray) -> Box:
    return tuple(
        slice(part.start + int(s), part.stop + int(s)) for part, s in zip(box, step, strict=True)
    )
