"""Small images centred on cells, cut from a whole frame in one gather."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from napari_cellcycle.data.labels import LabelStack


def crops(
    frame: np.ndarray,
    centres_px: np.ndarray,
    side_px: float | tuple[float, ...],
    size: int | tuple[int, ...],
    padding: str = "reflect",
) -> np.ndarray:
    """Cut a window around each cell and bring it to a fixed number of pixels.

    Parameters
    ----------
    frame
        One channel of one frame, ([Z,] Y, X).
    centres_px
        Centre of each cell in pixels, (n, ndim), in the order of the axes of `frame`.
    side_px
        Side of the window in pixels of the frame, one for all axes or one an axis.
    size
        Side of the result in its own pixels, likewise.
    padding
        What lies beyond the border: "reflect" (the image mirrored) or "background" (its
        tenth percentile).

    Returns
    -------
    np.ndarray
        Crops (n, [size,] size, size), float32, by linear interpolation. A frame that is shrunk
        is first smoothed as far as the pixels of the result are apart, so fine grain averages
        out instead of turning into false structure.
    """
    ndim = frame.ndim
    side = np.broadcast_to(np.asarray(side_px, float), (ndim,))
    count = np.broadcast_to(np.asarray(size, int), (ndim,))
    image = np.asarray(frame, np.float32)
    if not len(centres_px):
        return np.zeros((0, *count), np.float32)
    step = side / count
    spread = np.where(step > 1, 0.5 * np.sqrt(np.maximum(step**2 - 1, 0)), 0.0)
    outside = float(np.percentile(image[..., ::4, ::4], 10)) if padding == "background" else 0.0
    if spread.any():
        image = ndimage.gaussian_filter(image, spread, mode="nearest", truncate=3)
    centres = np.asarray(centres_px, float)
    axes = [
        _samples(centres[:, axis], step[axis], int(count[axis]), length, padding)
        for axis, length in enumerate(image.shape)
    ]
    return _interpolate(image, axes, outside)


class _Samples(NamedTuple):
    """Where the samples along one axis lie, each (n, count): between pixels `lower` and `upper`."""

    lower: np.ndarray
    upper: np.ndarray
    share: np.ndarray
    inside: np.ndarray


def _samples(centres: np.ndarray, step: float, count: int, length: int, padding: str) -> _Samples:
    """Samples of every cell along one axis; `share` is the weight of the upper pixel."""
    place = centres[:, None] + (np.arange(count) - (count - 1) / 2) * step
    inside = (place >= -0.5) & (place <= length - 0.5)
    if padding == "reflect":
        inside[:] = True
        if length > 1:
            period = 2 * (length - 1)
            place = np.abs((place + length - 1) % period - (length - 1))
    place = np.clip(place, 0, length - 1)
    lower = np.minimum(place.astype(np.int64), max(length - 2, 0))
    share = (place - lower).astype(np.float32)
    return _Samples(lower, np.minimum(lower + 1, length - 1), share, inside)


def _interpolate(image: np.ndarray, axes: list[_Samples], outside: float) -> np.ndarray:
    """Weigh the 2^ndim neighbours of every sample of every crop."""
    ndim = len(axes)

    def along(values: np.ndarray, axis: int) -> np.ndarray:
        shape = [len(values)] + [1] * ndim
        shape[1 + axis] = values.shape[1]
        return values.reshape(shape)

    flat = np.ascontiguousarray(image).ravel()
    strides = np.cumprod([1, *image.shape[:0:-1]])[::-1]
    result: np.ndarray = np.zeros((), np.float32)
    for corner in np.ndindex(*(2,) * ndim):
        index: np.ndarray = np.zeros((), np.int64)
        weight: np.ndarray = np.ones((), np.float32)
        for axis, (samples, is_upper) in enumerate(zip(axes, corner, strict=True)):
            pixel = samples.upper if is_upper else samples.lower
            index = index + along(pixel, axis) * strides[axis]
            weight = weight * along(samples.share if is_upper else 1 - samples.share, axis)
        result = result + weight * flat[index]
    for axis, samples in enumerate(axes):
        result = np.where(along(samples.inside, axis), result, np.float32(outside))
    return np.asarray(result, np.float32)


def median_diameter(labels: LabelStack, pixel_size: tuple[float, ...]) -> float:
    """Median diameter of cells in the unit of `pixel_size`, from about ten frames.

    That of a circle of the same area, or a ball of the same volume. Ten pixels if there are no
    cells.
    """
    ndim, pixel = labels.ndim, float(np.prod(pixel_size))
    times = range(0, len(labels), max(1, len(labels) // 10))
    sizes = [np.bincount(labels.frame(time).ravel())[1:] for time in times]
    size = np.concatenate([[], *sizes])
    size = size[size > 0] * pixel
    if not len(size):
        return 10 * pixel_size[-1]
    middle = float(np.median(size))
    return float(np.sqrt(4 * middle / np.pi) if ndim == 2 else np.cbrt(6 * middle / np.pi))
