"""Operations that cut one mask in pieces."""

from collections.abc import Sequence

import numpy as np

from napari_cellcycle.data.boxes import corner_of
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.masks.cuts import (
    cut_by_line,
    cut_by_seeds,
    cut_in_two,
    nearest_inside,
)
from napari_cellcycle.edit.masks.found import Found, find, mask_of, spacing
from napari_cellcycle.edit.masks.gaps import labels_for
from napari_cellcycle.edit.measuring import brightness
from napari_cellcycle.edit.painting import paint
from napari_cellcycle.errors import Fix, Refused

_REACH = 0.5
"""How far outside of a mask, in its own diameters, a point may lie that means a place in it."""
_LEAST_PX = 2
_SIZE_COUNTS = 1e-3
"""Where nothing else tells which piece goes on with the track, the largest does."""
_MOSTLY = 0.5
"""Share of a cell of a neighbouring frame that must lie under a mask to be one of those in it."""


def split(bench: Bench, frame: int, label: int, points: Sequence[Sequence[float]]) -> str:
    """Cut a mask in as many pieces as there are points [z,] y, x, one around each.

    The piece that fits best to the track before and after keeps the number; others get new ones.
    """
    found = find(bench, frame, label)
    places = _checked_points(found, points)
    space = spacing(bench.draft, found.inside.ndim)
    start = np.array(corner_of(found.box))
    seeds = nearest_inside(found.inside, places - start, space)
    away = np.linalg.norm((places - start - seeds) * space, axis=1)
    if (away > _REACH * 2 * (found.count / np.pi) ** 0.5 + 2).any():
        raise Refused(
            f"A point lies far outside of cell {label}: click inside of the cell, once for each "
            "cell in it.",
            _in_two(found),
        )
    if len(np.unique(seeds, axis=0)) < len(seeds):
        raise Refused(
            f"Two points are at the same place of cell {label}: click once in each of the cells "
            "in it.",
            _in_two(found),
        )
    image = brightness(bench, frame, found.box)
    return _write(bench, found, cut_by_seeds(found.inside, seeds, image, space))


def split_line(bench: Bench, frame: int, label: int, line: Sequence[Sequence[float]]) -> str:
    """Cut a mask along a drawn line, points ([z,] y, x); in a volume through all planes."""
    found = find(bench, frame, label)
    points = np.atleast_2d(np.asarray(line, float))
    if points.shape[0] < 2 or points.shape[1] < 2:
        raise Refused("A cut needs a line: press on one side of the cell and drag to the other.")
    flat = points[:, -2:] - np.array(corner_of(found.box))[-2:]
    pieces = cut_by_line(found.inside, flat, spacing(bench.draft, found.inside.ndim))
    if pieces.max() < 2:
        raise Refused(
            f"The line does not cut cell {label} in two: draw it from one side of the cell to the "
            "other.",
            _in_two(found),
        )
    return _write(bench, found, pieces)


def split_in_two(bench: Bench, frame: int, label: int) -> str:
    """Cut a mask in two where that seems best: where two cells are in a neighbouring frame.

    Where there are none, it is cut where it is narrow and dark.
    """
    found = find(bench, frame, label)
    if found.count < 2 * _LEAST_PX:
        raise Refused(
            f"Cell {label} has only {found.count} pixels in frame {frame}, too few to split: "
            "delete it, or paint over it.",
            Fix("Delete it", "erase", {"frame": frame, "labels": [label]}),
        )
    space = spacing(bench.draft, found.inside.ndim)
    image = brightness(bench, frame, found.box)
    seeds = _two_in_it(bench, found)
    if seeds is None:
        return _write(bench, found, cut_in_two(found.inside, image, space))
    return _write(bench, found, cut_by_seeds(found.inside, seeds, image, space))


def _checked_points(found: Found, points: Sequence[Sequence[float]]) -> np.ndarray:
    places = np.asarray(points, float)
    if places.ndim != 2 or places.shape[1] != found.inside.ndim or len(places) < 2:
        raise Refused(
            f"Splitting cell {found.label} needs two points or more in it: click once in each of "
            "the cells in it.",
            _in_two(found),
        )
    return places


def _two_in_it(bench: Bench, found: Found) -> np.ndarray | None:
    """Places in a mask of the two cells that lie there one frame before, or after."""
    draft = bench.draft
    assert draft.masks is not None
    start = np.array(corner_of(found.box))
    for frame in (found.frame - 1, found.frame + 1):
        if not draft.tracked or not 0 <= frame < draft.masks.shape[0]:
            continue
        there = draft.mask(frame)[found.box][found.inside]
        labels, count = np.unique(there[there > 0], return_counts=True)
        cells = [draft.cell_at(frame, int(label)) for label in labels]
        within = [
            cell
            for cell, n in zip(cells, count, strict=True)
            if cell != NOBODY and n > _MOSTLY * np.count_nonzero(draft.pixels_of(cell)[1])
        ]
        if len(within) == 2:
            places = np.array([draft.place(cell) for cell in within]) - start
            seeds = nearest_inside(found.inside, places, spacing(draft, found.inside.ndim))
            return seeds if (seeds[0] != seeds[1]).any() else None
    return None


def _write(bench: Bench, found: Found, pieces: np.ndarray) -> str:
    count = int(pieces.max())
    size = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    if count < 2 or size.min() < 1:
        raise Refused(
            f"Cell {found.label} cannot be split there: draw a line across it where the cells meet."
        )
    keeper = _keeper(bench, found, pieces)
    others = [number for number in range(1, count + 1) if number != keeper]
    label = np.zeros(count + 1, np.int32)
    label[keeper] = found.label
    start = np.array(corner_of(found.box))
    middles = [np.argwhere(pieces == number).mean(axis=0) + start for number in others]
    label[others] = labels_for(bench, found.frame, middles)
    now = bench.draft.mask(found.frame)[found.box]
    new = np.where(found.inside, label[pieces], now)
    paint(bench, found.frame, corner_of(found.box), new)
    names = " and ".join(str(number) for number in label[others])
    return f"Split cell {found.label} in frame {found.frame} from cell {names}"


def _keeper(bench: Bench, found: Found, pieces: np.ndarray) -> int:
    """The piece that goes on with the track: it overlaps and is nearest to before and after."""
    size = np.bincount(pieces.ravel())[1:].astype(float)
    score = size / size.sum() * _SIZE_COUNTS
    draft = bench.draft
    for cell in _continuation(draft, found):
        other = mask_of(bench, cell)
        if other is None:
            continue
        there = other.within(found.box)
        shared = np.bincount(pieces[there], minlength=len(size) + 1)[1:]
        start = np.array(corner_of(found.box))
        space = spacing(draft, found.inside.ndim)
        middles = np.array([np.argwhere(pieces == n + 1).mean(axis=0) for n in range(len(size))])
        away = np.linalg.norm((middles + start - other.centre) * space, axis=1)
        score += shared / np.minimum(size, other.count) - away / max(float(away.max()), 1.0)
    return int(score.argmax()) + 1


def _continuation(draft: Draft, found: Found) -> list[int]:
    """The cells of the same track right before and after."""
    if found.cell == NOBODY:
        return []
    born = draft.children(found.cell)
    around = [draft.parent(found.cell), *(born if len(born) == 1 else [])]
    return [cell for cell in around if cell != NOBODY and draft.label(cell) == found.label]


def _in_two(found: Found) -> Fix:
    words = "Split it where that seems best"
    return Fix(words, "split_in_two", {"frame": found.frame, "label": found.label})
