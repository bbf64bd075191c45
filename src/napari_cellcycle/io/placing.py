"""Cells and the masks that they lie on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.ctc import centres
from napari_cellcycle.io.foreign import own_labels
from napari_cellcycle.io.points import spots
from napari_cellcycle.progress import Progress, silent, track_progress

HALF_A_PIXEL = 0.5 + 1e-6
"""How far, along each axis, the middle of a mask may be from the place that was made of it."""

NEARLY_ALL = 0.9
"""Part of the cells whose labels are masks of their frames in files whose labels are believed."""


class MaskSizes(NamedTuple):
    """Pixels of the mask of each cell (0: it has none), and how many masks have no cell."""

    of_cells: np.ndarray
    spare: int


@dataclass(frozen=True)
class Placed:
    """Tracks whose labels are those of the masks that their cells lie on.

    `without` cells lie on no mask, or on that of another cell (`crowded` of them); `outside` of
    them are not even inside the image. `spare` masks have no cell.
    """

    tracks: Tracks
    without: int = 0
    crowded: int = 0
    outside: int = 0
    spare: int = 0


def mask_sizes(labels: LabelStack, tracks: Tracks, progress: Progress = silent) -> MaskSizes:
    """Count the pixels of every cell's mask, reading the masks once."""
    frame, label = (tracks.cells[name].to_numpy(np.int64) for name in ("frame", "label"))
    sizes, spare = np.zeros(len(frame), np.int64), 0
    for time, rows in _by_frame(frame, len(labels), progress, "Counting masks"):
        values, counts = np.unique(labels.frame(time), return_counts=True)
        there = dict(zip(values.tolist(), counts.tolist(), strict=True))
        there.pop(0, None)
        sizes[rows] = [there.pop(number, 0) for number in label[rows].tolist()]
        spare += len(there)
    return MaskSizes(sizes, spare)


def placed(tracks: Tracks, labels: LabelStack, progress: Progress = silent) -> Placed:
    """Give every cell the label of the mask that it lies on, one cell a mask.

    The mask whose label a cell brings is its own if its place is in it or is its middle. If that
    is the rule in the file, and nearly all labels are masks, it is so wherever the place lies, as
    in a bent cell, whose middle may be on another. Else the mask under the place counts; of
    several cells on one mask the nearest to its middle has it. Cells without a mask get labels
    that no mask has.

    Raises
    ------
    BadInput
        Cells in frames that the masks do not have, or in 3D on masks in 2D or the other way round.
    """
    _check_fit(tracks, labels)
    cells = tracks.cells
    frame, own = cells["frame"].to_numpy(np.int64), cells["label"].to_numpy(np.int64)
    place = cells[tracks.axes].to_numpy(np.float64)
    at = np.rint(place).astype(np.int64)
    inside = ((at >= 0) & (at < np.array(labels.shape[1:]))).all(axis=1)
    under = np.zeros(len(cells), np.int64)
    away = np.full(len(cells), np.inf)
    has_own, in_middle = np.zeros(len(cells), bool), np.zeros(len(cells), bool)
    masks, top = 0, 0
    for time, rows in _by_frame(frame, len(labels), progress, "Placing cells"):
        mask = labels.frame(time)
        here = rows[inside[rows]]
        under[here] = mask[tuple(at[here].T)]
        middle = centres(mask).set_index("label")
        masks, top = masks + len(middle), max(top, int(middle.index.max()) if len(middle) else 0)
        has_own[rows] = np.isin(own[rows], middle.index)
        off = middle[tracks.axes].reindex(own[rows]).to_numpy() - place[rows]
        in_middle[rows] = (np.abs(off) <= HALF_A_PIXEL).all(axis=1)
        on = here[under[here] > 0]
        way = place[on] - middle.loc[under[on], tracks.axes].to_numpy()
        away[on] = (way**2).sum(axis=1)
    at_own = in_middle | ((own == under) & (under > 0))
    label = _claimed(frame, own, under, away, has_own, at_own)
    free = own_labels(tracks, pd.Series(np.nan, cells.index), above=max(top, 0))
    found = label > 0
    done = replace(tracks, cells=cells.assign(label=np.where(found, label, free)))
    return Placed(
        done,
        without=int((~found).sum()),
        crowded=int((~found & (under > 0)).sum()),
        outside=int((~inside).sum()),
        spare=masks - int(found.sum()),
    )


def spotted(tracks: Tracks, movie: Movie) -> tuple[LabelStack, Tracks]:
    """Masks of spots around cells that have none, and the tracks with the labels of these.

    Raises `BadInput` if a cell lies outside of the movie.
    """
    cells = tracks.cells
    shape = (len(movie), *movie.frame_shape)
    labels = spots(cells[["frame", *tracks.axes]], shape, movie.pixel_size)
    number = cells.groupby("frame").cumcount().to_numpy(np.int64) + 1
    return labels, tracks.with_columns(label=number)


def _claimed(
    frame: np.ndarray,
    own: np.ndarray,
    under: np.ndarray,
    away: np.ndarray,
    has_own: np.ndarray,
    at_own: np.ndarray,
) -> np.ndarray:
    """The label that each cell gets of the masks of its frame, 0 for none."""
    trusted = at_own.sum() * 2 > (at_own | (under > 0)).sum()
    own_first = trusted and has_own.mean() >= NEARLY_ALL
    claims = [
        _claim(at_own, own, away, rank=0),
        _claim(under > 0, under, away, rank=2),
    ]
    if trusted:
        claims.append(_claim(has_own & ~at_own, own, away, rank=1 if own_first else 3))
    wanted = pd.concat(claims, ignore_index=True)
    wanted["frame"] = frame[wanted["row"]]
    label = np.zeros(len(frame), np.int64)
    taken = pd.MultiIndex.from_arrays([[], []])
    for _, claim in wanted.groupby("rank"):
        keys = pd.MultiIndex.from_frame(claim[["frame", "label"]])
        claim = claim[(label[claim["row"]] == 0) & ~keys.isin(taken)]
        won = claim.sort_values("away", kind="stable").drop_duplicates(["frame", "label"])
        label[won["row"]] = won["label"]
        taken = taken.append(pd.MultiIndex.from_frame(won[["frame", "label"]]))
    return label


def _claim(of: np.ndarray, label: np.ndarray, away: np.ndarray, rank: int) -> pd.DataFrame:
    """The masks that some cells ask for; those of a lower rank are given away first."""
    rows = np.flatnonzero(of)
    return pd.DataFrame({"row": rows, "label": label[rows], "rank": rank, "away": away[rows]})


def _check_fit(tracks: Tracks, labels: LabelStack) -> None:
    if len(tracks) and tracks.cells["frame"].max() >= len(labels):
        raise BadInput(
            f"The tracks go up to frame {tracks.cells['frame'].max()}, but the masks end at "
            f"{len(labels) - 1}: choose the masks that belong to these tracks."
        )
    if len(tracks) and len(tracks.axes) != labels.ndim:
        raise BadInput(
            f"The tracks are in {len(tracks.axes)}D ({', '.join(tracks.axes)}), but the masks in "
            f"{labels.ndim}D: choose the masks that belong to these tracks."
        )


def _by_frame(
    frame: np.ndarray, frames: int, progress: Progress, message: str
) -> Iterator[tuple[int, np.ndarray]]:
    """Each frame with the rows of its cells."""
    order = np.argsort(frame, kind="stable")
    cuts = np.searchsorted(frame[order], np.arange(frames + 1))
    for time in track_progress(range(frames), frames, progress, message):
        yield time, order[cuts[time] : cuts[time + 1]]
