"""Operations on lineages: link, unlink, divide, swap, join, delete.

Every operation works on a `Bench`, raises `Refused` where it is not possible, and returns what it
did in words.
"""

from collections.abc import Collection

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.tracks import BY_MODEL, MOST_CHILDREN
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.relink import Parent, relink
from napari_cellcycle.errors import Fix, Refused
from napari_cellcycle.pipeline.resegment import BRIDGE

_LET_GO = Parent(NOBODY, 0.0, BY_MODEL)


def link(bench: Bench, parent: int, child: int) -> str:
    """Make `child` what `parent` goes on as, instead of any former parent of it."""
    draft = bench.draft
    _check(draft, parent, child)
    if draft.parent(child) == parent:
        raise Refused(f"{_name(draft, child)} comes from {_name(draft, parent)} already.")
    others = draft.children(parent)
    if others:
        other = others[0]
        fixes = [
            Fix("Make it a division", "divide", {"mother": parent, "daughters": [other, child]})
        ]
        fixes.append(Fix("Link this one instead", "replace", {"parent": parent, "child": child}))
        fixes = fixes if len(others) < MOST_CHILDREN else fixes[1:]
        raise Refused(
            f"{_name(draft, parent)} goes on after frame {draft.frame(parent)} already: unlink "
            "that first, or say that it divides.",
            *fixes,
        )
    relink(draft, {child: Parent(parent)})
    return (
        f"Linked cell {draft.label(child)} from frame {draft.frame(parent)} to {draft.frame(child)}"
    )


def replace(bench: Bench, parent: int, child: int) -> str:
    """Make `child` the only one that `parent` goes on as; what it went on as is cut off."""
    draft = bench.draft
    _check(draft, parent, child)
    cut = {one: Parent(NOBODY) for one in draft.children(parent) if one != child}
    relink(draft, {**cut, child: Parent(parent)})
    return f"Linked cell {draft.label(child)} in frame {draft.frame(child)} instead"


def unlink(bench: Bench, child: int) -> str:
    """Cut the link between `child` and where it comes from; its track begins with it."""
    draft = bench.draft
    _check(draft, child)
    if draft.parent(child) == NOBODY:
        raise Refused(
            f"{_name(draft, child)} appears in frame {draft.frame(child)}: there is no link to cut."
        )
    before = draft.label(child)
    relink(draft, {child: Parent(NOBODY)})
    return f"Cut cell {before} before frame {draft.frame(child)}"


def divide(bench: Bench, mother: int, daughters: list[int]) -> str:
    """Say that `mother` divides into two `daughters`, whatever they came from before."""
    draft = bench.draft
    _check(draft, mother, *daughters)
    if len(set(daughters)) != MOST_CHILDREN:
        raise Refused("A division needs two daughters: choose two cells of a later frame.")
    cut = {one: Parent(NOBODY) for one in draft.children(mother) if one not in daughters}
    relink(draft, {**cut, **{one: Parent(mother) for one in daughters}})
    names = " and ".join(str(draft.label(one)) for one in daughters)
    return f"{_name(draft, mother)} divides into {names} after frame {draft.frame(mother)}"


def undivide(bench: Bench, mother: int, keep: int) -> str:
    """Say that `mother` does not divide but goes on as `keep`; the other daughter is cut off."""
    draft = bench.draft
    _check(draft, mother, keep)
    born = draft.children(mother)
    if len(born) != MOST_CHILDREN or keep not in born:
        raise Refused(
            f"{_name(draft, mother)} does not divide in frame {draft.frame(mother)}, so there is "
            "no division to remove."
        )
    relink(draft, {one: Parent(NOBODY) for one in born if one != keep})
    return f"{_name(draft, mother)} does not divide after frame {draft.frame(mother)}"


def swap(bench: Bench, first: int, second: int) -> str:
    """Exchange two cells of one frame, and all that follows them, between their tracks."""
    draft = bench.draft
    _check(draft, first, second)
    if draft.frame(first) != draft.frame(second) or first == second:
        raise Refused("Only two cells of the same frame can be swapped: choose another one of it.")
    parents = draft.parent(first), draft.parent(second)
    if parents[0] == parents[1]:
        raise Refused(
            f"{_name(draft, first)} and {_name(draft, second)} come from the same place, or both "
            "appear: there is nothing to swap before this frame."
        )
    frame, names = draft.frame(first), (draft.label(first), draft.label(second))
    relink(draft, {first: Parent(parents[1]), second: Parent(parents[0])})
    return f"Swapped cells {names[0]} and {names[1]} from frame {frame} on"


def join(bench: Bench, first: int, second: int) -> str:
    """Make the track `second` (a number) what the track `first` goes on as."""
    draft = bench.draft
    tracks = [draft.track(label) for label in (first, second)]
    for label, track in zip((first, second), tracks, strict=True):
        if not len(track):
            raise Refused(f"There is no cell {label}: choose one that is there.")
    early, late = sorted(tracks, key=lambda track: draft.frame(int(track[0])))
    if draft.frame(int(early[-1])) >= draft.frame(int(late[0])):
        raise Refused(
            f"Cells {first} and {second} are both there in frame {draft.frame(int(late[0]))}, so "
            "they are two cells: swap them, or say that one divides."
        )
    return link(bench, int(early[-1]), int(late[0]))


def delete_cells(bench: Bench, cells: list[int]) -> str:
    """Take `cells` out of the masks and tracks; a track they leave goes on across the gap."""
    draft = bench.draft
    _check(draft, *cells)
    if not cells:
        raise Refused("No cell is chosen: click on one first.")
    gone = set(cells)
    words = (
        f"Deleted cell {draft.label(cells[0])} in frame {draft.frame(cells[0])}"
        if len(gone) == 1
        else f"Deleted {len(gone)} cells"
    )
    take_out(draft, gone)
    return words


def take_out(draft: Draft, cells: Collection[int], *, erased: bool = False) -> None:
    """Take cells out of the tables, and out of the masks if they are not `erased` there."""
    gone = set(cells)
    moved = {**dict.fromkeys(gone, _LET_GO), **_bridges(draft, gone)}
    relink(draft, moved, gone, erased=erased)


def _bridges(draft: Draft, gone: set[int]) -> dict[int, Parent]:
    """What the children of cells that go away come from then: the nearest ancestor that stays.

    A division is kept where there are still no more than two daughters, and nothing is linked
    that the user said is no link.
    """
    parent = draft.column("parent")
    above = dict(zip(sorted(gone), parent[draft.rows(sorted(gone))].tolist(), strict=True))
    rows = np.flatnonzero(np.isin(parent, list(gone)))
    orphans: dict[int, list[int]] = {}
    for child, ancestor in zip(draft.ids[rows].tolist(), parent[rows].tolist(), strict=True):
        if child not in gone:
            while ancestor in gone:
                ancestor = above[ancestor]
            orphans.setdefault(ancestor, []).append(child)
    found: dict[int, Parent] = {}
    for ancestor, born in orphans.items():
        kept = [one for one in draft.children(ancestor) if one not in gone] if ancestor else []
        rejected = any((ancestor, one) in draft.rejected for one in born)
        bridged = ancestor != NOBODY and len(kept) + len(born) <= MOST_CHILDREN and not rejected
        bridge = Parent(ancestor, BRIDGE, BY_MODEL) if bridged else _LET_GO
        found |= dict.fromkeys(born, bridge)
    return found


def delete_track(bench: Bench, label: int) -> str:
    """Take a whole track out; its daughters begin anew."""
    track = bench.draft.track(label)
    if not len(track):
        raise Refused(f"There is no cell {label}: choose one that is there.")
    delete_cells(bench, track.tolist())
    return f"Deleted cell {label} in {len(track)} frames"


def _check(draft: Draft, *cells: int) -> None:
    for cell in cells:
        if not draft.has(cell):
            raise Refused("That cell is not there any more: choose another one.")


def _name(draft: Draft, cell: int) -> str:
    return f"Cell {draft.label(cell)}"
