"""Examples for the graph network: a movie's cells and candidates, and which are true."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.features.graph import LOOKS, CellGraph, build_graph
from napari_cellcycle.features.relations import Pace, Relations, relate
from napari_cellcycle.features.shape import measure_overlaps
from napari_cellcycle.features.views import typical_size, views
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.score import rejected_rows
from napari_cellcycle.training.link.simple_examples import next_sightings
from napari_cellcycle.training.link.versions import Version, versions

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.link.graph_network import GraphInput

WINDOW = 6
"""Frames whose cells are judged in one batch."""
CONTEXT = 2
"""Frames before and after that are seen."""
MOST_CELLS = 300
DARK = 0.3
"""Share of batches without brightness: what mitosis looks like differs between microscopes."""
MOSTLY = 0.5
"""Of a recording of which less is known, windows are cut around what is."""
PACE_NOISE = (0.3, 0.4)
"""Spread of what is added to the pace of a movie, lest the network know the movie by it."""
_MARGIN = 3.0
_LIGHT = [
    LOOKS.index(name)
    for name in (
        "brightness", "contrast", "peak", "total", "known",
        "brightened", "contrast_gained", "will_brighten", "will_contrast",
    )
]  # fmt: skip


@dataclass(frozen=True)
class GraphExample:
    """A movie as the network sees it, with its truth.

    `seen` (n, channels, side, side) are the views of the cells; `true_link`, `true_division`
    and `rejected` mark candidates, `past` and `future` cells (n,) of which the truth is known.
    """

    name: str
    graph: CellGraph
    relations: Relations
    seen: np.ndarray
    true_link: np.ndarray
    true_division: np.ndarray
    rejected: np.ndarray
    past: np.ndarray
    future: np.ndarray


@dataclass(frozen=True)
class GraphBatch:
    """Part of an example as tensors; `seen` in the input is empty until a network has looked.

    `past`, `future` (n,) are 1 for the cells that are judged; the rest is their context.
    """

    given: "GraphInput"
    views: "torch.Tensor"
    true_link: "torch.Tensor"
    true_division: "torch.Tensor"
    rejected: "torch.Tensor"
    past: "torch.Tensor"
    future: "torch.Tensor"


def example_of(version: Version) -> GraphExample:
    """Measure a recording, find its candidates and mark the true ones.

    True is: the same track in its next sighting; a division with both daughters first seen in
    one frame; if only one daughter is seen in time, the link to her.
    """
    recording = version.recording
    unit = version.size_factor * typical_size(recording.labels, recording.pixel_size)
    unit_px = tuple(unit / size for size in recording.pixel_size)
    seen = []
    cells, overlaps = measure_overlaps(
        recording.movie,
        recording.labels,
        pixel_size=recording.pixel_size,
        max_gap=version.max_gap,
        watch=lambda image, mask, table: seen.append(views(image, mask, table, unit_px)),
    )
    shape = recording.labels.shape[1:]
    graph = build_graph(
        cells, overlaps, shape, recording.pixel_size, max_gap=version.max_gap, unit=unit
    )
    truth = recording.truth.set_index(["frame", "label"])
    truth = truth.reindex(list(zip(cells["frame"], cells["label"], strict=True)))
    track = truth["track"].fillna(0).to_numpy(np.int64)
    successor, sister = next_sightings(track, graph.frame, recording.mother)
    c = graph.candidates
    mother, one, two = c.parent[c.first], c.child[c.first], c.child[c.second]
    ordered = (successor[mother] == one) & (sister[mother] == two)
    swapped = (successor[mother] == two) & (sister[mother] == one)
    true_link = (successor[c.parent] == c.child) & (sister[c.parent] < 0)
    true_division = ordered | swapped
    past, future = (truth[side].eq(True).to_numpy(copy=True) for side in ("past", "future"))
    _forget_unreachable(c, successor, true_link, true_division, past, future)
    code = rejected_rows(recording, cells) @ [len(cells), 1]
    rejected = np.isin(c.parent * len(cells) + c.child, code)
    relations = relate(graph, Pace.of(graph))
    return GraphExample(
        recording.name, graph, relations, np.concatenate(seen),
        true_link, true_division, rejected, past, future,
    )  # fmt: skip


def _forget_unreachable(
    c: Candidates,
    successor: np.ndarray,
    true_link: np.ndarray,
    true_division: np.ndarray,
    past: np.ndarray,
    future: np.ndarray,
) -> None:
    """Cells whose true partner is no candidate are not taught to have none."""
    has = np.zeros(len(successor), bool)
    has[c.parent[true_link]] = True
    has[c.parent[c.first[true_division]]] = True
    lost = (successor >= 0) & ~has
    future[lost] = False
    past[successor[lost]] = False


def examples_of(
    recordings: Iterable[tuple[Recording, float]], *, copies: int = 1, seed: int = 0
) -> list[tuple[GraphExample, float]]:
    """Recordings as they are, and `copies` of each other version, with shares of their weight."""
    found = []
    for recording, weight in recordings:
        rng = np.random.default_rng(seed)
        for copy in range(copies):
            for version in versions(recording, rng):
                if version.recording is not recording:
                    found.append((example_of(version), weight * version.weight / copies))
                elif not copy:
                    found.append((example_of(version), weight * version.weight))
    return found


def cut(example: GraphExample, rng: np.random.Generator) -> GraphBatch:
    """A few frames at a random place, with the cells around them as context.

    Where little is known of a recording, the place is around something that is.
    """
    import torch

    from napari_cellcycle.models.link.graph_network import GraphInput

    graph, c = example.graph, example.graph.candidates
    last = int(graph.frame[-1])
    start = int(rng.integers(0, max(last - WINDOW + 1, 0) + 1))
    known = _known_cells(example)
    if not known.all():
        start = int(graph.frame[rng.choice(np.flatnonzero(known))] - rng.integers(0, WINDOW + 1))
    inner = (graph.frame >= start) & (graph.frame <= start + WINDOW)
    around = (graph.frame >= start - CONTEXT) & (graph.frame <= start + WINDOW + CONTEXT)
    if inner.sum() > MOST_CELLS:
        centre = graph.position[rng.choice(np.flatnonzero(inner & known))]
        away = np.abs(graph.position - centre).max(1)
        radius = np.sort(away[inner])[MOST_CELLS]
        inner &= away <= radius
        around &= away <= radius + _MARGIN
    number = np.cumsum(around) - 1
    links = np.flatnonzero(around[c.parent] & around[c.child])
    link_number = np.full(len(c), -1)
    link_number[links] = np.arange(len(links))
    one, two = link_number[c.first], link_number[c.second]
    divisions = np.flatnonzero((one >= 0) & (two >= 0))
    tensor = torch.from_numpy
    pace = rng.normal(0, PACE_NOISE)
    rows = np.flatnonzero(around)
    looks, seen = graph.looks[rows], example.seen[rows].astype(np.float32)
    seen = _relight(seen, rng)
    if rng.random() < DARK:
        looks, seen = _without_light(looks, seen)
    given = GraphInput(
        looks=tensor(looks),
        seen=torch.empty(0),
        link=tensor(example.relations.link[links] + _of(pace, example.relations.link)),
        division=tensor(
            example.relations.division[divisions] + _of(pace, example.relations.division)
        ),
        parent=tensor(number[c.parent[links]]),
        child=tensor(number[c.child[links]]),
        first=tensor(one[divisions]),
        second=tensor(two[divisions]),
    )
    return GraphBatch(
        given,
        tensor(seen),
        tensor(example.true_link[links].astype(np.float32)),
        tensor(example.true_division[divisions].astype(np.float32)),
        tensor(example.rejected[links]),
        tensor((inner & example.past)[rows]),
        tensor((inner & example.future)[rows]),
    )


def _known_cells(example: GraphExample) -> np.ndarray:
    """Cells of which anything is known; all, if most are or nothing is known of any."""
    known = example.past | example.future
    known[example.graph.candidates.child[example.rejected]] = True
    return known if 0 < known.mean() < MOSTLY else np.ones(len(known), bool)


def _of(pace: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What to add to a row of `table`, whose last columns are those of the pace."""
    return np.concatenate([np.zeros(table.shape[1] - len(pace)), pace]).astype(np.float32)


def _relight(seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Views with another gain and some noise."""
    gain = np.float32(np.exp(rng.normal(0, 0.25)))
    for channel in (0, 3):
        noise = rng.normal(0, rng.choice([0, 0.05, 0.15]), seen[:, channel].shape)
        seen[:, channel] = seen[:, channel] * gain + noise.astype(np.float32)
    return seen


def _without_light(looks: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As if there were masks only."""
    looks = looks.copy()
    looks[:, _LIGHT] = 0
    seen[:, [0, 3]] = 0
    return looks, seen
