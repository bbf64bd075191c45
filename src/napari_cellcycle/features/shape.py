"""What each cell looks like: position, size, form and brightness of every mask."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.features.drift import Field, diameters
from napari_cellcycle.progress import Progress, silent

Watch = Callable[[np.ndarray | None, np.ndarray, dict[str, np.ndarray]], None]
"""Looks at an image (None without a movie), its masks and what `measure_frame` gives."""

_DENSE = 4_000_000
"""Up to this many counters, counting beats sorting."""


@dataclass(frozen=True)
class Masks:
    """The pixels of all cells of one frame, as a list.

    `labels` (n,) are the values present, ascending; `pixels` (m,) flat positions of all
    foreground pixels; `owner` (m,) the row of `labels` each of them belongs to; `flat` the
    whole frame, flattened.
    """

    labels: np.ndarray
    pixels: np.ndarray
    owner: np.ndarray
    flat: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> "Masks":
        """List the foreground of `mask` ([Z,] Y, X)."""
        flat = mask.ravel()
        pixels = np.flatnonzero(flat)
        labels, owner = compact(flat[pixels])
        return cls(labels, pixels, owner, flat)

    def sum(self, values: np.ndarray | None = None) -> np.ndarray:
        """Sum of `values` (m,) over the pixels of each cell; without values their number."""
        return np.bincount(self.owner, values, minlength=len(self.labels)).astype(float)


def compact(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, ascending, and for each value its place among them.

    As `np.unique` with inverse, but without sorting where the values are small.
    """
    if not values.size or values.max() > _DENSE or values.min() < 0:
        distinct, place = np.unique(values, return_inverse=True)
        return distinct, place.ravel()
    distinct = np.flatnonzero(np.bincount(values))
    table = np.zeros(int(distinct[-1]) + 1, np.int64)
    table[distinct] = np.arange(len(distinct))
    return distinct, table[values]


def measure(
    movie: Movie,
    labels: LabelStack,
    *,
    channel: str | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """One row per mask, indexed by `cell_id` (1, 2, ... by frame and label).

    Columns: `frame`, `label`, position [`z`,] `y`, `x` in pixels, and what `measure_frame`
    gives. Frames are read one after the other; nothing but the table is kept.
    """
    return measure_overlaps(movie, labels, channel=channel, max_gap=0, progress=progress)[0]


def measure_overlaps(
    movie: Movie | None,
    labels: LabelStack,
    *,
    pixel_size: tuple[float, ...] | None = None,
    channel: str | None = None,
    max_gap: int = 1,
    watch: Watch | None = None,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure every mask, and how much masks up to `max_gap` frames apart overlap.

    Returns the table of `measure` and a table of `parent` and `child` (rows of the first
    table, counted from 0) with their shared `pixels`. Without a movie, brightness is NaN and
    `pixel_size` has to be given. `watch` is shown every frame with its measurements.
    """
    size = movie.pixel_size if movie is not None else pixel_size
    assert size is not None, "either a movie or a pixel size"
    tables: list[dict[str, np.ndarray]] = []
    shared: list[np.ndarray] = []
    recent: deque[tuple[int, Masks, np.ndarray]] = deque(maxlen=max_gap)
    field = Field(labels.ndim)
    start = 0
    for time, (image, mask) in enumerate(_ahead(_frames(movie, labels, channel))):
        progress(time, len(labels), "Measuring cells")
        masks = Masks.of(mask)
        table = measure_frame(image, masks, mask.shape, size)
        if watch is not None:
            watch(image, mask, table)
        tables.append({"frame": np.full(len(masks.labels), time), **table})
        offset = _field_offset(field, table, size) if max_gap else field.offset
        for earlier, former, before in recent:
            step = np.round(offset - before).astype(int)
            rows = np.array([earlier, start, 0])
            shared.append(_overlap(former, masks, mask.shape, step) + rows)
        recent.append((start, masks, offset))
        start += len(masks.labels)
    progress(len(labels), len(labels), "Measuring cells")
    columns = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    cells = pd.DataFrame(columns, index=pd.RangeIndex(1, start + 1, name="cell_id"))
    overlaps = np.concatenate(shared) if shared else np.empty((0, 3), np.int64)
    return cells, pd.DataFrame(overlaps, columns=["parent", "child", "pixels"])


def measure_frame(
    image: np.ndarray | None,
    masks: Masks,
    shape: tuple[int, ...],
    pixel_size: tuple[float, ...],
) -> dict[str, np.ndarray]:
    """Measure all cells of one frame, 2D or 3D alike, without a loop over them.

    `label`, centroid [`z`,] `y`, `x` (px), `area` (um2; volume in um3 in 3D), `perimeter` (um;
    surface in um2) as the sum of pixel faces, `touching` (the share of it that faces another
    cell), `length` and `width` (um; longest and shortest axis of the ellipsoid with the same
    second moments), `axis_[z]yx` (unit vector of the longest axis), `fill` (area over that of
    the ellipsoid), `at_edge` (touches the frame's border in y or x), `intensity_mean`,
    `intensity_std`, `intensity_max` and `background` (median outside of cells).
    """
    axes = ("z", "y", "x")[-len(shape) :]
    count = masks.sum()
    coordinates = np.unravel_index(masks.pixels, shape)
    centroid = [masks.sum(values) / count for values in coordinates]
    area = count * float(np.prod(pixel_size))
    perimeter, touching = _surface(masks, coordinates, shape, pixel_size)
    lengths, longest = _ellipsoid(masks, coordinates, centroid, count, pixel_size)
    ball = np.pi / (4 if len(shape) == 2 else 6)
    edges = [(c == 0) | (c == n - 1) for c, n in zip(coordinates[-2:], shape[-2:], strict=True)]
    return {
        "label": masks.labels.astype(np.int64),
        **dict(zip(axes, centroid, strict=True)),
        "area": area,
        "perimeter": perimeter,
        "touching": touching / perimeter,
        "length": lengths[:, -1],
        "width": lengths[:, 0],
        **{f"axis_{axis}": longest[:, i] for i, axis in enumerate(axes)},
        "fill": area / (ball * np.prod(lengths, axis=1)),
        "at_edge": masks.sum(edges[0] | edges[1]) > 0,
        **_brightness(image, masks, count),
    }


def _surface(
    masks: Masks,
    coordinates: tuple[np.ndarray, ...],
    shape: tuple[int, ...],
    pixel_size: tuple[float, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Area of all pixel faces between a cell and what is not this cell; of those to others."""
    own = masks.flat[masks.pixels]
    total, other = np.zeros(len(own)), np.zeros(len(own))
    for axis, (place, length) in enumerate(zip(coordinates, shape, strict=True)):
        stride = int(np.prod(shape[axis + 1 :]))
        face = float(np.prod(pixel_size)) / pixel_size[axis]
        for step, inside in ((-stride, place > 0), (stride, place < length - 1)):
            neighbour = masks.flat[np.where(inside, masks.pixels + step, masks.pixels)]
            outer = face * ((neighbour != own) | ~inside)
            total += outer
            other += outer * (neighbour > 0) * inside
    return masks.sum(total), masks.sum(other)


def _ellipsoid(
    masks: Masks,
    coordinates: tuple[np.ndarray, ...],
    centroid: list[np.ndarray],
    count: np.ndarray,
    pixel_size: tuple[float, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Axis lengths (n, d), ascending, in um, and the direction of the longest (n, d).

    A solid ellipsoid in d dimensions has the variance r^2 / (d + 2) along an axis of half
    length r; a pixel adds 1/12 of its own squared size.
    """
    d = len(coordinates)
    moments = np.zeros((len(count), d, d))
    offset = [
        (values - mean[masks.owner]) * size
        for values, mean, size in zip(coordinates, centroid, pixel_size, strict=True)
    ]
    for i in range(d):
        for j in range(i, d):
            moments[:, i, j] = moments[:, j, i] = masks.sum(offset[i] * offset[j]) / count
        moments[:, i, i] += pixel_size[i] ** 2 / 12
    values, vectors = np.linalg.eigh(moments)
    return 2 * np.sqrt((d + 2) * np.maximum(values, 0)), vectors[:, :, -1]


def _brightness(image: np.ndarray | None, masks: Masks, count: np.ndarray) -> dict[str, np.ndarray]:
    names = ("intensity_mean", "intensity_std", "intensity_max", "background")
    if image is None:
        return {name: np.full(len(count), np.nan) for name in names}
    flat = image.ravel()
    background = _background(flat, masks)
    value = flat[masks.pixels].astype(float) - background
    mean = masks.sum(value) / count
    spread = np.sqrt(np.maximum(masks.sum(value**2) / count - mean**2, 0))
    highest = np.zeros(len(count))
    if len(count):
        order = np.argsort(masks.owner.astype(np.min_scalar_type(len(count))), kind="stable")
        first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)
        highest = np.maximum.reduceat(value[order], first)
    columns = (mean + background, spread, highest + background, np.full(len(count), background))
    return dict(zip(names, columns, strict=True))


def _background(flat: np.ndarray, masks: Masks, most: int = 20_000) -> float:
    """Median of at most some 20,000 pixels outside of cells, or of all where there are none."""
    step = max(1, len(flat) // most) | 1
    values = flat[::step][masks.flat[::step] == 0]
    return float(np.median(values if len(values) else flat))


def _field_offset(
    field: Field, table: dict[str, np.ndarray], size: tuple[float, ...]
) -> np.ndarray:
    """How far, in pixels, the field has moved by the frame measured in `table`."""
    axes = ("z", "y", "x")[-len(size) :]
    position = np.column_stack([table[axis] for axis in axes]) * size
    return field.follow(position, diameters(table["area"], len(size))) / size


def _overlap(first: Masks, second: Masks, shape: tuple[int, ...], step: np.ndarray) -> np.ndarray:
    """Rows of `first.labels` and of `second.labels`, and the pixels that both cover (k, 3).

    The masks of `first` are moved by `step` pixels before.
    """
    pixels, owner = first.pixels, first.owner
    if step.any():
        moved = np.stack(np.unravel_index(pixels, shape), 1) + step
        inside = ((moved >= 0) & (moved < shape)).all(1)
        pixels, owner = np.ravel_multi_index(tuple(moved[inside].T), shape), owner[inside]
    other = second.flat[pixels]
    both = np.flatnonzero(other)
    column = np.searchsorted(second.labels, other[both])
    width = max(len(second.labels), 1)
    code = owner[both] * width + column
    if len(first.labels) * width <= _DENSE:
        counts = np.bincount(code)
        pairs = np.flatnonzero(counts)
        counts = counts[pairs]
    else:
        pairs, counts = np.unique(code, return_counts=True)
    return np.column_stack([pairs // width, pairs % width, counts])


def _frames(
    movie: Movie | None, labels: LabelStack, channel: str | None
) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
    for time in range(len(labels)):
        yield None if movie is None else movie.frame(time, channel), labels.frame(time)


def _ahead(
    items: Iterable[tuple[np.ndarray | None, np.ndarray]],
) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
    """Yield the items while one thread already fetches the next."""
    source = iter(items)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, source, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, source, None)
            yield item
