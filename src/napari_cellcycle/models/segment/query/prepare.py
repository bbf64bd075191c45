"""What a query network expects of an image: its channels last, and their brightness alike."""

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.segment.normalise import compress, resize, stretch

_HIGH = 99.9
_SOFTNESS = 0.15
_LEAST, _MOST = -0.5, 1.5
COLOURS = 3


def colours_last(image: np.ndarray, channels: int) -> np.ndarray:
    """The image as (Y, X, channels), from (Y, X) or (C, Y, X).

    Further channels are left out and missing ones stay dark; but a single one is shown as green
    and blue, where nuclei are in colour images.

    Raises `BadInput` for any other number of axes.
    """
    if image.ndim not in (2, 3):
        raise BadInput(
            f"An image of {image.ndim} axes {image.shape} was given to a query model; expected "
            "(Y, X) or (C, Y, X); take one plane, or project the volume."
        )
    planes = image[None] if image.ndim == 2 else image
    if channels == 1:
        return np.moveaxis(planes[:1], 0, -1)
    result = np.zeros((*planes.shape[1:], channels), planes.dtype)
    if len(planes) == 1:
        result[..., 1:] = planes[0][..., None]
    else:
        given = min(channels, len(planes))
        result[..., :given] = np.moveaxis(planes[:given], 0, -1)
    return result


def prepared(image: np.ndarray, channels: int, size: tuple[int, int]) -> np.ndarray:
    """The image at `size` (y, x), brightness from about 0 (background) to 1 (bright).

    Float32 (y, x, channels). Each channel goes from its 1st to its 99.9th percentile, then what
    is dim is raised. Nuclei may cover less than a hundredth of an image.
    """
    values = resize(colours_last(image, channels), size).reshape(*size, channels)
    planes = [compress(stretch(values[..., c], 1.0, _HIGH), _SOFTNESS) for c in range(channels)]
    return np.clip(np.stack(planes, -1), _LEAST, _MOST)


def working_size(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Sides (y, x) of an image of `shape` after reducing it by `scale`; at least a few pixels."""
    height, width = (max(8, round(side * scale)) for side in shape[-2:])
    return height, width


def lit_colours(colours: np.ndarray) -> np.ndarray:
    """Values from 0 to 1, float32: bytes over 255, others over their 99.99th percentile."""
    if colours.dtype == np.uint8:
        return np.asarray(colours, np.float32) / 255
    high = max(float(np.percentile(colours[::2, ::2], 99.99)), 1e-6)
    return np.clip(np.asarray(colours, np.float32) / high, 0, 1)
