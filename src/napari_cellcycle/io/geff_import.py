"""Tracks from a geff of any program."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.calibration import MICROMETRES, SECONDS
from napari_cellcycle.io.column_names import recognised
from napari_cellcycle.io.foreign import Foreign, checked_places, grown, small_ids, whole_frames
from napari_cellcycle.io.geff import _EXTRA, read_geff
from napari_cellcycle.io.geff_export import ADDED, RENAMED, SOLUTION, is_geff
from napari_cellcycle.io.provenance import stages_from_json

_PARTS = ("frame", "z", "y", "x", "label")
_POSITION = ("pos", "position", "coords", "coordinates", "centroid")
_SCORES = ("score", "probability", "prob", "likelihood", "confidence", "weight")
"""What programs call how much they trust an edge."""

_WHOLE = 0.02
"""How far times may be from a multiple of the frame interval, as a part of it."""


def find_geff(path: str | Path) -> Path | None:
    """The geff that `path` is, or the only one in a folder or group at `path`; else `None`."""
    path = Path(path)
    if is_geff(path):
        return path
    inner = [p for p in path.iterdir() if p.is_dir() and is_geff(p)] if path.is_dir() else []
    return inner[0] if len(inner) == 1 else None


def read_foreign_geff(
    path: str | Path, *, movie: Movie | None = None, columns: Mapping[str, str] | None = None
) -> Foreign:
    """Read any geff whose nodes have a time and a place.

    Which properties these are, the axes in its metadata say, or else their names do. Of a graph
    of candidates (with a property `solution`) the solution is read.

    Parameters
    ----------
    movie
        Needed where places are in micrometres and the geff does not say what a pixel is.
    columns
        Names of properties where they are unusual, by the keys of `column_names.NAMES`.

    Raises
    ------
    BadInput
        No geff, a damaged one, or one without time or place.
    """
    path = Path(path).expanduser()
    found = find_geff(path)
    if found is None:
        raise BadInput(f"{path} is no geff, and holds none: choose a folder NAME.geff.")
    graph = _read(found)
    extra = graph["metadata"].extra.get(_EXTRA, {})
    if "cells" in extra:
        own = read_geff(found)
        told = tuple(name for name in extra["cells"]["values"].get("stage", []) if name)
        return Foreign(own, *_calibration(graph["metadata"], own.axes), stage_names=told)
    nodes, edges, skipped, anew = _tables(graph, found)
    nodes, edges, unsolved = _solution(nodes, edges)
    called = extra.get("names")
    usual = {} if called is None else {n: key for n, key in RENAMED.items() if key in nodes}
    called = called or {}
    names = _names(nodes, graph["metadata"], usual | dict(columns or {}))
    cells = _cells(nodes, names, graph["metadata"], movie, found)
    cells = cells.rename(columns=called.get("cells", {}))
    links, scored = _scored(edges.rename(columns=called.get("links", {})), columns)
    rejected = pd.DataFrame(
        np.array(extra.get("rejected", []), np.int64).reshape(-1, 2), columns=["parent", "child"]
    )
    tracks, left_out = grown(cells, links, rejected)
    if not scored:
        tracks = replace(tracks, links=tracks.links.assign(score=1.0))
    left_out |= {"candidates": unsolved, "shapes": skipped}
    if anew:
        left_out["shifted"] = len(tracks)
    axes = [names[axis] for axis in tracks.axes]
    stages = stages_from_json(extra["stages"]) if "stages" in extra else None
    return Foreign(
        tracks,
        *_calibration(graph["metadata"], axes),
        stages=stages,
        confirmed=frozenset(
            (str(kind), int(number)) for kind, number in extra.get("confirmed", [])
        ),
        left_out={name: count for name, count in left_out.items() if count},
    )


def _read(path: Path) -> Any:
    from geff.core_io import read_to_memory

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_to_memory(path, structure_validation=False)
    except Exception as error:
        raise BadInput(
            f"The geff {path} cannot be read ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]}): write it anew, with a geff of version 1."
        ) from error


def _tables(graph: Any, path: Path) -> tuple[pd.DataFrame, pd.DataFrame, int, bool]:
    """Nodes by id, and edges with `parent` and `child`.

    Also how many properties were skipped, and whether the cells were numbered anew.
    """
    ids, ends, anew = small_ids(graph["node_ids"], graph["edge_ids"].reshape(-1, 2), path)
    nodes, skipped = _table(graph["node_props"], len(ids))
    edges, _ = _table(graph["edge_props"], len(ends))
    edges = edges.assign(parent=ends[:, 0], child=ends[:, 1])
    return nodes.set_index(pd.Index(ids)), edges, skipped, anew


def _table(props: Mapping[str, Any], count: int) -> tuple[pd.DataFrame, int]:
    """One column a number, text or part of a position; and how many others were skipped."""
    columns: dict[str, Any] = {}
    skipped = 0
    for name, prop in props.items():
        values, missing = np.asarray(prop["values"]), prop["missing"]
        if values.ndim == 2 and name in _POSITION and values.shape[1] in (2, 3):
            for axis, part in zip("zyx"[-values.shape[1] :], values.T, strict=True):
                columns.setdefault(axis, part)
        elif values.ndim != 1 or values.dtype == object:
            skipped += 1
        elif missing is None or not np.any(missing):
            columns[name] = values.astype(object) if values.dtype.kind in "US" else values
        elif values.dtype.kind in "US":
            columns[name] = pd.Series(values.astype(object)).mask(np.asarray(missing), None).array
        elif values.dtype.kind == "f":
            columns[name] = np.where(missing, np.nan, values)
        else:
            gone = np.asarray(missing, bool)
            is_bool = values.dtype == bool
            columns[name] = (
                pd.arrays.BooleanArray(values, gone)
                if is_bool
                else pd.arrays.IntegerArray(values.astype(np.int64), gone)
            )
    return pd.DataFrame(columns, index=pd.RangeIndex(count)), skipped


def _solution(nodes: pd.DataFrame, edges: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Only what was chosen of a graph of candidates, and how many nodes were not."""
    count = len(nodes)
    if SOLUTION in nodes:
        nodes = nodes[nodes[SOLUTION].fillna(False).astype(bool)].drop(columns=SOLUTION)
    if SOLUTION in edges:
        edges = edges[edges[SOLUTION].fillna(False).astype(bool)].drop(columns=SOLUTION)
    edges = edges[edges[["parent", "child"]].isin(nodes.index).all(axis=1)]
    return nodes, edges, count - len(nodes)


def _names(nodes: pd.DataFrame, metadata: Any, columns: Mapping[str, str] | None) -> dict[str, str]:
    """The property of each part: as given, by the axes in the metadata, or by its name."""
    given = {part: name for part, name in (columns or {}).items() if part != "score"}
    axes = [axis for axis in metadata.axes or [] if axis.name in nodes]
    space = [axis.name for axis in axes if axis.type == "space"]
    usual = recognised(space, wanted=("z", "y", "x"))
    if len(usual) == len(space):
        given = usual | given
    elif 2 <= len(space) <= 3:
        given = dict(zip("zyx"[-len(space) :], space, strict=True)) | given
    whole = recognised(nodes, given, _PARTS)
    time = [axis.name for axis in axes if axis.type == "time"]
    if time and "frame" not in given and "FRAME" not in nodes:
        whole["frame"] = time[0]
    elif "FRAME" in nodes and "frame" not in given:
        whole["frame"] = "FRAME"
    missing = [part for part in ("frame", "y", "x") if part not in whole]
    if missing:
        raise BadInput(
            f"The nodes of the geff have the properties {', '.join(map(str, nodes)) or 'none'}, "
            f"and none is known as {', '.join(missing)}: say which it is, as in "
            f"{missing[0]}=PROPERTY."
        )
    return whole


def _cells(
    nodes: pd.DataFrame, names: dict[str, str], metadata: Any, movie: Movie | None, path: Path
) -> pd.DataFrame:
    units = {axis.name: axis for axis in metadata.axes or []}
    time = units.get(names["frame"])
    columns: dict[str, Any] = {
        "frame": _frames(nodes[names["frame"]], time, movie, path),
    }
    for axis in ("z", "y", "x"):
        if axis in names:
            values = pd.to_numeric(nodes[names[axis]], errors="coerce").to_numpy(np.float64)
            columns[axis] = _pixels(values, axis, units.get(names[axis]), movie, path)
    label = names.get("label", recognised(nodes, wanted=("track",)).get("track"))
    if label is not None:
        columns["label"] = nodes[label].array
    taken = {*names.values(), *ADDED, *columns}
    columns |= {str(name): nodes[name].array for name in nodes if name not in taken}
    cells = pd.DataFrame(columns, index=nodes.index)
    checked_places(cells, path)
    return cells


def _frames(times: pd.Series, axis: Any, movie: Movie | None, path: Path) -> np.ndarray:
    """Frames: the times themselves where they are whole, else divided by the frame interval."""
    values = pd.to_numeric(times, errors="coerce").to_numpy(np.float64)
    unit = None if axis is None else SECONDS.get(str(axis.unit or "").lower())
    whole = np.isfinite(values).all() and (values == np.floor(values)).all()
    if len(values) and unit and (movie is not None or not whole):
        distinct = np.unique(values[np.isfinite(values)])
        step = (
            movie.frame_interval / unit
            if movie is not None
            else np.diff(distinct).min(initial=np.inf)
        )
        frame = np.rint(values / step)
        if np.isfinite(values).all() and np.abs(values / step - frame).max() < _WHOLE:
            values = frame
    return whole_frames(pd.Series(values), path)


def _pixels(
    values: np.ndarray, axis: str, known: Any, movie: Movie | None, path: Path
) -> np.ndarray:
    """Places in pixels, of places in whatever unit the geff says."""
    unit = None if known is None else MICROMETRES.get(str(known.unit or "").lower())
    if unit is None:
        return values
    if movie is None:
        raise BadInput(
            f"The places in {path} are in {known.unit}, and it does not say what a pixel is: give "
            "the movie as well."
        )
    size = dict(zip("zyx"[-movie.ndim :], movie.pixel_size, strict=True)).get(axis, 1.0)
    return values * unit / size


def _scored(edges: pd.DataFrame, columns: Mapping[str, str] | None) -> tuple[pd.DataFrame, bool]:
    """The edges as links, and whether their scores are chances; else they only rank them."""
    given = {"score": columns["score"]} if columns and "score" in columns else None
    usual = next((name for name in _SCORES if name in edges), None)
    name = recognised(edges, given, ("score",)).get("score", usual)
    if name is None:
        return edges, False
    score = pd.to_numeric(edges[name], errors="coerce").astype(np.float64)
    chances = bool(score.between(0, 1).all())
    if chances and name != "score":
        edges = edges.drop(columns=name)
    elif not chances and name == "score":
        edges = edges.rename(columns={"score": "their_score"})
    return edges.assign(score=score), chances


def _calibration(metadata: Any, axes: list[str]) -> tuple[tuple[float, ...] | None, float | None]:
    """Micrometres a pixel along `axes` and seconds a frame, as far as the metadata says."""
    known = {axis.name: axis for axis in metadata.axes or []}
    sizes = [_scaled(known[name], "pixel", MICROMETRES) for name in axes if name in known]
    times = [axis for axis in known.values() if axis.type == "time"]
    interval = _scaled(times[0], "frame", SECONDS) if times else None
    whole = len(sizes) == len(axes) and all(size is not None for size in sizes) and sizes
    return (tuple(size for size in sizes if size is not None) if whole else None), interval


def _scaled(axis: Any, raw: str, units: Mapping[str, float]) -> float | None:
    unit = units.get(str(axis.scaled_unit or "").lower())
    fits = axis.unit in (None, raw) and unit is not None and axis.scale
    return float(axis.scale * unit) if fits and unit else None
