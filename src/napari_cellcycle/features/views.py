"""What a cell and its surroundings look like: small views of all cells of a frame at once."""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.features.shape import Masks

SIZE = 21
"""Side of a view in its own pixels."""
CHANNELS = ("image", "own", "others", "wide")
NEAR, WIDE = 2.0, 5.0
"""Side of the first three channels and of the last, in typical sizes."""
DEPTH = (-0.3, 0.0, 0.3)
"""Planes of a volume that are looked at, in typical sizes from the cell's centre."""
_SPACING = 0.6
_SPARSE = 1.6


def typical_size(labels: LabelStack, pixel_size: tuple[float, ...], frames: int = 10) -> float:
    """Length, in um, that cells of a movie are measured by, from about ten of its frames.

    The median diameter of their masks or, as masks may be mere markers, 0.6 of the median
    distance to the nearest other cell where that is larger, up to 1.6 diameters.
    """
    size = np.asarray(pixel_size)
    diameters, spacings = [np.empty(0)], [np.empty(0)]
    for time in np.unique(np.linspace(0, len(labels) - 1, frames).astype(int)):
        mask = labels.frame(int(time))
        masks = Masks.of(mask)
        if not len(masks.labels):
            continue
        count = masks.sum()
        volume = count * float(np.prod(size))
        diameters.append((volume * (4 / np.pi if mask.ndim == 2 else 6 / np.pi)) ** (1 / mask.ndim))
        places = np.unravel_index(masks.pixels, mask.shape)
        centre = np.stack([masks.sum(p) / count for p in places], 1) * size
        if len(centre) > 1:
            spacings.append(cKDTree(centre).query(centre, 2)[0][:, 1])
    diameter, spacing = np.concatenate(diameters), np.concatenate(spacings)
    if not len(diameter):
        return 10 * float(size[-1])
    middle = float(np.median(diameter))
    apart = _SPACING * float(np.median(spacing)) if len(spacing) else 0.0
    return float(np.clip(apart, middle, _SPARSE * middle))


def views(
    image: np.ndarray | None,
    mask: np.ndarray,
    table: dict[str, np.ndarray],
    unit_px: tuple[float, ...],
) -> np.ndarray:
    """Look at each cell of a frame from near and from farther away.

    Parameters
    ----------
    image, mask
        One frame, ([Z,] Y, X); without an image its channels are 0.
    table
        What `measure_frame` gives for it: label, centre, brightness.
    unit_px
        The typical size in pixels, an axis each.

    Returns
    -------
    np.ndarray
        Views (n, 4, 21, 21), float16: brightness above background relative to the frame's
        typical cell (arcsinh), the cell's own mask, other cells' masks, all 2 typical sizes
        wide, and brightness 5 typical sizes wide. Of a volume, the greatest value of three
        planes. Beyond the border there is background.
    """
    label = table["label"]
    axes = ("z", "y", "x")[-mask.ndim :]
    centre = np.stack([table[axis] for axis in axes], 1)
    result = np.zeros((len(label), len(CHANNELS), SIZE, SIZE), np.float16)
    if not len(label):
        return result
    seen = _sample(mask, centre, NEAR, unit_px)
    own = label.reshape(-1, *[1] * mask.ndim)
    result[:, 1] = _flat((seen == own).astype(np.float32))
    result[:, 2] = _flat(((seen != own) & (seen > 0)).astype(np.float32))
    if image is not None:
        light = _light(image, table)
        for channel, width in ((0, NEAR), (3, WIDE)):
            step = width * np.asarray(unit_px[-2:]) / SIZE
            spread = [0.0] * (mask.ndim - 2) + [0.4 * max(s - 0.8, 0) for s in step]
            smooth = ndimage.gaussian_filter(light, spread, truncate=2.5) if max(spread) else light
            result[:, channel] = _flat(_sample(smooth, centre, width, unit_px))
    return result


def _light(image: np.ndarray, table: dict[str, np.ndarray]) -> np.ndarray:
    background = float(table["background"][0])
    mean = np.abs(table["intensity_mean"] - background)
    scale = max(float(np.median(np.maximum(mean, table["intensity_std"]))), 1e-6)
    return np.arcsinh((image.astype(np.float32) - np.float32(background)) * np.float32(2 / scale))


def _flat(seen: np.ndarray) -> np.ndarray:
    """The greatest of the planes of a volume; of an image the image itself."""
    return seen.max(1) if seen.ndim == 4 else seen


def _sample(
    frame: np.ndarray, centre: np.ndarray, width: float, unit_px: tuple[float, ...]
) -> np.ndarray:
    """The nearest pixel at each point of a grid around each cell; 0 beyond the border."""
    grid = (np.arange(SIZE) - (SIZE - 1) / 2) * (width / SIZE)
    index: np.ndarray = np.zeros((), np.int64)
    inside: np.ndarray = np.ones((), bool)
    ndim = frame.ndim
    for axis, length in enumerate(frame.shape):
        offset = grid if axis >= ndim - 2 else np.asarray(DEPTH)
        place = np.rint(centre[:, axis, None] + offset * unit_px[axis]).astype(np.int64)
        shape = [len(centre)] + [1] * ndim
        shape[1 + axis] = place.shape[1]
        within = (place >= 0) & (place < length)
        index = index * length + np.clip(place, 0, length - 1).reshape(shape)
        inside = inside & within.reshape(shape)
    return frame.ravel()[index] * inside
