"""Teaching a link model from the command line: from challenge folders and from corrections."""

import json
import signal
from functools import partial

import pytest
from corrections import corrected
from here import jobs_here
from safetensors.numpy import load_file
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.cli.train import PresetName
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.training.link import graph, simple
from napari_cellcycle.training.link.own import shares_frames
from napari_cellcycle.training.link.presets import PRESETS
from napari_cellcycle.training.link.windows import WindowTask

QUICK = ["--preset", "simple", "--epochs", 2, "--device", "cpu"]


@pytest.fixture(scope="module", autouse=True)
def short_rounds():
    """Rounds of learning have fewer batches than usual, and no other process is started."""
    with jobs_here(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(simple, "train_linker", partial(simple.train_linker, batches=30))
        patch.setattr(graph, "train_network", partial(graph.train_network, batches=8))
        yield


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A simulated data set of a dozen frames, with its truth."""
    out = tmp_path_factory.mktemp("simulated") / "cells"
    size = ["--frames", 12, "--size", 128, "--cells", 6, "--seed", 4, "--cycle-hours", 2]
    done(call("simulate", out, *size))
    return out


@pytest.fixture(scope="module")
def tracked(cells):
    """The same, segmented and tracked, with nothing corrected."""
    out = cells.parent / "cells.cellcycle"
    done(call("run", cells / "01", "--out", out, "--model", "threshold", "--device", "cpu"))
    return out


@pytest.fixture(scope="module")
def model(cells):
    """A model taught on its first part."""
    out = cells.parent / "models"
    said = done(call("train", "link", cells, "--name", "mine", "--out", out, *QUICK))
    assert "before  links F1" in said and "now     links F1" in said
    return out / "mine.safetensors"


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(result):
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments):
    """The one sentence of a refusal to train."""
    result = call("train", "link", *arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


def test_help_explains_and_gives_an_example():
    assert "link" in done(call("train", "--help"))
    assert "napari-cellcycle train link" in done(call("train", "link", "--help"))


def test_every_preset_can_be_chosen():
    assert {preset.value for preset in PresetName} == set(PRESETS)


def test_the_card_says_what_was_learned_from_and_how_good_it_is(model):
    card = json.loads(model.with_suffix(".json").read_text())
    assert card["kind"] == "link" and card["parent"] == "simple"
    assert card["data"] == ["cells/01, frames 0 to 9"]
    assert "kept aside" in card["split"] and "cells/01, frames 10 to 11" in card["split"]
    assert set(card["metrics"]) == {"kept aside", "kept aside, before"}
    assert card["metrics"]["kept aside"]["true links"] >= 5
    assert len(card["settings"]["training"]["held-out score"]) == 2
    assert card["command"] and card["seconds"] > 0 and "torch" in card["software"]
    assert sorted(p.name for p in model.parent.iterdir()) == ["mine.json", "mine.safetensors"]


def test_the_new_model_tracks_by_name_and_by_file(model, cells, tmp_path):
    movie, masks = cells / "01", cells / "01_GT" / "SEG"
    for number, options in enumerate(
        (["--model", model], ["--model", "mine", "--model-folder", model.parent])
    ):
        done(call("track", movie, masks, "--out", tmp_path / str(number), *options))
    assert "mine" in done(call("models", "--kind", "link", "--model-folder", model.parent))


def test_the_same_seed_gives_the_same_model_and_another_does_not(model, cells, tmp_path):
    for name, seed in (("same", 0), ("other", 1)):
        options = ["--name", name, "--out", tmp_path, *QUICK, "--seed", seed]
        done(call("train", "link", cells / "01", *options))
    mine, same, other = (
        load_file(path)["link.weights.0"]
        for path in (model, tmp_path / "same.safetensors", tmp_path / "other.safetensors")
    )
    assert (mine == same).all() and (mine != other).any()


def test_the_graph_network_is_taught_from_nothing_and_then_further(cells, tmp_path):
    options = ["--out", tmp_path, "--epochs", 1, "--device", "cpu"]
    done(call("train", "link", cells, "--name", "first", "--start", "none", *options))
    first = tmp_path / "first.safetensors"
    said = done(call("train", "link", cells, "--name", "second", "--start", first, *options))
    assert "before  links F1" in said
    card = json.loads((tmp_path / "second.json").read_text())
    assert card["parent"] == "first" and "had learned" not in card["split"]
    assert (
        card["metrics"]["kept aside, before"]
        == json.loads(first.with_suffix(".json").read_text())["metrics"]["kept aside"]
    )
    options = ["--out", tmp_path / "RES", "--model", tmp_path / "second.safetensors"]
    assert "tracks" in done(call("track", cells / "01", cells / "01_GT" / "SEG", *options))


def test_corrections_are_learned_from(tracked, tmp_path):
    options = ["--name", "mine", "--out", tmp_path, *QUICK]
    assert "No link of" in refused(tracked, *options)
    experiment = open_experiment(tracked)
    folder = tmp_path / "corrected.cellcycle"
    tracks = experiment.tracks
    frame = tracks.cells["frame"]
    early = [c for c in tracks.links["child"] if frame[c] == 3]
    late = [c for c in tracks.links["child"] if frame[c] == 11]
    for child in early[:2]:
        experiment = corrected(experiment, "confirm", kind="link", number=child)
    experiment = corrected(experiment, "unlink", child=early[2])
    save_experiment(experiment, folder)
    assert "No corrected link lies in the frames kept aside" in refused(folder, *options)
    experiment = corrected(experiment, "confirm", kind="link", number=late[0])
    save_experiment(experiment, folder)
    done(call("train", "link", folder, *options))
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["data"] == ["corrected.cellcycle, frames 0 to 9"]
    assert card["metrics"]["kept aside"]["true links"] == 1


def test_a_checked_movie_is_learned_from_as_a_whole(tracked, cells, tmp_path):
    options = ["--trust-all", "--held-out", cells, "--name", "mine", "--out", tmp_path, *QUICK]
    done(call("train", "link", tracked, *options, "--start", "none"))
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["data"] == ["cells.cellcycle"] and card["parent"] is None
    assert card["split"] == "kept aside for scoring: cells/01"
    assert set(card["metrics"]) == {"kept aside"}


def test_without_anything_kept_aside_the_card_has_no_figures(cells, tmp_path):
    options = ["--held-out-part", 0, "--name", "mine", "--out", tmp_path, *QUICK]
    assert "nobody knows how good" in done(call("train", "link", cells, *options))
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["metrics"] == {} and card["split"] == "nothing was kept aside"


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(model, cells, tmp_path):
    options = ["--name", "mine", "--out", tmp_path, *QUICK[:3], 4, *QUICK[4:]]
    unfinished, loss, steps = tmp_path / "mine.training", WindowTask.loss, []

    def interrupted(*given):
        steps.append(unfinished.exists())
        if sum(steps) == 5:  # within the second round
            signal.raise_signal(signal.SIGINT)
        return loss(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WindowTask, "loss", interrupted)
        stopped = call("train", "link", cells, *options)
    assert stopped.exit_code == 130 and "--resume" in stopped.stderr
    assert not all(steps) and not (tmp_path / "mine.safetensors").exists()
    assert "was interrupted" in refused(cells, *options)
    assert "other settings" in refused(cells, *options, "--seed", 5, "--resume")
    done(call("train", "link", cells, *options, "--resume"))
    assert not unfinished.exists()
    whole = [*options[:1], "whole", *options[2:]]
    done(call("train", "link", cells, *whole))
    resumed, at_once = (load_file(tmp_path / f"{n}.safetensors") for n in ("mine", "whole"))
    assert all((resumed[name] == at_once[name]).all() for name in at_once)


@pytest.mark.parametrize(
    ("learned", "kept", "seen"),
    [
        pytest.param("Fluo-N2DL-HeLa", "Fluo-N2DL-HeLa/01, frames 5 to 9", True, id="data set"),
        pytest.param("a/01, frames 0 to 9", "a/01, frames 9 to 11", True, id="overlap"),
        pytest.param("a/01, frames 0 to 9", "a/01, frames 10 to 11", False, id="later frames"),
        pytest.param("a/01", "a/02", False, id="another sequence"),
        pytest.param("a/01", "a/011, frames 0 to 3", False, id="a longer name"),
        pytest.param("8 simulated movies in 2D", "a/01", False, id="simulated"),
    ],
)
def test_frames_that_a_model_learned_from_are_recognised(learned, kept, seen):
    assert shares_frames(learned, kept) is seen


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--name", "simple"], "name of a shipped model", id="shipped name"),
        pytest.param(["--name", "my/links"], "cannot be the name", id="bad name"),
        pytest.param(["--name", "a", "--start", "frame"], "is for the step", id="other step"),
        pytest.param(["--name", "a", "--start", "nonsense"], "No model called", id="unknown start"),
        pytest.param(
            ["--name", "a", "--preset", "default", "--start", "simple"],
            "another kind",
            id="other kind",
        ),
        pytest.param(["--name", "a", "--held-out-part", 0.9], "cannot be parted", id="short part"),
        pytest.param(["--name", "a", "--preset", "paper", "--resume"], "begins anew", id="paper"),
    ],
)
def test_what_cannot_be_done_is_said(cells, tmp_path, options, words):
    assert words in refused(cells, "--out", tmp_path, "--preset", "simple", *options)
    assert not list(tmp_path.glob("*"))


def test_sources_that_teach_nothing_are_refused(cells, model, tmp_path):
    options = ["--name", "a", "--out", tmp_path, "--preset", "simple"]
    assert "no truth to learn from" in refused(tmp_path, *options)
    assert "both learned from and kept aside" in refused(cells, "--held-out", cells, *options)
    here = ["--name", "mine", "--out", model.parent, "--preset", "simple"]
    assert "holds a model called 'mine' already" in refused(cells, *here)
    assert "holds a model called 'mine' already" in refused(cells, *here, "--resume")
