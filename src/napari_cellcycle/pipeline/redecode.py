"""Stages of tracks from what a network saw, again and again: after a pin, a cut or a new link."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import parents
from napari_cellcycle.pipeline.decode import Decoded, decode_cells
from napari_cellcycle.pipeline.durations import Durations

SEEN, CHANCE, PINNED = "seen_", "p_", "pinned"
"""Columns of `Tracks.cells`: what the network saw in each frame, chances after decoding, and the
stage that the user set ("" where there is none)."""


def with_seen(tracks: Tracks, probabilities: np.ndarray, stages: StageSet) -> Tracks:
    """Note in columns `seen_<stage>` what a network saw, (n, S), in the order of the cells."""
    columns = {f"{SEEN}{name}": probabilities[:, i] for i, name in enumerate(stages.names)}
    return tracks.with_columns(**columns)


def redecode(
    tracks: Tracks,
    stages: StageSet,
    frame_interval: float,
    smoothing: float,
    *,
    cells: Iterable[int] | None = None,
    durations: Durations | None = None,
) -> Tracks:
    """Choose the stages anew, from the columns `seen_<stage>` and `pinned`.

    `cells` are ids; their whole lineages are decoded and all others left as they are. Without
    it, everything is. The other arguments are those of `decode`.

    Returns the tracks with the columns `stage` and `p_<stage>` (chances given all that was seen
    of the lineage). Raises `BadInput` if the cells were never classified with these stages, or a
    pinned stage is none of them.
    """
    parent = parents(tracks)
    rows = np.arange(len(tracks)) if cells is None else lineage_rows(tracks, cells, parent)
    place = np.full(len(tracks) + 1, -1)
    place[rows] = np.arange(len(rows))
    told = decode_cells(
        tracks.cells["frame"].to_numpy()[rows],
        place[parent[rows]],
        _seen(tracks, stages, rows),
        stages,
        frame_interval,
        smoothing,
        pinned=pinned_codes(tracks, stages, rows),
        durations=durations,
    )
    return _with_stages(tracks, stages, rows, told)


def lineage_rows(
    tracks: Tracks, cells: Iterable[int], parent: np.ndarray | None = None
) -> np.ndarray:
    """Rows of `tracks.cells` of all relatives of `cells` (ids), they themselves included.

    `parent` are the `parents` of the tracks, where they are at hand.
    """
    n = len(tracks)
    parent = parents(tracks) if parent is None else parent
    child = np.flatnonzero(parent >= 0)
    graph = coo_array((np.ones(len(child)), (parent[child], child)), shape=(n, n))
    lineage = connected_components(graph, directed=False)[1]
    wanted = tracks.cells.index.get_indexer(pd.Index(list(cells), dtype=np.int64))
    return np.flatnonzero(np.isin(lineage, lineage[wanted[wanted >= 0]]))


def pinned_codes(tracks: Tracks, stages: StageSet, rows: np.ndarray | None = None) -> np.ndarray:
    """Code of the stage that the user set for each cell (of `rows`), -1 where there is none."""
    if PINNED not in tracks.cells:
        return np.full(len(tracks) if rows is None else len(rows), -1)
    names = tracks.cells[PINNED].to_numpy(object)
    names = names if rows is None else names[rows]
    known, position = np.unique(np.where(pd.isna(names), "", names), return_inverse=True)
    codes = {"": -1, **{name: i for i, name in enumerate(stages.names)}}
    for name in known:
        if name not in codes:
            raise BadInput(
                f"A cell is pinned to the stage {name!r}, but the model tells "
                f"{', '.join(stages.names)}; choose a model with that stage or unpin the cell."
            )
    return np.array([codes[name] for name in known], np.int64)[position]


def _seen(tracks: Tracks, stages: StageSet, rows: np.ndarray) -> np.ndarray:
    columns = [f"{SEEN}{name}" for name in stages.names]
    missing = [name for name in columns if name not in tracks.cells]
    if missing:
        raise BadInput(
            f"The cells have no column {missing[0]!r}; it is written when they are classified "
            f"with the stages {', '.join(stages.names)}; run Classify first."
        )
    return np.column_stack([tracks.cells[name].to_numpy(float)[rows] for name in columns])


def _with_stages(tracks: Tracks, stages: StageSet, rows: np.ndarray, told: Decoded) -> Tracks:
    """Write stages and their chances into `rows`; other cells keep theirs."""
    n, cells = len(tracks), tracks.cells
    stage = cells["stage"].to_numpy(object).copy() if "stage" in cells else np.full(n, "", object)
    stage[rows] = np.array(stages.names, object)[told.code]
    columns: dict[str, np.ndarray] = {"stage": stage.astype(str)}
    for i, name in enumerate(stages.names):
        column = f"{CHANCE}{name}"
        before = cells.get(column, np.nan)
        columns[column] = np.full(n, before, np.float32)
        columns[column][rows] = told.posterior[:, i]
    return tracks.with_columns(**columns)
