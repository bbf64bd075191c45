"""Nuclei with known state to learn from: simulated embryos, own movies and sample folders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.events import STABLE, UNKNOWN
from napari_cellcycle.features.sights import parents, sights
from napari_cellcycle.models.stage.nucleus.presets import NucleusPreset
from napari_cellcycle.models.stage.nucleus.samples import cut, scaled
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.simulate import random_settings, simulate
from napari_cellcycle.training.stage.nucleus_states import States, lineage_states

KEPT = {"clean": 0.5, "near": 0.6, "other": 0.15}
"""Shares of the stable cells that are kept: those that the published rule calls stable, those
within `NEAR` frames of an event, which are the hard ones, and all others."""
NEAR = 3
WIDEST_PX = 18.0
"""Largest nucleus, in pixels, of the embryos that are simulated: networks see no more of it."""


@dataclass(frozen=True)
class NucleusExamples:
    """Samples of nuclei, what happens to them, and which belong together.

    `samples` (n, C, z, y, x) float16 are cut and scaled as `preset` says; `code` (n,) is the
    state as its position in `names`; `clean` (n,) whether the published rule, too, calls the cell
    so (a stable cell near a division is not); `group` (n,) the embryo, or whatever else must not
    be split between learning and testing.
    """

    samples: np.ndarray
    code: np.ndarray
    clean: np.ndarray
    group: np.ndarray
    preset: NucleusPreset
    names: tuple[str, ...] = NUCLEUS.names

    def __len__(self) -> int:
        return len(self.samples)

    def subset(self, chosen: np.ndarray) -> "NucleusExamples":
        """Return the examples picked by an index or boolean array."""
        return replace(
            self,
            samples=self.samples[chosen],
            code=self.code[chosen],
            clean=self.clean[chosen],
            group=self.group[chosen],
        )

    def capped(self, most: int, seed: int = 0) -> "NucleusExamples":
        """Keep at most so many of each state, drawn at random."""
        order = np.random.default_rng(seed).permutation(len(self))
        code = self.code[order]
        rank = np.zeros(len(self), int)
        for state in np.unique(code):
            rank[code == state] = np.arange((code == state).sum())
        return self.subset(np.sort(order[rank < most]))


def join(parts: Sequence[NucleusExamples]) -> NucleusExamples:
    """All examples together; they must have been cut alike."""
    columns = ("samples", "code", "clean", "group")
    together = {name: np.concatenate([getattr(p, name) for p in parts]) for name in columns}
    return replace(parts[0], **together)


def movie_examples(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    preset: NucleusPreset,
    *,
    states: States | None = None,
    group: int = 0,
    channel: str | None = None,
    everything: bool = False,
    progress: Progress = silent,
) -> NucleusExamples:
    """Cut the cells of a movie whose state is known, by default by its lineage.

    Of the many stable ones that nobody set by hand a share is kept, more of those near a division,
    unless `everything` is asked for. Frames too near to the ends of the movie for what `preset`
    sees are left out.
    """
    states = states or lineage_states(movie, labels, tracks, channel)
    code, clean = states.code, states.clean
    frame = tracks.cells["frame"].to_numpy()
    reach = preset.reach
    usable = states.known & (frame >= reach) & (frame < len(movie) - reach)
    if not everything:
        rng = np.random.default_rng([group, 13])
        near = np.where(_near(tracks, code), KEPT["near"], KEPT["other"])
        share = np.where(clean, KEPT["clean"], near)
        drawn = rng.random(len(code)) < share
        usable &= (code != STABLE) | states.by_hand | drawn
    chosen = tracks.cells.index[usable]
    some = Tracks(tracks.cells.loc[chosen], tracks.links.iloc[:0])
    rows = np.flatnonzero(usable)
    size = preset.size if movie.ndim == 3 else (1, *preset.size[1:])
    samples = np.zeros((len(rows), preset.channels, *size), np.float16)
    for sight in sights(movie, labels, some, channel=channel, reach=reach, progress=progress):
        images = [sight.images[reach + offset] for offset in preset.frames]
        place = (sight.labels, sight.centres_px, sight.diameter_px)
        samples[sight.rows] = scaled(cut(images, sight.mask, *place, preset), preset)
    return NucleusExamples(
        samples, code[rows], clean[rows], np.full(len(rows), group, np.int64), preset
    )


def _near(tracks: Tracks, code: np.ndarray) -> np.ndarray:
    """Whether something happens to a cell's track within `NEAR` frames of it, (n,)."""
    parent = parents(tracks)
    child = np.flatnonzero(parent >= 0)
    near = (code != STABLE) & (code != UNKNOWN)
    for _ in range(NEAR):
        reached = near.copy()
        np.logical_or.at(reached, parent[child], near[child])
        reached[child] |= near[parent[child]]
        near = reached
    return near


def simulated_examples(
    seeds: Sequence[int],
    preset: NucleusPreset,
    ndim: Literal[2, 3] = 3,
    *,
    progress: Progress = silent,
) -> NucleusExamples:
    """Simulate an embryo (a flat colony in 2D) for each seed and cut its cells."""
    found = []
    for seed in track_progress(seeds, len(seeds), progress, "Simulating embryos"):
        done = simulate(embryo_settings(seed, ndim))
        found.append(movie_examples(done.movie, done.labels, done.tracks, preset, group=seed))
    return join(found)


def embryo_settings(seed: int, ndim: Literal[2, 3] = 3) -> SimulateSettings:
    """Settings of an embryo unlike all others: `random_settings`, but longer and smaller.

    24 to 32 frames, 3 to 25 minutes apart; cycles of 18 to 40 frames, so that some cells are seen
    undisturbed for long; nuclei move at most half their width between frames.
    """
    drawn, rng = random_settings(seed, ndim), np.random.default_rng([seed, ndim, 17])
    diameter = drawn.nucleus_diameter
    coarser = max(1.0, diameter / drawn.pixel_size / WIDEST_PX)
    interval = float(np.exp(rng.uniform(*np.log((180, 1500)))))
    stretch = float(np.exp(rng.uniform(*np.log((0.7, 1.8)))))
    depth = rng.uniform(2.5, 4.5) * diameter
    hours = interval / 3600
    return drawn.model_copy(
        update={
            "frames": int(rng.integers(24, 33)),
            "frame_interval": interval,
            "pixel_size": drawn.pixel_size * coarser,
            "plane_spacing": drawn.plane_spacing * coarser,
            "size": int(np.clip(round(7 * diameter / drawn.pixel_size / coarser), 64, 126)),
            "planes": int(np.clip(np.ceil(depth / drawn.plane_spacing / coarser), 5, 28)),
            "cells": int(rng.integers(14, 27)),
            "mitosis_stretch": stretch * max(1.0, interval / 900),
            "cycle_hours": float(rng.uniform(18, 40) * hours),
            "death_rate": float(rng.uniform(0.05, 0.25)),
            "speed": min(drawn.speed, 0.5 * diameter / hours),
        }
    )


def count_states(examples: NucleusExamples) -> dict[str, int]:
    """Number of examples of each state, by name."""
    count = np.bincount(examples.code, minlength=len(examples.names))
    return dict(zip(examples.names, count.tolist(), strict=True))
