"""Masks carried over time: copied to the next frame, or drawn between two that are there."""

import numpy as np
from scipy import ndimage

from napari_cellcycle.data.boxes import Box, common, inside_of, joined, whole
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.masks.cuts import depth_in
from napari_cellcycle.edit.masks.found import Found

_LOOK_BACK = 3
"""Frames over which the motion of a cell is measured."""


def linked_to(draft: Draft, cell: int, step: int) -> list[int]:
    """The cells that a cell is linked with, later ones (`step` 1) or the earlier one (-1)."""
    if step == 1:
        return draft.children(cell)
    return [draft.parent(cell)] if draft.parent(cell) != NOBODY else []


def motion(draft: Draft, cell: int, step: int) -> np.ndarray:
    """How far a cell goes in a frame, in pixels, as it went in the frames behind it."""
    track = draft.track(draft.label(cell))
    frames = draft.column("frame")[draft.rows(track)]
    here = draft.frame(cell)
    behind = (frames - here) * -step
    seen = track[(behind > 0) & (behind <= _LOOK_BACK)]
    if not len(seen):
        return np.zeros(len(draft.axes))
    far = int(max(seen, key=lambda one: abs(draft.frame(int(one)) - here)))
    return (draft.place(cell) - draft.place(far)) / abs(here - draft.frame(far))


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
        outside = ndimage.distance_transform_edt(~inside, sampling=space)
        depth += weight * (depth_in(inside, space) - outside)
    return window, _deepest(depth, round((1 - share) * first.count + share * second.count))


def _deepest(depth: np.ndarray, count: int) -> np.ndarray:
    """About as many of the deepest pixels; those that are as deep are in, or out, together."""
    edge = np.partition(depth.ravel(), depth.size - count)[depth.size - count]
    more, fewer = depth >= edge, depth > edge
    nearer = np.count_nonzero(more) - count <= count - np.count_nonzero(fewer)
    return more if nearer or not fewer.any() else fewer


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
