"""A reusable field of smooth noise: the source of outlines and chromatin texture."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class NoiseField:
    """Periodic smooth noise of mean 0 and standard deviation 1, `wavelength` samples wide."""

    values: np.ndarray
    wavelength: float

    def at(self, points: np.ndarray, wavelength: float, offset: np.ndarray) -> np.ndarray:
        """Values at `points` (ndim, ...), in micrometres, of noise `wavelength` micrometres wide.

        `offset` (ndim,) picks the place in the field, so that every cell has its own noise.
        """
        scale = self.wavelength / wavelength
        shape = (-1,) + (1,) * (points.ndim - 1)
        index = np.floor(points * scale + offset.reshape(shape)).astype(np.int32)
        index %= self.values.shape[0]
        return np.asarray(self.values[tuple(index)])


def draw_noise(ndim: int, rng: np.random.Generator) -> NoiseField:
    """Draw a field for 2 or 3 dimensions, by smoothing white noise."""
    size, wavelength = (512, 24.0) if ndim == 2 else (96, 12.0)
    white = rng.standard_normal((size,) * ndim).astype(np.float32)
    smooth = ndimage.gaussian_filter(white, wavelength / 5, mode="wrap")
    return NoiseField((smooth - smooth.mean()) / smooth.std(), wavelength)
