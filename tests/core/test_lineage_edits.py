"""Operations on lineages do what they say, and nothing to anybody else.

The family, with the labels of its cells (2 becomes 6 and 7):

    frame  0    1    2    3    4    5
                  /- 2 -- 2 <= 6 -- 6
           1 -- 1           \\- 7 -- 7
                  \\- 3 -- 3 -- 3 -- 3
           5 -- 5 -- 5 -- 5 -- 5 -- 5
"""

import numpy as np
import pytest
from corrections import cell, check, differences, editor_of, labels_of, others, state_of
from examples import blink, family, frozen, newcomer

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused

both = pytest.mark.parametrize("ndim", [2, 3])


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def editor(request) -> Editor:
    return editor_of(family(request.param))


def refused(editor: Editor, operation: str, **arguments) -> Refused:
    """The refusal of an operation, which changed nothing."""
    before = state_of(editor.draft)
    with pytest.raises(Refused) as caught:
        editor.do(operation, **arguments)
    assert not differences(before, state_of(editor.draft))
    return caught.value


def fixed(editor: Editor, refusal: Refused, number: int = 0) -> None:
    """Take one of the fixes that a refusal offers."""
    fix = refusal.fixes[number]
    assert editor.do(fix.operation, **fix.arguments) is not None
    check(editor.draft)


def track(editor: Editor, label: int) -> list[int]:
    """Frames that a track is there in."""
    draft = editor.draft
    return draft.column("frame")[draft.rows(draft.track(label))].tolist()


# ---------------------------------------------------------------- link and unlink


def test_a_cut_track_keeps_its_number_and_the_rest_gets_a_new_one(editor):
    draft = editor.draft
    rest = [cell(draft, frame, 5) for frame in (3, 4, 5)]
    untouched = others(draft, *rest)
    edit = editor.do("unlink", child=rest[0])
    assert edit.words == "Cut cell 5 before frame 3"
    assert track(editor, 5) == [0, 1, 2] and track(editor, 8) == [3, 4, 5]
    assert draft.rejected == {(cell(draft, 2, 5), rest[0])}
    untouched()
    check(draft)


def test_a_cell_cut_from_its_mother_keeps_its_number_and_its_sister_becomes_her(editor):
    draft = editor.draft
    sister = [cell(draft, frame, 3) for frame in (2, 3, 4, 5)]
    untouched = others(draft, *sister, cell(draft, 2, 2))
    editor.do("unlink", child=cell(draft, 2, 2))
    assert track(editor, 2) == [2, 3] and draft.mother(2) == NOBODY
    assert track(editor, 1) == [0, 1, 2, 3, 4, 5] and labels_of(draft, sister) == [1] * 4
    assert draft.daughters(2) == [6, 7]
    untouched()
    check(draft)


def test_a_cell_that_appears_has_no_link_to_cut(editor):
    refusal = refused(editor, "unlink", child=cell(editor, 0, 5))
    assert str(refusal) == "Cell 5 appears in frame 0: there is no link to cut."


def test_a_joined_track_takes_the_earlier_number(editor):
    draft = editor.draft
    end, start = cell(draft, 2, 5), cell(draft, 3, 5)
    editor.do("unlink", child=start)
    assert draft.label(start) == 8
    edit = editor.do("link", parent=end, child=start)
    assert edit.words == "Linked cell 5 from frame 2 to 3"
    assert track(editor, 5) == list(range(6)) and draft.rejected == frozenset()
    assert draft.value(start, "link_by") == "user" and draft.value(start, "link_score") == 1
    check(draft)


def test_a_link_takes_a_cell_away_from_its_former_parent(editor):
    draft = editor.draft
    end, middle = cell(draft, 3, 3), cell(draft, 4, 5)
    editor.do("unlink", child=cell(draft, 4, 3))
    editor.do("link", parent=end, child=middle)
    assert track(editor, 3) == [2, 3, 4, 5] and track(editor, 5) == [0, 1, 2, 3]
    assert (cell(draft, 3, 5), middle) in draft.rejected
    check(draft)


def test_a_link_over_a_cell_that_goes_on_offers_a_division_or_to_replace_it(editor):
    draft = editor.draft
    refusal = refused(editor, "link", parent=cell(draft, 2, 5), child=cell(draft, 3, 3))
    assert str(refusal).startswith("Cell 5 goes on after frame 2 already: unlink that first")
    assert [fix.words for fix in refusal.fixes] == ["Make it a division", "Link this one instead"]
    fixed(editor, refusal, 0)
    assert sorted(draft.daughters(5)) == sorted(labels_of(draft, draft.children(cell(draft, 2, 5))))
    editor.undo()
    fixed(editor, refusal, 1)
    assert draft.label(draft.children(cell(draft, 2, 5))[0]) == 5


def test_a_cell_that_divides_is_not_offered_a_third_daughter(editor):
    draft = editor.draft
    refusal = refused(editor, "link", parent=cell(draft, 3, 2), child=cell(draft, 4, 5))
    assert [fix.operation for fix in refusal.fixes] == ["replace"]
    fixed(editor, refusal)
    assert track(editor, 2) == [2, 3, 4, 5] and track(editor, 6) == [4, 5]


@pytest.mark.parametrize("to", [1, 0], ids=["the same frame", "an earlier frame"])
def test_time_does_not_run_backward(editor, to):
    refusal = refused(editor, "link", parent=cell(editor, 1, 5), child=cell(editor, to, 1))
    assert "choose one of an earlier frame" in str(refusal) or "goes on" in str(refusal)
    refusal = refused(editor, "replace", parent=cell(editor, 1, 5), child=cell(editor, to, 1))
    assert str(refusal) == (
        f"Cell 1 in frame {to} cannot come from a cell in frame 1: choose one of an earlier frame."
    )


def test_linking_what_is_linked_is_refused(editor):
    refusal = refused(editor, "link", parent=cell(editor, 0, 5), child=cell(editor, 1, 5))
    assert str(refusal) == "Cell 5 comes from Cell 5 already."


def test_replacing_cuts_off_what_a_cell_went_on_as(editor):
    draft = editor.draft
    rest = cell(draft, 3, 5)
    edit = editor.do("replace", parent=cell(draft, 2, 5), child=cell(draft, 3, 3))
    assert track(editor, 5) == list(range(6)) and track(editor, 3) == [2]
    assert draft.parent(rest) == NOBODY and track(editor, draft.label(rest)) == [3, 4, 5]
    assert edit.words == "Linked cell 5 in frame 3 instead"
    check(draft)


# ---------------------------------------------------------------- divisions


def test_a_missed_division_is_set_and_both_daughters_get_numbers_of_their_own(editor):
    draft = editor.draft
    mother, first, second = cell(draft, 2, 5), cell(draft, 3, 5), cell(draft, 3, 3)
    edit = editor.do("divide", mother=mother, daughters=[first, second])
    assert track(editor, 5) == [0, 1, 2] and track(editor, 3) == [2]
    new = labels_of(draft, [first, second])
    assert draft.daughters(5) == sorted(new) and not {3, 5} & set(new)
    assert track(editor, new[0]) == track(editor, new[1]) == [3, 4, 5]
    assert edit.words == f"Cell 5 divides into {new[0]} and {new[1]} after frame 2"
    check(draft)


def test_a_daughter_that_appeared_keeps_her_number():
    editor = editor_of(newcomer())
    draft = editor.draft
    new = cell(draft, 2, 2)
    editor.do("divide", mother=cell(draft, 1, 1), daughters=[cell(draft, 2, 1), new])
    assert draft.label(new) == 2 and draft.mother(2) == 1
    check(draft)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_division_needs_two_daughters(editor, count):
    draft = editor.draft
    daughters = [cell(draft, 3, label) for label in (5, 3, 2)][:count]
    refusal = refused(editor, "divide", mother=cell(draft, 2, 5), daughters=daughters)
    assert str(refusal).startswith("A division needs two daughters")
    twice = [daughters[0]] * 2 if daughters else [cell(draft, 3, 5)] * 2
    refused(editor, "divide", mother=cell(draft, 2, 5), daughters=twice)


def test_a_cell_cannot_be_its_own_daughter(editor):
    mother = cell(editor, 2, 5)
    refused(editor, "divide", mother=mother, daughters=[mother, cell(editor, 3, 5)])


def test_a_false_division_is_removed_and_the_mother_goes_on_as_the_one_kept(editor):
    draft = editor.draft
    kept, cut = cell(draft, 4, 6), cell(draft, 4, 7)
    edit = editor.do("undivide", mother=cell(draft, 3, 2), keep=kept)
    assert edit.words == "Cell 2 does not divide after frame 3"
    assert track(editor, 2) == [2, 3, 4, 5] and draft.label(kept) == 2
    assert draft.parent(cut) == NOBODY and track(editor, 7) == [4, 5]
    assert draft.rejected == {(cell(draft, 3, 2), cut)}
    check(draft)


def test_only_a_division_can_be_removed_and_only_a_daughter_kept(editor):
    draft = editor.draft
    refusal = refused(editor, "undivide", mother=cell(draft, 2, 5), keep=cell(draft, 3, 5))
    assert "does not divide in frame 2, so there is no division to remove" in str(refusal)
    refused(editor, "undivide", mother=cell(draft, 3, 2), keep=cell(draft, 4, 3))


def test_a_division_into_what_it_divides_into_is_confirmed_by_the_user(editor):
    draft = editor.draft
    daughters = [cell(draft, 4, 6), cell(draft, 4, 7)]
    editor.do("divide", mother=cell(draft, 3, 2), daughters=daughters)
    assert labels_of(draft, daughters) == [6, 7] and draft.rejected == frozenset()
    assert [draft.value(one, "link_by") for one in daughters] == ["user", "user"]
    check(draft)


# ---------------------------------------------------------------- swap and join


def test_two_tracks_are_swapped_from_a_frame_on_with_all_that_follows(editor):
    draft = editor.draft
    first, second = cell(draft, 3, 2), cell(draft, 3, 5)
    edit = editor.do("swap", first=first, second=second)
    assert edit.words == "Swapped cells 2 and 5 from frame 3 on"
    assert labels_of(draft, [first, second]) == [5, 2]
    assert track(editor, 5) == [0, 1, 2, 3] and draft.daughters(5) == [6, 7]
    assert track(editor, 2) == [2, 3, 4, 5] and draft.mother(2) == 1
    check(draft)
    editor.do("swap", first=first, second=second)
    assert labels_of(draft, [first, second]) == [2, 5]
    check(draft)


def test_a_cell_swaps_with_one_that_appears_there():
    editor = editor_of(newcomer())
    draft = editor.draft
    old, new = cell(draft, 2, 1), cell(draft, 2, 2)
    editor.do("swap", first=old, second=new)
    assert draft.label(new) == 1 and track(editor, 1) == [0, 1, 2, 3]
    assert draft.parent(old) == NOBODY and draft.label(old) not in (1, 2)
    check(draft)


def test_only_two_cells_of_one_frame_with_different_pasts_are_swapped(editor):
    draft = editor.draft
    for first, second in ((cell(draft, 3, 5), cell(draft, 4, 3)), (cell(draft, 3, 5),) * 2):
        refusal = refused(editor, "swap", first=first, second=second)
        assert str(refusal).startswith("Only two cells of the same frame can be swapped")
    for frame, labels in ((4, (6, 7)), (0, (1, 5))):
        pair = [cell(draft, frame, label) for label in labels]
        refusal = refused(editor, "swap", first=pair[0], second=pair[1])
        assert "come from the same place, or both appear" in str(refusal)


@pytest.mark.parametrize("order", [(5, 8), (8, 5)])
def test_tracks_are_joined_in_any_order(editor, order):
    editor.do("unlink", child=cell(editor, 3, 5))
    editor.do("join", first=order[0], second=order[1])
    assert track(editor, 5) == list(range(6))
    check(editor.draft)


@both
def test_tracks_are_joined_over_a_gap(ndim):
    editor = editor_of(blink(ndim))
    draft = editor.draft
    after = cell(draft, 3, 1)
    editor.do("unlink", child=after)
    editor.do("join", first=draft.label(after), second=1)
    assert track(editor, 1) == [0, 1, 3, 4]
    check(draft)


def test_tracks_that_are_there_at_the_same_time_are_not_joined(editor):
    refusal = refused(editor, "join", first=3, second=5)
    assert "are both there in frame 2, so they are two cells" in str(refusal)
    refused(editor, "join", first=5, second=5)
    assert str(refused(editor, "join", first=5, second=99)).startswith("There is no cell 99")


def test_a_track_is_not_joined_to_one_that_divides(editor):
    draft = editor.draft
    editor.do("unlink", child=cell(draft, 4, 5))
    refusal = refused(editor, "join", first=2, second=draft.next_label - 1)
    assert "goes on after frame 3 already" in str(refusal)


# ---------------------------------------------------------------- delete


def test_a_track_goes_on_across_a_cell_that_is_deleted(editor):
    draft = editor.draft
    before, gone, after = (cell(draft, frame, 5) for frame in (2, 3, 4))
    untouched = others(draft, gone, after)
    edit = editor.do("delete_cells", cells=[gone])
    assert edit.words == "Deleted cell 5 in frame 3"
    assert not draft.has(gone) and not (draft.mask(3) == 5).any()
    assert draft.parent(after) == before and draft.value(after, "link_by") == "model"
    assert track(editor, 5) == [0, 1, 2, 4, 5]
    untouched()
    check(draft)


@pytest.mark.parametrize("frame", [0, 5], ids=["first", "last"])
def test_a_track_without_its_first_or_last_cell_keeps_its_number(editor, frame):
    draft = editor.draft
    rest = [cell(draft, at, 5) for at in range(6) if at != frame]
    edit = editor.do("delete_cells", cells=[cell(draft, frame, 5)])
    assert labels_of(draft, rest) == [5] * 5 and edit.frames == [frame]
    check(draft)


def test_a_division_stays_where_the_last_mask_of_the_mother_is_deleted(editor):
    draft = editor.draft
    editor.do("delete_cells", cells=[cell(draft, 3, 2)])
    assert track(editor, 2) == [2] and draft.daughters(2) == [6, 7]
    check(draft)


def test_a_division_stays_where_the_first_mask_of_a_daughter_is_deleted(editor):
    draft = editor.draft
    editor.do("delete_cells", cells=[cell(draft, 4, 6)])
    assert sorted(draft.daughters(2)) == [6, 7] and track(editor, 6) == [5]
    check(draft)


def test_a_mother_with_one_daughter_left_goes_on_as_her(editor):
    draft = editor.draft
    editor.do("delete_track", label=6)
    assert track(editor, 2) == [2, 3, 4, 5] and draft.track(7).tolist() == []
    check(draft)


def test_no_cell_gets_three_daughters_by_deleting(editor):
    """2 is between 1, which has 3 as well, and its own two daughters."""
    draft = editor.draft
    editor.do("delete_track", label=2)
    assert [draft.mother(label) for label in (6, 7)] == [NOBODY, NOBODY]
    assert track(editor, 1) == list(range(6)), "its other daughter is what it goes on as"
    check(draft)


def test_deleting_several_cells_bridges_all_of_them(editor):
    draft = editor.draft
    gone = [cell(draft, frame, 5) for frame in (1, 2, 4)]
    edit = editor.do("delete_cells", cells=[*gone, gone[0]])
    assert edit.words == "Deleted 3 cells" and track(editor, 5) == [0, 3, 5]
    check(draft)


def test_a_gap_is_not_bridged_by_a_link_that_the_user_rejected(editor):
    draft = editor.draft
    before, between, after = (cell(draft, frame, 5) for frame in (2, 3, 4))
    editor.do("replace", parent=before, child=after)
    editor.do("unlink", child=after)
    editor.do("link", parent=before, child=between)
    editor.do("link", parent=between, child=after)
    assert track(editor, 5) == list(range(6)) and (before, after) in draft.rejected
    editor.do("delete_cells", cells=[between])
    assert draft.parent(after) == NOBODY and (before, after) in draft.rejected
    check(draft)


def test_a_whole_lineage_can_be_deleted(editor):
    draft = editor.draft
    family_ = [one for label in (1, 2, 3, 6, 7) for one in draft.track(label).tolist()]
    untouched = others(draft, *family_)
    editor.do("delete_cells", cells=family_)
    assert np.unique(draft.column("label")).tolist() == [5]
    untouched()
    check(draft)
    editor.do("delete_track", label=5)
    assert len(draft) == 0 and draft.tracks().links.empty
    assert not any(draft.mask(frame).any() for frame in range(6))
    editor.undo()
    editor.undo()
    assert track(editor, 6) == [4, 5]
    check(draft)


def test_what_is_not_there_cannot_be_deleted(editor):
    assert str(refused(editor, "delete_track", label=99)).startswith("There is no cell 99")
    assert "not there any more" in str(refused(editor, "delete_cells", cells=[1, 999]))
    assert str(refused(editor, "delete_cells", cells=[])).startswith("No cell is chosen")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("link", {"parent": 1, "child": 999}),
        ("link", {"parent": 999, "child": 1}),
        ("replace", {"parent": 999, "child": 1}),
        ("unlink", {"child": 0}),
        ("divide", {"mother": 999, "daughters": [5, 6]}),
        ("divide", {"mother": 1, "daughters": [5, 999]}),
        ("undivide", {"mother": 999, "keep": 1}),
        ("swap", {"first": 1, "second": -1}),
    ],
)
def test_a_cell_that_is_not_there_is_refused_with_a_sentence(editor, operation, arguments):
    refusal = refused(editor, operation, **arguments)
    assert str(refusal) == "That cell is not there any more: choose another one."


# ---------------------------------------------------------------- several at once, undo, redo


def test_several_operations_are_one_step_of_the_history(editor):
    draft = editor.draft
    before = state_of(draft)
    edit = editor.do_all(
        [
            ("unlink", {"child": cell(draft, 3, 5)}),
            ("delete_track", {"label": 3}),
            ("confirm", {"kind": "division", "number": cell(draft, 3, 2)}),
        ]
    )
    assert edit.words == "Cut cell 5 before frame 3, and 2 more"
    check(draft)
    assert editor.undo() is edit and not editor.can_undo
    assert not differences(before, state_of(draft))


def test_several_operations_of_which_one_is_refused_are_none(editor):
    draft = editor.draft
    before = state_of(draft)
    steps = [("unlink", {"child": cell(draft, 3, 5)}), ("delete_track", {"label": 99})]
    with pytest.raises(Refused, match="There is no cell 99"):
        editor.do_all(steps)
    assert not differences(before, state_of(draft)) and not editor.can_undo


def test_what_was_undone_cannot_be_redone_after_something_else(editor):
    draft = editor.draft
    editor.do("unlink", child=cell(draft, 3, 5))
    editor.undo()
    assert editor.can_redo
    editor.do("unlink", child=cell(draft, 4, 5))
    assert not editor.can_redo and editor.redo() is None
    assert track(editor, 5) == [0, 1, 2, 3]


def test_who_listens_hears_of_every_edit_undo_and_redo(editor):
    heard = []
    editor.edited.connect(heard.append)
    edit = editor.do("unlink", child=cell(editor, 3, 5))
    editor.undo()
    editor.redo()
    assert heard == [edit, edit, edit]
    refused(editor, "unlink", child=999)
    assert editor.do("unconfirm", kind="link", number=1) is None, "nothing came of it"
    assert len(heard) == 3


def test_an_edit_says_what_it_touched(editor):
    draft = editor.draft
    rest = [cell(draft, frame, 5) for frame in (3, 4, 5)]
    edit = editor.do("unlink", child=rest[0])
    assert edit.cells.tolist() == rest and edit.frames == [3, 4, 5]
    assert edit.operation == "unlink" and edit.arguments == {"child": rest[0]}


# ---------------------------------------------------------------- confirm


def test_a_confirmed_division_is_held_by_the_user_until_it_is_taken_back(editor):
    draft = editor.draft
    mother = cell(draft, 3, 2)
    before = state_of(draft)
    editor.do("confirm", kind="division", number=mother)
    assert draft.confirmed == {("division", mother)}
    assert [draft.value(one, "link_by") for one in draft.children(mother)] == ["user", "user"]
    assert editor.do("confirm", kind="division", number=mother) is None
    editor.do("unconfirm", kind="division", number=mother)
    assert draft.confirmed == frozenset()
    while editor.can_undo:
        editor.undo()
    assert not differences(before, state_of(draft))


def test_a_confirmed_link_is_held_and_other_things_are_only_remembered(editor):
    draft = editor.draft
    child = cell(draft, 3, 5)
    editor.do("confirm", kind="link", number=child)
    assert draft.value(child, "link_by") == "user"
    editor.do("confirm", kind="frame", number=4)
    editor.do("confirm", kind="link", number=cell(draft, 0, 5))
    assert len(draft.confirmed) == 3
    check(draft)


def test_links_can_be_corrected_where_there_are_no_masks():
    from napari_cellcycle.data.draft import Draft
    from napari_cellcycle.edit.bench import Bench

    bench = Bench(Draft(editor_of(frozen()).draft.tracks()))
    editor = Editor(bench, resolving=False)
    editor.do("unlink", child=2)
    editor.do("delete_cells", cells=[1])
    assert editor.draft.column("label").tolist() == [8, 8]
    check(editor.draft)
    with pytest.raises(Refused, match="There are no masks yet"):
        editor.do("paint", frame=0, corner=(0, 0), masks=np.ones((2, 2), np.int32))
