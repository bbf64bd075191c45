"""The table of cells below the viewer: it follows what is chosen and corrected, and leads there."""

import pandas as pd
import pytest
from kin import kin, open_kin
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest

from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.result import Result


@pytest.fixture
def panel(viewer, dock, qtbot):
    """The table of three generations, frames half an hour apart."""
    open_kin(viewer, dock)
    shown = dock.panels.show("table")
    qtbot.waitUntil(lambda: shown.rows.rowCount() == 6 and shown.view.width() > 300)
    return shown


@pytest.fixture
def session(panel, dock):
    return dock.session


def column(panel, name):
    """Texts of a column, as they are read."""
    place, rows = panel.rows.column_of(name), panel.rows
    return [rows.data(rows.index(row, place)) for row in range(rows.rowCount())]


def click(qtbot, panel, track, name="track", held=Qt.KeyboardModifier.NoModifier):
    index = panel.rows.index(panel.rows.row_of(track), panel.rows.column_of(name))
    panel.view.scrollTo(index)
    port, middle = panel.view.viewport(), panel.view.visualRect(index).center()
    qtbot.mouseClick(port, Qt.MouseButton.LeftButton, held, middle)


def click_header(qtbot, panel, name):
    header = panel.view.horizontalHeader()
    place = panel.rows.column_of(name)
    panel.view.scrollTo(panel.rows.index(0, place))
    x = header.sectionViewportPosition(place) + header.sectionSize(place) // 2
    middle = header.viewport().rect().center()
    middle.setX(x)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=middle)


def chosen(panel):
    return panel.rows.tracks([i.row() for i in panel.view.selectionModel().selectedRows()])


def search(panel, words):
    panel.search.setText(words)
    QTest.keyClick(panel.search, Qt.Key.Key_Return)


def test_each_track_is_a_row_that_can_be_read_sorted_by_and_copied(panel, qtbot):
    assert column(panel, "track") == ["1", "2", "3", "4", "5", "6"]
    assert column(panel, "mother") == ["", "1", "1", "2", "2", ""]
    assert column(panel, "daughters") == ["2 3", "4 5", "", "", "", ""]
    assert column(panel, "hours") == ["1.5", "1.5", "3.5", "2.0", "1.0", "5.0"]
    assert column(panel, "divides") == ["yes", "yes", "", "", "", ""]
    assert column(panel, "mitosis_min") == ["30", "30", "0", "0", "0", "0"]
    assert column(panel, "doubt") == ["0.90", "0.90", "0.90", "0.90", "▯ 0.20", "0.90"]
    assert panel.facts.text() == "6 cells"
    rows_are_sorted_by_the_column_that_is_clicked(panel, qtbot)
    click_header(qtbot, panel, "track")
    chosen_rows_are_copied_as_text(panel, qtbot)


def test_a_click_chooses_the_cell_and_moves_the_viewer_to_it(viewer, panel, session, qtbot):
    viewer.dims.set_current_step(0, 1)
    click(qtbot, panel, 6)
    assert session.track == 6 and viewer.dims.current_step[0] == 1
    click(qtbot, panel, 4)
    assert session.track == 4 and viewer.dims.current_step[0] == 6
    assert viewer.scene.camera.center[1:] == pytest.approx((2.0, 11.5))
    qtbot.keyClick(panel.view, Qt.Key.Key_Up)
    assert session.track == 3


def test_what_is_chosen_elsewhere_is_marked_and_stays_so(panel, session, qtbot):
    session.select(5)
    assert chosen(panel) == [5]
    click_header(qtbot, panel, "hours")
    assert chosen(panel) == [5]
    search(panel, "not divides")
    assert chosen(panel) == [5]
    session.select(1)
    assert chosen(panel) == []
    search(panel, "")
    assert chosen(panel) == [1]
    session.select(None)
    assert chosen(panel) == []


def rows_are_sorted_by_the_column_that_is_clicked(panel, qtbot):
    """Downwards by the second click."""
    click_header(qtbot, panel, "hours")
    assert column(panel, "track") == ["5", "1", "2", "4", "3", "6"]
    click_header(qtbot, panel, "hours")
    assert column(panel, "track") == ["6", "3", "4", "1", "2", "5"]
    click_header(qtbot, panel, "daughters")
    assert column(panel, "daughters")[-2:] == ["2 3", "4 5"]


def test_only_rows_that_are_searched_for_are_shown_as_soon_as_one_stops_writing(panel, qtbot):
    search(panel, "hours > 1; not divides")
    assert column(panel, "track") == ["3", "4", "6"] and panel.facts.text() == "3 of 6 cells"
    search(panel, "hours is long")
    assert "not understood" in panel.facts.text()
    assert column(panel, "track") == ["3", "4", "6"]
    search(panel, "2")
    assert column(panel, "track") == ["1", "2", "4", "5"]
    search(panel, "")
    qtbot.keyClicks(panel.search, "divides")
    qtbot.waitUntil(lambda: panel.rows.rowCount() == 2)


def test_corrections_change_their_rows_and_nothing_else(panel, session, qtbot):
    click_header(qtbot, panel, "hours")
    session.select(3)
    session.do("unlink", child=session.draft.cell_at(3, 3))
    assert column(panel, "track") == ["5", "4", "1", "3", "6"]
    assert column(panel, "mother") == ["1", "1", "", "", ""] and chosen(panel) == [3]
    session.do("set_stage", cells=[session.draft.cell_at(8, 6)], stage="apoptosis")
    session.do("confirm", kind="link", number=session.draft.cell_at(6, 5))
    assert column(panel, "corrections") == ["", "", "", "", "1"]
    assert column(panel, "confirmed") == ["✓ 1", "", "", "", ""]
    for _ in range(3):
        session.undo()
    assert column(panel, "track") == ["5", "1", "2", "4", "3", "6"]


def test_a_hidden_table_catches_up_when_it_is_shown(panel, session, qtbot):
    holder = panel.parent()
    holder.hide()
    session.do("delete_track", label=5)
    session.select(6)
    assert panel.rows.rowCount() == 6
    holder.show()
    qtbot.waitUntil(lambda: panel.rows.rowCount() == 4)
    assert chosen(panel) == [6]


def chosen_rows_are_copied_as_text(panel, qtbot):
    """With a line of titles."""
    click(qtbot, panel, 2)
    click(qtbot, panel, 3, held=Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(panel.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:3] == ["track", "mother", "daughters"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["2", "3"]


def test_what_is_shown_can_be_exported_and_read_again(panel, tmp_path):
    search(panel, "not divides")
    panel.export(tmp_path / "cells")
    table = pd.read_csv(tmp_path / "cells.csv")
    assert table["track"].tolist() == [3, 4, 5, 6]
    assert table["mother"].tolist()[:3] == [1, 2, 2] and pd.isna(table["mother"][3])
    assert table["doubt"].tolist() == [0.9, 0.9, 0.2, 0.9]
    assert "cells.csv" in panel.facts.text()
    with pytest.raises(CannotWrite):
        panel.export(tmp_path / "nowhere" / "cells.csv")


def test_a_result_without_stages_or_corrections_has_fewer_columns(panel, session):
    search(panel, "mitosis > 0")
    known = kin()
    names = [n for n in known.tracks.cells if n == "stage" or n.startswith("p_")]
    cells = known.tracks.cells.drop(columns=names)
    tracks = type(known.tracks)(cells, known.tracks.links)
    known = type(known)(known.movie, known.labels, tracks, known.stages)
    session.replace(Result(known, prepare(known)))
    assert panel.rows.rowCount() == 6 and "mitosis_min" not in panel.rows.table
    session.replace(None)
    assert panel.rows.rowCount() == 0 and not panel.export_button.isEnabled()
    assert "Track the cells" in panel.facts.text()
