"""Bringing the tables in line with masks that were painted, split, merged or erased."""

from collections.abc import Sequence

import numpy as np

from napari_cellcycle.data.draft import NOBODY, Draft
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.lineages import delete_cells
from napari_cellcycle.edit.measuring import measure_cells
from napari_cellcycle.edit.relink import Parent, relink

_KEPT = ("frame", "label")


def paint(bench: Bench, frame: int, corner: Sequence[int], masks: np.ndarray) -> str:
    """Replace the masks ([Z,] Y, X) in a box of a frame, whose first pixel is at `corner`.

    A cell none of whose pixels is left is taken out, as `delete_cells` does. A label that was not
    in the frame becomes a cell: of the track with that number, if it fits in there in time, else
    of a track of its own. All other cells keep links, stages and what was set by hand.
    """
    new = np.asarray(masks, np.int32)
    box = tuple(slice(c, c + n) for c, n in zip(corner, new.shape, strict=True))
    before = bench.draft.mask(frame)[box]
    differs = before != new
    labels = np.unique(np.concatenate([before[differs], new[differs]]))
    labels = labels[labels > 0]
    if not len(labels):
        return "Nothing changed"
    bench.draft.set_pixels(frame, corner, new)
    return settle_masks(bench, frame, labels)


def settle_masks(bench: Bench, frame: int, labels: np.ndarray) -> str:
    """Measure, add or take out the cells of some labels after their masks were changed."""
    draft = bench.draft
    names = f"{len(labels)} masks" if len(labels) > 1 else f"Cell {labels[0]}"
    if not draft.tracked:
        return f"{names} changed in frame {frame}"
    present = np.isin(labels, draft.mask(frame))
    cells = np.array([draft.cell_at(frame, int(label)) for label in labels], np.int64)
    gone = cells[~present & (cells != NOBODY)]
    changed, added = present & (cells != NOBODY), labels[present & (cells == NOBODY)]
    if changed.any():
        _measure_again(bench, frame, labels[changed], cells[changed])
    if len(gone):
        delete_cells(bench, gone.tolist())
    for label in added.tolist():
        _add(bench, frame, label)
    parts = []
    if changed.any():
        parts.append("changed" if changed.sum() == 1 else f"{changed.sum()} changed")
    parts += [f"{len(added)} new"] if len(added) else []
    parts += [f"{len(gone)} taken out"] if len(gone) else []
    return f"{names} in frame {frame}: {', '.join(parts) or 'as before'}"


def _measure_again(bench: Bench, frame: int, labels: np.ndarray, cells: np.ndarray) -> None:
    draft = bench.draft
    table = measure_cells(bench, frame, labels)
    for name in set(table) - set(_KEPT):
        if name in draft.names:
            draft.set_values(name, cells, table[name])
    draft.set_values("by", cells, BY_USER)
    if "filled" in draft.names:
        draft.set_values("filled", cells, False)


def _add(bench: Bench, frame: int, label: int) -> int:
    """Make a mask without a cell one, in the track of its number where there is room for it."""
    draft = bench.draft
    before, after = neighbours_in_time(draft, frame, label)
    fits = before != NOBODY or after != NOBODY or not len(draft.track(label))
    if not fits:
        other = draft.fresh_label()
        mask = draft.mask(frame)
        draft.set_pixels(frame, (0,) * mask.ndim, np.where(mask == label, other, mask))
        label = other
    draft.next_label = max(draft.next_label, label + 1)
    table = measure_cells(bench, frame, np.array([label]))
    cell = int(draft.add_cells({**table, "by": np.array([BY_USER], object)})[0])
    moved = {cell: Parent(before)} if before else {}
    if after:
        moved[after] = Parent(cell)
    if moved:
        relink(draft, moved)
    return cell


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
