"""Cells and candidate links of consecutive frames, as the `paper` network takes them."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_cellcycle.features.paper import PaperCells


@dataclass(frozen=True)
class PaperGraph:
    """Cells of a few frames and the links between them.

    `nodes` (n, f) float32: hand-made features scaled to 0..1 within this graph, then learned
    ones as they are. `edges` (2, m) rows of source and target, one frame later. `true` (m,)
    tells, in training, which of them join sightings of one track, and `judged` (m,) of which
    that is known. `edge_row` (m,) is the place of each edge among those of the movie.
    """

    nodes: np.ndarray
    edges: np.ndarray
    true: np.ndarray
    judged: np.ndarray
    edge_row: np.ndarray


@dataclass(frozen=True)
class Candidates:
    """Candidate links of a whole movie, by rows of cells; `true` if both are of one track.

    Of those that are not `judged` it is unknown.
    """

    source: np.ndarray
    target: np.ndarray
    true: np.ndarray
    judged: np.ndarray


def reach_of(cells: PaperCells, sides: float) -> np.ndarray:
    """How far links reach along each axis, in pixels: `sides` times the largest box."""
    if not len(cells.table):
        return np.zeros(cells.ndim)
    return sides * (cells.box[:, 1] - cells.box[:, 0]).max(0)


def candidates(
    frame: np.ndarray, centroid: np.ndarray, reach: np.ndarray, track: np.ndarray | None = None
) -> Candidates:
    """All pairs of cells in consecutive frames that are within `reach` of each other.

    The gate is a box around the source whose border belongs to it. With `track` (n,; 0: none
    known), true links are added even if they lead out of the gate.
    """
    starts = np.searchsorted(frame, np.arange(int(frame.max(initial=-1)) + 3))
    found = [np.empty((2, 0), np.int64)]
    for start, middle, stop in zip(starts[:-2], starts[1:-1], starts[2:], strict=True):
        pairs = gated_pairs(centroid[start:middle], centroid[middle:stop], reach)
        found.append(pairs + np.array([[start], [middle]]))
        if track is not None:
            found.append(_same(track[start:middle], track[middle:stop], start, middle))
    n = max(len(frame), 1)
    code = np.unique(np.concatenate([source * n + target for source, target in found]))
    source, target = code // n, code % n
    if track is None:
        return Candidates(source, target, *np.zeros((2, len(source)), bool))
    true = (track[source] == track[target]) & (track[source] > 0)
    return Candidates(source, target, true, np.ones(len(source), bool))


def gated_pairs(first: np.ndarray, second: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Rows (2, k) of points of `first` and of `second` no farther apart than `reach`, by axis."""
    if not len(first) or not len(second):
        return np.empty((2, 0), np.int64)
    scale = np.maximum(reach, 1e-6)
    trees = cKDTree(first / scale), cKDTree(second / scale)
    near = trees[0].sparse_distance_matrix(trees[1], 1 + 1e-6, p=np.inf, output_type="ndarray")
    pairs = np.stack([near["i"], near["j"]]).astype(np.int64)
    inside = (np.abs(first[pairs[0]] - second[pairs[1]]) <= reach).all(1)
    return pairs[:, inside]


def _same(before: np.ndarray, after: np.ndarray, start: int, middle: int) -> np.ndarray:
    both, row, column = np.intersect1d(before, after, return_indices=True)
    known = both > 0
    return np.stack([row[known] + start, column[known] + middle]).astype(np.int64)


def window_starts(frames: int, length: int, stride: int = 1) -> np.ndarray:
    """First frames of all windows; the last one ends with the movie."""
    last = max(frames - length, 0)
    return np.unique(np.append(np.arange(0, last + 1, stride), last))


def cut_graph(cells: PaperCells, links: Candidates, first: int, last: int) -> PaperGraph:
    """The graph of the frames `first` to `last` (inclusive)."""
    start, stop = np.searchsorted(cells.frame, [first, last + 1])
    inside = np.flatnonzero((links.source >= start) & (links.target < stop))
    edges = np.stack([links.source[inside], links.target[inside]]) - start
    hand = scaled(cells.nodes()[start:stop])
    nodes = np.concatenate([hand, cells.learned()[start:stop]], 1)
    return PaperGraph(nodes, edges, links.true[inside], links.judged[inside], inside)


def scaled(values: np.ndarray) -> np.ndarray:
    """Columns of (n, f) brought to 0..1; a column that never changes becomes 0."""
    if not len(values):
        return values.astype(np.float32)
    low = values.min(0)
    span = values.max(0) - low
    return ((values - low) / np.where(span > 0, span, 1)).astype(np.float32)
