"""The doctor names what is wrong and the command that mends it."""

import importlib.util
import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from napari_cellcycle.errors import JobDied
from napari_cellcycle.jobs import doctor
from napari_cellcycle.jobs.benchmark import SIDE_PX, frame_of_nuclei, seconds_per_frame
from napari_cellcycle.jobs.examination import examine_apart
from napari_cellcycle.jobs.findings import Report
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
        "graphics card",
        "speed",
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


def test_a_check_that_breaks_down_is_told_and_the_others_go_on(monkeypatch):
    def broken():
        raise ValueError("odd machine")

    monkeypatch.setattr(doctor, "find_cards", broken)
    report = doctor.examine(benchmark=False)
    assert "the graphics card did not work (ValueError: odd machine)" in report.hints[0].text
    assert "Qt" in report.facts and "speed" not in report.facts


def test_a_report_goes_to_json_and_back(report):
    assert Report.from_json(json.loads(report.to_json())) == report


def test_the_speed_is_measured_on_nuclei_that_are_found():
    import torch

    from napari_cellcycle.config import SegmentSettings
    from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
    from napari_cellcycle.models.store import find_model

    model = FlowSegmenter(find_model("cellcycle-nuclei", "segment"), torch.device("cpu"))
    masks = model(frame_of_nuclei(), (1.0, 1.0), SegmentSettings(diameter=20.0))
    assert masks.shape == (SIDE_PX, SIDE_PX) and len(np.unique(masks)) - 1 == (SIDE_PX // 40) ** 2
    assert 0 < seconds_per_frame("cpu", 0.1) < 60


def test_a_process_of_its_own_finds_the_same():
    told = []
    apart = examine_apart(benchmark=False, progress=lambda *step: told.append(step))
    here = doctor.examine(benchmark=False)
    changing = {"memory", "temporary files", "torch"}
    assert {k: v for k, v in apart.facts.items() if k not in changing} == {
        k: v for k, v in here.facts.items() if k not in changing
    }
    assert apart.problems == here.problems
    assert any(message == "Looking at torch" for _, _, message in told)


def child(code):
    return [sys.executable, "-c", code]


BEGUN = (
    "import json, os, sys, time\n"
    "report = {'facts': {'system': 'odd'}, 'problems': [], 'hints': []}\n"
    "print(json.dumps({'next': 'torch', 'done': 1, 'total': 3, 'report': report}), flush=True)\n"
)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("os.abort()", "Looking at torch ended the process"),
        ("sys.exit('no such symbol')", r"\(exit status 1\). no such symbol"),
        ("os._exit(0)", "ended the process"),
    ],
)
def test_a_torch_that_takes_the_process_along_is_named(end, words):
    report = examine_apart(command=child(BEGUN + end))
    assert report.facts == {"system": "odd"}
    (problem,) = report.problems
    assert re.search(words, problem.text)
    assert "--force-reinstall torch" in problem.command


def test_a_torch_that_hangs_is_ended():
    began = time.monotonic()
    report = examine_apart(command=child(BEGUN + "time.sleep(600)"), patience=1.5)
    assert time.monotonic() - began < 20
    assert "Looking at torch took too long" in report.problems[0].text


def test_a_process_that_says_nothing_is_told():
    report = examine_apart(command=child("raise SystemExit('no package')"))
    assert report.facts == {} and "no package" in report.problems[0].text
    with pytest.raises(JobDied, match="cannot be started"):
        examine_apart(command=["/nowhere/python"])


def test_cancelling_ends_the_process(tmp_path):
    pid = tmp_path / "pid"
    code = BEGUN + f"open({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"

    def cancel(done, total, message=""):
        if pid.is_file() and pid.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine_apart(command=child(code), progress=cancel)
    import psutil

    assert not psutil.pid_exists(int(pid.read_text()))


def test_the_memory_a_job_may_take():
    assert memory_cap(2.5) == 2_500_000_000
    assert memory_cap(None) == pytest.approx(0.75 * machine_memory(), rel=0.01)
