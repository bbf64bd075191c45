"""Corrections: pure functions from one experiment to the next.

Each keeps the promise that the label of a cell in the masks, its label in the tracks and its
track are one and the same number. A track keeps its number through an edit; a piece that is
cut off gets a new one, and a track that is joined to an earlier one takes the earlier number.
A link that is taken away or replaced is remembered in `Tracks.rejected`, to be learned from.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.errors import UserError


def link(experiment: Experiment, parent: int, child: int) -> Experiment:
    """Make cell `parent` the parent of cell `child`, instead of any former parent.

    Raises `UserError` if time runs backward or `parent` has two children already.
    """
    tracks = _tracks(experiment)
    try:
        linked = tracks.link(parent, child)
    except ValueError as error:
        raise UserError(
            f"Cell {child} cannot follow cell {parent}: {error}; "
            "unlink what stands in the way first."
        ) from error
    return _settled(experiment, linked)


def unlink(experiment: Experiment, child: int) -> Experiment:
    """Remove the link between cell `child` and its parent; its track starts anew there."""
    return _settled(experiment, _tracks(experiment).unlink(child))


def remove(experiment: Experiment, cells: Sequence[int]) -> Experiment:
    """Take `cells` out of the masks and the tracks; what follows them becomes a new track."""
    tracks = _tracks(experiment)
    gone = tracks.cells.index.isin(list(cells))
    touched = tracks.links[["parent", "child"]].isin(list(cells)).any(axis=1)
    links = tracks.links[~touched].reset_index(drop=True)
    kept = replace(tracks, cells=tracks.cells[~gone], links=links)
    erased = tracks.cells.loc[gone, ["frame", "label"]].assign(new=0)
    labels = _repainted(experiment.labels, erased)
    return _settled(replace(experiment, labels=labels), kept)


def set_stage(experiment: Experiment, cells: Sequence[int], stage: str) -> Experiment:
    """Give `cells` the stage called `stage`, as decided by the user: it is pinned from now on."""
    names = experiment.stages.names
    if stage not in names:
        raise UserError(f"There is no stage {stage!r}; choose one of {', '.join(names)}.")
    tracks = _tracks(experiment)
    chosen = tracks.cells.index.isin(list(cells))
    before = tracks.cells.get("stage", pd.Series(None, tracks.cells.index, dtype=object))
    pinned = tracks.cells.get("pinned", pd.Series("", tracks.cells.index, dtype=object))
    edited = tracks.with_columns(
        stage=before.mask(chosen, stage),
        pinned=pinned.mask(chosen, stage),
        by=tracks.cells["by"].mask(chosen, BY_USER),
    )
    return replace(experiment, tracks=edited)


def _tracks(experiment: Experiment) -> Tracks:
    if experiment.tracks is None:
        raise UserError("There are no tracks to correct yet; track the cells first.")
    return experiment.tracks


def settled(labels: LabelStack | None, tracks: Tracks) -> tuple[LabelStack | None, Tracks]:
    """Give every track one label of its own, changing as few as possible, masks included."""
    cells = tracks.cells[["frame", "label"]].assign(track=tracks.components)
    founders = cells.sort_values("frame", kind="stable").drop_duplicates("track")
    fresh = founders["label"].duplicated()
    top = int(cells["label"].max()) if len(cells) else 0
    own = np.empty(len(founders), np.int64)
    own[founders["track"]] = founders["label"].mask(fresh, top + fresh.cumsum())
    new = own[cells["track"]]
    changed = new != cells["label"].to_numpy()
    labels = _repainted(labels, cells[changed].assign(new=new[changed]))
    return labels, replace(tracks, cells=tracks.cells.assign(label=new))


def _settled(experiment: Experiment, tracks: Tracks) -> Experiment:
    labels, tracks = settled(experiment.labels, tracks)
    return replace(experiment, labels=labels, tracks=tracks)


def _repainted(labels: LabelStack | None, changes: pd.DataFrame) -> LabelStack | None:
    if labels is None:
        return None
    for frame, rows in changes.groupby("frame"):
        mask = labels.frame(int(frame))  # type: ignore[arg-type]
        lookup = np.arange(max(int(mask.max()), int(rows["label"].max())) + 1, dtype=np.int32)
        lookup[rows["label"]] = rows["new"]
        labels = labels.with_frame(int(frame), lookup[mask])  # type: ignore[arg-type]
    return labels
