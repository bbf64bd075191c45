"""The gallery: crops of all cells over time, to look through and to set stages in."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from test_stage_editing import LEFT, corrected, drag, many, move, pins_of, stages_of, wheel
from test_stage_views import colours_on_screen, experiment, family

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.features.sighted import Sighted
from napari_cellcycle.widgets.gallery_crops import GalleryCrops
from napari_cellcycle.widgets.gallery_picture import BAR, GAP, Part, Sizes, picture
from napari_cellcycle.widgets.result import Result

STAGES = {(1, 1): "prophase", (1, 2): "metaphase", (3, 3): "anaphase", (3, 4): "telophase"}


@pytest.fixture
def opened(viewer, dock, qtbot):
    """Show an experiment that can be corrected, in the gallery."""

    def show(known):
        viewer.add_image(known.movie.pixels[:, 0], name="made up", scale=(1, 0.5, 0.5))
        dock.session.replace(corrected(known))
        dock.below.buttons["gallery"].click()
        panel = dock.panels.panel("gallery")
        panel.gallery.setMinimumHeight(360)
        qtbot.waitUntil(lambda: panel.is_complete, timeout=20_000)
        return panel

    return show


@pytest.fixture
def panel(opened):
    """The gallery of a family: mother 1, her daughters 2 and 3, and 4 alone."""
    return opened(experiment(family(H2B, STAGES)))


@pytest.fixture
def gallery(panel):
    return panel.gallery


def bar_of(gallery, row, column, aside=0):
    """A place in the bar of stage below a tile."""
    below = gallery.sizes.side // 2 + BAR // 2 + 1
    return gallery.middle_of(row, column) + QPoint(aside, below)


def brightness(gallery, *places):
    return [int(colour[1:3], 16) for colour in colours_on_screen(gallery, places)]


# ------------------------------------------------------------------ what is shown


def test_a_row_shows_its_cell_in_the_middle_with_its_stage_below(dock, gallery):
    the_chosen_cell_is_framed(dock, gallery)
    dock.session.select(None)
    assert gallery.rows.tracks.tolist() == [1, 2, 3, 4]
    middles = [gallery.middle_of(2, column) for column in range(3)]
    corners = [place + QPoint(28, 28) for place in middles]
    assert min(brightness(gallery, *middles)) > 200
    assert max(brightness(gallery, *corners)) < 60
    bars = colours_on_screen(gallery, [bar_of(gallery, 2, column) for column in range(3)])
    assert bars == [H2B.colours[name] for name in ("anaphase", "telophase", "interphase")]
    window = gallery.palette().window().color().name()
    assert colours_on_screen(gallery, [gallery.middle_of(2, 4)]) == [window]


def test_cells_are_aligned_at_mitosis_and_others_are_left_out(panel, qtbot):
    panel.controls.align.setCurrentText("mitosis")
    gallery = panel.gallery
    assert gallery.rows.tracks.tolist() == [1] and gallery.rows.anchors.tolist() == [1]
    assert panel.facts.text() == "1 of 4 cells: the others are not seen to enter mitosis"
    assert [gallery.time_of(column) for column in (-1, 0, 1)] == ["-5 min", "mitosis", "+5 min"]
    panel.controls.align.setCurrentText("division")
    assert gallery.rows.tracks.tolist() == [1] and gallery.rows.anchors.tolist() == [2]
    panel.controls.align.setCurrentText("frame")
    assert gallery.time_of(3) == "frame 3" and panel.facts.text() == "4 cells"


def test_where_no_cell_divides_this_is_said(opened):
    panel = opened(experiment(many(5, 4), frames=4))
    panel.controls.align.setCurrentText("division")
    assert "align them at birth" in panel.gallery.words and not len(panel.gallery.rows)


def test_without_tracks_the_gallery_asks_for_them(viewer, dock):
    from napari_cellcycle.widgets.display import prepare

    known = replace(experiment(family()), tracks=None)
    viewer.add_image(known.movie.pixels[:, 0], name="untracked")
    dock.session.replace(Result(known, prepare(known)))
    panel = dock.panels.show("gallery")
    assert "Track the cells" in panel.gallery.words and panel.gallery.rows is None


def test_the_window_is_in_micrometres_and_fits_the_cells_at_first(panel, qtbot):
    gallery, known = panel.gallery, panel.gallery.known
    diameter = 0.5 * np.sqrt(4 * 25 / np.pi)
    assert panel.controls.side.value() == round(2.4 * diameter)
    row = gallery.rows.row_of(4)

    def bright():
        """Pixels of the screen across the middle of a tile that are bright."""
        middle = gallery.middle_of(row, 2)
        half = gallery.sizes.side // 2
        line = [middle + QPoint(x, 0) for x in range(-half, half)]
        return sum(value > 128 for value in brightness(gallery, *line))

    before = bright()
    panel.controls.side.setValue(14)
    qtbot.waitUntil(lambda: panel.is_complete and bright() < before, timeout=20_000)
    assert bright() == pytest.approx(before / 2, abs=2)
    assert known is gallery.known


def test_contrast_is_one_for_all_or_of_each_tile(opened):
    known = experiment(family())
    pixels = known.movie.pixels.copy()
    pixels[:, :, 25:] = 100 + (pixels[:, :, 25:] - 100) // 8
    panel = opened(replace(known, movie=replace(known.movie, pixels=pixels)))
    gallery = panel.gallery
    places = gallery.middle_of(0, 0), gallery.middle_of(3, 0)
    bright, dim = brightness(gallery, *places)
    assert bright > 200 and dim < 60
    panel.controls.contrast.setCurrentText("of each tile")
    assert min(brightness(gallery, *places)) > 200


def test_one_of_several_channels_is_shown(opened, qtbot):
    known = experiment(family())
    pixels = np.concatenate([known.movie.pixels, 1000 - known.movie.pixels], axis=1)
    movie = replace(known.movie, pixels=pixels, channels=("H2B", "tubulin"))
    panel = opened(replace(known, movie=movie))
    assert panel.controls.channel.isVisible() and panel.controls.chosen_channel == "H2B"
    middle = panel.gallery.middle_of(3, 0)
    assert brightness(panel.gallery, middle)[0] > 200
    panel.controls.channel.setCurrentText("tubulin")
    qtbot.waitUntil(
        lambda: panel.is_complete and brightness(panel.gallery, middle)[0] < 60, timeout=20_000
    )


# ------------------------------------------------------------------ choosing


def test_tiles_lead_to_their_cells_and_a_mother_is_shown_before_her_daughters(
    viewer, dock, panel, gallery, qtbot
):
    qtbot.mouseClick(gallery.viewport(), LEFT, pos=gallery.middle_of(2, 1))
    assert dock.session.track == 3 and viewer.dims.current_step[0] == 4
    assert viewer.scene.camera.center[1:] == pytest.approx((10.0, 4.5))
    qtbot.keyClick(gallery, Qt.Key.Key_Right)
    assert viewer.dims.current_step[0] == 5
    qtbot.keyClick(gallery, Qt.Key.Key_Right)
    assert viewer.dims.current_step[0] == 5
    qtbot.keyClick(gallery, Qt.Key.Key_Up)
    assert dock.session.track == 2
    move(gallery.viewport(), gallery.middle_of(2, 0))
    assert gallery.toolTip() == "Cell 3, frame 3: anaphase (80 %)"
    panel.controls.mothers.setChecked(True)
    qtbot.waitUntil(lambda: panel.is_complete, timeout=20_000)
    assert gallery.rows.columns == range(-3, 6)
    qtbot.mouseClick(gallery.viewport(), LEFT, pos=gallery.middle_of(2, -1))
    assert dock.session.track == 3 and viewer.dims.current_step[0] == 2
    qtbot.keyClick(gallery, Qt.Key.Key_4)
    assert stages_of(dock, 1) == ["interphase", "prophase", "metaphase"]
    assert pins_of(dock, 1) == ["", "", "metaphase"]


def the_chosen_cell_is_framed(dock, gallery):
    """In white, where it is seen now."""
    dock.session.select(2)
    dock.session.go_to_frame(4)
    edge = gallery.middle_of(1, 1) - QPoint(gallery.sizes.side // 2 + 1, 0)
    assert colours_on_screen(gallery, [edge]) == ["#ffffff"]
    dock.session.go_to_frame(5)
    assert colours_on_screen(gallery, [edge]) != ["#ffffff"]


@pytest.fixture
def crowd(opened):
    """The gallery of sixty cells in forty frames."""
    return opened(experiment(many(), frames=40))


def test_the_wheel_and_a_cell_that_is_chosen_elsewhere_scroll_and_a_fast_stroke_has_no_gaps(
    dock, crowd, qtbot
):
    gallery = crowd.gallery
    crowd.brushes.buttons[1].click()
    drag(qtbot, gallery, gallery.middle_of(0, 0), gallery.middle_of(0, 6))
    assert pins_of(dock, int(gallery.rows.tracks[0]))[:8] == ["prophase"] * 7 + [""]
    crowd.brushes.buttons[1].click()
    down, across = gallery.verticalScrollBar(), gallery.horizontalScrollBar()
    wheel(gallery, -120)
    assert down.value() > 0 and across.value() == 0
    before = down.value()
    wheel(gallery, -120, Qt.KeyboardModifier.ShiftModifier)
    assert down.value() == before and across.value() > 0
    row = gallery.rows.row_of(50)
    assert row not in gallery.rows_seen()
    dock.session.select(50)
    assert row in gallery.rows_seen()
    dock.session.go_to_frame(39)
    assert 39 in gallery.columns_seen()


def test_thousands_of_cells_are_cut_only_where_they_are_seen(opened, qtbot):
    panel = opened(experiment(many(2000, 20), frames=20))
    gallery = panel.gallery
    assert len(gallery.rows) == 2000
    gallery.verticalScrollBar().setValue(gallery.verticalScrollBar().maximum())
    assert 1999 in gallery.rows_seen()
    qtbot.waitUntil(lambda: panel.is_complete, timeout=20_000)
    assert panel.crops.count < 1000


# ------------------------------------------------------------------ setting stages


def test_a_brush_gives_many_cells_a_stage_in_one_step(dock, gallery, panel, qtbot):
    what_a_user_set_has_a_white_dot(dock, gallery)
    dock.session.undo()
    panel.brushes.buttons[4].click()
    assert gallery.viewport().cursor().shape() == Qt.CursorShape.CrossCursor
    places = [gallery.middle_of(1, 2), gallery.middle_of(2, 2), gallery.middle_of(2, 1)]
    drag(qtbot, gallery, gallery.middle_of(1, 1), *places, leave=False)
    shown = colours_on_screen(gallery, [bar_of(gallery, 1, 2, aside=15)])
    assert shown == [H2B.colours["anaphase"]]
    assert not dock.session.editor.can_undo
    qtbot.mouseRelease(gallery.viewport(), LEFT, pos=places[-1])
    assert stages_of(dock, 2) == ["interphase", "anaphase", "anaphase"]
    assert stages_of(dock, 3) == ["anaphase", "anaphase", "anaphase"]
    assert pins_of(dock, 3) == ["", "anaphase", "anaphase"]
    assert dock.session.track is None
    assert len(dock.session.editor.history.done) == 1
    dock.session.undo()
    assert stages_of(dock, 2) == ["interphase"] * 3
    assert stages_of(dock, 3) == ["anaphase", "telophase", "interphase"]


def test_escape_gives_a_stroke_up_and_then_puts_the_brush_away(dock, gallery, panel, qtbot):
    panel.brushes.buttons[4].click()
    drag(qtbot, gallery, gallery.middle_of(1, 1), gallery.middle_of(1, 2), leave=False)
    qtbot.keyClick(gallery, Qt.Key.Key_Escape)
    qtbot.mouseRelease(gallery.viewport(), LEFT, pos=gallery.middle_of(1, 2))
    assert not dock.session.editor.can_undo and gallery.brush == 4
    qtbot.keyClick(gallery, Qt.Key.Key_Escape)
    assert gallery.brush is None
    assert not any(button.isChecked() for button in panel.brushes.buttons)
    qtbot.mouseClick(gallery.viewport(), LEFT, pos=gallery.middle_of(1, 2))
    assert dock.session.track == 2


def test_a_number_paints_while_it_is_held_sets_from_here_on_and_takes_another_brush(
    dock, gallery, panel, qtbot
):
    qtbot.mouseClick(gallery.viewport(), LEFT, pos=gallery.middle_of(3, 3))
    qtbot.keyPress(gallery, Qt.Key.Key_2)
    drag(qtbot, gallery, gallery.middle_of(1, 0), gallery.middle_of(1, 1))
    qtbot.keyRelease(gallery, Qt.Key.Key_2)
    assert stages_of(dock, 2) == ["prophase", "prophase", "interphase"]
    assert stages_of(dock, 4) == ["interphase"] * 6
    qtbot.keyClick(gallery, Qt.Key.Key_3)
    assert stages_of(dock, 4) == ["interphase"] * 3 + ["prometaphase"] * 3
    qtbot.keyClick(gallery, Qt.Key.Key_Delete)
    assert pins_of(dock, 4) == [""] * 6
    done = len(dock.session.editor.history.done)
    panel.brushes.buttons[4].click()
    qtbot.keyClick(gallery, Qt.Key.Key_6)
    assert gallery.brush == 5 and panel.brushes.buttons[5].isChecked()
    qtbot.keyClick(gallery, Qt.Key.Key_9)
    assert gallery.brush == 5 and len(dock.session.editor.history.done) == done
    panel.brushes.buttons[5].click()
    assert gallery.brush is None


def what_a_user_set_has_a_white_dot(dock, gallery):
    """In the bar of its stage."""
    place = bar_of(gallery, 1, 1)
    assert colours_on_screen(gallery, [place]) == [H2B.colours["interphase"]]
    dock.session.do("set_stage", cells=[dock.session.draft.cell_at(4, 2)], stage="telophase")
    assert colours_on_screen(gallery, [place]) == ["#ffffff"]
    aside = bar_of(gallery, 1, 1, aside=15)
    assert colours_on_screen(gallery, [aside]) == [H2B.colours["telophase"]]


def test_rows_stay_in_place_until_they_are_sorted_again_and_go_with_their_cell(dock, crowd, qtbot):
    gallery = crowd.gallery
    gallery.verticalScrollBar().setValue(30 * gallery.sizes.down + 5)
    seen = gallery.rows.tracks[gallery.rows_seen()].tolist()
    assert dock.session.do("delete_track", label=3)
    assert gallery.rows.row_of(3) is None
    assert gallery.rows.tracks[gallery.rows_seen()].tolist() == seen
    dock.session.undo()
    assert gallery.rows.row_of(3) == len(gallery.rows) - 1
    crowd.controls.align.setCurrentText("mitosis")
    crowd.controls.order.setCurrentText("time in mitosis")
    dock.session.select(int(gallery.rows.tracks[2]))
    bars = gallery.verticalScrollBar(), gallery.horizontalScrollBar()
    bars[0].setValue(bars[0].maximum() - 33)
    bars[1].setValue(300)
    before = gallery.rows
    places, last = [bar.value() for bar in bars], int(before.tracks[-1])
    first = dock.session.draft.track(last)[:3].tolist()
    assert dock.session.do("set_stage", cells=first, stage="prophase")
    assert gallery.rows.tracks.tolist() == before.tracks.tolist()
    assert gallery.rows.anchors.tolist() == before.anchors.tolist()
    assert [bar.value() for bar in bars] == places
    assert dock.session.track == before.tracks[2]
    assert crowd.controls.again.isEnabled()
    crowd.controls.again.click()
    assert gallery.rows.tracks.tolist() != before.tracks.tolist()
    assert not crowd.controls.again.isEnabled()


def test_what_was_corrected_while_it_was_hidden_is_shown_in_place(dock, crowd, qtbot):
    gallery = crowd.gallery
    crowd.controls.order.setCurrentText("time in mitosis")
    order = gallery.rows.tracks.tolist()
    gallery.verticalScrollBar().setValue(500)
    crowd.parent().hide()
    cells = dock.session.draft.track(order[-1]).tolist()
    dock.session.do("set_stage", cells=cells, stage="prophase")
    assert not gallery.known.pinned.any()
    crowd.parent().show()
    assert gallery.known.pinned.sum() == 40
    assert gallery.rows.tracks.tolist() == order and gallery.verticalScrollBar().value() == 500


def test_behind_another_tab_nothing_is_done_and_the_height_stays(dock, viewer, panel, qtbot):
    high = panel.parent().height()
    dock.panels.show("stages")
    qtbot.waitUntil(lambda: not panel.isVisible())
    dock.session.do("set_stage", cells=[1], stage="prophase")
    assert not panel.gallery.known.pinned.any() and dock.stages.matrix.grid.pinned.any()
    dock.panels.show("gallery")
    qtbot.waitUntil(lambda: not dock.stages.isVisible())
    assert panel.gallery.known.pinned.sum() == 1
    assert abs(panel.parent().height() - high) < 30


# ------------------------------------------------------------------ crops and pictures


def ball(ndim, frames=3):
    """A movie of one bright ball, and the same ball two micrometres further right, as sights."""
    shape = (8, 40, 40)[3 - ndim :]
    place = np.array((4, 20, 20)[3 - ndim :], float)
    grid = np.stack(np.mgrid[tuple(slice(0, n) for n in shape)], -1)
    image = np.where(np.linalg.norm(grid - place, axis=-1) < 4, 900, 100).astype(np.uint16)
    movie = Movie(
        np.stack([image] * frames)[:, np.newaxis], (1.0, 0.5, 0.5)[3 - ndim :], 300, ("H2B",)
    )
    labels = LabelStack(np.stack([(image > 500).astype(np.int32)] * frames))
    n = np.full(frames, np.nan)
    known = Sighted(
        np.arange(1, frames + 1),
        np.ones(frames, np.int64),
        np.arange(frames),
        np.tile(place, (frames, 1)),
        np.full(frames, -1, np.int8),
        n,
        n,
        np.zeros(frames, bool),
        {},
        H2B,
    )
    return movie, labels, known


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_cell_that_has_moved_is_cut_again(qtbot, ndim):
    movie, labels, known = ball(ndim)
    crops, every = GalleryCrops(), np.arange(3)
    crops.show_movie(movie, labels)
    crops.begin(known, None)
    crops.want(known, every, every)
    qtbot.waitUntil(lambda: crops.has(known, every), timeout=20_000)
    tile = crops.tiles(known, every, 48)[1]
    assert tile.shape == (48, 48) and tile[24, 24] & 0xFF > 200 > 60 > tile[2, 2] & 0xFF
    aside = known.centres_px.copy()
    aside[1, -1] += 8
    moved = replace(known, centres_px=aside)
    assert not crops.has(moved, every)
    crops.want(moved, every, every)
    qtbot.waitUntil(lambda: crops.has(moved, every), timeout=20_000)
    shifted = crops.tiles(moved, every, 48)[1]
    assert shifted[24, 24] & 0xFF < 60 and (shifted[24, :22] & 0xFF).max() > 200
    crops.end()


def test_the_picture_holds_tiles_bars_dots_and_lines():
    there = np.array([[True, True, False]])
    part = Part(
        there,
        np.array([[1, 0, -1]]),
        np.array([[True, False, False]]),
        np.array([[False, True, False]]),
        np.array([0xFF0000AA, 0xFF00BB00, 0xFF777777], np.uint32),
        background=0xFF101010,
        text=0xFFEEEEEE,
    )
    sizes = Sizes(32)
    tile = np.full((32, 32), 0xFF808080, np.uint32)
    pixels = picture(part, [tile, None], sizes)
    assert pixels.shape == (sizes.down, 3 * sizes.across)
    assert pixels[16, 16] == 0xFF808080 and pixels[16, sizes.across + 16] == 0xFF202020
    bar = 32 + BAR // 2
    assert pixels[bar, 2] == 0xFF00BB00 and pixels[bar, 16] == 0xFFFFFFFF
    assert pixels[bar, sizes.across + 16] == 0xFF0000AA
    assert pixels[16, 32 : 32 + GAP].tolist() == [0xFFEEEEEE] * GAP
    assert (pixels[:, 2 * sizes.across :] == 0xFF101010).all()


@pytest.mark.parametrize("ratio", [1.0, 1.25, 2.0])
def test_pictures_are_sharp_on_any_screen(ratio):
    there = np.ones((2, 2), bool)
    nothing = np.zeros((2, 2), bool)
    part = Part(there, nothing.astype(int), nothing, nothing, np.zeros(2, np.uint32), 0, 0)
    sizes = Sizes(40, ratio)
    tile = np.full((round(40 * ratio),) * 2, 0xFFABABAB, np.uint32)
    pixels = picture(part, [tile] * 4, sizes)
    assert (pixels == 0xFFABABAB).sum() == 4 * tile.size
