"""What the files of other programs hold, made into a forest of cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import BY_MODEL, Tracks
from napari_cellcycle.errors import BadInput

LARGEST_ID = 2**53
"""Above this, a number no longer survives other programs, which hold numbers as decimals."""


@dataclass(frozen=True)
class Foreign:
    """Tracks read from a file, what else it says, and how much of it could not be kept.

    `pixel_size` is in micrometres along [z,] y, x and `frame_interval` in seconds, `None` where
    the file is silent; `movie` is where it says that the movie is. `stages` and `confirmed`
    are those of an experiment that was exported; `stage_names` are, in order, the stages that
    cells may have, where the file says no more of them. `left_out` counts what a forest of cells
    cannot hold, by the names in `exchange_words`.
    """

    tracks: Tracks
    pixel_size: tuple[float, ...] | None = None
    frame_interval: float | None = None
    movie: str | None = None
    stages: StageSet | None = None
    stage_names: tuple[str, ...] = ()
    confirmed: frozenset[tuple[str, int]] = frozenset()
    left_out: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


def grown(
    cells: pd.DataFrame, links: pd.DataFrame, rejected: pd.DataFrame | None = None
) -> tuple[Tracks, dict[str, int]]:
    """Make any graph of cells a forest, keeping the best links.

    Of several parents of a cell, and of more than two children, the links of higher score stay;
    where that is equal those over fewer frames, then over a shorter way. Links may be given in
    either direction in time. Cells without a label of their own get one a track.

    Parameters
    ----------
    cells
        Indexed by whole numbers of any kind; columns `frame`, [`z`,] `y`, `x` in pixels, maybe
        `label`, and any others.
    links
        Columns `parent`, `child`, maybe `score` and `by`, and any others.

    Returns
    -------
    tracks, left_out
        `left_out` counts links to unknown cells ("strangers"), links within a frame ("level"),
        links to a further parent ("merges") or a third child ("crowds"), and cells whose id was
        changed because ids begin at 1 ("shifted").
    """
    left_out: dict[str, int] = {}
    links = links.reset_index(drop=True)
    known = links[["parent", "child"]].isin(cells.index).all(axis=1).to_numpy()
    left_out["strangers"] = int((~known).sum())
    cells, links = cells.copy(), links[known].copy()
    shift = 1 - int(cells.index.min()) if len(cells) and cells.index.min() < 1 else 0
    left_out["shifted"] = len(cells) if shift else 0
    cells.index = pd.Index(cells.index.to_numpy(np.int64) + shift, name="cell_id")
    links[["parent", "child"]] = links[["parent", "child"]].astype(np.int64) + shift
    links, lost = _pruned(cells, links)
    cells, links = _with_by(cells), _with_by(links)
    if rejected is not None:
        rejected = rejected[["parent", "child"]].astype(np.int64) + shift
    own = cells.get("label")
    numbered = Tracks(cells.assign(label=np.arange(1, len(cells) + 1)), links)
    columns = ["frame", "label", *[name for name in cells if name not in ("frame", "label")]]
    cells = cells.assign(label=own_labels(numbered, own))[columns]
    tracks = replace(numbered, cells=cells)
    if rejected is not None and len(rejected):
        tracks = replace(tracks, rejected=rejected)
    return tracks, {name: count for name, count in (left_out | lost).items() if count}


def own_labels(tracks: Tracks, label: pd.Series | None, above: int = 0) -> np.ndarray:
    """Labels of cells: their own where they have one that no other has in that frame.

    The others get a number a track, above all labels and `above`. `label` may have missing
    values; those below 1 count as missing too.
    """
    track = tracks.track_id.to_numpy(np.int64)
    if label is None:
        return track + above
    number = pd.to_numeric(label, errors="coerce").fillna(0).to_numpy(np.float64)
    taken = pd.DataFrame({"frame": tracks.cells["frame"].to_numpy(), "label": number})
    good = (number >= 1) & (number == np.floor(number)) & ~taken.duplicated().to_numpy()
    top = max(above, int(number[good].max(initial=0)))
    return np.where(good, number, track + top).astype(np.int64)


def rows_of(cells: pd.DataFrame, links: pd.DataFrame) -> np.ndarray:
    """Row in `cells` of the parent and the child of each link, (n, 2)."""
    ends = pd.Index(links[["parent", "child"]].to_numpy().ravel())
    return cells.index.get_indexer(ends).reshape(-1, 2)


def tidied(column: pd.Series) -> pd.Series:
    """The column in the type of its values, where pandas holds them as objects of any kind."""
    if column.dtype != object:
        return column
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "boolean":
        return column.astype("boolean")
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return pd.to_numeric(column)
    return column


def whole_frames(frame: pd.Series, path: object) -> np.ndarray:
    """Frames as whole numbers from 0; `BadInput`, naming the file, if they are anything else."""
    values = pd.to_numeric(frame, errors="coerce").to_numpy(np.float64)
    bad = ~(np.isfinite(values) & (values == np.floor(values)) & (values >= 0))
    if bad.any():
        raise BadInput(
            f"{path} gives {frame.iloc[int(np.argmax(bad))]} as the frame of a cell, but whole "
            f"numbers from 0 are expected; {int(bad.sum()):,} of {len(values):,} cells have none."
        )
    return values.astype(np.int64)


def checked_places(cells: pd.DataFrame, path: object) -> None:
    """Refuse cells without a place, with the id of the first."""
    axes = [axis for axis in ("z", "y", "x") if axis in cells]
    bad = ~np.isfinite(cells[axes].to_numpy(np.float64)).all(axis=1)
    if bad.any():
        raise BadInput(
            f"Cell {cells.index[int(np.argmax(bad))]} in {path} has no place ({', '.join(axes)}), "
            f"as {int(bad.sum()):,} of {len(cells):,} cells; give every cell numbers there."
        )


def checked_ids(ids: pd.Series | pd.Index, path: object) -> np.ndarray:
    """Ids as whole numbers, each once; `BadInput`, naming the file, if they are anything else."""
    values = pd.to_numeric(pd.Series(ids), errors="coerce").to_numpy(np.float64)
    bad = ~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < LARGEST_ID))
    if bad.any():
        raise BadInput(
            f"{path} names a cell {list(ids)[int(np.argmax(bad))]}, but whole numbers below "
            f"{LARGEST_ID:,} are expected; number the cells 1, 2, 3 and so on."
        )
    whole = values.astype(np.int64)
    _refuse_twice(pd.Index(whole), path)
    return whole


def small_ids(
    ids: np.ndarray, ends: np.ndarray, path: object
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Ids as `checked_ids`, the `ends` (n, 2) of links, and whether both were numbered anew.

    That is done, 1, 2, 3 and so on, where ids are whole but too large, such as hashes. Ends that
    are no cell are then 0.
    """
    cells = pd.Index(ids)
    extremes = [abs(int(ids.min())), abs(int(ids.max()))] if len(ids) else [0]
    large = ids.dtype.kind in "iu" and max(extremes) >= LARGEST_ID
    if not large:
        return checked_ids(cells, path), ends.astype(np.int64), False
    _refuse_twice(cells, path)
    return np.arange(1, len(ids) + 1), cells.get_indexer(ends.ravel()).reshape(-1, 2) + 1, True


def _refuse_twice(ids: pd.Index, path: object) -> None:
    twice = ids.duplicated()
    if twice.any():
        raise BadInput(
            f"{path} has two cells with the number {ids[int(np.argmax(twice))]}; give "
            "every cell in every frame a number of its own."
        )


def _pruned(cells: pd.DataFrame, links: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The links of a forest: forward in time, one parent, two children."""
    frame = cells["frame"].to_numpy()
    axes = [axis for axis in ("z", "y", "x") if axis in cells]
    place = cells[axes].to_numpy(np.float64)
    ends = rows_of(cells, links)
    gap = frame[ends[:, 1]] - frame[ends[:, 0]]
    if "score" not in links:
        links = links.assign(score=1.0)
    back = gap < 0
    parent, child = links["parent"].to_numpy(), links["child"].to_numpy()
    links = links.assign(parent=np.where(back, child, parent), child=np.where(back, parent, child))
    way = np.sqrt(((place[ends[:, 1]] - place[ends[:, 0]]) ** 2).sum(axis=1))
    score = pd.to_numeric(links["score"], errors="coerce").fillna(-np.inf).to_numpy(np.float64)
    order = np.lexsort((way, np.abs(gap), -score))
    ranked = links.iloc[order[gap[order] != 0]].drop_duplicates(["parent", "child"])
    single = ranked.drop_duplicates("child")
    paired = single[single.groupby("parent").cumcount() < 2]
    lost = {
        "level": int((gap == 0).sum()),
        "merges": len(ranked) - len(single),
        "crowds": len(single) - len(paired),
    }
    first = ["parent", "child", "score", "by"]
    columns = [name for name in first if name in paired] + [n for n in paired if n not in first]
    return paired.sort_index()[columns].reset_index(drop=True), lost


def _with_by(table: pd.DataFrame) -> pd.DataFrame:
    """The table with who decided; the model where it does not say."""
    if "by" not in table:
        return table.assign(by=pd.Series(BY_MODEL, table.index, dtype=object))
    return table.assign(by=table["by"].astype(object).where(table["by"].notna(), BY_MODEL))
