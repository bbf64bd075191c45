"""Points that mark cells, as masks: a spot around each, so that one path links both."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.arrays import FrameArray

SPOT = 0.45
"""Diameter of a spot, in median distances from a point to its nearest neighbour."""


def read_points(path: str | Path, ndim: int) -> pd.DataFrame:
    """Points (`frame`, [`z`,] `y`, `x`, in pixels) from a table as napari saves its points.

    Columns are called frame (or t), z, y and x, or axis-0, axis-1, ... in this order.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as a table ({error}); expected a CSV file with the columns "
            "frame, y and x (and z in 3D)."
        ) from error
    table = table.rename(columns=lambda name: str(name).lower())
    wanted = ["frame", "z", "y", "x"] if ndim == 3 else ["frame", "y", "x"]
    by_axis = {f"axis-{i}": name for i, name in enumerate(wanted)}
    if set(by_axis) <= set(table):
        table = table.rename(columns=by_axis)
    else:
        table = table.rename(columns={"t": "frame", "time": "frame"})
    missing = [name for name in wanted if name not in table]
    if missing:
        there = ", ".join(map(str, table))
        raise BadInput(
            f"{path} has the columns {there}, but {', '.join(missing)} is missing; "
            f"expected {', '.join(wanted)}, or axis-0 to axis-{ndim}, in pixels."
        )
    return table[wanted]


def spots(
    points: pd.DataFrame,
    shape: tuple[int, ...],
    pixel_size: tuple[float, ...],
    diameter: float | None = None,
) -> LabelStack:
    """Masks (T, [Z,] Y, X) of `shape` with a spot around each point, numbered 1, 2, ... a frame.

    `diameter` in um; by default 0.45 of the median distance to the nearest other point, as
    then no two spots touch. A pixel near two points goes to the nearer one. Spots are painted
    when a frame is asked for. Raises `BadInput` if a point lies outside of the movie, or has a z
    where the movie has none or the other way round.
    """
    axes = list(points.columns[1:])
    if len(axes) != len(shape) - 1:
        movie = ["z", "y", "x"][1 - len(shape) :]
        raise BadInput(
            f"The cells have places along {', '.join(axes)}, but the movie has the axes "
            f"{', '.join(movie)}: choose the movie that they were found in."
        )
    place = points[axes].to_numpy(float)
    frame = points["frame"].to_numpy(int)
    limits = np.array(shape)
    values = np.column_stack([frame, np.rint(place)])
    outside = (values < 0).any(1) | (values >= limits).any(1)
    if outside.any():
        where = dict(points.iloc[int(np.argmax(outside))])
        raise BadInput(
            f"{int(outside.sum())} of {len(points)} points lie outside of the movie of shape "
            f"{shape}, the first at {where}; expected frames and pixels counted from 0."
        )
    size = np.asarray(pixel_size)
    width = diameter or SPOT * _spacing(frame, place * size) or 10 * float(size[-1])
    order = np.argsort(frame, kind="stable")
    starts = np.searchsorted(frame[order], np.arange(shape[0] + 1))
    painter = _Painter(place[order], starts, shape[1:], pixel_size, width / 2)
    return LabelStack(FrameArray(shape, np.dtype(np.int32), painter, 1, "the points"))


@dataclass(frozen=True)
class _Painter:
    """Paints the spots of one frame."""

    place: np.ndarray
    starts: np.ndarray
    shape: tuple[int, ...]
    pixel_size: tuple[float, ...]
    radius: float

    def __call__(self, time: int) -> np.ndarray:
        own = self.place[self.starts[time] : self.starts[time + 1]]
        mask = np.zeros(self.shape, np.int32)
        if not len(own):
            return mask
        size = np.asarray(self.pixel_size)
        reach = [np.arange(-int(self.radius / s) - 1, int(self.radius / s) + 2) for s in size]
        offset = np.stack(np.meshgrid(*reach, indexing="ij"), -1).reshape(-1, len(size))
        pixel = np.rint(own)[:, None] + offset
        away = np.sqrt((((pixel - own[:, None]) * size) ** 2).sum(2))
        near = away <= np.maximum(self.radius, away.min(1, keepdims=True))
        near &= ((pixel >= 0) & (pixel < np.array(self.shape))).all(2)
        cell, _ = np.nonzero(near)
        flat = np.ravel_multi_index(tuple(pixel[near].astype(int).T), self.shape)
        order = np.argsort(-away[near], kind="stable")
        mask.ravel()[flat[order]] = cell[order] + 1
        return mask


def _spacing(frame: np.ndarray, place: np.ndarray) -> float:
    """Median distance to the nearest other point of the frame; 0 if there is none."""
    found = [np.empty(0)]
    for time in np.unique(frame):
        here = place[frame == time]
        if len(here) > 1:
            found.append(cKDTree(here).query(here, 2)[0][:, 1])
    distances = np.concatenate(found)
    return float(np.median(distances)) if len(distances) else 0.0
