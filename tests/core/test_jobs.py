"""Jobs run in real child processes, which are killed, starved and left alone here."""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from napari_cellcycle.config import (
    ClassifySettings,
    ComputeSettings,
    RunSettings,
    SegmentSettings,
    TrackSettings,
)
from napari_cellcycle.errors import BadInput
from napari_cellcycle.jobs import (
    Done,
    Failed,
    Job,
    JobRunner,
    Progress,
    Stopped,
    TimeLeft,
    read_job,
    spoken,
)

ODD = [sys.executable, str(Path(__file__).with_name("odd_child.py"))]


@pytest.fixture
def folder(tmp_path):
    """An experiment folder without results, as far as jobs look at it."""
    path = tmp_path / "movie.cellcycle"
    path.mkdir()
    (path / "experiment.json").write_text("{}")
    return path


@pytest.fixture
def runner():
    with JobRunner(warm=False, command=ODD) as runner:
        yield runner


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def job(folder, deed, **more):
    return Job("segment", SegmentSettings(model=deed), folder, **more)


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def poll_until(runner, kind, seconds=10.0):
    heard = []
    wait_for(
        lambda: heard.extend(runner.poll()) or any(isinstance(e, kind) for e in heard), seconds
    )
    return next(event for event in heard if isinstance(event, kind))


@pytest.mark.parametrize(
    ("step", "settings"),
    [
        ("segment", SegmentSettings(diameter=12.5)),
        ("track", TrackSettings()),
        ("classify", ClassifySettings()),
        ("run", RunSettings(segment=SegmentSettings(model="threshold"))),
    ],
)
def test_a_job_survives_json(step, settings, folder):
    job = Job.computed(step, settings, folder, ComputeSettings(device="cpu", memory_gb=2))
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
    assert (job.device, job.memory_gb) == ("cpu", 2)


def test_a_job_refuses_settings_of_another_step(folder):
    with pytest.raises(ValueError, match="needs TrackSettings"):
        Job("track", SegmentSettings(), folder)
    with pytest.raises(ValueError, match="no step is called"):
        Job("dance", SegmentSettings(), folder)


def test_a_job_reports_progress_and_then_its_end(runner, folder):
    *progress, done = runner.events(job(folder, "good"))
    assert all(isinstance(event, Progress) for event in progress)
    assert (progress[-1].done, progress[-1].seconds_left) == (10, 0)
    assert isinstance(done, Done) and done.folder == folder
    assert done.notes == ("Frame 3 was computed in smaller tiles.",)
    assert not runner.is_busy
    assert names(folder) == ["experiment.json"]


def test_one_child_serves_many_jobs(runner, folder):
    list(runner.events(job(folder, "good")))
    first = runner.pid
    list(runner.events(job(folder, "user")))
    assert isinstance(list(runner.events(job(folder, "good")))[-1], Done)
    assert runner.pid == first


def test_a_job_is_described_while_it_runs(runner, folder):
    asked = job(folder, "slow")
    runner.start(asked)
    assert read_job(folder / "jobs" / f"{asked.name}.json") == asked
    with pytest.raises(RuntimeError, match="still runs"):
        runner.start(job(folder, "good"))
    poll_until(runner, Done)
    assert not (folder / "jobs").exists()


@pytest.mark.parametrize(
    ("deed", "kind", "said"),
    [
        ("user", "user", "The movie is black; expected cells"),
        ("error", "crash", "KeyError: 'oops'"),
        ("exit", "crash", "exit status 3"),
        ("segfault", "crash", "SIGSEGV"),
        ("killed", "memory", "ended from outside"),
        ("no memory", "memory", "The memory ran out"),
    ],
)
def test_every_failure_is_one_clear_sentence_and_the_next_job_runs(
    deed, kind, said, runner, folder
):
    asked = job(folder, deed)
    failed = list(runner.events(asked))[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == kind
    assert said in failed.text
    assert "\n" not in failed.text and failed.text.endswith(".")
    described = json.loads((folder / "jobs" / f"{asked.name}.json").read_text())
    assert described["failed"] == failed.text
    assert isinstance(list(runner.events(job(folder, "good")))[-1], Done)


def test_details_say_where_it_happened(runner, folder):
    assert "misbehave" in list(runner.events(job(folder, "error")))[-1].details
    assert "string_at" in list(runner.events(job(folder, "segfault")))[-1].details


def test_a_child_killed_from_outside_is_noticed_within_a_second(runner, folder):
    runner.start(job(folder, "busy in C"))
    poll_until(runner, Progress)
    started = time.monotonic()
    psutil.Process(runner.pid).kill()
    failed = poll_until(runner, Failed)
    assert time.monotonic() - started < 1
    assert failed.kind == "memory"


def test_a_job_that_takes_too_much_memory_is_stopped(runner, folder):
    failed = list(runner.events(job(folder, "hog", memory_gb=0.4)))[-1]
    assert failed.kind == "memory"
    assert "more than the 0.4 GB" in failed.text
    assert isinstance(list(runner.events(job(folder, "good", memory_gb=0.4)))[-1], Done)


def test_cancel_takes_less_than_a_second_even_in_a_c_call(runner, folder):
    runner.start(job(folder, "busy in C"))
    poll_until(runner, Progress)
    child, started = psutil.Process(runner.pid), time.monotonic()
    runner.cancel()
    assert time.monotonic() - started < 1
    assert not child.is_running()
    assert runner.poll() == [Stopped(folder)]
    assert runner.poll() == []
    assert not runner.is_busy
    assert names(folder) == ["experiment.json"]


def test_cancel_works_while_the_child_is_still_importing(folder):
    with JobRunner() as runner:
        runner.start(job(folder, "threshold"))
        time.sleep(0.3)
        started = time.monotonic()
        runner.cancel()
        assert time.monotonic() - started < 1
        assert runner.poll() == [Stopped(folder)]
        assert runner.pid is not None  # a new one, getting warm


def test_leaving_the_loop_cancels(runner, folder):
    for _ in runner.events(job(folder, "busy in C")):
        break
    assert not runner.is_busy
    assert runner.poll() == []


def test_a_job_let_go_is_finished_alone(folder):
    runner = JobRunner(warm=False, command=ODD)
    runner.start(job(folder, "slow"))
    poll_until(runner, Progress)
    runner.let_go()
    runner.close()
    wait_for((folder / "finished").exists)
    wait_for(lambda: not (folder / "jobs").exists())


def test_the_child_ends_with_its_parent(folder):
    script = (
        "import os, sys\n"
        "from napari_cellcycle.jobs import *\n"
        "from napari_cellcycle.config import SegmentSettings\n"
        f"runner = JobRunner(warm=False, command={ODD!r})\n"
        f"runner.start(Job('segment', SegmentSettings(model='slow'), {str(folder)!r}))\n"
        "while not runner.poll(): pass\n"
        "print(runner.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    pid = int(parent.stdout)
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", 1.5)
    assert not (folder / "finished").exists()


def test_the_child_knows_no_gui(folder):
    command = [*ODD, "--warm"]
    with JobRunner(warm=False, command=command) as runner:
        loaded = set(list(runner.events(job(folder, "loaded")))[-1].notes[0].split(","))
    assert "napari_cellcycle" in loaded
    assert not loaded & {"napari", "qtpy", "PySide6", "PyQt6", "superqt", "vispy", "magicgui"}


def test_what_libraries_print_does_not_reach_the_terminal(runner, folder, capfd):
    list(runner.events(job(folder, "good")))
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_is_no_experiment_is_refused(runner, tmp_path):
    with pytest.raises(BadInput, match="no experiment folder"):
        runner.start(job(tmp_path, "good"))
    assert names(tmp_path) == []


def test_time_left_is_calm_and_ends_at_nothing():
    now = [0.0]
    left = TimeLeft(clock=lambda: now[0])
    told = []
    for done in range(101):
        now[0] = done * 0.5 + (0.2 if done % 2 else 0.0)
        told.append(left(done, 100))
    assert told[0] is None
    assert told[50] == pytest.approx(25, rel=0.1)
    assert told[100] == 0
    assert max(abs(a - b) for a, b in itertools.pairwise(told[10:])) < 2


def test_time_left_follows_a_change_of_pace():
    now = [0.0]
    left = TimeLeft(clock=lambda: now[0])
    for done in range(51):
        now[0] += 0.1
        left(done, 100)
    for done in range(51, 80):
        now[0] += 1.0
        told = left(done, 100)
    assert told == pytest.approx(21, rel=0.25)


def test_time_left_is_not_that_of_loading_a_model():
    now = [0.0]
    left = TimeLeft(clock=lambda: now[0])
    left(0, 1000)
    now[0] = 20.0
    for done in range(9, 100, 9):
        told = left(done, 1000)
        now[0] += 0.2
    assert told == pytest.approx(20, rel=0.15)


def test_time_left_is_not_that_of_the_small_steps_before_the_long_one():
    now = [0.0]
    left = TimeLeft(clock=lambda: now[0])
    for done, message, seconds in [(0, "Opening", 1.5), (14, "Measuring", 9.0)]:
        assert left(done, 1000, message) is None
        now[0] += seconds
    for frame in range(9):
        told = left(43 + 19 * frame, 1000, f"Frame {frame} of 50")
        now[0] += 0.2
    assert told == pytest.approx(0.2 * (1000 - 43 - 19 * 8) / 19, rel=0.15)


def test_time_is_spoken_in_words():
    assert spoken(None) == ""
    assert spoken(48.4) == "48 s left"
    assert spoken(130) == "2 min 10 s left"
    assert spoken(7500) == "2 h 5 min left"
