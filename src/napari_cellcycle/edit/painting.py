"""Bringing the tables in line with masks that were painted, split, merged or erased."""

from collections.abc import Sequence

import numpy as np

from napari_cellcycle.data.boxes import Box, corner_of, inside_of, joined, tight, whole
from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.drawn import drawn
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.lineages import take_out
from napari_cellcycle.edit.measuring import measure_cells
from napari_cellcycle.edit.relink import Parent, relink
from napari_cellcycle.errors import Refused

_KEPT = ("frame", "label")
_MANY = 50
"""Masks that are searched one by one; more are looked for in the whole frame."""


def paint(
    bench: Bench, frame: int, corner: Sequence[int], masks: np.ndarray, by: str = BY_USER
) -> str:
    """Replace the masks ([Z,] Y, X) in a box of a frame, whose first pixel is at `corner`.

    A cell none of whose pixels is left is taken out, as `delete_cells` does. A label that was not
    in the frame becomes a cell: of the track with that number, if it fits in there in time, else
    of a track of its own. All other cells keep links, stages and what was set by hand.
    """
    new = np.asarray(masks, np.int32)
    if new.min(initial=0) < 0:
        raise Refused("Labels of masks are 0, for no cell, or positive: choose a positive one.")
    box = tuple(slice(int(c), int(c) + n) for c, n in zip(corner, new.shape, strict=True))
    _check_inside(bench.draft, frame, box)
    before = bench.draft.mask(frame)[box]
    differs = before != new
    if not differs.any():
        return "Nothing changed"
    changed, _ = tight(box, differs)
    labels = np.unique(np.concatenate([before[differs], new[differs]]))
    labels = labels[labels > 0]
    within = _reach(bench.draft, frame, labels, changed)
    bench.draft.set_pixels(frame, corner_of(changed), new[inside_of(changed, box)])
    return settle_masks(bench, frame, labels, within, by)


def settle_masks(
    bench: Bench, frame: int, labels: np.ndarray, within: Box | None = None, by: str = BY_USER
) -> str:
    """Measure, add or take out the cells of some labels after their masks were changed.

    `within` is a box that is known to hold all of these masks; `by` says who drew them.
    """
    draft = bench.draft
    names = f"{len(labels)} masks" if len(labels) > 1 else f"Cell {labels[0]}"
    within = within or whole(draft.mask(frame).shape)
    present = np.isin(labels, draft.mask(frame)[within])
    if not draft.tracked:
        draft.mark("confirmed", drawn(frame, labels[~present]), there=False)
        draft.mark("confirmed", drawn(frame, labels[present]), there=by == BY_USER)
        return f"{names} changed in frame {frame}"
    cells = _cells_at(draft, frame, labels)
    gone = cells[~present & (cells != NOBODY)].tolist()
    changed, added = present & (cells != NOBODY), labels[present & (cells == NOBODY)]
    if changed.any():
        _measure_again(bench, frame, labels[changed], cells[changed], within, by)
    if gone:
        take_out(draft, gone, erased=True)
    for label in added.tolist():
        _add(bench, frame, label, within, by)
    parts = []
    if changed.any():
        parts.append("changed" if changed.sum() == 1 else f"{changed.sum()} changed")
    parts += [f"{len(added)} new"] if len(added) else []
    parts += [f"{len(gone)} taken out"] if gone else []
    return f"{names} in frame {frame}: {', '.join(parts) or 'as before'}"


def add_cell(
    bench: Bench,
    frame: int,
    label: int,
    before: int,
    after: int,
    within: Box | None = None,
    by: str = BY_USER,
) -> int:
    """Make a mask that is there a cell, between two cells of its track; returns its id.

    `before` and `after` are `NOBODY` where there is none; a link between the two now leads over
    the new cell, as sure as it was.
    """
    draft = bench.draft
    score, said = 1.0, BY_USER
    if before and after and draft.parent(after) == before:
        score, said = float(draft.value(after, "link_score")), str(draft.value(after, "link_by"))
    draft.next_label = max(draft.next_label, label + 1)
    table = measure_cells(bench, frame, np.array([label]), within)
    cell = int(draft.add_cells({**table, "by": np.array([by], object)})[0])
    moved = {cell: Parent(before, score, said)} if before else {}
    if after:
        moved[after] = Parent(cell, score, said)
    if moved:
        relink(draft, moved)
        draft.mark("rejected", [(before, after)], there=False)
    return cell


def _check_inside(draft: Draft, frame: int, box: Box) -> None:
    if draft.masks is None:
        raise Refused("There are no masks yet: segment the movie first.")
    count, *shape = draft.masks.shape
    if not 0 <= frame < count:
        raise Refused(f"There is no frame {frame}: the movie has frames 0 to {count - 1}.")
    if any(part.start < 0 or part.stop > n for part, n in zip(box, shape, strict=True)):
        raise Refused("That place lies outside of the frame: choose one inside of it.")


def _reach(draft: Draft, frame: int, labels: np.ndarray, changed: Box) -> Box:
    """A box that holds all masks of some labels, before and after a box of them is changed."""
    if len(labels) > _MANY:
        return whole(draft.mask(frame).shape)
    cells = _cells_at(draft, frame, labels)
    boxes = [draft.pixels_of(cell)[0] for cell in cells[cells != NOBODY].tolist()]
    return joined([changed, *(box for box in boxes if box[0].start < box[0].stop)])


def _cells_at(draft: Draft, frame: int, labels: np.ndarray) -> np.ndarray:
    """The cells (k,) of labels (k,) in a frame, `NOBODY` where there is none."""
    here = draft.in_frame(frame)
    own = draft.column("label")[draft.rows(here)]
    order = np.argsort(own, kind="stable")
    place = np.minimum(np.searchsorted(own[order], labels), max(len(own) - 1, 0))
    if not len(own):
        return np.full(len(labels), NOBODY, np.int64)
    return np.where(own[order][place] == labels, here[order][place], NOBODY)


def _measure_again(
    bench: Bench, frame: int, labels: np.ndarray, cells: np.ndarray, within: Box, by: str
) -> None:
    draft = bench.draft
    table = measure_cells(bench, frame, labels, within)
    for name in set(table) - set(_KEPT):
        if name in draft.names:
            draft.set_values(name, cells, table[name])
    if by == BY_USER:
        draft.set_values("by", cells, by)
    if "filled" in draft.names:
        draft.set_values("filled", cells, False)


def _add(bench: Bench, frame: int, label: int, within: Box, by: str) -> int:
    """Make a mask without a cell one, in the track of its number where there is room for it."""
    draft = bench.draft
    before, after = neighbours_in_time(draft, frame, label)
    fits = before != NOBODY or after != NOBODY or not len(draft.track(label))
    if not fits:
        other = draft.fresh_label()
        mask = draft.mask(frame)[within]
        draft.set_pixels(frame, corner_of(within), np.where(mask == label, other, mask))
        label = other
    return add_cell(bench, frame, label, before, after, within, by)


def neighbours_in_time(draft: Draft, frame: int, label: int) -> tuple[int, int]:
    """The cells of a track right before and right after a frame that it is missing in.

    `NOBODY` where the track does not go on in that direction, or has relatives there instead:
    both, if the frame lies before its birth or after its division.
    """
    track = draft.track(label)
    frames = draft.column("frame")[draft.rows(track)]
    place = int(np.searchsorted(frames, frame))
    before = int(track[place - 1]) if place > 0 else NOBODY
    after = int(track[place]) if place < len(track) else NOBODY
    if before and not after and draft.children(before):
        return NOBODY, NOBODY
    if after and not before and draft.parent(after):
        return NOBODY, NOBODY
    return before, after
