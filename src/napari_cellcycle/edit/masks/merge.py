"""Operation that makes one mask of several."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from napari_cellcycle.data.boxes import corner_of, joined
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.masks.found import Found, find_all, spacing
from napari_cellcycle.edit.painting import paint
from napari_cellcycle.errors import Fix, Refused

_NEAR = 0.5
"""Gap, in diameters of such a mask, up to which two masks can be pieces of one cell."""


def merge(
    bench: Bench,
    frame: int,
    labels: Sequence[int],
    keep: int | None = None,
    apart: bool = False,
) -> str:
    """Make one mask of those of a frame, with the number `keep`, or that of the longest track.

    A narrow gap between them is filled where no other cell lies. Masks that lie far from each
    other are refused unless `apart`.
    """
    found = find_all(bench, frame, labels)
    if len(found) < 2:
        raise Refused("Merging needs two cells of the same frame: choose another one, too.")
    if keep is not None and keep not in [one.label for one in found]:
        raise Refused(f"Cell {keep} is none of those to merge: choose one of them to keep.")
    window = joined([one.box for one in found])
    space = spacing(bench.draft, len(window))
    far = None if apart else _far_away(found, space)
    if far is not None:
        names = " and ".join(str(one.label) for one in found)
        raise Refused(
            f"Cells {names} do not touch: cell {far.label} lies too far away to be a part of the "
            "same cell.",
            Fix(
                "Merge them anyway",
                "merge",
                {"frame": frame, "labels": list(labels), "keep": keep, "apart": True},
            ),
        )
    kept = keep if keep is not None else _longest(bench, found)
    now = bench.draft.mask(frame)[window]
    masks = [one.within(window) for one in found]
    union = np.any(masks, axis=0)
    if not apart:
        union |= (now == 0) & _bridges(masks, space)
    paint(bench, frame, corner_of(window), np.where(union, kept, now))
    gone = " and ".join(str(one.label) for one in found if one.label != kept)
    return f"Merged cell {gone} into {kept} in frame {frame}"


def _longest(bench: Bench, found: list[Found]) -> int:
    """The label of the longest track; of the first of them, if several are as long."""
    return max(found, key=lambda one: len(bench.draft.track(one.label))).label


def _far_away(found: list[Found], space: np.ndarray) -> Found | None:
    """A mask that lies too far from all others to be a piece of the same cell."""
    most = _NEAR * _diameter(found, space) + 1
    for one in found:
        gaps = [_gap(one, other, space) for other in found if other is not one]
        if min(gaps) > most:
            return one
    return None


def _gap(one: Found, other: Found, space: np.ndarray) -> float:
    """How far two masks lie apart at least, in widths of a pixel: 0 where their outlines meet."""
    empty = [
        max(a.start - b.stop, b.start - a.stop, 0) for a, b in zip(one.box, other.box, strict=True)
    ]
    if any(empty):
        return float(np.linalg.norm(np.array(empty) * space))
    window = joined([one.box, other.box])
    away = _away(one.within(window), space)[other.within(window)]
    return float(away.min()) - 1


def _bridges(masks: list[np.ndarray], space: np.ndarray) -> np.ndarray:
    """Pixels that lie between masks which do not touch, each with the nearest of those before."""
    bridges = np.zeros(masks[0].shape, bool)
    together, left = masks[0], masks[1:]
    while left:
        away = _away(together, space)
        gaps = [float(away[mask].min()) for mask in left]
        own = left.pop(int(np.argmin(gaps)))
        if not (ndimage.binary_dilation(together) & own).any():
            bridges |= away + _away(own, space) <= min(gaps) + 1
        together = together | own
    return bridges


def _away(inside: np.ndarray, space: np.ndarray) -> np.ndarray:
    """How far each pixel lies from a mask, 0 inside of it, in widths of a pixel."""
    return np.asarray(ndimage.distance_transform_edt(~inside, sampling=space))


def _diameter(found: list[Found], space: np.ndarray) -> float:
    """Diameter in widths of a pixel of a disc or ball as large as the masks in the middle."""
    volume = float(np.median([mask.count for mask in found])) * float(np.prod(space))
    ndim = found[0].inside.ndim
    return (4 * volume / np.pi) ** 0.5 if ndim == 2 else (6 * volume / np.pi) ** (1 / 3)
