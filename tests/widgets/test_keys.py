"""The keys of the dock and of napari, each where it is expected."""

import numpy as np
import pytest
from correcting import Window
from examples import two_walkers
from pointer import LEFT, NONE, PLAIN
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QDockWidget, QLabel, QWidget
from test_correcting import User
from test_review_panel import press
from test_tools import Cut, blob

from napari_cellcycle.widgets.audit_panel import AuditPanel
from napari_cellcycle.widgets.below import show_below

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def user(monkeypatch, tmp_path, viewer, sample, quick, run):
    """Somebody who has tracked the sample movie, and chosen a cell."""
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))
    run(sample, sample.run_button)
    person = User(viewer, sample)
    person.session.go_to_frame(3)
    person.session.select(person.draft.label(int(person.draft.in_frame(3)[2])))
    return person


def list_of_layers(user):
    return user.viewer.window._qt_viewer.layers


def test_keys_of_the_list_of_layers_and_of_shapes_are_napari_s_own(user):
    junk = user.viewer.add_image(np.zeros((4, 4)), name="junk")
    user.viewer.layers.selection.active = junk
    cells = len(user.draft)
    user.viewer.window._qt_window.activateWindow()
    list_of_layers(user).setFocus()
    QTest.qWait(50)
    QTest.keyClick(list_of_layers(user), Qt.Key.Key_Delete)
    assert "junk" not in user.viewer.layers and len(user.draft) == cells
    user.viewer.layers.selection.active = user.session.recording.layers.labels
    user.press(Qt.Key.Key_Delete)
    assert len(user.draft) == cells - 1
    user.session.select(user.draft.label(int(user.draft.in_frame(3)[1])))
    user.viewer.layers.selection.active = user.viewer.add_shapes()
    user.press("D")
    assert len(user.draft) == cells - 1


def test_playing_the_movie_and_the_preview_have_keys_that_open_no_menu(user, qtbot):
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    dims = user.viewer.window._qt_viewer.dims
    user.press(Qt.Key.Key_P, both)
    qtbot.waitUntil(lambda: dims.is_playing, timeout=5000)
    user.press(Qt.Key.Key_P, both)
    qtbot.waitUntil(lambda: not dims.is_playing, timeout=5000)
    assert QApplication.activePopupWidget() is None
    button = user.dock.segment.preview_button
    user.press(Qt.Key.Key_P, SHIFT)
    assert button.isChecked() and QApplication.activePopupWidget() is None
    user.press(Qt.Key.Key_P, SHIFT)
    assert not button.isChecked()


def holder(dock):
    """What napari put the dock into."""
    parent = dock.parentWidget()
    while not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def test_keys_work_while_the_dock_is_not_seen(user):
    holder(user.dock).hide()
    QTest.qWait(50)
    assert user.dock.visibleRegion().isEmpty()
    keys_work(user)
    holder(user.dock).show()
    window = user.viewer.window
    window.add_dock_widget(QWidget(), name="other", area="right", tabify=True).raise_()
    QTest.qWait(50)
    assert user.dock.visibleRegion().isEmpty()
    keys_work(user)


def keys_work(user):
    user.session.select(user.draft.label(int(user.draft.in_frame(3)[2])))
    cells = len(user.draft)
    user.press("D")
    assert len(user.draft) == cells - 1
    user.press("X", SHIFT)
    assert user.session.recording.layers.labels.cursor == "cross"
    user.press(Qt.Key.Key_Escape)
    assert user.session.recording.layers.labels.cursor == "standard"


def test_keys_rest_while_the_dock_is_closed_and_work_once_it_is_back(user):
    cells = len(user.draft)
    holder(user.dock).destroyOnClose()
    QTest.qWait(50)
    user.press("D")
    assert len(user.draft) == cells
    user.viewer.window.add_plugin_dock_widget("napari-cellcycle", "Cell cycle")
    QTest.qWait(50)
    user.press("D")
    assert len(user.draft) == cells - 1


def test_escape_in_the_middle_of_a_cut_changes_nothing(viewer):
    shown = Cut(viewer, blob())
    shown.tools.take("line")
    mouse, (start, *on) = shown.mouse, [shown.mouse.place(70, x) for x in (20, 24, 28)]
    mouse._send(QEvent.Type.MouseMove, start, NONE, NONE, PLAIN)
    mouse._send(QEvent.Type.MouseButtonPress, start, LEFT, LEFT, PLAIN)
    mouse._send(QEvent.Type.MouseMove, on[0], NONE, LEFT, PLAIN)
    shown.dock.activateWindow()
    QTest.qWait(20)
    QTest.keyClick(shown.dock, Qt.Key.Key_Escape)
    assert shown.tools.tool == ""
    mouse._send(QEvent.Type.MouseMove, on[1], NONE, LEFT, PLAIN)
    mouse._send(QEvent.Type.MouseButtonRelease, on[1], LEFT, NONE, PLAIN)
    assert not shown.edits
    shown.close()


def test_arrows_in_the_fields_of_the_audit_change_the_fields(viewer):
    window = Window(viewer, two_walkers())
    audit = window.add(AuditPanel(window.session))
    show_below(viewer, audit, "Audit")
    QTest.qWait(50)
    asked, goal = audit.question, audit.goal.value()
    audit.goal.setFocus()
    press(audit, Qt.Key.Key_Up)
    assert audit.goal.value() == goal + 0.5
    press(audit, Qt.Key.Key_Left)
    assert audit.question == asked
    audit.kind.setFocus()
    press(audit, Qt.Key.Key_Down)
    assert audit.kind.currentData() == "division"
    window.close()


def review_of(user):
    return user.dock.panels.panel("review")


def test_n_opens_the_review_and_goes_to_the_first_place_and_on(user, qtbot):
    cells = user.draft.ids[user.draft.column("parent") > 0][5:7]
    with user.draft.recording():
        user.draft.set_values("link_score", cells, 0.02)
    user.press(Qt.Key.Key_N)
    review = review_of(user)
    qtbot.waitUntil(lambda: review.current is not None, timeout=20_000)
    assert review.isVisible() and review.current is review.shown[0]
    assert user.session.frame == review.shown[0].frame
    user.press(Qt.Key.Key_N)
    assert review.current is review.shown[1]
    user.press(Qt.Key.Key_N, SHIFT)
    assert review.current is review.shown[0]


def test_n_works_while_points_are_chosen_and_brings_the_review_to_the_front(user, qtbot):
    user.dock.below.asked.emit("review")
    review = review_of(user)
    qtbot.waitUntil(lambda: len(review.shown) > 0, timeout=20_000)
    user.dock.below.asked.emit("table")
    qtbot.waitUntil(lambda: not review.isVisible(), timeout=5000)
    user.viewer.add_points(np.zeros((1, 3)))
    user.press(Qt.Key.Key_N)
    assert review.isVisible() and review.current is review.shown[0]


def test_a_correction_after_n_found_nothing_does_not_move_the_viewer(user, qtbot):
    review = user.dock.panels.show("review")
    qtbot.waitUntil(lambda: review.finder.is_idle and len(review.shown) > 0, timeout=20_000)
    review.rows.show([], [])  # as if nothing were left to check
    user.press(Qt.Key.Key_N)
    frame = user.session.frame
    with qtbot.waitSignal(review.finder.found, timeout=20_000):
        user.press(Qt.Key.Key_D)
    assert review.shown and review.current is None and user.session.frame == frame


def test_n_without_tracks_says_what_to_do(viewer, sample):
    User(viewer, sample).press(Qt.Key.Key_N)
    review = sample.panels.panel("review")
    assert review.isVisible() and "Track" in review.words.text()


def test_the_help_sheet_tells_the_keys_of_the_review_and_of_playing(dock):
    dock.help_button.click()
    sheet = next(w for w in dock.findChildren(QDialog) if w.isVisible())
    words = " ".join(label.text() for label in sheet.findChildren(QLabel))
    for keys in ("1, 2, 3", "Enter", "N, Shift N", "Ctrl Alt P"):
        assert f"<b>{keys}</b>" in words
    sheet.close()
