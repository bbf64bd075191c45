"""The whole simulation: life, motion, looks and camera put together."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.simulate.camera import draw_camera
from napari_cellcycle.simulate.forms import draw_looks
from napari_cellcycle.simulate.lineage import grow, stage_of
from napari_cellcycle.simulate.motion import World, scenes, world_of
from napari_cellcycle.simulate.noise import draw_noise
from napari_cellcycle.simulate.render import render, shape_of, spacing_of
from napari_cellcycle.simulate.truth import sightings, truth_of

CELLS_PER_COLONY = 8
FULLEST = 0.55
"""Share of the world that resting nuclei fill when cells stop cycling."""


@dataclass(frozen=True)
class Simulation:
    """A movie and the complete truth about it.

    Mask values equal track numbers (`tracks.track_id`); every row of `tracks.cells` has a
    `stage` of `data.stages.H2B`.
    """

    movie: Movie
    labels: LabelStack
    tracks: Tracks


def simulate(settings: SimulateSettings, *, progress: Progress = silent) -> Simulation:
    """Make a movie of H2B-labelled nuclei that move, divide and die.

    The same settings give the same movie. Pixels are (T, 1, [Z,] Y, X) uint16, masks
    (T, [Z,] Y, X) int32. Positions of cells are centroids of their masks, in pixels.
    """
    life, sights, sensor = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(settings.seed).spawn(3)
    )
    world, shape = world_of(settings), shape_of(settings)
    founders = max(1, round(settings.cells * world.ratio))
    lineage = grow(settings, founders, max(_capacity(settings, world), 2 * founders), life)
    colony = life.integers(0, max(1, founders // CELLS_PER_COLONY), founders)
    looks = draw_looks(settings, lineage, colony[lineage.founder], sights)
    noise = draw_noise(settings.ndim, sights)
    camera = draw_camera(settings, shape, sensor)
    debris = _debris(settings, shape, sights)
    pixels = np.empty((settings.frames, 1, *shape), np.uint16)
    masks = np.empty((settings.frames, *shape), np.int32)
    seen = []
    moments = scenes(settings, lineage, looks, colony, life)
    moments = track_progress(moments, settings.frames, progress, "Simulating")
    for frame, scene in enumerate(moments):
        minutes = frame * settings.frame_interval / 60
        light, masks[frame] = render(settings, scene, looks, noise, minutes)
        pixels[frame, 0] = camera.expose(light + debris, frame, sensor)
        seen.append(sightings(frame, masks[frame], scene.cells, stage_of(scene.forms.phase)))
    labels, tracks = truth_of(masks, seen, lineage)
    spacing = tuple(spacing_of(settings).tolist())
    return Simulation(Movie(pixels, spacing, settings.frame_interval, ("H2B",)), labels, tracks)


def _capacity(settings: SimulateSettings, world: World) -> int:
    """Number of nuclei that fill the world as far as they will."""
    radius = settings.nucleus_diameter / 2
    nucleus = np.pi * radius**2 if settings.ndim == 2 else 4 / 3 * np.pi * radius**3
    return int(FULLEST * np.prod(world.high - world.low) / nucleus)


def _debris(
    settings: SimulateSettings, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Draw specks of dirt: small blurred ellipses anywhere, ([Z,] Y, X) in camera units."""
    light = np.zeros(shape, np.float32)
    spacing = spacing_of(settings)
    grid = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"
    )
    for _ in range(settings.debris):
        middle = rng.uniform(0, np.array(shape) * spacing)
        width = settings.nucleus_diameter * rng.uniform(0.03, 0.2, len(shape))
        apart = sum(((g - m) / w) ** 2 for g, m, w in zip(grid, middle, width, strict=True))
        light += (settings.brightness * rng.lognormal(-0.7, 0.7) * np.exp(-apart / 2)).astype("f4")
    return light
