"""Every operation by its name, as keys, menus, mends and the journal call it."""

from collections.abc import Callable

from napari_cellcycle.edit import lineages, painting, review, stages
from napari_cellcycle.edit.masks import adopt, carry, draw, form, merge, split

Operation = Callable[..., str]
"""Takes a `Bench` and its arguments, changes the draft, and says in words what it did."""

OPERATIONS: dict[str, Operation] = {
    "link": lineages.link,
    "replace": lineages.replace,
    "unlink": lineages.unlink,
    "divide": lineages.divide,
    "undivide": lineages.undivide,
    "swap": lineages.swap,
    "join": lineages.join,
    "delete_cells": lineages.delete_cells,
    "delete_track": lineages.delete_track,
    "paint": painting.paint,
    "split": split.split,
    "split_line": split.split_line,
    "split_in_two": split.split_in_two,
    "merge": merge.merge,
    "fill_holes": form.fill_holes,
    "smooth": form.smooth,
    "grow": form.grow,
    "shrink": form.shrink,
    "erase": form.erase,
    "draw_cell": draw.draw_cell,
    "copy_mask": carry.copy_mask,
    "insert_cell": carry.insert_cell,
    "interpolate": carry.interpolate,
    "adopt_masks": adopt.adopt_masks,
    "set_stage": stages.set_stage,
    "set_stage_from": stages.set_stage_from,
    "move_boundary": stages.move_boundary,
    "unpin": stages.unpin,
    "confirm": review.confirm,
    "unconfirm": review.unconfirm,
}
