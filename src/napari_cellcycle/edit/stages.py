"""Operations on stages: pin one, move a boundary, let the model decide again."""

import numpy as np

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.errors import Refused
from napari_cellcycle.pipeline.redecode import CHANCE


def set_stage(bench: Bench, cells: list[int], stage: str) -> str:
    """Pin `stage` on `cells`: it holds whatever the model thinks."""
    draft = bench.draft
    _check(draft, stage)
    there = sorted({cell for cell in cells if draft.has(cell)})
    if not there:
        raise Refused("No cell is chosen: click on one first.")
    _pin(draft, np.array(there, np.int64), stage)
    first = min(there, key=draft.frame)
    where = f"in frame {draft.frame(first)}" if len(there) == 1 else f"in {len(there)} places"
    labels = {draft.label(cell) for cell in there}
    whose = f"Cell {labels.pop()}" if len(labels) == 1 else f"{len(labels)} cells"
    return f"{whose}: {stage} {where}"


def set_stage_from(bench: Bench, cell: int, stage: str) -> str:
    """Pin `stage` on a cell from this frame on, up to where its stage changed anyway.

    The stage that the cell has here is replaced as long as it lasts, so what comes after, such
    as the mitosis at the end of an interphase, stays.
    """
    draft = bench.draft
    _check(draft, stage)
    if not draft.has(cell):
        raise Refused("No cell is chosen: click on one first.")
    rest = draft.onwards(cell)
    names = draft.column("stage")[draft.rows(rest)]
    other = np.flatnonzero(names != names[0])
    _pin(draft, rest[: other[0]] if len(other) else rest, stage)
    return f"Cell {draft.label(cell)}: {stage} from frame {draft.frame(cell)} on"


def move_boundary(bench: Bench, track: int, frame: int, to: int) -> str:
    """Let the stage that begins at `frame` of a track begin in frame `to` instead.

    The cells in between take the stage of the one side or the other, and are pinned, as is the
    first cell after the boundary and the last one before it.
    """
    draft = bench.draft
    cells = draft.track(track)
    frames = draft.column("frame")[draft.rows(cells)]
    names = draft.column("stage")[draft.rows(cells)]
    place = int(np.searchsorted(frames, frame))
    if not 0 < place < len(cells) or names[place] == names[place - 1]:
        raise Refused(f"The stage of cell {track} does not change in frame {frame}.")
    goal = int(np.clip(np.searchsorted(frames, to), 1, len(cells) - 1))
    before, after = str(names[place - 1]), str(names[place])
    if goal < place:
        _pin(draft, cells[goal : place + 1], after)
        _pin(draft, cells[goal - 1 : goal], before)
    else:
        _pin(draft, cells[place - 1 : goal], before)
        _pin(draft, cells[goal : goal + 1], after)
    return f"Cell {track}: {after} begins in frame {int(frames[goal])}"


def unpin(bench: Bench, cells: list[int]) -> str:
    """Let the model decide about the stage of `cells` again."""
    draft = bench.draft
    there = np.unique([cell for cell in cells if draft.has(cell)]).astype(np.int64)
    pinned = there[draft.column("pinned")[draft.rows(there)] != ""]
    if not len(pinned):
        raise Refused("None of these stages was set by you, so there is nothing to let go.")
    draft.set_values("pinned", pinned, "")
    return f"Let go of {len(pinned)} stages that were set by hand"


def _pin(draft: Draft, cells: np.ndarray, stage: str) -> None:
    draft.set_values("stage", cells, stage)
    draft.set_values("pinned", cells, stage)
    for name in draft.stages.names:
        if f"{CHANCE}{name}" in draft.names:
            draft.set_values(f"{CHANCE}{name}", cells, float(name == stage))


def _check(draft: Draft, stage: str) -> None:
    names = draft.stages.names
    if stage not in names:
        raise Refused(f"There is no stage {stage!r}; choose one of {', '.join(names)}.")
