"""What a query network expects of an image: its channels last, and their brightness alike."""

import numpy as np

from napari_cellcycle.features.colours import colours_last
from napari_cellcycle.models.segment.normalise import compress, resize, stretch

_HIGH = 99.9
_SOFTNESS = 0.15
_LEAST, _MOST = -0.5, 1.5


def prepared(image: np.ndarray, channels: int, size: tuple[int, int]) -> np.ndarray:
    """The image at `size` (y, x), brightness from about 0 (background) to 1 (bright).

    Float32 (y, x, channels). Each channel goes from its 1st to its 99.9th percentile, then what
    is dim is raised. Nuclei may cover less than a hundredth of an image.
    """
    values = resize(colours_last(image, channels), size).reshape(*size, channels)
    planes = [compress(stretch(values[..., c], 1.0, _HIGH), _SOFTNESS) for c in range(channels)]
    return np.clip(np.stack(planes, -1), _LEAST, _MOST)
