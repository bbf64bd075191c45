"""Painting in the masks of a result with the mouse: each stroke is a correction."""

import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from correcting import Window, result_of
from corrections import check, experiment_of
from examples import Toy, division, family, toy
from pointer import RIGHT

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.overlay import OverlaidMasks
from napari_cellcycle.edit.opening import open_editor
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.widgets.display import display_of
from napari_cellcycle.widgets.painting import Painting
from napari_cellcycle.widgets.result import Result


class Painted(Window):
    """A window in which strokes are corrections."""

    def __init__(self, *arguments, **how):
        super().__init__(*arguments, **how)
        self.painting = self.add(Painting(self.session))

    def paint(self, label, places, mode="paint", size=3):
        self.layer.mode, self.layer.brush_size, self.layer.selected_label = mode, size, label
        self.mouse.drag(places)


@pytest.fixture
def window(viewer):
    opened = []

    def show(made, kind="memory", tracked=True):
        opened.append(Painted(viewer, made, kind, tracked))
        return opened[-1]

    yield show
    for one in opened:
        one.close()


def pair(ndim=2):
    """Two cells that stay where they are, for three frames."""
    discs = {1: (30, 30, 6.0, 50), 2: (30, 60, 6.0, 50)}
    links = {((t, n), (t + 1, n)) for t in range(2) for n in (1, 2)}
    return toy("pair", [discs] * 3, links, ndim)


everywhere = pytest.mark.parametrize("kind", ["memory", "disk"])


@everywhere
def test_a_stroke_a_filling_and_an_outline_are_one_correction_each(window, kind):
    shown = window(pair(), kind)
    shown.go_to(1)
    before = np.count_nonzero(shown.draft.mask(1) == 1)
    shown.paint(1, [(30, 36), (30, 40), (32, 44)])
    assert len(shown.edits) == 1 and shown.edits[0].operation == "paint"
    now = np.count_nonzero(shown.draft.mask(1) == 1)
    assert now > before + 10
    cell = shown.draft.cell_at(1, 1)
    assert shown.draft.value(cell, "area") == now
    assert np.array_equal(shown.on_screen(), shown.draft.mask(1))
    check(shown.draft)
    shown.session.undo()
    assert np.array_equal(np.asarray(shown.layer.data), shown.start)
    assert np.array_equal(shown.on_screen(), shown.start[1])
    shown.session.redo()
    assert np.count_nonzero(shown.on_screen() == 1) == now
    shown.session.undo()
    filling_with_the_number_of_another_merges(shown)
    shown.session.undo()
    an_outline_is_filled(shown)


@everywhere
def test_a_plane_of_a_volume_is_painted(window, kind):
    shown = window(pair(3), kind)
    shown.go_to(1, plane=8)
    shown.paint(1, [(30, 36), (30, 44)])
    differs = np.asarray(shown.layer.data) != shown.start
    assert differs[1, 8].any() and differs.sum() == differs[1, 8].sum()
    assert np.array_equal(shown.on_screen(), shown.draft.mask(1)[8])
    check(shown.draft)
    shown.session.undo()
    assert np.array_equal(np.asarray(shown.layer.data), shown.start)


def test_the_brush_goes_on_after_a_stroke_and_napari_has_no_history_of_its_own(window):
    shown = window(pair())
    assert shown.layer.selected_label not in (0, 1, 2), "where nothing is chosen, a new cell"
    for place in ((10, 10), (12, 14), (14, 18)):
        shown.paint(1, [place])
        assert shown.layer.mode == "paint"
    assert len(shown.edits) == 3
    painted = np.array(shown.layer.data)
    shown.layer.undo()
    assert np.array_equal(shown.layer.data, painted)
    shown.painting.close()
    shown.paint(1, [(16, 22)])
    assert len(shown.edits) == 3, "after closing, a stroke is napari's alone"
    assert shown.layer.data[0, 16, 22] == 1


def test_a_cell_is_rubbed_out_of_its_track_and_a_brush_goes_through_time(window):
    shown = window(pair())
    shown.go_to(1)
    shown.paint(2, [(30, 60)], "erase", size=30)
    assert shown.draft.cell_at(1, 2) == 0
    assert shown.draft.parent(shown.draft.cell_at(2, 2)) == shown.draft.cell_at(0, 2)
    check(shown.draft)
    shown.session.undo()
    assert shown.draft.cell_at(1, 2) != 0
    brush_through_time(shown)


def brush_through_time(shown):
    """A brush through time is one correction of several frames."""
    shown.layer.n_edit_dimensions = 3
    shown.paint(1, [(10, 10)], size=3)
    (edit,) = shown.edits
    assert edit.frames == [0, 1, 2]
    check(shown.draft)
    shown.session.undo()
    assert np.array_equal(shown.layer.data, shown.start)


def filling_with_the_number_of_another_merges(shown):
    """Filling a cell with the number of another is merging them."""
    shown.go_to(1)
    shown.paint(1, [(30, 60)], "fill")
    assert len(shown.edits) == 1
    assert shown.draft.cell_at(1, 2) == 0
    assert shown.draft.mask(1)[30, 60] == shown.draft.mask(1)[30, 30] == 1
    check(shown.draft)


def an_outline_is_filled(shown):
    """An outline that is drawn with the right button is filled."""
    shown.go_to(0)
    shown.layer.mode, shown.layer.brush_size, shown.layer.selected_label = "paint", 2, 1
    circle = [(70 + 9 * np.sin(a), 40 + 9 * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 25)]
    shown.mouse.drag([circle[0]], RIGHT)
    shown.mouse.move(circle)
    assert len(shown.edits) == 1
    assert shown.draft.mask(0)[70, 40] == 1
    check(shown.draft)
    shown.session.undo()
    assert np.array_equal(np.asarray(shown.layer.data), shown.start)


def test_a_new_cell_is_painted_with_a_number_of_its_own_through_the_frames(window):
    shown = window(pair())
    label = shown.painting.new_label()
    assert label == shown.painting.new_label() == 3, "asked twice, it is the same"
    shown.paint(label, [(70, 40), (70, 44)])
    cell = shown.draft.cell_at(0, 3)
    assert cell and shown.draft.track(3).tolist() == [cell]
    assert shown.painting.new_label() == 4
    check(shown.draft)
    shown.session.undo()
    label = shown.painting.new_label()
    for frame in range(3):
        shown.go_to(frame)
        shown.paint(label, [(70, 40), (70, 44)])
    assert len(shown.draft.track(label)) == 3
    check(shown.draft)


def test_the_brush_follows_a_cell_that_gets_another_number(window):
    shown = window(division())
    shown.go_to(6)
    mother = int(shown.draft.mask(0)[45, 45])
    shown.paint(mother, [(70, 75)])
    new = int(shown.draft.mask(6)[70, 75])
    assert new not in (0, mother), "the mother has divided before"
    assert shown.layer.selected_label == new
    shown.mouse.drag([(72, 77)])
    assert shown.draft.mask(6)[72, 77] == new
    assert len(shown.draft.track(new)) == 1
    check(shown.draft)


def test_pixels_that_a_script_sets_are_a_correction_too(window, qtbot):
    shown = window(pair(), "disk")
    where = (np.array([0, 0, 2]), np.array([5, 6, 5]), np.array([5, 5, 5]))
    shown.layer.data_setitem(where, 1)
    qtbot.waitUntil(lambda: len(shown.edits) == 1)
    (edit,) = shown.edits
    assert edit.frames == [0, 2]
    shown.session.undo()
    assert np.array_equal(np.asarray(shown.layer.data), shown.start)


def test_masks_that_are_not_tracked_yet_are_painted(window):
    shown = window(pair(), tracked=False)
    assert shown.painting.new_label() == 3
    shown.paint(3, [(70, 40)])
    assert shown.draft.mask(0)[70, 40] == 3
    assert len(shown.edits) == 1
    shown.session.undo()
    assert np.array_equal(np.asarray(shown.layer.data), shown.start)


@everywhere
def test_a_stroke_that_is_refused_leaves_no_pixel_behind(window, kind):
    made = pair()
    lost = Lost(made.movie.pixels)
    movie = replace(made.movie, pixels=lost)
    shown = window(Toy(made.name, movie, made.labels, made.links), kind)
    lost.gone = True
    shown.paint(1, [(30, 36), (30, 44)])
    assert "put the disk back" in str(shown.refused[0])
    assert not shown.edits
    assert np.array_equal(np.asarray(shown.layer.data), shown.start)
    assert np.array_equal(shown.on_screen(), shown.start[0])
    lost.gone = False
    shown.paint(1, [(30, 36), (30, 44)])
    assert len(shown.edits) == 1


class Lost:
    """A movie on a disk that can be taken away."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.gone = pixels, pixels.shape, False

    def __getitem__(self, index):
        if self.gone:
            raise BadInput("The movie is gone: put the disk back.")
        return self.pixels[index]


def test_another_result_is_painted_on_once_it_is_shown(window, viewer):
    shown = window(pair())
    other = experiment_of(family())
    masks = other.labels.to_array()
    shown.session.replace(result_of(other, masks))
    viewer.layers.selection.active = shown.layer
    shown.mouse.layer = shown.layer
    shown.paint(1, [(10, 10)])
    assert len(shown.edits) == 1
    assert masks[0, 10, 10] == 1


@everywhere
def test_a_polygon_is_one_correction(window, kind, qtbot):
    shown = window(pair(), kind)
    shown.layer.mode, shown.layer.selected_label = "polygon", 1
    for place in ((60, 30), (60, 50), (80, 50), (80, 30)):
        shown.mouse.click(*place)
    shown.layer._overlays["polygon"].add_polygon_to_labels(shown.layer)
    qtbot.waitUntil(lambda: len(shown.edits) == 1)
    assert len(shown.edits) == 1
    assert shown.draft.mask(0)[70, 40] == 1
    assert np.array_equal(shown.on_screen(), shown.draft.mask(0))
    check(shown.draft)
    shown.session.undo()
    assert np.array_equal(np.asarray(shown.layer.data), shown.start)


def test_a_large_movie_is_corrected_on_after_it_was_saved(tmp_path):
    folder = tmp_path / "pair.cellcycle"
    first = save_experiment(experiment_of(pair()), folder)
    masks = OverlaidMasks(first.labels)
    editor = open_editor(folder, first, masks)
    result = Result(first, display_of(editor.draft, masks), folder, editor)
    editor.do("grow", frame=1, labels=[1])
    snapshot = result.snapshot()
    editor.do("grow", frame=2, labels=[1])
    saved = save_experiment(snapshot.experiment, folder, journal=snapshot.journal)
    before = np.array(masks)
    result.go_on_in(folder, saved, snapshot)
    shutil.rmtree(folder / first.labels.base.name)
    assert list(masks.edited) == [2], "only what is not saved yet is in memory"
    assert np.array_equal(np.asarray(masks), before)
    editor.do("shrink", frame=0, labels=[1])
    while editor.undo():
        pass
    assert np.array_equal(np.asarray(masks), experiment_of(pair()).labels.to_array())
    result.close()


def test_a_stroke_in_a_large_frame_costs_little(window):
    shown = window(large(pair()))
    shown.viewer.reset_view()
    times = []
    event = shown.layer.events.paint
    event.connect(lambda _: times.append(time.thread_time()), position="first")
    event.connect(lambda _: times.append(time.thread_time()), position="last")
    shown.layer.mode, shown.layer.brush_size, shown.layer.selected_label = "paint", 15, 1
    for n in range(5):
        shown.mouse.drag([(200 * n + 100, 600), (200 * n + 100, 700)])
    assert len(shown.edits) == 5
    spent = np.diff(times)[::2]
    assert spent.min() < 0.15


def large(made):
    """The same, in the corner of frames of 2048 x 2048."""
    masks = np.zeros((3, 2048, 2048), np.int32)
    masks[:, :96, :96] = made.labels.to_array()
    pixels = np.zeros((3, 1, 2048, 2048), np.float32)
    movie = replace(made.movie, pixels=pixels)
    return Toy(made.name, movie, LabelStack(masks), made.links)
