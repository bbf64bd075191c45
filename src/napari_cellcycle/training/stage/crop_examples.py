"""Crops with known stages to learn from: simulated ones and annotated real ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.crops import crops, median_diameter
from napari_cellcycle.io.crop_folders import H2B_FOLDERS, read_crops
from napari_cellcycle.models.stage.frame import SIZE, WINDOW
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.stage.fragments import draw_fragments
from napari_cellcycle.training.stage.split import deal_groups

MARGIN = 1.5
"""How much larger than the network's window examples are cut, to be turned and moved about."""
H2B_DIAMETER_PX = 47.0
"""Median diameter of the interphase nuclei in the H2B crops (Otsu's threshold)."""
RESTING_SHARE = 0.12
"""Share of the simulated interphase cells that are kept: they are most of all cells."""
FRAGMENTS = 25
"""Drawn fragmented nuclei for each simulated movie."""
SMALLEST_PX = 12.0
"""Smallest nucleus diameter, in pixels, of the simulated movies that are learned from."""


@dataclass(frozen=True)
class Examples:
    """Crops, what they show, and which of them show the same cell.

    `images` (n, m, m), or (n, channels, m, m), float32 are `MARGIN` times as wide as the network's
    window; `code` (n,) is the stage as its position in `stages`; `group` (n,) the cell.
    """

    images: np.ndarray
    code: np.ndarray
    group: np.ndarray
    stages: tuple[str, ...] = H2B.names

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, chosen: np.ndarray) -> "Examples":
        """Return the examples picked by an index or boolean array."""
        return Examples(self.images[chosen], self.code[chosen], self.group[chosen], self.stages)

    def windows(self) -> np.ndarray:
        """The central part that the network sees, (n, [channels,] SIZE, SIZE)."""
        edge = (self.images.shape[-1] - SIZE) // 2
        return np.ascontiguousarray(self.images[..., edge : edge + SIZE, edge : edge + SIZE])


def real_examples(
    folder: str | Path, channels: int = 1, cut: tuple[float, int] | None = None
) -> Examples:
    """Read the H2B crops (one folder a stage, `index.csv` with the column `group`).

    Their first channel is the chromatin, the second tubulin. `cut` is the side of the result in
    diameters and in pixels, if not those of the `frame` model with its margin.
    """
    found = [read_crops(folder, H2B_FOLDERS, channel) for channel in range(channels)]
    middle = (np.array(found[0].images.shape[1:]) - 1) / 2
    images = [
        np.concatenate([_cut(image, middle[None], H2B_DIAMETER_PX, cut) for image in one.images])
        for one in found
    ]
    stacked = images[0] if channels == 1 else np.stack(images, axis=1)
    return Examples(stacked, _codes(found[0].stage), found[0].group)


def simulated_examples(seeds: Sequence[int], *, progress: Progress = silent) -> Examples:
    """Simulate a movie for each seed and cut out all its dividing and dying cells.

    Of the cells in interphase, `RESTING_SHARE` are kept. Movies whose nuclei are too small to
    show their chromatin are left out, those of large nuclei are made larger to hold some. Drawn
    fragments of dead nuclei join them, `FRAGMENTS` a movie.
    """
    from napari_cellcycle.simulate.movie import simulate
    from napari_cellcycle.simulate.random_settings import random_settings

    found = []
    for seed in track_progress(seeds, len(seeds), progress, "Simulating cells of every stage"):
        settings = random_settings(seed)
        nucleus_px = settings.nucleus_diameter / settings.pixel_size
        if nucleus_px < SMALLEST_PX:
            continue
        size = int(np.clip(16 * nucleus_px, 256, 640))
        cells = max(8, round(settings.cells * (size / settings.size) ** 2))
        done = simulate(settings.model_copy(update={"size": size, "cells": cells}))
        found += movie_examples(done.movie, done.labels, done.tracks, seed)
    found.append(_fragments(FRAGMENTS * len(seeds), seeds[0]))
    return Examples(
        np.concatenate([e.images for e in found]),
        np.concatenate([e.code for e in found]),
        np.concatenate([e.group for e in found]),
    )


def _fragments(n: int, seed: int) -> Examples:
    size = int(2 * round(SIZE * MARGIN / 2))
    images = draw_fragments(n, size, SIZE / WINDOW, seed)
    return Examples(images, np.full(n, H2B.names.index("apoptosis")), -1 - np.arange(n))


def movie_examples(
    movie: Movie, labels: LabelStack, tracks: Tracks, seed: int = 0
) -> list[Examples]:
    """Cut the cells of a movie whose `stage` is known, one `Examples` a frame.

    Groups are numbered from a million times `seed`.
    """
    rng = np.random.default_rng([seed, 11])
    diameter = median_diameter(labels, (1.0, 1.0))
    found = []
    for time, cells in tracks.cells.groupby("frame"):
        code = _codes(cells["stage"].to_numpy(str))
        keep = (code > 0) | (rng.random(len(cells)) < RESTING_SHARE)
        centres = cells[["y", "x"]].to_numpy()[keep]
        image = movie.frame(int(time))  # type: ignore[arg-type]
        images = _cut(image, centres, diameter)
        group = 1_000_000 * seed + tracks.track_id.loc[cells.index[keep]].to_numpy()
        found.append(Examples(images, code[keep], group))
    return found


def deal(examples: Examples, parts: int, seed: int = 0) -> np.ndarray:
    """Deal whole groups into `parts` alike in size and in their mixture of stages, (n,)."""
    return deal_groups(examples.group, examples.code, parts, seed, len(examples.stages))


def _cut(
    image: np.ndarray, centres: np.ndarray, diameter: float, cut: tuple[float, int] | None = None
) -> np.ndarray:
    size = int(2 * round(SIZE * MARGIN / 2))
    side, size = cut or (WINDOW * size / SIZE, size)
    return crops(image, centres, side * diameter, size)


def _codes(stage: np.ndarray) -> np.ndarray:
    return np.array([H2B.names.index(name) for name in stage], np.int64)
