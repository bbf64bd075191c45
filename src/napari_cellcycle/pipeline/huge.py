"""Frames larger than memory: read, segmented and written piece by piece, without seams.

Pieces are looked at with a halo of two cell diameters, so that a cell across a border is seen
whole from both sides. The piece in which its centre lies writes it; where two pieces disagree
about the centre, the first one writes it and the second recognises it by its overlap. What is
larger than the halo is cut from every side, and its parts are joined where they overlap.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from napari_cellcycle.data.region import Region
from napari_cellcycle.features.shape import compact
from napari_cellcycle.pipeline.clean import at_edge, numbered, too_large
from napari_cellcycle.pipeline.prepare import Prepared
from napari_cellcycle.progress import Progress, silent

PIECE_PX = 1024 * 1024
"""Pixels of a piece without its halo, about."""
LEAST_HALOS = 8
"""Side of a piece in halos, at least: much smaller ones would be looked at twice."""
_SAME = 0.5
"""Share of the smaller of two masks that both cover, above which they are one cell."""
_TOLERANCE = 0.25
"""Diameters by which two pieces may disagree about the centre of a cell."""


def segment_pieces(
    prepared: Prepared,
    time: int,
    into: Any,
    *,
    side_px: int | None = None,
    progress: Progress = silent,
) -> int:
    """Segment one frame piece by piece into `into[time]`, and return how many cells it shows.

    Masks are numbered 1, 2, ... Brightness is that of the whole frame for every piece.

    Parameters
    ----------
    into
        Array (T, [Z,] Y, X) of int32, such as a zarr array, that can be read back.
    side_px
        Side of a piece without its halo; by default such that a piece holds a million pixels.
    progress
        Counts pieces.
    """
    shape = prepared.movie.frame_shape
    frame = _Frame(into, time, len(shape))
    pieces = list(_pieces(shape, side_px or _side(shape, prepared.halo_px)))
    for block in _pieces(shape, _stored_side(into)):
        frame.write(block, np.zeros((*shape[:-2], *block.shape), np.int32))
    levels = prepared.levels(time)
    seam = _Seam(_TOLERANCE * (prepared.diameter_px or 0.0))
    for done, piece in enumerate(pieces):
        progress(done, len(pieces), "Segmenting pieces")
        window = piece.grown(prepared.halo_px, shape)
        image = prepared.read(time, window)
        if image.min() == image.max():
            continue
        found = prepared.masks(image, levels)
        open_sides = tuple(not edge for edge in window.edges(shape))
        painted = seam.join(found, frame.read(window), piece.inside(window), open_sides)
        if painted is not None:
            frame.write(window, painted)
    return _finish(prepared, frame, pieces, seam, shape)


@dataclass(frozen=True)
class _Frame:
    """One frame of an array of masks, read and written by region."""

    into: Any
    time: int
    ndim: int

    def read(self, region: Region) -> np.ndarray:
        return np.asarray(self.into[self._index(region)])

    def write(self, region: Region, masks: np.ndarray) -> None:
        self.into[self._index(region)] = masks

    def _index(self, region: Region) -> tuple[Any, ...]:
        return (self.time, *(slice(None),) * (self.ndim - 2), *region.slices[1:])


@dataclass
class _Seam:
    """Joins what each piece finds to what was written before.

    `count` is the last number given; `cut` holds the numbers of masks that reach the border of
    a window; `same` pairs of numbers that turned out to be one cell.
    """

    tolerance_px: float
    count: int = 0
    cut: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    same: list[np.ndarray] = field(default_factory=list)

    def join(
        self, found: np.ndarray, written: np.ndarray, core: Region, open_sides: Any
    ) -> np.ndarray | None:
        """`written` with the masks `found` in the same window; None if none is added.

        `core` is the piece within its window, `open_sides` the sides of the window that do not
        lie on the edge of the image.
        """
        n = int(found.max(initial=0))
        if not n:
            return None
        pixels = np.flatnonzero(found)
        owner = found.ravel()[pixels]
        sizes = np.bincount(owner, minlength=n + 1)
        centre_in, reaches_in = _place(pixels, owner, sizes, found.shape, core, self.tolerance_px)
        is_cut = np.zeros(n + 1, bool)
        is_cut[at_edge(found, open_sides)] = True
        mine, theirs = _same_cells(owner, written.ravel()[pixels], sizes, written)
        known = np.zeros(n + 1, bool)
        known[mine] = True
        meets_cut = np.zeros(n + 1, bool)
        meets_cut[mine[np.isin(theirs, self.cut)]] = True
        free = np.bincount(owner[written.ravel()[pixels] == 0], minlength=n + 1)
        new = ~known & (2 * free > sizes) & np.where(is_cut, reaches_in, centre_in)
        joined = known & reaches_in & (is_cut | meets_cut)
        new[0] = joined[0] = False
        number = np.zeros(n + 1, np.int64)
        number[new] = self.count + np.arange(1, int(new.sum()) + 1)
        self.count += int(new.sum())
        paired = joined[mine]
        number[mine[paired]] = theirs[paired]
        self.same.append(np.column_stack([number[mine[paired]], theirs[paired]]))
        self.cut = np.union1d(self.cut, number[is_cut & (new | joined)])
        if not (new | joined).any():
            return None
        return np.where(written == 0, number[found], written).astype(np.int32)


def _place(
    pixels: np.ndarray,
    owner: np.ndarray,
    sizes: np.ndarray,
    shape: tuple[int, ...],
    core: Region,
    tolerance_px: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the centre of each mask lies in the core, or just beside it; whether a pixel does."""
    y, x = np.unravel_index(pixels, shape)[-2:]
    count = np.maximum(sizes, 1)
    centre = [np.bincount(owner, place, minlength=len(sizes)) / count for place in (y, x)]
    reaches_in = np.bincount(owner[core.has(y, x)], minlength=len(sizes)) > 0
    t = tolerance_px
    near = (
        (centre[0] >= core.top - t)
        & (centre[0] < core.bottom + t)
        & (centre[1] >= core.left - t)
        & (centre[1] < core.right + t)
    )
    return near, reaches_in


def _same_cells(
    owner: np.ndarray, former: np.ndarray, sizes: np.ndarray, written: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a mask found and one written that are the same cell, by their overlap."""
    both = former > 0
    if not both.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    labels, column = compact(former[both])
    there = written.ravel()
    there = there[there > 0]
    row = np.searchsorted(labels, there)
    row = np.minimum(row, len(labels) - 1)
    sizes_there = np.bincount(row[labels[row] == there], minlength=len(labels))
    code, shared = np.unique(owner[both] * np.int64(len(labels)) + column, return_counts=True)
    mine, other = np.divmod(code, len(labels))
    is_same = shared > _SAME * np.minimum(sizes[mine], sizes_there[other])
    return mine[is_same], labels[other[is_same]].astype(np.int64)


def _finish(
    prepared: Prepared, frame: _Frame, pieces: list[Region], seam: _Seam, shape: tuple[int, ...]
) -> int:
    """Make one mask of joined parts, drop what the settings leave out, number without gaps."""
    settings = prepared.settings
    owner = _owners(seam)
    if not (settings.max_diameter or settings.drop_at_edge) and _is_plain(owner):
        return seam.count
    sizes = np.zeros(seam.count + 1, np.int64)
    gone = np.zeros(seam.count + 1, bool)
    for piece in pieces:
        masks = owner[frame.read(piece)]
        sizes += np.bincount(masks.ravel(), minlength=seam.count + 1)
        if settings.drop_at_edge:
            gone[at_edge(masks, piece.edges(shape))] = True
    gone |= too_large(sizes, settings, prepared.movie.pixel_size)
    number = numbered(sizes, gone)[owner]
    for piece in pieces:
        frame.write(piece, number[frame.read(piece)])
    return int(number.max(initial=0))


def _owners(seam: _Seam) -> np.ndarray:
    """The least number of the masks that each number (n + 1,) is one cell with."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = seam.count + 1
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *seam.same])
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    group = connected_components(graph, directed=False)[1]
    least = np.full(n, n)
    np.minimum.at(least, group, np.arange(n))
    return least[group]


def _is_plain(owner: np.ndarray) -> bool:
    return bool((owner == np.arange(len(owner))).all())


def _side(shape: tuple[int, ...], halo_px: int) -> int:
    return max(LEAST_HALOS * halo_px, int(math.sqrt(PIECE_PX / math.prod(shape[:-2]))))


def _stored_side(into: Any) -> int:
    """Side of the blocks in which an array is written fastest."""
    return int((getattr(into, "chunks", None) or (1024,))[-1])


def _pieces(shape: tuple[int, ...], side: int) -> Iterator[Region]:
    """Regions of about that side that cover a frame, in rows."""
    height, width = shape[-2:]
    rows = np.linspace(0, height, max(1, round(height / side)) + 1).round().astype(int).tolist()
    columns = np.linspace(0, width, max(1, round(width / side)) + 1).round().astype(int).tolist()
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield Region(top, left, bottom, right)
