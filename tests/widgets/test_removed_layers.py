"""Masks and tracks taken out of the list of layers come back when they are needed."""

import numpy as np
import pytest
from pointer import Pointer
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from test_correcting import a_division, own_work, user  # noqa: F401


@pytest.fixture
def gone(user):  # noqa: F811
    """Somebody who chose a mother, and then deleted the masks with napari's button."""
    mother, _ = a_division(user.draft)
    user.click(mother)
    layers = user.session.recording.layers
    user.viewer.layers.selection.active = layers.labels
    user.viewer.window._qt_viewer.layerButtons.deleteButton.click()
    assert layers.labels not in user.viewer.layers
    return user


def names(user):  # noqa: F811
    return [layer.name for layer in user.viewer.layers]


def test_a_correction_shows_the_masks_that_it_changes_below_the_tracks(gone):
    before = len(gone.session.editor.history.done)
    gone.press(Qt.Key.Key_X)
    assert len(gone.session.editor.history.done) == before + 1
    layers = gone.session.recording.layers
    shown = list(gone.viewer.layers)
    assert shown.index(layers.labels) < shown.index(layers.tracks)
    assert np.array_equal(layers.labels._slice.image.raw, gone.draft.mask(gone.session.frame))


def test_so_does_taking_one_back(gone):
    gone.press(Qt.Key.Key_X)
    gone.viewer.layers.remove(gone.session.recording.layers.labels)
    gone.press(Qt.Key.Key_Z)
    assert gone.session.recording.layers.labels in gone.viewer.layers


@pytest.mark.parametrize("key", [Qt.Key.Key_M, Qt.Key.Key_W])
def test_so_does_taking_up_the_brush_or_another_tool(gone, key):
    gone.press(key)
    assert gone.session.recording.layers.labels is gone.viewer.layers.selection.active


def test_so_does_a_click_on_a_cell_which_chooses_it(gone):
    layers = gone.session.recording.layers
    cell = next(c for c in gone.draft.in_frame(gone.session.frame) if c != gone.session.cell)
    box, inside = gone.draft.pixels_of(int(cell))
    middle = np.argwhere(inside)[inside.sum() // 2] + [part.start for part in box]
    gone.viewer.layers.selection.active = gone.session.recording.layer
    Pointer(gone.viewer, layers.labels).click(*middle)
    QTest.qWait(20)
    assert layers.labels in gone.viewer.layers
    assert gone.session.track == gone.draft.label(int(cell))


def test_they_are_painted_on_as_before(gone):
    gone.press(Qt.Key.Key_M)
    before = len(gone.session.editor.history.done)
    free = np.argwhere(gone.draft.mask(gone.session.frame) == 0)
    free = free[len(free) // 2]
    layer = gone.session.recording.layers.labels
    Pointer(gone.viewer, layer).click(*free)
    assert len(gone.session.editor.history.done) == before + 1


def test_tracks_come_back_with_a_correction(user, qtbot):  # noqa: F811
    mother, _ = a_division(user.draft)
    user.click(mother)
    layers = user.session.recording.layers
    user.viewer.layers.remove(layers.tracks)
    user.press(Qt.Key.Key_B)
    qtbot.waitUntil(lambda: layers.tracks in user.viewer.layers, timeout=5000)
