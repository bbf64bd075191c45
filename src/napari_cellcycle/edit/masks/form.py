"""Operations that change the form of masks: fill holes, grow, shrink, smooth; and erase them.

Other cells are never painted over.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels

from napari_cellcycle.data.boxes import corner_of, joined, wider
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.masks.cuts import depth_in
from napari_cellcycle.edit.masks.found import Found, check_frame, find_all, spacing
from napari_cellcycle.edit.painting import paint
from napari_cellcycle.errors import Fix, Refused

_SMOOTH_PX = 1.5


def fill_holes(bench: Bench, frame: int, labels: Sequence[int]) -> str:
    """Fill the holes of masks, as far as no other cell lies in them."""
    done = _each(bench, frame, labels, 0, ndimage.binary_fill_holes)
    if not done:
        raise Refused(f"{_names(labels)} in frame {frame} has no hole to fill: paint it instead.")
    return f"Filled holes of {_names(done).lower()} in frame {frame}"


def smooth(bench: Bench, frame: int, labels: Sequence[int]) -> str:
    """Smooth the outlines of masks, and leave out what hangs on them by a thread."""
    check_frame(bench.draft, frame)
    space = spacing(bench.draft, bench.draft.mask(frame).ndim)

    def smoothed(inside: np.ndarray) -> np.ndarray:
        padded = np.pad(inside, 3, mode="edge").astype(np.float32)
        soft = ndimage.gaussian_filter(padded, _SMOOTH_PX / space) > 0.5
        return _largest(soft[(slice(3, -3),) * inside.ndim])

    done = _each(bench, frame, labels, 3, smoothed)
    if not done:
        raise Refused(f"{_names(labels)} in frame {frame} is as smooth as can be already.")
    return f"Smoothed {_names(done).lower()} in frame {frame}"


def grow(bench: Bench, frame: int, labels: Sequence[int], pixels: float = 1.0) -> str:
    """Let masks grow by some pixels of x and y into the background around them."""
    found = find_all(bench, frame, labels)
    shape = bench.draft.mask(frame).shape
    window = wider(joined([one.box for one in found]), int(np.ceil(pixels)) + 1, shape)
    now = bench.draft.mask(frame)[window]
    chosen = np.where(np.isin(now, [one.label for one in found]), now, 0)
    space = spacing(bench.draft, now.ndim)
    grown = expand_labels(chosen, pixels, spacing=tuple(space))
    new = np.where(now == 0, grown, now)
    if np.array_equal(new, now):
        raise Refused(
            f"{_names(labels)} in frame {frame} cannot grow: other cells or the border are all "
            "around it; paint it instead."
        )
    paint(bench, frame, corner_of(window), new)
    return f"{_names(labels)} grew by {pixels:g} px in frame {frame}"


def shrink(bench: Bench, frame: int, labels: Sequence[int], pixels: float = 1.0) -> str:
    """Take a rim of some pixels of x and y from masks; at the border of the frame is no rim."""
    check_frame(bench.draft, frame)
    space = spacing(bench.draft, bench.draft.mask(frame).ndim)
    rim = np.ceil(pixels / space).astype(int).clip(min=1).tolist()

    def shrunk(inside: np.ndarray) -> np.ndarray:
        padded = np.pad(inside, [(n, n) for n in rim], mode="edge")
        return depth_in(padded, space)[tuple(slice(n, -n) for n in rim)] > pixels

    done = _each(bench, frame, labels, 1, shrunk)
    return f"{_names(done)} shrank by {pixels:g} px in frame {frame}"


def erase(bench: Bench, frame: int, labels: Sequence[int]) -> str:
    """Take masks out of a frame; a track that they leave goes on across the gap."""
    _each(bench, frame, labels, 0, np.zeros_like, may_vanish=True)
    return f"Erased {_names(labels).lower()} in frame {frame}"


def _each(
    bench: Bench,
    frame: int,
    labels: Sequence[int],
    margin: int,
    change: Callable[[np.ndarray], np.ndarray],
    may_vanish: bool = False,
) -> list[int]:
    """Change masks one after the other; returns the labels of those that are another now."""
    done = []
    for one in find_all(bench, frame, labels):
        window = wider(one.box, margin, bench.draft.mask(frame).shape)
        now = bench.draft.mask(frame)[window]
        own = now == one.label
        form = change(own) & (own | (now == 0))
        if not form.any() and not may_vanish:
            raise _vanishing(one)
        if (form != own).any():
            new = np.where(form, one.label, np.where(own, 0, now))
            paint(bench, frame, corner_of(window), new)
            done.append(one.label)
    return done


def _vanishing(one: Found) -> Refused:
    return Refused(
        f"Nothing of cell {one.label} in frame {one.frame} would be left: delete it instead.",
        Fix("Delete it", "erase", {"frame": one.frame, "labels": [one.label]}),
    )


def _largest(inside: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask."""
    parts, count = ndimage.label(inside)
    if count < 2:
        return inside
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1)


def _names(labels: Sequence[int]) -> str:
    return f"Cell {labels[0]}" if len(labels) == 1 else f"{len(labels)} cells"
