"""Teaching on the command line: other names, the same model from the same job, and deleting."""

import json
import os
import shutil

import pytest
from taught import TINY, corrected, request_for, saved
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.errors import BadInput
from napari_cellcycle.jobs.teaching import OVER, Teaching, list_teachings
from napari_cellcycle.jobs.teaching_files import note_process
from napari_cellcycle.models.library import NameTaken, default_model
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.teach import TaughtResult, accept, read_result, teach

pytestmark = pytest.mark.usefixtures("simulated_once")


def call(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def said(result):
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return saved(corrected(), tmp_path_factory.mktemp("command"))


@pytest.fixture
def request_of(place, tmp_path):
    """Asks for a link model, in a model folder of its own."""
    return lambda **more: request_for(place, "link", model_folder=tmp_path / "models", **more)


def recommended(result: TaughtResult) -> TaughtResult:
    """The same, as if its model were better."""
    path = result.folder / "result.json"
    told = json.loads(path.read_text())
    told["models"][0]["verdict"]["recommended"] = True
    path.write_text(json.dumps(told))
    return read_result(result.folder)


def test_a_proposal_whose_name_was_taken_meanwhile_is_accepted_under_another(request_of):
    first, second = teach(request_of()), recommended(teach(request_of()))
    assert first.models[0].name == second.models[0].name
    accept(first, "link")
    job = second.folder / "job.json"
    refused = call("teach", "--job", job, "--accept")
    assert refused.exit_code == 2 and "--kind link --name simple-taught-2" in said(refused)
    taken = call("teach", "--job", job, "--accept", "--kind", "link", "--name", "other")
    assert taken.exit_code == 0, taken.output
    assert "'other' is in use now, instead of 'simple-taught'" in said(taken)
    assert default_model("link", second.request.model_folder) == "other"


def test_a_name_that_is_taken_is_refused_before_anything_is_taught(request_of):
    with pytest.raises(NameTaken, match="choose another name, such as 'simple-2'"):
        teach(request_of(names={"link": "simple"}))


def test_the_job_of_a_model_that_was_accepted_gives_the_same_model_again(request_of):
    result, own = accept(teach(request_of(names={"link": "mine"})), "link")
    again = call("train", "link", "--job", result.folder / "job.json")
    assert again.exit_code == 0, again.output
    (model,) = read_result(result.folder.with_name(f"{result.request.name}-link")).models
    assert model.name == "mine-2"
    weights = find_model(str(model.path), "link").weights()
    assert all((weights[name] == tensor).all() for name, tensor in own.weights().items())


def test_a_teaching_of_the_command_line_is_over_when_it_has_a_result(request_of):
    request = request_of()
    teach(request)
    assert Teaching(request.folder).state.phase in OVER


def test_a_teaching_is_deleted_with_its_copy_of_the_corrections(request_of):
    result, _ = accept(teach(request_of()), "link")
    folder = result.request.model_folder
    assert call("teach", "--job", result.folder / "job.json", "--delete").exit_code == 0
    assert not result.folder.exists() and not list_teachings(folder)
    assert find_model("simple-taught", "link", folder).weights()


def test_a_copy_of_a_job_file_deletes_nothing_beside_it(request_of, tmp_path):
    result = teach(request_of())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    job = shutil.copy(result.folder / "job.json", elsewhere / "job.json")
    assert call("teach", "--job", job, "--delete").exit_code == 0
    assert not result.folder.exists() and (elsewhere / "job.json").is_file()


def test_a_teaching_that_runs_is_neither_deleted_nor_run_twice(request_of):
    request = request_of(settings=TINY)
    teach(request)
    (request.folder / "result.json").unlink()
    note_process(request.folder, os.getpid())
    with pytest.raises(BadInput, match="still runs"):
        Teaching(request.folder).delete()
    again = call("teach", "--job", request.folder / "job.json")
    assert again.exit_code == 2 and "runs in another process" in said(again)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--delete"], "name it with --job"),
        (["--name", "x"], "are for one kind of model: add --kind"),
    ],
)
def test_options_that_miss_something_say_what(place, options, words):
    result = call("teach", place, *options)
    assert result.exit_code == 2 and words in said(result)
