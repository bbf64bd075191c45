"""What looks wrong, why, and what is proposed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from corrections import cell, draft_of, editor_of, experiment_of
from examples import blink, division, family, newcomer, two_walkers

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.edit.bench import Bench, bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.edit.operations import OPERATIONS
from napari_cellcycle.errors import Refused
from napari_cellcycle.review.catalogue import Doubts
from napari_cellcycle.review.doubt import KINDS, Doubt, facts_of
from napari_cellcycle.review.find import find_doubts
from napari_cellcycle.simulate import simulate

both = pytest.mark.parametrize("ndim", [2, 3])


def doubts_of(work: Editor | Draft) -> Doubts:
    draft = work if isinstance(work, Draft) else work.draft
    return find_doubts(draft, facts_of(draft, 300.0))


def about(doubts: Doubts, *cells: int) -> Doubt:
    """The one doubt about some cells."""
    found = [doubt for doubt in doubts if set(cells) <= set(doubt.cells)]
    assert len(found) == 1, [doubt.reason for doubt in doubts]
    return found[0]


def take(editor: Editor, doubt: Doubt, words: str) -> None:
    """Do the mend with some words in it."""
    fix = next(fix for fix in doubt.mends if words in fix.words)
    assert editor.do(fix.operation, **fix.arguments) is not None


def sure(draft: Draft) -> Draft:
    """A draft whose tracker was sure of every link."""
    linked = draft.ids[draft.column("parent") > 0]
    with draft.recording():
        draft.set_values("link_score", linked, 0.999)
    return draft


def scored(draft: Draft, child: int, score: float) -> None:
    """Say how sure the tracker was of a link."""
    with draft.recording():
        draft.set_values("link_score", [child], score)


def with_candidates(draft: Draft, *rows: tuple[int, int, int, float]) -> Draft:
    """A draft whose tracker thought of some links and divisions."""
    table = pd.DataFrame(rows, columns=["parent", "child", "other", "score"])
    tracks = draft.tracks()
    assert tracks is not None
    return Draft(replace(tracks, candidates=table), draft.masks, pixel_size=draft.pixel_size)


@both
def test_nothing_is_doubted_where_all_is_well(ndim):
    assert not [doubt for doubt in doubts_of(draft_of(two_walkers(ndim))) if doubt.weight > 0.1]


def test_a_movie_without_tracks_has_no_doubts():
    draft = Draft(None, np.zeros((3, 20, 20), np.int32))
    assert len(doubts_of(draft)) == 0


@both
def test_a_broken_track_is_one_doubt_and_its_first_mend_joins_it(ndim):
    editor = editor_of(two_walkers(ndim))
    end, begin = cell(editor, 1, 1), cell(editor, 2, 1)
    editor.do("unlink", child=begin)
    draft = Draft(editor.draft.tracks(), editor.draft.masks, pixel_size=editor.draft.pixel_size)
    with draft.recording():  # the tracker's fault, not the user's
        draft.mark("rejected", draft.rejected, there=False)
    doubt = about(doubts_of(draft), end, begin)
    assert doubt is not None and doubt.weight > 0.3
    again = Editor(Bench(draft), resolving=False)
    fix = doubt.mends[0]
    assert again.do(fix.operation, **fix.arguments) is not None
    assert again.draft.parent(begin) == end
    assert not [one for one in doubts_of(again) if begin in one.cells and one.weight > 0.1]


def test_a_cell_that_comes_in_over_the_edge_is_not_doubted():
    draft = draft_of(newcomer())
    begin = cell(draft, 2, 2)
    assert not [doubt for doubt in doubts_of(draft) if begin in doubt.cells and doubt.weight > 0.3]


def test_a_cell_that_appears_in_the_middle_is_doubted():
    toy = newcomer()
    moved = toy.labels.to_array().copy()
    moved[2:] = np.roll(moved[2:], -40, axis=2) * (np.roll(moved[2:], -40, axis=2) == 2)
    moved[:, :, :] = np.where(
        moved > 0, moved, toy.labels.to_array() * (toy.labels.to_array() == 1)
    )
    draft = draft_of(replace(toy, labels=type(toy.labels)(moved)))
    doubt = about(doubts_of(draft), cell(draft, 2, 2))
    assert doubt.weight > 0.4
    assert "from the edge" in doubt.reason


def test_an_uncertain_link_says_how_sure_the_tracker_was_and_who_else_it_could_be():
    draft = sure(draft_of(two_walkers()))
    child, parent, other = cell(draft, 2, 1), cell(draft, 1, 1), cell(draft, 1, 2)
    scored(draft, child, 0.52)
    draft = with_candidates(draft, (parent, child, 0, 0.52), (other, child, 0, 0.45))
    doubt = about(doubts_of(draft), child)
    assert doubt.kind == "link"
    assert doubt.key == ("link", child)
    assert "the tracker was 52 % sure" in doubt.reason
    assert "cell 2 was 45 %" in doubt.reason
    assert f"frame {draft.frame(parent)} to {draft.frame(child)}" in doubt.reason
    assert [fix.operation for fix in doubt.mends] == ["swap", "unlink"]


def test_the_less_sure_the_tracker_the_higher_in_the_list():
    draft = sure(draft_of(two_walkers()))
    certain, unsure = cell(draft, 2, 1), cell(draft, 2, 2)
    scored(draft, certain, 0.8)
    scored(draft, unsure, 0.35)
    doubts = doubts_of(draft)
    weights = [doubt.weight for doubt in doubts]
    assert weights == sorted(weights, reverse=True)
    assert about(doubts, unsure).weight > about(doubts, certain).weight


def test_what_a_user_linked_is_not_doubted():
    editor = editor_of(two_walkers())
    child = cell(editor, 2, 1)
    scored(editor.draft, child, 0.3)
    assert about(doubts_of(editor), child)
    with editor.draft.recording():
        editor.draft.set_values("link_by", [child], BY_USER)
    assert not [doubt for doubt in doubts_of(editor) if doubt.key == ("link", child)]


def test_a_rejected_link_is_not_proposed_again():
    draft = sure(draft_of(two_walkers()))
    child, parent, other = cell(draft, 2, 1), cell(draft, 1, 1), cell(draft, 1, 2)
    scored(draft, child, 0.52)
    draft = with_candidates(draft, (parent, child, 0, 0.52), (other, child, 0, 0.45))
    with draft.recording():
        draft.mark("rejected", [(other, child)])
    doubt = about(doubts_of(draft), child)
    assert "45 %" not in doubt.reason
    assert [fix.operation for fix in doubt.mends] == ["unlink"]


@pytest.mark.parametrize("kept", [0, 1])
def test_confirmed_doubts_never_come_back(kept):
    editor = editor_of(two_walkers())
    children = [cell(editor, 2, 1), cell(editor, 2, 2)]
    for child in children:
        scored(editor.draft, child, 0.4)
    doubt = about(doubts_of(editor), children[1 - kept])
    editor.do_all([("confirm", {"kind": k, "number": n}) for k, n in doubt.keys])
    left = {part.key for part in doubts_of(editor)}
    assert ("link", children[kept]) in left
    assert doubt.key not in left
    editor.undo()
    assert doubt.key in {part.key for part in doubts_of(editor)}


@both
def test_a_gap_that_was_not_drawn_can_be_drawn(ndim):
    editor = editor_of(blink(ndim))
    before, after = cell(editor, 1, 1), cell(editor, 3, 1)
    doubt = about(doubts_of(editor), before, after)
    assert doubt.kind == "gap"
    assert doubt.weight > 0.5
    assert "not seen for 1 frame in between" in doubt.reason
    take(editor, doubt, "Draw cell 1 in frame 2")
    assert editor.draft.cell_at(2, 1)
    assert not [one for one in doubts_of(editor) if one.kind == "gap"]


def test_a_division_whose_daughter_is_lost_is_doubted_and_can_be_removed():
    editor = editor_of(division())
    mother, daughter, other = (cell(editor, f, n) for f, n in ((3, 1), (4, 3), (4, 4)))
    with editor.draft.recording():
        editor.draft.set_values("link_score", [daughter, other], 0.5)
    editor.do("delete_cells", cells=editor.draft.onwards(daughter)[1:].tolist())
    doubt = about(doubts_of(editor), mother, daughter)
    assert doubt.kind in ("division", "short track", "end")
    assert "is lost after 1 frame" in doubt.reason
    take(editor, doubt, f"goes on as {editor.draft.label(other)}")
    assert editor.draft.children(mother) == [other]


def test_a_missing_division_is_proposed_where_a_cell_appears_beside_one_that_goes_on():
    draft = sure(draft_of(division()))
    mother, daughter, other = (cell(draft, f, n) for f, n in ((3, 1), (4, 3), (4, 4)))
    editor = Editor(Bench(draft), resolving=False)
    editor.do("undivide", mother=mother, keep=daughter)
    with draft.recording():  # the tracker's fault, not the user's
        draft.mark("rejected", draft.rejected, there=False)
    draft = with_candidates(editor.draft, (mother, daughter, other, 0.6))
    doubt = about(doubts_of(draft), other)
    assert doubt.kind == "missing division"
    again = Editor(Bench(draft), resolving=False)
    take(again, doubt, "divides into")
    assert sorted(again.draft.children(mother)) == sorted([daughter, other])


def test_a_cell_seen_for_a_moment_can_be_deleted():
    toy = two_walkers()
    masks = toy.labels.to_array().copy()
    masks[1, 44:48, 60:66] = 9
    draft = draft_of(replace(toy, labels=type(toy.labels)(masks)))
    speck = next(int(c) for c in draft.in_frame(1) if draft.place(int(c))[1] > 55)
    doubt = about(doubts_of(draft), speck)
    assert doubt.kind == "short track"
    editor = Editor(Bench(draft), resolving=False)
    take(editor, doubt, "Delete")
    assert not editor.draft.has(speck)


def simulated_draft(**changed) -> Draft:
    """The truth of a simulated movie, as if it had been tracked."""
    made = simulate(SimulateSettings(frames=12, size=256, cells=14, seed=3, **changed))
    from napari_cellcycle.features.shape import measure

    cells = measure(made.movie, made.labels)
    key = ["frame", "label"]
    named = (
        made.tracks.cells[key]
        .reset_index()
        .merge(cells.reset_index(), on=key, suffixes=("", "_new"))
    )
    number = pd.Series(named["cell_id_new"].to_numpy(), named["cell_id"])
    links = made.tracks.links.assign(
        parent=number.loc[made.tracks.links["parent"]].to_numpy(),
        child=number.loc[made.tracks.links["child"]].to_numpy(),
    )
    return Draft(
        Tracks(cells, links), made.labels.to_array().copy(), pixel_size=made.movie.pixel_size
    )


def test_two_masks_made_one_are_doubted_and_parted_again():
    draft = simulated_draft(clustering=1.0)
    frame = 5
    cells = draft.in_frame(frame)
    place = np.array([draft.place(int(c)) for c in cells])
    apart = np.linalg.norm(place[:, None] - place, axis=2) + 1e9 * np.eye(len(cells))
    first, second = (int(cells[i]) for i in np.unravel_index(apart.argmin(), apart.shape))
    editor = Editor(Bench(draft), resolving=False)
    labels = [draft.label(first), draft.label(second)]
    editor.do("merge", frame=frame, labels=labels, keep=labels[0], apart=True)
    doubts = doubts_of(draft)
    found = [d for d in doubts if first in d.cells and "may hold two cells" in d.reason]
    assert found and found[0].weight > 0.1
    assert any("Split" in fix.words for fix in found[0].mends) or len(found[0].mends) == 3


def test_a_cell_that_jumps_says_how_far():
    draft = simulated_draft()
    child = next(int(c) for c in draft.in_frame(6) if draft.parent(int(c)))
    with draft.recording():
        draft.set_values("y", draft.onwards(child), draft.place(child)[0] + 30)
    doubt = about(doubts_of(draft), child)
    assert doubt.kind in ("jump", "link")
    assert "it moves" in doubt.reason and "µm (" in doubt.reason


def test_every_mend_is_an_operation_that_can_be_done():
    draft = simulated_draft(cycle_hours=2.0, clustering=1.0)
    rng = np.random.default_rng(0)
    spoilt = Editor(Bench(draft), resolving=False)
    for child in rng.choice(draft.ids, 12, replace=False).tolist():
        if draft.has(child) and draft.parent(child):
            spoilt.do("unlink", child=child)
    for gone in rng.choice(draft.ids, 6, replace=False).tolist():
        if draft.has(gone):
            spoilt.do("delete_cells", cells=[gone])
    with draft.recording():
        draft.mark("rejected", draft.rejected, there=False)
        draft.set_values("link_by", draft.ids, "model")
    doubts = doubts_of(draft)
    assert len(doubts) > 8
    assert {doubt.kind for doubt in doubts} <= set(KINDS)
    tried = 0
    for doubt in doubts:
        assert 0 < doubt.weight <= 1 and len(doubt.mends) <= 3
        for fix in doubt.mends:
            assert fix.operation in OPERATIONS
            try:
                done = spoilt.do(fix.operation, **fix.arguments)
            except Refused:  # there may be no room where a cell is to be drawn
                assert fix.operation in ("copy_mask", "insert_cell")
                continue
            assert done is not None
            spoilt.undo()
            tried += 1
    assert tried > 10


# ------------------------------------------------------------------ stages


def staged(toy, stages: dict[tuple[int, int], str]) -> Draft:
    """A toy in interphase, but for some cells (frame, label)."""
    draft = sure(draft_of(toy))
    tracks = draft.tracks()
    assert tracks is not None
    names = {cell(draft, *where): name for where, name in stages.items()}
    stage = [names.get(int(one), "interphase") for one in draft.ids]
    seen = {f"seen_{n}": [0.94 if n == s else 0.01 for s in stage] for n in H2B.names}
    return Draft(
        tracks.with_columns(stage=stage, **seen), draft.masks, H2B, pixel_size=draft.pixel_size
    )


def test_a_stage_that_cannot_follow_is_doubted_and_replaced():
    draft = staged(two_walkers(), {(2, 1): "metaphase"})
    facts = replace(facts_of(draft, 300.0), frame_interval=60.0)
    found = [d for d in find_doubts(draft, facts) if "metaphase cannot follow" in d.reason]
    assert len(found) == 1
    assert found[0].kind == "stage"
    editor = Editor(Bench(draft), resolving=False)
    take(editor, found[0], "interphase")
    assert not [d for d in find_doubts(draft, facts) if d.kind == "stage"]


def test_a_stage_that_is_seen_only_between_frames_may_be_skipped():
    draft = staged(two_walkers(), {(1, 1): "prometaphase"})
    slow = find_doubts(draft, replace(facts_of(draft, 300.0), frame_interval=240.0))
    assert not [d for d in slow if "prometaphase cannot follow interphase" in d.reason]
    fast = find_doubts(draft, replace(facts_of(draft, 300.0), frame_interval=60.0))
    assert [d for d in fast if "prometaphase cannot follow interphase" in d.reason]


def test_mitosis_without_division_is_doubted():
    stages = {(1, 1): "metaphase", (2, 1): "anaphase", (3, 1): "telophase"}
    draft = staged(two_walkers(), stages)
    found = [d for d in doubts_of(draft) if "but does not divide" in d.reason]
    assert len(found) == 1
    assert ("mitosis", cell(draft, 2, 1)) in found[0].keys


def test_a_division_without_mitosis_is_doubted_where_the_others_have_one():
    calm = {(t, n): "interphase" for t in range(6) for n in (1, 5) if t < 2}
    seen = staged(family(), {(1, 1): "metaphase", (3, 2): "metaphase"})
    unseen = staged(family(), {**calm, (1, 1): "metaphase"})
    second = cell(seen, 3, 2)
    assert not [d for d in doubts_of(seen) if "without mitosis" in d.reason]
    found = [d for d in doubts_of(unseen) if "without mitosis" in d.reason]
    assert [cell(unseen, 3, 2) == second and second in d.cells for d in found] == [True]


def test_a_stage_that_lasts_too_long_is_doubted_unless_it_was_set_by_hand():
    long = {(t, 1): "anaphase" for t in range(4)}
    draft = staged(two_walkers(), long)
    facts = replace(facts_of(draft, 300.0), frame_interval=900.0)
    found = [d for d in find_doubts(draft, facts) if d.kind == "duration"]
    assert any("anaphase lasts 60 min" in d.reason for d in found)
    with draft.recording():
        draft.set_values("pinned", draft.track(1), "anaphase")
    assert not [d for d in find_doubts(draft, facts) if "anaphase lasts" in d.reason]


def test_dying_cells_may_end():
    stages = {(t, 1): "apoptosis" for t in range(2)}
    ends = []
    for draft in (staged(two_walkers(), stages), staged(two_walkers(), {})):
        editor = Editor(Bench(draft), resolving=False)
        editor.do("delete_cells", cells=draft.track(1)[2:].tolist())
        doubts = [d for d in doubts_of(editor) if ("end", cell(draft, 1, 1)) in d.keys]
        ends.append(doubts[0].weight if doubts else 0.0)
    assert ends[0] < ends[1]


def test_a_real_tracker_comes_with_its_own_doubts():
    experiment = experiment_of(division(), considered=True)
    assert len(experiment.tracks.candidates)
    doubts = doubts_of(bench_of(experiment).draft)
    assert all(doubt.reason.endswith(".") for doubt in doubts)
