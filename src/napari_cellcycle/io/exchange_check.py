"""Whether what was read from a file is what was written to it, counted."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.io.ctc import stretches
from napari_cellcycle.io.foreign import Foreign, tidied
from napari_cellcycle.progress import Progress, silent, track_progress

EXACT, ROUNDED = 1e-9, 1e-6
"""How far numbers may differ, as a part of them: as they are, or of seven digits."""


def differences(
    wanted: Tracks,
    found: Tracks,
    cells: Sequence[str],
    links: Sequence[str],
    tolerance: float = EXACT,
) -> dict[str, int]:
    """Count by words what differs between two tracks whose cells have the same ids.

    `cells` and `links` are the columns that count beside frames and places.
    """
    columns = ["frame", *wanted.axes, *cells]
    counts = _rows(wanted.cells, found.cells, columns, "cells", tolerance)
    ours = wanted.links.set_index(["parent", "child"])
    theirs = found.links.set_index(["parent", "child"])
    counts |= _rows(ours, theirs, links, "links", tolerance)
    return {words: count for words, count in counts.items() if count}


def _rows(
    ours: pd.DataFrame, theirs: pd.DataFrame, columns: Sequence[str], kind: str, tolerance: float
) -> dict[str, int]:
    both = ours.index.intersection(theirs.index)
    counts = {
        f"{kind} missing": len(ours) - len(both),
        f"{kind} too many": len(theirs) - len(both),
    }
    for name in columns:
        words = f"{kind} with another {name}"
        if name not in theirs:
            counts[words] = int(_has_value(ours[name]).sum())
            continue
        first, second = ours.loc[both, name], theirs.loc[both, name]
        counts[words] = int(_differ(first, second, tolerance).sum())
    return counts


def _has_value(column: pd.Series) -> np.ndarray:
    return (column.notna() & (column.astype(object) != "")).to_numpy(bool)


def _differ(ours: pd.Series, theirs: pd.Series, tolerance: float) -> np.ndarray:
    """Whether values differ; a missing one is as good as an empty text."""
    here, there = _has_value(ours), _has_value(theirs)
    first, second = tidied(ours), tidied(theirs)
    if all(pd.api.types.is_numeric_dtype(column.dtype) for column in (first, second)):
        a, b = (column.to_numpy(np.float64, na_value=np.nan) for column in (first, second))
        if np.float32 in (first.dtype, second.dtype):
            a, b = a.astype(np.float32), b.astype(np.float32)
        with np.errstate(invalid="ignore"):
            same = np.isclose(a, b, rtol=tolerance, atol=1e-12)
    else:
        same = (first.astype(str).to_numpy() == second.astype(str).to_numpy()).astype(bool)
    return (here | there) & ~(here & there & same)


def mark_differences(experiment: Experiment, found: Foreign) -> dict[str, int]:
    """Count rejected links and confirmations that did not come back, or were not there before."""
    assert experiment.tracks is not None
    pairs = [
        set(map(tuple, tracks.rejected[["parent", "child"]].to_numpy().tolist()))
        for tracks in (experiment.tracks, found.tracks)
    ]
    counts = {
        "rejected links changed": len(pairs[0] ^ pairs[1]),
        "confirmations changed": len(experiment.confirmed ^ found.confirmed),
    }
    return {words: count for words, count in counts.items() if count}


def ctc_differences(
    wanted: Tracks,
    labels: LabelStack,
    found: Tracks,
    written: LabelStack,
    progress: Progress = silent,
) -> dict[str, int]:
    """Count by words what differs in a Cell Tracking Challenge folder, where ids are new."""
    number, _ = stretches(wanted)
    ours = _keys(wanted, number)
    theirs = _keys(found, found.cells["label"].to_numpy())
    both = ours.index.intersection(theirs.index)
    counts = {
        "cells missing": len(ours) - len(both),
        "cells too many": len(theirs) - len(both),
        "masks of another shape": 0,
    }
    pairs = [
        {(tuple(a), tuple(b)) for a, b in zip(*_ends(t, keys), strict=True)}
        for t, keys in ((wanted, ours), (found, theirs))
    ]
    counts["links missing"] = len(pairs[0] - pairs[1])
    counts["links too many"] = len(pairs[1] - pairs[0])
    frame, label = (wanted.cells[name].to_numpy(np.int64) for name in ("frame", "label"))
    order = np.argsort(frame, kind="stable")
    cuts = np.searchsorted(frame[order], np.arange(len(labels) + 1))
    for time in track_progress(range(len(labels)), len(labels), progress, "Checking masks"):
        rows = order[cuts[time] : cuts[time + 1]]
        mask, read = labels.frame(time), written.frame(time)
        table = np.zeros(int(max(mask.max(initial=0), label[rows].max(initial=0))) + 1, np.int64)
        table[label[rows]] = number[rows]
        wrong = table[mask] != read
        if wrong.any():
            values = np.concatenate([table[mask][wrong], read[wrong]])
            counts["masks of another shape"] += int((np.unique(values) > 0).sum())
    return {words: count for words, count in counts.items() if count}


def _keys(tracks: Tracks, label: np.ndarray) -> pd.DataFrame:
    """`cell_id` by frame and label."""
    index = pd.MultiIndex.from_arrays([tracks.cells["frame"], label], names=["frame", "label"])
    return pd.DataFrame({"cell_id": tracks.cells.index}, index=index)


def _ends(tracks: Tracks, keys: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Frame and label of both ends of every link."""
    place = pd.DataFrame(
        np.array(keys.index.tolist(), np.int64).reshape(-1, 2), index=keys["cell_id"]
    )
    return (
        place.loc[tracks.links["parent"]].to_numpy(),
        place.loc[tracks.links["child"]].to_numpy(),
    )
