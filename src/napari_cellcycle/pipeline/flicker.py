"""Clean-up over time: what is there for one frame only, and what is missing for one."""

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_cellcycle.progress import Progress, silent, track_progress

AGREE = 0.5
"""Intersection over union of two masks, two frames apart, above which they are one cell."""
LEAST_FREE = 0.7
"""Share of what both cover that has to be background in the frame between."""

Change = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def settle(
    masks: Any, times: range, *, drop: bool, fill: bool, progress: Progress = silent
) -> None:
    """Clean the frames `times` of masks (T, [Z,] Y, X) in place; three of them are in memory.

    Holes are filled before objects are dropped, so that a cell that is seen, missed and seen
    again stays. The first and the last frame are left as they are.
    """
    steps: list[Change] = [*[filled] * fill, *[without_flicker] * drop]
    inner = times[1:-1]
    for change in steps:
        if not len(inner):
            return
        before, now = (np.asarray(masks[time]) for time in times[:2])
        for time in track_progress(inner, len(inner), progress, "Cleaning up"):
            after = np.asarray(masks[time + 1])
            changed = change(before, now, after)
            if changed is not now:
                masks[time] = changed
            before, now = now, after


def without_flicker(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`now` without the masks that overlap with none before and none after.

    The masks that stay are numbered 1, 2, ... `now` itself is returned where all stay. Cells
    that move further than their own size from frame to frame overlap with nothing, too.
    """
    if not now.any():
        return now
    sizes = np.bincount(now.ravel())
    steady = np.bincount(now[(before > 0) | (after > 0)], minlength=len(sizes)) > 0
    stays = steady & (sizes > 0)
    stays[0] = False
    if stays.sum() == (sizes[1:] > 0).sum():
        return now
    number = np.zeros(len(sizes), np.int32)
    number[stays] = np.arange(1, int(stays.sum()) + 1)
    return number[now]


def filled(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`now` with the cells that it misses and the frames around it agree on.

    Such a cell covers the same place before and after (`AGREE`) where most is background now
    (`LEAST_FREE`) and no mask lies mostly inside. What both cover and is free becomes its mask,
    with the next free number. `now` itself is returned where nothing is missing.
    """
    both = np.flatnonzero((before > 0) & (after > 0))
    if not len(both):
        return now
    ends = np.stack([before.ravel()[both], after.ravel()[both]]).astype(np.int64)
    code, pair, shared = np.unique(
        ends[0] * (int(after.max()) + 1) + ends[1], return_inverse=True, return_counts=True
    )
    first, second = np.divmod(code, int(after.max()) + 1)
    union = np.bincount(before.ravel())[first] + np.bincount(after.ravel())[second] - shared
    inside = now.ravel()[both]
    free = np.bincount(pair[inside == 0], minlength=len(code))
    missing = (shared > AGREE * union) & (free >= LEAST_FREE * shared)
    missing[_holding(pair, inside, now)] = False
    chosen = missing[pair] & (inside == 0)
    if not chosen.any():
        return now
    number = np.zeros(len(code), np.int32)
    number[missing] = int(now.max()) + np.arange(1, int(missing.sum()) + 1)
    drawn = now.copy()
    drawn.ravel()[both[chosen]] = number[pair[chosen]]
    return drawn


def _holding(pair: np.ndarray, inside: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Which pairs hold more than half of some mask of the frame between."""
    there = inside > 0
    width = int(now.max()) + 1
    code, shared = np.unique(pair[there] * width + inside[there], return_counts=True)
    holder, held = np.divmod(code, width)
    return np.unique(holder[2 * shared > np.bincount(now.ravel(), minlength=width)[held]])
