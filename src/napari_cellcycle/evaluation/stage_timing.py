"""How many frames the change from one stage to the next is off."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import parents

COLUMNS = ["row", "frame", "from", "to", "told_frame", "error"]


def transitions(
    true: np.ndarray, predicted: np.ndarray, parent: np.ndarray, frame: np.ndarray
) -> pd.DataFrame:
    """Find for each true change of stage the predicted one that stands for it.

    A change is a link whose two cells are in different stages; its frame is that of the later
    cell. It is matched to the nearest predicted change into the same stage on the same path: the
    cell's past, also as its mother, or its future, also as its daughters. A predicted change that
    lies nearer to another true one on that path stands for the other. With the first two
    arguments swapped the table tells the predicted changes that are not in the truth.

    Parameters
    ----------
    true, predicted
        Stage code of each cell and frame, (n,) int; -1 where it is unknown.
    parent
        Row of each one's parent, (n,) int; -1 for none. A mother is parent of two.
    frame
        Frame of each, (n,) int; that of a parent is lower.

    Returns
    -------
    pd.DataFrame
        One row a true change in the order of frames: `row` (of the later cell), `frame`, `from`
        and `to` (codes), `told_frame` (of the predicted change, NaN if there is none) and
        `error` (frames, positive if told too late, NaN if there is none).
    """
    codes = max(int(np.max(true, initial=-1)), int(np.max(predicted, initial=-1))) + 1
    is_true, is_told = _changes(true, parent), _changes(predicted, parent)
    order = _by_frame(frame)
    true_past, true_future = _nearest(is_true, true, codes, parent, order)
    told_past, told_future = _nearest(is_told, predicted, codes, parent, order)
    row = np.flatnonzero(is_true)
    row = row[np.argsort(frame[row], kind="stable")]
    stage = true[row]
    earlier, later = told_past[row, stage], told_future[row, stage]
    before = true_past[parent[row], stage]
    past = _gap(frame, row, earlier)
    past[_gap(frame, earlier, before) < past] = np.inf
    future = _gap(frame, later, row)
    own = true_past[later, stage] == row
    nearer = _gap(frame, true_future[later, stage], later) < future
    future[~own | nearer] = np.inf
    error = np.where(past <= future, -past, future)
    error = np.where(np.isinf(error), np.nan, error) + 0.0
    columns = (row, frame[row], true[parent[row]], stage, frame[row] + error, error)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def transitions_of(truth: Tracks, predicted: Tracks, stages: StageSet) -> pd.DataFrame:
    """Compare two stagings of the same cells, matched by `cell_id`; see `transitions`.

    The links are those of `truth`. Cells without a stage of the set count as unknown.

    Raises
    ------
    BadInput
        One of the two has no stages, or they have no cell in common.
    """
    for tracks, which in ((truth, "true"), (predicted, "predicted")):
        if "stage" not in tracks.cells:
            raise BadInput(f"The {which} cells have no stages; classify them or set them first.")
    ids = truth.cells.index
    if not ids.isin(predicted.cells.index).any():
        raise BadInput(
            "The two results have no cell in common, so their stages cannot be compared; "
            "give two stagings of the same tracked masks."
        )
    known = {name: code for code, name in enumerate(stages.names)}
    true = truth.cells["stage"].astype(str).map(known).fillna(-1).to_numpy(np.int64)
    told = predicted.cells["stage"].astype(str).map(known).reindex(ids).fillna(-1)
    frame = truth.cells["frame"].to_numpy(np.int64)
    return transitions(true, told.to_numpy(np.int64), parents(truth), frame)


def timing_scores(
    found: pd.DataFrame, names: Sequence[str] | None = None, within: int = 1
) -> pd.DataFrame:
    """Summarise `transitions`: one row a kind of change, such as "metaphase to anaphase", then all.

    Columns: `changes` (true ones), `told` (those with a predicted one), `within` (share of all
    true ones that are told at most `within` frames off), `median_error_frames` and
    `mean_distance_frames` (of those that are told; NaN without any).
    """
    label = np.array([*names, "unknown"]) if names is not None else None
    kind = [
        f"{label[a]} to {label[b]}" if label is not None else f"{a} to {b}"
        for a, b in zip(found["from"], found["to"], strict=True)
    ]
    table = pd.DataFrame({"kind": kind, "error": found["error"].to_numpy(float)})
    ends = (found["from"].to_numpy(), found["to"].to_numpy())
    table = table.iloc[np.lexsort(ends[::-1])]
    both = pd.concat([table, table.assign(kind="all")])
    distance = both["error"].abs()
    both = both.assign(distance=distance, near=distance <= within, told=distance.notna())
    grouped = both.groupby("kind", sort=False)
    return pd.DataFrame(
        {
            "changes": grouped.size(),
            "told": grouped["told"].sum(),
            "within": grouped["near"].mean(),
            "median_error_frames": grouped["error"].median() + 0.0,
            "mean_distance_frames": grouped["distance"].mean(),
        }
    )


def _changes(code: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Whether the stage of each cell is known and another than its parent's."""
    before = np.where(parent >= 0, code[parent], -1)
    return (code >= 0) & (before >= 0) & (code != before)


def _by_frame(frame: np.ndarray) -> list[np.ndarray]:
    """Rows of each frame, in the order of frames."""
    order = np.argsort(frame, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(frame[order])) + 1)


def _nearest(
    changes: np.ndarray,
    code: np.ndarray,
    codes: int,
    parent: np.ndarray,
    order: list[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the last change up to each cell and of the first one after it, each (n + 1, S).

    -1 where there is none; the last row is that of no cell, so that -1 points at it.
    """
    n = len(code)
    past = np.full((n + 1, codes), -1, np.int64)
    future = past.copy()
    rank = np.full(n + 1, np.iinfo(np.int64).max)
    rank[np.concatenate(order)] = np.arange(n)
    row_of = np.append(np.concatenate(order), -1)
    for rows in order:
        past[rows] = past[parent[rows]]
        new = rows[changes[rows]]
        past[new, code[new]] = new
    first = np.full((n + 1, codes), n, np.int64)
    for rows in reversed(order):
        rows = rows[parent[rows] >= 0]
        seen = first[rows]
        new = np.flatnonzero(changes[rows])
        seen[new, code[rows[new]]] = rank[rows[new]]
        np.minimum.at(first, parent[rows], seen)
    future = row_of[first]
    return past, future


def _gap(frame: np.ndarray, later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """Frames between two rows each, as float; infinite where one of them is -1."""
    gap = (frame[later] - frame[earlier]).astype(float)
    gap[(later < 0) | (earlier < 0)] = np.inf
    return gap
