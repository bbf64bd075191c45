"""Settings drawn over wide ranges, for training networks that have never seen a real movie."""

from typing import Literal

import numpy as np

from napari_cellcycle.config import SimulateSettings

NUCLEUS_PX = (9.0, 45.0)
"""Smallest and largest interphase nucleus diameter drawn, in pixels."""


def random_settings(seed: int, ndim: Literal[2, 3] = 2) -> SimulateSettings:
    """Draw everything that may differ between laboratories: cells, optics, camera, timing.

    Domain randomisation (Tobin et al. 2017): brightness over background from hardly visible to
    saturating, nuclei of `NUCLEUS_PX` pixels, smooth to coarse chromatin, lone to touching cells,
    frames every 2 to 40 minutes. Cycles are short and mitosis is long, so that every stage is
    frequent. Movies are short (8-16 frames) and small, to be varied rather than big.
    """
    rng = np.random.default_rng([seed, ndim, 7])
    diameter = rng.uniform(9, 22)
    nucleus_px = np.exp(rng.uniform(*np.log(NUCLEUS_PX if ndim == 2 else (9, 24))))
    size = 256 if ndim == 2 else 128
    background = np.exp(rng.uniform(*np.log((20, 2500))))
    noise = np.exp(rng.uniform(*np.log((2, 60))))
    brightness = noise * np.exp(rng.uniform(*np.log((8, 150))))
    pixel_size = diameter / nucleus_px
    planes = int(rng.integers(8, 17))
    return SimulateSettings(
        ndim=ndim,
        seed=seed,
        frames=int(rng.integers(8, 17)),
        size=size,
        planes=planes,
        cells=_cells(size / nucleus_px, planes if ndim == 3 else None, rng),
        pixel_size=pixel_size,
        plane_spacing=pixel_size * rng.uniform(1, 5),
        nucleus_diameter=diameter,
        background=background,
        read_noise=noise,
        brightness=brightness,
        gain=np.exp(rng.uniform(*np.log((0.1, 20)))) * noise / 10,
        grain=rng.choice([0.0, 0.0, 0.6, 1.0]) * rng.uniform(0.5, 1.2),
        blur=pixel_size * nucleus_px * rng.uniform(0.015, 0.07),
        axial_blur=diameter * rng.uniform(0.05, 0.2),
        **_life(rng),
        **_looks(rng),
    )


def _cells(nuclei_per_side: float, planes: int | None, rng: np.random.Generator) -> int:
    """Draw a number of cells that covers 10 to 50 per cent of the field."""
    share = np.exp(rng.uniform(*np.log((0.1, 0.5))))
    layers = 1.0 if planes is None else 1.5
    return max(2, round(share * layers * nuclei_per_side**2))


def _life(rng: np.random.Generator) -> dict[str, float]:
    """Draw how cells cycle and move."""
    interval = np.exp(rng.uniform(*np.log((120, 2400))))
    stretch = np.exp(rng.uniform(*np.log((0.8, 2.5)))) * max(1.0, interval / 900)
    return {
        "frame_interval": interval,
        "mitosis_stretch": stretch,
        "cycle_hours": stretch * rng.uniform(2.0, 8.0),
        "cycle_spread": 0.3,
        "death_rate": rng.uniform(0.02, 0.2),
        "speed": np.exp(rng.uniform(*np.log((2, 40)))),
        "persistence": rng.uniform(0.2, 2.0),
        "jitter": rng.uniform(0, 1.0),
        "clustering": rng.random(),
        "spacing": rng.uniform(0.8, 1.3),
    }


def _looks(rng: np.random.Generator) -> dict[str, float]:
    """Draw how nuclei look and how the field is lit."""
    return {
        "size_spread": rng.uniform(0.05, 0.25),
        "elongation": rng.uniform(1.1, 1.8),
        "irregularity": 0.6 * rng.random(),
        "texture": rng.uniform(0.05, 1.0),
        "dome": rng.random(),
        "brightness_spread": rng.uniform(0.1, 0.9),
        "haze": rng.uniform(0, 0.2),
        "bleaching": rng.uniform(0, 0.4),
        "uneven_light": rng.uniform(0, 0.5),
        "defocus": rng.choice([0.0, 0.1]) * rng.random(),
        "debris": int(rng.integers(0, 8)),
    }
