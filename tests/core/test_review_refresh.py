"""The list after an edit is the list that would be found from the beginning."""

from dataclasses import replace

import numpy as np
import pytest

from napari_cellcycle.config import SimulateSettings, TrackSettings
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.review.catalogue import Doubts
from napari_cellcycle.review.doubt import facts_of
from napari_cellcycle.review.find import find_doubts, refreshed
from napari_cellcycle.simulate import simulate
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen


@pytest.fixture(scope="module", params=[2, 3])
def tracked(request):
    """A simulated movie with faulty masks, tracked; and its frame interval."""
    made = simulate(
        SimulateSettings(
            ndim=request.param, frames=14, size=160, planes=12, cells=10, cycle_hours=3, seed=5
        )
    )
    faults = WorsenSettings(missing=0.06, merged=0.04, split=0.04)
    masks = worsen(made.labels, faults, np.random.default_rng(1))[0]
    labels, tracks = track(made.movie, masks, TrackSettings(model="simple"))
    return labels.to_array(), tracks, made.movie


@pytest.fixture
def editor(tracked) -> Editor:
    masks, tracks, movie = tracked
    draft = Draft(tracks, masks.copy(), pixel_size=movie.pixel_size)
    return Editor(Bench(draft, movie))


def attempt(editor: Editor, doubts: Doubts, rng: np.random.Generator):
    """One correction of any kind; None if nothing came of it."""
    draft, dice = editor.draft, rng.random()
    cell = int(rng.choice(draft.ids))
    if dice < 0.15:
        return editor.undo()
    if dice < 0.2:
        return editor.redo()
    if dice < 0.35 and len(doubts):
        doubt = doubts[int(rng.integers(len(doubts)))]
        return editor.do_all([("confirm", {"kind": k, "number": n}) for k, n in doubt.keys])
    if dice < 0.5:
        return editor.do("unlink", child=cell)
    if dice < 0.6:
        return editor.do("delete_cells", cells=[cell])
    if dice < 0.7:
        other = int(rng.choice(draft.in_frame(draft.frame(cell))))
        return editor.do("swap", first=cell, second=other)
    fixes = [fix for doubt in doubts for fix in doubt.mends]
    fix = fixes[int(rng.integers(len(fixes)))]
    return editor.do(fix.operation, **fix.arguments)


@pytest.mark.parametrize("seed", [0, 1])
def test_refreshed_after_any_edit_is_found_anew(editor, seed):
    draft, rng = editor.draft, np.random.default_rng(seed)
    facts = facts_of(draft, 300.0)
    doubts = find_doubts(draft, facts)
    assert len(doubts) > 10
    done = 0
    for _ in range(60):
        try:
            edit = attempt(editor, doubts, rng)
        except Refused:
            continue
        if edit is None:
            continue
        doubts = refreshed(doubts, draft, facts, edit.cells)
        assert doubts.items == find_doubts(draft, facts, norms=doubts.norms).items, edit.words
        done += 1
    assert done > 20


def test_mending_shortens_the_list_and_undoing_brings_it_back(editor):
    draft = editor.draft
    facts = facts_of(draft, 300.0)
    before = find_doubts(draft, facts)
    clear = ("link", "divide", "delete_track", "undivide")
    doubt = next(d for d in before if d.mends and d.mends[0].operation in clear)
    editor.resolving = False
    edit = editor.do(doubt.mends[0].operation, **doubt.mends[0].arguments)
    after = refreshed(before, draft, facts, edit.cells)
    assert doubt.key not in {one.key for one in after}
    back = refreshed(after, draft, facts, editor.undo().cells)
    assert back.items == before.items


def test_each_cell_is_in_the_weightiest_doubt_about_it_only_once(editor):
    doubts = find_doubts(editor.draft, facts_of(editor.draft, 300.0))
    heads = [doubt.cells[0] for doubt in doubts]
    for place, doubt in enumerate(doubts):
        assert doubt.cells[0] not in heads[:place]
    assert [d.weight for d in doubts] == sorted([d.weight for d in doubts], reverse=True)
    assert doubts.likely == sum(doubt.weight >= 0.1 for doubt in doubts)


def test_without_candidates_and_scores_there_are_doubts_too(tracked):
    masks, tracks, movie = tracked
    bare = replace(
        tracks, candidates=tracks.candidates.iloc[:0], links=tracks.links.assign(score=1.0)
    )
    draft = Draft(bare, masks.copy(), pixel_size=movie.pixel_size)
    doubts = find_doubts(draft, facts_of(draft, 300.0))
    assert doubts.likely > 5
    assert not any("% sure" in doubt.reason for doubt in doubts)


def test_tracks_that_nobody_measured_are_doubted_by_their_places(tracked):
    masks, tracks, movie = tracked
    kept = [*("frame", "label"), *tracks.axes]
    bare = replace(tracks, cells=tracks.cells[kept])
    draft = Draft(bare, masks.copy(), pixel_size=movie.pixel_size)
    kinds = {doubt.kind for doubt in find_doubts(draft, facts_of(draft, 300.0))}
    assert "end" in kinds or "short track" in kinds
    assert not kinds & {"merged", "split"}
