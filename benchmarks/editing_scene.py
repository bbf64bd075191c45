"""A movie with many cells, tracked and staged, to measure corrections on: masks in memory."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from colonies import Colony, colony

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.shape import measure
from napari_cellcycle.pipeline.decode import decode
from napari_cellcycle.pipeline.redecode import CHANCE, with_seen
from napari_cellcycle.pipeline.track import candidates_of, choose, links_of, open_linker, score

_LAST = "metaphase"
"""What cells that are about to divide look like."""


@dataclass(frozen=True)
class Scene:
    """An experiment, and its masks (T, Y, X) in memory to be changed."""

    experiment: Experiment
    masks: np.ndarray


def scene(cells: int, side: int, seed: int = 0) -> Scene:
    """A colony seen `cells` times, drawn as discs into frames of `side` pixels squared."""
    points = colony(cells, seed)
    movie = Movie(_noise(points.frames, side), (1.0, 1.0), 300.0, ("H2B",))
    drawn = _drawn(points, movie)
    settings = TrackSettings(model="simple", fill_gaps=False)
    graph, scores = score(drawn.cells, drawn.overlaps, movie, settings, open_linker("simple"))
    links = links_of(graph, drawn.cells, *choose(graph, scores, settings))
    tracks = Tracks(drawn.cells, links, candidates=candidates_of(graph, drawn.cells, scores))
    number = tracks.track_id
    _renumber(drawn.masks, drawn.cells, number.to_numpy())
    tracks = _staged(Tracks(drawn.cells.assign(label=number), links, candidates=tracks.candidates))
    steps = (Step("track", settings.model_dump(), "simple"),)
    return Scene(Experiment(movie, LabelStack(drawn.masks), tracks, H2B, steps), drawn.masks)


@dataclass(frozen=True)
class _Drawn:
    cells: pd.DataFrame
    overlaps: pd.DataFrame
    masks: np.ndarray


def _drawn(points: Colony, movie: Movie) -> _Drawn:
    """Discs for points, measured; those that others hide are left out."""
    larger = movie.frame_shape[0] / points.side
    masks = np.zeros((points.frames, *movie.frame_shape), np.int32)
    for row in points.cells[["frame", "label", "y", "x", "area"]].itertuples(index=False):
        place, radius = (row.y * larger, row.x * larger), (row.area / np.pi) ** 0.5 * larger
        _stamp(masks[int(row.frame)], int(row.label), place, radius)
    cells = measure(movie, LabelStack(masks)).assign(by="model")
    seen = pd.MultiIndex.from_frame(cells[["frame", "label"]])
    place = seen.get_indexer(pd.MultiIndex.from_frame(points.cells[["frame", "label"]]))
    overlaps = points.overlaps.assign(
        parent=lambda t: place[t["parent"]], child=lambda t: place[t["child"]]
    )
    overlaps = overlaps[(overlaps[["parent", "child"]] >= 0).all(axis=1)]
    return _Drawn(cells, overlaps.reset_index(drop=True), masks)


def _stamp(mask: np.ndarray, label: int, place: tuple[float, float], radius: float) -> None:
    low = [max(0, int(p - radius)) for p in place]
    part = mask[tuple(slice(a, int(p + radius) + 2) for a, p in zip(low, place, strict=True))]
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    inside = (y + low[0] - place[0]) ** 2 + (x + low[1] - place[1]) ** 2 <= radius**2
    part[inside & (part == 0)] = label


def _renumber(masks: np.ndarray, cells: pd.DataFrame, number: np.ndarray) -> None:
    frames, labels = cells["frame"].to_numpy(), cells["label"].to_numpy()
    for frame, mask in enumerate(masks):
        here = frames == frame
        table = np.zeros(int(mask.max()) + 1, np.int32)
        table[labels[here]] = number[here]
        mask[...] = table[mask]


def _noise(frames: int, side: int) -> np.ndarray:
    """Pixels of a movie that takes the memory of one frame."""
    noise = np.random.default_rng(0).normal(100, 5, (1, 1, side, side)).astype(np.uint16)
    return np.broadcast_to(noise, (frames, 1, side, side))


def _staged(tracks: Tracks) -> Tracks:
    """Stages decoded from what a network could have seen: mitosis before divisions."""
    rng = np.random.default_rng(1)
    code = np.full(len(tracks), H2B.names.index("interphase"))
    code[tracks.cells.index.isin(tracks.divisions)] = H2B.names.index(_LAST)
    chance = np.exp(rng.normal(0, 1, (len(tracks), len(H2B))) + 3 * np.eye(len(H2B))[code])
    chance /= chance.sum(axis=1, keepdims=True)
    told = decode(tracks, chance, H2B, 300.0, 0.5)
    chances = {
        f"{CHANCE}{name}": told.posterior[:, i].astype(np.float32)
        for i, name in enumerate(H2B.names)
    }
    stage = np.array(H2B.names)[told.code]
    return with_seen(tracks, chance.astype(np.float32), H2B).with_columns(
        stage=stage, pinned="", filled=False, **chances
    )
