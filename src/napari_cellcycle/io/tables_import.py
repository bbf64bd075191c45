"""Tracks from a table of cells (CSV) of any program."""

import codecs
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.column_names import recognised
from napari_cellcycle.io.foreign import Foreign, checked_ids, checked_places, grown, whole_frames

_TEXT = ("stage", "pinned", "by", "link_by")
_DERIVED = {
    "track_id", "mother_track", "generation", "lineage", "divides", "frame", "time_min", "label",
    "parent_id", "link_score", "link_by", "x_um", "y_um", "z_um", "x_px", "y_px", "z_px",
}  # fmt: skip
"""Columns of our own table that follow from others, or become something else."""

_NO_NUMBER = ["", "NA", "N/A", "NaN", "nan", "null", "None", "NULL", "<NA>", "#N/A"]
_COMMA_NUMBER = r"\s*[-+]?\d+(,\d+)?([eE][-+]?\d+)?\s*"
_HEADER_ROWS = 3
"""TrackMate's tables have up to so many rows of words below the names of columns."""


def read_cell_table(
    path: str | Path, *, movie: Movie | None = None, columns: Mapping[str, str] | None = None
) -> Foreign:
    """Read one row per cell and frame, with a comma, semicolon or tab between values.

    Needed are a frame and a place, `y` and `x` (`z` in 3D), in pixels or, with the movie, in
    micrometres. Links come from the id of the cell before (`parent`), or else from the track of
    each cell, with the mother's track where there is one. Stages, pinned stages, chances
    `p_<stage>` and measurements are kept.

    Parameters
    ----------
    columns
        Names of columns where they are unusual, by the keys of `column_names.NAMES`.

    Raises
    ------
    BadInput
        No table, a column that is missing, or a value that cannot be what it should be.
    """
    path = Path(path).expanduser()
    table, sign = _read(path, columns)
    names = recognised(table, columns)
    if "frame" not in names:
        raise _lacking(table, "frame", path)
    if "cell_id" not in names and "parent" in names:
        names.setdefault("mother", names.pop("parent"))
    table, units = _without_units(table, names["frame"])
    if sign != ",":
        table = _with_decimal_commas(table, {names[key] for key in _TEXT if key in names})
    cells, sizes = _cells(table, names, units, movie, path)
    links = _links(table, cells, names, path)
    tracks, left_out = grown(cells, links)
    interval = _interval(table, names)
    sizes = None if sizes is None else sizes[-len(tracks.axes) :]
    return Foreign(tracks, sizes, interval, left_out=left_out)


def _read(path: Path, columns: Mapping[str, str] | None) -> tuple[pd.DataFrame, str]:
    """The table as it stands in the file, and the sign between its values."""
    try:
        text = _text(path)
        first, _, rest = text.partition("\n")
        told = re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE)  # Excel's way of saying it
        if told:
            text, first = rest, rest.partition("\n")[0]
        sign = told[1] if told else max(",;\t", key=first.count)
        there = pd.read_csv(StringIO(text), sep=sign, nrows=0).columns
        words = {name for key, name in recognised(there, columns).items() if key in _TEXT}
        missing = {name: [""] if name in words else _NO_NUMBER for name in there}
        table = pd.read_csv(
            StringIO(text),
            sep=sign,
            keep_default_na=False,
            na_values=missing,
            dtype=dict.fromkeys(words, str),
            low_memory=False,
            float_precision="round_trip",
        )
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror or error}); check the path."
        ) from error
    except (UnicodeError, ValueError) as error:
        raise BadInput(
            f"{path} is no table of cells ({' '.join(str(error).split())[:120]}); a CSV file with "
            "one row per cell and frame is expected, names of columns first."
        ) from error
    return table, sign


def _text(path: Path) -> str:
    """What stands in a file, in UTF-8 or in what its first bytes say."""
    raw = path.read_bytes()
    is_wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if is_wide else "utf-8-sig")


def _without_units(table: pd.DataFrame, frame: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table without further header rows, and what these said about each column."""
    numbers = pd.to_numeric(table[frame], errors="coerce")
    words = int(numbers.notna().to_numpy().argmax()) if numbers.notna().any() else 0
    if not 0 < words <= _HEADER_ROWS:
        return table, {}
    said = table.iloc[:words].fillna("").astype(str).agg(" ".join).to_dict()
    rest = table.iloc[words:].reset_index(drop=True)
    return rest.apply(_number_if_all), {str(name): text for name, text in said.items()}


def _with_decimal_commas(table: pd.DataFrame, words: set[str]) -> pd.DataFrame:
    """The table with 10,5 read as 10.5, unless it has numbers with a point as well.

    Only columns of nothing but numbers, and not of `words`, are changed.
    """
    numbers = table.select_dtypes("number")
    values = numbers.to_numpy(np.float64, na_value=np.nan)
    if (np.isfinite(values) & (values != np.floor(values))).any():
        return table
    commas = {}
    for name in table.columns.difference([*numbers.columns, *words]):
        column = table[name].astype("string")
        found = column.dropna().str.fullmatch(_COMMA_NUMBER)
        if len(found) and found.all():
            commas[name] = pd.to_numeric(column.str.replace(",", "."), errors="coerce").astype(
                "float64"
            )
    return table.assign(**commas)


def _number_if_all(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if (numbers.notna() == column.notna()).all() else column


def _cells(
    table: pd.DataFrame,
    names: dict[str, str],
    units: dict[str, str],
    movie: Movie | None,
    path: Path,
) -> tuple[pd.DataFrame, tuple[float, ...] | None]:
    count = len(table)
    ids = (
        checked_ids(table[names["cell_id"]], path)
        if "cell_id" in names
        else np.arange(1, count + 1)
    )
    columns: dict[str, Any] = {"frame": whole_frames(table[names["frame"]], path)}
    sizes: dict[str, float] = {}
    for axis in ("z", "y", "x"):
        place, size = _place(table, names, axis, units, movie, path)
        if place is not None:
            columns[axis] = place
        if size is not None:
            sizes[axis] = size
    for axis in ("y", "x"):
        if axis not in columns:
            raise _lacking(table, axis, path)
    label = names.get("label", names.get("track"))
    if label is not None:
        columns["label"] = pd.to_numeric(table[label], errors="coerce").to_numpy()
    for part in ("stage", "pinned", "by"):
        if part in names:
            values = table[names[part]].astype(object)
            columns[part] = values.where(values.notna(), "" if part == "pinned" else None).array
    taken = {*names.values(), *_DERIVED, *columns}
    columns |= {str(name): table[name].array for name in table if name not in taken}
    cells = pd.DataFrame(columns, index=pd.Index(ids, name="cell_id"))
    checked_places(cells, path)
    whole = {"y", "x"} <= set(sizes) and ("z" in sizes or "z" not in columns)
    return cells, tuple(sizes.get(axis, 1.0) for axis in "zyx") if whole else None


def _place(
    table: pd.DataFrame,
    names: dict[str, str],
    axis: str,
    units: dict[str, str],
    movie: Movie | None,
    path: Path,
) -> tuple[np.ndarray | None, float | None]:
    """Places along an axis in pixels, and micrometres a pixel where the table has both."""
    pixels, micrometres = names.get(axis), names.get(f"{axis}_um")
    if pixels is not None and re.search(r"\((µm|μm|um|microns?)\)", units.get(pixels, "")):
        pixels, micrometres = None, pixels
    um = None if micrometres is None else _numbers(table[micrometres])
    if pixels is not None:
        px = _numbers(table[pixels])
        far = np.abs(px).argmax() if um is not None and len(px) else None
        known = far is not None and um is not None and px[far] > 0 and um[far] > 0
        return px, float(f"{um[far] / px[far]:.6g}") if known and um is not None else None
    if um is None:
        return None, None
    if movie is None:
        raise BadInput(
            f"The places in {path} are in micrometres, and it does not say what a pixel is: give "
            "the movie as well."
        )
    size = dict(zip("zyx"[-movie.ndim :], movie.pixel_size, strict=True))
    return um / size.get(axis, 1.0), None


def _links(
    table: pd.DataFrame, cells: pd.DataFrame, names: dict[str, str], path: Path
) -> pd.DataFrame:
    if "parent" in names:
        parent = pd.to_numeric(table[names["parent"]], errors="coerce").to_numpy(np.float64)
        there = np.isfinite(parent) & np.isin(parent, cells.index)
        asked = np.isfinite(parent) & (parent > 0) & ~there
        links = pd.DataFrame({"parent": parent[there], "child": cells.index[there]})
        strangers = pd.DataFrame({"parent": parent[asked], "child": cells.index[asked]})
        for part, column in (("score", "score"), ("link_by", "by")):
            if part in names:
                links[column] = table[names[part]].to_numpy()[there]
        links = pd.concat([links, strangers], ignore_index=True)
        if "score" in links:
            links["score"] = pd.to_numeric(links["score"], errors="coerce").fillna(1.0)
        return links.astype({"parent": np.int64, "child": np.int64})
    if "track" not in names:
        return pd.DataFrame({"parent": [], "child": []}, dtype=np.int64)
    track = pd.to_numeric(table[names["track"]], errors="coerce").to_numpy(np.float64)
    mother = None
    if "mother" in names:
        mother = pd.to_numeric(table[names["mother"]], errors="coerce").to_numpy(np.float64)
    _refuse_shared(cells, track, path)
    return links_along(cells, track, mother)


def links_along(
    cells: pd.DataFrame, track: np.ndarray, mother: np.ndarray | None = None
) -> pd.DataFrame:
    """Links from cell to cell of each track, and from a mother's last cell to daughters' first.

    `track` and `mother` are numbers for each row of `cells`, not finite where there is none.
    """
    rows = pd.DataFrame(
        {"id": cells.index, "frame": cells["frame"].to_numpy(), "track": track}
    ).assign(mother=np.nan if mother is None else mother)
    rows = rows[np.isfinite(rows["track"])].sort_values(["track", "frame"])
    ids, number = rows["id"].to_numpy(), rows["track"].to_numpy()
    same = number[1:] == number[:-1]
    links = pd.DataFrame({"parent": ids[:-1][same], "child": ids[1:][same]})
    firsts = rows.drop_duplicates("track")
    last = rows.drop_duplicates("track", keep="last").set_index("track")["id"]
    firsts = firsts[firsts["mother"].isin(last.index) & (firsts["mother"] != firsts["track"])]
    born = pd.DataFrame(
        {"parent": last.reindex(firsts["mother"]).to_numpy(), "child": firsts["id"].to_numpy()}
    )
    return pd.concat([links, born], ignore_index=True).astype(np.int64)


def _refuse_shared(cells: pd.DataFrame, track: np.ndarray, path: Path) -> None:
    rows = pd.DataFrame({"frame": cells["frame"].to_numpy(), "track": track})
    twice = rows.duplicated() & np.isfinite(track)
    if twice.any():
        first = rows.iloc[int(np.argmax(twice))]
        raise BadInput(
            f"Track {int(first['track'])} in {path} has two cells in frame {int(first['frame'])}: "
            "a track is one cell from birth to division; give daughters tracks of their own, or "
            "a column 'parent_id'."
        )


def _interval(table: pd.DataFrame, names: dict[str, str]) -> float | None:
    """Seconds a frame, of a table like ours, which has minutes."""
    if "time_min" not in table or not len(table):
        return None
    frame, minutes = _numbers(table[names["frame"]]), _numbers(table["time_min"])
    far = int(frame.argmax())
    seconds = minutes[far] * 60 / frame[far] if frame[far] > 0 else 0.0
    return float(f"{seconds:.6g}") if np.isfinite(seconds) and seconds > 0 else None


def _numbers(column: pd.Series) -> np.ndarray:
    return pd.to_numeric(column, errors="coerce").to_numpy(np.float64)


def _lacking(table: pd.DataFrame, part: str, path: Path) -> BadInput:
    there = ", ".join(map(str, table.columns[:20])) or "none"
    return BadInput(
        f"{path} has the columns {there}, and none is known as {part}: say which it is, as in "
        f"{part}=COLUMN."
    )
