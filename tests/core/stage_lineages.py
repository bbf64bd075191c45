"""Lineages written as letters: each letter is the stage of a cell in one frame.

I interphase, P prophase, R prometaphase, M metaphase, A anaphase, T telophase, X apoptosis;
a space is a frame in which the cell is not seen.
"""

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks

LETTERS = dict(zip("IPRMATX", H2B.names, strict=True))
_RADIUS, _PITCH = 6, 24


def one_cell(stages: str, start: int = 0) -> Tracks:
    """A cell that never divides."""
    return together((start, stages))


def lineage(mother: str, *daughters: str, start: int = 0) -> Tracks:
    """A cell and its two daughters, born in the frame after its last."""
    return together((start, mother, *daughters))


def together(*families: tuple) -> Tracks:
    """Families, each (first frame, mother's letters, [two daughters' letters])."""
    rows: list[dict] = []
    links: list[tuple[int, int]] = []
    label = 0
    for start, mother, *daughters in families:
        mother_last = 0
        for k, letters in enumerate((mother, *daughters)):
            label += 1
            first = start if k == 0 else start + len(mother)
            before = mother_last if k else 0
            for frame, letter in enumerate(letters, first):
                if letter == " ":
                    continue
                y, x = _PITCH * label - _PITCH / 2, 20 + 3 * (frame % 8)
                rows.append(
                    {"frame": frame, "label": label, "y": y, "x": x, "stage": LETTERS[letter]}
                )
                if before:
                    links.append((before, len(rows)))
                before = len(rows)
            mother_last = before if k == 0 else mother_last
    cells = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="cell_id"))
    odds = {f"p_{n}": np.where(cells["stage"] == n, 0.88, 0.02) for n in H2B.names}
    pairs = pd.DataFrame(links, columns=["parent", "child"], dtype=np.int64)
    return Tracks(cells.assign(**odds), pairs.assign(score=1.0))


def staged(tracks: Tracks, ndim: int = 2, frames: int | None = None) -> Experiment:
    """A movie of discs (balls in 3D) that show `tracks`, 5 min a frame, half a micrometre a pixel.

    `frames` makes the movie longer than the last sighting.
    """
    cells = tracks.cells
    length = frames or int(cells["frame"].max()) + 1
    plane = (int(cells["y"].max()) + _PITCH // 2 + 1, 64)
    shape = plane if ndim == 2 else (9, *plane)
    grid = np.indices(shape, float)
    masks = np.zeros((length, *shape), np.int32)
    for cell in cells.itertuples():
        centre = (cell.y, cell.x) if ndim == 2 else (4, cell.y, cell.x)
        radius = _RADIUS if ndim == 2 else 4
        away = sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True))
        masks[cell.frame][away <= radius**2] = cell.label
    if ndim == 3:
        tracks = tracks.with_columns(z=4.0)
    noise = np.random.default_rng(0).normal(100, 5, (length, 1, *shape))
    pixels = (noise + 80 * (masks[:, None] > 0)).astype(np.float32)
    movie = Movie(pixels, (0.5,) * ndim, 300.0, ("H2B",))
    return Experiment(movie, LabelStack(masks), tracks, H2B)
