"""Tracks as a plain geff, whose properties any reader of that format can use as they are.

The geff in an experiment folder (`geff`) keeps everything in the form that opens fastest; this
one is for other programs: text is text, and names are those that they look for.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.foreign import tidied
from napari_cellcycle.io.geff import _EXTRA
from napari_cellcycle.io.property_keys import changed, property_keys, property_names
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.io.storage import replaced_folder, writing_to

RENAMED = {"frame": "t", "label": "seg_id"}
"""Columns of cells that other programs know by another name."""

ADDED = ("track_id", "lineage_id")
"""Properties of cells that follow from the links."""

SOLUTION = "solution"
"""What a graph of candidates calls the property that says which of them were chosen."""

_OWN = r"zarr\.json|\.zattrs|\.zgroup|\.zmetadata|nodes|edges"
"""What a geff consists of."""


def write_plain_geff(experiment: Experiment, path: str | Path) -> None:
    """Write cells and links as a new geff folder, whole or not at all.

    A node is a cell in one frame and its id is `cell_id`; its properties are `t`, [`z`,] `y`,
    `x` in pixels (micrometres and seconds stand in the metadata), `seg_id` (its value in the
    masks), `track_id` (one cell from birth to division), `lineage_id`, and every other column;
    one that has such a name of its own gets a number (`t_2`). Edges have `score` and `by`.
    Rejected links, what was confirmed, what is known of stages, and the names of columns whose
    properties are called otherwise stand under `extra`.

    Raises
    ------
    BadInput
        There are no tracks yet.
    CannotWrite
        The disk refuses, or `path` holds anything but a geff; it is then as it was.
    """
    from geff.core_io import write_arrays

    path = Path(path).expanduser()
    tracks = experiment.tracks
    if tracks is None:
        raise BadInput("There are no tracks yet for a geff to hold: track the cells first.")
    if path.exists() and not (is_geff(path) or (path.is_dir() and not any(path.iterdir()))):
        raise CannotWrite(
            f"{path} exists and is no geff, and nothing was written: choose a new name."
        )
    cells, links = tracks.cells, tracks.links.drop(columns=["parent", "child"])
    others = map(str, cells.columns.drop([*RENAMED, *tracks.axes]))
    named = property_keys(others, (*RENAMED.values(), *tracks.axes, *ADDED, SOLUTION))
    keys = named | RENAMED | {axis: axis for axis in tracks.axes}
    link_keys = property_keys(map(str, links), [SOLUTION])
    nodes: Any = {keys[str(name)]: _property(column) for name, column in cells.items()}
    nodes["track_id"] = _property(tracks.track_id)
    nodes["lineage_id"] = _property(_founders(tracks.mothers, tracks.track_id))
    edges: Any = {link_keys[str(name)]: _property(column) for name, column in links.items()}
    ids = tracks.cells.index.to_numpy().astype(np.uint64)
    ends = tracks.links[["parent", "child"]].to_numpy().astype(np.uint64).reshape(-1, 2)
    metadata = _metadata(experiment, {"cells": changed(named), "links": changed(link_keys)})
    metadata.node_props_metadata = property_names(named)
    metadata.edge_props_metadata = property_names(link_keys)
    with writing_to(path), replaced_folder(path, _OWN) as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draft.rmdir()  # geff takes any folder that is there for another geff
        write_arrays(draft, ids, nodes, ends, edges, metadata)


def is_geff(path: str | Path) -> bool:
    """Tell whether a folder is a geff."""
    path = Path(path)
    return any(
        (path / name).is_file() and '"geff"' in (path / name).read_text("utf-8", "replace")
        for name in (".zattrs", "zarr.json")
    )


def _founders(mothers: dict[int, int], track: pd.Series) -> pd.Series:
    above = pd.Series(mothers, dtype="Int64")
    founder = pd.Series(track.unique(), track.unique(), dtype="Int64")
    while (known := founder.map(above)).notna().any():
        founder = known.where(known.notna(), founder)
    return track.map(founder).astype(np.int64)


def _property(column: pd.Series) -> dict[str, Any]:
    """Values that geff can hold, and which of them are missing."""
    column = tidied(column)
    missing = column.isna().to_numpy()
    if pd.api.types.is_bool_dtype(column.dtype):
        values = column.astype("boolean").fillna(False).to_numpy(bool)
    elif pd.api.types.is_integer_dtype(column.dtype):
        values = column.to_numpy(np.int64, na_value=0)
    elif pd.api.types.is_float_dtype(column.dtype):
        single = column.dtype == np.float32
        values = column.to_numpy(np.float32 if single else np.float64, na_value=np.nan)
        missing = np.zeros(len(column), bool)
    else:
        values = column.astype(object).where(~missing, "").to_numpy(dtype=str)
    return {"values": values, "missing": missing if missing.any() else None}


def _metadata(experiment: Experiment, names: dict[str, dict[str, str]]) -> Any:
    from geff_spec import Axis, DisplayHint, GeffMetadata

    movie, tracks = experiment.movie, experiment.tracks
    assert tracks is not None
    axes = [
        Axis(
            name="t",
            type="time",
            unit="frame",
            scale=float(movie.frame_interval),
            scaled_unit="second",
        )
    ]
    size = dict(zip("zyx"[-movie.ndim :], movie.pixel_size, strict=True))
    axes += [
        Axis(
            name=axis,
            type="space",
            unit="pixel",
            scale=float(size.get(axis, 1.0)),
            scaled_unit="micrometer",
        )
        for axis in tracks.axes
    ]
    own = {
        "rejected": tracks.rejected[["parent", "child"]].to_numpy().tolist(),
        "confirmed": sorted(map(list, experiment.confirmed)),
        "stages": stages_to_json(experiment.stages),
        "names": names,
    }
    return GeffMetadata(
        directed=True,
        axes=axes,
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "track_id", "lineage": "lineage_id"},
        display_hints=DisplayHint(
            display_horizontal="x",
            display_vertical="y",
            display_depth="z" if "z" in tracks.axes else None,
            display_time="t",
        ),
        extra={_EXTRA: own},
    )
