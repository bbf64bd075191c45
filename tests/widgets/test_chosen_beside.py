"""Cells chosen beside the first: as many, and let go by the same deeds, in every panel."""

import pytest
import test_cell_table
import test_lineage_panel
from kin import open_kin
from pointer import RIGHT, Pointer
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def panel(viewer, dock, qtbot):
    """The tree of three generations."""
    open_kin(viewer, dock)
    shown = dock.panels.show("lineage")
    qtbot.waitUntil(lambda: shown.tree.layout_shown is not None and shown.tree.width() > 300)
    qtbot.waitExposed(shown.tree)
    shown.tree.show_readably()
    return shown


@pytest.fixture
def session(panel, dock):
    return dock.session


@pytest.fixture
def in_tree(panel, qtbot):
    def click(track, frame, **how):
        test_lineage_panel.click(qtbot, panel, track, frame, **how)

    return click


@pytest.fixture
def in_viewer(viewer, session):
    """Clicks on a cell in a frame."""

    def click(track, frame, **how):
        layer = session.recording.layers.labels
        viewer.layers.selection.active = layer
        session.go_to_frame(frame)
        y, x = session.draft.place(session.draft.cell_at(frame, track))
        Pointer(viewer, layer).click(y, x, **how)

    return click


def test_any_number_of_cells_is_chosen_beside_the_first(session, in_tree, in_viewer):
    for click, held in ((in_tree, {"held": SHIFT}), (in_viewer, {"modifiers": SHIFT})):
        session.select(None)
        click(3, 6, **held)
        assert session.track == 3 and session.others == (), "the first is chosen plainly"
        for track in (4, 5, 6):
            click(track, 6, **held)
        assert session.others == tuple(session.draft.cell_at(6, track) for track in (4, 5, 6))
        click(5, 6, **held)
        assert session.others == tuple(session.draft.cell_at(6, track) for track in (4, 6))


def in_table(dock, qtbot, track):
    shown = dock.panels.show("table")
    qtbot.waitUntil(lambda: shown.rows.rowCount() == 6 and shown.view.width() > 300)
    QTest.qWait(50)
    test_cell_table.click(qtbot, shown, track)


def test_another_choice_lets_go_of_them(session, dock, in_tree, in_viewer, qtbot):
    for where, deed in (
        ("viewer", lambda: in_viewer(3, 4)),
        ("tree", lambda: in_tree(3, 4)),
        ("key", lambda: dock.corrections.do("mother")),
        ("table", lambda: in_table(dock, qtbot, 3)),
    ):
        in_viewer(2, 4)
        in_viewer(6, 4, modifiers=SHIFT)
        assert session.others
        deed()
        assert session.track == (1 if where == "key" else 3) and session.others == (), where


def test_a_click_on_the_chosen_cell_lets_go_of_them_but_a_menu_of_it_does_not(
    session, in_tree, in_viewer, monkeypatch
):
    monkeypatch.setattr("napari_cellcycle.widgets.context_menu.ContextMenu.popup", lambda *_: None)
    for click in (in_tree, in_viewer):
        in_viewer(3, 4)
        in_viewer(6, 4, modifiers=SHIFT)
        click(3, 4, button=RIGHT)
        assert session.track == 3 and len(session.others) == 1
        click(3, 4)
        assert session.track == 3 and session.others == ()
