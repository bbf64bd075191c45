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
from napari_cellcycle.pipeline.decode import decode
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
    codes = pinned_codes(tracks, stages)
    seen = _seen(tracks, stages)
    if cells is None:
        told = decode(
            tracks, seen, stages, frame_interval, smoothing, pinned=codes, durations=durations
        )
        return _with_stages(tracks, stages, slice(None), told.code, told.posterior)
    rows = lineage_rows(tracks, cells)
    own = tracks.cells.index[rows]
    links = tracks.links[tracks.links["child"].isin(own)]
    told = decode(
        Tracks(tracks.cells.iloc[rows][["frame", "label", "by"]], links),
        seen[rows],
        stages,
        frame_interval,
        smoothing,
        pinned=codes[rows],
        durations=durations,
    )
    return _with_stages(tracks, stages, rows, told.code, told.posterior)


def lineage_rows(tracks: Tracks, cells: Iterable[int]) -> np.ndarray:
    """Rows of `tracks.cells` of all relatives of `cells` (ids), they themselves included."""
    n = len(tracks)
    parent = parents(tracks)
    child = np.flatnonzero(parent >= 0)
    graph = coo_array((np.ones(len(child)), (parent[child], child)), shape=(n, n))
    lineage = connected_components(graph, directed=False)[1]
    wanted = tracks.cells.index.get_indexer(pd.Index(list(cells), dtype=np.int64))
    return np.flatnonzero(np.isin(lineage, lineage[wanted[wanted >= 0]]))


def pinned_codes(tracks: Tracks, stages: StageSet) -> np.ndarray:
    """Code of the stage that the user set for each cell, (n,); -1 where there is none."""
    if PINNED not in tracks.cells:
        return np.full(len(tracks), -1)
    names = tracks.cells[PINNED].astype(object)
    names = names.where(names.notna(), "")
    codes = names.map({"": -1, **{name: i for i, name in enumerate(stages.names)}})
    if codes.isna().any():
        raise BadInput(
            f"A cell is pinned to the stage {names[codes.isna()].iloc[0]!r}, but the model tells "
            f"{', '.join(stages.names)}; choose a model with that stage or unpin the cell."
        )
    return codes.to_numpy(np.int64)


def _seen(tracks: Tracks, stages: StageSet) -> np.ndarray:
    columns = [f"{SEEN}{name}" for name in stages.names]
    missing = [name for name in columns if name not in tracks.cells]
    if missing:
        raise BadInput(
            f"The cells have no column {missing[0]!r}; it is written when they are classified "
            f"with the stages {', '.join(stages.names)}; run Classify first."
        )
    return tracks.cells[columns].to_numpy(float)


def _with_stages(
    tracks: Tracks,
    stages: StageSet,
    rows: np.ndarray | slice,
    code: np.ndarray,
    posterior: np.ndarray,
) -> Tracks:
    """Write stages and their chances into `rows`; other cells keep theirs."""
    n, names = len(tracks), np.array(stages.names, dtype=object)
    stage = np.full(n, "", dtype=object)
    if not isinstance(rows, slice) and "stage" in tracks.cells:
        stage = tracks.cells["stage"].to_numpy(object).copy()
    stage[rows] = names[code]
    columns = {"stage": stage.astype(str)}
    for i, name in enumerate(stages.names):
        column = f"{CHANCE}{name}"
        if isinstance(rows, slice) or column not in tracks.cells:
            values = np.full(n, np.nan, np.float32)
        else:
            values = tracks.cells[column].to_numpy(np.float32).copy()
        values[rows] = posterior[:, i]
        columns[column] = values
    return tracks.with_columns(**columns)
