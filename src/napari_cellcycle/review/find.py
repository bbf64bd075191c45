"""The ranked list of everything that looks wrong, and keeping it up to date while it is mended."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.review.catalogue import Doubts
from napari_cellcycle.review.divisions import division_doubts
from napari_cellcycle.review.doubt import Doubt, Facts
from napari_cellcycle.review.ends import end_doubts, start_doubts
from napari_cellcycle.review.focus import Snapshot, focus_on
from napari_cellcycle.review.gaps import filled_doubts
from napari_cellcycle.review.links import link_doubts
from napari_cellcycle.review.masks import mask_doubts
from napari_cellcycle.review.merging import merged
from napari_cellcycle.review.norms import Norms
from napari_cellcycle.review.scene import Scene
from napari_cellcycle.review.stages import stage_doubts

Rule = Callable[[Scene, np.ndarray], Iterator[Doubt]]
LINK_RULES: tuple[Rule, ...] = (
    link_doubts,
    filled_doubts,
    division_doubts,
    start_doubts,
    end_doubts,
)
"""What finds doubts about the links of each of some rows of a scene."""
CELL_RULES: tuple[Rule, ...] = (*LINK_RULES, mask_doubts)
"""What finds doubts about each of some rows of a scene, which is the first cell of the doubt."""
TRACK_RULES: tuple[Rule, ...] = (stage_doubts,)
"""What finds doubts about whole tracks, all of whose rows are given."""


def find_doubts(draft: Draft, facts: Facts, norms: Norms | None = None) -> Doubts:
    """Everything that looks wrong and that nobody has confirmed as right, the weightiest first.

    `norms` say what is usual, by default what is usual in these tracks.
    """
    if not draft.tracked or not len(draft):
        return Doubts()
    scene = Scene.of(draft, facts, norms=norms)
    rows = np.arange(len(draft))
    empty = Doubts(norms=scene.norms, rivals=scene.rivals)
    with _no_collection():
        return empty.with_(merged(found_in(scene, rows, rows)), Snapshot.of(draft))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Make many objects without Python going through all of them again and again for garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def refreshed(doubts: Doubts, draft: Draft, facts: Facts, cells: Iterable[int]) -> Doubts:
    """`doubts` after an edit that touched `cells`: these and what is around them is looked at.

    What is usual in the movie is taken to be as before; else it is the same as `find_doubts`.
    """
    if doubts.snapshot is None or not len(draft):
        return find_doubts(draft, facts)
    with _no_collection():
        scene = Scene.of(draft, facts, doubts.rivals, doubts.norms)
        focus = focus_on(scene, doubts.snapshot, cells, doubts.telling)
        new = found_in(scene, focus.rows, focus.tracks)
        left, free = doubts.without(focus, draft.confirmed, new)
        return left.with_(merged(new + free), Snapshot.of(draft))


def found_in(scene: Scene, rows: np.ndarray, tracks: np.ndarray) -> list[Doubt]:
    """Doubts about `rows`, and about the whole tracks in `tracks`, one by one."""
    return doubts_in(scene, CELL_RULES, rows) + doubts_in(scene, TRACK_RULES, tracks)


def doubts_in(scene: Scene, rules: tuple[Rule, ...], rows: np.ndarray | None = None) -> list[Doubt]:
    """What rules say of `rows`, by default of all, that nobody has confirmed as right."""
    rows = np.arange(len(scene)) if rows is None else rows
    confirmed = scene.draft.confirmed
    with _no_collection():
        about = [doubt for rule in rules for doubt in rule(scene, rows)]
        return [doubt for doubt in about if doubt.keys[0] not in confirmed]
