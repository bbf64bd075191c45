"""The doctor beside the viewer: it looks in a process of its own and hands out the command."""

import json
import sys

import psutil
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_cellcycle.jobs import examination
from napari_cellcycle.jobs.findings import Problem, Report
from napari_cellcycle.widgets import commands, doctor_panel
from napari_cellcycle.widgets.doctor_panel import DoctorPanel, Finding, in_words

COMMAND = "python -m pip install --force-reinstall torch --index-url https://x/cu130"
SICK = Report(
    {"system": "Linux", "device": "cpu"},
    [Problem("There is a card, but torch is for the processor only.", COMMAND)],
    [Problem("Something worth knowing.")],
)


def child(monkeypatch, code):
    monkeypatch.setattr(examination, "command_of_examination", lambda: [sys.executable, "-c", code])


def told(report):
    """Code of a process that writes this report."""
    line = json.dumps({"report": json.loads(report.to_json())})
    return f"print({line!r})"


@pytest.fixture
def panel(qtbot):
    widget = DoctorPanel()
    qtbot.addWidget(widget)
    widget.resize(900, 400)
    return widget


def looked(panel, qtbot, timeout=60_000):
    """Wait for the report that comes when the panel is first shown."""
    with qtbot.waitSignal(panel.examined, timeout=timeout):
        panel.show()


def findings(panel):
    return [each for each in panel.findChildren(Finding) if each.isVisibleTo(panel)]


def test_it_really_looks_and_the_viewer_stays_usable(panel, qtbot, heartbeat):
    panel.show()
    with heartbeat, qtbot.waitSignal(panel.examined, timeout=120_000):
        pass
    assert {"torch", "device", "speed", "graphics card"} <= panel.report.facts.keys()
    assert "wrong" in panel.verdict.text() and not panel.job.isVisible()
    assert heartbeat.longest < 0.2


def test_what_is_wrong_comes_with_a_command_to_copy(panel, qtbot, monkeypatch):
    child(monkeypatch, told(SICK))
    looked(panel, qtbot)
    assert panel.verdict.text() == "⚠ One thing is wrong."
    qtbot.waitUntil(lambda: len(findings(panel)) == 2)
    problem, hint = findings(panel)
    assert "for the processor only" in problem.text.text()
    qtbot.mouseClick(problem.copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == COMMAND
    assert not hint.copy.isVisible() and not hint.command.isVisible()
    panel.copy_all.click()
    assert QApplication.clipboard().text() == in_words(SICK)
    assert COMMAND in in_words(SICK) and "system: Linux" in in_words(SICK)


def test_looking_again_replaces_what_was_found(panel, qtbot, monkeypatch):
    child(monkeypatch, told(SICK))
    looked(panel, qtbot)
    child(monkeypatch, told(Report({"system": "Linux"})))
    with qtbot.waitSignal(panel.examined, timeout=60_000):
        panel.again.click()
    assert panel.verdict.text() == "✓ Nothing is wrong with this installation."
    assert findings(panel) == []


def test_looking_can_be_cancelled_and_begun_again(panel, qtbot, monkeypatch):
    child(monkeypatch, "import time; time.sleep(600)")
    panel.show()
    qtbot.waitUntil(lambda: panel.job.isVisible() and panel.task is not None)
    panel.job.cancel.click()
    qtbot.waitUntil(lambda: panel.task is None, timeout=5000)
    assert panel.verdict.text() == "Stopped." and panel.again.isEnabled()
    assert not panel.copy_all.isEnabled()
    child(monkeypatch, told(SICK))
    with qtbot.waitSignal(panel.examined, timeout=60_000):
        panel.again.click()


def test_a_doctor_that_cannot_be_called_is_told(panel, qtbot, monkeypatch):
    monkeypatch.setattr(examination, "command_of_examination", lambda: ["/nowhere/python"])
    panel.show()
    qtbot.waitUntil(lambda: panel.notice.isVisible(), timeout=10_000)
    assert "cannot be started" in panel.notice.sentence.text()
    assert panel.again.isEnabled()


def test_closing_the_panel_ends_the_process(qtbot, monkeypatch, tmp_path):
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    child(monkeypatch, code)
    panel = DoctorPanel()
    panel.show()
    qtbot.waitUntil(lambda: pid.is_file() and pid.read_text() != "", timeout=20_000)
    task = panel.task
    with qtbot.waitSignal(task.ended, timeout=10_000):
        panel.close()
        panel.deleteLater()
    qtbot.waitUntil(lambda: not psutil.pid_exists(int(pid.read_text())), timeout=5000)


def test_the_command_opens_it_below_the_viewer(viewer, qtbot, monkeypatch):
    monkeypatch.setattr(doctor_panel, "examine_apart", lambda *_, **__: SICK)
    panel = commands.open_doctor(viewer)
    qtbot.waitUntil(lambda: panel.report is not None, timeout=20_000)
    assert panel.isVisible() and "Doctor" in viewer.window.dock_widgets
