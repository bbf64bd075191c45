"""Corrections at random: for each operation, cells that it could be done on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft

Drawn = tuple[str, dict[str, Any]] | None
Case = Callable[[Draft, np.random.Generator], Drawn]


def _cell(draft: Draft, rng: np.random.Generator) -> int:
    return int(draft.ids[rng.integers(len(draft))])


def _inner(draft: Draft, rng: np.random.Generator) -> int:
    """A cell with a parent that does not divide, and a child."""
    while True:
        cell = _cell(draft, rng)
        parent = draft.parent(cell)
        if parent and len(draft.children(parent)) == 1 and len(draft.children(cell)) == 1:
            return cell


def _neighbour(draft: Draft, cell: int, rng: np.random.Generator, later: int = 0) -> int:
    """One of the nearest other cells, in the same frame or `later`."""
    there = draft.in_frame(draft.frame(cell) + later)
    there = there[there != cell]
    if not len(there):
        return NOBODY
    rows = draft.rows(there)
    place = np.column_stack([draft.column(axis)[rows] for axis in draft.axes])
    near = np.argsort(((place - draft.place(cell)) ** 2).sum(axis=1))[:3]
    return int(there[rng.choice(near)])


def _link(draft: Draft, rng: np.random.Generator) -> Drawn:
    ends = draft.ids[~np.isin(draft.ids, draft.column("parent"))]
    end = int(rng.choice(ends))
    return "link", {"parent": end, "child": _neighbour(draft, end, rng, later=1)}


def _replace(draft: Draft, rng: np.random.Generator) -> Drawn:
    cell = _inner(draft, rng)
    return "replace", {"parent": cell, "child": _neighbour(draft, cell, rng, later=1)}


def _unlink(draft: Draft, rng: np.random.Generator) -> Drawn:
    return "unlink", {"child": _inner(draft, rng)}


def _divide(draft: Draft, rng: np.random.Generator) -> Drawn:
    cell = _inner(draft, rng)
    other = _neighbour(draft, cell, rng, later=1)
    return "divide", {"mother": cell, "daughters": [*draft.children(cell), other]}


def _undivide(draft: Draft, rng: np.random.Generator) -> Drawn:
    mothers, count = np.unique(draft.column("parent"), return_counts=True)
    mother = int(rng.choice(mothers[(count == 2) & (mothers > 0)]))
    return "undivide", {"mother": mother, "keep": draft.children(mother)[0]}


def _swap(draft: Draft, rng: np.random.Generator) -> Drawn:
    cell = _inner(draft, rng)
    return "swap", {"first": cell, "second": _neighbour(draft, cell, rng)}


def _join(draft: Draft, rng: np.random.Generator) -> Drawn:
    drawn = _link(draft, rng)
    assert drawn is not None
    ends = [draft.label(drawn[1][name]) for name in ("parent", "child") if drawn[1][name]]
    return ("join", {"first": ends[0], "second": ends[1]}) if len(ends) == 2 else None


def _delete_cell(draft: Draft, rng: np.random.Generator) -> Drawn:
    return "delete_cells", {"cells": [_inner(draft, rng)]}


def _delete_track(draft: Draft, rng: np.random.Generator) -> Drawn:
    return "delete_track", {"label": draft.label(_inner(draft, rng))}


def _brush(draft: Draft, rng: np.random.Generator) -> Drawn:
    """A round brush as wide as the cell, at its edge, which may run over neighbours."""
    cell = _inner(draft, rng)
    box, _ = draft.pixels_of(cell)
    low = [max(0, part.start - 6) for part in box]
    now = draft.mask(draft.frame(cell))
    now = now[tuple(slice(a, part.stop + 6) for a, part in zip(low, box, strict=True))].copy()
    y, x = np.ogrid[: now.shape[0], : now.shape[1]]
    radius = (box[0].stop - box[0].start) / 2
    now[(y - 6) ** 2 + (x - radius - 6) ** 2 <= radius**2] = draft.label(cell)
    return "paint", {"frame": draft.frame(cell), "corner": low, "masks": now}


def _new_mask(draft: Draft, rng: np.random.Generator) -> Drawn:
    frame = draft.frame(_cell(draft, rng))
    mask = draft.mask(frame)
    corner = [int(rng.integers(0, n - 20)) for n in mask.shape]
    now = mask[tuple(slice(c, c + 20) for c in corner)].copy()
    now[now == 0] = draft.next_label
    return "paint", {"frame": frame, "corner": corner, "masks": now}


def _whole_frame(draft: Draft, rng: np.random.Generator) -> Drawn:
    """A frame as a segmentation could give it anew: every mask one pixel smaller to one side."""
    frame = draft.frame(_inner(draft, rng))
    mask = draft.mask(frame)
    masks = np.where(np.roll(mask, 1, axis=0) == mask, mask, 0)
    return "adopt_masks", {"frame": frame, "masks": masks}


def _erase_cell(draft: Draft, rng: np.random.Generator) -> Drawn:
    cell = _inner(draft, rng)
    return "erase", {"frame": draft.frame(cell), "labels": [draft.label(cell)]}


def _split(draft: Draft, rng: np.random.Generator) -> Drawn:
    cell = _inner(draft, rng)
    return "split_in_two", {"frame": draft.frame(cell), "label": draft.label(cell)}


def _merge(draft: Draft, rng: np.random.Generator) -> Drawn:
    cell = _inner(draft, rng)
    pair = [draft.label(cell), draft.label(_neighbour(draft, cell, rng))]
    return "merge", {"frame": draft.frame(cell), "labels": pair}


def _insert(draft: Draft, rng: np.random.Generator) -> Drawn:
    frames, parent = draft.column("frame"), draft.column("parent")
    linked = np.flatnonzero(parent)
    gap = frames[linked] - frames[draft.rows(parent[linked])]
    row = int(rng.choice(linked[gap > 1]))
    return "insert_cell", {"parent": int(parent[row]), "child": int(draft.ids[row])}


def _extend(draft: Draft, rng: np.random.Generator) -> Drawn:
    ends = draft.ids[~np.isin(draft.ids, draft.column("parent"))]
    return "copy_mask", {"cell": int(rng.choice(ends))}


def _grow(draft: Draft, rng: np.random.Generator) -> Drawn:
    cell = _inner(draft, rng)
    return "grow", {"frame": draft.frame(cell), "labels": [draft.label(cell)]}


def _stage(draft: Draft, rng: np.random.Generator) -> Drawn:
    return "set_stage", {"cells": [_inner(draft, rng)], "stage": "metaphase"}


def _stage_from(draft: Draft, rng: np.random.Generator) -> Drawn:
    return "set_stage_from", {"cell": _inner(draft, rng), "stage": "prophase"}


def _boundary(draft: Draft, rng: np.random.Generator) -> Drawn:
    track = draft.track(draft.label(_inner(draft, rng)))
    rows = draft.rows(track)
    names, frames = draft.column("stage")[rows], draft.column("frame")[rows]
    changes = np.flatnonzero(names[1:] != names[:-1]) + 1
    if not len(changes):
        return None
    frame = int(frames[rng.choice(changes)])
    arguments = {"track": draft.label(int(track[0])), "frame": frame, "to": frame - 2}
    return "move_boundary", arguments


def _confirm(draft: Draft, rng: np.random.Generator) -> Drawn:
    return "confirm", {"kind": "link", "number": _inner(draft, rng)}


CASES: dict[str, Case] = {
    "link": _link,
    "replace": _replace,
    "unlink": _unlink,
    "divide": _divide,
    "undivide": _undivide,
    "swap": _swap,
    "join": _join,
    "delete one mask": _delete_cell,
    "delete a track": _delete_track,
    "paint with a brush": _brush,
    "paint a new cell": _new_mask,
    "erase": _erase_cell,
    "split in two": _split,
    "merge": _merge,
    "insert a missing cell": _insert,
    "extend by a frame": _extend,
    "grow": _grow,
    "set a stage": _stage,
    "set a stage from here on": _stage_from,
    "move a boundary": _boundary,
    "confirm": _confirm,
    "a whole frame anew": _whole_frame,
}
"""Each operation in words, and how to draw cells for it."""
