"""Painting on masks: tables follow the pixels, and no other cell notices.

The family, with the labels of its cells (2 becomes 6 and 7):

    frame  0    1    2    3    4    5
                  /- 2 -- 2 <= 6 -- 6
           1 -- 1           \\- 7 -- 7
                  \\- 3 -- 3 -- 3 -- 3
           5 -- 5 -- 5 -- 5 -- 5 -- 5
"""

import numpy as np
import pytest
from corrections import cell, check, differences, editor_of, experiment_of, others, state_of
from examples import blink, family, newcomer

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.features.shape import Masks, measure_frame

both = pytest.mark.parametrize("ndim", [2, 3])
EMPTY = (5, 75)
"""A place (y, x) that no cell is near in any frame."""


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def editor(request) -> Editor:
    return editor_of(family(request.param))


def brush(
    editor: Editor, frame: int, label: int, place: tuple[int, int], size: int = 6, only: int = -1
):
    """Paint a square, or cube, in the middle plane; `only` over one label."""
    draft = editor.draft
    whole = (8, *place) if draft.mask(0).ndim == 3 else place
    corner = [int(at) - size // 2 for at in whole]
    now = draft.mask(frame)[tuple(slice(c, c + size) for c in corner)].copy()
    now[(now == only) | (only < 0)] = label
    return editor.do("paint", frame=frame, corner=corner, masks=now)


def over(editor: Editor, frame: int, old: int, new: int):
    """Paint over all pixels of a label."""
    mask = editor.draft.mask(frame)
    masks = np.where(mask == old, new, mask)
    return editor.do("paint", frame=frame, corner=(0,) * mask.ndim, masks=masks)


def track(editor: Editor, label: int) -> list[int]:
    """Frames that a track is there in."""
    draft = editor.draft
    return draft.column("frame")[draft.rows(draft.track(label))].tolist()


# ---------------------------------------------------------------- what is there changes


def test_a_mask_that_is_painted_on_is_measured_again_and_all_else_stays(editor):
    draft = editor.draft
    one = cell(draft, 2, 5)
    area, untouched = draft.value(one, "area"), others(draft, one)
    edit = brush(editor, 2, 5, (80, 31))
    assert edit.words == "Cell 5 in frame 2: changed"
    assert draft.value(one, "area") > area and draft.value(one, "by") == "user"
    assert draft.parent(one) == cell(draft, 1, 5) and draft.children(one) == [cell(draft, 3, 5)]
    assert edit.cells.tolist() == [one] and edit.frames == [2]
    untouched()
    check(draft)


def test_what_is_measured_again_is_what_segmentation_would_have_measured(editor):
    draft = editor.draft
    brush(editor, 2, 5, (80, 31))
    mask, movie = draft.mask(2), editor.bench.movie
    whole = measure_frame(movie.frame(2), Masks.of(mask), mask.shape, movie.pixel_size)
    row = int(np.flatnonzero(whole["label"] == 5)[0])
    one = cell(draft, 2, 5)
    for name, values in whole.items():
        if name in draft.names and not name.startswith(("intensity", "background")):
            assert draft.value(one, name) == pytest.approx(values[row]), name
    assert draft.value(one, "background") == pytest.approx(100, abs=1)
    assert draft.value(one, "intensity_mean") == pytest.approx(whole["intensity_mean"][row], abs=2)


def test_painting_over_a_part_of_another_cell_changes_both(editor):
    draft = editor.draft
    pair = [cell(draft, 2, 2), cell(draft, 2, 3)]
    sizes = [draft.value(one, "area") for one in pair]
    untouched = others(draft, *pair)
    edit = over_part(editor, 2, 3, 2)
    assert edit.words == "2 masks in frame 2: 2 changed"
    assert draft.value(pair[0], "area") > sizes[0] and draft.value(pair[1], "area") < sizes[1]
    assert draft.mother(2) == draft.mother(3) == 1
    untouched()
    check(draft)


def over_part(editor: Editor, frame: int, old: int, new: int):
    """Paint over the lower half of a mask."""
    mask = editor.draft.mask(frame)
    place = np.argwhere(mask == old)[:, -2]
    lower = (np.indices(mask.shape)[-2] > np.median(place)) & (mask == old)
    return editor.do(
        "paint", frame=frame, corner=(0,) * mask.ndim, masks=np.where(lower, new, mask)
    )


def test_a_cell_that_is_painted_over_whole_is_taken_out_and_its_track_bridged(editor):
    draft = editor.draft
    gone = cell(draft, 3, 3)
    untouched = others(draft, gone, cell(draft, 4, 3), cell(draft, 3, 2))
    edit = over(editor, 3, 3, 2)
    assert edit.words == "2 masks in frame 3: changed, 1 taken out"
    assert not draft.has(gone) and track(editor, 3) == [2, 4, 5]
    assert draft.daughters(2) == [6, 7], "the cell that was painted keeps its links"
    untouched()
    check(draft)


def test_erasing_takes_out_the_cell_when_the_last_pixel_goes(editor):
    draft = editor.draft
    over_part(editor, 2, 5, 0)
    assert track(editor, 5) == list(range(6))
    over(editor, 2, 5, 0)
    assert track(editor, 5) == [0, 1, 3, 4, 5]
    editor.undo()
    editor.undo()
    assert track(editor, 5) == list(range(6))
    check(draft)


def test_painting_what_is_there_is_no_edit(editor):
    assert over(editor, 2, 5, 5) is None
    empty = np.zeros((0,) * editor.draft.mask(0).ndim, np.int32)
    assert editor.do("paint", frame=0, corner=(0,) * empty.ndim, masks=empty) is None
    assert not editor.can_undo


def test_only_the_box_that_differs_is_kept(editor):
    mask = editor.draft.mask(2).copy()
    mask[..., 5, 75] = 5
    edit = editor.do("paint", frame=2, corner=(0,) * mask.ndim, masks=mask)
    assert edit.changes[0].after.shape[-2:] == (1, 1)


# ---------------------------------------------------------------- what is new


def test_a_new_label_is_a_new_cell_of_a_new_track(editor):
    draft = editor.draft
    label = draft.fresh_label()
    untouched = others(draft)
    edit = brush(editor, 3, label, EMPTY)
    new = cell(draft, 3, label)
    assert edit.words == f"Cell {label} in frame 3: 1 new"
    assert draft.parent(new) == NOBODY and draft.value(new, "by") == "user"
    assert draft.value(new, "stage") == draft.value(new, "pinned") == ""
    untouched()
    check(draft)


@both
def test_a_cell_painted_into_a_gap_of_its_track_closes_it(ndim):
    editor = editor_of(blink(ndim))
    draft = editor.draft
    before, after = cell(draft, 1, 1), cell(draft, 3, 1)
    brush(editor, 2, 1, (30, 42))
    new = cell(draft, 2, 1)
    assert draft.parent(new) == before and draft.parent(after) == new
    assert track(editor, 1) == [0, 1, 2, 3, 4]
    assert (before, after) not in draft.rejected, "the user did not say that it was wrong"
    check(draft)
    editor.undo()
    assert draft.parent(after) == before
    check(draft)


def test_a_track_is_prolonged_by_painting_its_label_after_its_end_and_before_its_start():
    editor = editor_of(newcomer())
    draft = editor.draft
    brush(editor, 1, 2, (70, 85))
    assert track(editor, 2) == [1, 2, 3] and draft.parent(cell(draft, 2, 2)) == cell(draft, 1, 2)
    editor.do("delete_cells", cells=[cell(draft, 3, 1)])
    brush(editor, 3, 1, (30, 33))
    assert track(editor, 1) == [0, 1, 2, 3]
    check(draft)


@pytest.mark.parametrize(("label", "frame"), [(1, 3), (2, 5), (3, 0), (6, 2)])
def test_a_label_painted_after_its_division_or_before_its_birth_is_another_cell(
    editor, label, frame
):
    """There its track has become its daughters, or is its mother."""
    draft = editor.draft
    untouched = others(draft)
    former = track(editor, label)
    brush(editor, frame, label, EMPTY)
    assert track(editor, label) == former
    new = int(draft.ids[-1])
    assert draft.frame(new) == frame and draft.label(new) == 8
    assert draft.parent(new) == NOBODY and draft.children(new) == []
    untouched()
    check(draft)


def test_a_stray_label_is_not_painted_onto_the_pixels_of_another_mask_of_that_frame(editor):
    """Label 2 has divided; painting it beside and over a cell of frame 5 leaves the rest of it."""
    draft = editor.draft
    mask = draft.mask(5).copy()
    part = (mask == 5) & (np.indices(mask.shape)[-1] > 30)
    editor.do("paint", frame=5, corner=(0,) * mask.ndim, masks=np.where(part, 2, mask))
    assert (draft.mask(5) == 2).sum() == 0 and (draft.mask(5) == 8).sum() == part.sum()
    check(draft)


def test_a_cell_that_is_repainted_with_another_number_becomes_that_cell(editor):
    """Painting 5 over 3 where 5 was erased: the mask goes over into the other track."""
    draft = editor.draft
    over(editor, 3, 5, 0)
    over(editor, 3, 3, 5)
    assert track(editor, 5) == list(range(6)) and track(editor, 3) == [2, 4, 5]
    check(draft)


def test_two_numbers_exchanged_in_one_stroke_stay_with_their_tracks(editor):
    """The pixels change owners; links and ids belong to the numbers."""
    draft = editor.draft
    mask = draft.mask(4)
    table = np.arange(8)
    table[[3, 5]] = [5, 3]
    places = {label: draft.place(cell(draft, 4, label)) for label in (3, 5)}
    editor.do("paint", frame=4, corner=(0,) * mask.ndim, masks=table[mask])
    for label, other in ((3, 5), (5, 3)):
        assert np.allclose(draft.place(cell(draft, 4, label)), places[other])
        assert len(draft.track(label)) == {3: 4, 5: 6}[label]
    check(draft)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frame": 6}, "There is no frame 6: the movie has frames 0 to 5."),
        ({"frame": -1}, "There is no frame -1"),
        ({"corner": -1}, "That place lies outside of the frame"),
        ({"corner": 95}, "That place lies outside of the frame"),
        ({"masks": -3}, "Labels of masks are 0, for no cell, or positive"),
    ],
)
def test_painting_outside_of_the_movie_is_refused(editor, change, said):
    ndim = editor.draft.mask(0).ndim
    corner = [change.get("corner", 4)] * ndim
    masks = np.full((2,) * ndim, change.get("masks", 9), np.int32)
    before = state_of(editor.draft)
    with pytest.raises(Refused, match=said):
        editor.do("paint", frame=change.get("frame", 0), corner=corner, masks=masks)
    assert not differences(before, state_of(editor.draft))


@both
def test_masks_are_painted_before_anything_is_tracked(ndim):
    experiment = experiment_of(family(ndim))
    draft = Draft(None, experiment.labels.to_array(), pixel_size=(1.0,) * ndim)
    editor = Editor(Bench(draft, experiment.movie))
    before = state_of(draft)
    edit = brush(editor, 0, 40, EMPTY)
    assert edit.words == "Cell 40 changed in frame 0"
    assert (draft.mask(0) == 40).any() and draft.tracks() is None and len(draft) == 0
    editor.undo()
    assert not differences(before, state_of(draft))


def test_a_movie_is_not_needed_to_paint():
    draft = editor_of(family()).draft
    editor = Editor(Bench(draft))
    brush(editor, 2, 5, (80, 31))
    assert np.isnan(draft.value(cell(draft, 2, 5), "intensity_mean"))
    check(draft)
