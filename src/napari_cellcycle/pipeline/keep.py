"""What the user decided, kept when steps run again: masks, links, stages, confirmations.

A cell is kept if its mask was drawn or changed, if a link to or from it was made, confirmed or
rejected, if its stage was set, if it was confirmed, or if its whole frame was. Its mask stays
pixel by pixel; links that the user made between such cells stay, those that were rejected stay
away, and the rest is decided anew around them. So it is with masks that are not tracked yet.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.ndimage import center_of_mass

from napari_cellcycle.data.corrected_masks import corrected_frames
from napari_cellcycle.data.drawn import drawn_masks
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import BY_MODEL, BY_USER, Tracks, no_pairs
from napari_cellcycle.features.graph import CellGraph
from napari_cellcycle.models.link.scores import Scores

FRAME = "frame"
"""Kind of confirmation that says that a whole frame is right; its number is the frame."""
AUDIT = "audit"
"""Answers of an audit, which keeps nothing as it is, begin with this."""
MOSTLY = 0.5
"""A new mask of which a larger share lies in kept ones is left out."""
_NEVER = -1.0
_SAID = {"by": BY_MODEL, "pinned": "", "filled": False}
"""Columns that kept cells keep, and what stands there for cells that have none."""


def kept_cells(experiment: Experiment) -> np.ndarray:
    """Ids of the cells that the user decided anything about, ascending."""
    tracks = experiment.tracks
    if tracks is None:
        return np.empty(0, np.int64)
    cells, links = tracks.cells, tracks.links
    kept = (cells["by"] == BY_USER).to_numpy(copy=True)
    if "pinned" in cells:
        kept |= cells["pinned"].fillna("").astype(bool).to_numpy()
    decided = [links.loc[links["by"] == BY_USER, ["parent", "child"]], tracks.rejected]
    ends = pd.concat(decided)[["parent", "child"]].to_numpy().ravel()
    numbers = [
        number
        for kind, number in experiment.confirmed
        if kind != FRAME and not kind.startswith(AUDIT)
    ]
    kept |= (
        cells.index.isin([*ends, *numbers])
        | cells["frame"].isin(kept_frames(experiment)).to_numpy()
    )
    return np.sort(cells.index[kept].to_numpy(np.int64))


def is_anything_kept(experiment: Experiment) -> bool:
    """Whether the user decided anything that is kept, without reading masks."""
    if kept_frames(experiment) or len(kept_cells(experiment)):
        return True
    return experiment.tracks is None and bool(drawn_masks(experiment.confirmed))


def kept_part(experiment: Experiment) -> Tracks | None:
    """The tracks reduced to what the user decided; None if that is nothing.

    Of masks that are not tracked yet, the cells that they show. Without any cell if all that was
    decided is that frames have none.
    """
    kept, tracks = kept_cells(experiment), experiment.tracks
    if tracks is None:
        return _kept_masks(experiment)
    if not is_anything_kept(experiment):
        return None
    links = tracks.links
    inside = links[["parent", "child"]].isin(kept).all(axis=1) & (links["by"] == BY_USER)
    return Tracks(tracks.cells.loc[kept], links[inside].reset_index(drop=True), tracks.rejected)


def _kept_masks(experiment: Experiment) -> Tracks | None:
    """Untracked cells that were drawn, and all those of frames that are right as a whole."""
    labels, whole = experiment.labels, kept_frames(experiment)
    if labels is None:
        return None
    by_user, tables = drawn_masks(experiment.confirmed), []
    axes = ["z", "y", "x"][-labels.ndim :]
    for frame in sorted(whole | by_user.keys()):
        mask = labels.frame(frame)
        there = np.unique(mask[mask > 0])
        own = np.intersect1d(there, by_user.get(frame, []))
        number = (there if frame in whole else own).astype(np.int64)
        place = np.reshape(center_of_mass(mask > 0, mask, number), (-1, len(axes)))
        table = pd.DataFrame(place, columns=axes).assign(frame=frame, label=number)
        tables.append(table.assign(by=np.where(np.isin(number, own), BY_USER, BY_MODEL)))
    if not tables:
        return None
    cells = pd.concat(tables, ignore_index=True)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    return Tracks(cells, no_pairs().assign(score=np.empty(0)))


def kept_frames(experiment: Experiment) -> frozenset[int]:
    """Frames that the user said are right as a whole, or corrected as a whole."""
    done = {number for kind, number in experiment.confirmed if kind == FRAME}
    count = 0 if experiment.labels is None else len(experiment.labels)
    return frozenset(t for t in done.union(corrected_frames(experiment)) if 0 <= t < count)


def merged(
    found: LabelStack, former: LabelStack, kept: Tracks, frames: frozenset[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Each frame (time, masks) of `found` with kept masks of `former` in place of what lies there.

    Kept masks have the numbers they had; new ones get numbers above all of them. Of `frames` that
    are right as a whole nothing is new.
    """
    top = int(kept.cells["label"].max()) if len(kept) else 0
    numbers = kept.cells.groupby("frame")["label"]
    own = {int(str(time)): labels.to_numpy() for time, labels in numbers}
    for time in range(len(found)):
        new = found.frame(time)
        before = former.frame(time) if time in own else np.zeros_like(new)
        there = np.where(np.isin(before, own.get(time, ())), before, 0)
        yield time, _joined(there, np.zeros_like(new) if time in frames else new, top)


def _joined(own: np.ndarray, new: np.ndarray, top: int) -> np.ndarray:
    """Kept masks, and of the new ones those that mostly lie elsewhere."""
    n = int(new.max(initial=0)) + 1
    size = np.bincount(new.ravel(), minlength=n)
    free = np.bincount(new[own == 0], minlength=n)
    stays = free > MOSTLY * size
    stays[0] = False
    number = np.where(stays, np.arange(n) + top, 0)
    return np.where(own > 0, own, number[new]).astype(np.int32)


class Held:
    """What the user decided about the cells of `kept`, for cells that are measured anew.

    Their masks are known by frame and label; call `measured` before anything else. `frames` are
    right as a whole.
    """

    def __init__(self, kept: Tracks, frames: frozenset[int] = frozenset()) -> None:
        self._kept = kept
        self.frames = frames
        self._row = pd.Series(-1, kept.cells.index)
        self._ids = np.empty(0, np.int64)

    def measured(self, cells: pd.DataFrame) -> None:
        """Take note of the cells now, with `frame` and `label` as in the masks of `kept`."""
        kept = self._kept
        sighting = pd.MultiIndex.from_frame(cells[["frame", "label"]])
        former = pd.MultiIndex.from_frame(kept.cells[["frame", "label"]])
        self._row = pd.Series(sighting.get_indexer(former), kept.cells.index)
        self._ids = cells.index.to_numpy()

    def constrained(self, graph: CellGraph, scores: Scores) -> Scores:
        """Scores without what contradicts the user: rivals of held links, and the rejected."""
        c, n = graph.candidates, len(self._ids)
        ends = self._rows(self._kept.links)
        has_child, has_parent = np.zeros(n, bool), np.zeros(n, bool)
        has_child[ends[:, 0]], has_parent[ends[:, 1]] = True, True
        rejected = self._rows(self._kept.rejected) @ [n, 1]
        closed = has_child[c.parent] | has_parent[c.child]
        closed |= np.isin(c.parent * n + c.child, rejected)
        both = closed[c.first] | closed[c.second]
        return Scores(
            np.where(closed, _NEVER, scores.link), np.where(both, _NEVER, scores.division)
        )

    def with_held(self, links: pd.DataFrame) -> pd.DataFrame:
        """The links that were chosen, and those of the user."""
        ends = self._ids[self._rows(self._kept.links)]
        own = pd.DataFrame({"parent": ends[:, 0], "child": ends[:, 1], "score": 1.0, "by": BY_USER})
        joined = pd.concat([links, own], ignore_index=True)
        return joined.sort_values(["parent", "child"], ignore_index=True)

    def remembered(self, experiment: Experiment) -> Experiment:
        """`experiment`, tracked anew, with all that was said of the kept cells."""
        tracks = experiment.tracks
        assert tracks is not None
        there = self._row[self._row >= 0]
        number = pd.Series(self._ids[there.to_numpy()], there.index)
        number = number[number.isin(tracks.cells.index)]
        rows = tracks.cells.index.get_indexer(pd.Index(number.to_numpy()))
        own = self._kept.cells.loc[number.index]
        columns: dict[str, np.ndarray] = {}
        for name, usual in _SAID.items():
            if name in own:
                column = tracks.cells.get(name, pd.Series(usual, tracks.cells.index))
                columns[name] = column.to_numpy(copy=True)
                columns[name][rows] = own[name].to_numpy()
        pairs = self._kept.rejected
        pairs = pairs[pairs.isin(number.index).all(axis=1)]
        rejected = pd.DataFrame(
            {end: number.loc[pairs[end]].to_numpy(np.int64) for end in ("parent", "child")}
        )
        confirmed = frozenset(
            (kind, n if kind == FRAME else int(number[n]))
            for kind, n in experiment.confirmed
            if kind == FRAME or n in number.index
        )
        done = replace(tracks, rejected=rejected).with_columns(**columns)
        return replace(experiment, tracks=done, confirmed=confirmed)

    @property
    def cells(self) -> np.ndarray:
        """Ids that the kept cells have now."""
        return self._ids[self._row[self._row >= 0].to_numpy()]

    def _rows(self, pairs: pd.DataFrame) -> np.ndarray:
        """Rows (n, 2) of the pairs of cells of which both were measured again."""
        ends = pairs[["parent", "child"]]
        ends = ends[ends.isin(self._row.index).all(axis=1)]
        rows = np.column_stack([self._row.loc[ends[end]].to_numpy() for end in ends])
        rows = rows.reshape(-1, 2)
        return rows[(rows >= 0).all(axis=1)]
