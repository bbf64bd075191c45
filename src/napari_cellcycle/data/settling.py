"""One number for every track, in its cells' labels and in the masks."""

from dataclasses import replace

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.row_of import NONE, RowOf
from napari_cellcycle.data.tracks import Tracks


def with_settled(experiment: Experiment) -> Experiment:
    """The experiment with `settled` masks and tracks; as it is without tracks."""
    if experiment.tracks is None:
        return experiment
    labels, tracks = settled(experiment.labels, experiment.tracks)
    return replace(experiment, labels=labels, tracks=tracks)


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


def _repainted(labels: LabelStack | None, changes: pd.DataFrame) -> LabelStack | None:
    if labels is None:
        return None
    for frame, rows in changes.groupby("frame"):
        mask = labels.frame(int(frame))  # type: ignore[arg-type]
        rows = rows.sort_values("label")
        row = RowOf(rows["label"].to_numpy())(mask)
        new = np.where(row == NONE, mask, rows["new"].to_numpy(np.int32)[row])
        labels = labels.with_frame(int(frame), new)  # type: ignore[arg-type]
    return labels
