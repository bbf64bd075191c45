"""Masks as a worse segmentation would have given them: missing, merged and split cells."""

import numpy as np
from scipy.spatial import cKDTree

from napari_cellcycle.config import Settings
from napari_cellcycle.data.labels import LabelStack


class WorsenSettings(Settings):
    """Share of the cells that suffer each fault in a frame."""

    missing: float = 0.05
    merged: float = 0.03
    split: float = 0.03


def worsen(
    labels: LabelStack,
    settings: WorsenSettings | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[LabelStack, list[dict[int, int]]]:
    """Spoil masks on purpose, each frame for itself.

    Cells vanish; a cell and its nearest neighbour become one mask, if they touch or nearly do;
    a mask is cut in two across its longest extent. The faults are drawn from `rng`.

    Returns the masks, numbered anew in each frame, and for each frame the value of the old
    mask that each new one shows most of; a piece that is not the larger of its cell maps to 0.
    """
    settings = settings or WorsenSettings()
    rng = rng or np.random.default_rng(0)
    frames, sources = [], []
    for mask in labels:
        worse, source = _worsen_frame(np.array(mask), settings, rng)
        frames.append(worse)
        sources.append(source)
    return LabelStack(np.stack(frames)), sources


def _worsen_frame(
    mask: np.ndarray, settings: WorsenSettings, rng: np.random.Generator
) -> tuple[np.ndarray, dict[int, int]]:
    old, place = np.unique(mask, return_inverse=True)
    owner = np.where(old > 0, np.arange(len(old)), -1)[place].ravel()
    pixels = np.flatnonzero(owner >= 0)
    if not len(pixels):
        return np.zeros(mask.shape, np.int32), {}
    owner = owner[pixels]
    where = np.stack(np.unravel_index(pixels, mask.shape), 1).astype(float)
    n = len(old)
    count = np.maximum(np.bincount(owner, minlength=n), 1)
    centre = np.stack([np.bincount(owner, w, minlength=n) / count for w in where.T], 1)
    fate = rng.random(n)
    target = np.arange(n)
    target[fate < settings.missing] = -1
    present = np.unique(owner)
    if len(present) > 1:
        nearest = cKDTree(centre[present]).query(centre[present], 2)[1][:, 1]
        reach = 1.5 * count ** (1 / mask.ndim)
        for a, b in zip(present, present[nearest], strict=True):
            is_drawn = settings.missing <= fate[a] < settings.missing + settings.merged
            near = np.linalg.norm(centre[a] - centre[b]) < (reach[a] + reach[b]) / 2 * 1.2
            if is_drawn and near and target[a] == a and target[b] == b:
                target[b] = a
    share = np.bincount(owner, minlength=n)
    source = {int(k): int(old[k]) for k in present if target[k] == k}
    for a in present:
        if target[a] not in (a, -1) and share[a] > share[target[a]]:
            source[int(target[a])] = int(old[a])
    new = target[owner]
    begin = settings.missing + settings.merged
    cut = np.flatnonzero((fate >= begin) & (fate < begin + settings.split) & (target >= 0))
    for a in cut:
        own = np.flatnonzero(owner == a)
        if len(own) < 8 or (new[own] != a).any():
            continue
        offset = where[own] - centre[a]
        axis = np.linalg.eigh(offset.T @ offset)[1][:, -1]
        side = offset @ axis > rng.uniform(-0.15, 0.15) * np.ptp(offset @ axis)
        lesser = own[side] if side.sum() <= len(own) / 2 else own[~side]
        new[lesser] = n + a
        source[n + int(a)] = 0
    kept = new >= 0
    values, number = np.unique(new[kept], return_inverse=True)
    worse = np.zeros(mask.size, np.int32)
    worse[pixels[kept]] = number + 1
    named = {i + 1: source.get(int(value), 0) for i, value in enumerate(values)}
    return worse.reshape(mask.shape), named
