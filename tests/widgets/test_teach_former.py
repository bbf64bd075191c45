"""Former teachings are looked at again, and deleted when nobody needs them any more."""

import os

import pytest
from qtpy.QtWidgets import QMessageBox
from taught import corrected, request_for, saved

from napari_cellcycle.config import ComputeSettings
from napari_cellcycle.jobs.teaching_files import note_process
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.teach import accept, teach
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.teach_panel import PREPARE, RESULT, TeachPanel

YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No


@pytest.fixture
def taught(tmp_path):
    """A link model that was taught and taken."""
    result, _ = accept(teach(request_for(saved(corrected(), tmp_path), "link")), "link")
    return result


@pytest.fixture
def panel(viewer, qtbot, taught):
    session = Session(viewer)
    folder = str(taught.request.model_folder)
    widget = TeachPanel(session, viewer, lambda: ComputeSettings(model_folder=folder))
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitUntil(lambda: not widget.is_busy)
    yield widget
    session.close()


def offered(panel):
    """The actions of the list of former teachings, as it opens, and of its submenu."""
    menu = panel.former_button.menu()
    menu.aboutToShow.emit()
    return menu.actions(), menu.deletion.actions()


def test_a_teaching_that_has_ended_is_deleted_after_a_yes_and_its_model_stays(
    panel, taught, qtbot, monkeypatch
):
    one_that_runs_is_not_offered_for_deletion(panel, taught)
    (first, *_), (deletion,) = offered(panel)
    first.trigger()
    assert panel.pages.currentIndex() == RESULT
    monkeypatch.setattr(QMessageBox, "question", lambda *_: NO)
    deletion.trigger()
    qtbot.wait(50)
    assert taught.folder.is_dir() and not panel.is_busy
    monkeypatch.setattr(QMessageBox, "question", lambda *_: YES)
    offered(panel)[1][0].trigger()
    qtbot.waitUntil(lambda: not taught.folder.exists() and not panel.is_busy)
    assert panel.pages.currentIndex() == PREPARE and not panel.tabs[RESULT].isEnabled()
    assert [action.text() for action in offered(panel)[0]] == ["None yet"]
    assert find_model("simple-taught", "link", taught.request.model_folder).weights()


def one_that_runs_is_not_offered_for_deletion(panel, taught):
    """As if it ran in this process and had no result yet."""
    result = taught.folder / "result.json"
    before, ended = set(taught.folder.iterdir()), result.read_bytes()
    result.unlink()
    note_process(taught.folder, os.getpid())
    entries, deletions = offered(panel)
    assert len(entries) == 1 and not deletions
    for noted in set(taught.folder.iterdir()) - before:
        noted.unlink()
    result.write_bytes(ended)
