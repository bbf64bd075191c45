"""A draft holds cells, links and masks that change in place, and takes every change back."""

import examples
import numpy as np
import pandas as pd
import pytest
from corrections import cell, check, differences, draft_of, experiment_of, state_of

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.changes import Rows, Values, touched_cells, touched_frames
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.history import Edit, History
from napari_cellcycle.data.tracks import Tracks

both = pytest.mark.parametrize("ndim", [2, 3])


def small(**columns) -> Tracks:
    """Three cells of one track, and one of another, with columns of any type.

    frame   0    1    2
            1 -- 2 -- 3
                 4
    """
    cells = pd.DataFrame(
        {"frame": [0, 1, 2, 1], "label": [1, 1, 1, 2], "y": 0.5, "x": [1.0, 2.0, 3.0, 9.0]},
        index=pd.Index([1, 2, 3, 4], name="cell_id"),
    ).assign(**columns)
    links = pd.DataFrame({"parent": [1, 2], "child": [2, 3], "score": [0.9, 0.8]})
    return Tracks(cells, links)


def same_tables(one: Tracks, other: Tracks) -> None:
    for name in ("cells", "links", "rejected", "candidates"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def set_value(draft: Draft, name: str, cells: list[int], values: object) -> Edit:
    """One edit of one column."""
    with draft.recording() as changes:
        draft.set_values(name, cells, values)
    return Edit("test", {}, "", tuple(changes))


# ---------------------------------------------------------------- looking things up


@both
def test_cells_are_found_by_frame_and_label_by_track_and_by_relatives(ndim):
    draft = draft_of(examples.division(ndim))
    mother, daughters = cell(draft, 3, 1), [cell(draft, 4, 3), cell(draft, 4, 4)]
    assert draft.children(mother) == daughters
    assert draft.parent(daughters[0]) == mother
    assert draft.children(cell(draft, 6, 3)) == []
    assert draft.parent(cell(draft, 0, 1)) == NOBODY
    assert draft.track(1).tolist() == [cell(draft, frame, 1) for frame in range(4)]
    assert draft.onwards(cell(draft, 2, 1)).tolist() == draft.track(1)[2:].tolist()
    assert draft.daughters(1) == [3, 4] and draft.daughters(2) == []
    assert draft.mother(3) == 1 and draft.mother(1) == NOBODY
    assert len(draft.place(mother)) == ndim
    assert sorted(draft.in_frame(4)) == sorted([*daughters, cell(draft, 4, 2)])
    assert draft.cell_at(4, 1) == NOBODY


def test_what_is_not_there_is_said_so():
    draft = draft_of(examples.frozen())
    assert not draft.has(99) and not draft.has(0)
    for lookup in (draft.row, draft.frame, draft.parent, draft.place):
        with pytest.raises(KeyError, match="there is no cell 99"):
            lookup(99)
    with pytest.raises(KeyError, match="there is no cell 99"):
        draft.rows([1, 99])
    assert draft.track(99).tolist() == [] and draft.daughters(99) == []
    assert draft.mother(99) == NOBODY


@both
def test_the_pixels_of_a_cell_lie_in_the_smallest_box(ndim):
    draft = draft_of(examples.two_walkers(ndim))
    for one in draft.ids.tolist():
        box, inside = draft.pixels_of(one)
        mask = draft.mask(draft.frame(one))
        assert inside.sum() == (mask == draft.label(one)).sum()
        assert (mask[box][inside] == draft.label(one)).all()
        for axis in range(ndim):
            assert inside.take(0, axis).any() and inside.take(-1, axis).any()


@both
@pytest.mark.parametrize("wrong", ["area", "y", "missing"])
def test_all_pixels_of_a_cell_are_found_if_its_measurements_are_wrong_or_missing(ndim, wrong):
    experiment = experiment_of(examples.frozen(ndim))
    tracks = experiment.tracks
    cells = tracks.cells.drop(columns="area") if wrong == "missing" else tracks.cells
    if wrong != "missing":
        cells = cells.assign(**{wrong: [-5.0, np.nan, 1e9]})
    tracks = Tracks(cells, tracks.links)
    draft = Draft(tracks, experiment.labels.to_array(), pixel_size=(1.0,) * ndim)
    for one in draft.ids.tolist():
        assert draft.pixels_of(one)[1].sum() == (draft.mask(0) == 7).sum()


def test_a_cell_in_two_far_pieces_is_found_whole():
    toy = examples.frozen()
    toy.labels.base[0, 90, 90] = 7
    draft = draft_of(toy)
    box, inside = draft.pixels_of(cell(draft, 0, 7))
    assert inside.sum() == (draft.mask(0) == 7).sum() and box[0].stop == 91


def test_planes_that_lie_far_apart_do_not_hide_pixels():
    """In 3D a cell may be much wider in pixels than it is deep in planes."""
    toy = examples.frozen(3)
    movie = examples.Movie(toy.movie.pixels, (5.0, 0.5, 0.5), 300.0, ("H2B",))
    draft = draft_of(examples.Toy("flat", movie, toy.labels, toy.links))
    for one in draft.ids.tolist():
        assert draft.pixels_of(one)[1].sum() == (toy.labels.frame(0) == 7).sum()


def test_a_cell_without_a_mask_has_an_empty_box():
    toy = examples.frozen()
    draft = Draft(experiment_of(toy).tracks, np.zeros(toy.labels.shape, np.int32))
    box, inside = draft.pixels_of(1)
    assert inside.size == 0 and draft.mask(0)[box].size == 0


# ---------------------------------------------------------------- changing and taking back


def test_changes_outside_of_a_recording_are_refused():
    draft = draft_of(examples.frozen())
    with pytest.raises(RuntimeError, match="inside of `recording`"):
        draft.set_values("stage", [1], "metaphase")


@both
def test_what_fails_half_way_has_not_happened(ndim):
    draft = draft_of(examples.division(ndim))
    before = state_of(draft)
    with pytest.raises(ZeroDivisionError), draft.recording():
        draft.set_values("stage", [1, 2], "metaphase")
        draft.set_parents([cell(draft, 4, 3)], [NOBODY], [0.0], ["user"])
        draft.set_pixels(0, (0,) * ndim, np.zeros(draft.mask(0).shape))
        draft.mark("confirmed", [("link", 2)])
        draft.add_cells({"frame": np.array([0]), "label": np.array([77])})
        draft.remove_cells([cell(draft, 0, 2)]) if draft.children(1) == [] else None
        _ = 1 / 0
    assert not differences(before, state_of(draft))


def test_a_recording_inside_another_belongs_to_it():
    draft = draft_of(examples.frozen())
    with draft.recording() as outer:
        with draft.recording() as inner:
            draft.set_values("stage", [1], "metaphase")
        assert inner is outer and len(outer) == 1
    assert draft.value(1, "stage") == "metaphase"


def test_setting_what_is_there_changes_nothing():
    draft = draft_of(examples.frozen())
    with draft.recording() as changes:
        draft.set_values("label", [1, 2], 7)
        draft.set_values("intensity_mean", [1], draft.value(1, "intensity_mean"))
        draft.set_pixels(0, (0, 0), draft.mask(0))
        draft.mark("confirmed", [("link", 1)], there=False)
        draft.mark("confirmed", [])
    assert changes == []


def test_a_missing_number_stays_missing_without_a_change():
    draft = Draft(small(area=[1.0, np.nan, 3.0, 4.0]))
    with draft.recording() as changes:
        draft.set_values("area", [2], np.nan)
    assert changes == []


def test_values_go_to_the_cells_they_are_given_for_in_any_order():
    draft = Draft(small())
    with draft.recording() as changes:
        draft.set_values("x", [3, 1], [30.0, 10.0])
    assert draft.column("x").tolist() == [10.0, 2.0, 30.0, 9.0]
    (change,) = changes
    assert isinstance(change, Values) and change.cells.tolist() == [1, 3]
    assert touched_cells(tuple(changes)).tolist() == [1, 3]


def test_a_cell_with_links_cannot_be_taken_out():
    draft = Draft(small())
    before = state_of(draft)
    for linked in (1, 2, 3):
        with pytest.raises(ValueError, match="still has links"), draft.recording():
            draft.remove_cells([linked])
    assert not differences(before, state_of(draft))


def test_new_cells_get_new_ids_and_empty_columns():
    draft = Draft(small(area=[1.0, 2.0, 3.0, 4.0], stage="", at_edge=True, kind=[1, 2, 3, 4]))
    with draft.recording() as changes:
        table = {"frame": np.array([0, 2]), "label": np.array([5, 6]), "x": np.array([1.5, 2.5])}
        new = draft.add_cells(table)
    assert new.tolist() == [5, 6] and len(draft) == 6
    assert isinstance(changes[0], Rows)
    assert np.isnan(draft.value(5, "area")) and np.isnan(draft.value(5, "y"))
    assert np.isnan(draft.value(5, "kind")), "no number is made up"
    assert draft.value(5, "stage") == draft.value(5, "pinned") == ""
    assert draft.value(5, "by") == "model" and not draft.value(5, "at_edge")
    assert draft.parent(5) == NOBODY and draft.fresh_label() == 7


def test_ids_and_labels_are_never_given_out_twice():
    """Not even those of cells that were taken out, or of edits that were taken back."""
    draft = Draft(small())
    history = History(draft)
    with draft.recording() as changes:
        draft.add_cells({"frame": np.array([0]), "label": np.array([20]), "y": [0.0], "x": [0.0]})
    history.push(Edit("test", {}, "", tuple(changes)))
    history.undo()
    assert not draft.has(5)
    assert draft.fresh_cell() == 6 and draft.fresh_label() == 21
    relabelled = set_value(draft, "label", [4], 30)
    again = Draft(small())
    History(again).repeat(relabelled, apply=False)
    assert again.fresh_label() == 31


def test_the_frames_that_were_painted_are_known_even_after_an_undo():
    draft = draft_of(examples.frozen())
    with draft.recording() as changes:
        draft.set_pixels(1, (2, 3), np.full((2, 2), 9))
    assert touched_frames(tuple(changes)) == [1] and set(draft.edited_frames) == {1}
    for change in reversed(changes):
        draft.apply(change.inverse())
    assert set(draft.edited_frames) == {1} and not (draft.mask(1) == 9).any()


# ---------------------------------------------------------------- as tables


ANY_TYPE = {
    "text": pd.Series(["a", None, "", "b"], dtype=str).array,
    "object": np.array(["a", None, "", np.nan], object),
    "category": pd.Categorical(["a", None, "b", "a"], categories=["b", "a", "z"], ordered=True),
    "numbered category": pd.Categorical([2, None, 1, 2]),
    "nullable int": pd.array([1, None, 3, 4], dtype="Int64"),
    "whole nullable int": pd.array([1, 2, 3, 4], dtype="Int32"),
    "nullable bool": pd.array([True, None, False, True], dtype="boolean"),
    "bool": np.array([True, False, True, False]),
    "int": np.array([3, -1, 2, 5], np.int16),
    "large int": np.array([2**60 + 1, 1, 2, 3], np.uint64),
    "float": np.array([1.5, np.nan, np.inf, -0.0]),
    "short float": np.array([1.5, np.nan, 3.25, 0.1], np.float32),
    "nullable float": pd.array([1.5, None, 3.25, 0.1], dtype="Float64"),
    "time": pd.to_datetime(pd.Series(["2024-01-01", None, "2024-01-03", "2024-01-04"])).array,
}


@pytest.mark.parametrize("kind", ANY_TYPE)
def test_a_column_of_any_type_is_the_same_after_an_edit_is_taken_back(kind):
    tracks = small(any=ANY_TYPE[kind])
    draft = Draft(tracks)
    same_tables(draft.tracks(), tracks)
    history = History(draft)
    with draft.recording() as changes:
        draft.set_values("any", [1], draft.value(3, "any"))
        draft.add_cells({"frame": np.array([2]), "label": np.array([9]), "y": [0.0], "x": [0.0]})
        draft.remove_cells([4])
    history.push(Edit("test", {}, "", tuple(changes)))
    changed = draft.tracks()
    assert changed.cells.index.tolist() == [1, 2, 3, 5]
    assert changed.cells.loc[1, "any"] == tracks.cells.loc[3, "any"]
    history.undo()
    same_tables(draft.tracks(), tracks)
    history.redo()
    same_tables(draft.tracks(), changed)


def test_a_value_that_no_category_has_gets_one():
    draft = Draft(small(stage=pd.Categorical(["interphase", None, None, None])))
    edit = set_value(draft, "stage", [2], "metaphase")
    assert draft.tracks().cells["stage"].tolist()[:2] == ["interphase", "metaphase"]
    for change in edit.changes:
        draft.apply(change.inverse())
    same_tables(draft.tracks(), small(stage=pd.Categorical(["interphase", None, None, None])))


def test_whole_numbers_become_others_where_a_measurement_is_not_whole():
    tracks = small(area=[10, 20, 30, 40])
    draft = Draft(tracks)
    edit = set_value(draft, "area", [2], 20.5)
    assert draft.tracks().cells["area"].tolist() == [10, 20.5, 30, 40]
    for change in edit.changes:
        draft.apply(change.inverse())
    same_tables(draft.tracks(), tracks)


def test_rows_keep_their_order_whatever_the_ids():
    """Cells that were drawn into gaps have higher ids than those after them in the table."""
    tracks = small()
    order = [3, 0, 2, 1]
    mixed = Tracks(tracks.cells.iloc[order], tracks.links.iloc[::-1].reset_index(drop=True))
    draft = Draft(mixed)
    assert draft.ids.tolist() == [1, 2, 3, 4] and draft.column("x").tolist() == [1, 2, 3, 9]
    same_tables(draft.tracks(), mixed)
    history = History(draft)
    with draft.recording() as changes:
        draft.remove_cells([4])
        draft.set_parents([2], [NOBODY], [0.0], [""])
        draft.add_cells({"frame": np.array([2]), "label": np.array([9]), "y": [0.0], "x": [0.0]})
    history.push(Edit("test", {}, "", tuple(changes)))
    assert draft.tracks().cells.index.tolist() == [1, 3, 2, 5]
    assert draft.tracks().links["child"].tolist() == [3]
    history.undo()
    same_tables(draft.tracks(), mixed)


def test_tables_are_made_once_until_something_changes():
    draft = draft_of(examples.division())
    first = draft.tracks()
    assert draft.tracks() is first
    set_value(draft, "stage", [1], "metaphase")
    assert draft.tracks() is not first
    assert "stage" not in first.cells, "tables that were given out stay as they are"


def test_stage_and_pin_columns_come_and_go_with_the_first_pin():
    tracks = small()
    draft = Draft(tracks)
    edit = set_value(draft, "pinned", [1], "metaphase")
    assert draft.tracks().cells["pinned"].tolist() == ["metaphase", "", "", ""]
    assert "stage" not in draft.tracks().cells
    for change in edit.changes:
        draft.apply(change.inverse())
    same_tables(draft.tracks(), tracks)


def test_links_keep_scores_types_and_who_made_them():
    tracks = small()
    links = tracks.links.assign(score=np.array([0.5, 0.25], np.float32), by=["user", "model"])
    tracks = Tracks(tracks.cells, links, rejected=pd.DataFrame({"parent": [4, 1], "child": [3, 3]}))
    draft = Draft(tracks)
    same_tables(draft.tracks(), tracks)
    assert draft.rejected == {(4, 3), (1, 3)}
    assert draft.value(2, "link_score") == 0.5 and draft.value(2, "link_by") == "user"


def test_a_rejected_pair_comes_back_with_its_cell():
    tracks = Tracks(small().cells, small().links, pd.DataFrame({"parent": [4], "child": [3]}))
    draft = Draft(tracks)
    with draft.recording() as changes:
        draft.remove_cells([4])
    assert draft.tracks().rejected.empty and not draft.rejected
    for change in reversed(changes):
        draft.apply(change.inverse())
    same_tables(draft.tracks(), tracks)


@both
def test_a_draft_without_any_cell_works(ndim):
    empty = examples.toy("empty", [{}, {}], set(), ndim)
    draft = draft_of(empty)
    check(draft)
    assert len(draft) == 0 and draft.fresh_cell() == 1 and draft.fresh_label() == 1
    assert len(draft.axes) == ndim
    same_tables(draft.tracks(), experiment_of(empty).tracks)


@both
def test_masks_without_tracks_can_be_changed_and_have_no_tables(ndim):
    toy = examples.frozen(ndim)
    draft = Draft(None, toy.labels.to_array())
    assert not draft.tracked and draft.tracks() is None and len(draft.axes) == ndim
    with draft.recording() as changes:
        draft.set_pixels(0, (0,) * ndim, np.zeros((1,) * ndim))
        draft.set_pixels(0, (0,) * ndim, np.full((1,) * ndim, 3))
    assert len(changes) == 1 and draft.mask(0)[(0,) * ndim] == 3
    assert draft.tracks() is None


def test_tracks_without_masks_can_be_changed():
    draft = Draft(small())
    assert draft.masks is None
    set_value(draft, "stage", [1], "metaphase")
    check(draft)
