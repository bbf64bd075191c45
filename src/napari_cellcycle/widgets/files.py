"""Readers, writers and samples that napari finds through the manifest."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.layers import OPACITY
from napari_cellcycle.widgets.movies import METADATA

LayerData = tuple[Any, dict[str, Any], str]
_MOST_LOADED = 200_000_000


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Reader of an experiment, a tracking result or truth, or a folder of frames.

    None if `path` is none of these, so that napari asks other readers.
    """
    from napari_cellcycle.io.ctc import is_ctc
    from napari_cellcycle.io.experiment import is_experiment
    from napari_cellcycle.io.frames import frame_files

    folder = Path(path if isinstance(path, str) else path[0])
    if not folder.is_dir() or not isinstance(path, str):
        return None
    if is_experiment(folder) or folder.suffix == ".cellcycle":
        return read_experiment
    if is_ctc(folder):
        return read_tracking
    return read_frames if frame_files(folder) else None


def read_experiment(path: str) -> list[LayerData]:
    """Movie, masks and tracks of an experiment folder."""
    from napari_cellcycle.io.experiment import open_experiment

    experiment = open_experiment(path)
    name = Path(path).stem
    known = {"experiment": str(Path(path).absolute())} if experiment.labels is not None else {}
    results = result_layers(experiment, name, known)
    number = len(experiment.movie.channels) + len(results)
    return [*movie_layers(experiment.movie, name, {**known, "layers": number}), *results]


def read_tracking(path: str) -> list[LayerData]:
    """Masks and tracks of a Cell Tracking Challenge folder (RES or TRA), label by track."""
    from napari_cellcycle.io.ctc import read_ctc
    from napari_cellcycle.io.movies import movie_from_array

    labels, tracks = read_ctc(path, by_track=True)
    movie = movie_from_array(labels.base, "TZYX" if labels.ndim == 3 else "TYX", pixel_size=1.0)
    folder = Path(path)
    name = folder.parent.name if folder.name == "TRA" else folder.name
    found = result_layers(Experiment(movie, labels, tracks), name, {"tracks": tracks})
    for _, options, _ in found:
        for key in ("scale", "units"):
            options.pop(key)
    return found


def read_frames(path: str) -> list[LayerData]:
    """The movie in a folder of frames, read as it is looked at."""
    from napari_cellcycle.io.movies import open_movie

    return movie_layers(open_movie(path), Path(path).name)


def open_sample_2d() -> list[LayerData]:
    """Sample movie of dividing nuclei."""
    return _sample("nuclei_2d")


def open_sample_3d() -> list[LayerData]:
    """Sample movie of dividing nuclei in volumes."""
    return _sample("nuclei_3d")


def write_experiment(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Save an image with its masks, and tracks if there are any, as an experiment."""
    from napari_cellcycle.io.experiment import save_experiment

    movie = _movie(next(layer for layer in layers if layer[2] == "image"))
    labels, tracks = _results(layers)
    save_experiment(Experiment(movie, labels, tracks), path)
    return [path]


def write_tracking(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write masks and tracks as a result folder of the Cell Tracking Challenge."""
    from napari_cellcycle.io.ctc import write_ctc

    labels, tracks = _results(layers)
    if tracks is None:
        raise BadInput("A tracking result needs a tracks layer: choose masks and tracks.")
    write_ctc(labels, tracks, path)
    return [path]


def movie_layers(movie: Movie, name: str, known: dict[str, Any] | None = None) -> list[LayerData]:
    """An image layer for each channel of `movie`, loaded if it is small, else lazy."""
    facts = {
        "frame_interval": movie.frame_interval,
        "pixel_size": movie.pixel_size,
        "guessed": sorted(movie.guessed),
        "source": movie.source,
        "channels": movie.channels,
        **(known or {}),
    }
    several = len(movie.channels) > 1
    found: list[LayerData] = []
    for channel in movie.channels:
        options: dict[str, Any] = {
            "name": f"{name} {channel}" if several else name,
            "metadata": {METADATA: {**facts, "channel": channel}},
            **_calibrated(movie),
        }
        if several:
            options["blending"] = "additive"
        found.append((_pixels(movie, channel), options, "image"))
    return found


def result_layers(experiment: Experiment, name: str, known: dict[str, Any]) -> list[LayerData]:
    """Masks and tracks of `experiment`, as layers."""
    if experiment.labels is None:
        return []
    shown = prepare(experiment)
    options = {**_calibrated(experiment.movie), "opacity": OPACITY, "name": f"{name} cells"}
    options["metadata"] = {METADATA: {**known, "shows": "labels"}}
    found: list[LayerData] = [(shown.labels, options, "labels")]
    if shown.has_tracks:
        tracks = {
            **_calibrated(experiment.movie),
            "name": f"{name} tracks",
            "graph": shown.graph,
            "features": shown.features.rename(columns={"track": "track_id"}),
            "metadata": {METADATA: {**known, "shows": "tracks"}},
        }
        found.append((shown.vertices, tracks, "tracks"))
    return found


def tracks_of(vertices: np.ndarray, graph: dict[int, Any], labels: LabelStack) -> Tracks:
    """Cells and links of a tracks layer (rows track, frame, [z,] y, x) over masks.

    The label of a cell is that of the mask at its place, or its track where there is none.
    """
    order = np.lexsort((vertices[:, 1], vertices[:, 0]))
    rows = np.asarray(vertices, float)[order]
    track, frame = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    axes = ["z", "y", "x"][-(rows.shape[1] - 2) :]
    cells = pd.DataFrame(rows[:, 2:], columns=axes)
    cells.insert(0, "frame", frame)
    cells.insert(1, "label", _labels_at(labels, frame, rows[:, 2:], track))
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    within = np.flatnonzero(track[1:] == track[:-1])
    first = {int(t): int(i) + 1 for t, i in zip(*np.unique(track, return_index=True), strict=True)}
    last = {int(t): len(track) - int(i) for t, i in _last(track)}
    born = [
        (last[int(mother)], first[int(child)])
        for child, mothers in graph.items()
        for mother in np.atleast_1d(mothers)[:1]
        if int(mother) in last and int(child) in first
    ]
    ends = np.concatenate(
        [np.column_stack([within + 1, within + 2]), np.array(born, int).reshape(-1, 2)]
    )
    links = pd.DataFrame({"parent": ends[:, 0], "child": ends[:, 1], "score": 1.0})
    kept = links.groupby("parent").cumcount() < 2
    return Tracks(cells, links[kept].reset_index(drop=True))


def _last(track: np.ndarray) -> Any:
    values, places = np.unique(track[::-1], return_index=True)
    return zip(values, places, strict=True)


def _labels_at(
    labels: LabelStack, frame: np.ndarray, places: np.ndarray, track: np.ndarray
) -> np.ndarray:
    found = track.copy()
    for time in np.unique(frame):
        rows = np.flatnonzero(frame == time)
        mask = labels.frame(int(time))
        top = np.array(mask.shape) - 1
        at = np.clip(np.rint(places[rows]).astype(int), 0, top)
        here = mask[tuple(at.T)]
        unique = pd.Series(here).map(pd.Series(here).value_counts()).to_numpy() == 1
        good = (here > 0) & unique
        found[rows[good]] = here[good]
    return found


def _sample(name: str) -> list[LayerData]:
    from napari_cellcycle.io.movies import open_movie
    from napari_cellcycle.io.samples import sample_path

    return movie_layers(open_movie(sample_path(name)), name.replace("_", " "))


def _pixels(movie: Movie, channel: str) -> Any:
    kind = movie.frame(0, channel).dtype
    size = len(movie) * int(np.prod(movie.frame_shape)) * kind.itemsize
    if size <= _MOST_LOADED:
        return np.stack([movie.frame(time, channel) for time in range(len(movie))])
    import dask.array as da
    from dask.delayed import delayed

    read = delayed(movie.frame, pure=True)
    frames = [
        da.from_delayed(read(time, channel), movie.frame_shape, kind) for time in range(len(movie))
    ]
    return da.stack(frames)


def _calibrated(movie: Movie) -> dict[str, Any]:
    ndim = movie.ndim
    return {
        "scale": (1.0, *movie.pixel_size),
        "units": ("pixel", *["micrometer"] * ndim),
        "axis_labels": ("t", "z", "y", "x") if ndim == 3 else ("t", "y", "x"),
    }


def _movie(layer: LayerData) -> Movie:
    from napari.layers import Image

    from napari_cellcycle.widgets.movies import movie_of

    data, options, _ = layer
    kept = ("name", "scale", "units", "axis_labels", "metadata")
    return movie_of(Image(data, **{key: options[key] for key in kept if key in options}))


def _results(layers: Sequence[LayerData]) -> tuple[LabelStack, Tracks | None]:
    data = next((data for data, _, kind in layers if kind == "labels"), None)
    if data is None:
        raise BadInput("Masks are missing: choose a labels layer as well.")
    if data.ndim not in (3, 4):
        raise BadInput(
            f"The masks have shape {data.shape}; expected (time, [z,] y, x): choose others."
        )
    whole = isinstance(data, np.ndarray)
    labels = LabelStack(data.astype(np.int32, copy=False) if whole else data)
    for vertices, options, kind in layers:
        if kind == "tracks":
            tracks = tracks_of(np.asarray(vertices), options.get("graph") or {}, labels)
            return labels, _with_features(tracks, np.asarray(vertices), options.get("features"))
    return labels, None


def _with_features(tracks: Tracks, vertices: np.ndarray, features: Any) -> Tracks:
    """Give the cells the measurements, stages and probabilities of a tracks layer."""
    if features is None or len(features) != len(tracks):
        return tracks
    order = np.lexsort((vertices[:, 1], vertices[:, 0]))
    known = {*tracks.cells.columns, "track_id", "track", "probability"}
    columns = {n: np.asarray(features[n])[order] for n in features if n not in known}
    return tracks.with_columns(**columns)
