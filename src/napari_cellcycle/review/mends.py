"""Corrections to propose: operations by name, with their arguments, the likeliest first."""

from collections.abc import Iterable, Iterator

from napari_cellcycle.data.row_of import NONE
from napari_cellcycle.errors import Fix
from napari_cellcycle.review.doubt import MOST_MENDS
from napari_cellcycle.review.scene import Scene

Scored = tuple[float, Fix]
"""How likely a correction is the right one, and the correction."""


def best(options: Iterable[Scored], *last: Fix) -> tuple[Fix, ...]:
    """The likeliest of `options`, each once, and then those of `last` that there is room for."""
    chosen: list[Fix] = []
    for _, fix in sorted(options, key=lambda one: -one[0]):
        if fix not in chosen and fix not in last:
            chosen.append(fix)
    return (*chosen[: MOST_MENDS - len(last)], *last)


def linked(scene: Scene, parent: int, child: int) -> Iterator[Fix]:
    """Ways to make a cell what another goes on as: by linking, or by exchanging two cells."""
    row, born = scene.row_of.one(parent), scene.row_of.one(child)
    there, former = int(scene.first[row]), int(scene.parent[born])
    if scene.second[row] != NONE or (former != NONE and scene.second[former] != NONE):
        return
    name, other = scene.label[row], scene.label[born]
    begin, end = scene.frame[row], scene.frame[born]
    if begin >= end:
        return
    if there == NONE and former == NONE and end - begin > 1:
        words = f"Cell {name} goes on as cell {other} in frame {end}, drawn in between"
        yield Fix(words, "insert_cell", {"parent": parent, "child": child})
    elif there == NONE:
        words = f"Cell {name} goes on as cell {other} in frame {end}"
        yield Fix(words, "link", {"parent": parent, "child": child})
    elif former != NONE and scene.frame[there] == end:
        first, second = sorted((int(scene.ids[there]), child))
        names = sorted((int(scene.label[there]), int(other)))
        words = f"Swap cells {names[0]} and {names[1]} from frame {end} on"
        yield Fix(words, "swap", {"first": first, "second": second})
    else:
        words = f"Cell {name} goes on as cell {other} in frame {end} instead"
        yield Fix(words, "replace", {"parent": parent, "child": child})


def divided(scene: Scene, mother: int, born: Iterable[int]) -> Fix:
    """Say that a cell divides into two others."""
    daughters = sorted(born)
    row = scene.row_of.one(mother)
    labels = " and ".join(str(scene.label[scene.row_of.one(cell)]) for cell in daughters)
    words = f"Cell {scene.label[row]} divides into {labels} after frame {scene.frame[row]}"
    return Fix(words, "divide", {"mother": mother, "daughters": daughters})


def unlinked(scene: Scene, child: int) -> Fix:
    """Cut the link that leads to a cell."""
    row = scene.row_of.one(child)
    words = f"Cut cell {scene.label[row]} before frame {scene.frame[row]}"
    return Fix(words, "unlink", {"child": child})


def drawn_between(scene: Scene, parent: int, child: int) -> Fix:
    """Draw a cell in the frames in which it is missing, between two that are linked."""
    row, other = scene.row_of.one(parent), scene.row_of.one(child)
    first, last = scene.frame[row] + 1, scene.frame[other] - 1
    when = f"frame {first}" if first == last else f"frames {first} to {last}"
    words = f"Draw cell {scene.label[other]} in {when}"
    return Fix(words, "insert_cell", {"parent": parent, "child": child})


def extended(scene: Scene, cell: int, step: int) -> Fix:
    """Draw a cell in the frame after (1) or before (-1) its track."""
    row = scene.row_of.one(cell)
    words = f"Draw cell {scene.label[row]} in frame {scene.frame[row] + step}, too"
    return Fix(words, "copy_mask", {"cell": cell, "step": step})


def parted(scene: Scene, row: int) -> Fix:
    """Cut the mask of a cell in two."""
    name, frame = int(scene.label[row]), int(scene.frame[row])
    words = f"Split the mask of cell {name} in frame {frame}"
    return Fix(words, "split_in_two", {"frame": frame, "label": name})


def joined(scene: Scene, row: int, other: int) -> Fix:
    """Make one mask of two of the same frame."""
    labels, frame = sorted(int(scene.label[each]) for each in (row, other)), int(scene.frame[row])
    words = f"Make one mask of cells {labels[0]} and {labels[1]} in frame {frame}"
    return Fix(words, "merge", {"frame": frame, "labels": labels})
