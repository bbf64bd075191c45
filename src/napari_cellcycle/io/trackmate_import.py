"""Tracks from a TrackMate file (XML): one of Fiji's, or one that `trackmate` wrote."""

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
import pandas as pd

from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.calibration import MICROMETRES, SECONDS
from napari_cellcycle.io.foreign import Foreign, checked_ids, checked_places, grown, whole_frames
from napari_cellcycle.io.trackmate import OWN

_BATCH = 20_000
_CODES = re.compile(r"^(.*?) (\[.*\])$", re.DOTALL)
_NOT_MEASURED = {
    "ID", "name", "FRAME", "POSITION_X", "POSITION_Y", "POSITION_Z", "POSITION_T", "VISIBILITY",
    "QUALITY", "RADIUS", "ROI_N_POINTS", "MANUAL_COLOR", "MANUAL_SPOT_COLOR",
}  # fmt: skip
"""What stands on a spot and is no measurement of the cell."""


def read_trackmate(path: str | Path) -> Foreign:
    """Read the spots and edges that TrackMate shows: filtered tracks, and spots of no track.

    Places become pixels by the pixel size in the file. The cost of a link only ranks it where
    not all can be kept: its score is 1, unless the file came from here. Cells and links that
    were added to such a file in TrackMate are the user's.

    Raises
    ------
    BadInput
        No such file, no TrackMate file, or a damaged one.
    """
    path = Path(path).expanduser()
    found = _Document(path)
    found.parse()
    spots, edges = found.spots.table(), found.edges.table()
    cells, sizes = _cells(found, spots)
    links = _links(found, edges)
    hidden = _hidden(found, spots, edges)
    kept = cells[~hidden]
    here = links["track"].isin(found.filtered) if found.filtered is not None else True
    links = links[here & ~links[["parent", "child"]].isin(cells.index[hidden]).any(axis=1)]
    ours = any(key.startswith(OWN) for key in found.meaning["Edge"]) and "score" in links
    ranked = links.drop(columns="track")
    if not ours:
        cost = ranked["cost"].fillna(np.inf) if "cost" in ranked else 0.0
        ranked = ranked.assign(score=-cost)
    tracks, left_out = grown(kept, ranked.drop(columns="cost", errors="ignore"))
    if not ours:
        tracks = replace(tracks, links=tracks.links.assign(score=1.0))
    left_out |= {"hidden": int(hidden.sum()), "outlines": found.outlines}
    interval = found.number("timeinterval")
    unit = SECONDS.get(found.units[1])
    return Foreign(
        tracks,
        None if sizes is None else sizes[-len(tracks.axes) :],
        interval * unit if interval and unit else None,
        found.movie(),
        stage_names=found.stage_names(),
        left_out={name: count for name, count in left_out.items() if count},
    )


class _Rows:
    """Attributes of elements, gathered in batches so that few are held as text."""

    def __init__(self) -> None:
        self._raw: list[dict[str, Any]] = []
        self._parts: list[pd.DataFrame] = []
        self.count = 0

    def add(self, attributes: dict[str, Any]) -> None:
        self._raw.append(attributes)
        self.count += 1
        if len(self._raw) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        table = pd.DataFrame(self._raw)
        numbers = {
            name: pd.to_numeric(table[name], errors="coerce") for name in table if name != "name"
        }
        self._parts.append(pd.DataFrame(numbers, index=table.index))
        self._raw = []

    def table(self) -> pd.DataFrame:
        """All rows as numbers; what is no number is missing."""
        if self._raw or not self._parts:
            self._flush()
        return pd.concat(self._parts, ignore_index=True)


class _Document:
    """What stands in a TrackMate file, gathered while it is parsed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spots, self.edges = _Rows(), _Rows()
        self.meaning: dict[str, dict[str, tuple[str, list[Any] | None]]] = {"Spot": {}, "Edge": {}}
        self.filtered: set[int] | None = None
        self.image: dict[str, str] = {}
        self.units = ("", "")
        self.outlines = 0
        self._section, self._frame, self._track, self._root = "", "", "", ""

    def parse(self) -> None:
        """Read the file; `BadInput` if it is none of TrackMate's."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        try:
            with self.path.open("rb") as file:
                parser.ParseFile(file)
        except OSError as error:
            raise BadInput(
                f"{self.path} cannot be read ({error.strerror or error}); check the path."
            ) from error
        except expat.ExpatError as error:
            raise BadInput(
                f"{self.path} is damaged or no XML file ({error}): save it anew in TrackMate."
            ) from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._root:
            self._root = name
            if name != "TrackMate":
                raise BadInput(
                    f"{self.path} is an XML file of another kind: it begins with <{name}>, but "
                    "<TrackMate> is expected; save it in TrackMate ('Save', not 'Export tracks')."
                )
        if name == "Spot":
            attributes.setdefault("FRAME", self._frame)
            self.outlines += "ROI_N_POINTS" in attributes
            self.spots.add(attributes)
        elif name == "Edge":
            self.edges.add({**attributes, "track": self._track})
        elif name == "SpotsInFrame":
            self._frame = attributes.get("frame", "")
        elif name == "Track":
            self._track = attributes.get("TRACK_ID", "")
        elif name == "Feature":
            self._declare(attributes)
        elif name in ("SpotFeatures", "EdgeFeatures", "TrackFeatures"):
            self._section = name.removesuffix("Features")
        elif name == "FilteredTracks":
            self.filtered = set()
        elif name == "TrackID" and self.filtered is not None:
            with suppress(ValueError):
                self.filtered.add(int(attributes.get("TRACK_ID", "")))
        elif name == "ImageData":
            self.image = attributes
        elif name == "Model":
            self.units = (
                attributes.get("spatialunits", "").lower(),
                attributes.get("timeunits", "").lower(),
            )

    def _declare(self, attributes: dict[str, str]) -> None:
        key, name = attributes.get("feature", ""), attributes.get("name", "")
        if self._section not in self.meaning or not key.startswith(OWN):
            return
        codes = None
        matched = _CODES.match(name)
        if matched and attributes.get("isint") == "true":
            with suppress(ValueError):
                codes, name = json.loads(matched[2]), matched[1]
        self.meaning[self._section][key] = (name, codes)

    def number(self, name: str) -> float | None:
        """A positive number of the image's description."""
        with suppress(KeyError, ValueError):
            value = float(self.image[name])
            return value if np.isfinite(value) and value > 0 else None
        return None

    def stage_names(self) -> tuple[str, ...]:
        """What the codes of stages mean, those that no cell has among them."""
        codes = dict(self.meaning["Spot"].values()).get("stage") or []
        return tuple(name for name in map(str, codes) if name)

    def movie(self) -> str | None:
        """Where the file says that its movie is."""
        name = self.image.get("filename", "")
        folder = self.image.get("folder", "")
        if name in ("", "None"):
            return None
        return str(Path(folder) / name) if folder not in ("", "None") else name


def _cells(found: _Document, spots: pd.DataFrame) -> tuple[pd.DataFrame, tuple[float, ...] | None]:
    """The spots as cells in pixels, and the pixel size in micrometres along z, y, x."""
    for name in ("ID", "FRAME", "POSITION_X", "POSITION_Y"):
        if len(spots) and name not in spots:
            raise BadInput(
                f"The spots in {found.path} have no {name}, but ID, FRAME, POSITION_X and "
                "POSITION_Y are expected: save the file anew in TrackMate."
            )
    spots = spots.reindex(columns=[*spots.columns.union(["ID", "FRAME"]), *_absent(spots)])
    index = pd.Index(checked_ids(spots["ID"], found.path), name="cell_id")
    in_3d = (found.number("nslices") or 1) > 1 or bool(spots["POSITION_Z"].fillna(0).any())
    pixel = {"x": "pixelwidth", "y": "pixelheight", "z": "voxeldepth"}
    step = {axis: found.number(name) or 1.0 for axis, name in pixel.items()}
    columns: dict[str, Any] = {"frame": whole_frames(spots["FRAME"], found.path)}
    for axis in ("z", "y", "x")[not in_3d :]:
        columns[axis] = spots[f"POSITION_{axis.upper()}"].to_numpy(np.float64) / step[axis]
    for key, (name, codes) in found.meaning["Spot"].items():
        column = spots.get(key, pd.Series(np.nan, spots.index))
        columns[name] = _decoded(column, name, codes)
    foreign = [k for k in spots if k not in _NOT_MEASURED and not str(k).startswith(OWN)]
    columns |= {str(key): spots[key].to_numpy() for key in foreign if str(key) not in columns}
    cells = pd.DataFrame({k: getattr(v, "array", v) for k, v in columns.items()}, index=index)
    checked_places(cells, found.path)
    unit = MICROMETRES.get(found.units[0])
    sizes = tuple(step[axis] * unit for axis in "zyx") if unit and found.image else None
    return cells, sizes


def _absent(spots: pd.DataFrame) -> list[str]:
    return [n for n in ("POSITION_X", "POSITION_Y", "POSITION_Z") if n not in spots]


def _decoded(column: pd.Series, name: str, codes: list[Any] | None) -> Any:
    """The column as it was, of numbers or of text; who decided is the user where it is new."""
    if codes is None:
        whole = column.notna().all() and np.isfinite(column).all() and (column % 1 == 0).all()
        integer = whole and column.abs().max() < 2**53 and column.dtype.kind in "iu"
        return column.astype(np.int64) if integer else column
    place = column.fillna(-1).astype(np.int64).to_numpy()
    place = np.where((place < 0) | (place >= len(codes)), -1, place)
    if codes and all(isinstance(value, bool) for value in codes):
        return np.array([*codes, False])[place]
    absent = {"by": BY_USER, "pinned": ""}.get(name)
    return np.array([*codes, absent], dtype=object)[place]


def _links(found: _Document, edges: pd.DataFrame) -> pd.DataFrame:
    if not found.edges.count:
        return pd.DataFrame({"parent": [], "child": [], "track": []}, dtype=np.int64)
    ends = {"parent": "SPOT_SOURCE_ID", "child": "SPOT_TARGET_ID"}
    for name in ends.values():
        if name not in edges or edges[name].isna().any():
            raise BadInput(
                f"An edge in {found.path} has no {name}: save the file anew in TrackMate."
            )
    columns: dict[str, Any] = {end: edges[name].astype(np.int64) for end, name in ends.items()}
    columns["track"] = edges["track"].fillna(-1).astype(np.int64)
    for key, (name, codes) in found.meaning["Edge"].items():
        column = edges.get(key, pd.Series(np.nan, edges.index))
        columns[name] = _decoded(column, name, codes)
    if "score" in columns:
        columns["score"] = columns["score"].fillna(1.0)
    if "LINK_COST" in edges:
        columns["cost"] = edges["LINK_COST"]
    return pd.DataFrame({k: getattr(v, "array", v) for k, v in columns.items()})


def _hidden(found: _Document, spots: pd.DataFrame, edges: pd.DataFrame) -> np.ndarray:
    """Whether TrackMate's filters take a spot away: itself, or the track that it is in."""
    if not len(spots):
        return np.zeros(0, bool)
    unseen = (spots["VISIBILITY"] == 0) if "VISIBILITY" in spots else spots["ID"].isna()
    if found.filtered is None or not found.edges.count:
        return np.asarray(unseen)
    shown = edges["track"].isin(found.filtered)
    ends = ["SPOT_SOURCE_ID", "SPOT_TARGET_ID"]
    inside = spots["ID"].isin(edges.loc[shown, ends].to_numpy().ravel())
    outside = spots["ID"].isin(edges.loc[~shown, ends].to_numpy().ravel())
    return np.asarray((unseen | outside) & ~inside)
