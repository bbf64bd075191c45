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
    delete_masks(user)
    return user


def delete_masks(user):  # noqa: F811
    """Press napari's button that deletes the layer which is active, the masks."""
    masks = user.session.recording.layers.labels
    user.viewer.layers.selection.active = masks
    user.viewer.window._qt_viewer.layerButtons.deleteButton.click()
    assert masks not in user.viewer.layers


def test_a_correction_shows_the_masks_below_the_tracks_and_so_does_taking_it_back(gone):
    before = len(gone.session.editor.history.done)
    gone.press(Qt.Key.Key_X)
    assert len(gone.session.editor.history.done) == before + 1
    layers = gone.session.recording.layers
    shown = list(gone.viewer.layers)
    assert shown.index(layers.labels) < shown.index(layers.tracks)
    assert np.array_equal(layers.labels._slice.image.raw, gone.draft.mask(gone.session.frame))
    delete_masks(gone)
    gone.press(Qt.Key.Key_Z)
    assert gone.session.recording.layers.labels in gone.viewer.layers
    assert len(gone.session.editor.history.done) == before


def test_taking_up_a_tool_or_the_brush_shows_them_and_they_are_painted_on_as_before(gone):
    gone.press(Qt.Key.Key_W)
    assert gone.session.recording.layers.labels is gone.viewer.layers.selection.active
    delete_masks(gone)
    gone.press(Qt.Key.Key_M)
    assert gone.session.recording.layers.labels is gone.viewer.layers.selection.active
    before = len(gone.session.editor.history.done)
    free = np.argwhere(gone.draft.mask(gone.session.frame) == 0)
    free = free[len(free) // 2]
    layer = gone.session.recording.layers.labels
    Pointer(gone.viewer, layer).click(*free)
    assert len(gone.session.editor.history.done) == before + 1


def test_a_click_on_a_cell_shows_them_and_chooses_it(gone):
    layers = gone.session.recording.layers
    cell = next(c for c in gone.draft.in_frame(gone.session.frame) if c != gone.session.cell)
    box, inside = gone.draft.pixels_of(int(cell))
    middle = np.argwhere(inside)[inside.sum() // 2] + [part.start for part in box]
    gone.viewer.layers.selection.active = gone.session.recording.layer
    Pointer(gone.viewer, layers.labels).click(*middle)
    QTest.qWait(20)
    assert layers.labels in gone.viewer.layers
    assert gone.session.track == gone.draft.label(int(cell))


def test_tracks_come_back_with_a_correction(user, qtbot):  # noqa: F811
    mother, _ = a_division(user.draft)
    user.click(mother)
    layers = user.session.recording.layers
    user.viewer.layers.remove(layers.tracks)
    user.press(Qt.Key.Key_B)
    qtbot.waitUntil(lambda: layers.tracks in user.viewer.layers, timeout=5000)
