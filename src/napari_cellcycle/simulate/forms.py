"""What a nucleus looks like at each phase: its size, outline, brightness and chromatin."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.simulate.lineage import APOPTOSIS, Lineage

# One row per key moment, read off H2B movies of HeLa cells; between rows values are interpolated.
# Lengths are in radii of a nucleus about to divide. `length` is the half-axis across the spindle,
# `width` the one along it, `density` the brightness (interphase = 1), `ragged` the roughness of
# the outline, `contrast` and `grain` (micrometres) those of chromatin, `hole` the emptiness of
# the middle (prometaphase ring), `bend` the curvature of a plate, `square` the exponent of the
# outline (2 ellipse, more: bar), `free` how much a cell's own elongation shows, `gap` the
# distance between two plates still seen as one cell, `room` the radius that neighbours respect.
_COLUMNS = (
    *("phase", "width", "length", "density", "ragged", "contrast", "grain"),
    *("hole", "bend", "square", "free", "gap", "room"),
)
_MOMENTS = np.array(
    [
        # phase  wid  len  dens  rag  cont grain hole bend  sq  free  gap  room
        [0.00, 0.20, 0.68, 2.90, 0.17, 0.55, 1.4, 0.0, 0.15, 3.0, 0.0, 0.0, 0.50],
        [0.99, 0.21, 0.54, 2.90, 0.11, 0.35, 1.4, 0.0, 0.20, 2.8, 0.0, 0.0, 0.50],
        [1.30, 0.27, 0.58, 2.40, 0.08, 0.25, 1.4, 0.0, 0.15, 2.8, 0.0, 0.0, 0.50],
        [2.00, 0.42, 0.68, 1.60, 0.06, 0.25, 1.6, 0.0, 0.08, 2.5, 0.1, 0.0, 0.60],
        [2.03, 0.58, 0.70, 1.30, 0.04, 0.28, 1.8, 0.0, 0.04, 2.2, 0.5, 0.0, 0.66],
        [2.10, 0.72, 0.72, 1.10, 0.02, 0.30, 2.1, 0.0, 0.00, 2.0, 1.0, 0.0, 0.74],
        [2.97, 0.98, 0.98, 1.00, 0.02, 0.30, 2.1, 0.0, 0.00, 2.0, 1.0, 0.0, 0.98],
        [3.00, 0.98, 0.98, 1.05, 0.03, 0.75, 1.5, 0.0, 0.00, 2.0, 0.9, 0.0, 0.98],
        [3.50, 0.95, 0.95, 1.25, 0.05, 1.05, 1.4, 0.0, 0.00, 2.0, 0.6, 0.0, 0.98],
        [3.98, 0.90, 0.90, 1.45, 0.09, 1.25, 1.4, 0.1, 0.00, 2.0, 0.4, 0.0, 0.98],
        [4.15, 0.78, 0.82, 1.80, 0.28, 1.15, 1.5, 0.8, 0.00, 2.0, 0.3, 0.0, 0.98],
        [4.60, 0.66, 0.82, 2.10, 0.30, 1.00, 1.5, 0.7, 0.00, 2.1, 0.2, 0.0, 0.98],
        [4.98, 0.46, 0.86, 2.40, 0.25, 0.75, 1.5, 0.3, 0.00, 2.2, 0.0, 0.0, 0.98],
        [5.15, 0.31, 0.88, 2.80, 0.20, 0.60, 1.4, 0.0, 0.00, 2.4, 0.0, 0.0, 0.98],
        [5.98, 0.26, 0.86, 3.10, 0.17, 0.50, 1.4, 0.0, 0.00, 2.8, 0.0, 0.0, 0.98],
        [6.10, 0.22, 0.84, 2.90, 0.17, 0.55, 1.4, 0.0, 0.00, 3.0, 0.0, 0.14, 0.98],
        [7.00, 0.20, 0.76, 2.80, 0.17, 0.55, 1.4, 0.0, 0.08, 3.0, 0.0, 0.34, 0.98],
    ]
)
# Distance of two sisters' centres, in radii, at phases 0, 1, 2 and 3 of their life.
_SISTERS = np.array([[0.0, 0.75], [0.3, 1.10], [1.0, 1.9], [2.0, 2.4]])


@dataclass(frozen=True)
class Looks:
    """What makes each cell look like itself all its life; every array is (n,) or (n, ...).

    `radius` in micrometres just before division, `elongation` (length / width), `brightness` in
    camera units, `texture` relative contrast, `tilt` how much mitotic plates are seen from the
    face (0-1), `condensation` an exponent on the brightness of mitotic chromatin, `thickness` a
    factor on the width of plates, `offset` (n, 3) where its chromatin lies in the noise field,
    `defocus` in micrometres of extra blur.
    """

    radius: np.ndarray
    elongation: np.ndarray
    brightness: np.ndarray
    texture: np.ndarray
    tilt: np.ndarray
    condensation: np.ndarray
    thickness: np.ndarray
    offset: np.ndarray
    defocus: np.ndarray


@dataclass(frozen=True)
class Forms:
    """Shape and brightness of cells at one moment: arrays (n,), lengths in micrometres."""

    phase: np.ndarray
    width: np.ndarray
    length: np.ndarray
    density: np.ndarray
    wobble: np.ndarray
    ragged: np.ndarray
    contrast: np.ndarray
    grain: np.ndarray
    hole: np.ndarray
    bend: np.ndarray
    square: np.ndarray
    gap: np.ndarray
    dome: np.ndarray
    room: np.ndarray


def draw_looks(
    settings: SimulateSettings, lineage: Lineage, colony: np.ndarray, rng: np.random.Generator
) -> Looks:
    """Give every cell its looks; `colony` (n,) groups founders that resemble each other.

    Brightness varies between colonies, founders and cells, so relatives are alike, as in
    cultures of stably transfected cells.
    """
    n, founder = len(lineage.parent), lineage.founder
    inherited = 0.7 * rng.normal(size=n)[colony] + 0.65 * rng.normal(size=n)[founder]
    level = settings.brightness_spread * (inherited + 0.3 * rng.normal(size=n))
    size = settings.size_spread * (0.8 * rng.normal(size=n)[founder] + 0.6 * rng.normal(size=n))
    stretch = np.log(settings.elongation) * rng.gamma(4, 0.25, n)
    out_of_focus = rng.random(n)[founder] < settings.defocus
    return Looks(
        radius=settings.nucleus_diameter / 2 * 1.12 * np.exp(np.clip(size, -0.8, 0.8)),
        elongation=np.exp(np.clip(stretch, 0, 1.0)),
        brightness=settings.brightness * np.exp(level),
        texture=np.clip(settings.texture * rng.lognormal(0, 0.3, n), 0, 1.2),
        tilt=rng.random(n) ** 4,
        condensation=np.clip(rng.normal(1, 0.3, n), 0.4, 1.6),
        thickness=rng.lognormal(0, 0.18, n),
        offset=rng.uniform(0, 1000, (n, 3)),
        defocus=np.where(out_of_focus, rng.uniform(0.08, 0.2, n) * settings.nucleus_diameter, 0),
    )


def forms_at(
    phase: np.ndarray, looks: Looks, cells: np.ndarray, settings: SimulateSettings
) -> Forms:
    """Shape of each of `cells` (m,) at its `phase` (m,).

    A dying cell (phase 8 and beyond) keeps the size of an interphase nucleus here; its
    fragments are drawn by `nucleus`.
    """
    living = np.where(phase >= APOPTOSIS, 2.6, phase)
    value = {
        name: np.interp(living, _MOMENTS[:, 0], _MOMENTS[:, column])
        for column, name in enumerate(_COLUMNS)
    }
    radius = looks.radius[cells]
    stretch = np.exp(0.5 * value["free"] * np.log(looks.elongation[cells]))
    resting = value["free"]
    plate = np.clip((living > 4.6) + (living < 1.0), 0, 1) * looks.tilt[cells]
    width = value["width"] + plate * 0.7 * np.clip(value["length"] - value["width"], 0, None)
    return Forms(
        phase=phase,
        width=radius * width / stretch * looks.thickness[cells] ** (1 - resting),
        length=radius * value["length"] * stretch,
        density=value["density"] ** looks.condensation[cells] * (1 - 0.35 * plate),
        wobble=radius * (0.1 + resting * 0.5 * settings.irregularity),
        ragged=radius * value["ragged"],
        contrast=value["contrast"] * (1 - resting * (1 - 2 * looks.texture[cells])),
        grain=value["grain"],
        hole=np.clip(value["hole"] + 0.5 * plate * (living > 5), 0, 0.9),
        bend=value["bend"],
        square=value["square"],
        gap=radius * value["gap"],
        dome=settings.dome * np.clip(resting, 0.15, 1) * (settings.ndim == 2),
        room=radius * value["room"],
    )


def sister_distance(phase: np.ndarray) -> np.ndarray:
    """Least distance between the centres of two sisters, in radii of their mother."""
    return np.asarray(np.interp(phase, _SISTERS[:, 0], _SISTERS[:, 1], right=0.0))
