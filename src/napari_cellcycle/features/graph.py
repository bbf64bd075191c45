"""Numbers that tell how well two cells fit: for links over time, and for divisions.

All are free of scale: lengths in diameters of the movie's median cell, brightness relative
to the other cells of the same time, so that weights carry over between microscopes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from napari_cellcycle.features.candidates import (
    Candidates,
    candidate_links,
    frame_starts,
    order_within,
)
from napari_cellcycle.features.drift import diameters, field_offsets

_NEIGHBOURS = 5
_LIMIT = 8.0
ALL = slice(None)


@dataclass(frozen=True)
class CellGraph:
    """The cells as points in scaled space, with their looks, and the candidates.

    `unit` is the length, in um, of one diameter; `position`, `drift`, `axis` are (n, d): where
    the cell would be had the field not jumped (see `features.drift`), how its neighbours move
    on, and its direction, the shorter than 1 the less it has one; `looks` (n, f) is what one cell
    looks like; `overlap` (links,) the shared pixels relative to the smaller mask.
    """

    unit: float
    frame: np.ndarray
    position: np.ndarray
    drift: np.ndarray
    axis: np.ndarray
    looks: np.ndarray
    overlap: np.ndarray
    candidates: Candidates


LOOKS = (
    "log_area", "elongation", "log_fill", "roundness", "touching", "at_edge", "edge_distance",
    "nearest", "crowding", "brightness", "contrast", "peak", "total", "known",
    "grown", "brightened", "contrast_gained", "will_grow", "will_brighten", "will_contrast",
    "claims_before", "claims_after",
)  # fmt: skip
"""Columns of `CellGraph.looks`."""


def build_graph(
    cells: pd.DataFrame,
    overlaps: pd.DataFrame,
    frame_shape: tuple[int, ...],
    pixel_size: tuple[float, ...],
    *,
    max_gap: int,
    max_distance: float | None = None,
    unit: float | None = None,
) -> CellGraph:
    """Scale the measurements of `measure_overlaps` and find the candidates.

    `max_distance` in um; by default two diameters, or more where the movie's cells, judged
    by mutual nearest neighbours, move farther. `unit` in um; by default the median diameter.
    """
    axes = [axis for axis in ("z", "y", "x") if axis in cells]
    d = len(axes)
    size = np.asarray(pixel_size)
    diameter = diameters(cells["area"].to_numpy(), d)
    unit = unit or float(np.median(diameter))
    frame = cells["frame"].to_numpy()
    place = cells[axes].to_numpy() * size
    position = (place - field_offsets(frame, place, diameter)[frame]) / unit
    near = _Neighbours.of(frame, position)
    radius = near.radius if max_distance is None else max_distance / unit
    candidates = candidate_links(frame, position, near.drift, radius, max_gap)
    looks = _looks(cells, near, place / unit, np.asarray(frame_shape) * size / unit)
    sure = np.minimum(4 * looks[:, LOOKS.index("elongation")], 1)[:, None]
    axis = sure * cells[[f"axis_{name}" for name in axes]].to_numpy()
    pixels = cells["area"].to_numpy() / np.prod(size)
    overlap = _overlap_of(candidates, overlaps, pixels)
    return CellGraph(unit, frame, position, near.drift, axis, looks, overlap, candidates)


def link_geometry(graph: CellGraph) -> np.ndarray:
    """How each candidate link lies among its rivals (n, 14), float32."""
    table = np.empty((len(graph.candidates), 14), np.float32)
    for place, column in enumerate(_geometry(graph)):
        table[:, place] = column
    return table


def _geometry(graph: CellGraph) -> Iterator[np.ndarray]:
    """The columns of `link_geometry`, one by one, as all of them would need much memory."""
    c = graph.candidates
    step = graph.position[c.child] - graph.position[c.parent]
    residual = _norm(step - c.gap[:, None] * graph.drift[c.parent])
    yield _norm(step)
    yield residual
    yield np.log(residual + 0.05)
    width = int(c.gap.max(initial=0)) + 1
    ranks = []
    for cell in (c.parent, c.child):
        rival, rank = _rivals(cell * width + c.gap, residual)
        yield _relative(residual, rival)
        ranks.append(rank)
    yield from (np.minimum(rank, 5) for rank in ranks)
    yield c.gap == 1
    yield np.minimum(c.gap, 3)
    yield graph.overlap
    elongation, spacing = graph.looks[:, LOOKS.index("elongation")], LOOKS.index("nearest")
    yield _cosine(graph.axis[c.parent], step)
    turned = _agreement(graph.axis[c.parent], graph.axis[c.child])
    yield turned
    yield turned * np.minimum(elongation[c.parent], elongation[c.child])
    yield residual / (0.1 + graph.looks[c.parent, spacing])


def link_features(graph: CellGraph, geometry: np.ndarray, rows: slice = ALL) -> np.ndarray:
    """One row of numbers for each candidate link in `rows` (n, f), float32."""
    c = graph.candidates
    parent, child = graph.looks[c.parent[rows]], graph.looks[c.child[rows]]
    return _table([], geometry[rows], parent, child, child - parent)


def division_features(graph: CellGraph, geometry: np.ndarray, rows: slice = ALL) -> np.ndarray:
    """One row of numbers for each candidate division in `rows` (m, g), float32.

    They do not depend on which daughter is named first.
    """
    c, looks = graph.candidates, graph.looks
    first, second = c.first[rows], c.second[rows]
    mother, one, two = c.parent[first], c.child[first], c.child[second]
    start = graph.position[mother] + c.gap[first, None] * graph.drift[mother]
    to_one, to_two = graph.position[one] - start, graph.position[two] - start
    apart, middle = _norm(to_two - to_one), _norm(to_one + to_two) / 2
    elongation = looks[:, LOOKS.index("elongation")]
    across = [
        _cosine(graph.axis[cell], to_two - to_one) * elongation[cell] for cell in (mother, one, two)
    ]
    area = np.exp(looks[:, LOOKS.index("log_area")])
    columns = [
        middle,
        np.log(middle + 0.05),
        apart,
        np.log(apart + 0.05),
        middle / (0.1 + apart),
        np.abs(_norm(to_one) - _norm(to_two)),
        _signed_cosine(to_one, to_two),
        np.log((area[one] + area[two]) / area[mother]),
        across[0],
        _agreement(graph.axis[one], graph.axis[two]),
        np.minimum(across[1], across[2]),
        np.maximum(across[1], across[2]),
    ]
    pair = geometry[first], geometry[second]
    mean = (looks[one] + looks[two]) / 2
    return _table(
        columns,
        np.maximum(*pair),
        np.minimum(*pair),
        looks[mother],
        mean,
        np.abs(looks[one] - looks[two]),
        mean - looks[mother],
    )


@dataclass(frozen=True)
class _Neighbours:
    """Who is near whom, within frames and over time; -1 where there is nobody."""

    spacing: np.ndarray
    crowding: np.ndarray
    before: np.ndarray
    after: np.ndarray
    drift: np.ndarray
    radius: float

    @classmethod
    def of(cls, frame: np.ndarray, position: np.ndarray) -> "_Neighbours":
        n, starts = len(frame), frame_starts(frame)
        trees = [cKDTree(position[a:b]) if b > a else None for a, b in pairwise(starts)]
        before, after = np.full(n, -1), np.full(n, -1)
        around = np.full((n, _NEIGHBOURS + 1), -1)
        away = np.full((n, _NEIGHBOURS + 1), 4.0)
        for time, tree in enumerate(trees):
            if tree is None:
                continue
            own = slice(starts[time], starts[time + 1])
            k = np.arange(1, min(_NEIGHBOURS + 1, tree.n) + 1)
            length, index = tree.query(position[own], k=k)
            around[own, : len(k)] = index + own.start
            away[own, : len(k)] = np.minimum(length, 4)
            if time and (former := trees[time - 1]) is not None:
                earlier = slice(starts[time - 1], own.start)
                before[own] = former.query(position[own])[1] + earlier.start
                after[earlier] = tree.query(position[earlier])[1] + own.start
        drift, radius = _movement(position, around, before, after)
        return cls(away[:, 1], away[:, 1:4].mean(1), before, after, drift, radius)


def _movement(
    position: np.ndarray, around: np.ndarray, before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, float]:
    """Movement of each cell's neighbours in one frame, and how far to look for cells.

    Movement is the median of those neighbours that are each other's nearest in the next
    frame; without such it is 0.
    """
    rows = np.arange(len(position))
    mutual = (after >= 0) & (before[after] == rows)
    moved = np.where(mutual[:, None], position[after] - position, np.nan)
    beside = moved[around[:, 1:]]
    beside[around[:, 1:] < 0] = np.nan
    known = np.isfinite(beside[:, :, 0]).sum(1) >= 3
    drift = np.zeros_like(position)
    if known.any():
        drift[known] = _known_median(beside[known])
    rest = _norm(moved[mutual] - drift[mutual])
    far = float(np.quantile(rest, 0.95)) if len(rest) else 0.0
    return drift, float(np.clip(3 * far, 2, 6))


def _known_median(values: np.ndarray) -> np.ndarray:
    """Median (n, d) of the rows (n, k, d) that are not NaN; much faster than numpy's."""
    count = np.isfinite(values[:, :, 0]).sum(1)
    values, row = np.sort(values, axis=1), np.arange(len(values))
    return np.asarray((values[row, (count - 1) // 2] + values[row, count // 2]) / 2)


def _looks(
    cells: pd.DataFrame, near: _Neighbours, position: np.ndarray, extent: np.ndarray
) -> np.ndarray:
    value = {name: cells[name].to_numpy(float) for name in cells.columns if name != "by"}
    area, d = value["area"], position.shape[1]
    edge = np.minimum(position, extent - position)[:, -2:].min(1)
    ball = (4 * np.pi) if d == 2 else (36 * np.pi) ** 0.5
    light = _light(cells)
    own = {
        "log_area": np.log(area / np.median(area)),
        "elongation": np.log(value["length"] / value["width"]),
        "log_fill": np.log(value["fill"]),
        "roundness": np.log(value["perimeter"] ** (d / (d - 1)) / (ball * area)),
        "touching": value["touching"],
        "at_edge": value["at_edge"],
        "edge_distance": np.clip(edge, 0, 3),
        "nearest": near.spacing,
        "crowding": near.crowding,
        **light,
    }
    for name, other, sign in (("before", near.before, 1), ("after", near.after, -1)):
        there = other >= 0
        words = ("grown", "brightened", "contrast_gained")
        if name == "after":
            words = ("will_grow", "will_brighten", "will_contrast")
        for word, column in zip(words, ("log_area", "brightness", "contrast"), strict=True):
            own[word] = np.where(there, sign * (own[column] - own[column][other]), 0)
    for word, other in (("claims_before", near.after), ("claims_after", near.before)):
        own[word] = np.bincount(other[other >= 0], minlength=len(area))
    return np.column_stack([np.clip(own[name], -_LIMIT, _LIMIT) for name in LOOKS]).astype(
        np.float32
    )


def _light(cells: pd.DataFrame) -> dict[str, np.ndarray]:
    """Brightness above background relative to the typical cell of that time; 0 if unknown."""
    names = ("intensity_mean", "intensity_std", "intensity_max")
    background = cells["background"].to_numpy(float)
    mean = cells["intensity_mean"].to_numpy(float) - background
    known = np.isfinite(mean).all()
    if not known:
        zero = np.zeros(len(cells))
        return dict.fromkeys(("brightness", "contrast", "peak", "total", "known"), zero)
    spread = cells[names[1]].to_numpy(float)
    highest = cells[names[2]].to_numpy(float) - background
    scale = _typical(cells["frame"].to_numpy(), np.maximum(np.abs(mean), spread))
    brightness = np.arcsinh(2 * mean / scale)
    size = cells["area"].to_numpy(float)
    return {
        "brightness": brightness,
        "contrast": np.arcsinh(2 * spread / scale),
        "peak": np.arcsinh(highest / scale),
        "total": brightness + np.log(size / np.median(size)),
        "known": np.ones(len(cells)),
    }


def _typical(frame: np.ndarray, value: np.ndarray, reach: int = 5) -> np.ndarray:
    """Median of `value` over the frame, smoothed in time: follows bleaching, not single cells."""
    medians = pd.Series(value).groupby(frame).median()
    smooth = medians.rolling(2 * reach + 1, center=True, min_periods=1).median()
    return np.maximum(smooth.loc[frame].to_numpy(), 1e-9)


def _overlap_of(c: Candidates, overlaps: pd.DataFrame, pixels: np.ndarray) -> np.ndarray:
    n = len(pixels) + 1
    if not len(overlaps):
        return np.zeros(len(c))
    code = overlaps["parent"].to_numpy() * n + overlaps["child"].to_numpy()
    order = np.argsort(code, kind="stable")
    code, shared_by = code[order], overlaps["pixels"].to_numpy()[order]
    wanted = c.parent * n + c.child
    place = np.minimum(np.searchsorted(code, wanted), len(code) - 1)
    shared = np.where(code[place] == wanted, shared_by[place], 0)
    return shared / np.minimum(pixels[c.parent], pixels[c.child])


def _norm(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("nd,nd->n", vectors, vectors))


def _signed_cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", a, b) / (_norm(a) * _norm(b) + 1e-3)


def _cosine(axis: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """How parallel two lines are, 0 to 1; less where the axis is weak."""
    return _agreement(axis, vector) / np.maximum(_norm(vector), 0.05)


def _agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(np.einsum("nd,nd->n", a, b))


def _rivals(group: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest `value` among the others of its group, 4 where there is no other; its rank."""
    order = order_within(group, value)
    sorted_group, sorted_value = group[order], value[order]
    first = np.flatnonzero(np.diff(sorted_group, prepend=-1))
    size = np.diff(np.append(first, len(group)))
    second = np.where(size > 1, sorted_value[np.minimum(first + 1, len(group) - 1)], 4.0)
    smallest, rank = np.empty(len(group)), np.empty(len(group), np.int64)
    smallest[order] = np.repeat(sorted_value[first], size)
    smallest[order[first]] = second
    rank[order] = np.arange(len(group)) - np.repeat(first, size)
    return smallest, rank


def _relative(value: np.ndarray, rival: np.ndarray) -> np.ndarray:
    return np.log((value + 0.05) / (rival + 0.05))


def _table(columns: list[np.ndarray], *blocks: np.ndarray) -> np.ndarray:
    return np.column_stack([*columns, *blocks]).astype(np.float32)
