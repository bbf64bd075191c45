"""A result whose cells have ids of sixteen digits, as other programs give them, in the window."""

from dataclasses import replace

import pytest
from corrections import experiment_of
from examples import family
from qtpy.QtCore import Qt
from test_correcting import User, own_work  # noqa: F401

from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.operations import OPERATIONS
from napari_cellcycle.io.experiment import save_experiment

MORE = 9_000_000_000_000_000


@pytest.fixture
def user(own_work, viewer, dock, tmp_path, qtbot):  # noqa: F811
    """Somebody who opened such a result."""
    small = experiment_of(family(), classified=True)
    cells, links = small.tracks.cells, small.tracks.links
    ends = {name: links[name] + MORE for name in ("parent", "child")}
    cells = cells.set_axis(cells.index + MORE).rename_axis("cell_id")
    large = replace(small, tracks=Tracks(cells, links.assign(**ends)))
    save_experiment(large, tmp_path / "large.cellcycle")
    viewer.open(str(tmp_path / "large.cellcycle"), plugin="napari-cellcycle")
    qtbot.waitUntil(lambda: dock.session.result is not None, timeout=30_000)
    return User(viewer, dock)


def test_it_is_corrected_doubted_and_shown_as_any_other(user, qtbot):
    child = int(user.draft.ids[user.draft.column("parent") > 0][0])
    user.click(child)
    user.press(Qt.Key.Key_B)
    assert not user.draft.parent(child) and len(user.session.editor.history.done) == 1
    user.dock.below.asked.emit("gallery")
    gallery = user.dock.panels.panel("gallery").gallery
    qtbot.waitUntil(lambda: gallery.rows is not None and len(gallery.rows) > 0, timeout=20_000)
    user.dock.below.asked.emit("review")
    review = user.dock.panels.panel("review")
    qtbot.waitUntil(lambda: len(review.rows.doubts) > 0, timeout=20_000)


def test_an_error_of_the_program_in_a_correction_is_told_and_nothing_is_changed(user, monkeypatch):
    def broken(*_args, **_arguments):
        raise MemoryError("no room for an array")

    monkeypatch.setitem(OPERATIONS, "unlink", broken)
    child = int(user.draft.ids[user.draft.column("parent") > 0][0])
    user.click(child)
    user.press(Qt.Key.Key_B)
    notice = user.dock.notice
    assert notice.isVisible() and "no room for an array" in notice.sentence.text()
    assert "nothing was lost" in notice.sentence.text() and "broken" in notice.details.toPlainText()
    assert user.draft.parent(child) and not user.session.editor.history.done
