"""Teaching the models by mouse and keys: correct, learn, compare, take, run again, go back."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QToolButton
from test_correcting import SHIFT, User
from test_responsive import limit

from napari_cellcycle.config import ComputeSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.jobs.teaching_files import process_of
from napari_cellcycle.models.library import default_model
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.teach import TaughtModel, TaughtResult, TeachRequest, Verdict
from napari_cellcycle.widgets import commands
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.teach_learn import INTERRUPTED
from napari_cellcycle.widgets.teach_panel import LEARN, RESULT, TeachPanel
from napari_cellcycle.widgets.teach_rounds import read_rounds
from napari_cellcycle.widgets.teach_sources import Source
from napari_cellcycle.widgets.teach_verdict import Verdict as VerdictPage

LEFT = Qt.MouseButton.LeftButton
PATIENCE = 200_000


@pytest.fixture(autouse=True)
def own_models(monkeypatch, tmp_path):
    """Models of the test's own, as if that folder was chosen in the preferences."""
    folder = tmp_path / "models"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for module in ("teach_wiring", "commands", "dock", "teach_return", "running"):
        where = f"napari_cellcycle.widgets.{module}.compute_settings"
        monkeypatch.setattr(where, lambda: ComputeSettings(model_folder=str(folder)))
    return folder


@pytest.fixture
def panel(viewer, qtbot, own_models):
    """The panel in a viewer where no movie is open."""
    session = Session(viewer)
    widget = TeachPanel(session, viewer, lambda: ComputeSettings(model_folder=str(own_models)))
    qtbot.addWidget(widget)
    widget.resize(1200, 320)
    widget.show()
    qtbot.waitUntil(lambda: not widget.is_busy)
    yield widget
    teaching = widget.watch.teaching
    if teaching is not None:
        teaching.cancel()
    session.close()


@pytest.fixture
def checked(tmp_path):
    """A folder with the sample movie, of which all links of the first frames were confirmed."""
    path = sample_path("nuclei_2d")
    truth = path.with_name(path.name.removesuffix(".ome.tif") + "_GT") / "TRA"
    labels, tracks = read_ctc(truth, by_track=True)
    frame = tracks.cells["frame"].loc[tracks.links["child"]].to_numpy()
    links = tracks.links.assign(by=np.where(frame < 16, "user", "model"))
    folder = tmp_path / "checked.cellcycle"
    save_experiment(Experiment(open_movie(path), labels, replace(tracks, links=links)), folder)
    return folder


def press(qtbot, button):
    qtbot.waitUntil(lambda: button.isEnabled() and button.isVisible(), timeout=30_000)
    qtbot.mouseClick(button, LEFT)


def type_into(qtbot, row, text):
    box = row.widget
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def choose(qtbot, combo, text):
    """Go down the list with the arrow keys."""
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(combo.count()):
        if combo.currentText() != text:
            qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert combo.currentText() == text


def teach_links_only(panel, qtbot, *, rounds=2, batches=4):
    """Tick the tracker alone, begin with the small model, and learn for a few rounds."""
    choice = panel.prepare.choice
    qtbot.waitUntil(lambda: choice.ticks["link"].isChecked(), timeout=30_000)
    for kind in ("segment", "stage"):
        if choice.ticks[kind].isChecked():
            choice.ticks[kind].click()
    choose(qtbot, choice.bases["link"], "simple")
    qtbot.mouseClick(choice.more.button, LEFT)
    type_into(qtbot, choice.form.rows["epochs"], str(rounds))
    type_into(qtbot, choice.form.rows["batches"], str(batches))
    type_into(qtbot, choice.form.rows["simulated"], "0")
    assert choice.kinds == ("link",) and choice.base_names == {"link": "simple"}
    assert (choice.settings.epochs, choice.settings.batches) == (rounds, batches)
    assert choice.settings.simulated == 0
    with qtbot.waitSignal(panel.started, timeout=30_000):
        press(qtbot, choice.start_button)


def until_over(panel, qtbot):
    qtbot.waitUntil(lambda: not panel.is_learning and not panel.is_busy, timeout=PATIENCE)


def cut_and_mend(user, count):
    """Break links of so many cells, each of another lineage, and make them again: B, C."""
    draft = user.draft
    told = []
    for cell in draft.in_frame(8).tolist():
        parent = draft.parent(cell)
        if not parent or len(draft.children(parent)) != 1 or len(told) == count:
            continue
        user.click(cell)
        user.press("B")
        user.click(parent)
        user.click(cell, SHIFT)
        user.press("C")
        if draft.parent(cell) == parent:
            told.append(cell)
    return told


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_correct_teach_compare_take_run_again_and_go_back(
    viewer, short, run, qtbot, heartbeat, own_models
):
    dock = short
    dock.segment.model.setCurrentText("threshold")
    dock.segment.form.rows["diameter"].value = 14
    dock.track.model.setCurrentText("simple")
    dock.classify.model.setCurrentText("frame")
    run(dock, dock.run_button, timeout=PATIENCE)
    user = User(viewer, dock)
    cells = cut_and_mend(user, 6)
    assert len(cells) == 6
    held = {(user.draft.frame(c), *user.draft.place(c).round()) for c in cells}

    press(qtbot, dock.teach_button)
    panel = dock.panels.panel("teach")
    qtbot.waitUntil(lambda: "link" in panel.prepare.material.counts["link"].text(), timeout=30_000)
    with heartbeat:
        teach_links_only(panel, qtbot)
        assert panel.pages.currentIndex() == LEARN
        until_over(panel, qtbot)
    assert heartbeat.longest < limit()
    assert [p.epoch for p in panel.learn.curves.points["link"]] == [1, 2]
    assert all(np.isfinite(p.loss) for p in panel.learn.curves.points["link"])

    assert panel.pages.currentIndex() == RESULT, panel.learn.notice.sentence.text()
    verdict = panel.result.verdict
    model = verdict.model
    assert model.base == "simple" and model.verdict.held_out is not None
    assert "Before" in verdict.scores.text() and "simple" in verdict.head.text()
    press(qtbot, panel.result.show_button)
    qtbot.waitUntil(lambda: panel.result.task is None, timeout=PATIENCE)
    assert "frames" in panel.result.said.text(), panel.result.notice.sentence.text()
    assert {"old model", "new model"} <= {layer.name for layer in viewer.layers}

    verdict.name.selectAll()
    qtbot.keyClicks(verdict.name, "mine")
    press(qtbot, verdict.use_button)
    assert default_model("link", own_models) == "mine"
    assert dock.track.model.currentText() == "mine" and dock.track.model.findText("mine") >= 0
    rounds = read_rounds(dock.session.result.folder)
    assert [each.model for each in rounds] == ["simple", "mine"]

    with qtbot.waitSignals([dock.finished, dock.finished], timeout=PATIENCE):
        press(qtbot, verdict.again_button)
    tracks = dock.session.experiment.tracks
    kept = tracks.cells.loc[tracks.links.loc[tracks.links["by"] == "user", "child"]]
    now = {(row.frame, *np.round([row.y, row.x])) for row in kept.itertuples()}
    assert held <= now, "links that were made by hand stay"
    assert dock.session.experiment.history[-2].model == "mine"
    assert "stage" in tracks.cells and not {"old model", "new model"} & set(viewer.layers)
    assert read_rounds(dock.session.result.folder) == rounds

    press(qtbot, verdict.back_button)
    assert default_model("link", own_models) == "cellcycle-links"
    assert dock.track.model.currentText() == "cellcycle-links"
    assert find_model("mine", "link", own_models).card.parent == "simple"


@pytest.mark.timeout(600)
def test_a_killed_teaching_is_told_and_goes_on(panel, qtbot, checked):
    panel.prepare.material.add(Source("checked", checked))
    teach_links_only(panel, qtbot, rounds=3, batches=20)
    curve = panel.learn.curves.points
    qtbot.waitUntil(lambda: len(curve["link"]) >= 1, timeout=PATIENCE)
    process_of(panel.watch.teaching.folder).kill()
    qtbot.waitUntil(lambda: panel.learn.notice.isVisible(), timeout=30_000)
    assert panel.learn.notice.sentence.text() == INTERRUPTED
    assert panel.learn.pause_button.text() == "Go on"
    press(qtbot, panel.learn.pause_button)
    until_over(panel, qtbot)
    assert panel.pages.currentIndex() == RESULT
    assert len(panel.result.verdict.model.rounds) == 3


@pytest.mark.timeout(600)
def test_a_teaching_outlives_the_panel_and_can_be_stopped(
    viewer, panel, qtbot, checked, own_models
):
    panel.prepare.material.add(Source("checked", checked))
    teach_links_only(panel, qtbot, rounds=60, batches=60)
    press(qtbot, panel.learn.pause_button)
    qtbot.waitUntil(lambda: panel.learn.pause_button.text() == "Go on", timeout=PATIENCE)
    folder = panel.watch.teaching.folder
    child = process_of(folder).pid
    panel.watch.stop()
    session = Session(viewer)
    again = TeachPanel(session, viewer, lambda: ComputeSettings(model_folder=str(own_models)))
    qtbot.addWidget(again)
    again.show()
    qtbot.waitUntil(lambda: again.is_learning, timeout=30_000)
    assert process_of(folder).pid == child
    assert again.pages.currentIndex() == LEARN
    press(qtbot, again.learn.pause_button)
    qtbot.waitUntil(lambda: len(again.learn.curves.points["link"]) >= 1, timeout=PATIENCE)
    press(qtbot, again.learn.stop_button)
    until_over(again, qtbot)
    qtbot.waitUntil(lambda: process_of(folder) is None, timeout=10_000)
    assert again.pages.currentIndex() == RESULT, "the best until then is offered"
    assert "stopped early" in again.result.verdict.small.text()
    session.close()


def test_nothing_is_taught_without_corrections_and_a_frame_that_is_done_counts(
    viewer, sample, quick, run, qtbot
):
    run(sample, sample.run_button)
    press(qtbot, sample.teach_button)
    panel = sample.panels.panel("teach")
    choice, counts = panel.prepare.choice, panel.prepare.material.counts
    qtbot.waitUntil(lambda: counts["link"].text() == "nothing yet", timeout=30_000)
    assert not choice.start_button.isEnabled()
    assert "correct or confirm something first" in choice.start_button.toolTip()
    for kind, tick in choice.ticks.items():
        assert not tick.isEnabled() and not tick.isChecked()
        assert counts[kind].text() == "nothing yet" and tick.toolTip().endswith((".", "first."))
    material = panel.prepare.material
    sample.session.go_to_frame(4)
    press(qtbot, material.done_button)
    assert ("frame", 4) in sample.session.draft.confirmed
    assert material.done_button.text() == "Frame 4 is done ✓"
    text = material.counts["segment"].text
    qtbot.waitUntil(lambda: text() == "1 frame done", timeout=30_000)
    sample.session.go_to_frame(5)
    assert material.done_button.text() == "This frame is done"
    User(viewer, sample).press(Qt.Key.Key_Return, SHIFT)
    qtbot.waitUntil(lambda: text() == "2 frames done", timeout=30_000)
    sample.session.undo()
    sample.session.undo()
    qtbot.waitUntil(lambda: text() == "nothing yet", timeout=30_000)


def test_suggestions_lead_to_frames_and_cells(sample, quick, run, qtbot):
    run(sample, sample.run_button)
    press(qtbot, sample.teach_button)
    suggestions = sample.panels.panel("teach").prepare.suggestions
    press(qtbot, suggestions.look_button)
    qtbot.waitUntil(lambda: suggestions.list.count() > 0, timeout=PATIENCE)
    suggestions.kind.setCurrentText("Tracker")
    item = suggestions.list.item(0)
    wanted = item.data(Qt.ItemDataRole.UserRole)
    place = suggestions.list.visualItemRect(item).center()
    qtbot.mouseClick(suggestions.list.viewport(), LEFT, pos=place)
    session = sample.session
    assert session.frame == wanted.frame
    assert session.track == session.draft.label(wanted.cell)
    assert item.text() == wanted.reason


def test_other_experiments_are_added_and_taken_out(panel, qtbot, checked, tmp_path):
    material = panel.prepare.material
    material.add(Source("checked", checked))
    qtbot.waitUntil(lambda: "link" in material.counts["link"].text(), timeout=30_000)
    material.add(Source("gone", tmp_path / "gone.cellcycle"))
    qtbot.waitUntil(lambda: bool(panel.prepare.found.troubles), timeout=30_000)
    assert [each.name for each in material.sources] == ["checked", "gone"]

    def crosses():
        found = material.findChildren(QToolButton)
        return [each for each in found if each.text() == "✕" and each.isVisible()]

    qtbot.waitUntil(lambda: len(crosses()) == 2)
    qtbot.mouseClick(crosses()[0], LEFT)
    assert [each.name for each in material.sources] == ["gone"]
    qtbot.waitUntil(lambda: material.counts["link"].text() == "nothing yet", timeout=30_000)


def proposal(tmp_path, outcome, recommended):
    path = find_model("simple", "link").path
    verdict = Verdict(outcome=outcome, words="Because.", recommended=recommended, share=1.0)
    model = TaughtModel(
        kind="link", base="simple", name="mine", path=path, verdict=verdict, split="", counts={}
    )
    request = TeachRequest(sources=(), model_folder=tmp_path)
    return TaughtResult(request=request, models=(model,), refused={"stage": "One stage only."})


@pytest.mark.parametrize(
    ("outcome", "is_wanted", "first"),
    [
        ("better", True, "Better than simple"),
        ("probably better", True, "Probably better than simple"),
        ("no difference", False, "No better than simple"),
        ("worse", False, "Worse than simple"),
    ],
)
def test_the_verdict_comes_first_and_the_better_choice_is_the_default(
    qtbot, tmp_path, outcome, is_wanted, first
):
    page = VerdictPage()
    qtbot.addWidget(page)
    page.show_result(proposal(tmp_path, outcome, is_wanted))
    page.show()
    assert first in page.head.text() and page.words.text() == "Because."
    assert page.use_button.isDefault() is is_wanted
    assert page.keep_button.isDefault() is not is_wanted
    page.tabs.setCurrentIndex(1)
    assert page.words.text() == "One stage only." and not page.use_button.isVisible()


def test_the_command_opens_it(viewer, dock):
    panel = commands.open_teaching(viewer)
    assert panel.isVisible() and "Teach the models" in viewer.window.dock_widgets
    QTest.qWait(50)
