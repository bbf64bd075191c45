"""One frame: all nuclei of a scene, each drawn on a small patch and pasted in."""

import numpy as np
from scipy import ndimage

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.simulate.forms import Looks
from napari_cellcycle.simulate.motion import Scene
from napari_cellcycle.simulate.noise import NoiseField
from napari_cellcycle.simulate.nucleus import body_of, draw

MIN_VISIBLE = 0.25
"""A cell of which less than this share lies in the field and on top counts as not there."""


CROWDING = 0.7
"""Share of the overlap of two nuclei that is drawn once: neighbours dent rather than overlap."""


def spacing_of(settings: SimulateSettings) -> np.ndarray:
    """Micrometres between samples along [z,] y, x."""
    flat = [settings.pixel_size] * 2
    return np.array(flat if settings.ndim == 2 else [settings.plane_spacing, *flat])


def shape_of(settings: SimulateSettings) -> tuple[int, ...]:
    """Shape of one frame, ([Z,] Y, X)."""
    flat = (settings.size, settings.size)
    return flat if settings.ndim == 2 else (settings.planes, *flat)


def render(
    settings: SimulateSettings, scene: Scene, looks: Looks, noise: NoiseField, time: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `scene` at `time` (minutes).

    Returns (light, mask), both ([Z,] Y, X): light in camera units above background, and a mask
    of values 1 + cell index. Where cells overlap, the pixel belongs to
    the cell whose middle is nearer, relative to its size.
    """
    shape, spacing = shape_of(settings), spacing_of(settings)
    light = np.zeros(shape, np.float32)
    mask = np.zeros(shape, np.int32)
    nearest = np.zeros(shape, np.float32)
    whole = np.zeros(len(looks.radius) + 1)
    edge = max(0.5 * settings.pixel_size, 0.25)
    for row, cell in enumerate(scene.cells):
        body = body_of(scene.forms, row, looks.offset[cell], time)
        reach = body.reach + 2 * looks.defocus[cell]
        patch = _patch(reach, scene.centres[row], spacing, shape)
        if patch is None:
            continue
        points = _points(patch, scene.centres[row], scene.axes[row], spacing)
        drawn, level = draw(body, points, edge, noise)
        whole[cell + 1] = body.size(settings.ndim) / spacing.prod()
        if looks.defocus[cell]:
            drawn = ndimage.gaussian_filter(drawn, looks.defocus[cell] / spacing, truncate=2)
        drawn *= looks.brightness[cell]
        light[patch] += drawn - CROWDING * np.minimum(light[patch], drawn)
        on_top = level < nearest[patch]
        nearest[patch][on_top] = level[on_top]
        mask[patch][on_top] = cell + 1
    return light, _without_slivers(mask, whole)


def _patch(
    reach: float, centre: np.ndarray, spacing: np.ndarray, shape: tuple[int, ...]
) -> tuple[slice, ...] | None:
    """Find the part of the field that a nucleus can reach, if any."""
    low = np.floor((centre - reach) / spacing).astype(int)
    high = np.ceil((centre + reach) / spacing).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, shape)
    if (low >= high).any():
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _points(
    patch: tuple[slice, ...], centre: np.ndarray, axes: np.ndarray, spacing: np.ndarray
) -> np.ndarray:
    """Coordinates of a patch's samples in the nucleus' own frame, (ndim, ...) micrometres."""
    grid = np.meshgrid(
        *(
            (np.arange(part.start, part.stop) + 0.5) * step - middle
            for part, step, middle in zip(patch, spacing, centre, strict=True)
        ),
        indexing="ij",
    )
    return np.tensordot(axes, np.stack(grid), axes=1)


def _without_slivers(mask: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Keep the largest piece of each cell, and no cell of which hardly anything is seen."""
    flat = ndimage.find_objects(mask)
    for value, patch in enumerate(flat, start=1):
        if patch is None:
            continue
        own = mask[patch] == value
        pieces, count = ndimage.label(own)
        if count > 1:
            sizes = np.bincount(pieces.ravel())[1:]
            mask[patch][own & (pieces != 1 + sizes.argmax())] = 0
            visible = sizes.max()
        else:
            visible = own.sum()
        if visible < max(MIN_VISIBLE * whole[value], 4):
            mask[patch][mask[patch] == value] = 0
    return mask
