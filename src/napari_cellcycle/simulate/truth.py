"""From what was drawn to what is true: masks, tracks and stages that agree with each other."""

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.simulate.lineage import Lineage


def sightings(frame: int, mask: np.ndarray, cells: np.ndarray, stage: np.ndarray) -> pd.DataFrame:
    """List the cells seen in one frame.

    `mask` ([Z,] Y, X) holds 1 + cell index; `cells` (m,) ascending and `stage` (m,) describe all
    that are alive. One row per visible cell: frame, cell, label, centre in pixels, stage.
    """
    where = np.nonzero(mask)
    values = mask[where]
    count = np.bincount(values)
    label = np.flatnonzero(count)
    table = {"frame": frame, "cell": label - 1, "label": label}
    for axis, index in zip(("z", "y", "x")[-mask.ndim :], where, strict=True):
        table[axis] = np.bincount(values, index)[label] / count[label]
    table["stage"] = stage[np.searchsorted(cells, label - 1)]
    return pd.DataFrame(table)


def truth_of(
    masks: np.ndarray, seen: list[pd.DataFrame], lineage: Lineage
) -> tuple[LabelStack, Tracks]:
    """Link sightings (one table per frame) and number the tracks.

    A cell out of sight ends its track; if it comes back, it is a new one. A mother of whom only
    one daughter is seen goes on as that daughter, so that every division has two. In the end
    each mask value is the number of its track, by first appearance. `masks` is renumbered in
    place.
    """
    cells = pd.concat(seen, ignore_index=True)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    links = _links(cells, lineage)
    tracks = Tracks(cells.drop(columns="cell"), links)
    label = tracks.track_id
    for frame in range(len(masks)):
        rows = cells[cells["frame"] == frame]
        new = np.zeros(len(lineage.parent) + 1, np.int32)
        new[rows["label"].to_numpy()] = label.loc[rows.index].to_numpy()
        masks[frame] = new[masks[frame]]
    numbered = tracks.cells.assign(label=label)
    numbered = numbered.sort_values(["frame", "label"], kind="stable")
    return LabelStack(masks), Tracks(numbered, links)


def _links(cells: pd.DataFrame, lineage: Lineage) -> pd.DataFrame:
    """Join every sighting to that of the same cell, or of its mother, one frame before."""
    now = cells[["frame", "cell"]].reset_index(names="child")
    before = cells[["frame", "cell"]].reset_index(names="parent")
    before["frame"] += 1
    same = now.merge(before, on=["frame", "cell"])
    now["cell"] = lineage.parent[now["cell"].to_numpy()]
    born = now[~now["child"].isin(same["child"])].merge(before, on=["frame", "cell"])
    links = pd.concat([same, born], ignore_index=True)[["parent", "child"]]
    links = links.sort_values("child", ignore_index=True)
    return links.assign(score=1.0)
