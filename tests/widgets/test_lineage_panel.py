"""The lineage tree below the viewer: it follows what is chosen and corrected, and leads there."""

import numpy as np
import pytest
from kin import FRAMES, kin, open_kin
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.widgets.colours import SURE, track_colours
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.result import Result


@pytest.fixture
def panel(viewer, dock, qtbot):
    """The tree of three generations, coloured by stage."""
    open_kin(viewer, dock).session.colour("stage")
    shown = dock.panels.show("lineage")
    qtbot.waitUntil(lambda: shown.tree.layout_shown is not None and shown.tree.width() > 300)
    qtbot.waitExposed(shown.tree)
    shown.tree.show_readably()
    return shown


@pytest.fixture
def session(panel, dock):
    return dock.session


def position(panel, track):
    return panel.tree.layout_shown.lineages.position(track)


def place(panel, track, frame):
    return panel.tree.place_of(position(panel, track), frame)


def shown(panel):
    layout = panel.tree.layout_shown
    return set(layout.lineages.tracks[layout.shown].tolist())


def click(qtbot, panel, track, frame, button=Qt.MouseButton.LeftButton, held=None):
    held = Qt.KeyboardModifier.NoModifier if held is None else held
    qtbot.mouseClick(panel.tree.viewport(), button, held, place(panel, track, frame))


def colour_at(panel, track, frame):
    picture = panel.tree.viewport().grab().toImage()
    ratio = picture.devicePixelRatio()
    point = place(panel, track, frame)
    return picture.pixelColor(round(point.x() * ratio), round(point.y() * ratio)).name()


def frame_of(viewer):
    return viewer.dims.current_step[0]


def test_clicks_and_arrows_choose_cells_and_move_the_viewer_to_them(viewer, panel, session, qtbot):
    click(qtbot, panel, 3, 7)
    assert session.track == 3 and frame_of(viewer) == 7
    assert viewer.scene.camera.center[1:] == pytest.approx((10.0, 13.0))
    assert panel.tree.item.chosen == position(panel, 3) and panel.tree.item.frame == 7
    click(qtbot, panel, 4, 1)
    assert session.track == 3 and frame_of(viewer) == 1, "beside all tracks, in time only"
    click(qtbot, panel, 2, 4)
    for key, track, frame in (
        (Qt.Key.Key_Right, 2, 5),
        (Qt.Key.Key_Right, 4, 6),
        (Qt.Key.Key_Down, 5, 6),
        (Qt.Key.Key_Left, 2, 5),
        (Qt.Key.Key_Right, 5, 6),
        (Qt.Key.Key_Down, 3, 6),
        (Qt.Key.Key_Down, 6, 6),
        (Qt.Key.Key_Down, 6, 6),
    ):
        qtbot.keyClick(panel.tree, key)
        assert (session.track, frame_of(viewer)) == (track, frame)


def test_what_is_chosen_elsewhere_and_the_frame_are_scrolled_to(viewer, panel, session):
    panel.tree.box.setRange(yRange=(-1.5, 2.5), padding=0)
    session.select(6)
    row = panel.tree.layout_shown.rows[position(panel, 6)]
    top, bottom = panel.tree.box.viewRange()[1]
    assert top < row < bottom
    session.select(None)
    assert panel.tree.item.chosen == -1
    panel.tree.box.setRange(xRange=(0, 6), padding=0)
    viewer.dims.set_current_step(0, 9)
    left, right = panel.tree.box.viewRange()[0]
    assert left < 9 < right and panel.tree.item.frame == 9
    panel.tree.box.setRange(yRange=(-1.5, 2.5), padding=0)
    assert panel.bar.isVisible() and panel.bar.value() == panel.bar.minimum()
    panel.bar.setValue(panel.bar.maximum())
    assert panel.tree.box.viewRange()[1][1] == pytest.approx(
        panel.tree.layout_shown.height + 0.5, abs=0.1
    )


def test_tracks_have_the_colours_that_are_chosen_and_links_in_doubt_an_outline(panel, session):
    assert colour_at(panel, 6, 8) == H2B.colours["interphase"]
    assert colour_at(panel, 2, 5) == H2B.colours["metaphase"]
    assert "metaphase" in panel.legend.text()
    session.colour("track")
    red, green, blue, _ = np.round(255 * track_colours().map([6])[0]).astype(int).tolist()
    assert colour_at(panel, 6, 8) == f"#{red:02x}{green:02x}{blue:02x}"
    session.colour("doubt")
    assert colour_at(panel, 6, 8) == SURE
    assert "metaphase" not in panel.legend.text()
    session.colour("stage")
    look = panel.tree.item.look
    assert (look.doubts.track.tolist(), look.doubts.frame.tolist()) == ([position(panel, 5)], [6])
    session.do("confirm", kind="link", number=session.draft.cell_at(6, 5))
    look = panel.tree.item.look
    assert not len(look.doubts.track) and look.ticks.frame.tolist() == [6]
    assert not len(look.dots.track)


def test_what_was_corrected_is_shown_and_nothing_scrolls_away(panel, session):
    session.select(3)
    before = place(panel, 3, 4).y()
    assert session.do("unlink", child=session.draft.cell_at(3, 3))
    assert panel.tree.layout_shown.lineages.mothers[position(panel, 3)] == -1
    assert place(panel, 3, 4).y() == pytest.approx(before, abs=1)
    session.do("set_stage", cells=[session.draft.cell_at(8, 6)], stage="apoptosis")
    assert colour_at(panel, 6, 8) in (H2B.colours["apoptosis"], "#ffffff")
    assert (position(panel, 6), 8) in zip(
        panel.tree.item.look.dots.track.tolist(),
        panel.tree.item.look.dots.frame.tolist(),
        strict=True,
    )
    session.undo()
    session.undo()
    assert panel.tree.layout_shown.lineages.mothers[position(panel, 3)] == position(panel, 1)
    assert not len(panel.tree.item.look.dots.track)
    session.select(6)
    panel.tree.box.setRange(yRange=(-1.5, 2.5), padding=0)
    session.do("set_stage", cells=[session.draft.cell_at(8, 6)], stage="apoptosis")
    assert panel.tree.box.viewRange()[1] == pytest.approx([-1.5, 2.5])
    session.select(3)
    session.select(6)
    assert panel.tree.box.viewRange()[1][1] > panel.tree.layout_shown.rows[position(panel, 6)]


def test_a_hidden_tree_catches_up_when_it_is_shown(panel, session, qtbot):
    holder = panel.parent()
    holder.hide()
    session.do("unlink", child=session.draft.cell_at(3, 3))
    session.select(6)
    assert panel.tree.item.chosen != position(panel, 6)
    holder.show()
    qtbot.waitUntil(lambda: panel.tree.item.chosen == position(panel, 6))
    assert panel.tree.layout_shown.lineages.mothers[position(panel, 3)] == -1


def test_what_descends_from_a_cell_is_folded_until_one_of_it_is_chosen(panel, session, qtbot):
    click(qtbot, panel, 2, 4)
    qtbot.mouseDClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=place(panel, 2, 4))
    qtbot.mouseRelease(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=place(panel, 2, 4))
    assert shown(panel) == {1, 2, 3, 6}
    session.select(1)
    qtbot.keyClick(panel.tree, Qt.Key.Key_Minus)
    assert shown(panel) == {1, 6}
    qtbot.keyClick(panel.tree, Qt.Key.Key_Plus)
    assert shown(panel) == {1, 2, 3, 6}
    panel.unfold_button.click()
    assert shown(panel) == {1, 2, 3, 4, 5, 6}
    panel.fold_button.click()
    assert shown(panel) == {1, 6}
    session.select(5)
    assert shown(panel) == {1, 2, 3, 4, 5, 6}
    assert panel.tree.item.chosen == position(panel, 5)


def test_one_lineage_can_be_looked_at_alone_and_cells_are_found(viewer, panel, session, qtbot):
    session.select(5)
    panel.only.setChecked(True)
    assert shown(panel) == {1, 2, 3, 4, 5}
    session.select(6)
    assert shown(panel) == {6}
    panel.only.setChecked(False)
    assert shown(panel) == {1, 2, 3, 4, 5, 6}
    qtbot.keyClicks(panel.search, "4")
    qtbot.keyClick(panel.search, Qt.Key.Key_Return)
    assert session.track == 4 and frame_of(viewer) == 6
    panel.search.setText("44")
    qtbot.keyClick(panel.search, Qt.Key.Key_Return)
    assert session.track == 4 and panel.search.toolTip() == "There is no cell 44"


def test_shift_chooses_cells_beside_the_first_and_the_right_button_asks_for_a_menu(
    panel, session, qtbot
):
    held = Qt.KeyboardModifier.ShiftModifier
    click(qtbot, panel, 6, 5)
    click(qtbot, panel, 4, 7, held=held)
    click(qtbot, panel, 5, 6, held=held)
    cells = [session.draft.cell_at(7, 4), session.draft.cell_at(6, 5)]
    assert session.track == 6 and list(session.others) == cells
    assert panel.tree.item.others == ((position(panel, 4), 7), (position(panel, 5), 6))
    click(qtbot, panel, 4, 7, held=held)
    assert list(session.others) == cells[1:]
    session.pair(())
    assert panel.tree.item.others == ()
    panel.menu_requested.disconnect()
    with qtbot.waitSignal(panel.menu_requested) as asked:
        click(qtbot, panel, 3, 8, button=Qt.MouseButton.RightButton)
    cell, where = asked.args
    assert session.draft.label(cell) == 3 and session.draft.frame(cell) == 8
    assert session.track == 3 and session.frame == 8
    on_screen = panel.tree.viewport().mapToGlobal(place(panel, 3, 8))
    assert (where - on_screen).manhattanLength() <= 3


def test_the_mouse_over_a_cell_tells_about_it(panel, session, qtbot):
    qtbot.mouseMove(panel.tree.viewport(), place(panel, 5, 6))
    qtbot.waitUntil(lambda: panel.tree.item.toolTip() != "")
    lines = panel.tree.item.toolTip().splitlines()
    assert lines[0] == "Cell 5, frame 6"
    assert lines[1].startswith("interphase   (interphase 94 %, prophase 1 %")
    assert lines[2] == "Link from cell 2, frame 5: trusted 20 %"
    session.do("set_stage", cells=[session.draft.cell_at(6, 5)], stage="anaphase")
    qtbot.mouseMove(panel.tree.viewport(), place(panel, 6, 1))
    qtbot.mouseMove(panel.tree.viewport(), place(panel, 5, 6))
    qtbot.waitUntil(lambda: "Stage set by you" in panel.tree.item.toolTip())


def wheel(panel, held, delta=240):
    port = panel.tree.viewport()
    where = port.rect().center()
    none = Qt.MouseButton.NoButton
    phase = Qt.ScrollPhase.NoScrollPhase
    on_screen = QPointF(port.mapToGlobal(where))
    event = QWheelEvent(
        QPointF(where), on_screen, QPoint(), QPoint(0, delta), none, held, phase, False
    )
    QApplication.sendEvent(port, event)


def test_the_wheel_zooms_and_the_button_shows_all_again(panel):
    panel.fit_button.click()
    whole = np.array(panel.tree.box.viewRange())
    assert whole[0][0] < 0 and whole[0][1] > FRAMES - 1
    assert whole[1][0] < 0 and whole[1][1] >= panel.tree.layout_shown.height
    for held, narrower in (
        (Qt.KeyboardModifier.NoModifier, (True, True)),
        (Qt.KeyboardModifier.ControlModifier, (True, False)),
        (Qt.KeyboardModifier.ShiftModifier, (False, True)),
    ):
        wheel(panel, held)
        now = np.array(panel.tree.box.viewRange())
        assert tuple(np.ptp(now, axis=1) < np.ptp(whole, axis=1) - 0.01) == narrower, held
        panel.fit_button.click()
        assert np.allclose(panel.tree.box.viewRange(), whole)


def test_any_result_is_shown_and_without_tracks_it_says_what_to_do(panel, session):
    known = kin()
    session.replace(Result(known, prepare(known)))
    assert session.draft is None and shown(panel) == {1, 2, 3, 4, 5, 6}
    session.replace(None)
    assert panel.words.isVisible() and "Track the cells" in panel.words.text()
    session.undo()
    assert not panel.words.isVisible() and shown(panel) == {1, 2, 3, 4, 5, 6}
