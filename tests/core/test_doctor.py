"""The doctor names what is wrong and the command that mends it."""

import importlib.util
import json
import subprocess
import sys

import pytest

from napari_cellcycle.jobs import doctor
from napari_cellcycle.jobs.memory import machine_memory, memory_cap


@pytest.fixture(scope="module")
def report():
    return doctor.examine()


def test_the_facts_a_bug_report_needs_are_there(report):
    assert {
        "system",
        "python",
        "memory",
        "torch",
        "cellpose",
        "device",
        "Qt",
    } <= report.facts.keys()
    assert json.loads(report.to_json())["facts"]["python"].startswith(sys.version.split()[0])


def test_a_complete_installation_has_no_problem_but_missing_weights(report):
    assert [p.text for p in report.problems if "shipped models" not in p.text] == []


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    report = doctor.Report()
    doctor._packages(report)
    (problem,) = report.problems
    assert "no-such-package" in problem.text
    assert problem.command.endswith('-m pip install "no-such-package"')


def test_missing_weights_are_named(monkeypatch, tmp_path):
    from napari_cellcycle.models import store

    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    report = doctor.Report()
    doctor._models(report, str(tmp_path))
    assert "cellcycle-links, cellcycle-nuclei, rnn" in report.problems[0].text
    assert "napari-cellcycle" in report.problems[0].command


@pytest.mark.parametrize("shown", [True, False])
def test_no_qt_is_wrong_only_where_there_is_a_display(shown, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util,
        "find_spec",
        lambda name: None if name in doctor.QT_BINDINGS else found(name),
    )
    monkeypatch.setattr(doctor, "has_display", lambda: shown)
    report = doctor.Report()
    doctor._qt(report)
    assert bool(report.problems) == shown
    assert '"napari-cellcycle[qt]"' in (report.problems or report.hints)[0].command


def test_a_broken_torch_does_not_stop_the_doctor():
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from napari_cellcycle.jobs import doctor\n"
        "report = doctor.Report()\n"
        "doctor._torch(report)\n"
        "print(report.problems[0].text, report.problems[0].command)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch cannot be used" in said.stdout
    assert "pip install --force-reinstall torch" in said.stdout


def test_the_memory_a_job_may_take():
    assert memory_cap(2.5) == 2_500_000_000
    assert memory_cap(None) == pytest.approx(0.75 * machine_memory(), rel=0.01)
