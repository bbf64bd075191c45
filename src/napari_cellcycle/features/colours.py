"""Images of several colours, such as of immunofluorescence: channels last, values from 0 to 1."""

import numpy as np

from napari_cellcycle.errors import BadInput

COLOURS = 3


def colours_last(image: np.ndarray, channels: int) -> np.ndarray:
    """The image as (Y, X, channels), from (Y, X) or (C, Y, X).

    Further channels are left out and missing ones stay dark; but a single one is shown as green
    and blue, where nuclei are in colour images.

    Raises `BadInput` for any other number of axes.
    """
    if image.ndim not in (2, 3):
        raise BadInput(
            f"An image of {image.ndim} axes {image.shape} was given to a model of flat images; "
            "expected (Y, X) or (C, Y, X); take one plane, or project the volume."
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
