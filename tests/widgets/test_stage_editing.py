"""Setting stages by keys and mouse in the matrix and the filmstrip."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication
from test_stage_views import colours_on_screen, experiment, family

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.widgets.display import display_of
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.sights import sights_of
from napari_cellcycle.widgets.stage_grid import stage_grid

LEFT = Qt.MouseButton.LeftButton
STAGES = {(1, 2): "metaphase", (3, 3): "anaphase", (3, 4): "telophase"}


def corrected(known):
    """A result that can be corrected."""
    masks = known.labels.to_array()
    editor = Editor(bench_of(known, masks))
    return Result(known, display_of(editor.draft, masks), None, editor)


def stages_of(dock, track):
    draft = dock.session.draft
    return draft.column("stage")[draft.rows(draft.track(track))].tolist()


def pins_of(dock, track):
    draft = dock.session.draft
    return draft.column("pinned")[draft.rows(draft.track(track))].tolist()


def drag(qtbot, area, start, *places, leave=True):
    """Press the mouse, go to these places and let go, as Qt tells of it."""
    viewport = area.viewport()
    qtbot.mousePress(viewport, LEFT, pos=start)
    for place in places:
        move(viewport, place, LEFT)
    if leave:
        qtbot.mouseRelease(viewport, LEFT, pos=places[-1])


def move(viewport, place, buttons=Qt.MouseButton.NoButton):
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(place),
        QPointF(viewport.mapToGlobal(place)),
        Qt.MouseButton.NoButton,
        buttons,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(viewport, event)


def wheel(area, turned, modifiers=Qt.KeyboardModifier.NoModifier):
    """Turn the wheel over the middle of an area."""
    viewport = area.viewport()
    place = viewport.rect().center()
    event = QWheelEvent(
        QPointF(place),
        QPointF(viewport.mapToGlobal(place)),
        QPoint(),
        QPoint(0, turned),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport, event)


@pytest.fixture
def open_family(viewer, dock):
    """The dock with a small family of cells that can be corrected."""

    def show(names=None, stages=H2B):
        known = experiment(family(stages, names), stages)
        viewer.add_image(known.movie.pixels[:, 0], name="made up", scale=(1, 0.5, 0.5))
        dock.session.replace(corrected(known))
        return dock

    return show


@pytest.fixture
def matrix(open_family, qtbot):
    """The matrix of the family, by birth: rows are the cells 1, 4, 2 and 3."""
    dock = open_family(STAGES)
    dock.below.buttons["stages"].click()
    qtbot.waitUntil(lambda: dock.stages.matrix.grid is not None)
    dock.stages.order.setCurrentText("birth")
    return dock.stages.matrix


# ------------------------------------------------------------------ number keys


def test_a_number_sets_the_stage_from_this_frame_on_where_it_can(viewer, dock, matrix, qtbot):
    numbers_that_mean_nothing_do_nothing(dock, matrix, qtbot)
    qtbot.mouseClick(matrix.viewport(), LEFT, pos=matrix.middle_of(1, 3))
    assert dock.session.track == 4
    qtbot.keyClick(matrix, Qt.Key.Key_2)
    assert stages_of(dock, 4) == ["interphase"] * 3 + ["prophase"] * 3
    assert pins_of(dock, 4) == [""] * 3 + ["prophase"] * 3
    assert dock.session.track == 4 and viewer.dims.current_step[0] == 3
    shown = colours_on_screen(matrix, [matrix.middle_of(1, 2) + QPoint(8, 0)])
    assert shown == [H2B.colours["interphase"]]
    assert "<b>2</b>&nbsp;prophase" in dock.stages.legend.text()


def numbers_that_mean_nothing_do_nothing(dock, matrix, qtbot):
    """Numbers beyond the stages, and of cells that are not there."""
    qtbot.mouseClick(matrix.viewport(), LEFT, pos=matrix.middle_of(1, 3))
    before = stages_of(dock, 4)
    qtbot.keyClick(matrix, Qt.Key.Key_9)
    assert stages_of(dock, 4) == before and not dock.session.editor.can_undo
    dock.session.select(3)
    dock.session.go_to_frame(0)
    qtbot.keyClick(matrix, Qt.Key.Key_2)
    assert not dock.session.editor.can_undo
    assert "No cell is chosen" in dock.notice.sentence.text()


def test_pins_are_white_dots_and_delete_lets_go_of_a_whole_run_of_them(dock, matrix, qtbot):
    pins_are_white_dots(dock, matrix)
    dock.session.undo()
    qtbot.mouseClick(matrix.viewport(), LEFT, pos=matrix.middle_of(1, 2))
    qtbot.keyClick(matrix, Qt.Key.Key_7)
    assert pins_of(dock, 4) == [""] * 2 + ["apoptosis"] * 4
    dock.session.go_to_frame(4)
    qtbot.keyClick(matrix, Qt.Key.Key_Delete)
    assert pins_of(dock, 4) == [""] * 6
    qtbot.keyClick(matrix, Qt.Key.Key_Backspace)
    assert "nothing to let go" in dock.notice.sentence.text()
    dock.session.undo()
    assert pins_of(dock, 4)[2:] == ["apoptosis"] * 4


def pins_are_white_dots(dock, matrix):
    """And are told of under the mouse."""
    place = matrix.middle_of(1, 4)
    assert colours_on_screen(matrix, [place]) == [H2B.colours["interphase"]]
    dock.session.do("set_stage", cells=[dock.session.draft.cell_at(4, 4)], stage="prophase")
    assert colours_on_screen(matrix, [place]) == ["#ffffff"]
    beside = place + QPoint(6, 0)
    assert colours_on_screen(matrix, [beside]) == [H2B.colours["prophase"]]
    move(matrix.viewport(), beside)
    assert matrix.toolTip() == "Cell 4, frame 4: prophase, set by you"


# ------------------------------------------------------------------ dragging a change of stage


def test_a_change_of_stage_is_dragged_within_its_cell_and_shown_while_it_moves(dock, matrix, qtbot):
    border = matrix.border_of(0, 2)
    here = [matrix.middle_of(0, 1) + QPoint(0, 3)]
    move(matrix.viewport(), border)
    assert matrix.viewport().cursor().shape() == Qt.CursorShape.SplitHCursor
    drag(qtbot, matrix, border, matrix.border_of(0, 1), leave=False)
    assert colours_on_screen(matrix, here) == [H2B.colours["metaphase"]]
    assert stages_of(dock, 1) == ["interphase", "interphase", "metaphase"]
    qtbot.mouseRelease(matrix.viewport(), LEFT, pos=matrix.border_of(0, 1))
    assert stages_of(dock, 1) == ["interphase", "metaphase", "metaphase"]
    assert dock.session.editor.history.done[-1].operation == "move_boundary"
    dock.session.undo()
    assert stages_of(dock, 1) == ["interphase", "interphase", "metaphase"]
    assert colours_on_screen(matrix, here) == [H2B.colours["interphase"]]
    a_click_beside_a_change_chooses_the_cell(dock, matrix, qtbot)
    escape_puts_it_back(dock, matrix, qtbot)
    row = 3
    far = matrix.middle_of(row, 5) + QPoint(400, 0)
    drag(qtbot, matrix, matrix.border_of(row, 4), far)
    assert stages_of(dock, 3) == ["anaphase", "anaphase", "telophase"]
    assert matrix.grid.boundary(row, 5) and not matrix.grid.boundary(row, 4)


@pytest.mark.parametrize("to", range(-2, 9))
@pytest.mark.parametrize("frame", [2, 3, 5])
def test_what_is_shown_while_dragging_is_what_comes_of_it(frame, to):
    names = dict(zip([(4, t) for t in range(6)], "iipmma", strict=True))
    letters = {"i": "interphase", "p": "prophase", "m": "metaphase", "a": "anaphase"}
    result = corrected(experiment(family(H2B, {k: letters[v] for k, v in names.items()})))
    grid = stage_grid(sights_of(result.display), 6)
    row = grid.row_of(4)
    goal, codes = grid.moved(row, frame, to)
    result.editor.do("move_boundary", track=4, frame=frame, to=to)
    draft = result.editor.draft
    told = draft.column("stage")[draft.rows(draft.track(4))].tolist()
    assert [H2B.names[code] for code in codes] == told
    assert goal == min(max(to, 1), 5)


def escape_puts_it_back(dock, matrix, qtbot):
    """Escape puts a change back that is being dragged."""
    drag(qtbot, matrix, matrix.border_of(0, 2), matrix.border_of(0, 1), leave=False)
    qtbot.keyClick(matrix, Qt.Key.Key_Escape)
    qtbot.mouseRelease(matrix.viewport(), LEFT, pos=matrix.border_of(0, 1))
    assert not dock.session.editor.can_undo
    place = matrix.middle_of(0, 1) + QPoint(0, 3)
    assert colours_on_screen(matrix, [place]) == [H2B.colours["interphase"]]


def a_click_beside_a_change_chooses_the_cell(dock, matrix, qtbot):
    """It is no dragging."""
    place = matrix.border_of(3, 4) + QPoint(1, 0)
    qtbot.mouseClick(matrix.viewport(), LEFT, pos=place)
    assert dock.session.track == 3 and dock.viewer.dims.current_step[0] == 4
    assert not dock.session.editor.can_undo


# ------------------------------------------------------------------ staying where one was


def many(cells=60, frames=40):
    """Cells that each enter mitosis in another frame, so that their order is of their onsets."""
    import pandas as pd

    from napari_cellcycle.data.tracks import Tracks

    label, frame = (part.ravel() for part in np.mgrid[1 : cells + 1, :frames])
    stage = np.where(frame < (label * 7) % frames, "interphase", "prophase")
    table = pd.DataFrame({"frame": frame, "label": label, "y": 5.0 + label % 30, "x": 5.0})
    table = table.assign(stage=stage, **{f"p_{name}": 0.1 for name in H2B.names})
    table["x"] = 5.0 + 30 * (label % 5) / 5
    table.index = np.arange(1, len(table) + 1)
    ids = table.index.to_numpy().reshape(cells, frames)
    links = pd.DataFrame({"parent": ids[:, :-1].ravel(), "child": ids[:, 1:].ravel(), "score": 1.0})
    return Tracks(table, links)


@pytest.fixture
def crowd(viewer, dock):
    """The dock with sixty cells in forty frames."""
    known = experiment(many(), frames=40)
    viewer.add_image(known.movie.pixels[:, 0], name="crowd", scale=(1, 0.5, 0.5))
    dock.session.replace(corrected(known))
    return dock


def test_rows_are_made_larger_and_stay_in_place_until_they_are_sorted_again(crowd, qtbot):
    crowd.below.buttons["stages"].click()
    matrix = crowd.stages.matrix
    qtbot.waitUntil(lambda: matrix.grid is not None)
    ctrl_and_the_wheel_make_rows_and_columns_larger(matrix)
    crowd.session.select(int(matrix.grid.tracks[2]))
    for _ in range(8):
        qtbot.keyClick(matrix, Qt.Key.Key_Plus)
    bars = matrix.verticalScrollBar(), matrix.horizontalScrollBar()
    bars[0].setValue(bars[0].maximum() - 30)
    bars[1].setValue(11)
    before, order = [bar.value() for bar in bars], matrix.grid.tracks.tolist()
    last = order[-1]
    cells = crowd.session.draft.track(last)[:5].tolist()
    assert crowd.session.do("set_stage", cells=cells, stage="metaphase")
    assert matrix.grid.tracks.tolist() == order
    assert [bar.value() for bar in bars] == before
    assert crowd.session.track == order[2]
    assert matrix.grid.codes[-1, 0] == 3
    assert crowd.stages.again.isEnabled()
    crowd.stages.again.click()
    assert matrix.grid.row_of(last) == 1 and not crowd.stages.again.isEnabled()


def ctrl_and_the_wheel_make_rows_and_columns_larger(matrix):
    """And with shift it scrolls sideways."""
    before = matrix.middle_of(10, 20) - matrix.middle_of(9, 19)
    for _ in range(5):
        wheel(matrix, 120, Qt.KeyboardModifier.ControlModifier)
    after = matrix.middle_of(10, 20) - matrix.middle_of(9, 19)
    assert after.x() > before.x() and after.y() > before.y()
    wheel(matrix, 120, Qt.KeyboardModifier.ShiftModifier)
    assert matrix.horizontalScrollBar().value() > 0


# ------------------------------------------------------------------ the filmstrip


def test_numbers_in_the_filmstrip_mean_the_cell_that_is_seen(viewer, open_family, qtbot):
    dock = open_family(STAGES)
    dock.below.buttons["filmstrip"].click()
    dock.session.select(3)
    reel = dock.filmstrip.reel
    qtbot.waitUntil(lambda: dock.filmstrip.is_complete, timeout=20_000)
    dock.session.go_to_frame(4)
    qtbot.keyClick(reel, Qt.Key.Key_5)
    assert stages_of(dock, 3) == ["anaphase", "anaphase", "interphase"]
    assert (3, 4) in reel.pins and reel.life.stage(4) == "anaphase"
    dock.session.go_to_frame(1)
    qtbot.keyClick(reel, Qt.Key.Key_2)
    assert stages_of(dock, 1) == ["interphase", "prophase", "metaphase"]
    assert dock.session.track == 3
    qtbot.keyClick(reel, Qt.Key.Key_Delete)
    assert pins_of(dock, 1) == [""] * 3
    assert "<b>5</b>&nbsp;anaphase" in dock.filmstrip.legend.text()


def test_the_filmstrip_stays_where_it_is_scrolled(crowd, qtbot):
    crowd.below.buttons["filmstrip"].click()
    crowd.session.select(7)
    reel = crowd.filmstrip.reel
    qtbot.waitUntil(lambda: crowd.filmstrip.is_complete, timeout=20_000)
    reel.horizontalScrollBar().setValue(700)
    cell = crowd.session.draft.cell_at(30, 7)
    crowd.session.do("set_stage", cells=[cell], stage="metaphase")
    assert reel.horizontalScrollBar().value() == 700
    assert reel.life.stage(30) == "metaphase" and (7, 30) in reel.pins
    qtbot.waitUntil(lambda: crowd.filmstrip.is_complete, timeout=20_000)


def test_the_first_stage_that_is_set_opens_the_matrix(viewer, dock, qtbot):
    tracks = family()
    bare = tracks.cells[["frame", "label", "y", "x"]]
    known = experiment(family())
    viewer.add_image(known.movie.pixels[:, 0], name="bare", scale=(1, 0.5, 0.5))
    dock.session.replace(corrected(replace(known, tracks=replace(tracks, cells=bare))))
    panel = dock.panels.show("stages")
    assert panel.matrix.grid is None and "Classify" in panel.matrix.words
    dock.session.select(4)
    dock.session.go_to_frame(2)
    qtbot.keyClick(panel.matrix, Qt.Key.Key_4)
    assert panel.matrix.grid.codes[panel.matrix.grid.row_of(4)].tolist() == [-1, -1, 3, 3, 3, 3]
    assert "metaphase" in panel.legend.text()
