"""Correcting masks: what an operation does to the masks, and what it must not do to other cells."""

import numpy as np
import pytest
from corrections import cell, check, differences, experiment_of, others, state_of
from examples import Toy, straight, toy

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.features.shape import Masks, measure_frame

dimensions = pytest.mark.parametrize("ndim", [2, 3])
BRIGHT = 50
FAR = (80, 80, 6.0, BRIGHT)


def touching(ndim: int = 2) -> Toy:
    """A pair that touches, and C that stays away; the mask of the pair is one in frame 1.

    A -- AB - A
    B         B
    C -- C -- C
    """
    pair = {1: (40, 40, 6, BRIGHT), 2: (40, 52, 6, BRIGHT), 3: FAR}
    frames = [pair, {1: (40, 40, 6.0, BRIGHT), 7: (40, 52, 6.0, BRIGHT), 3: FAR}, pair]
    links = straight(*[(t, 1) for t in range(3)]) | straight(*[(t, 3) for t in range(3)])
    made = toy("touching", frames, links, ndim)
    masks = made.labels.to_array()
    masks[masks == 7] = 1
    masks[1][middle(ndim, slice(38, 43), slice(44, 49))] = 1
    return Toy(made.name, made.movie, type(made.labels)(masks), made.links)


def walker(ndim: int = 2, *, missing: tuple[int, ...] = (), frames: int = 6) -> Toy:
    """A cell that walks to the right and grows, seen in all frames but those `missing`.

    A -- A ------- A -- A -- A
    C -- C -- C -- C -- C -- C
    """
    seen = [t for t in range(frames) if t not in missing]
    made = [{3: FAR} for _ in range(frames)]
    for t in seen:
        made[t][1] = (30, 20 + 4 * t, 5 + 0.4 * t, BRIGHT)
    links = straight(*[(t, 1) for t in seen]) | straight(*[(t, 3) for t in range(frames)])
    return toy("walker", made, links, ndim)


def middle(ndim: int, *place: object) -> tuple:
    """An index of y and x in the middle plane, of discs and of balls."""
    return tuple(place) if ndim == 2 else (8, *place)


def editor(made: Toy | Experiment, *, resolving: bool = False) -> Editor:
    experiment = experiment_of(made) if isinstance(made, Toy) else made
    return Editor(bench_of(experiment), resolving=resolving)


def untracked(made: Toy) -> Editor:
    return Editor(bench_of(Experiment(made.movie, made.labels)))


def area(work: Editor, frame: int, label: int) -> int:
    return int((work.draft.mask(frame) == label).sum())


def label_at(work: Editor, frame: int, y: int, x: int) -> int:
    mask = work.draft.mask(frame)
    return int(mask[middle(mask.ndim, y, x)])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def measured_right(work: Editor, frame: int, label: int) -> None:
    """What the tables say of a cell is what measuring the whole frame gives."""
    draft = work.draft
    mask, movie = draft.mask(frame), work.bench.movie
    table = measure_frame(movie.frame(frame), Masks.of(mask), mask.shape, movie.pixel_size)
    row = int(np.flatnonzero(table["label"] == label)[0])
    one = cell(draft, frame, label)
    for name in ("y", "x", "area", "perimeter", "touching", "fill", "at_edge", "intensity_mean"):
        assert draft.value(one, name) == pytest.approx(table[name][row]), name


def do(work: Editor, operation: str, **arguments: object) -> str:
    """Do one thing; undoing and doing it again must change nothing."""
    before = state_of(work.draft)
    edit = work.do(operation, **arguments)
    assert edit is not None
    check(work.draft)
    after = state_of(work.draft)
    work.undo()
    assert not differences(before, state_of(work.draft))
    work.redo()
    assert not differences(after, state_of(work.draft))
    return edit.words


def refused(work: Editor, operation: str, **arguments: object) -> Refused:
    """The refusal of something, with nothing changed by it."""
    before = state_of(work.draft)
    with pytest.raises(Refused) as error:
        work.do(operation, **arguments)
    assert not differences(before, state_of(work.draft))
    assert str(error.value).endswith((".", "!"))
    return error.value


# -------------------------------------------------------------------- splitting


@dimensions
def test_a_mask_is_split_by_a_point_in_each_of_two_cells(ndim):
    work = editor(touching(ndim))
    untouched = others(work.draft, cell(work, 1, 1))
    points = [middle(ndim, 41, 39), middle(ndim, 39, 54)]
    do(work, "split", frame=1, label=1, points=points)
    new = label_at(work, 1, 40, 54)
    assert label_at(work, 1, 40, 38) == 1 and new not in (0, 1, 3)
    assert area(work, 1, 1) == pytest.approx(area(work, 1, new), rel=0.1)
    measured_right(work, 1, 1)
    measured_right(work, 1, new)
    untouched()


@dimensions
def test_the_piece_on_the_way_of_the_track_keeps_its_number(ndim):
    made = touching(ndim)
    work = editor(made)
    do(work, "split", frame=1, label=1, points=[middle(ndim, 40, 53), middle(ndim, 40, 40)])
    assert label_at(work, 1, 40, 39) == 1, "whichever of the points came first"
    assert work.draft.track(1).tolist() == [cell(work, t, 1) for t in range(3)]


@dimensions
def test_a_mask_is_split_along_a_line(ndim):
    work = editor(touching(ndim))
    line = [middle(ndim, 30, 46), middle(ndim, 50, 46)]
    do(work, "split_line", frame=1, label=1, line=line)
    assert label_at(work, 1, 40, 44) == 1
    assert label_at(work, 1, 40, 49) not in (0, 1)


def test_a_line_that_ends_inside_of_the_cell_is_drawn_out():
    work = editor(touching())
    do(work, "split_line", frame=1, label=1, line=[(39, 46), (42, 46)])
    assert label_at(work, 1, 40, 39) != label_at(work, 1, 40, 52)


def test_no_pixel_is_lost_under_a_line():
    work = editor(touching())
    before = area(work, 1, 1)
    do(work, "split_line", frame=1, label=1, line=[(30, 44), (50, 48)])
    assert area(work, 1, 1) + area(work, 1, label_at(work, 1, 40, 54)) == before


@dimensions
def test_a_mask_is_split_where_two_cells_were_the_frame_before(ndim):
    work = editor(touching(ndim))
    do(work, "split_in_two", frame=1, label=1)
    assert overlap(work.draft.mask(1) == 1, work.draft.mask(0) == 1) > 0.8
    new = label_at(work, 1, 40, 54)
    assert overlap(work.draft.mask(1) == new, work.draft.mask(0) == 2) > 0.8


@dimensions
def test_without_tracks_a_mask_is_split_at_its_neck(ndim):
    work = untracked(touching(ndim))
    work.do("split_in_two", frame=1, label=1)
    left, right = label_at(work, 1, 40, 40), label_at(work, 1, 40, 52)
    assert {left, right} == {1, 4}, "the new label is above all of the frame"
    assert area(work, 1, left) == pytest.approx(area(work, 1, right), rel=0.2)


def test_a_new_piece_goes_into_the_track_that_misses_a_cell_there():
    made = touching()
    gap = Toy(made.name, made.movie, made.labels, made.links | straight((0, 2), (2, 2)))
    for resolving in (False, True):
        work = editor(gap, resolving=resolving)
        assert work.draft.cell_at(1, 2) == NOBODY
        do(work, "split_in_two", frame=1, label=1)
        assert label_at(work, 1, 40, 54) == 2
        assert len(work.draft.track(2)) == 3
        later = cell(work, 2, 2)
        assert work.draft.value(later, "link_by") == "model", "it is as sure as it was"


def test_three_cells_in_one_mask_are_split_by_three_points():
    discs = {1: (40, 30, 6, BRIGHT), 2: (40, 41, 6, BRIGHT), 3: (40, 52, 6, BRIGHT)}
    made = toy("chain", [discs], set())
    masks = np.minimum(made.labels.to_array(), 1)
    work = editor(Toy(made.name, made.movie, type(made.labels)(masks), frozenset()))
    do(work, "split", frame=0, label=1, points=[(40, 30), (40, 41), (40, 52)])
    assert len({label_at(work, 0, 40, x) for x in (28, 41, 54)}) == 3


def test_islands_go_to_the_nearest_piece():
    made = touching()
    masks = made.labels.to_array()
    masks[1, 40, 62] = 1
    work = editor(Toy(made.name, made.movie, type(made.labels)(masks), made.links))
    do(work, "split", frame=1, label=1, points=[(40, 40), (40, 52)])
    assert label_at(work, 1, 40, 62) == label_at(work, 1, 40, 53) != 1


@pytest.mark.parametrize(
    ("operation", "arguments", "said"),
    [
        ("split", {"points": [(40, 40)]}, "two points or more"),
        ("split", {"points": [(40, 40), (40, 40)]}, "same place"),
        ("split", {"points": [(40, 40), (5, 5)]}, "far outside"),
        ("split_line", {"line": [(40, 46)]}, "needs a line"),
        ("split_line", {"line": [(10, 10), (10, 40)]}, "does not cut cell 1 in two"),
    ],
)
def test_a_cut_that_cannot_be_is_refused_with_one_that_can(operation, arguments, said):
    work = editor(touching())
    error = refused(work, operation, frame=1, label=1, **arguments)
    assert said in str(error)
    for fix in error.fixes:
        work.do(fix.operation, **fix.arguments)
        assert label_at(work, 1, 40, 40) != label_at(work, 1, 40, 53)


# -------------------------------------------------------------------- merging


@dimensions
def test_masks_are_merged_into_the_one_with_the_longer_track(ndim):
    work = editor(touching(ndim))
    work.do("split_in_two", frame=1, label=1)
    new = label_at(work, 1, 40, 54)
    untouched = others(work.draft, cell(work, 1, 1), cell(work, 1, new))
    do(work, "merge", frame=1, labels=[new, 1])
    assert label_at(work, 1, 40, 54) == label_at(work, 1, 40, 38) == 1
    assert not len(work.draft.track(new))
    measured_right(work, 1, 1)
    untouched()


def test_the_number_to_keep_can_be_chosen():
    work = editor(touching())
    do(work, "merge", frame=0, labels=[1, 2], keep=2)
    assert label_at(work, 0, 40, 40) == 2
    assert work.draft.frame(int(work.draft.track(1)[0])) == 1, "the rest of the track stays"


@dimensions
def test_a_gap_between_pieces_is_bridged(ndim):
    pieces = {1: (40, 40, 6, BRIGHT), 2: (40, 55, 6, BRIGHT), 3: FAR}
    work = editor(toy("pieces", [pieces], set(), ndim))
    assert label_at(work, 0, 40, 47) == 0
    do(work, "merge", frame=0, labels=[1, 2])
    assert {label_at(work, 0, 40, x) for x in range(36, 60)} == {1}


def test_masks_far_apart_are_merged_only_if_asked_again():
    work = editor(touching())
    error = refused(work, "merge", frame=0, labels=[1, 3])
    assert "do not touch" in str(error)
    (fix,) = error.fixes
    do(work, fix.operation, **fix.arguments)
    assert label_at(work, 0, 40, 40) == label_at(work, 0, 80, 80) == 1


def test_one_mask_cannot_be_merged():
    assert "two cells" in str(refused(editor(touching()), "merge", frame=0, labels=[1]))
    assert "none of those" in str(
        refused(editor(touching()), "merge", frame=0, labels=[1, 2], keep=3)
    )


# -------------------------------------------------------------------- form


@dimensions
def test_holes_are_filled_but_not_where_another_cell_lies(ndim):
    work = editor(toy("disc", [{1: (40, 40, 8, BRIGHT), 3: FAR}], set(), ndim))
    mask = work.draft.mask(0).copy()
    mask[middle(ndim, 40, 40)], mask[middle(ndim, 40, 44)] = 0, 9
    work.do("paint", frame=0, corner=(0,) * ndim, masks=mask)
    do(work, "fill_holes", frame=0, labels=[1])
    assert label_at(work, 0, 40, 40) == 1
    assert label_at(work, 0, 40, 44) == 9
    assert "no hole" in str(refused(work, "fill_holes", frame=0, labels=[3]))


@dimensions
def test_a_mask_grows_and_shrinks_by_a_pixel(ndim):
    work = editor(toy("disc", [{1: (40, 40, 8, BRIGHT), 3: FAR}], set(), ndim))
    before, untouched = work.draft.mask(0).copy(), others(work.draft, cell(work, 0, 1))
    do(work, "grow", frame=0, labels=[1])
    assert [label_at(work, 0, 40, x) for x in (31, 32, 48, 49, 50)] == [1, 1, 1, 1, 0]
    do(work, "shrink", frame=0, labels=[1])
    assert overlap(work.draft.mask(0) == 1, before == 1) > 0.95
    measured_right(work, 0, 1)
    untouched()


def test_a_growing_mask_does_not_paint_over_others():
    work = editor(touching())
    before = area(work, 0, 2)
    do(work, "grow", frame=0, labels=[1], pixels=4)
    assert area(work, 0, 2) == before


def test_planes_far_apart_are_not_reached_by_growing():
    made = toy("ball", [{1: (40, 40, 6, BRIGHT)}], set(), 3)
    movie = type(made.movie)(made.movie.pixels, (5.0, 1.0, 1.0), 300.0, ("H2B",))
    work = editor(Toy(made.name, movie, made.labels, frozenset()))
    planes = (work.draft.mask(0) == 1).any(axis=(1, 2)).sum()
    do(work, "grow", frame=0, labels=[1], pixels=2)
    assert (work.draft.mask(0) == 1).any(axis=(1, 2)).sum() == planes
    assert label_at(work, 0, 40, 48) == 1


@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_a_mask_at_the_border_does_not_shrink_from_it(pixels):
    work = editor(toy("edge", [{1: (2, 40, 8, BRIGHT)}], set()))
    do(work, "shrink", frame=0, labels=[1], pixels=pixels)
    assert [label_at(work, 0, y, 40) for y in (0, 1, 2)] == [1, 1, 1]
    assert label_at(work, 0, 10 - pixels, 40) == 1
    assert label_at(work, 0, 11 - pixels, 40) == 0


def test_a_mask_that_would_vanish_is_offered_to_be_erased():
    work = editor(touching())
    error = refused(work, "shrink", frame=0, labels=[1], pixels=9)
    (fix,) = error.fixes
    do(work, fix.operation, **fix.arguments)
    assert area(work, 0, 1) == 0


def test_a_mask_is_smoothed():
    work = editor(toy("disc", [{1: (40, 40, 8, BRIGHT)}], set()))
    mask = work.draft.mask(0).copy()
    mask[40, 49:60] = 1
    work.do("paint", frame=0, corner=(0, 0), masks=mask)
    do(work, "smooth", frame=0, labels=[1])
    assert label_at(work, 0, 40, 55) == 0
    assert area(work, 0, 1) == pytest.approx(np.pi * 64, rel=0.1)


@dimensions
def test_an_erased_mask_leaves_a_gap_in_its_track(ndim):
    work = editor(touching(ndim))
    do(work, "erase", frame=1, labels=[1])
    assert area(work, 1, 1) == 0
    assert work.draft.parent(cell(work, 2, 1)) == cell(work, 0, 1)


def test_a_mask_without_tracks_is_erased():
    work = untracked(touching())
    work.do("erase", frame=1, labels=[1])
    assert area(work, 1, 1) == 0 and area(work, 0, 1) > 0


# -------------------------------------------------------------------- over time


@dimensions
def test_a_track_is_extended_along_its_way(ndim):
    made = walker(ndim, missing=(5,))
    work = editor(made)
    untouched = others(work.draft)
    do(work, "copy_mask", cell=cell(work, 4, 1))
    new = cell(work, 5, 1)
    assert work.draft.parent(new) == cell(work, 4, 1)
    assert work.draft.place(new)[-1] == pytest.approx(40, abs=0.6)
    assert area(work, 5, 1) == area(work, 4, 1)
    measured_right(work, 5, 1)
    untouched()


@dimensions
def test_a_track_is_extended_backward(ndim):
    work = editor(walker(ndim, missing=(0,)))
    do(work, "copy_mask", cell=cell(work, 1, 1), step=-1)
    assert work.draft.parent(cell(work, 1, 1)) == cell(work, 0, 1)
    assert work.draft.place(cell(work, 0, 1))[-1] == pytest.approx(20, abs=0.6)


def test_a_copy_is_cut_where_another_cell_lies():
    frames = [{1: (40, 40, 6, BRIGHT)}, {2: (40, 48, 6, BRIGHT)}]
    work = editor(toy("neighbours", frames, set()))
    before = area(work, 1, 2)
    do(work, "copy_mask", cell=cell(work, 0, 1))
    assert area(work, 1, 2) == before
    assert 0 < area(work, 1, 1) < area(work, 0, 1)


def test_where_another_cell_lies_a_link_to_it_is_offered():
    frames = [{1: (40, 40, 6, BRIGHT)}, {2: (40, 41, 7, BRIGHT)}]
    work = editor(toy("same place", frames, set()))
    error = refused(work, "copy_mask", cell=cell(work, 0, 1))
    fix = error.fixes[0]
    do(work, fix.operation, **fix.arguments)
    assert label_at(work, 1, 40, 41) == 1


@pytest.mark.parametrize(("frame", "step"), [(5, 1), (0, -1)])
def test_a_track_is_not_extended_out_of_the_movie(frame, step):
    work = editor(walker())
    error = refused(work, "copy_mask", cell=cell(work, frame, 1), step=step)
    assert "frames 0 to 5" in str(error)


def test_a_cell_that_goes_on_already_is_not_extended():
    work = editor(walker())
    for step in (1, -1):
        error = refused(work, "copy_mask", cell=cell(work, 2, 1), step=step)
        assert error.fixes[0].operation == "unlink"


@dimensions
def test_missing_cells_are_inserted_between_two_sightings(ndim):
    truth = walker(ndim)
    work = editor(walker(ndim, missing=(2, 3)))
    first, last = cell(work, 1, 1), cell(work, 4, 1)
    untouched = others(work.draft, last)
    do(work, "insert_cell", parent=first, child=last)
    for frame in (2, 3):
        there = truth.labels.frame(frame) == 1
        assert overlap(work.draft.mask(frame) == 1, there) > 0.85
        measured_right(work, frame, 1)
    track = work.draft.track(1)
    assert [work.draft.frame(one) for one in track] == list(range(6))
    assert [work.draft.parent(one) for one in track[1:]] == track[:-1].tolist()
    assert (first, last) not in work.draft.rejected, "they are the same cell, as before"
    untouched()


def test_tracks_are_joined_by_what_is_inserted_between_them():
    made = walker(missing=(2,))
    cut = Toy(made.name, made.movie, made.labels, made.links - {((1, 1), (3, 1))})
    work = editor(cut)
    later = work.draft.label(work.draft.cell_at(3, 1)) if work.draft.cell_at(3, 1) else None
    assert later is None, "cut tracks have numbers of their own"
    child = work.draft.in_frame(3)
    child = int(next(c for c in child if work.draft.place(c)[0] < 50))
    do(work, "insert_cell", parent=cell(work, 1, 1), child=child)
    assert work.draft.label(child) == 1
    assert len(work.draft.track(1)) == 6


def test_a_daughter_missed_right_after_birth_is_inserted():
    mother = [{1: (40, 40, 7, BRIGHT)}] * 2
    late = [{2: (33, 40, 5, 80)}, {2: (30, 40, 5, 80), 3: (50, 40, 5, 80)}]
    links = {((0, 1), (1, 1)), ((1, 1), (2, 2)), ((1, 1), (3, 3)), ((2, 2), (3, 2))}
    work = editor(toy("late", [*mother, *late], links))
    do(work, "insert_cell", parent=cell(work, 1, 1), child=cell(work, 3, 3))
    assert work.draft.label(cell(work, 2, 3)) == 3
    assert sorted(work.draft.daughters(1)) == [2, 3]


def test_nothing_is_inserted_where_nothing_is_missing():
    work = editor(walker())
    error = refused(work, "insert_cell", parent=cell(work, 1, 1), child=cell(work, 2, 1))
    assert "no frame between" in str(error)
    error = refused(work, "insert_cell", parent=cell(work, 4, 1), child=cell(work, 1, 1))
    assert "not before" in str(error)
    error = refused(work, "insert_cell", parent=cell(work, 1, 3), child=cell(work, 4, 1))
    assert error.fixes[0].operation == "unlink"


@dimensions
def test_bad_masks_are_replaced_between_two_good_ones(ndim):
    truth = walker(ndim)
    masks = truth.labels.to_array()
    masks[2][masks[2] == 1] = 0
    masks[2][middle(ndim, slice(28, 30), slice(25, 40))] = 1
    masks[3][masks[3] == 1] = 0
    links = truth.links - {((2, 1), (3, 1)), ((3, 1), (4, 1))} | {((2, 1), (4, 1))}
    work = editor(Toy("bad", truth.movie, type(truth.labels)(masks), frozenset(links)))
    untouched = others(work.draft, cell(work, 2, 1), cell(work, 4, 1))
    do(work, "interpolate", first=cell(work, 1, 1), last=cell(work, 4, 1))
    for frame in (2, 3):
        assert overlap(work.draft.mask(frame) == 1, truth.labels.frame(frame) == 1) > 0.85
    untouched()


def test_interpolation_needs_two_frames_of_one_cell():
    work = editor(walker())
    error = refused(work, "interpolate", first=cell(work, 1, 1), last=cell(work, 2, 1))
    assert "none in between" in str(error)
    error = refused(work, "interpolate", first=cell(work, 1, 1), last=cell(work, 4, 3))
    assert "not the same track" in str(error)


# -------------------------------------------------------------------- drawing


@dimensions
def test_a_missed_cell_is_drawn_by_a_click(ndim):
    truth = walker(ndim)
    masks = truth.labels.to_array()
    masks[2][masks[2] == 1] = 0
    links = truth.links - {((1, 1), (2, 1)), ((2, 1), (3, 1))} | {((1, 1), (3, 1))}
    work = editor(Toy("missed", truth.movie, type(truth.labels)(masks), frozenset(links)))
    untouched = others(work.draft, cell(work, 3, 1))
    do(work, "draw_cell", frame=2, place=middle(ndim, 32, 27))
    assert overlap(work.draft.mask(2) == 1, truth.labels.frame(2) == 1) > 0.75
    measured_right(work, 2, 1)
    untouched()


def test_a_drawn_cell_takes_its_place_in_the_track_that_misses_it():
    truth = walker()
    masks = truth.labels.to_array()
    masks[2][masks[2] == 1] = 0
    links = truth.links - {((1, 1), (2, 1)), ((2, 1), (3, 1))} | {((1, 1), (3, 1))}
    made = Toy("missed", truth.movie, type(truth.labels)(masks), frozenset(links))
    for how in ({"label": 1}, {}):
        work = editor(made)
        do(work, "draw_cell", frame=2, place=(30, 28), **how)
        assert work.draft.parent(cell(work, 3, 1)) == cell(work, 2, 1)


@dimensions
def test_a_cell_that_was_never_seen_is_drawn_as_it_stands_out(ndim):
    truth = walker(ndim)
    masks = truth.labels.to_array()
    masks[masks == 1] = 0
    links = {link for link in truth.links if link[0][1] == 3}
    work = editor(Toy("never", truth.movie, type(truth.labels)(masks), frozenset(links)))
    do(work, "draw_cell", frame=2, place=middle(ndim, 32, 27))
    new = label_at(work, 2, 30, 28)
    assert new not in (0, 3)
    assert overlap(work.draft.mask(2) == new, truth.labels.frame(2) == 1) > 0.75


def test_where_nothing_is_seen_a_cell_of_usual_size_is_drawn():
    work = editor(walker())
    usual = area(work, 0, 3)
    do(work, "draw_cell", frame=0, place=(60, 40))
    assert area(work, 0, label_at(work, 0, 60, 40)) == pytest.approx(usual, rel=0.35)


def test_a_click_on_a_cell_or_outside_draws_nothing():
    work = editor(walker())
    error = refused(work, "draw_cell", frame=0, place=(30, 20))
    assert error.fixes[0].operation == "split_in_two"
    assert "outside" in str(refused(work, "draw_cell", frame=0, place=(30, 96)))
    assert "frames 0 to 5" in str(refused(work, "draw_cell", frame=6, place=(30, 20)))


# -------------------------------------------------------------------- taking over


@dimensions
def test_masks_made_anew_keep_numbers_links_and_pins(ndim):
    work = editor(touching(ndim))
    work.do("set_stage", cells=[cell(work, 0, 2)], stage="metaphase")
    anew = np.zeros_like(work.draft.mask(0))
    anew[work.draft.mask(0) == 3] = 1
    anew[work.draft.mask(0) == 1] = 2
    planes = (slice(5, 12),) * (ndim - 2)
    anew[*planes, 38:43, 48:57] = 3
    anew[*planes, 10:16, 10:16] = 4
    untouched = others(work.draft, cell(work, 0, 2))
    do(work, "adopt_masks", frame=0, masks=anew)
    untouched()
    assert label_at(work, 0, 40, 53) == 2
    assert work.draft.value(cell(work, 0, 2), "pinned") == "metaphase"
    assert area(work, 0, 2) == (anew == 3).sum()
    new = label_at(work, 0, 12, 12)
    assert new not in (0, 1, 2, 3, 4)
    assert work.draft.value(cell(work, 0, new), "by") == "model"
    measured_right(work, 0, 2)


def test_cells_not_found_anew_are_taken_out():
    work = editor(touching())
    anew = work.draft.mask(1).copy()
    anew[anew == 1] = 0
    do(work, "adopt_masks", frame=1, masks=anew)
    assert work.draft.cell_at(1, 1) == NOBODY
    assert work.draft.parent(cell(work, 2, 1)) == cell(work, 0, 1)


def test_a_cell_found_anew_goes_into_the_track_that_misses_it():
    made = touching()
    gap = Toy(made.name, made.movie, made.labels, made.links | straight((0, 2), (2, 2)))
    work = editor(gap)
    do(work, "adopt_masks", frame=1, masks=work.draft.mask(0) * 7)
    assert work.draft.track(2).tolist() == [cell(work, t, 2) for t in range(3)]


def test_masks_of_another_shape_are_refused():
    work = editor(touching())
    assert "shape" in str(refused(work, "adopt_masks", frame=1, masks=np.zeros((3, 3))))


# -------------------------------------------------------------------- anything


def test_several_masks_are_one_step_or_none():
    work = editor(touching())
    before = state_of(work.draft)
    steps = [
        ("split_in_two", {"frame": 1, "label": 1}),
        ("grow", {"frame": 0, "labels": [99]}),
    ]
    with pytest.raises(Refused, match="no mask of cell 99"):
        work.do_all(steps)
    assert not differences(before, state_of(work.draft))


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("split", {"frame": 7, "label": 1, "points": [(40, 40), (40, 52)]}),
        ("split_in_two", {"frame": 0, "label": 50}),
        ("merge", {"frame": 0, "labels": []}),
        ("grow", {"frame": -1, "labels": [1]}),
        ("copy_mask", {"cell": 12345}),
        ("insert_cell", {"parent": 1, "child": 12345}),
        ("paint", {"frame": 0, "corner": (90, 90), "masks": np.ones((20, 20), int)}),
    ],
)
def test_what_is_not_there_is_refused(operation, arguments):
    refused(editor(touching()), operation, **arguments)


def test_every_operation_leaves_the_arguments_alone():
    work = editor(touching())
    masks = work.draft.mask(0).copy()
    masks[0, 0] = 5
    kept = masks.copy()
    work.do("paint", frame=0, corner=(0, 0), masks=masks)
    work.do("split_in_two", frame=1, label=1)
    assert np.array_equal(masks, kept)
