"""Segment some frames, or a region of them, again, inside what is there already.

What is found anew takes the label of the old mask that it overlaps most, one to one, so its links,
its stage and what the user decided stay. What is new gets a new label; what is gone is taken out,
and its track goes on across the gap: a cell that was missed in one frame is the same cell after it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.region import Region
from napari_cellcycle.data.settling import settled
from napari_cellcycle.data.tracks import BY_MODEL, MOST_CHILDREN, Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.shape import Masks, compact, measure_frame
from napari_cellcycle.models.segment.segmenter import Segmenter
from napari_cellcycle.pipeline.assign import pack
from napari_cellcycle.pipeline.prepare import prepare
from napari_cellcycle.pipeline.preview import check_frame, piece_masks
from napari_cellcycle.progress import Progress, silent, track_progress

MOSTLY = 0.5
"""Share of a mask that has to lie inside the region for it to be replaced, or to enter."""
BRIDGE = 0.5
"""How sure it is that a track goes on across cells that were taken out of it."""
LEAST_OVERLAP = 0.1
"""Least intersection over union of an old and a new mask of one cell."""


def resegment(
    labels: LabelStack,
    tracks: Tracks | None,
    movie: Movie,
    times: int | Sequence[int],
    settings: SegmentSettings,
    region: Region | None = None,
    *,
    model: Segmenter | str | None = None,
    device: str = "auto",
    folder: str | Path | None = None,
    progress: Progress = silent,
) -> tuple[LabelStack, Tracks | None]:
    """Segment frames again, or a region of them, and fit the masks into what is there.

    Cells that lie mostly outside of the region stay as they are; masks found anew that lie mostly
    inside enter. A cell found again keeps its row with stage and links and is measured anew; a
    new one gets a row without links; a cell that is gone loses its row, and what followed it is
    linked to what it came from, as when it is deleted in the viewer. Masks and tracks given are
    not changed.

    Parameters
    ----------
    times
        One frame or several.
    region
        Rows and columns, in all planes of a volume; None for the whole frame.
    model, device, folder
        As in `segment`; without `settings.diameter` the size is found in the whole movie.

    Raises
    ------
    BadInput
        No such frame or channel, the region lies outside of the image, or the masks do not fit
        the movie.
    UserError, MissingModel
        As `segment`; but frames without cells are none.
    """
    times = [times] if isinstance(times, int | np.integer) else list(times)
    shape = movie.frame_shape
    if labels.shape != (len(movie), *shape):
        raise BadInput(
            f"The masks have the shape {labels.shape} and the movie {(len(movie), *shape)}; they "
            "must be of the same movie; segment the whole movie first."
        )
    for time in times:
        check_frame(movie, time)
    asked = (region or Region.whole(shape)).within(shape)
    whole_movie = settings.model_copy(update={"first_frame": 0, "frame_count": 0})
    prepared = prepare(
        movie, whole_movie, model=model, device=device, folder=folder, progress=progress
    )
    window = asked.grown(prepared.halo_px, shape)
    top = int(tracks.cells["label"].max()) if tracks is not None and len(tracks) else 0
    for time in track_progress(times, len(times), progress, "Segmenting"):
        found = piece_masks(prepared, time, window)
        before = labels.frame(time)
        mask, replaced = replaced_masks(before, found, asked, window, top)
        labels = labels.with_frame(time, mask)
        if tracks is not None:
            image = movie.frame(time, prepared.settings.channel)
            tracks = _with_frame(tracks, time, mask, replaced, image, movie.pixel_size)
            top = max(top, int(mask.max(initial=0)))
    if tracks is None:
        return labels, None
    settled_labels, settled_tracks = settled(labels, tracks)
    assert settled_labels is not None
    return settled_labels, settled_tracks


def replaced_masks(
    before: np.ndarray, found: np.ndarray, region: Region, window: Region, top: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Masks of a frame with those in a region replaced by those found there.

    Parameters
    ----------
    before
        Masks of the frame ([Z,] Y, X).
    found
        Masks of the `window`, which holds the `region`, numbered from 1.
    top
        New cells get labels above this and above those of the frame.

    Returns
    -------
    masks, touched
        The new frame, and the labels in it, or formerly in it, whose masks were made, replaced or
        taken out.
    """
    old = before[window.slices]
    core = region.inside(window)
    gone = np.where(_mostly_in(old, before, core)[old], old, 0)
    kept = old - gone
    numbers = np.arange(int(found.max(initial=0)) + 1)
    new = np.where(_mostly_in(found, found, core), numbers, 0)[found] * (kept == 0)
    room = np.bincount(new.ravel(), minlength=len(numbers))
    enough = room > MOSTLY * np.bincount(found.ravel(), minlength=len(numbers))
    new = np.where(enough[new], new, 0)
    label = labels_of(new, gone, max(top, int(before.max(initial=0))))
    masks = before.copy()
    masks[window.slices] = np.where(new > 0, label[new], kept)
    touched = np.union1d(np.unique(gone), label[np.unique(new)])
    return masks, touched[touched > 0]


def _mostly_in(part: np.ndarray, whole: np.ndarray, core: Region) -> np.ndarray:
    """For each number up to the highest of `part`, whether most of its mask lies in the core."""
    n = int(part.max(initial=0)) + 1
    inside = np.bincount(part[core.slices].ravel(), minlength=n)
    is_in = inside > MOSTLY * np.bincount(whole.ravel(), minlength=n)[:n]
    is_in[0] = False
    return is_in


def labels_of(new: np.ndarray, old: np.ndarray, top: int) -> np.ndarray:
    """Label of each new mask: that of the old one with which it shares most, or a new one.

    The sum of intersections over unions is the greatest that is possible, one to one.
    """
    label = np.zeros(int(new.max(initial=0)) + 1, np.int32)
    size = np.bincount(new.ravel())
    there = np.flatnonzero(size[1:]) + 1
    label[there] = top + np.arange(1, len(there) + 1)
    both = (new > 0) & (old > 0)
    if not both.any():
        return label
    news, row = compact(new[both])
    olds, column = compact(old[both])
    code, shared = np.unique(row * len(olds) + column, return_counts=True)
    row, column = np.divmod(code, len(olds))
    overlap = shared / (size[news[row]] + np.bincount(old.ravel())[olds[column]] - shared)
    option = np.tile(np.arange(len(code)), 2)
    slot = np.concatenate([row, len(news) + column])
    worth = np.where(overlap >= LEAST_OVERLAP, overlap, -1.0)
    chosen = pack(option, slot, worth, len(news) + len(olds))
    label[news[row[chosen]]] = olds[column[chosen]]
    left = there[label[there] > top]
    label[left] = top + np.arange(1, len(left) + 1)
    return label


def _with_frame(
    tracks: Tracks,
    time: int,
    masks: np.ndarray,
    touched: np.ndarray,
    image: np.ndarray,
    pixel_size: tuple[float, ...],
) -> Tracks:
    """`tracks` with the touched cells of one frame measured anew, added or taken out."""
    table = pd.DataFrame(measure_frame(image, Masks.of(masks), masks.shape, pixel_size))
    table = table[table["label"].isin(touched)].assign(frame=time)
    cells = tracks.cells
    here = cells[(cells["frame"] == time) & cells["label"].isin(touched)]
    gone = here.index[~here["label"].isin(table["label"])]
    known = table["label"].isin(here["label"])
    found = table[known].set_index(pd.Index(_ids(here, table["label"][known])))
    added = table[~known]
    first = int(cells.index.max()) + 1 if len(cells) else 1
    added.index = pd.RangeIndex(first, first + len(added), name=cells.index.name)
    added = added.assign(by=BY_MODEL, filled=False, pinned="")
    cells = cells.drop(gone)
    for name in found.columns.intersection(cells.columns):
        cells[name] = _updated(cells[name], found[name])
    if "filled" in cells:
        cells["filled"] = cells["filled"] & ~cells.index.isin(found.index)
    if len(added):
        cells = pd.concat([cells, added[[name for name in added if name in cells]]])
    order = np.lexsort((cells["label"], cells["frame"]))
    return replace(tracks, cells=cells.iloc[order], links=_bridged(tracks, gone))


def _bridged(tracks: Tracks, gone: pd.Index) -> pd.DataFrame:
    """Links without those of cells that are gone, which all were in one frame.

    What followed them is linked to what they came from, unless that would have more than two
    daughters then, or the user said that the two are not linked.
    """
    links = tracks.links
    leads_on, leads_to = links["parent"].isin(gone), links["child"].isin(gone)
    came_from = links[leads_to].set_index("child")["parent"]
    kept, bridges = links[~leads_on & ~leads_to], links[leads_on]
    bridges = bridges[bridges["parent"].isin(came_from.index)]
    bridges = bridges.assign(parent=came_from.loc[bridges["parent"]].to_numpy(), score=BRIDGE)
    if "by" in bridges:
        bridges["by"] = BY_MODEL
    ends = ["parent", "child"]
    rejected = bridges.set_index(ends).index.isin(tracks.rejected.set_index(ends).index)
    born = pd.concat([kept["parent"], bridges["parent"]]).value_counts()
    no_room = born.loc[bridges["parent"]].to_numpy() > MOST_CHILDREN
    left_open = bridges["parent"].isin(bridges["parent"][rejected | no_room])
    return pd.concat([kept, bridges[~left_open]], ignore_index=True)


def _ids(cells: pd.DataFrame, labels: pd.Series) -> np.ndarray:
    """Ids of the cells of one frame that have these labels."""
    return pd.Series(cells.index, cells["label"]).loc[labels].to_numpy()


def _updated(column: pd.Series, new: pd.Series) -> np.ndarray:
    """Values of a column with some cells' replaced by new ones."""
    values = column.to_numpy(copy=True)
    values[column.index.get_indexer(new.index)] = new.to_numpy()
    return values
