"""How candidate links and divisions fit, as numbers for the graph network."""

from dataclasses import dataclass, replace

import numpy as np

from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.features.graph import (
    ALL,
    LOOKS,
    CellGraph,
    division_features,
    link_geometry,
)

_SMALL = 0.03
_OWN = 4
"""Columns of links beside their geometry and the pace."""
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
        one = np.flatnonzero(c.gap == 1)
        parent, child = c.parent[one], c.child[one]
        rest = _length(_rest(graph, one))
        mutual = _shortest(parent, rest) & _shortest(child, rest)
        if not mutual.any():
            return cls()
        going_on = int((graph.frame < graph.frame[-1]).sum())
        return cls(float(np.median(rest[mutual])), min(float(mutual.sum() / going_on), 1.0))


def relate(graph: CellGraph, pace: Pace) -> Relations:
    """Measure all candidates of `graph`, a movie of a certain `pace`."""
    link = relate_links(graph, pace, usual_steps(graph))
    return Relations(link, relate_divisions(graph, link, pace))


def relate_links(graph: CellGraph, pace: Pace, steps: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """One row for each candidate link (m, g); `steps` are those of the whole movie."""
    c = graph.candidates
    step = graph.position[c.child] - graph.position[c.parent]
    gap = c.gap[:, None]
    rest = _length(step - gap * graph.drift[c.parent])
    usual = pace.motion * np.sqrt(c.gap) + _SMALL
    before, after = steps
    straight = _length(step - gap * before[c.parent]), _length(step - gap * after[c.child])
    nearest = graph.looks[:, _NEAREST]
    columns = [
        np.log((rest + _SMALL) / usual),
        np.log((straight[0] + _SMALL) / usual),
        np.log((straight[1] + _SMALL) / usual),
        rest / (0.1 + nearest[c.child]),
    ]
    return _with([link_geometry(graph), *columns], pace)


def relate_divisions(
    graph: CellGraph, link: np.ndarray, pace: Pace, rows: slice = ALL
) -> np.ndarray:
    """One row for each candidate division in `rows` (k, h); `link` are the rows of the links."""
    geometry = link[:, : -len(_whole(pace)) - _OWN]
    return _with([division_features(graph, geometry, rows)], pace)


def _with(blocks: list[np.ndarray], pace: Pace) -> np.ndarray:
    """Columns side by side, those of the pace of the whole movie last; float32."""
    whole = _whole(pace)
    widths = [1 if block.ndim == 1 else block.shape[1] for block in blocks]
    table = np.empty((len(blocks[0]), sum(widths) + len(whole)), np.float32)
    for block, end, width in zip(blocks, np.cumsum(widths), widths, strict=True):
        table[:, end - width : end] = block[:, None] if block.ndim == 1 else block
    table[:, -len(whole) :] = whole
    return table


def _whole(pace: Pace) -> list[float]:
    return [float(np.log(pace.motion + _SMALL)), float(np.log(1.02 - pace.steady))]


def links_from(graph: CellGraph, links: slice, divisions: slice) -> CellGraph:
    """A graph of the same cells with some of the links, and with divisions that join these.

    If links are all that begin in certain frames, they have among themselves all their rivals
    over the same gap.
    """
    c, begin = graph.candidates, links.start
    candidates = Candidates(
        c.parent[links],
        c.child[links],
        c.gap[links],
        c.first[divisions] - begin,
        c.second[divisions] - begin,
    )
    return replace(graph, overlap=graph.overlap[links], candidates=candidates)


def _rest(graph: CellGraph, rows: np.ndarray) -> np.ndarray:
    """What is left of each step to the next frame without the neighbours' common movement."""
    parent, child = graph.candidates.parent[rows], graph.candidates.child[rows]
    return graph.position[child] - graph.position[parent] - graph.drift[parent]


def _shortest(cell: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Which links (m,) are the shortest of those that have the same `cell`."""
    least = np.full(int(cell.max(initial=-1)) + 1, np.inf)
    np.minimum.at(least, cell, rest)
    return np.asarray(rest == least[cell])


def usual_steps(graph: CellGraph) -> tuple[np.ndarray, np.ndarray]:
    """Each cell's likeliest step from the frame before, and to the next; drift if there is none."""
    c = graph.candidates
    one = np.flatnonzero(c.gap == 1)
    rest = _length(_rest(graph, one))
    steps = graph.drift.copy(), graph.drift.copy()
    for cell, usual in zip((c.child[one], c.parent[one]), steps, strict=True):
        is_usual = _shortest(cell, rest)
        rows = one[is_usual]
        usual[cell[is_usual]] = graph.position[c.child[rows]] - graph.position[c.parent[rows]]
    return steps


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
