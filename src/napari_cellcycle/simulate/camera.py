"""From light to camera values: illumination, optics, bleaching and noise."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_cellcycle.config import SimulateSettings


@dataclass(frozen=True)
class Camera:
    """Optics and sensor of one movie; both images are ([Z,] Y, X).

    `shading` is the relative illumination, `backdrop` the image where there are no cells.
    """

    settings: SimulateSettings
    shading: np.ndarray
    backdrop: np.ndarray

    def expose(self, light: np.ndarray, time: int, rng: np.random.Generator) -> np.ndarray:
        """Record `light` ([Z,] Y, X), in camera units above background, as uint16.

        Shot noise is Gaussian with the variance of Poisson noise, which no camera with some
        tens of photons per pixel can tell apart.
        """
        chosen = self.settings
        left = 1 - chosen.bleaching * time / max(chosen.frames - 1, 1)
        signal = self._blurred(light * np.float32(left)) * self.shading
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        if chosen.grain:
            # Correlated along rows, as scanning and line readout leave it.
            noise = ndimage.gaussian_filter1d(noise, chosen.grain, axis=-1)
            noise /= noise.std()
        noise *= np.sqrt(chosen.gain * np.maximum(signal, 0) + chosen.read_noise**2)
        return np.clip(self.backdrop + signal + noise, 0, 65535).astype(np.uint16)

    def _blurred(self, light: np.ndarray) -> np.ndarray:
        """Apply the point spread function: a Gaussian core and a wide halo."""
        chosen = self.settings
        flat = chosen.blur / chosen.pixel_size
        depth = (chosen.axial_blur / chosen.plane_spacing,) * (light.ndim - 2)
        sharp = ndimage.gaussian_filter(light, (*depth, flat, flat), truncate=3)
        if not chosen.haze:
            return sharp
        coarse = 4
        wide = max(chosen.nucleus_diameter / chosen.pixel_size / coarse, 0.5)
        small = sharp[..., ::coarse, ::coarse]
        halo = ndimage.gaussian_filter(small, (0,) * (light.ndim - 2) + (wide, wide), truncate=2.5)
        halo = halo.repeat(coarse, axis=-1).repeat(coarse, axis=-2)
        halo = halo[..., : light.shape[-2], : light.shape[-1]]
        halo = ndimage.uniform_filter(halo, (1,) * (light.ndim - 2) + (coarse, coarse))
        return sharp * np.float32(1 - chosen.haze) + halo * np.float32(chosen.haze)


def draw_camera(
    settings: SimulateSettings, shape: tuple[int, ...], rng: np.random.Generator
) -> Camera:
    """Draw an illumination brightest somewhere near the middle of the field, and some stains."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[-2:]), indexing="ij")
    middle = rng.uniform(-0.5, 0.5, 2)
    away = (y - middle[0]) ** 2 + (x - middle[1]) ** 2
    shading = 1 - settings.uneven_light * away / away.max()
    stains = ndimage.gaussian_filter(rng.standard_normal(y.shape), 0.04 * settings.size)
    stains *= settings.uneven_light * settings.read_noise / max(stains.std(), 1e-9)
    backdrop = settings.background * (0.8 + 0.2 * shading) + stains
    flat = (np.broadcast_to(image, shape).astype(np.float32) for image in (shading, backdrop))
    return Camera(settings, *flat)
