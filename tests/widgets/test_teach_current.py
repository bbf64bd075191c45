"""The panel that teaches keeps up: with saving, preferences, models, and the movie that is open."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog
from test_correcting import User
from test_library_panel import taught
from test_teach_panel import choose, press, proposal

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.library import use_model
from napari_cellcycle.training.teach import Suggestion
from napari_cellcycle.widgets import preferences, teach_panel, teach_prepare, teach_result
from napari_cellcycle.widgets.teach_changes import Changes
from napari_cellcycle.widgets.teach_differences import Change
from napari_cellcycle.widgets.teach_overlay import AFTER, BEFORE


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    """Results, and models, are kept where no other test looks."""
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def prefer(monkeypatch):
    """Change the plugin's page of napari's preferences; it is not that of who runs the test."""
    page = SimpleNamespace(device="auto", memory_gb=0, model_folder="")
    monkeypatch.setattr(preferences, "get_plugin_settings", lambda _: SimpleNamespace(compute=page))
    return page.__dict__.update


@pytest.fixture
def asked(monkeypatch):
    """What was asked to be taught; nothing is."""
    requests = []

    def start(request):
        requests.append(request)
        raise BadInput("Nothing is taught in this test.")

    monkeypatch.setattr(teach_panel, "start_teaching", start)
    return requests


@pytest.fixture
def user(viewer, sample, quick, run):
    """Somebody who has tracked and classified the sample movie."""
    run(sample, sample.run_button)
    return User(viewer, sample)


def cut(user, frame):
    """Take a link away."""
    cells = [cell for cell in user.draft.in_frame(frame).tolist() if user.draft.parent(cell)]
    user.session.do("unlink", child=cells[0])


def open_teach(user, qtbot):
    press(qtbot, user.dock.teach_button)
    panel = user.dock.panels.panel("teach")
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=30_000)
    return panel


def look_elsewhere(user):
    """Go to another tab and back."""
    user.dock.panels.show("review")
    QTest.qWait(50)
    user.dock.panels.show("teach")
    QTest.qWait(50)


def ready(qtbot, panel):
    """Wait until it is counted what there is to learn from."""
    button = panel.prepare.choice.start_button
    qtbot.waitUntil(lambda: button.isEnabled() and not panel.is_busy, timeout=30_000)
    return button


def test_what_was_corrected_is_taught_once_it_is_counted_and_after_it_was_saved(
    user, asked, qtbot, monkeypatch, tmp_path
):
    cut(user, 6)
    panel = open_teach(user, qtbot)
    button = ready(qtbot, panel)
    text = panel.prepare.material.counts["link"].text
    counted = text()
    cut(user, 8)
    assert not button.isEnabled() and "Counting" in button.toolTip()
    ready(qtbot, panel)
    assert text() != counted and "2 links" in text()
    place = tmp_path / "mine.cellcycle"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(place), ""))
    with qtbot.waitSignal(user.dock.finished, timeout=60_000):
        press(qtbot, user.dock.results.save_button)
    press(qtbot, button)
    qtbot.waitUntil(lambda: bool(asked), timeout=10_000)
    assert asked[0].sources == (place,) and asked[0].kinds == ("link",)


def test_preferences_that_are_changed_while_it_is_open_count_and_so_does_another_model_in_use(
    user, asked, qtbot, tmp_path, prefer
):
    cut(user, 6)
    panel = open_teach(user, qtbot)
    base = panel.prepare.choice.bases["link"]
    folder = tmp_path / "models"
    use_model(taught(folder, "mine"), folder)
    prefer(device="cpu", model_folder=str(folder))
    look_elsewhere(user)
    assert base.currentText() == "mine"
    press(qtbot, ready(qtbot, panel))
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=10_000)
    assert (asked[0].device, asked[0].model_folder) == ("cpu", folder)
    assert asked[0].bases == {"link": "mine"}
    choose(qtbot, base, "simple")
    look_elsewhere(user)
    assert base.currentText() == "simple", "it stays chosen until another comes into use"
    use_model(taught(folder, "another"), folder)
    look_elsewhere(user)
    assert base.currentText() == "another"

    prefer(device="auto", model_folder=str(tmp_path / "others"))
    press(qtbot, ready(qtbot, panel))
    assert base.currentText() != "mine"
    assert "other models to begin with" in panel.prepare.notice.sentence.text()
    press(qtbot, ready(qtbot, panel))
    qtbot.waitUntil(lambda: len(asked) == 2, timeout=10_000)
    assert (asked[1].device, asked[1].model_folder) == ("auto", tmp_path / "others")
    assert asked[1].bases == {"link": base.currentText()}


@pytest.fixture
def two(user, run):
    """The sample movie opened twice, both tracked; the first is chosen."""
    first = user.session.recording.layer
    user.viewer.open_sample("napari-cellcycle", "nuclei_2d")
    second = next(layer for layer in user.viewer.layers if layer.name.endswith("[1]"))
    user.dock.picker.choose(second)
    run(user.dock, user.dock.run_button)
    user.dock.picker.choose(first)
    return first, second


@pytest.fixture
def answers(monkeypatch):
    """What the comparisons of two models give, one after the other; each may do something first."""
    given = []

    def find(_question, *, progress):
        words, first = given.pop(0)
        first(progress)
        change = Change(5, (40.0, 40.0), None, words, (40.0, 40.0), None)
        return Changes("link", (4, 5), (change,))

    monkeypatch.setattr(teach_result, "find_changes", find)
    return given


def at_once(_progress):
    pass


def until_cancelled(progress):
    while True:
        progress(0, 1)
        time.sleep(0.01)


def shown(user, page):
    """What is listed of the changes, and how many of their layers there are."""
    listed = [page.list.item(row).text() for row in range(page.list.count())]
    return listed, sum(layer.name in (BEFORE, AFTER) for layer in user.viewer.layers)


def test_a_comparison_that_ends_after_another_movie_was_chosen_is_dropped(
    user, two, answers, qtbot, tmp_path
):
    answers += [("of the first", at_once), ("of the second", at_once)]
    panel = open_teach(user, qtbot)
    panel.show_result(proposal(tmp_path, "better", True))
    page = panel.result
    press(qtbot, page.show_button)
    time.sleep(0.5)  # it has ended, and the viewer did not hear of it yet
    assert not answers[1:]
    user.dock.picker.choose(two[1])
    qtbot.waitUntil(lambda: page.task is None, timeout=10_000)
    assert not page.show_button.isChecked() and shown(user, page) == ([], 0)
    press(qtbot, page.show_button)
    qtbot.waitUntil(lambda: page.task is None, timeout=10_000)
    assert shown(user, page) == (["Frame 5: of the second"], 2)


def test_a_comparison_can_be_asked_for_while_that_of_another_movie_still_stops(
    user, two, answers, qtbot, tmp_path
):
    answers += [("of the first", until_cancelled), ("of the second", at_once)]
    panel = open_teach(user, qtbot)
    panel.show_result(proposal(tmp_path, "better", True))
    page = panel.result
    press(qtbot, page.show_button)
    qtbot.waitUntil(lambda: len(answers) == 1, timeout=10_000)
    user.dock.picker.choose(two[1])
    qtbot.mouseClick(page.show_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not answers and page.task is None, timeout=10_000)
    assert shown(user, page) == (["Frame 5: of the second"], 2)


def test_suggestions_for_another_movie_are_dropped(user, two, qtbot, monkeypatch):
    found = {"link": [Suggestion("link", 3, None, None, 0.5, "of the first")]}
    monkeypatch.setattr(teach_prepare, "find_suggestions", lambda *_, progress: found)
    suggestions = open_teach(user, qtbot).prepare.suggestions
    press(qtbot, suggestions.look_button)
    time.sleep(0.5)  # it has ended, and the viewer did not hear of it yet
    user.dock.picker.choose(two[1])
    qtbot.waitUntil(suggestions.look_button.isEnabled, timeout=10_000)
    assert suggestions.list.count() == 0
    press(qtbot, suggestions.look_button)
    qtbot.waitUntil(lambda: suggestions.list.count() == 1, timeout=10_000)


def test_with_the_panel_open_a_correction_copies_one_frame_and_undo_is_exact(user, qtbot):
    start = np.array(user.draft.masks)
    button = open_teach(user, qtbot).prepare.choice.start_button
    for frame in (3, 4):
        user.click(int(user.draft.in_frame(frame)[2]))
        user.press("D")
    qtbot.waitUntil(lambda: "Counting" not in button.toolTip(), timeout=30_000)
    before = user.session.experiment.labels
    user.click(int(user.draft.in_frame(5)[2]))
    user.press("D")
    qtbot.waitUntil(lambda: "Counting" not in button.toolTip(), timeout=30_000)
    after = user.session.experiment.labels
    assert set(after.edited) == {3, 4, 5}
    assert after.frame(3) is before.frame(3) and after.frame(4) is before.frame(4)
    for left in ({3, 4}, {3}, set()):
        user.press("Z")
        masks = user.session.experiment.labels.to_array()
        differs = {frame for frame in range(len(masks)) if (masks[frame] != start[frame]).any()}
        assert differs == left
