"""The cells of a movie, frame after frame, with what a stage model may look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.crops import crops, median_diameter
from napari_cellcycle.progress import Progress, silent, track_progress

Unit = Literal["pixels", "micrometres", "diameters"]
"""What the side of a window is counted in; diameters are those of the movie's median cell."""
DEPTH = 0.6
"""Thickness of the slab of a volume that is seen, in median cell diameters."""


@dataclass(frozen=True)
class Sight:
    """The cells of one frame.

    `rows` (m,) are the positions of its cells in `Tracks.cells`, `centres_px` (m, ndim) and
    `labels` (m,) where they are and their values in `mask`. `images` holds the frames around it,
    each ([Z,] Y, X), `reach` before and `reach` after `frame`; beyond the ends of the movie the
    first or last frame is repeated. `pixel_size` is that of the movie, ([z,] y, x) in
    micrometres; `diameter` that of its median cell, in micrometres. `movie` is where other
    channels are read from, None if one was chosen.
    """

    frame: int
    rows: np.ndarray
    centres_px: np.ndarray
    labels: np.ndarray
    images: tuple[np.ndarray, ...]
    stack: LabelStack
    pixel_size: tuple[float, ...]
    diameter: float
    movie: Movie | None = None

    @property
    def image(self) -> np.ndarray:
        """The frame itself, ([Z,] Y, X)."""
        return self.images[len(self.images) // 2]

    @property
    def colours(self) -> np.ndarray:
        """All channels of the frame, (C, [Z,] Y, X), or the chosen one; read when asked for."""
        if self.movie is None:
            return self.image[None]
        return self.movie.colours(self.frame)

    @property
    def mask(self) -> np.ndarray:
        """Masks of the frame, ([Z,] Y, X) int32; read when asked for."""
        return self.stack.frame(self.frame)

    @property
    def diameter_px(self) -> tuple[float, ...]:
        """Diameter of the median cell in pixels of each axis."""
        return tuple(self.diameter / size for size in self.pixel_size)


def sights(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    *,
    channel: str | None = None,
    reach: int = 0,
    diameter: float | None = None,
    progress: Progress = silent,
) -> Iterator[Sight]:
    """Walk through the frames that hold cells; each image is read once.

    `diameter` (micrometres) is measured on the masks unless it is given. At most `2 reach + 1`
    images are held at a time.
    """
    diameter = diameter or median_diameter(labels, movie.pixel_size)
    centres = tracks.cells[tracks.axes].to_numpy(float)
    label, frame = tracks.cells["label"].to_numpy(), tracks.cells["frame"].to_numpy()
    order = np.argsort(frame, kind="stable")
    starts = np.searchsorted(frame[order], np.arange(len(movie) + 1))
    held: dict[int, np.ndarray] = {}
    for time in track_progress(range(len(movie)), len(movie), progress, "Classifying cells"):
        rows = order[starts[time] : starts[time + 1]]
        if not len(rows):
            continue
        wanted = np.clip(np.arange(time - reach, time + reach + 1), 0, len(movie) - 1).tolist()
        held = {t: held[t] if t in held else movie.frame(t, channel) for t in wanted}
        images = tuple(held[t] for t in wanted)
        place = (time, rows, centres[rows], label[rows], images)
        others = movie if channel is None else None
        yield Sight(*place, labels, movie.pixel_size, diameter, others)


def flat_crops(
    sight: Sight, side: float, size: int, unit: Unit = "diameters", chosen: slice = slice(None)
) -> np.ndarray:
    """Crops (m, size, size) of some cells of a frame, `side` wide in the given unit.

    Of a volume, the brightest values of the planes around each cell are seen.
    """
    across = flat_side_px(sight, side, unit)
    count: tuple[int, ...] = (size, size)
    if sight.image.ndim == 3:
        planes = max(1, round(DEPTH * sight.diameter_px[0]))
        count, across = (planes, *count), (float(planes), *across)
    seen = crops(sight.image, sight.centres_px[chosen], across, count)
    return seen.max(axis=1) if seen.ndim == 4 else seen


def flat_side_px(sight: Sight, side: float, unit: Unit = "diameters") -> tuple[float, ...]:
    """Height and width, in pixels of the frame, of a window that is `side` wide in that unit."""
    if unit == "diameters":
        return tuple(side * diameter for diameter in sight.diameter_px[-2:])
    if unit == "micrometres":
        return tuple(side / pixel for pixel in sight.pixel_size[-2:])
    return (side, side)


def parents(tracks: Tracks) -> np.ndarray:
    """Row of each cell's parent in `tracks.cells`, (n,) int; -1 where there is none."""
    parent = np.full(len(tracks), -1, np.int64)
    index = tracks.cells.index
    child = index.get_indexer(pd.Index(tracks.links["child"]))
    parent[child] = index.get_indexer(pd.Index(tracks.links["parent"]))
    return parent
