"""Tracks as a TrackMate file (XML), which Fiji opens and `trackmate_import` reads back.

A spot is a cell in one frame and has its `cell_id`; an edge is a link. What TrackMate has no
word for (labels, stages, chances, measurements, scores) stands beside its own features under names
that begin with CC_, declared as TrackMate declares its own, so that it shows them, can colour by
them, and keeps them when it saves. It knows numbers only: text is a code, whose meaning stands in
the name of the feature, as in 'stage ["interphase", "prophase"]'.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.foreign import rows_of, tidied
from napari_cellcycle.io.storage import replace_file, writing_to

OWN = "CC_"
"""How the features begin that are not TrackMate's own."""

LARGEST_SPOT = 2**31 - 1
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_SPOT = (
    ("QUALITY", "Quality", "Quality", "QUALITY", False),
    ("POSITION_X", "X", "X", "POSITION", False),
    ("POSITION_Y", "Y", "Y", "POSITION", False),
    ("POSITION_Z", "Z", "Z", "POSITION", False),
    ("POSITION_T", "T", "T", "TIME", False),
    ("FRAME", "Frame", "Frame", "NONE", True),
    ("RADIUS", "Radius", "R", "LENGTH", False),
    ("VISIBILITY", "Visibility", "Visibility", "NONE", True),
)
_EDGE = (
    ("SPOT_SOURCE_ID", "Source spot ID", "Source ID", "NONE", True),
    ("SPOT_TARGET_ID", "Target spot ID", "Target ID", "NONE", True),
    ("LINK_COST", "Edge cost", "Cost", "COST", False),
    ("EDGE_TIME", "Edge time", "Edge T", "TIME", False),
)
_TRACK = (
    ("TRACK_INDEX", "Track index", "Index", "NONE", True),
    ("TRACK_ID", "Track ID", "ID", "NONE", True),
    ("NUMBER_SPOTS", "Number of spots in track", "N spots", "NONE", True),
    ("NUMBER_GAPS", "Number of gaps", "N gaps", "NONE", True),
    ("NUMBER_SPLITS", "Number of split events", "N splits", "NONE", True),
    ("TRACK_DURATION", "Track duration", "Duration", "TIME", False),
    ("TRACK_START", "Track start", "Track start", "TIME", False),
    ("TRACK_STOP", "Track stop", "Track stop", "TIME", False),
)


def write_trackmate(
    experiment: Experiment, path: str | Path, radius: np.ndarray | None = None
) -> None:
    """Write cells and links as a TrackMate file, whole or not at all.

    Parameters
    ----------
    radius
        Of each cell, in micrometres, for TrackMate to draw; five pixels if not given.

    Raises
    ------
    BadInput
        There are no tracks yet, or a cell has an id above 2,147,483,647.
    CannotWrite
        The disk refuses; what `path` held is still there.
    """
    path = Path(path).expanduser()
    tracks = experiment.tracks
    if tracks is None:
        raise BadInput("There are no tracks yet for TrackMate to hold: track the cells first.")
    if len(tracks) and tracks.cells.index.max() > LARGEST_SPOT:
        raise BadInput(
            f"A cell has the id {tracks.cells.index.max():,}, but TrackMate's go up to "
            f"{LARGEST_SPOT:,}: write another format."
        )
    if radius is None:
        radius = np.full(len(tracks), 5.0 * experiment.movie.pixel_size[-1])
    text = "\n".join(_document(experiment.movie, tracks, radius, experiment.stages.names))
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text + "\n")


def carried_cells(tracks: Tracks) -> list[str]:
    """Columns of cells that become features of spots beside their frame and place."""
    return [str(name) for name in tracks.cells if name not in ("frame", *tracks.axes)]


def carried_links(tracks: Tracks) -> list[str]:
    """Columns of links that become features of edges."""
    return [str(name) for name in tracks.links if name not in ("parent", "child")]


def _document(
    movie: Movie, tracks: Tracks, radius: np.ndarray, stages: tuple[str, ...]
) -> Iterable[str]:
    spot_keys, edge_keys = _keys(carried_cells(tracks)), _keys(carried_links(tracks))
    spots = {
        name: _coded(tracks.cells[name], stages if name in ("stage", "pinned") else ())
        for name in spot_keys
    }
    edges = {name: _coded(tracks.links[name]) for name in edge_keys}
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<TrackMate version="7.14.0">'
    yield "<Log>Written by napari-cellcycle.</Log>"
    yield '<Model spatialunits="micron" timeunits="sec">'
    yield "<FeatureDeclarations>"
    yield from _declared("SpotFeatures", _SPOT, spot_keys, spots)
    yield from _declared("EdgeFeatures", _EDGE, edge_keys, edges)
    yield from _declared("TrackFeatures", _TRACK, {}, {})
    yield "</FeatureDeclarations>"
    yield from _spots(movie, tracks, radius, {spot_keys[n]: spots[n][0] for n in spots})
    yield from _tracks(movie, tracks, {edge_keys[n]: edges[n][0] for n in edges})
    yield "</Model>"
    yield from _settings(movie)
    yield '<GUIState state="ConfigureViews"/>'
    yield "</TrackMate>"


def _keys(names: list[str]) -> dict[str, str]:
    """A feature for each column, in TrackMate's way of naming, each once."""
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = OWN + (re.sub(r"[^A-Z0-9]+", "_", name.upper(), flags=re.ASCII).strip("_") or "X")
        key, number = plain, 2
        while key in taken:
            key, number = f"{plain}_{number}", number + 1
        taken.add(key)
        keys[name] = key
    return keys


def _coded(
    column: pd.Series, preferred: tuple[str, ...] = ()
) -> tuple[list[str | None], bool, list[Any] | None]:
    """Values as written (`None`: missing), whether they are whole numbers, what codes mean."""
    column = tidied(column)
    missing = column.isna().to_numpy()
    if pd.api.types.is_bool_dtype(column.dtype):
        codes = np.where(missing, -1, column.astype("boolean").fillna(False).to_numpy(bool))
        return _written(codes, missing), True, [False, True]
    if pd.api.types.is_integer_dtype(column.dtype):
        return _written(column.to_numpy(np.int64, na_value=0), missing), True, None
    if pd.api.types.is_float_dtype(column.dtype):
        single = column.dtype in (np.float16, np.float32)
        values = column.to_numpy(np.float64, na_value=np.nan).tolist()
        texts = [f"{v:.9g}" for v in values] if single else map(repr, values)
        return (
            [None if gone else _java(t) for t, gone in zip(texts, missing, strict=True)],
            False,
            None,
        )
    text = column.astype(object).where(~missing, "").map(str)
    present = sorted(set(text[~missing]) - {""})
    names = [*preferred, *(name for name in present if name not in preferred)]
    gone = missing | (text == "").to_numpy() if column.name == "pinned" else missing
    if (text[~gone] == "").any():
        names.append("")
    return _written(pd.Index(names, dtype=object).get_indexer(pd.Index(text)), gone), True, names


def _written(numbers: np.ndarray, missing: np.ndarray) -> list[str | None]:
    return [None if m else str(n) for n, m in zip(numbers.tolist(), missing, strict=True)]


def _java(text: str) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity"}.get(text, text)


def _declared(
    section: str,
    known: tuple[tuple[str, str, str, str, bool], ...],
    keys: dict[str, str],
    columns: dict[str, tuple[list[str | None], bool, list[Any] | None]],
) -> Iterable[str]:
    yield f"<{section}>"
    own = (
        (keys[name], _meaning(name, codes), _plain(name)[:20], "NONE", whole)
        for name, (_, whole, codes) in columns.items()
    )
    for key, name, short, dimension, whole in (*known, *own):
        yield (
            f'<Feature feature="{key}" name={quoteattr(name)} shortname={quoteattr(short)} '
            f'dimension="{dimension}" isint="{str(whole).lower()}"/>'
        )
    yield f"</{section}>"


def _meaning(name: str, codes: list[Any] | None) -> str:
    if codes is None:
        return _plain(name)
    text = json.dumps(codes, ensure_ascii=False)
    return _plain(name) + " " + (json.dumps(codes) if _ILLEGAL.search(text) else text)


def _plain(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _ILLEGAL.sub("", text)


def _attribute(key: str, values: Iterable[str | None]) -> list[str]:
    return ["" if value is None else f' {key}="{value}"' for value in values]


def _numbers(values: np.ndarray) -> list[str]:
    return list(map(repr, values.tolist()))


def _spots(
    movie: Movie, tracks: Tracks, radius: np.ndarray, own: dict[str, list[str | None]]
) -> Iterable[str]:
    cells = tracks.cells
    size = dict(zip("zyx"[-movie.ndim :], movie.pixel_size, strict=True))
    place = {axis: cells[axis].to_numpy(np.float64) * size.get(axis, 1.0) for axis in tracks.axes}
    place.setdefault("z", np.zeros(len(cells)))
    frame = cells["frame"].to_numpy(np.int64)
    track = tracks.track_id.to_numpy()
    stage = cells["stage"].astype(object) if "stage" in cells else pd.Series("", cells.index)
    names = [
        quoteattr(f"{number} {_plain(str(word))}".strip())
        for number, word in zip(track.tolist(), stage.where(stage.notna(), ""), strict=True)
    ]
    parts = [
        _attribute("ID", _numbers(cells.index.to_numpy())),
        [f" name={name}" for name in names],
        _attribute("QUALITY", ["1.0"] * len(cells)),
        _attribute("POSITION_X", _numbers(place["x"])),
        _attribute("POSITION_Y", _numbers(place["y"])),
        _attribute("POSITION_Z", _numbers(place["z"])),
        _attribute("POSITION_T", _numbers(frame * movie.frame_interval)),
        _attribute("FRAME", _numbers(frame)),
        _attribute("RADIUS", _numbers(np.asarray(radius, np.float64))),
        _attribute("VISIBILITY", ["1"] * len(cells)),
        *(_attribute(key, values) for key, values in own.items()),
    ]
    lines = ["<Spot" + "".join(row) + "/>" for row in zip(*parts, strict=True)]
    order = np.argsort(frame, kind="stable")
    frames, starts = np.unique(frame[order], return_index=True)
    yield f'<AllSpots nspots="{len(cells)}">'
    groups = np.split(order, starts[1:]) if len(frames) else []
    for time, rows in zip(frames.tolist(), groups, strict=True):
        yield f'<SpotsInFrame frame="{time}">'
        yield from (lines[row] for row in rows)
        yield "</SpotsInFrame>"
    yield "</AllSpots>"


def _tracks(movie: Movie, tracks: Tracks, own: dict[str, list[str | None]]) -> Iterable[str]:
    links, frame = tracks.links, tracks.cells["frame"]
    parent, child = links["parent"].to_numpy(), links["child"].to_numpy()
    begin, end = frame.loc[parent].to_numpy(), frame.loc[child].to_numpy()
    score = pd.to_numeric(links["score"], errors="coerce").fillna(1.0).to_numpy(np.float64)
    parts = [
        _attribute("SPOT_SOURCE_ID", _numbers(parent)),
        _attribute("SPOT_TARGET_ID", _numbers(child)),
        _attribute("LINK_COST", _numbers(np.maximum(1.0 - score, 0.0))),
        _attribute("EDGE_TIME", _numbers((begin + end) / 2 * movie.frame_interval)),
        *(_attribute(key, values) for key, values in own.items()),
    ]
    lines = ["<Edge" + "".join(row) + "/>" for row in zip(*parts, strict=True)]
    lineage, facts = _lineages(tracks)
    order = np.argsort(lineage, kind="stable")
    numbers, starts = np.unique(lineage[order], return_index=True)
    yield "<AllTracks>"
    groups = np.split(order, starts[1:]) if len(numbers) else []
    for index, (number, rows) in enumerate(zip(numbers, groups, strict=True)):
        fact = facts.loc[number]
        start, stop = (float(fact[n]) * movie.frame_interval for n in ("start", "stop"))
        splits = int((np.unique(parent[rows], return_counts=True)[1] == 2).sum())
        yield (
            f'<Track name="Lineage {int(fact["founder"])}" TRACK_INDEX="{index}" '
            f'TRACK_ID="{index}" NUMBER_SPOTS="{int(fact["spots"])}" '
            f'NUMBER_GAPS="{int((end[rows] - begin[rows] > 1).sum())}" '
            f'NUMBER_SPLITS="{splits}" TRACK_DURATION="{stop - start!r}" '
            f'TRACK_START="{start!r}" TRACK_STOP="{stop!r}">'
        )
        yield from (lines[row] for row in rows)
        yield "</Track>"
    yield "</AllTracks>"
    yield "<FilteredTracks>"
    yield from (f'<TrackID TRACK_ID="{index}"/>' for index in range(len(numbers)))
    yield "</FilteredTracks>"


def _lineages(tracks: Tracks) -> tuple[np.ndarray, pd.DataFrame]:
    """The lineage of each link, and by lineage its first and last frame, cells and founder."""
    cells, n = tracks.cells, len(tracks.cells)
    rows = rows_of(cells, tracks.links)
    graph = coo_array((np.ones(len(rows)), (rows[:, 0], rows[:, 1])), shape=(n, n))
    lineage = connected_components(graph, directed=False)[1] if n else np.empty(0, np.int64)
    table = pd.DataFrame(
        {"frame": cells["frame"].to_numpy(), "track": tracks.track_id.to_numpy()}
    ).assign(lineage=lineage)
    table = table.sort_values("frame", kind="stable")
    facts = table.groupby("lineage").agg(
        start=("frame", "min"),
        stop=("frame", "max"),
        spots=("frame", "size"),
        founder=("track", "first"),
    )
    return lineage[rows[:, 0]], facts


def _settings(movie: Movie) -> Iterable[str]:
    sizes = dict(zip("zyx"[-movie.ndim :], movie.pixel_size, strict=True))
    shape = dict(zip("zyx"[-movie.ndim :], movie.frame_shape, strict=True))
    source = None if movie.source is None else Path(movie.source)
    name = "" if source is None else _plain(source.name)
    folder = "" if source is None else _plain(str(source.parent))
    depth = shape.get("z", 1)
    yield "<Settings>"
    yield (
        f"<ImageData filename={quoteattr(name)} folder={quoteattr(folder)} "
        f'width="{shape["x"]}" height="{shape["y"]}" nslices="{depth}" nframes="{len(movie)}" '
        f'pixelwidth="{sizes["x"]!r}" pixelheight="{sizes["y"]!r}" '
        f'voxeldepth="{sizes.get("z", 1.0)!r}" timeinterval="{float(movie.frame_interval)!r}"/>'
    )
    yield (
        f'<BasicSettings xstart="0" xend="{shape["x"] - 1}" ystart="0" yend="{shape["y"] - 1}" '
        f'zstart="0" zend="{depth - 1}" tstart="0" tend="{len(movie) - 1}"/>'
    )
    yield '<DetectorSettings DETECTOR_NAME="MANUAL_DETECTOR" RADIUS="5.0"/>'
    yield '<InitialSpotFilter feature="QUALITY" value="0.0" isabove="true"/>'
    yield "<SpotFilterCollection/>"
    yield '<TrackerSettings TRACKER_NAME="MANUAL_TRACKER"/>'
    yield "<TrackFilterCollection/>"
    yield "<AnalyzerCollection><SpotAnalyzers/><EdgeAnalyzers/><TrackAnalyzers/>"
    yield "</AnalyzerCollection>"
    yield "</Settings>"
