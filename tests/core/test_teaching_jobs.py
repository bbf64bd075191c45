"""Teachings in processes of their own: found again, paused, killed, stopped, with one outcome."""

import json
import signal
import sys
import time
from contextlib import contextmanager

import pytest
from safetensors.numpy import load_file
from taught import TINY, corrected, request_for, saved
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.errors import BadInput
from napari_cellcycle.jobs.teaching import (
    OVER,
    Teaching,
    attach,
    list_teachings,
    running,
    start_teaching,
)
from napari_cellcycle.jobs.teaching_files import process_of, read_state
from napari_cellcycle.models.library import default_model

pytestmark = pytest.mark.usefixtures("simulated_once")
LONG = TINY.model_copy(update={"epochs": 500})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corrected experiment, with the models taught from it beside it."""
    return saved(corrected(), tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def finished(place):
    """A teaching that ran to its end undisturbed."""
    teaching = start_teaching(request_for(place, "link", name="undisturbed"))
    until(lambda: teaching.state.phase in OVER)
    return teaching


@pytest.fixture(scope="module")
def started():
    """Teachings that may still run."""
    found = []
    yield found
    for teaching in found:
        process = process_of(teaching.folder)
        if process is not None:
            process.kill()


@pytest.fixture
def long(place, started):
    """A teaching that would go on for minutes, and is learning: one that runs already, or new."""
    for teaching in started:
        if teaching.is_alive and teaching.state.phase == "running":
            return teaching
    name = f"long-{len(started)}"
    started.append(start_teaching(request_for(place, "link", settings=LONG, name=name)))
    return started[-1]


def until(is_so, seconds=200):
    """Wait for something that processes do."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def weights(teaching):
    (model,) = teaching.result().models
    return load_file(model.path)


def same(one, other):
    return all((one[name] == other[name]).all() for name in one)


def call(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_teaching_runs_by_itself_and_tells_how_it_gets_on(finished):
    state = finished.state
    assert state.phase == "done" and state.error == ""
    until(lambda: not finished.is_alive)
    assert [point.epoch for point in finished.curve()] == [1, 2]
    assert finished.curve(1)[0].epoch == 2
    assert finished.result().models[0].path.is_file() and finished.request.kinds == ("link",)
    assert finished.name in [each.name for each in list_teachings(finished.folder.parents[1])]


def test_one_that_was_killed_goes_on_to_the_same_weights(place, finished):
    teaching = start_teaching(request_for(place, "link", name="killed"))
    until(lambda: teaching.curve())
    process_of(teaching.folder).kill()
    until(lambda: not teaching.is_alive)
    found = attach("killed", teaching.folder.parents[1])
    if found.state.phase != "done":  # it was quicker than the signal
        assert found.state.phase == "interrupted" and running([found])
    found.go_on()
    until(lambda: found.state.phase in OVER)
    assert same(weights(found), weights(finished))


def test_the_job_file_gives_the_same_model_on_the_command_line(finished):
    result = call("train", "link", "--job", finished.folder / "job.json")
    assert result.exit_code == 0, result.output
    headless = Teaching(finished.folder.with_name("undisturbed-link"))
    assert same(weights(headless), weights(finished))
    wrong = call("train", "stage", "--job", finished.folder / "job.json")
    assert wrong.exit_code == 2 and "teaches link, not stage" in wrong.output


def test_it_stops_within_a_second_and_keeps_the_best(long):
    until(lambda: len(long.curve()) > 1)
    began = time.monotonic()
    long.cancel(keep_best=True)
    assert time.monotonic() - began < 2
    until(lambda: long.state.phase in OVER)
    (model,) = long.result().models
    assert "stopped early" in " ".join(model.notes) and model.path.is_file()


def test_it_stops_without_a_trace_in_the_library(long):
    until(lambda: long.curve())
    long.cancel()
    until(lambda: long.state.phase == "cancelled")
    folder = long.folder.parents[1]
    assert long.result() is None and not list(long.folder.glob("proposed/*"))
    assert default_model("link", folder) == "cellcycle-links"
    long.delete()
    with pytest.raises(BadInput, match="There is no teaching"):
        attach(long.name, folder)


def test_it_waits_while_paused(long):
    until(lambda: long.curve())
    long.pause()
    until(lambda: long.state.phase == "paused")
    count = len(long.curve())
    assert running([long]) == [long]
    with pytest.raises(BadInput, match="still runs"):
        long.delete()
    long.go_on()
    until(lambda: len(long.curve()) > count)
    assert long.state.phase == "running"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_laptop_that_sleeps_loses_nothing(long):
    until(lambda: long.curve())
    process = process_of(long.folder)
    process.send_signal(signal.SIGSTOP)
    assert long.state.phase == "running"
    count = len(long.curve())
    process.send_signal(signal.SIGCONT)
    until(lambda: len(long.curve()) > count)


@contextmanager
def limited(what, amount):
    """Processes started in here can have no more of it, by name of the limit."""
    resource = pytest.importorskip("resource", reason="limits of POSIX")
    number = getattr(resource, what)
    former = resource.getrlimit(number)
    resource.setrlimit(number, (amount, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(number, former)


def test_a_full_disk_is_told_in_a_sentence_and_it_goes_on_once_there_is_room(place, finished):
    before = sorted(place.parent.rglob("*.json"))
    request = request_for(place, "link", name="no-room")
    with limited("RLIMIT_FSIZE", 1_000):
        teaching = start_teaching(request)
    until(lambda: not teaching.is_alive)
    assert teaching.state.phase == "interrupted"  # there is not even room for the sentence
    assert _but_of(teaching, place) == before
    with limited("RLIMIT_FSIZE", 600_000):
        teaching.go_on()
    until(lambda: not teaching.is_alive)
    state = teaching.state
    assert state.phase == "failed"
    assert "could not be written" in state.error or "cannot be written" in state.error
    assert _but_of(teaching, place) == before
    teaching.go_on()
    until(lambda: teaching.result() is not None)
    assert same(weights(teaching), weights(finished))


def _but_of(teaching, place):
    """What was there besides a teaching."""
    return [p for p in sorted(place.parent.rglob("*.json")) if teaching.name not in str(p)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems grant any amount")
@pytest.mark.parametrize("granted", [350_000_000, 600_000_000])
def test_memory_that_runs_out_while_reading_or_learning_is_told_in_a_sentence(place, granted):
    with limited("RLIMIT_DATA", granted):
        teaching = start_teaching(request_for(place, "link", name=f"no-memory-{granted}"))
    until(lambda: not teaching.is_alive)
    assert teaching.state.phase == "failed" and "memory ran out" in teaching.state.error
    assert "restore" not in teaching.state.error  # nothing is wrong with the files
    assert teaching.result() is None


def test_what_cannot_be_taught_fails_in_a_sentence(place):
    teaching = start_teaching(request_for(place, "link", bases={"link": "nobody"}))
    until(lambda: teaching.state.phase in OVER)
    state = teaching.state
    assert state.phase == "failed" and "No model called 'nobody'" in state.error
    assert "Traceback" in state.details
    with pytest.raises(BadInput, match="is no experiment"):
        start_teaching(request_for(place.parent, "link"))


def test_half_written_files_are_no_teaching(tmp_path):
    folder = tmp_path / "teaching" / "odd"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text("{")
    (folder / "state.json").write_text('{"phase": "runn')
    (folder / "curve.jsonl").write_text('{"kind": "link"')
    (odd,) = list_teachings(tmp_path)
    assert read_state(folder) is None and odd.state.phase == "interrupted" and odd.curve() == []
    with pytest.raises(BadInput, match="cannot be read as a teaching"):
        odd.request  # noqa: B018


def test_the_command_teaches_and_accepts(place, tmp_path):
    models = tmp_path / "models"
    tiny = ["--kind", "link", "--base", "simple", "--epochs", 1, "--device", "cpu"]
    result = call("teach", place, *tiny, "--model-folder", models, "--accept")
    assert result.exit_code == 0, result.output
    assert "lineages kept aside" in result.output and "were kept aside." in result.output
    (job,) = models.glob("teaching/*/job.json")
    (model,) = json.loads((job.parent / "result.json").read_text())["models"]
    taken = model["verdict"]["recommended"]
    assert (model["accepted"] is not None) == taken
    assert (default_model("link", models) == model["name"]) == taken
    again = call("teach", "--job", job)
    assert again.exit_code == 0 and model["verdict"]["words"] in again.output
    assert call("teach").exit_code == 2
