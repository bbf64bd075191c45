"""Small images centred on cells, cut from a whole frame in one gather."""

import numpy as np
from scipy import ndimage


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
    corners = _corners(np.asarray(centres_px, float), step, count, image.shape, padding)
    return _interpolate(image, corners, outside)


def _corners(
    centres: np.ndarray,
    step: np.ndarray,
    count: np.ndarray,
    shape: tuple[int, ...],
    padding: str,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Lower and upper index, weight of the upper, and whether inside: each (n, count) an axis."""
    axes = []
    for axis, length in enumerate(shape):
        offset = (np.arange(count[axis]) - (count[axis] - 1) / 2) * step[axis]
        place = centres[:, axis, None] + offset
        inside = (place >= -0.5) & (place <= length - 0.5)
        if padding == "reflect" and length > 1:
            period = 2 * (length - 1)
            place = np.abs((place + length - 1) % period - (length - 1))
            inside[:] = True
        place = np.clip(place, 0, length - 1)
        lower = np.minimum(place.astype(np.int64), max(length - 2, 0))
        upper = np.minimum(lower + 1, length - 1)
        axes.append((lower, upper, (place - lower).astype(np.float32), inside))
    return axes


def _interpolate(
    image: np.ndarray,
    axes: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    outside: float,
) -> np.ndarray:
    """Weigh the 2^ndim neighbours of every sample of every crop."""
    ndim = len(axes)

    def spread(values: np.ndarray, axis: int) -> np.ndarray:
        shape = [len(values)] + [1] * ndim
        shape[1 + axis] = values.shape[1]
        return values.reshape(shape)

    flat = np.ascontiguousarray(image).ravel()
    strides = np.cumprod([1, *image.shape[:0:-1]])[::-1]
    result = np.zeros((), np.float32)
    for corner in np.ndindex(*(2,) * ndim):
        index: np.ndarray = np.zeros((), np.int64)
        weight: np.ndarray = np.ones((), np.float32)
        for axis, upper in enumerate(corner):
            share = axes[axis][2]
            index = index + spread(axes[axis][upper], axis) * strides[axis]
            weight = weight * spread(share if upper else 1 - share, axis)
        result = result + weight * flat[index]
    for axis in range(ndim):
        result = np.where(spread(axes[axis][3], axis), result, np.float32(outside))
    return np.asarray(result, np.float32)

