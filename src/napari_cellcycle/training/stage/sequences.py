"""Cell-centred crops over time, with known stages: what models with a memory learn from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crops import crops, median_diameter
from napari_cellcycle.features.mask_crops import mask_crops
from napari_cellcycle.features.paths import founders, paths
from napari_cellcycle.features.sights import parents, sights
from napari_cellcycle.progress import Progress, silent, track_progress

UNKNOWN = -1
"""Code of a cell whose stage nobody told."""
SIDE = 2.13
"""Usual side of a crop in median cell diameters: a third more than the `rnn` model sees."""


@dataclass(frozen=True)
class CellSequences:
    """Crops of tracked cells, and the paths that they make over time.

    `images` (n, m, m) float16 or float32, one crop a cell and frame, in any unit of brightness;
    `masks` (n, m, m) bool, the cell's own mask in it, or None; `code` (n,) the stage as its
    position in `stages`, `UNKNOWN` where it is not known. `paths` are rows in the order of time,
    a mother's before her daughter's, so that sisters share rows; `group` (len(paths),) says
    which belong together (a lineage, an embryo) and must never be split. `born` (n,) bool marks
    the first crops of daughters whose mother was seen, None where nobody looked.
    """

    images: np.ndarray
    masks: np.ndarray | None
    code: np.ndarray
    paths: tuple[np.ndarray, ...]
    group: np.ndarray
    stages: StageSet
    born: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def rows_of_groups(self) -> Iterator[np.ndarray]:
        """The crops of each group, as rows; a mother's once, however many paths she is on."""
        for group in np.unique(self.group):
            chosen = np.flatnonzero(self.group == group)
            yield np.unique(np.concatenate([self.paths[i] for i in chosen]))

    def subset(self, chosen: np.ndarray) -> "CellSequences":
        """Return the sequences picked by an index or boolean array, with their crops alone."""
        kept = np.arange(len(self.paths))[chosen]
        rows, inverse = np.unique(
            np.concatenate([np.empty(0, np.int64), *(self.paths[i] for i in kept)]),
            return_inverse=True,
        )
        ends = np.cumsum([len(self.paths[i]) for i in kept])[:-1]
        return CellSequences(
            self.images[rows],
            None if self.masks is None else self.masks[rows],
            self.code[rows],
            tuple(np.split(inverse, ends)) if len(kept) else (),
            self.group[kept],
            self.stages,
            None if self.born is None else self.born[rows],
        )


def join(parts: Sequence[CellSequences]) -> CellSequences:
    """Put sequences of several movies together; groups stay apart, masks if all have them."""
    if not parts:
        raise BadInput("There is nothing to learn stages from; give at least one source.")
    if any(part.stages.names != parts[0].stages.names for part in parts):
        names = sorted({part.stages.name for part in parts})
        raise BadInput(
            f"The sources tell different stages ({', '.join(names)}); teach a model from sources "
            "of one set of stages."
        )
    starts = np.cumsum([0, *(len(part.images) for part in parts)])
    groups, most = [], 0
    for part in parts:
        index = np.unique(part.group, return_inverse=True)[1]
        groups.append(index + most)
        most += int(index.max(initial=-1)) + 1
    masks = [part.masks for part in parts if part.masks is not None]
    return CellSequences(
        np.concatenate([part.images for part in parts]),
        np.concatenate(masks) if len(masks) == len(parts) else None,
        np.concatenate([part.code for part in parts]),
        tuple(path + s for part, s in zip(parts, starts, strict=False) for path in part.paths),
        np.concatenate(groups),
        parts[0].stages,
        np.concatenate([_born(part) for part in parts]),
    )


def _born(part: CellSequences) -> np.ndarray:
    return np.zeros(len(part.images), bool) if part.born is None else part.born


def transcript(codes: np.ndarray) -> tuple[int, ...]:
    """The stages that occur, in their order: known `codes` with repetitions left out."""
    known = np.asarray(codes)[np.asarray(codes) != UNKNOWN]
    return tuple(int(c) for c in known[np.r_[True, known[1:] != known[:-1]]]) if len(known) else ()


def sequences_of(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    stages: StageSet = H2B,
    *,
    side: float | None = None,
    size: int = 64,
    channel: str | None = None,
    column: str = "stage",
    progress: Progress = silent,
) -> CellSequences:
    """Cut all cells of a movie along their lineages.

    `side` is the width of a crop in micrometres (default: `SIDE`), `size` its
    width in pixels. Stages are read from `column` of the cells if it is there. Of a volume, the
    brightest values of the planes around each cell are seen, over 0.6 median diameters. Groups
    are lineages.
    """
    diameter = median_diameter(labels, movie.pixel_size)
    side = side or SIDE * diameter
    images = np.zeros((len(tracks), size, size), np.float16)
    masks = np.zeros((len(tracks), size, size), bool)
    unit = 0.0
    for sight in sights(movie, labels, tracks, channel=channel, diameter=diameter):
        progress(sight.frame, len(movie), "Cutting out cells")
        window = _window(side, size, sight.pixel_size, diameter)
        seen = crops(sight.image, sight.centres_px, *window)
        own = mask_crops(sight.mask, sight.labels, sight.centres_px, *window)
        if seen.ndim == 4:
            seen, own = seen.max(axis=1), own.any(axis=1)
        unit = unit or _unit(sight.image)
        images[sight.rows], masks[sight.rows] = seen / unit, own
    parent = parents(tracks)
    found = paths(parent)
    founder = founders(parent, tracks.cells["frame"].to_numpy())
    group = np.array([founder[path[0]] for path in found], np.int64)
    code = _codes(tracks, column, stages)
    children = np.bincount(parent[parent >= 0], minlength=len(parent))
    born = (parent >= 0) & (children[parent] == 2)
    return CellSequences(images, masks, code, found, group, stages, born)


def _window(
    side: float, size: int, pixel_size: tuple[float, ...], diameter: float
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Side of the window in pixels of the frame, and in pixels of the crop, along each axis."""
    across = tuple(side / pixel for pixel in pixel_size[-2:])
    if len(pixel_size) == 2:
        return across, (size, size)
    planes = max(1, round(0.6 * diameter / pixel_size[0]))
    return (float(planes), *across), (planes, size, size)


def _unit(image: np.ndarray) -> float:
    """What the values of a movie are divided by, so that half precision holds them."""
    kind = image.dtype
    most = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 4 * np.abs(image).max()
    return max(float(most), 1e-12) / 2**14


def _codes(tracks: Tracks, column: str, stages: StageSet) -> np.ndarray:
    if column not in tracks.cells:
        return np.full(len(tracks), UNKNOWN, np.int64)
    position = {name: code for code, name in enumerate(stages.names)}
    return (
        tracks.cells[column].astype(str).map(position).fillna(UNKNOWN).to_numpy().astype(np.int64)
    )


def random_cycling(seed: int) -> SimulateSettings:
    """Settings of a movie in which many cells divide, drawn over wide ranges.

    As `random_settings`, but 36 frames, one every 1.5 to 15 minutes, of cells that are in
    mitosis for at least some frames; the field holds about twenty of them.
    """
    from napari_cellcycle.simulate.random_settings import random_settings

    rng = np.random.default_rng([seed, 31])
    base = random_settings(seed)
    interval = float(np.exp(rng.uniform(*np.log((1.5, 15)))))
    stretch = float(np.exp(rng.uniform(*np.log((0.8, 2.0)))) * max(1.0, interval / 5))
    nucleus_px = float(np.exp(rng.uniform(*np.log((12, 36)))))
    size = int(np.clip(9 * nucleus_px, 128, 288))
    share = float(np.exp(rng.uniform(*np.log((0.1, 0.4)))))
    return base.model_copy(
        update={
            "frames": 36,
            "frame_interval": 60 * interval,
            "mitosis_stretch": stretch,
            "cycle_hours": max(stretch * rng.uniform(1.6, 3.5), 12 * interval / 60),
            "pixel_size": base.nucleus_diameter / nucleus_px,
            "blur": base.nucleus_diameter * rng.uniform(0.015, 0.07),
            "size": size,
            "cells": int(np.clip(share * (size / nucleus_px) ** 2, 4, 24)),
            "death_rate": rng.uniform(0.05, 0.35),
            "speed": min(base.speed, 0.4 * base.nucleus_diameter / (interval / 60)),
        }
    )


def simulated_sequences(
    seeds: Sequence[int],
    *,
    side: float | None = None,
    size: int = 64,
    most: int = 14,
    draw: Callable[[int], SimulateSettings] = random_cycling,
    progress: Progress = silent,
) -> CellSequences:
    """Simulate a movie of what `draw` gives for each seed and cut at most `most` of its paths.

    Paths of cells that divide or die come first. `side` is in median diameters (default: `SIDE`).
    """
    from napari_cellcycle.simulate.movie import simulate

    found = []
    for seed in track_progress(seeds, len(seeds), progress, "Simulating cells of every stage"):
        done = simulate(draw(seed))
        diameter = median_diameter(done.labels, done.movie.pixel_size)
        cut = sequences_of(
            done.movie, done.labels, done.tracks, side=(side or SIDE) * diameter, size=size
        )
        rng = np.random.default_rng([seed, 37])
        eventful = np.array([len(transcript(cut.code[path])) for path in cut.paths])
        long = np.array([len(path) >= 4 for path in cut.paths])
        order = np.lexsort((rng.random(len(eventful)), -np.minimum(eventful, 3), ~long))
        found.append(cut.subset(order[:most]))
    return join([replace(part, group=np.full(len(part), i)) for i, part in enumerate(found)])
