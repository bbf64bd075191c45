"""Tracks as a geff (graph exchange file format), readable by geff itself and its friends."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.tracks import Tracks, no_candidates
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.property_keys import changed, property_keys, property_names

_EXTRA = "napari-cellcycle"
_CANDIDATES = "candidates"
_RAW = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"} | {
    "float32",
    "float64",
}


def write_geff(
    tracks: Tracks,
    path: Path,
    *,
    pixel_size: Sequence[float],
    frame_interval: float,
    codes: Mapping[str, Sequence[str]] | None = None,
    labels: str | None = None,
) -> None:
    """Write tracks to a new folder: a node per cell (its id is `cell_id`), an edge per link.

    Every column becomes a property, whose key is its name where a folder can be called so. Text
    columns are stored as whole numbers, -1 for missing, whose meaning stands in the metadata
    under `extra`, as do the names of properties with other keys, and the pairs of cells that the
    user said are no link. The property `track_id` is added for other software.

    Parameters
    ----------
    pixel_size, frame_interval
        Micrometres along [z,] y, x and seconds, for the metadata.
    codes
        Preferred order of the values of a text column, such as the stages; others follow.
    labels
        Path of the masks relative to `path`, for the metadata.

    Raises
    ------
    CannotWrite
        What was written cannot be read again.
    """
    from geff.core_io import write_arrays

    cells = tracks.cells
    stored = cells if "track_id" in cells else cells.assign(track_id=tracks.track_id)
    first = ["frame", "label", *tracks.axes, "track_id"]
    keys = property_keys([*first, *map(str, stored)]), property_keys(map(str, tracks.links))
    nodes, node_notes = _encode(stored, codes or {}, keys[0])
    edges, edge_notes = _encode(tracks.links.drop(columns=["parent", "child"]), {}, keys[1])
    extra = {
        "cells": {**node_notes, "columns": list(map(str, cells.columns))},
        "links": {**edge_notes, "columns": list(map(str, tracks.links.columns))},
        "index": [str(cells.index.dtype), cells.index.name],
        "ends": [str(tracks.links[name].dtype) for name in ("parent", "child")],
        "rejected": tracks.rejected[["parent", "child"]].to_numpy().tolist(),
    }
    metadata = _metadata(tracks, pixel_size, frame_interval, labels, extra)
    metadata.node_props_metadata, metadata.edge_props_metadata = map(property_names, keys)
    ids = cells.index.to_numpy().astype(np.uint64)
    ends = tracks.links[["parent", "child"]].to_numpy().astype(np.uint64).reshape(-1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_arrays(path, ids, nodes, ends, edges, metadata, structure_validation=False)
    _write_candidates(tracks.candidates, path)
    _check_written(path, tracks)


def read_geff(path: Path) -> Tracks:
    """Read tracks written by `write_geff`: same columns, types, order and ids.

    Raises
    ------
    BadInput
        Not such a folder, or damaged.
    """
    try:
        found = _opened(path).build()
        cells, links = _tables(found)
        rejected_pairs = found["metadata"].extra[_EXTRA].get("rejected", [])
        pairs = np.array(rejected_pairs, np.int64).reshape(-1, 2)
        rejected = pd.DataFrame(pairs, columns=["parent", "child"])
        return Tracks(cells, links, rejected, _read_candidates(path))
    except Exception as error:
        raise BadInput(
            f"The tracks in {path} cannot be read ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]}): restore that folder from a copy."
        ) from error


def _opened(path: Path) -> Any:
    """The geff as `geff` reads it, its properties found but not loaded yet."""
    from geff import GeffReader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = GeffReader(path, validate=False)
        reader.read_node_props()
        reader.read_edge_props()
    return reader


def _tables(found: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells and links of a geff that was written here."""
    extra = found["metadata"].extra[_EXTRA]
    dtype, name = extra["index"]
    index = pd.Index(found["node_ids"].astype(dtype), name=name)
    cells = _decode(found["node_props"], extra["cells"], index)
    ends = {
        end: found["edge_ids"][:, place].astype(extra["ends"][place])
        for place, end in enumerate(("parent", "child"))
    }
    rows = pd.RangeIndex(len(found["edge_ids"]))
    return cells, _decode(found["edge_props"], extra["links"], rows, ends)


def _check_written(path: Path, tracks: Tracks) -> None:
    """Raise `CannotWrite` unless all columns, in full length, can be read; no value is."""
    try:
        reader = _opened(path)
        lengths = [
            {part["values"].shape[0] for part in props.values()} | {ids.shape[0]}
            for props, ids in ((reader.node_props, reader.nodes), (reader.edge_props, reader.edges))
        ]
        none = [np.zeros(ids.shape[0], bool) for ids in (reader.nodes, reader.edges)]
        found = [list(table) for table in _tables(reader.build(*none))]
        wanted = [list(map(str, table)) for table in (tracks.cells, tracks.links)]
        if (lengths, found) != ([{len(tracks)}, {len(tracks.links)}], wanted):
            raise ValueError("it holds other columns or fewer rows")
    except Exception as error:
        raise CannotWrite(
            f"The tracks were written to {path}, but cannot be read from there again "
            f"({type(error).__name__}: {' '.join(str(error).split())[:120]}), and what was there "
            "before is untouched: choose another folder or disk, and please report this."
        ) from error


def _write_candidates(candidates: pd.DataFrame, path: Path) -> None:
    """Add what the tracker thought of links as a group that other readers pass over."""
    import zarr

    group = zarr.open_group(path, mode="a").require_group(_CANDIDATES)
    for name in no_candidates():
        group.create_array(str(name), data=candidates[name].to_numpy(), overwrite=True)


def _read_candidates(path: Path) -> pd.DataFrame:
    import zarr

    root = zarr.open_group(path, mode="r")
    if _CANDIDATES not in root:
        return no_candidates()
    group: Any = root[_CANDIDATES]
    return pd.DataFrame({str(name): group[name][:] for name in no_candidates()})


def _metadata(
    tracks: Tracks,
    pixel_size: Sequence[float],
    frame_interval: float,
    labels: str | None,
    extra: dict[str, Any],
) -> Any:
    from geff_spec import Axis, GeffMetadata, RelatedObject

    axes = [
        Axis(
            name="frame",
            type="time",
            unit="frame",
            scale=float(frame_interval),
            scaled_unit="second",
        )
    ]
    for axis, size in zip(tracks.axes, pixel_size[-len(tracks.axes) :], strict=False):
        axes.append(
            Axis(
                name=axis,
                type="space",
                unit="pixel",
                scale=float(size),
                scaled_unit="micrometer",
            )
        )
    related = [RelatedObject(type="labels", path=labels, node_prop="label")] if labels else None
    return GeffMetadata(
        directed=True,
        axes=axes,
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "track_id"},
        related_objects=related,
        extra={_EXTRA: extra},
    )


def _encode(
    table: pd.DataFrame, codes: Mapping[str, Sequence[str]], keys: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turn columns into arrays that geff can hold, and note what is needed to go back."""
    props: dict[str, Any] = {}
    notes: dict[str, Any] = {"dtypes": {}, "values": {}, "categories": {}, "ordered": []}
    notes["names"] = changed(keys)
    for title, column in table.items():
        name, dtype = str(title), str(column.dtype)
        notes["dtypes"][name] = dtype
        missing = None
        if dtype in _RAW:
            values = column.to_numpy()
        elif pd.api.types.is_numeric_dtype(column.dtype):
            missing = column.isna().to_numpy()
            kind = np.float64 if pd.api.types.is_float_dtype(column.dtype) else np.int64
            values = column.to_numpy(kind, na_value=0)
            missing = missing if missing.any() else None
        else:
            values, notes["values"][name] = _coded(column, codes.get(name, ()))
            if isinstance(column.dtype, pd.CategoricalDtype):
                notes["categories"][name] = str(column.dtype.categories.dtype)
                notes["ordered"] += [name] if column.dtype.ordered else []
        props[keys[name]] = {"values": np.ascontiguousarray(values), "missing": missing}
    return props, notes


def _coded(column: pd.Series, preferred: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.int16), column.cat.categories.tolist()
    present = column.dropna().unique().tolist()
    names = [*preferred, *sorted(set(present) - set(preferred), key=str)]
    codes = pd.Index(names, dtype=object).get_indexer(column.astype(object))
    return codes.astype(np.int32), names


def _decode(
    props: Mapping[str, Any],
    notes: Mapping[str, Any],
    index: pd.Index,
    ready: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    keys = {name: key for key, name in notes.get("names", {}).items()}
    for name in notes["columns"]:
        if ready is not None and name in ready:
            columns[name] = ready[name]
            continue
        prop = props[keys.get(name, name)]
        values, missing = prop["values"], prop["missing"]
        columns[name] = _restored(
            np.asarray(values),
            missing,
            notes["dtypes"][name],
            notes["values"].get(name),
        )
        if name in notes["categories"]:
            known = pd.Index(notes["values"][name], dtype=notes["categories"][name])
            kind = pd.CategoricalDtype(known, name in notes["ordered"])
            columns[name] = pd.Categorical.from_codes(np.asarray(values).tolist(), dtype=kind)
    return pd.DataFrame(columns, index=index, columns=notes["columns"])


def _restored(
    values: np.ndarray, missing: np.ndarray | None, dtype: str, names: list | None
) -> Any:
    if dtype == "category":
        return None
    if names is not None:
        lookup = np.array([*names, None], dtype=object)
        return pd.array(lookup[values], dtype="object" if dtype == "object" else dtype)
    if dtype in _RAW:
        return values.astype(dtype, copy=False)
    restored: Any = pd.Series(values).astype(pd.api.types.pandas_dtype(dtype)).array
    if missing is not None:
        restored[np.asarray(missing, bool)] = pd.NA
    return restored
