"""Link cells over time into tracks and lineages."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.channel import seen_in
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks, no_candidates
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.graph import CellGraph, build_graph
from napari_cellcycle.features.shape import measure_overlaps
from napari_cellcycle.features.views import typical_size
from napari_cellcycle.io.frames import check_labels_fit
from napari_cellcycle.models.link.graph_linker import GraphLinker
from napari_cellcycle.models.link.open import AnyLinker, Linker, open_linker
from napari_cellcycle.models.link.paper.linker import PaperLinker
from napari_cellcycle.models.link.scores import Scores
from napari_cellcycle.pipeline.gaps import Gaps
from napari_cellcycle.pipeline.keep import Held
from napari_cellcycle.pipeline.rules import assign_by_rules, without_short_tracks
from napari_cellcycle.pipeline.track_paper import link_paper
from napari_cellcycle.progress import Progress, silent

DIVISION_WEIGHT = 4.0
"""A division makes two links, and one that is lost spoils a lineage."""
LEAST_LIKELY = 0.02
"""Links and divisions less probable than this are not kept among the candidates."""
_DENSE = 4_000_000


def track(
    movie: Movie,
    labels: LabelStack,
    settings: TrackSettings | None = None,
    *,
    model: AnyLinker | str | Path | None = None,
    channel: str | None = None,
    device: str = "auto",
    into: Any = None,
    held: Held | None = None,
    progress: Progress = silent,
) -> tuple[LabelStack, Tracks]:
    """Link the masks of all frames and paint each with the number of its track.

    Frames are read one after the other, twice; `into` (T, [Z,] Y, X) receives the new masks
    as int32, by default an array in memory. `model` replaces the one that `settings` names.
    Cells are looked at and measured in the `channel` of that name, by default the first. The
    simple linker runs on the processor whatever the `device`. Cells that are drawn into gaps are
    marked in the column `filled` of the cells. Links that are `held` stay as they are, and
    everything else is decided around them; the published linker knows of none.

    Returns the masks and the tracks; the value of a mask, its label in `tracks.cells` and its
    `tracks.track_id` are the same. Raises `BadInput` if the masks do not fit the movie, it has
    no such channel, or there is no cell in them.
    """
    settings = settings or TrackSettings()
    check_labels_fit(movie, labels)
    movie = seen_in(movie, channel)
    linker = open_linker(model if model is not None else settings.model, device)
    if isinstance(linker, PaperLinker):
        cells, links = link_paper(movie, labels, linker, settings, progress)
        considered = no_candidates()
    else:
        cells, links, considered = measure_and_link(movie, labels, linker, settings, progress, held)
    spared = held.cells if held is not None else ()
    tracks = without_short_tracks(Tracks(cells, links), settings.min_track, spared)
    numbered = Tracks(tracks.cells.assign(label=tracks.track_id), tracks.links)
    complete = held.frames if held is not None else frozenset()
    gaps = Gaps(numbered, movie, complete) if settings.fill_gaps else None
    painted = _repaint(labels, tracks, into, progress, gaps)
    done = numbered if gaps is None else gaps.close()
    ends = considered[["parent", "child"]].isin(done.cells.index).all(axis=1)
    ends &= considered["other"].isin([0, *done.cells.index])
    return painted, replace(done, candidates=considered[ends].reset_index(drop=True))


def measure_and_link(
    movie: Movie,
    labels: LabelStack,
    linker: Linker,
    settings: TrackSettings,
    progress: Progress = silent,
    held: Held | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Measured cells, the best consistent set of links between them, and all that was considered.

    The last is as in `Tracks.candidates`.
    """
    unit, eye = None, None
    if isinstance(linker, GraphLinker):
        unit = typical_size(labels, movie.pixel_size)
        eye = linker.eye(unit, movie.pixel_size)
    cells, overlaps = measure_overlaps(
        movie, labels, max_gap=settings.max_gap, watch=eye, progress=progress
    )
    if cells.empty:
        raise BadInput(
            f"No cells were found in the {len(labels)} frames, so there is nothing to track; "
            "check the channel, the cell diameter and the cell threshold of the segmentation."
        )
    seen = eye.seen() if eye else None
    graph, scores = score(cells, overlaps, movie, settings, linker, progress, unit=unit, seen=seen)
    considered = candidates_of(graph, cells, scores)
    if held is None:
        return cells, links_of(graph, cells, *choose(graph, scores, settings)), considered
    held.measured(cells)
    scores = held.constrained(graph, scores)
    links = links_of(graph, cells, *choose(graph, scores, settings))
    return cells, held.with_held(links), considered


def score(
    cells: pd.DataFrame,
    overlaps: pd.DataFrame,
    movie: Movie,
    settings: TrackSettings,
    linker: Linker,
    progress: Progress = silent,
    *,
    unit: float | None = None,
    seen: np.ndarray | None = None,
) -> tuple[CellGraph, Scores]:
    """The links and divisions that could be, and how probable the linker finds each.

    `unit` is the typical size of cells in um, by default their median diameter; `seen` what
    the eye of a graph linker kept of each cell.
    """
    graph = build_graph(
        cells,
        overlaps,
        movie.frame_shape,
        movie.pixel_size,
        max_gap=settings.max_gap,
        max_distance=settings.max_distance,
        unit=unit,
    )
    if isinstance(linker, GraphLinker):
        return graph, linker(graph, seen, progress)
    return graph, linker(graph, progress)


def links_of(
    graph: CellGraph, cells: pd.DataFrame, chosen: np.ndarray, score: np.ndarray
) -> pd.DataFrame:
    """The chosen candidates as a table of links."""
    c, cell_id = graph.candidates, cells.index.to_numpy()
    return pd.DataFrame(
        {
            "parent": cell_id[c.parent[chosen]],
            "child": cell_id[c.child[chosen]],
            "score": score,
            "by": "model",
        }
    )


def candidates_of(graph: CellGraph, cells: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """What was considered, as in `Tracks.candidates`: links first, then divisions."""
    c, cell_id = graph.candidates, cells.index.to_numpy()
    single = np.flatnonzero(scores.link >= LEAST_LIKELY)
    pair = np.flatnonzero(scores.division >= LEAST_LIKELY)
    first, second = c.first[pair], c.second[pair]
    ends = (
        cell_id[np.concatenate([c.parent[single], c.parent[first]])],
        cell_id[np.concatenate([c.child[single], c.child[first]])],
        np.concatenate([np.zeros(len(single), np.int64), cell_id[c.child[second]]]),
    )
    chance = np.concatenate([scores.link[single], scores.division[pair]]).astype(np.float32)
    columns = zip(("parent", "child", "other", "score"), (*ends, chance), strict=True)
    return pd.DataFrame(dict(columns))


def choose(
    graph: CellGraph, scores: Scores, settings: TrackSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Candidate links to keep, alone or as one of the two of a division, and their scores.

    A link is worth what its probability exceeds `min_score`; a division, as much as
    `DIVISION_WEIGHT` links whose probability exceeds `division_cost` as far. No cell divides
    before it is `min_generation` frames old.
    """
    c = graph.candidates
    worth = scores.link - settings.min_score
    pair_worth = DIVISION_WEIGHT * (scores.division - settings.division_cost)
    single, pair = assign_by_rules(c, worth, pair_worth, graph.frame, settings.min_generation)
    chosen = np.concatenate([np.flatnonzero(single), c.first[pair], c.second[pair]])
    score = np.concatenate([scores.link[single], *[scores.division[pair]] * 2])
    order = np.lexsort((c.child[chosen], c.parent[chosen]))
    return chosen[order], score[order]


def _repaint(
    labels: LabelStack, tracks: Tracks, into: Any, progress: Progress, gaps: Gaps | None
) -> LabelStack:
    painted = np.empty(labels.shape, np.int32) if into is None else into
    frames = _numbered(labels, tracks, progress)
    for time, mask in enumerate(frames if gaps is None else gaps.fill(frames)):
        painted[time] = mask
    progress(len(labels), len(labels), "Painting tracks")
    return LabelStack(painted)


def _numbered(labels: LabelStack, tracks: Tracks, progress: Progress) -> Iterator[np.ndarray]:
    """Each frame's masks, painted with the number of their track."""
    number = tracks.track_id.to_numpy()
    frame, label = tracks.cells["frame"].to_numpy(), tracks.cells["label"].to_numpy()
    starts = np.searchsorted(frame, np.arange(len(labels) + 1))
    for time in range(len(labels)):
        progress(time, len(labels), "Painting tracks")
        own = slice(starts[time], starts[time + 1])
        yield relabel(labels.frame(time), label[own], number[own])


def relabel(mask: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """A copy of `mask` with the values `old`, ascending, replaced by `new`; all others by 0."""
    top = int(mask.max(initial=0))
    if len(old) and max(top, old[-1]) > _DENSE:
        place = np.minimum(np.searchsorted(old, mask), len(old) - 1)
        return np.where(old[place] == mask, new[place], 0).astype(np.int32)
    if not len(old):
        return np.zeros(mask.shape, np.int32)
    table = np.zeros(max(top, int(old[-1])) + 1, np.int32)
    table[old] = new
    return table[mask]
