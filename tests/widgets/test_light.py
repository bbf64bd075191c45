"""Corrections and layers cost what they change or show, not what the movie is large."""

import time
import tracemalloc

import numpy as np
from correcting import Window, result_of
from examples import division

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.widgets.painting import Painting
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.sources import sources
from napari_cellcycle.widgets.teach_changes import Changes
from napari_cellcycle.widgets.teach_overlay import AFTER, BEFORE, Overlay

FRAMES, SIDE = 100, 512


def long_movie():
    """A movie of masks without tracks; 105 MB of them."""
    masks = np.zeros((FRAMES, SIDE, SIDE), np.int32)
    for number in range(1, 101):
        y, x = divmod(number - 1, 10)
        masks[:, 50 * y : 50 * y + 20, 50 * x : 50 * x + 20] = number
    pixels = np.zeros((FRAMES, 1, SIDE, SIDE), np.uint8)
    return Experiment(Movie(pixels, (1.0, 1.0), 60.0, ("cells",)), LabelStack(masks))


def seconds(act):
    """How long something takes, at its quickest."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        act()
        taken.append(time.perf_counter() - start)
    return min(taken)


def megabytes(act):
    """The most memory that something takes while it is done."""
    tracemalloc.start()
    act()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def test_a_stroke_counts_the_masks_of_its_frame_only():
    experiment = long_movie()
    masks = experiment.labels.base

    def opened():
        return result_of(experiment, masks).display.counts

    result = result_of(experiment, masks)
    corner = iter(range(20, 50, 3))

    def stroke():
        patch = np.full((3, 3), 200, np.int32)
        result.editor.do("paint", frame=3, corner=(next(corner), 22), masks=patch)
        return result.display.counts

    assert seconds(stroke) < 0.3 * seconds(opened)
    assert result.display.counts == opened() == {"cells": 100 * FRAMES + 1}


def test_masks_without_tracks_are_counted_after_each_stroke(viewer):
    shown = Window(viewer, division(), tracked=False)
    try:
        count = shown.session.result.display.counts["cells"]
        shown.add(Painting(shown.session)).new_label()
        shown.go_to(2)
        for mode, change in (("paint", 1), ("erase", 0)):
            shown.layer.mode, shown.layer.brush_size = mode, 5
            shown.mouse.click(20, 70)
            assert shown.session.result.display.counts == {"cells": count + change}
        shown.session.undo()
        assert shown.session.result.display.counts == {"cells": count + 1}
        shown.session.undo()
        assert shown.session.result.display.counts == {"cells": count}
    finally:
        shown.close()


def test_masks_of_other_programs_are_not_copied(viewer, dock):
    masks = np.ones((FRAMES, SIDE, SIDE), np.uint16)
    viewer.add_image(np.zeros(masks.shape, np.uint8), name="movie")
    viewer.add_labels(masks, name="theirs")
    assert megabytes(dock.refresh) < 0.25 * masks.nbytes / 1e6
    (source,) = sources("track", None, viewer.layers, dock.picker.movie, [])
    frame = source.labels.frame(0)
    assert frame.dtype == np.int32 and np.array_equal(frame, masks[0])


def test_what_two_models_do_differently_is_shown_without_a_movie_of_each(viewer):
    experiment = long_movie()
    session = Session(viewer)
    session.choose(viewer.add_image(experiment.movie.pixels[:, 0], name="movie"))
    session.open(result_of(experiment, experiment.labels.base))
    before = experiment.labels.frame(3)
    after = np.where(before == 7, 0, before)
    changes = Changes("segment", (3,), (), {3: (before, after)})
    overlay = Overlay(viewer)
    most = megabytes(lambda: overlay.show(changes, session.recording))
    assert most < 0.6 * experiment.labels.base.nbytes / 1e6
    for name, masks in ((BEFORE, before), (AFTER, after)):
        assert np.array_equal(np.asarray(viewer.layers[name].data[3]), masks)
        assert not np.asarray(viewer.layers[name].data[4]).any()
    session.close()
