"""What follows from an edit: links around it, and the stages of the lineages it touched."""

import numpy as np

from napari_cellcycle.data.changes import Change, Rows, Values, touched_cells
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.row_of import NONE, RowOf
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.resolve import resolve
from napari_cellcycle.pipeline.decode import decode_cells
from napari_cellcycle.pipeline.redecode import CHANCE, SEEN

_OF_STAGES = ("parent", "pinned")


def follow_up(
    bench: Bench, changes: tuple[Change, ...], *, resolving: bool = True
) -> tuple[str, ...]:
    """Link anew what `changes` set free, and decode the stages of the lineages that they touch.

    Without `resolving` only stages that the user let go of are decoded. Everything is recorded
    with the edit. Returns what else happened, in sentences.
    """
    draft = bench.draft
    told = resolve(bench, changes) if resolving and draft.tracked else ()
    let_go = [c for c in changes if isinstance(c, Values) and c.column == "pinned"]
    let_go = [c for c in let_go if (c.after == "").any()]
    about_stages = [c for c in changes if _is_about_stages(c)] if resolving else let_go
    if not (about_stages or told) or not _is_classified(draft):
        return told
    with draft.recording() as every:
        touched = _relatives(tuple(c for c in every if _is_about_stages(c)))
    changed = redecode_draft(bench, touched)
    if changed:
        told += (f"Stages decided anew in {changed} places.",)
    return told


def _relatives(changes: tuple[Change, ...]) -> np.ndarray:
    """Cells of all lineages that `changes` touch: those that links were cut from, too."""
    links = [c for c in changes if isinstance(c, Values) and c.column == "parent"]
    ends = [end for link in links for end in (link.before, link.after)]
    return np.unique(np.concatenate([touched_cells(changes), *ends]))


def redecode_draft(bench: Bench, cells: np.ndarray) -> int:
    """Choose the stages of the lineages of `cells` anew, around what the user pinned.

    Returns in how many cells the stage changed.
    """
    draft, stages = bench.draft, bench.draft.stages
    rows, parent = _lineage(draft, cells)
    seen = np.column_stack([draft.column(f"{SEEN}{name}")[rows] for name in stages.names])
    pins = draft.column("pinned")[rows]
    codes = {"": -1, **{name: code for code, name in enumerate(stages.names)}}
    pinned = np.array([codes.get(pin, -1) for pin in pins.tolist()], np.int64)
    told = decode_cells(
        draft.column("frame")[rows],
        parent,
        seen,
        stages,
        bench.movie.frame_interval if bench.movie is not None else 300.0,
        bench.smoothing,
        pinned=pinned,
        durations=bench.durations,
    )
    ids = draft.ids[rows]
    before = draft.column("stage")[rows]
    after = np.array(stages.names, object)[told.code]
    draft.set_values("stage", ids, after)
    for number, name in enumerate(stages.names):
        if f"{CHANCE}{name}" in draft.names:
            draft.set_values(f"{CHANCE}{name}", ids, told.posterior[:, number])
    return int((before != after).sum())


def _lineage(draft: Draft, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all relatives of `cells`, and places among these of their parents, -1 of none.

    Found track by track, from relative to relative.
    """
    label = draft.column("label")
    parent = RowOf(draft.ids)(draft.column("parent"))
    is_relative = np.zeros(len(draft) + 1, bool)  # the last is nobody, row -1
    new = np.unique(label[draft.rows(cells[np.isin(cells, draft.ids)])])
    while len(new):
        rows = np.flatnonzero(np.isin(label, new))
        is_relative[rows] = True
        mothers = parent[rows]
        near = np.flatnonzero(is_relative[parent] & ~is_relative[:-1])
        above = mothers[(mothers != NONE) & ~is_relative[mothers]]
        new = np.unique(label[np.concatenate([near, above])])
    rows = np.flatnonzero(is_relative[:-1])
    above = parent[rows]
    return rows, np.where(above != NONE, np.searchsorted(rows, above), -1)


def _is_about_stages(change: Change) -> bool:
    if isinstance(change, Values):
        return change.column in _OF_STAGES
    return isinstance(change, Rows) and change.came


def _is_classified(draft: Draft) -> bool:
    return all(f"{SEEN}{name}" in draft.names for name in draft.stages.names)
