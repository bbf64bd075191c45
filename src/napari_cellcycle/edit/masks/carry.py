"""Operations that carry masks over time: extend a track, fill gaps, replace bad masks."""

import numpy as np

from napari_cellcycle.data.boxes import Box, corner_of, inside_of, joined
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.masks.between import (
    in_between,
    in_frame,
    linked_to,
    motion,
    shifted,
)
from napari_cellcycle.edit.masks.found import Found, check_frame, find_cell, spacing
from napari_cellcycle.edit.painting import add_cell, paint
from napari_cellcycle.errors import Fix, Refused

_LEAST_FREE = 0.3
"""Share of a copied mask that must not lie on other cells."""


def copy_mask(bench: Bench, cell: int, step: int = 1) -> str:
    """Extend a track by one frame, forward (`step` 1) or backward (-1).

    The mask is that of the cell, moved on as the cell moved of late, where no other cell lies.
    """
    draft = bench.draft
    found = find_cell(bench, cell)
    if step not in (1, -1):
        raise Refused("A track is extended by one frame at a time: forward (1) or backward (-1).")
    frame = found.frame + step
    check_frame(draft, frame)
    _check_end(draft, found, step)
    moved = shifted(found, np.rint(motion(draft, cell, step)).astype(int))
    mask = in_frame(*moved, draft.mask(frame).shape)
    if mask is None:
        raise Refused(
            f"Cell {found.label} moves out of the frame after frame {found.frame}, so there is "
            "nothing to extend: draw it by hand if it is there."
        )
    around = (cell, *draft.children(cell)) if step == 1 else (draft.parent(cell), cell)
    before, after = around if len(around) == 2 else (cell, NOBODY)
    _insert(bench, found, frame, mask, before, after)
    return f"Extended cell {found.label} to frame {frame}"


def insert_cell(bench: Bench, parent: int, child: int) -> str:
    """Fill the frames between two sightings of a cell with masks in between the two.

    The two are linked by it, if they were not.
    """
    draft = bench.draft
    first, second = find_cell(bench, parent), find_cell(bench, child)
    _check_order(draft, first, second)
    missing = list(range(first.frame + 1, second.frame))
    if not missing:
        raise Refused(
            f"There is no frame between cell {first.label} in frame {first.frame} and cell "
            f"{second.label} in frame {second.frame}: link the two instead.",
            Fix("Link them", "link", {"parent": parent, "child": child}),
        )
    others = [one for one in draft.children(parent) if one != child]
    linked = draft.parent(child) == parent
    if others and not linked:
        raise Refused(
            f"Cell {first.label} goes on after frame {first.frame} already: unlink that first.",
            Fix("Unlink it", "unlink", {"child": others[0]}),
        )
    label = second.label if others else first.label
    before = parent
    for frame in missing:
        mask = _between(bench, first, second, frame)
        before = _insert(bench, first, frame, mask, before, child, label)
    words = f"frame {missing[0]}" if len(missing) == 1 else f"frames {missing[0]} to {missing[-1]}"
    return f"Inserted cell {draft.label(child)} in {words}"


def interpolate(bench: Bench, first: int, last: int) -> str:
    """Replace the masks of a track between two good ones by masks in between the two.

    Frames that the cell is missing in are filled, too.
    """
    draft = bench.draft
    start, end = find_cell(bench, first), find_cell(bench, last)
    if start.frame > end.frame:
        start, end = end, start
    if start.label != end.label:
        raise Refused(
            f"Cells {start.label} and {end.label} are not the same track: choose two frames of one "
            "cell, or join the tracks first.",
            Fix("Join them", "join", {"first": start.label, "second": end.label}),
        )
    frames = list(range(start.frame + 1, end.frame))
    if not frames:
        raise Refused(
            f"Frames {start.frame} and {end.frame} of cell {start.label} have none in between: "
            "choose two that are further apart."
        )
    before = start.cell
    for frame in frames:
        mask = _between(bench, start, end, frame)
        cell = draft.cell_at(frame, start.label)
        if cell == NOBODY:
            after = int(draft.onwards(before)[1])
            before = _insert(bench, start, frame, mask, before, after)
        else:
            _replace(bench, cell, mask)
            before = cell
    return f"Cell {start.label} interpolated from frame {frames[0]} to {frames[-1]}"


def _check_end(draft: Draft, found: Found, step: int) -> None:
    """Refuse a track that goes on in the next frame already, or divides before it."""
    label, frame = found.label, found.frame + step
    beyond = linked_to(draft, found.cell, step)
    if len(beyond) > 1:
        raise Refused(
            f"Cell {label} divides after frame {found.frame}: choose one of its daughters, or "
            "remove the division first.",
            Fix("Remove the division", "undivide", {"mother": found.cell, "keep": beyond[0]}),
        )
    if beyond and draft.frame(beyond[0]) == frame:
        verb = "goes on" if step == 1 else "comes from a cell"
        child = beyond[0] if step == 1 else found.cell
        raise Refused(
            f"Cell {label} {verb} in frame {frame} already: unlink that first, or choose the "
            f"{'last' if step == 1 else 'first'} cell of the track.",
            Fix("Unlink it", "unlink", {"child": child}),
        )


def _check_order(draft: Draft, first: Found, second: Found) -> None:
    if first.frame >= second.frame:
        raise Refused(
            f"Cell {first.label} in frame {first.frame} is not before cell {second.label} in frame "
            f"{second.frame}: choose the earlier one first."
        )
    parent = draft.parent(second.cell)
    if parent not in (NOBODY, first.cell):
        raise Refused(
            f"Cell {second.label} in frame {second.frame} comes from cell {draft.label(parent)} "
            "already: unlink that first.",
            Fix("Unlink it", "unlink", {"child": second.cell}),
        )


def _between(bench: Bench, first: Found, second: Found, frame: int) -> tuple[Box, np.ndarray]:
    share = (frame - first.frame) / (second.frame - first.frame)
    box, inside = in_between(first, second, share, spacing(bench.draft, first.inside.ndim))
    mask = in_frame(box, inside, bench.draft.mask(frame).shape)
    assert mask is not None, "between two masks in the frame lies one in the frame"
    return mask


def _insert(
    bench: Bench,
    model: Found,
    frame: int,
    mask: tuple[Box, np.ndarray],
    before: int,
    after: int,
    label: int | None = None,
) -> int:
    """Draw a mask where no other cell lies, and put its cell between two of a track."""
    draft = bench.draft
    label = model.label if label is None else label
    box, inside = mask
    now = draft.mask(frame)[box]
    free = inside & (now == 0)
    if np.count_nonzero(free) < _LEAST_FREE * model.count:
        raise _no_room(draft, model, frame, now[inside], before, after)
    draft.set_pixels(frame, corner_of(box), np.where(free, label, now))
    return add_cell(bench, frame, label, before, after, box)


def _replace(bench: Bench, cell: int, mask: tuple[Box, np.ndarray]) -> None:
    """Give a cell another mask, where no other cell lies."""
    draft = bench.draft
    frame, label = draft.frame(cell), draft.label(cell)
    own_box, own = draft.pixels_of(cell)
    box, inside = mask
    window = joined([box, own_box]) if own.any() else box
    now = draft.mask(frame)[window]
    drawn = np.zeros(now.shape, bool)
    drawn[inside_of(box, window)] = inside
    free = drawn & ((now == 0) | (now == label))
    if not free.any():
        raise _no_room(draft, Found(frame, label, cell, box, inside), frame, now[drawn], cell, 0)
    paint(bench, frame, corner_of(window), np.where(free, label, np.where(now == label, 0, now)))


def _no_room(
    draft: Draft, model: Found, frame: int, there: np.ndarray, before: int, after: int
) -> Refused:
    """Why a mask cannot be drawn, and what could be done with the cell that lies there."""
    labels, count = np.unique(there[there > 0], return_counts=True)
    if not len(labels):
        return Refused(
            f"Too little of cell {model.label} would lie in frame {frame}: draw it by hand if it "
            "is there."
        )
    other = int(labels[count.argmax()])
    fixes = [Fix(f"Split cell {other} in two", "split_in_two", {"frame": frame, "label": other})]
    cell = draft.cell_at(frame, other)
    if cell != NOBODY and before != NOBODY and draft.parent(cell) == NOBODY:
        link = Fix(f"Link it with cell {other}", "link", {"parent": before, "child": cell})
        fixes = [link, *fixes]
    elif cell != NOBODY and not before and after and draft.parent(after) == NOBODY:
        fixes = [
            Fix(f"Link it with cell {other}", "link", {"parent": cell, "child": after}),
            *fixes,
        ]
    return Refused(
        f"Cell {other} lies where cell {model.label} would be in frame {frame}: link the two, or "
        "split that cell first.",
        *fixes,
    )
