"""The mask of each cell alone in a window around it, cut from a whole frame in one gather."""

import numpy as np


def mask_crops(
    mask: np.ndarray,
    labels: np.ndarray,
    centres_px: np.ndarray,
    side_px: float | tuple[float, ...],
    size: int | tuple[int, ...],
) -> np.ndarray:
    """Whether each sample of each window lies in the cell that the window is centred on.

    As `crops` of the same arguments, but by the nearest pixel; beyond the border there is no cell.

    Parameters
    ----------
    mask
        Masks of one frame, ([Z,] Y, X).
    labels
        Value of each cell in `mask`, (n,).
    centres_px
        Centre of each cell in pixels, (n, ndim).
    side_px
        Side of the window in pixels of the frame, one for all axes or one an axis.
    size
        Number of samples along it, likewise.

    Returns
    -------
    np.ndarray
        Masks (n, [size,] size, size), bool.
    """
    ndim = mask.ndim
    side = np.broadcast_to(np.asarray(side_px, float), (ndim,))
    count = np.broadcast_to(np.asarray(size, int), (ndim,))
    centres = np.asarray(centres_px, float).reshape(-1, ndim)
    index: np.ndarray = np.zeros((), np.int64)
    inside: np.ndarray = np.ones((), bool)
    for axis, length in enumerate(mask.shape):
        offsets = (np.arange(count[axis]) - (count[axis] - 1) / 2) * side[axis] / count[axis]
        place = np.floor(centres[:, axis, None] + offsets + 0.5).astype(np.int64)
        shape = (len(centres), *(count[axis] if a == axis else 1 for a in range(ndim)))
        inside = inside & ((place >= 0) & (place < length)).reshape(shape)
        index = index * length + np.clip(place, 0, length - 1).reshape(shape)
    own = np.ascontiguousarray(mask).ravel()[index]
    return np.asarray(inside & (own == np.reshape(labels, (-1,) + (1,) * ndim)))
