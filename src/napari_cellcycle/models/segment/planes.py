"""Joining the masks of planes into masks of volumes."""

import numpy as np

LEAST_OVERLAP = 0.35
"""Least intersection over union of two masks of one cell in neighbouring planes."""
HALF = 0.5
"""Least brightness of a plane that still cuts a cell, of that of the brightest such plane."""


def stitch(planes: np.ndarray, least_planes: int = 1) -> np.ndarray:
    """Number masks (Z, Y, X), which are separate in each plane, so that a cell has one number.

    A mask continues the mask of the plane before with which it shares most, if both choose each
    other and share `LEAST_OVERLAP` of their union, or half of the smaller one (near the poles of
    a nucleus, masks shrink fast). Masks that span fewer than `least_planes` planes are dropped.
    """
    from skimage.segmentation import relabel_sequential

    volume = np.zeros(planes.shape, np.int32)
    count = 0
    before = np.zeros(planes.shape[1:], np.int32)
    for z, plane in enumerate(planes):
        labels = relabel_sequential(plane)[0]
        numbers = _continued(before, labels)
        new = np.flatnonzero(numbers[1:] == 0) + 1
        numbers[new] = count + np.arange(1, len(new) + 1)
        count += len(new)
        volume[z] = before = numbers[labels]
    if least_planes > 1 and count:
        spans = np.zeros(count + 1, np.int64)
        for plane in volume:
            spans[np.unique(plane)] += 1
        volume[(spans < least_planes)[volume]] = 0
    return relabel_sequential(volume)[0].astype(np.int32)


def _continued(before: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each label, the number in `before` that it continues, or 0."""
    numbers = np.zeros(labels.max() + 1, np.int32)
    both = (before > 0) & (labels > 0)
    if not both.any():
        return numbers
    pairs, shared = np.unique(np.stack([before[both], labels[both]]), axis=1, return_counts=True)
    size_before = np.bincount(before.ravel())[pairs[0]]
    size_now = np.bincount(labels.ravel())[pairs[1]]
    overlap = shared / (size_before + size_now - shared)
    enough = (overlap >= LEAST_OVERLAP) | (shared >= 0.5 * np.minimum(size_before, size_now))
    best_before = np.zeros(pairs[0].max() + 1)
    best_now = np.zeros(labels.max() + 1)
    np.maximum.at(best_before, pairs[0], overlap)
    np.maximum.at(best_now, pairs[1], overlap)
    mutual = (overlap == best_before[pairs[0]]) & (overlap == best_now[pairs[1]]) & enough
    numbers[pairs[1][mutual]] = pairs[0][mutual]
    return numbers


def trim(volume: np.ndarray, values: np.ndarray, reach: int, share: float = HALF) -> np.ndarray:
    """Take from each cell the planes that show it only as a blur from above or below.

    `values` is the image (Z, Y, X). A plane is kept where the mean brightness of the cell's mask
    in it, above the background, is at least `share` of the brightest of the planes at most
    `reach` away: half of it is where the edge of an object lies under a symmetric blur. What
    falls apart were cells on top of each other, and is numbered as such.
    """
    from scipy.ndimage import maximum_filter1d

    if not volume.any():
        return volume
    count, planes = int(volume.max()) + 1, len(volume)
    code = volume + count * np.arange(planes)[:, None, None]
    size = np.bincount(code.ravel(), minlength=count * planes).reshape(planes, count)
    light = np.bincount(code.ravel(), weights=values.ravel(), minlength=count * planes)
    background = float(np.median(values[volume == 0])) if (volume == 0).any() else 0.0
    mean = light.reshape(planes, count) / np.maximum(size, 1) - background
    mean[size == 0] = 0
    near = maximum_filter1d(mean, 2 * max(1, reach) + 1, axis=0, mode="constant")
    keep = (size > 0) & (mean >= share * near)
    keep[:, 0] = False
    starts = keep & ~np.pad(keep[:-1], ((1, 0), (0, 0)))
    run = np.cumsum(starts, axis=0) - 1
    first = np.concatenate([[0], np.cumsum(starts.sum(axis=0))[:-1]])
    number = np.where(keep, 1 + first + run, 0)
    return number.ravel()[code].astype(np.int32)
