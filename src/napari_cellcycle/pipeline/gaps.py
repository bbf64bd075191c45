"""Draw the cells that the segmentation missed, where a link leaps over frames."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import BY_MODEL, Tracks
from napari_cellcycle.features.drift import diameters, field_offsets
from napari_cellcycle.features.shape import Masks, measure_frame
from napari_cellcycle.io.arrays import FrameArray

LEAST_ROOM = 0.3
"""Share of the expected mask that has to be free; with less the gap stays."""


class Gaps:
    """The gaps within tracks, filled while the frames pass by.

    A gap is a link over more than one frame that is no division. In each frame between, the
    mask is a mean of those at both ends: shape-based interpolation (Raya and Udupa 1990), at
    the place between them, on background only. Frames are held back only while a gap that
    spans them is open.
    """

    def __init__(
        self, tracks: Tracks, movie: Movie, complete: frozenset[int] = frozenset()
    ) -> None:
        """Find the gaps of `tracks`, whose labels are the numbers of their tracks.

        Nothing is missing in frames that are `complete`, so gaps across them stay.
        """
        self._tracks, self._movie = tracks, movie
        self._gaps = _gaps_of(tracks)
        self._complete = complete
        self._centres = _field_of(tracks, movie)
        self._filled: dict[int, list[tuple[int, np.ndarray]]] = defaultdict(list)
        """By frame: which gap, and the flat positions of the pixels that were painted."""
        self._cells: list[pd.DataFrame] = []

    def fill(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the `frames`, in order, with the missing cells painted into them.

        `frames` are masks ([Z,] Y, X), painted with the numbers of the tracks; those that are
        painted into are changed in place.
        """
        gaps = self._gaps
        starting, ending = _by_frame(gaps.begin), _by_frame(gaps.end)
        seen: dict[int, np.ndarray] = {}
        held: dict[int, np.ndarray] = {}
        for time, mask in enumerate(frames):
            held[time] = mask
            begin, end = starting.get(time, []), ending.get(time, [])
            places = _places(mask, gaps.label[[*begin, *end]])
            for gap in end:
                self._paint(gap, seen.pop(gap), places[int(gaps.label[gap])], held)
            seen |= {gap: places[int(gaps.label[gap])] for gap in begin}
            first_open = min((int(gaps.begin[gap]) for gap in seen), default=time)
            for done in [t for t in held if t <= first_open]:
                yield self._measured(done, held.pop(done))

    def close(self) -> Tracks:
        """The tracks with the cells that were painted, marked in the column `filled`."""
        tracks = self._tracks
        cells = tracks.cells.assign(filled=False)
        if not self._cells:
            return Tracks(cells, tracks.links)
        new = pd.concat(self._cells, ignore_index=True).assign(filled=True, by=BY_MODEL)
        first = int(cells.index.max()) + 1
        new.index = pd.RangeIndex(first, first + len(new), name=cells.index.name)
        links = self._links_through(new["gap"].to_numpy(), new.index.to_numpy())
        everything = pd.concat([cells, new.reindex(columns=cells.columns)])
        order = np.lexsort((everything["label"], everything["frame"]))
        return Tracks(everything.iloc[order], links)

    def _paint(
        self, gap: int, before: np.ndarray, after: np.ndarray, held: dict[int, np.ndarray]
    ) -> None:
        """Paint one cell into all frames of its gap, or into none if one has too little room."""
        begin, end = int(self._gaps.begin[gap]), int(self._gaps.end[gap])
        if not self._complete.isdisjoint(range(begin + 1, end)):
            return
        centre = [p.mean(0) - self._centres[t] for p, t in ((before, begin), (after, end))]
        planned = {}
        for time in range(begin + 1, end):
            share, mask = (time - begin) / (end - begin), held[time]
            place = (1 - share) * centre[0] + share * centre[1] + self._centres[time]
            pixels = between(before, after, share, place, self._movie.pixel_size)
            inside = pixels[((pixels >= 0) & (pixels < mask.shape)).all(1)]
            flat = np.ravel_multi_index(tuple(inside.T), mask.shape)
            free = flat[mask.ravel()[flat] == 0]
            if len(free) <= LEAST_ROOM * len(pixels):
                return
            planned[time] = free
        for time, free in planned.items():
            held[time].flat[free] = self._gaps.label[gap]
            self._filled[time].append((gap, free))

    def _measured(self, time: int, mask: np.ndarray) -> np.ndarray:
        """Measure what was painted into a frame, now that it is complete."""
        painted = self._filled.pop(time, [])
        if painted:
            gap = np.array([gap for gap, _ in painted])
            label = self._gaps.label[gap]
            order = np.argsort(label)
            pixels = [painted[i][1] for i in order]
            owner = np.repeat(np.arange(len(pixels)), [len(p) for p in pixels])
            masks = Masks(label[order], np.concatenate(pixels), owner, mask.ravel())
            size = self._movie.pixel_size
            table = measure_frame(self._movie.frame(time), masks, mask.shape, size)
            self._cells.append(pd.DataFrame({"frame": time, **table, "gap": gap[order]}))
        return mask

    def _links_through(self, gap: np.ndarray, cell: np.ndarray) -> pd.DataFrame:
        """The links, those over the filled gaps replaced by links through the new cells."""
        links = self._tracks.links
        order = np.argsort(gap, kind="stable")
        gap, cell = gap[order], cell[order]
        is_first = np.diff(gap, prepend=-1) != 0
        is_last = np.append(is_first[1:], True)
        row = self._gaps.link[gap]
        into = links.iloc[row].copy()
        into["parent"] = np.where(is_first, into["parent"], np.roll(cell, 1))
        into["child"] = cell
        out = links.iloc[row[is_last]].assign(parent=cell[is_last])
        kept = links.drop(links.index[row[is_last]])
        return pd.concat([kept, into, out]).sort_values(["parent", "child"], ignore_index=True)


def between(
    before: np.ndarray,
    after: np.ndarray,
    share: float,
    place: np.ndarray,
    pixel_size: tuple[float, ...],
) -> np.ndarray:
    """Pixels (k, d) of the mask that is `share` of the way from one mask to another.

    `before` and `after` are pixels (n, d) and (m, d). Both are moved to one centre; the mean
    of their signed distances from the outline, in um, is positive inside the mask between.
    It is put down with that centre at `place`, and may reach beyond the frame.
    """
    offsets = [points - np.round(points.mean(0)).astype(int) for points in (before, after)]
    reach = np.max([np.abs(points).max(0) for points in offsets], axis=0) + 1
    depth = np.zeros(2 * reach + 1)
    for points, weight in zip(offsets, (1 - share, share), strict=True):
        mask = np.zeros(depth.shape, bool)
        mask[tuple((points + reach).T)] = True
        depth += weight * distance_transform_edt(mask, sampling=pixel_size)
        depth -= weight * distance_transform_edt(~mask, sampling=pixel_size)
    return np.argwhere(depth > 0) - reach + np.round(place).astype(int)


@dataclass(frozen=True)
class _Spans:
    """For each gap its row in the links, the number of its track and the frames around it."""

    link: np.ndarray
    label: np.ndarray
    begin: np.ndarray
    end: np.ndarray


def without_drawn(labels: LabelStack, tracks: Tracks, kept: np.ndarray) -> LabelStack:
    """The masks without the cells that were drawn into gaps, but with those `kept` (ids) of them.

    So tracking again starts from what was seen, and from what the user decided about. Nothing is
    read before it is needed.
    """
    cells = tracks.cells
    if "filled" not in cells or not cells["filled"].any():
        return labels
    drawn = cells[cells["filled"].to_numpy(bool) & ~cells.index.isin(kept)]
    frames = drawn.groupby("frame")["label"]
    gone = {int(str(frame)): label.to_numpy() for frame, label in frames}
    read = _WithoutDrawn(labels, gone)
    return LabelStack(FrameArray(labels.shape, np.dtype(np.int32), read, leading=1))


@dataclass(frozen=True)
class _WithoutDrawn:
    labels: LabelStack
    gone: dict[int, np.ndarray]

    def __call__(self, time: int) -> np.ndarray:
        mask = self.labels.frame(time)
        return np.where(np.isin(mask, self.gone[time]), 0, mask) if time in self.gone else mask


def _gaps_of(tracks: Tracks) -> _Spans:
    links, cells = tracks.links, tracks.cells
    begin = cells["frame"].loc[links["parent"]].to_numpy()
    end = cells["frame"].loc[links["child"]].to_numpy()
    inside = ~links["parent"].isin(tracks.divisions).to_numpy()
    rows = np.flatnonzero(inside & (end > begin + 1))
    label = cells["label"].loc[links["parent"].iloc[rows]].to_numpy()
    return _Spans(rows, label, begin[rows], end[rows])


def _by_frame(frame: np.ndarray) -> dict[int, list[int]]:
    """Which rows belong to each frame."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, time in enumerate(frame.tolist()):
        rows[time].append(row)
    return rows


def _field_of(tracks: Tracks, movie: Movie) -> np.ndarray:
    """How far the field has moved by each frame (frames, d), in pixels."""
    cells, size = tracks.cells, np.asarray(movie.pixel_size)
    place = cells[tracks.axes].to_numpy() * size
    diameter = diameters(cells["area"].to_numpy(), len(size))
    return field_offsets(cells["frame"].to_numpy(), place, diameter) / size


def _places(mask: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """Pixels (n, d) of each of the `labels`."""
    if not len(labels):
        return {}
    labels = np.unique(labels)
    pixels = np.flatnonzero(np.isin(mask, labels))
    value = mask.ravel()[pixels]
    order = np.argsort(value, kind="stable")
    where = np.stack(np.unravel_index(pixels[order], mask.shape), 1)
    parts = np.split(where, np.searchsorted(value[order], labels[1:]))
    return dict(zip(labels.tolist(), parts, strict=True))
