"""Which cells a gallery shows, in which order, and what time each of its columns is."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from napari_cellcycle.features.sighted import NOT_SEEN, Sighted

AlignAt = Literal["birth", "mitosis", "division", "frame"]
"""What stands below each other: first sights, onsets of mitosis, last sights before a division,
or frames."""
SortBy = Literal["number", "duration", "time in mitosis", "doubt", "stage"]
NOBODY = 0
"""Number of no track."""


@dataclass(frozen=True, eq=False)
class GalleryRows:
    """A row a cell, a column a frame before or after what the cells are aligned at.

    `tracks` (R,) are the cells in their order, `anchors` (R,) the frame that column 0 shows of
    each, `mothers` (R,) the track shown before each, `NOBODY` where there is none. `columns` are
    the numbers of the columns, those before the alignment below 0. `left_out` is the number of
    cells that have no place in this alignment.
    """

    tracks: np.ndarray
    anchors: np.ndarray
    mothers: np.ndarray
    columns: range
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.tracks)

    @cached_property
    def _places(self) -> dict[int, int]:
        return {track: row for row, track in enumerate(self.tracks.tolist())}

    def row_of(self, track: int | None) -> int | None:
        """Row of a track, if it is there."""
        return None if track is None else self._places.get(track)

    def column_of(self, row: int, frame: int) -> int:
        """Column that shows `frame` of a row."""
        return frame - int(self.anchors[row])

    def sights(self, known: Sighted, rows: range, columns: range) -> np.ndarray:
        """Which sights a part of the gallery shows, (r, c); `NOT_SEEN` where there is none."""
        some = slice(rows.start, rows.stop)
        frames = self.anchors[some, np.newaxis] + np.arange(columns.start, columns.stop)
        own = known.at(self.tracks[some, np.newaxis], frames)
        mother = known.at(self.mothers[some, np.newaxis], frames)
        return np.where((own == NOT_SEEN) & (self.mothers[some, np.newaxis] > 0), mother, own)


def gallery_rows(
    known: Sighted,
    align_at: AlignAt = "birth",
    sort_by: SortBy = "number",
    *,
    frame: int = 0,
    with_mothers: bool = False,
    reverse: bool = False,
) -> GalleryRows:
    """Arrange all cells that have a place in this alignment.

    `frame` is the one whose stage is sorted by. By duration and by doubt the most come first, by
    number and by stage the lowest; `reverse` turns this round, but cells that are equal always
    stand by their number, and those without a stage last.
    """
    anchors = _anchors(known, align_at)
    chosen = np.flatnonzero(anchors != NOT_SEEN)
    value = _value(known, sort_by, frame)[chosen]
    value = np.where(np.isnan(value), np.inf, -value if reverse else value)
    order = chosen[np.lexsort((known.numbers[chosen], value))]
    mothers = _mothers(known, known.numbers[order], with_mothers)
    left_out = len(known.numbers) - len(chosen)
    return _arranged(known, known.numbers[order], anchors[order], mothers, left_out)


def kept_rows(
    known: Sighted,
    before: Sighted,
    former: GalleryRows,
    align_at: AlignAt = "birth",
    *,
    with_mothers: bool = False,
) -> GalleryRows:
    """The same rows in the same order and alignment after an edit of what was known `before`.

    Cells that are gone leave, those that came stand at the end; all others keep their place, even
    if by now they would be sorted or aligned otherwise.
    """
    there = np.isin(former.tracks, known.numbers)
    anchors = _anchors(known, align_at)
    came = ~np.isin(known.numbers, before.numbers) & (anchors != NOT_SEEN)
    tracks = np.concatenate([former.tracks[there], known.numbers[came]])
    anchors = np.concatenate([former.anchors[there], anchors[came]])
    mothers = _mothers(known, tracks, with_mothers)
    return _arranged(known, tracks, anchors, mothers, len(known.numbers) - len(tracks))


def _arranged(
    known: Sighted, tracks: np.ndarray, anchors: np.ndarray, mothers: np.ndarray, left_out: int
) -> GalleryRows:
    rows = GalleryRows(tracks, anchors, mothers, range(0), left_out)
    if not len(tracks):
        return rows
    own = np.searchsorted(known.numbers, tracks)
    first, last = known.births[own], known.ends[own]
    has = mothers > 0
    mother = np.searchsorted(known.numbers, mothers[has])
    first = first.copy()
    first[has] = np.minimum(first[has], known.births[mother])
    low, high = int((first - anchors).min()), int((last - anchors).max())
    return replace(rows, columns=range(min(low, 0), max(high, 0) + 1))


def _mothers(known: Sighted, tracks: np.ndarray, wanted: bool) -> np.ndarray:
    if not wanted:
        return np.zeros(len(tracks), np.int64)
    return np.array([known.mothers.get(track, NOBODY) for track in tracks.tolist()], np.int64)


def _anchors(known: Sighted, align_at: AlignAt) -> np.ndarray:
    """Frame that column 0 shows of each track, `NOT_SEEN` for those without one."""
    if align_at == "frame":
        return np.zeros(len(known.numbers), np.int64)
    if align_at == "birth":
        return known.births
    if align_at == "mitosis":
        return known.onsets
    return np.where(known.divides, known.ends, NOT_SEEN)


def _value(known: Sighted, sort_by: SortBy, frame: int) -> np.ndarray:
    """What tracks are sorted by, the lowest first; NaN goes last."""
    if sort_by == "duration":
        return (known.births - known.ends).astype(float)
    if sort_by == "time in mitosis":
        return -known.mitotic.astype(float)
    if sort_by == "doubt":
        return -known.mistakes
    if sort_by == "stage":
        at = known.at(known.numbers, np.full(len(known.numbers), frame))
        code = np.where(at == NOT_SEEN, NOT_SEEN, known.codes[at] if len(known) else NOT_SEEN)
        return np.where(code < 0, np.nan, code)
    return known.numbers.astype(float)
