"""Operation that draws a missed cell by one click."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from napari_cellcycle.data.boxes import Box, corner_of
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.masks.between import in_between, linked_to, motion, shifted
from napari_cellcycle.edit.masks.found import (
    Found,
    check_frame,
    mask_of,
    spacing,
    usual_diameter,
)
from napari_cellcycle.edit.masks.gaps import labels_for
from napari_cellcycle.edit.measuring import brightness
from napari_cellcycle.edit.painting import paint
from napari_cellcycle.errors import Fix, Refused

_ROOM = 1.5
"""How far around the click is looked, in diameters of a usual cell."""
_LARGEST = 1.0
"""How far from the click a cell may reach, in diameters of a usual cell."""
_SMOOTH_PX = 1.0
_PLAUSIBLE = (0.25, 3.0)
"""Sizes of a cell, in those of a usual one, that are believed."""
_SURE = 3.0
"""Contrast to the background, in its own deviations, from which brightness is believed."""
_LEAST_PX = 4


def draw_cell(bench: Bench, frame: int, place: Sequence[float], label: int | None = None) -> str:
    """Draw a cell that was missed, at a place [z,] y, x that was clicked on.

    It is the cell that lies there in a neighbouring frame, or between the two, and is missing in
    this one; else what stands out from the background as the place does; else a disc, or ball, of
    usual size. It gets the number `label`, by default that of a track that misses a cell there,
    or a new one. Other cells are not painted over.
    """
    draft = bench.draft
    check_frame(draft, frame)
    mask = draft.mask(frame)
    point = np.rint(np.asarray(place, float)).astype(int)
    if point.shape != (mask.ndim,) or (point < 0).any() or (point >= mask.shape).any():
        raise Refused("That place lies outside of the frame: click inside of it.")
    other = int(mask[tuple(point)])
    if other:
        raise Refused(
            f"Cell {other} is there already: split it if there are two in it, or click beside it.",
            Fix(f"Split cell {other} in two", "split_in_two", {"frame": frame, "label": other}),
        )
    space = spacing(draft, mask.ndim)
    diameter = usual_diameter(draft, frame, mask.ndim)
    window = _around(point, _ROOM * diameter, space, mask.shape)
    inside = _drawn(bench, frame, point, window, diameter, space)
    if np.count_nonzero(inside) < _LEAST_PX:
        raise Refused(
            "There is no room for a cell there: other cells are all around; paint it by hand, or "
            "split one of them."
        )
    centre = np.argwhere(inside).mean(axis=0) + corner_of(window)
    drawn = labels_for(bench, frame, [centre])[0] if label is None else int(label)
    paint(bench, frame, corner_of(window), np.where(inside, drawn, mask[window]))
    return f"Drew cell {int(draft.mask(frame)[tuple(point)]) or drawn} in frame {frame}"


def _drawn(
    bench: Bench, frame: int, point: np.ndarray, window: Box, diameter: float, space: np.ndarray
) -> np.ndarray:
    """Which pixels of a window belong to the cell that was clicked on."""
    free = bench.draft.mask(frame)[window] == 0
    seed = point - np.array(corner_of(window))
    missed = _missed(bench, frame, point, space)
    if missed is not None:
        known = _with_seed(missed.within(window) & free, seed)
        if np.count_nonzero(known) >= _PLAUSIBLE[0] * missed.count:
            return known
    grid = np.indices(free.shape, float)
    away = np.sqrt(sum(((grid[i] - seed[i]) * space[i]) ** 2 for i in range(free.ndim)))
    disc = away <= diameter / 2
    image = brightness(bench, frame, window)
    if image is not None:
        grown = _grown(image.astype(np.float32), free, free & (away <= _LARGEST * diameter), seed)
        size = np.count_nonzero(grown) / max(np.count_nonzero(disc), 1)
        if _PLAUSIBLE[0] <= size <= _PLAUSIBLE[1]:
            return grown
    return _with_seed(disc & free, seed)


def _grown(image: np.ndarray, free: np.ndarray, near: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """What stands out as the clicked place does: half-way from the background, and connected."""
    smooth = ndimage.gaussian_filter(image, _SMOOTH_PX)
    outside = smooth[free & ~near] if (free & ~near).any() else smooth[free]
    ground = float(np.median(outside))
    spread = 1.4826 * float(np.median(np.abs(outside - ground)))
    here = float(np.median(smooth[near & _ball(seed, near.shape, 2)]))
    if abs(here - ground) < _SURE * spread or here == ground:
        return np.zeros(free.shape, bool)
    stands_out = (smooth - ground) / (here - ground) > 0.5
    own = ndimage.binary_opening(_with_seed(near & stands_out, seed)) & near
    return ndimage.binary_fill_holes(_with_seed(own, seed)) & free


def _ball(seed: np.ndarray, shape: tuple[int, ...], radius: float) -> np.ndarray:
    grid = np.indices(shape, float)
    return np.asarray(sum((grid[i] - seed[i]) ** 2 for i in range(len(shape))) <= radius**2)


def _with_seed(inside: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The connected part that holds a place; nothing if that is not inside."""
    parts, _ = ndimage.label(inside)
    number = parts[tuple(seed)]
    return np.asarray((parts == number) & (number > 0))


def _missed(bench: Bench, frame: int, point: np.ndarray, space: np.ndarray) -> Found | None:
    """The mask of a cell that was, or will be, at a place but has none in this frame."""
    draft = bench.draft
    seen: dict[int, Found] = {}
    for step in (-1, 1):
        cell = _cell_under(draft, frame + step, point)
        linked = [] if cell == NOBODY else linked_to(draft, cell, -step)
        if cell == NOBODY or any(draft.frame(one) == frame for one in linked):
            continue
        ends = {step: cell, **({-step: linked[0]} if len(linked) == 1 else {})}
        masks = {side: mask_of(bench, one) for side, one in ends.items()}
        seen = {**seen, **{side: mask for side, mask in masks.items() if mask is not None}}
    if not seen:
        return None
    if len(seen) == 2:
        share = (frame - seen[-1].frame) / (seen[1].frame - seen[-1].frame)
        box, inside = in_between(seen[-1], seen[1], share, space)
    else:
        ((step, model),) = seen.items()
        moved = np.rint(motion(draft, model.cell, -step)).astype(int)
        box, inside = shifted(model, moved)
    return Found(frame, NOBODY, NOBODY, box, inside)


def _cell_under(draft: Draft, frame: int, point: np.ndarray) -> int:
    """The tracked cell at a place of a frame; `NOBODY` if there is none."""
    if draft.masks is None or not draft.tracked or not 0 <= frame < draft.masks.shape[0]:
        return NOBODY
    return draft.cell_at(frame, int(draft.mask(frame)[tuple(point)]))


def _around(point: np.ndarray, reach: float, space: np.ndarray, shape: tuple[int, ...]) -> Box:
    margin = np.ceil(reach / space).astype(int)
    ends = zip(point, margin, shape, strict=True)
    return tuple(slice(max(0, int(p - m)), min(n, int(p + m) + 1)) for p, m, n in ends)
