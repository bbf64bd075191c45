"""One nucleus, drawn on a small patch: where it is and how bright."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.simulate.forms import Forms
from napari_cellcycle.simulate.lineage import APOPTOSIS
from napari_cellcycle.simulate.noise import NoiseField

REACH = 1.45
"""How far a drawn nucleus can extend, in units of its longest half-axis."""


@dataclass(frozen=True)
class Body:
    """Everything that draws one nucleus at one moment (lengths in micrometres)."""

    phase: float
    width: float
    length: float
    density: float
    wobble: float
    ragged: float
    contrast: float
    grain: float
    hole: float
    bend: float
    square: float
    gap: float
    dome: float
    offset: np.ndarray
    drift: float

    @property
    def reach(self) -> float:
        """Radius of a ball around the centre that holds all of the nucleus."""
        return REACH * (max(self.width + self.gap, self.length) + self.ragged + 0.5 * self.wobble)

    def size(self, ndim: int) -> float:
        """Area (2D) or volume (3D) of the whole nucleus, roughly."""
        if self.phase >= APOPTOSIS:
            return 0.4 * float(self.width**ndim)
        ball = np.pi if ndim == 2 else 4 * np.pi / 3
        return float(ball * (self.width + self.gap) * self.length ** (ndim - 1))


def body_of(forms: Forms, row: int, offset: np.ndarray, time: float) -> Body:
    """Pick one nucleus out of the table.

    `offset` (3,) is the place of its chromatin in the noise field, `time` (minutes) lets it drift.
    """
    return Body(
        phase=float(forms.phase[row]),
        width=float(forms.width[row]),
        length=float(forms.length[row]),
        density=float(forms.density[row]),
        wobble=float(forms.wobble[row]),
        ragged=float(forms.ragged[row]),
        contrast=float(forms.contrast[row]),
        grain=float(forms.grain[row]),
        hole=float(forms.hole[row]),
        bend=float(forms.bend[row]),
        square=float(forms.square[row]),
        gap=float(forms.gap[row]),
        dome=float(forms.dome[row]),
        offset=offset,
        drift=time,
    )


def draw(
    body: Body, points: np.ndarray, edge: float, noise: NoiseField
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a nucleus at `points` (ndim, ...): micrometres in its own frame, axis 0 the spindle.

    Returns (light, level): brightness relative to a resting nucleus, and a level that is -1 in
    the middle, 0 on the outline and grows outwards. `edge` is the width of the outline's
    softness in micrometres, about a pixel.
    """
    if body.phase >= APOPTOSIS:
        return _dying(body, points, edge, noise)
    ndim = len(points)
    offset = body.offset[:ndim]
    across = points[1:]
    across_squared = (across**2).sum(axis=0)
    along = points[0] + body.bend * across_squared / body.length
    if body.gap:
        along = np.abs(along) - body.gap
    q = np.abs(along / body.width) ** body.square
    q += np.sqrt(across_squared / body.length**2) ** body.square
    norm = q ** (1 / body.square)
    bump = 0.5 * body.wobble * noise.at(points, 1.5 * body.length, offset + 0.02 * body.drift)
    if body.ragged > 0.05 * body.length:
        bump += 0.4 * body.ragged * noise.at(points, 2.0 * body.grain, offset + 31)
    distance = np.sqrt(along**2 + across_squared)
    thickness = distance / np.maximum(norm, 1e-3)
    relief = np.clip(bump, -0.5 * body.width, 0.6 * body.width)
    outside = distance - thickness + relief
    light = np.clip(0.5 - outside / (2 * edge), 0, 1) * _chromatin(body, points, noise)
    if body.dome:
        light *= 1 - body.dome + body.dome * np.sqrt(np.clip(1.02 - norm**2, 0, 1))
    if body.square > 2.2:
        # Condensed plates are brightest along their spine.
        light *= 1.3 - 0.6 * np.minimum(norm, 1) ** 2
    if body.gap:
        # Two plates, still one cell: the slit between them is dark, but belongs to it.
        between = (np.abs(points[0]) < body.gap) & (across_squared < (0.9 * body.length) ** 2)
        outside = np.where(between, -body.width, outside)
    # Nobody outlines every chromosome arm: the mask is smoother than the light.
    outline = outside - 0.6 * relief * (body.ragged > 0.1 * body.length)
    return body.density * light, np.maximum(outline / body.width, -1)


def _chromatin(body: Body, points: np.ndarray, noise: NoiseField) -> np.ndarray:
    """Texture of the inside, about 1 on average."""
    offset = body.offset[: len(points)]
    fine = noise.at(points, body.grain, offset + 0.05 * body.drift)
    coarse = noise.at(points, 2.2 * body.grain, offset[::-1] - 0.02 * body.drift)
    texture = 1 + 0.55 * body.contrast * (0.8 * fine + 0.6 * coarse)
    if 2.05 < body.phase < 4:
        nucleoli = noise.at(points, 4.5 * body.grain / 2.2, offset + 77)
        texture -= min(0.15 + 1.1 * body.contrast, 0.8) * np.clip(nucleoli - 1.0, 0, 0.9)
    if body.hole:
        radius = 0.38 * body.length
        texture *= 1 - body.hole * np.exp(-(((points**2).sum(axis=0) / radius**2) ** 2))
    return np.clip(texture, 0.12, 2.5)


def _dying(
    body: Body, points: np.ndarray, edge: float, noise: NoiseField
) -> tuple[np.ndarray, np.ndarray]:
    """Draw apoptosis: the nucleus shrinks and brightens, falls into droplets, and fades."""
    ndim = len(points)
    over = body.phase - APOPTOSIS
    rng = np.random.default_rng(int(body.offset[0] * 1e6))
    count = int(rng.integers(4, 24))
    radius = 0.5 * (body.width + body.length)
    size = radius * np.clip(rng.lognormal(-1.8, 0.4, count), 0.08, 0.45)
    place = rng.normal(size=(count, ndim))
    place *= (rng.random(count) ** 0.5 / np.linalg.norm(place, axis=1))[:, None]
    spread = np.interp(over, [0, 0.08, 0.3, 1], [0.4, 0.3, 0.7, 0.85])
    place *= radius * spread * rng.uniform(0.6, 1.3)
    swollen = np.interp(over, [0, 0.08, 0.3, 1], [1.8, 1.4, 1.0, 0.8])
    shape = (count,) + (1,) * (points.ndim - 1)
    light = np.zeros(points.shape[1:])
    level = np.zeros(points.shape[1:])
    glow = rng.uniform(0.4, 1.4, count)
    reach = (size * swollen).reshape(shape)
    apart = np.sqrt(((points[None] - place.reshape(count, ndim, *shape[1:])) ** 2).sum(axis=1))
    drops = np.clip(0.5 - (apart - reach) / (2 * edge), 0, 1) * glow.reshape(shape)
    light = drops.max(axis=0) + 0.25 * np.minimum(drops.sum(axis=0), 2)
    level = (np.exp(-3 * (apart / (1.15 * reach + 0.13 * radius)) ** 2)).sum(axis=0) ** (1 / 3)
    brightness = np.interp(over, [0, 0.08, 0.5, 0.75, 1], [1.6, 2.8, 2.6, 1.2, 0.35])
    wobble = 1 + 0.15 * noise.at(points, body.grain, body.offset[:ndim])
    # The outline wraps all droplets that lie close together, like a rubber sheet.
    return brightness * light * wobble, np.clip(0.55 - level, -1, None)
