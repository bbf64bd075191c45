"""How candidate links and divisions fit, as numbers for the graph network."""

from dataclasses import dataclass, replace

import numpy as np

from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.features.graph import LOOKS, CellGraph, division_features, link_geometry

_SMALL = 0.03
_NEAREST = LOOKS.index("nearest")


@dataclass(frozen=True)
class Relations:
    """One row of numbers for each candidate link (m, g) and division (k, h), float32."""

    link: np.ndarray
    division: np.ndarray


@dataclass(frozen=True)
class Pace:
    """What a movie as a whole tells: how far cells move, and how steadily they are seen.

    `motion` is the median distance, in units, that cells move beside their neighbours in one
    frame; `steady` the share of cells that have a partner in the next frame, each the nearest
    of the other. It falls where the segmentation misses cells, or they move too fast.
    """

    motion: float = 0.1
    steady: float = 1.0

    @classmethod
    def of(cls, graph: CellGraph) -> "Pace":
        """Judge a whole movie by its shortest links."""
        c = graph.candidates
        residual = _length(_rest(graph))
        one = c.gap == 1
        n = len(graph.frame)
        out, into = np.full(n, np.inf), np.full(n, np.inf)
        np.minimum.at(out, c.parent[one], residual[one])
        np.minimum.at(into, c.child[one], residual[one])
        mutual = one & (residual == out[c.parent]) & (residual == into[c.child])
        if not mutual.any():
            return cls()
        going_on = int((graph.frame < graph.frame[-1]).sum())
        return cls(float(np.median(residual[mutual])), min(float(mutual.sum() / going_on), 1.0))


def relate(graph: CellGraph, pace: Pace) -> Relations:
    """Measure all candidates of `graph`, part of a movie of a certain `pace`."""
    c = graph.candidates
    geometry = link_geometry(graph)
    step = graph.position[c.child] - graph.position[c.parent]
    rest = _length(_rest(graph))
    before, after = _velocities(graph, rest)
    gap = c.gap[:, None]
    usual = pace.motion * np.sqrt(c.gap)
    nearest = graph.looks[:, _NEAREST]
    straight = _length(step - gap * before[c.parent]), _length(step - gap * after[c.child])
    columns = [
        np.log((rest + _SMALL) / (usual + _SMALL)),
        np.log((straight[0] + _SMALL) / (usual + _SMALL)),
        np.log((straight[1] + _SMALL) / (usual + _SMALL)),
        rest / (0.1 + nearest[c.child]),
    ]
    whole = np.array([np.log(pace.motion + _SMALL), np.log(1.02 - pace.steady)], np.float32)
    link = np.column_stack([geometry, *columns]).astype(np.float32)
    division = division_features(graph, geometry)
    return Relations(_with(link, whole), _with(division, whole))


def _with(table: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.concatenate([table, np.broadcast_to(whole, (len(table), len(whole)))], axis=1)


def part_of(graph: CellGraph, first: int, last: int) -> tuple[CellGraph, np.ndarray, np.ndarray]:
    """The cells `first` to `last` (exclusive) of a graph, and what is between them alone.

    Returns the part, and the rows of its links and of its divisions in the whole graph. Links
    have to be sorted by parent.
    """
    c = graph.candidates
    begin, end = np.searchsorted(c.parent, [first, last])
    links = np.arange(begin, end)[c.child[begin:end] < last]
    number = np.full(end - begin, -1)
    number[links - begin] = np.arange(len(links))
    mother = c.parent[c.first]
    divisions = np.flatnonzero((mother >= first) & (mother < last))
    one, two = number[c.first[divisions] - begin], number[c.second[divisions] - begin]
    whole = (one >= 0) & (two >= 0)
    candidates = Candidates(
        c.parent[links] - first, c.child[links] - first, c.gap[links], one[whole], two[whole]
    )
    rows = slice(first, last)
    part = replace(
        graph,
        frame=graph.frame[rows],
        position=graph.position[rows],
        drift=graph.drift[rows],
        axis=graph.axis[rows],
        looks=graph.looks[rows],
        overlap=graph.overlap[links],
        candidates=candidates,
    )
    return part, links, divisions[whole]


def _rest(graph: CellGraph) -> np.ndarray:
    """What is left of each step without the neighbours' common movement."""
    c = graph.candidates
    return (
        graph.position[c.child] - graph.position[c.parent] - c.gap[:, None] * graph.drift[c.parent]
    )


def _velocities(graph: CellGraph, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each cell's likeliest step from the frame before, and to the next; drift if there is none."""
    c = graph.candidates
    one = np.flatnonzero(c.gap == 1)
    order = one[np.argsort(-rest[one], kind="stable")]
    step = graph.position[c.child[order]] - graph.position[c.parent[order]]
    before, after = graph.drift.copy(), graph.drift.copy()
    before[c.child[order]] = step
    after[c.parent[order]] = step
    return before, after


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
