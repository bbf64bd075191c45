"""Examples for the link model: candidates of a movie, and which of them are true."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.features.graph import (
    CellGraph,
    build_graph,
    division_features,
    link_features,
    link_geometry,
)

_BRIGHTNESS = ("intensity_mean", "intensity_std", "intensity_max")


@dataclass(frozen=True)
class Measured:
    """The cells of one recording as `measure_overlaps` gives them, with their truth.

    `cells` has one more column, `truth`: the true track of each mask, 0 if it is no cell.
    `mother` is the mother track of each daughter track. Where not all is known, the columns
    `past` and `future` say of which cells it is; `rejected` (n, 2) are links known to be wrong,
    as values of the index of `cells`.
    """

    name: str
    cells: pd.DataFrame
    overlaps: pd.DataFrame
    mother: dict[int, int]
    frame_shape: tuple[int, ...]
    pixel_size: tuple[float, ...]
    rejected: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))


@dataclass(frozen=True)
class Example:
    """Candidates with features and truth; indices as in `Candidates`.

    `past` and `future` (n,) mark the cells of which they are known, `rejected` the candidate
    links known to be wrong.
    """

    graph: CellGraph
    links: np.ndarray
    divisions: np.ndarray
    true_link: np.ndarray
    true_division: np.ndarray
    past: np.ndarray
    future: np.ndarray
    rejected: np.ndarray


def between(measured: Measured, first: int, last: int) -> Measured:
    """The frames `first` to `last` (inclusive) alone; nothing outside leaves a trace."""
    frame = measured.cells["frame"].to_numpy()
    return select(measured, (frame >= first) & (frame <= last))


def select(measured: Measured, kept: np.ndarray) -> Measured:
    """The cells marked in `kept`, frames counted from the first that is left."""
    cells = measured.cells[kept]
    cells = cells.assign(frame=cells["frame"] - cells["frame"].min())
    row = np.cumsum(kept) - 1
    ends = measured.overlaps[["parent", "child"]].to_numpy()
    both = kept[ends].all(1)
    overlaps = measured.overlaps[both].assign(parent=row[ends[both, 0]], child=row[ends[both, 1]])
    return replace(measured, cells=cells, overlaps=overlaps)


def example_of(measured: Measured, max_gap: int = 2) -> Example:
    """Find the candidates of a recording and mark the true ones.

    True is: the same track in its next sighting, up to `max_gap` frames later; a division
    with both daughters first seen in one frame; if only one daughter is seen in time, the
    link to her.
    """
    graph = build_graph(
        measured.cells,
        measured.overlaps,
        measured.frame_shape,
        measured.pixel_size,
        max_gap=max_gap,
    )
    geometry = link_geometry(graph)
    links, divisions = link_features(graph, geometry), division_features(graph, geometry)
    cells = measured.cells
    successor, sister = next_sightings(
        cells["truth"].to_numpy(), cells["frame"].to_numpy(), measured.mother
    )
    c = graph.candidates
    mother = c.parent[c.first]
    one, two = c.child[c.first], c.child[c.second]
    ordered = (successor[mother] == one) & (sister[mother] == two)
    swapped = (successor[mother] == two) & (sister[mother] == one)
    single = (successor[c.parent] == c.child) & (sister[c.parent] < 0)
    past, future = (
        cells[side].to_numpy(bool) if side in cells else np.ones(len(cells), bool)
        for side in ("past", "future")
    )
    ends = cells.index.get_indexer(pd.Index(measured.rejected.ravel())).reshape(-1, 2)
    ends = ends[(ends >= 0).all(axis=1)]
    wrong = np.isin(c.parent * len(cells) + c.child, ends @ [len(cells), 1])
    return Example(graph, links, divisions, single, ordered | swapped, past, future, wrong)


def next_sightings(
    truth: np.ndarray, frame: np.ndarray, mothers: dict[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Row of each cell's next sighting, or first daughter, and of the second; -1 if none.

    `truth` (n,) is the true track of each cell, 0 if it is none; `frame` (n,).
    """
    order = np.lexsort((frame, truth))
    order = order[truth[order] > 0]
    track, start = np.unique(truth[order], return_index=True)
    stop = np.append(start[1:], len(order))[: len(start)] - 1
    successor, sister = np.full(len(truth), -1), np.full(len(truth), -1)
    same = truth[order[1:]] == truth[order[:-1]]
    successor[order[:-1][same]] = order[1:][same]
    first = dict(zip(track, order[start], strict=True))
    last = dict(zip(track, order[stop], strict=True))
    family: dict[int, list[int]] = {}
    for daughter, mother in mothers.items():
        if daughter in first and mother in last and frame[first[daughter]] > frame[last[mother]]:
            family.setdefault(mother, []).append(first[daughter])
    for mother, daughters in family.items():
        daughters.sort(key=lambda row: frame[row])
        row = last[mother]
        successor[row] = daughters[0]
        if len(daughters) > 1 and frame[daughters[0]] == frame[daughters[1]]:
            sister[row] = daughters[1]
    return successor, sister


def imitate_errors(measured: Measured, rng: np.random.Generator) -> Measured:
    """A copy as a worse segmentation would have given it, and seen under other conditions.

    Cells go missing, some for good in one frame, masks shrink, grow and shift, neighbours
    fuse, specks appear, every second frame is dropped, brightness is forgotten.
    """
    frame = measured.cells["frame"].to_numpy()
    if rng.random() < 0.25 and frame.max() > 8:
        even = frame % 2 == 0
        measured = select(measured, even)
        measured = replace(
            measured, cells=measured.cells.assign(frame=measured.cells["frame"] // 2)
        )
    n = len(measured.cells)
    kept = rng.random(n) > rng.choice([0, 0.01, 0.03, 0.08])
    measured = select(measured, kept) if kept.any() else measured
    cells, n = measured.cells, int(kept.sum())
    axes = [axis for axis in ("z", "y", "x") if axis in cells]
    diameter = np.sqrt(cells["area"].to_numpy()) if len(axes) == 2 else np.cbrt(cells["area"])
    noise = rng.choice([0, 0.02, 0.05])
    moved = {
        axis: cells[axis] + rng.normal(0, noise, n) * diameter / size
        for axis, size in zip(axes, measured.pixel_size, strict=True)
    }
    stretch = np.exp(rng.normal(0, 2 * noise, n))
    changed: dict[str, Any] = {**moved, "area": cells["area"] * stretch}
    for name in ("length", "width", "perimeter"):
        changed[name] = cells[name] * np.sqrt(stretch) * np.exp(rng.normal(0, noise, n))
    truth = cells["truth"].to_numpy().copy()
    if rng.random() < 0.15:
        changed.update(dict.fromkeys(_BRIGHTNESS, np.nan))
    overlaps = measured.overlaps
    if rng.random() < 0.1:
        overlaps = overlaps.iloc[:0]
    return replace(measured, cells=cells.assign(**changed, truth=truth), overlaps=overlaps)
