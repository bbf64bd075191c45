"""Several movies, panels closed and opened again, and work that ends while something else is shown.

Nothing that was corrected gets lost, and nothing lands on another movie.
"""

import gc
import shutil

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget, QMessageBox, QPushButton
from test_correcting import SHIFT, User

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.widgets import again, saving
from napari_cellcycle.widgets.commands import open_dock


@pytest.fixture(autouse=True)
def own_work(monkeypatch, tmp_path):
    """Results are kept where no other test looks."""
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))


@pytest.fixture
def user(viewer, sample, quick, run):
    """Somebody who has tracked and classified the sample movie."""
    run(sample, sample.run_button)
    return User(viewer, sample)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The sample movie with its true tracks, as somebody has saved it."""
    path = sample_path("nuclei_2d")
    truth = path.with_name("nuclei_2d_GT") / "TRA"
    folder = tmp_path_factory.mktemp("stored") / "mine.cellcycle"
    save_experiment(Experiment(open_movie(path), *read_ctc(truth, by_track=True)), folder)
    return folder


@pytest.fixture
def saved(stored, tmp_path):
    """An experiment on disk, to be opened in a viewer without layers."""
    return shutil.copytree(stored, tmp_path / "mine.cellcycle")


@pytest.fixture
def opener(viewer, dock):
    """Somebody who has opened nothing yet."""
    return User(viewer, dock)


def another_movie(viewer, name="another"):
    """A small movie that has nothing to do with the sample."""
    noise = np.random.default_rng(0).integers(0, 200, (5, 64, 64)).astype(np.uint16)
    return viewer.add_layer(Image(noise, name=name))


def choose(dock, name):
    """Choose a movie by its name in the list."""
    dock.picker.layers.setCurrentText(name)
    QTest.qWait(20)


def close_by_its_cross(viewer, dock):
    """Press the cross in the title of the dock."""
    window = viewer.window._qt_window
    holder = next(w for w in window.findChildren(QDockWidget) if dock in w.findChildren(type(dock)))
    crosses = [b for b in holder.title.findChildren(QPushButton) if "lose" in b.toolTip()]
    crosses[0].click()
    QTest.qWait(50)


def as_soon_as_masks_are_there(viewer, deed):
    """Do something between the first part of a result and the next."""
    viewer.layers.events.inserted.connect(
        lambda event: event.value.name.endswith(" cells") and QTimer.singleShot(0, deed)
    )


def idle(qtbot, dock):
    qtbot.waitUntil(lambda: dock.task is None, timeout=30_000)


def some_cell(user, frame=3):
    return int(user.draft.in_frame(frame)[2])


def test_a_panel_that_was_closed_comes_back_with_its_result_and_corrections(user, viewer):
    result = user.session.result
    user.session.do("delete_cells", cells=[some_cell(user)])
    close_by_its_cross(user.viewer, user.dock)
    gc.collect()
    again_open = open_dock(user.viewer)
    assert again_open is user.dock and again_open.session.result is result
    assert not again_open.correct.isHidden() and again_open.session.can_undo


def test_an_experiment_can_be_corrected_after_the_panel_was_closed_and_opened(saved, opener, qtbot):
    close_by_its_cross(opener.viewer, opener.dock)
    dock = open_dock(opener.viewer)
    opener.viewer.open(str(saved), plugin="napari-cellcycle")
    qtbot.waitUntil(lambda: dock.session.editor is not None, timeout=30_000)
    assert dock.session.editor.record is not None and not dock.session.result.warning
    opener.click(some_cell(opener))
    assert len([layer for layer in opener.viewer.layers if "chosen" in layer.name]) == 1


def test_a_second_experiment_is_taken_over_when_its_movie_is_chosen(saved, opener, qtbot):
    another_movie(opener.viewer)
    opener.viewer.open(str(saved), plugin="napari-cellcycle")
    assert opener.session.result is None
    choose(opener.dock, "mine")
    qtbot.waitUntil(lambda: opener.session.result is not None, timeout=30_000)
    assert opener.session.editor is not None and not opener.dock.correct.isHidden()


def test_an_experiment_belongs_to_its_movie_whatever_is_chosen_while_it_opens(saved, opener, qtbot):
    opener.viewer.open(str(saved), plugin="napari-cellcycle")
    assert opener.dock.task is not None
    another_movie(opener.viewer)
    choose(opener.dock, "another")
    idle(qtbot, opener.dock)
    assert opener.session.result is None
    choose(opener.dock, "mine")
    assert opener.session.result is not None and opener.session.recording.saved_in == saved


def test_an_experiment_whose_movie_is_removed_while_it_opens_is_let_go(saved, opener, qtbot):
    opener.viewer.open(str(saved), plugin="napari-cellcycle")
    opener.viewer.layers.clear()
    idle(qtbot, opener.dock)
    assert opener.session.result is None
    opener.viewer.open(str(saved), plugin="napari-cellcycle")
    qtbot.waitUntil(lambda: opener.session.result is not None, timeout=30_000)
    assert not opener.session.result.warning


def test_a_result_belongs_to_its_movie_whatever_is_chosen_while_it_is_shown(
    viewer, sample, quick, qtbot
):
    another_movie(viewer)
    as_soon_as_masks_are_there(viewer, lambda: sample.picker.layers.setCurrentText("another"))
    sample.run_button.click()
    idle(qtbot, sample)
    choose(sample, "another")
    assert sample.session.result is None
    choose(sample, "nuclei 2d")
    assert sample.session.result is not None, sample.notice.sentence.text()
    assert len(sample.session.experiment.movie) == len(sample.session.experiment.labels)


def test_a_result_whose_movie_is_removed_while_it_is_shown_is_told_of(viewer, sample, quick, qtbot):
    as_soon_as_masks_are_there(viewer, viewer.layers.clear)
    sample.run_button.click()
    idle(qtbot, sample)
    assert sample.session.result is None
    assert "was closed meanwhile; its result is in" in sample.notice.sentence.text()


def test_a_stroke_on_masks_of_another_movie_chooses_it_and_is_kept(user, tmp_path, qtbot):
    masks = user.session.recording.layers.labels
    another_movie(user.viewer)
    choose(user.dock, "another")
    user.viewer.layers.selection.active = masks
    assert user.dock.picker.layer.name == "nuclei 2d"
    masks.mode, masks.brush_size = "paint", 6
    masks.paint((2, 30, 30), 77)
    QTest.qWait(50)
    assert len(user.session.editor.history.done) == 1
    with qtbot.waitSignal(user.dock.finished, timeout=30_000):
        saving.save(user.dock, tmp_path / "painted")
    stored = open_experiment(tmp_path / "painted.cellcycle")
    assert (stored.labels.frame(2) == user.draft.mask(2)).all()
    assert len(stored.tracks) == len(user.draft)


class Forgetful:
    """Finds all masks of a frame again but the first."""

    name, notes, takes_levels = "forgetful", (), True

    def __init__(self, masks):
        self._masks = list(masks)

    def __call__(self, image, pixel_size, settings, levels=None):
        found = self._masks.pop(0).copy()
        found[found == np.unique(found)[1]] = 0
        return found

    def find_diameter(self, *_):
        return 10.0


@pytest.fixture
def forgetful(user, monkeypatch):
    """Segmenting again takes a cell away in each of the frames from 2 on."""
    masks = [np.array(user.draft.mask(frame)) for frame in range(2, 8)]
    monkeypatch.setattr(again, "RemoteSegmenter", lambda *_: Forgetful(masks))
    user.dock.segment.first.setValue(2)
    user.dock.segment.last.setValue(5)
    user.session.go_to_frame(2)
    return user


def test_frames_segmented_again_are_saved_though_another_movie_was_looked_at(
    forgetful, tmp_path, qtbot
):
    user = forgetful
    another_movie(user.viewer)
    choose(user.dock, "nuclei 2d")
    before = len(user.draft)
    user.dock.segment_again("range")
    qtbot.waitUntil(lambda: bool(user.dock._unshown), timeout=30_000)
    choose(user.dock, "another")
    idle(qtbot, user.dock)
    choose(user.dock, "nuclei 2d")
    assert len(user.draft) == before - 4 == len(user.session.result.display.vertices)
    with qtbot.waitSignal(user.dock.finished, timeout=30_000):
        saving.save(user.dock, tmp_path / "mine")
    stored = open_experiment(tmp_path / "mine.cellcycle")
    assert len(stored.tracks) == before - 4
    assert all((stored.labels.frame(t) == user.draft.mask(t)).all() for t in range(2, 6))


def test_a_frame_corrected_while_it_is_segmented_again_stays_as_it_was_corrected(forgetful, qtbot):
    user = forgetful
    user.dock.segment_again("range")
    user.session.do("delete_cells", cells=[some_cell(user, 3)])
    corrected = np.array(user.draft.mask(3))
    idle(qtbot, user.dock)
    assert (user.draft.mask(3) == corrected).all()
    assert user.dock.notice.sentence.text().startswith("Frame 3 was corrected meanwhile")
    last = user.session.editor.history.done[-1]
    assert {change.frame for change in last.changes if hasattr(change, "frame")} == {2, 4, 5}


def test_undo_waits_for_what_runs_before_it_leaves_the_result(user, qtbot):
    result = user.session.result
    user.dock.run_button.click()
    user.press("Z")
    assert user.session.result is result
    assert "'Track and classify' works on this result" in user.dock.notice.sentence.text()
    user.session.redo()
    idle(qtbot, user.dock)
    assert user.session.result is not result
    user.press("Z")
    assert user.session.result is result
    user.press("Z", SHIFT)
    assert user.session.result is not result


def test_what_a_refusal_offers_goes_with_the_movie_it_is_about(user):
    user.session.do("link", parent=some_cell(user, 3), child=some_cell(user, 3))
    assert not user.dock.notice.isHidden()
    another_movie(user.viewer)
    choose(user.dock, "another")
    assert user.dock.notice.isHidden()


@pytest.fixture
def left_behind(user, qtbot):
    """Corrections of a movie that was removed without saving them."""
    user.session.do("delete_cells", cells=[some_cell(user)])
    user.folder = user.session.result.folder
    user.viewer.layers.clear()
    return user


def offered(dock):
    return {b.text(): b for b in dock.notice.findChildren(QPushButton) if b.isVisibleTo(dock)}


def test_unsaved_corrections_of_a_removed_movie_are_offered_and_opened(left_behind, qtbot):
    dock = left_behind.dock
    qtbot.waitUntil(lambda: "Open them" in offered(dock), timeout=20_000)
    another_movie(left_behind.viewer)
    offered(dock)["Open them"].click()
    qtbot.waitUntil(lambda: dock.session.result is not None, timeout=30_000)
    assert dock.session.can_undo and not dock.correct.isHidden()


def test_corrections_are_forgotten_only_after_a_yes(left_behind, monkeypatch, qtbot):
    buttons, dock = QMessageBox.StandardButton, left_behind.dock
    monkeypatch.setattr(QMessageBox, "question", lambda *_: buttons.Cancel)
    qtbot.waitUntil(lambda: "Forget them" in offered(dock), timeout=20_000)
    folder = left_behind.folder
    offered(dock)["Forget them"].click()
    QTest.qWait(200)
    assert folder.is_dir()
    another_movie(left_behind.viewer)
    left_behind.viewer.layers.clear()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: buttons.Yes)
    qtbot.waitUntil(lambda: "Forget them" in offered(dock), timeout=20_000)
    offered(dock)["Forget them"].click()
    qtbot.waitUntil(lambda: not folder.exists(), timeout=10_000)
