"""Brightness and size that the shipped network expects of an image."""

import numpy as np

SOFTNESS = 0.05
"""Share of the range between the percentiles above which brightness is compressed."""


LOW, HIGH = 1.0, 99.0
"""Percentiles that become 0 and 1."""
SAMPLE = 1_000_000
"""Pixels that percentiles are taken from, about."""

Levels = tuple[float, float]
"""Brightness that becomes 0, and that becomes 1."""


def stretch(
    image: np.ndarray, low: float = LOW, high: float = HIGH, levels: Levels | None = None
) -> np.ndarray:
    """Scale so that the `low` and `high` percentiles become 0 and 1; float32, same shape.

    An offset of the camera cancels. An image of one value becomes zeros. `levels` takes the
    place of the image's own percentiles: those of the whole that it is a piece of.
    """
    values = image.astype(np.float32)
    if levels is None:
        step = max(1, values.size // SAMPLE)
        bottom, top = np.percentile(values.ravel()[::step], [low, high])
        if top <= bottom:
            top = values.max()
    else:
        bottom, top = levels
    if top <= bottom:
        return np.zeros_like(values)
    values -= np.float32(bottom)
    values /= np.float32(top - bottom)
    return values


def compress(values: np.ndarray, softness: float = SOFTNESS) -> np.ndarray:
    """Compress what `stretch` gives, so that dim nuclei show beside bright mitotic ones.

    Linear below `softness`, logarithmic above it (inverse hyperbolic sine); 1 stays 1.
    """
    return (np.arcsinh(values / softness) / np.arcsinh(1 / softness)).astype(np.float32)


def resize(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Resize an image (Y, X) or a stack of maps (Y, X, C) as float32, without aliasing."""
    import cv2

    if image.shape[:2] == shape:
        return image.astype(np.float32, copy=False)
    smaller = shape[0] < image.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(image.astype(np.float32, copy=False), shape[::-1], interpolation=how)


def diameters_px(masks: np.ndarray) -> np.ndarray:
    """Diameter of each mask, in pixels: of the disc or ball with its area or volume."""
    sizes = np.bincount(masks.ravel())[1:]
    sizes = sizes[sizes > 0]
    if masks.ndim == 2:
        return 2 * np.sqrt(sizes / np.pi)
    return np.cbrt(6 * sizes / np.pi)
