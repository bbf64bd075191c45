"""Differences between what two models made of the same frames: masks, links, stages."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.data.tracks import Tracks

_SAME, _ALIKE = 0.5, 0.8
"""Share of two masks that overlaps (IoU) above which they are one cell, and look the same."""


@dataclass(frozen=True)
class Change:
    """One thing that differs: where it is in the open movie, and what it is in words.

    `frame` and `place`, [z,] y, x in pixels, are where to look; `cell` is the number on screen,
    if it has one. `before` and `after` are what each model says: the place of the parent of a
    link, the name of a stage, or None.
    """

    frame: int
    place: tuple[float, ...]
    cell: int | None
    words: str
    before: Any = None
    after: Any = None


def of_masks(masks: dict[int, tuple[np.ndarray, np.ndarray]]) -> list[Change]:
    """Cells that only one of two segmentations has, and those with another outline."""
    return [change for time, pair in masks.items() for change in _of_frame(time, *pair)]


def _of_frame(time: int, one: np.ndarray, other: np.ndarray) -> list[Change]:
    overlap = _overlap(one, other)
    lost, kept = (overlap.max(axis=axis, initial=0.0).tolist() for axis in (1, 0))
    found = []
    for cell, best in zip(np.unique(other[other > 0]).tolist(), kept, strict=True):
        if best < _ALIKE:
            words = "new cell" if best < _SAME else f"another outline ({best:.0%} the same)"
            found.append(Change(time, _middle(other == cell), None, words))
    for cell, best in zip(np.unique(one[one > 0]).tolist(), lost, strict=True):
        if best < _SAME:
            found.append(Change(time, _middle(one == cell), None, "no cell any more"))
    return found


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of each cell of `one` (rows) with each of `other`, in the order of their numbers."""
    names = [np.unique(masks[masks > 0]) for masks in (one, other)]
    first, second = (np.searchsorted(n, m) for n, m in zip(names, (one, other), strict=True))
    shape = tuple(map(len, names))
    both = (one > 0) & (other > 0)
    shared = np.zeros(shape)
    np.add.at(shared, (first[both], second[both]), 1)
    size = np.bincount(first[one > 0], minlength=shape[0])[:, np.newaxis]
    union = size + np.bincount(second[other > 0], minlength=shape[1]) - shared
    return shared / np.maximum(union, 1)


def _middle(mask: np.ndarray) -> tuple[float, ...]:
    """A pixel of a mask, near its centre."""
    inside = np.argwhere(mask)
    nearest = np.abs(inside - inside.mean(axis=0)).sum(axis=1).argmin()
    return tuple(inside[nearest].astype(float).tolist())


def of_links(one: Tracks, other: Tracks, names: "pd.Series[int]", start: int) -> list[Change]:
    """Cells that come from another cell, or from none, by the other tracks."""
    before, after = _parents(one), _parents(other)
    joined = before.join(after, how="inner", lsuffix="_before", rsuffix="_after")
    differing = joined[joined["parent_before"] != joined["parent_after"]]
    where = dict(zip(places(one.cells, one.axes), _centres(one), strict=True))
    found = []
    for number, row in differing.iterrows():
        key = str(number)
        time, place = int(key.split()[0]), where[key]
        said = [_parent_in_words(row[f"parent_{side}"], names) for side in ("before", "after")]
        ends = [where.get(row[f"parent_{side}"]) for side in ("before", "after")]
        found.append(
            Change(
                time + start,
                place,
                _name(key, names),
                f"{_cell(key, names)} {said[1]}; before, {said[0]}",
                *ends,
            )
        )
    return sorted(found, key=lambda change: change.frame)


def _parents(tracks: Tracks) -> pd.DataFrame:
    """Place of the parent of each cell, "" for none, by the place of the cell."""
    keys = pd.Series(places(tracks.cells, tracks.axes), tracks.cells.index)
    parent = pd.Series("", tracks.cells.index)
    parent.loc[tracks.links["child"]] = keys.loc[tracks.links["parent"]].to_numpy()
    table = pd.DataFrame({"parent": parent.to_numpy()}, keys.to_numpy())
    return table[~table.index.duplicated()]


def _parent_in_words(key: Any, names: "pd.Series[int]") -> str:
    if not key:
        return "appears anew"
    name = _name(key, names)
    return f"comes from {name}" if name else f"comes from another in frame {str(key).split()[0]}"


def of_stages(one: Tracks, other: Tracks, names: "pd.Series[int]", start: int) -> list[Change]:
    """Runs of frames in which a cell has another stage."""
    if "stage" not in one.cells or "stage" not in other.cells:
        return []
    table = pd.DataFrame(
        {
            "before": one.cells["stage"].to_numpy(object),
            "frame": one.cells["frame"].to_numpy(),
            "key": places(one.cells, one.axes),
            "place": list(_centres(one)),
        }
    )
    after = pd.Series(other.cells["stage"].to_numpy(object), places(other.cells, other.axes))
    after = after[~after.index.duplicated()]
    table["after"] = after.reindex(table["key"]).to_numpy()
    table = table[table["after"].notna() & (table["before"] != table["after"])]
    table["name"] = [_name(key, names) or 0 for key in table["key"]]
    table = table.sort_values(["name", "frame"])
    run = (table[["name", "before", "after"]].ne(table[["name", "before", "after"]].shift())).any(
        axis=1
    )
    run |= table["frame"].diff() != 1
    return [_stage_change(rows, start) for _, rows in table.groupby(run.cumsum())]


def _stage_change(rows: pd.DataFrame, start: int) -> Change:
    first, last = int(rows["frame"].iloc[0]) + start, int(rows["frame"].iloc[-1]) + start
    row = rows.iloc[0]
    when = f"to frame {last}, " if last > first else ""
    words = f"cell {row['name']}: {when}{row['after']} instead of {row['before']}"
    return Change(first, row["place"], int(row["name"]) or None, words, row["before"], row["after"])


def places(cells: pd.DataFrame, axes: list[str]) -> list[str]:
    """What a cell is known by in two results: its frame and place, to the pixel."""
    parts = [cells["frame"].astype(int).astype(str)]
    parts += [cells[axis].round().astype(int).astype(str) for axis in axes]
    return [" ".join(each) for each in zip(*parts, strict=True)]


def _centres(tracks: Tracks) -> list[tuple[float, ...]]:
    return [tuple(row) for row in tracks.cells[tracks.axes].to_numpy(float).tolist()]


def _name(key: Any, names: "pd.Series[int]") -> int | None:
    return int(names[key]) if key in names.index else None


def _cell(key: Any, names: "pd.Series[int]") -> str:
    name = _name(key, names)
    return f"cell {name}" if name else "a cell"
