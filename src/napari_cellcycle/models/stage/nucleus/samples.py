"""Samples of nuclei: windows of several frames cut around each cell, and its mask."""

from collections.abc import Sequence

import numpy as np

from napari_cellcycle.features.crops import crops
from napari_cellcycle.features.mask_crops import mask_crops
from napari_cellcycle.models.stage.nucleus.presets import NucleusPreset

LOW, HIGH = 0.05, 0.995
"""Shares of the values of a sample that are scaled to 0 and 1."""
_SEEN = 5
"""Of how many values one is looked at for these shares."""


def cut(
    images: Sequence[np.ndarray],
    mask: np.ndarray,
    labels: np.ndarray,
    centres_px: np.ndarray,
    diameter_px: Sequence[float],
    preset: NucleusPreset,
) -> np.ndarray:
    """Samples (n, C, z, y, x) float32 of n cells: their frames as they are, then their masks.

    All frames are cut at the same place, where the cell is in its own frame.

    Parameters
    ----------
    images
        The frames that `preset` sees, each ([Z,] Y, X).
    mask
        Masks of the cells' own frame, ([Z,] Y, X).
    labels
        Value of each cell in `mask`, (n,).
    centres_px
        Centre of each cell in pixels, (n, ndim).
    diameter_px
        Diameter of the median cell in pixels of each axis, ([z,] y, x).
    preset
        What is seen.
    """
    side, size = window(diameter_px, preset)
    flat = [crops(image, centres_px, side, size, padding="background") for image in images]
    if preset.mask:
        flat.append(mask_crops(mask, labels, centres_px, side, size).astype(np.float32))
    found = np.stack(flat, axis=1)
    return found if len(size) == 3 else found[:, :, None]


def window(
    diameter_px: Sequence[float], preset: NucleusPreset
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Side in pixels and number of samples of the window along each axis ([z,] y, x)."""
    ndim = len(diameter_px)
    size = preset.size[-ndim:]
    if not preset.side:
        return tuple(map(float, size)), size
    if preset.cubic_in == "voxels":
        return (preset.side * diameter_px[-1],) * ndim, size
    return tuple(preset.side * d for d in diameter_px), size


def scaled(samples: np.ndarray, preset: NucleusPreset) -> np.ndarray:
    """Samples (n, C, z, y, x) with their frames brought to 0 to 1; masks stay as they are.

    The same in training and use. All frames of a sample share one scale, unless the preset
    scales each by its own.
    """
    n, count = len(samples), len(preset.frames)
    # In the usual order in memory, so that `together` is a view whatever is given.
    frames = samples[:, :count].astype(np.float32, order="C", copy=True)
    together = frames.reshape(n * count if preset.scaling == "own" else n, -1)
    if preset.scaling == "robust":
        seen = together[:, ::_SEEN]
        ranks = [int(share * (seen.shape[1] - 1)) for share in (LOW, HIGH)]
        low, high = np.partition(seen, ranks, axis=1)[:, ranks].T
    else:
        low, high = together.min(axis=1), together.max(axis=1)
    together -= low[:, None]
    together /= np.maximum(high - low, 1e-6)[:, None]
    if preset.scaling == "robust":
        np.clip(together, -0.5, 2.0, out=together)
    return np.concatenate([frames, samples[:, count:]], axis=1)
