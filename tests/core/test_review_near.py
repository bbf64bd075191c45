"""Which cells are near each other: found without comparing each with each."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from corrections import cell, draft_of, editor_of, state_of
from examples import two_walkers

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.review.doubt import facts_of
from napari_cellcycle.review.ends import AFTER, BEFORE, REACH, end_rows, partners, start_rows
from napari_cellcycle.review.evidence import FARTHEST
from napari_cellcycle.review.find import find_doubts
from napari_cellcycle.review.focus import Snapshot, focus_on
from napari_cellcycle.review.masks import mask_evidence
from napari_cellcycle.review.scene import NONE, Scene

AREA = 100.0


def scene_of(frames, places, links=()) -> Scene:
    """Cells of one size at places (n, d) in frames (n,), each a track of its own unless linked."""
    axes = ["z", "y", "x"][-places.shape[1] :]
    ids = pd.RangeIndex(1, len(frames) + 1, name="cell_id")
    cells = pd.DataFrame(dict(zip(axes, places.T, strict=True)), index=ids)
    cells = cells.assign(frame=frames, label=np.arange(len(frames)) + 1, area=AREA)
    pairs = pd.DataFrame(links, columns=["parent", "child"], dtype=np.int64).assign(score=1.0)
    draft = Draft(Tracks(cells, pairs), pixel_size=(0.5,) * len(axes))
    return Scene.of(draft, facts_of(draft, 300.0))


def scattered(n, ndim=2, frames=12, side=20.0, seed=0) -> Scene:
    """Cells at random places and in random frames."""
    rng = np.random.default_rng(seed)
    return scene_of(np.sort(rng.integers(0, frames, n)), rng.uniform(0, side, (n, ndim)) * 4)


def one_by_one(scene, row, others, later) -> list[tuple[float, int]]:
    """What `partners` says of one row: distance and row of each, the nearest first."""
    found = []
    for other in others.tolist():
        gap = later * int(scene.frame[other] - scene.frame[row])
        if 1 <= gap <= REACH:
            apart = float(np.linalg.norm(scene.place[other] - scene.place[row]))
            found.append((apart / scene.norms.unit / gap**0.5, other))
    return sorted(one for one in found if one[0] <= FARTHEST)[:3]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("later", [BEFORE, AFTER])
@pytest.mark.parametrize("seed", range(5))
def test_a_lost_cell_may_be_each_of_the_three_nearest_that_appear_soon(ndim, later, seed):
    scene = scattered(150, ndim, seed=seed)
    every = np.arange(len(scene))
    ends, starts = end_rows(scene, every), start_rows(scene, every)
    rows, others = (starts, ends) if later == BEFORE else (ends, starts)
    found = partners(scene, rows, others, later)
    for place, row in enumerate(rows.tolist()):
        expected = one_by_one(scene, row, others, later)
        assert found.rows[place].tolist()[: len(expected)] == [other for _, other in expected]
        assert found.away[place][: len(expected)] == pytest.approx([d for d, _ in expected])
        assert (found.rows[place][len(expected) :] == NONE).all()
        assert np.isinf(found.away[place][len(expected) :]).all()


def test_of_cells_at_the_same_place_the_one_that_appears_first_is_the_lost_one():
    scene = scene_of(np.array([0, 2, 4, 3, 5]), np.full((5, 2), 20.0))
    found = partners(scene, np.array([0]), np.array([1, 2, 3, 4]), AFTER)
    assert found.rows.tolist() == [[1, 3, 2]]


def test_where_nothing_appears_a_lost_cell_is_no_other():
    scene = scattered(20)
    nothing = np.empty(0, np.int64)
    assert (partners(scene, np.arange(20), nothing, AFTER).rows == NONE).all()
    assert partners(scene, nothing, np.arange(20), AFTER).rows.shape == (0, 3)


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_knows_of_a_track_that_ends_or_begins_beside_it(seed):
    scene = scattered(150, seed=seed)
    rows = np.arange(len(scene))
    evidence = mask_evidence(scene, rows)
    for name, later in (("lost", -1), ("found", 1)):
        apart = np.linalg.norm(scene.place[:, None] - scene.place, axis=2) / scene.norms.unit
        beside = (apart < 1.3) & (scene.frame == scene.frame[:, None] + later)
        assert evidence[name].tolist() == beside.any(axis=1).tolist()
        assert 0 < evidence[name].sum() < len(scene)


def compare_ends(scene):
    partners(scene, np.arange(len(scene)), np.arange(len(scene)), AFTER)


def compare_masks(scene):
    mask_evidence(scene, np.arange(len(scene)))


def compare_edited(scene):
    draft = scene.draft
    focus_on(scene, Snapshot.of(draft), draft.ids.tolist(), lambda cells: cells[:0])


@pytest.mark.parametrize("compare", [compare_ends, compare_masks, compare_edited])
def test_of_many_loose_ends_not_each_is_compared_with_each(compare):
    scene = scattered(6000, frames=2, side=400.0)
    compare(scattered(10))
    tracemalloc.start()
    try:
        compare(scene)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30e6


# ---------------------------------------------------------------- cells that are gone


def with_rivals(draft: Draft, *rows: tuple[int, int, int, float]) -> None:
    """Let the tracker have thought of some links and divisions."""
    draft.candidates = pd.DataFrame(rows, columns=["parent", "child", "other", "score"])


def test_a_deleted_cell_is_nobodys_rival_until_it_is_back():
    editor = editor_of(two_walkers())
    draft = editor.draft
    last = int(draft.column("frame").max())
    gone = int(draft.ids.max())
    child = cell(draft, last, 3 - draft.label(gone))
    parent, other = draft.parent(child), draft.parent(gone)
    with_rivals(draft, (parent, gone, 0, 0.6), (other, child, 0, 0.3), (parent, child, gone, 0.4))
    facts = facts_of(draft, 300.0)
    before, state = find_doubts(draft, facts), state_of(draft)
    assert any("60 %" in doubt.reason for doubt in before)
    editor.do("delete_cells", cells=[gone])
    after = find_doubts(draft, facts)
    assert not any(gone in doubt.cells or "60 %" in doubt.reason for doubt in after)
    assert not any(gone in fix.arguments.values() for doubt in after for fix in doubt.mends)
    editor.undo()
    assert state_of(draft) == state
    assert find_doubts(draft, facts).items == before.items


def test_cells_that_are_not_there_have_no_row():
    draft = draft_of(two_walkers())
    scene = Scene.of(draft, facts_of(draft, 300.0))
    beyond = int(draft.ids.max()) + 1
    assert scene.rows_of(np.array([[-1, 0], [beyond, 10**9]])).tolist() == [[NONE] * 2] * 2
    assert scene.rows_of(draft.ids).tolist() == list(range(len(draft)))
