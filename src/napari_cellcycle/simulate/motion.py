"""Where every cell is: a persistent random walk with soft repulsion, on a continuous stage.

The world is larger than the camera's field, so that cells enter and leave it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.simulate.forms import Forms, Looks, forms_at, sister_distance
from napari_cellcycle.simulate.lineage import Lineage

STEP_MINUTES = 5.0
FLICKER = 0.03
"""Relative change of a cell's brightness from one frame to the next (focus, lamp)."""
FREE_PHASE = 2.05
"""Until then the distance of two sisters is dictated by the spindle."""


@dataclass(frozen=True)
class World:
    """The box that cells live in, micrometres: from `low` to `high` (ndim,); field starts at 0."""

    low: np.ndarray
    high: np.ndarray
    field: np.ndarray

    @property
    def ratio(self) -> float:
        """How much larger the world is than the field."""
        return float(np.prod(self.high - self.low) / np.prod(self.field))


@dataclass(frozen=True)
class Scene:
    """All cells alive at one moment: `centres` (m, ndim) in micrometres, `axes` (m, ndim, ndim).

    Row 0 of a cell's `axes` is the direction of its spindle.
    """

    cells: np.ndarray
    centres: np.ndarray
    axes: np.ndarray
    forms: Forms


def world_of(settings: SimulateSettings) -> World:
    """Lay a margin of two nuclei around the field, in the plane only."""
    field = np.array([settings.size * settings.pixel_size] * 2)
    margin = np.array([2.0 * settings.nucleus_diameter] * 2)
    if settings.ndim == 3:
        field = np.append(settings.planes * settings.plane_spacing, field)
        margin = np.append(-0.08 * field[0], margin)
    return World(-margin, field + margin, field)


def place(
    settings: SimulateSettings, world: World, colony: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Scatter founders over the world, some of them near the centre of their colony."""
    n = len(colony)
    anywhere = rng.uniform(world.low, world.high, (n, settings.ndim))
    centre = rng.uniform(world.low, world.high, (n, settings.ndim))[colony]
    members = np.bincount(colony, minlength=n)[colony][:, None]
    width = 0.5 * settings.nucleus_diameter * members ** (1 / settings.ndim)
    near = centre + width * rng.normal(size=(n, settings.ndim))
    clumped = rng.random(n)[:, None] < settings.clustering
    return np.asarray(np.clip(np.where(clumped, near, anywhere), world.low, world.high))


def scenes(
    settings: SimulateSettings,
    lineage: Lineage,
    looks: Looks,
    colony: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[Scene]:
    """Yield the cells of every frame in turn."""
    crowd = _Crowd(settings, lineage, looks, colony, rng)
    interval = settings.frame_interval / 60
    steps = max(1, round(interval / STEP_MINUTES))
    for frame in range(settings.frames):
        for step in range(steps if frame else 0):
            crowd.move((frame - 1 + (step + 1) / steps) * interval, interval / steps)
        yield crowd.scene(frame * interval)


class _Crowd:
    """Positions, velocities and orientations of all cells while time goes on."""

    def __init__(
        self,
        settings: SimulateSettings,
        lineage: Lineage,
        looks: Looks,
        colony: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        n, founders, ndim = len(lineage.parent), len(colony), settings.ndim
        self._settings, self._lineage, self._looks, self._rng = settings, lineage, looks, rng
        self._world = world_of(settings)
        self._sibling = lineage.sibling
        self._centres = np.full((n, ndim), np.nan)
        self._centres[:founders] = place(settings, self._world, colony, rng)
        self._velocity = settings.speed / np.sqrt(ndim) * rng.normal(size=(n, ndim))
        self._axes = np.linalg.qr(rng.normal(size=(n, ndim, ndim)))[0]
        self._present = np.zeros(n, bool)
        cells = self._admit(0.0)
        for _ in range(40):
            self._repel(cells, forms_at(lineage.phase(0.0, cells), looks, cells, settings).room)

    def scene(self, time: float) -> Scene:
        """Describe the cells alive at `time`."""
        cells = self._lineage.alive(time)
        phase = self._lineage.phase(time, cells)
        forms = forms_at(phase, self._looks, cells, self._settings)
        flicker = np.exp(FLICKER * self._rng.normal(size=len(cells)))
        forms = replace(forms, density=forms.density * flicker)
        centres = self._centres[cells] + self._rng.normal(
            0, self._settings.jitter, self._world.low.shape
        )
        return Scene(cells, centres, self._axes[cells].copy(), forms)

    def move(self, time: float, minutes: float) -> None:
        """Let `minutes` pass, up to `time`."""
        cells = self._admit(time)
        phase = self._lineage.phase(time, cells)
        resting = (phase >= 2) & (phase < 3)
        self._walk(cells, np.where(resting, 1.0, 0.6), minutes)
        self._turn(cells, np.where(resting, 0.08, 0.05) * np.sqrt(minutes / STEP_MINUTES))
        room = forms_at(phase, self._looks, cells, self._settings).room
        for _ in range(3):
            self._repel(cells, room)
        self._part_sisters(cells, phase)

    def _admit(self, time: float) -> np.ndarray:
        """Return the cells alive at `time`; newborns start where their mother was."""
        cells = self._lineage.alive(time)
        new = cells[~self._present[cells]]
        self._present[cells] = True
        new = new[self._lineage.parent[new] >= 0]
        mother = self._lineage.parent[new]
        axes = self._axes[mother].copy()
        axes[:, 0] *= np.where(new > self._sibling[new], 1.0, -1.0)[:, None]
        self._axes[new] = axes
        self._velocity[new] = self._velocity[mother]
        self._centres[new] = self._centres[mother] + 0.5 * axes[:, 0]
        return cells

    def _walk(self, cells: np.ndarray, mobility: np.ndarray, minutes: float) -> None:
        """Move by an Ornstein-Uhlenbeck velocity, the usual model of persistent migration."""
        hours = minutes / 60
        kept = np.exp(-hours / self._settings.persistence)
        kick = self._settings.speed * np.sqrt((1 - kept**2) / self._settings.ndim)
        noise = self._rng.normal(size=(len(cells), self._settings.ndim))
        self._velocity[cells] = kept * self._velocity[cells] + kick * noise
        moved = self._centres[cells] + hours * mobility[:, None] * self._velocity[cells]
        self._centres[cells] = np.clip(moved, self._world.low, self._world.high)

    def _turn(self, cells: np.ndarray, angle: np.ndarray) -> None:
        """Rotate by about `angle` radians, at random."""
        noise = self._rng.normal(size=self._axes[cells].shape) * angle[:, None, None]
        turned = self._axes[cells] + noise @ self._axes[cells]
        self._axes[cells] = _orthonormal(turned)

    def _repel(self, cells: np.ndarray, room: np.ndarray) -> None:
        """Push apart cells that are closer than their rooms allow, each by half."""
        centres = self._centres[cells]
        reach = 2 * room.max(initial=0) * self._settings.spacing
        pairs = cKDTree(centres).query_pairs(reach, output_type="ndarray")
        first, second = pairs[:, 0], pairs[:, 1]
        apart = centres[first] - centres[second]
        distance = np.maximum(np.linalg.norm(apart, axis=1), 1e-3)
        lacking = (room[first] + room[second]) * self._settings.spacing - distance
        lacking[self._sibling[cells[first]] == cells[second]] *= 0.3
        push = apart * (0.4 * np.maximum(lacking, 0) / distance)[:, None]
        np.add.at(centres, first, push)
        np.subtract.at(centres, second, push)
        self._centres[cells] = np.clip(centres, self._world.low, self._world.high)

    def _part_sisters(self, cells: np.ndarray, phase: np.ndarray) -> None:
        """Keep young sisters as far apart as the spindle drives them, back to back."""
        young = (phase < FREE_PHASE) & (self._sibling[cells] > cells)
        first, phase = cells[young], phase[young]
        second = self._sibling[first]
        apart = self._centres[first] - self._centres[second]
        distance = np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-3)
        direction = apart / distance
        least = (self._looks.radius[first] * sister_distance(phase))[:, None]
        wanted = np.where(phase[:, None] < 1, least, np.maximum(distance, least))
        middle = (self._centres[first] + self._centres[second]) / 2
        self._centres[first] = middle + direction * wanted / 2
        self._centres[second] = middle - direction * wanted / 2
        for sister, sign in ((first, 1), (second, -1)):
            self._axes[sister, 0] = sign * direction
            self._axes[sister] = _orthonormal(self._axes[sister])


def _orthonormal(rows: np.ndarray) -> np.ndarray:
    """Make the rows of each matrix (n, d, d) orthonormal, keeping the direction of row 0."""
    q, r = np.linalg.qr(np.swapaxes(rows, 1, 2))
    sign = np.sign(np.diagonal(r, axis1=1, axis2=2))
    return np.asarray(np.swapaxes(q * sign[:, None, :], 1, 2))
