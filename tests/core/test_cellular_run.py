"""One command prepares CELLULAR's layout, teaches models on it and scores them, once each."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.io.cellular_settings import SplitSettings
from napari_cellcycle.simulate.cellular import FIELDS, write_cellular
from napari_cellcycle.training.segment.cellpose_settings import PAPER
from napari_cellcycle.training.segment.cellular_settings import PAPER_BASES, ExperimentSettings

OURS = "cellcycle-nuclei"
QUICK = ["--epochs", 1, "--batch-size", 2, "--batches", 6, "--simulated", 0, "--base-diameter", 0]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Three fields: one to learn from, one to choose by, one to score."""
    folder = tmp_path_factory.mktemp("cellular") / "tiny"
    write_cellular(folder, fields=(FIELDS[0], FIELDS[2], FIELDS[-1]), side_px=128, cells=10, seed=2)
    return folder


@pytest.fixture(scope="module")
def experiment(tiny):
    """What the command says of a whole experiment, and its folder."""
    out = tiny.parent / "experiment"
    return done(call("run", tiny, out, "--base", OURS, *QUICK)), out


def call(*arguments):
    return CliRunner().invoke(app, ["cellular", *[str(argument) for argument in arguments]])


def done(result):
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments):
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


def test_the_taught_model_and_its_base_are_scored_on_each_split(experiment):
    said, out = experiment
    table = pd.read_csv(out / "comparison.csv")
    taught = f"cellular-{OURS}"
    assert list(zip(table["model"], table["split"], strict=True)) == [
        (model, split) for model in (taught, OURS) for split in ("test", "valid", "train")
    ]
    assert "shows no cell and was skipped" in said
    assert taught in said
    folder = out / "results" / taught / "test"
    scores = json.loads((folder / "test_eval.json").read_text())
    assert scores["cell"]["f1"] == pytest.approx(table.loc[0, "pixel f1"], rel=1e-5)
    assert {file.name for file in folder.iterdir()} == {
        "test_eval.json",
        "test_images.csv",
        f"pred_{FIELDS[0]}.tif",
        f"pred_visualized_{FIELDS[0]}.png",
        f"pred_hues_{FIELDS[0]}.png",
        f"agreement_{FIELDS[0]}.tif",
    }


def test_cells_that_it_has_not_learned_from_are_outlined_better_after_teaching(experiment):
    table = pd.read_csv(experiment[1] / "comparison.csv").set_index(["model", "split"])
    before, now = table.loc[(OURS, "test")], table.loc[(f"cellular-{OURS}", "test")]
    assert now["pixel jaccard"] > before["pixel jaccard"]
    assert now["AP@0.5"] > 0.9
    assert now["cells"] > 5


def test_the_diameter_of_the_cells_learned_from_is_kept(experiment):
    kept = json.loads((experiment[1] / "models" / "diameter.json").read_text())
    assert kept["diam_labels"] == pytest.approx(24, abs=2)


def test_what_is_done_is_not_done_again_and_what_is_lost_is(tiny, experiment):
    _, out = experiment
    model = out / "models" / f"cellular-{OURS}.safetensors"
    scored = out / "results" / OURS / "valid" / "valid_eval.json"
    before, scores = model.stat().st_mtime_ns, scored.read_text()
    scored.unlink()
    said = done(call("run", tiny, out, "--base", OURS, *QUICK))
    assert "is prepared already" in said
    assert f"cellular-{OURS} is taught already" in said
    assert said.count("is scored already") == 5
    assert model.stat().st_mtime_ns == before
    assert scored.read_text() == scores


def test_another_experiment_in_the_same_folder_is_refused(tiny, experiment):
    _, out = experiment
    other = refused("run", tiny, out, "--base", OURS, *QUICK, "--unidentified", "cells")
    assert "was made from other prepare" in other
    other = refused("run", tiny, out, "--base", OURS, *QUICK, "--seed", 1)
    assert "was made from other settings" in other
    assert (out / "comparison.csv").is_file()


def test_a_model_of_any_kind_is_scored_on_prepared_data(experiment, tmp_path):
    out = tmp_path / "scores"
    data = experiment[1] / "data"
    said = done(call("evaluate", data, out, "--model", "threshold", "--channel", 1))
    assert said.count("pixels: f1") == 3
    assert "exists already" in refused("evaluate", data, out, "--model", "threshold")
    assert "no folder train" in refused("evaluate", tmp_path, tmp_path / "o", "--model", OURS)


def test_what_cannot_be_run_is_refused_before_anything_is_made(tiny, tmp_path):
    out = tmp_path / "out"
    assert "No model called 'nobody'" in refused("run", tiny, out, "--base", "nobody")
    assert "name each once" in refused("run", tiny, out, "--base", OURS, "--base", OURS)
    assert "There is no folder" in refused("run", tmp_path / "none", out, "--base", OURS)
    assert "left to learn from" in refused(
        "run", tiny, out, "--base", OURS, "--test", "Time", "--valid", ""
    )
    assert not (out / "models").exists()


def test_a_class_that_is_not_there_cannot_be_learned(tiny, tmp_path):
    said = refused("run", tiny, tmp_path / "out", "--base", OURS, "--subset", "old")
    assert "There is no set 'old' to learn from; there are: all, fed, unfed" in said


def test_the_tiny_set_is_made_and_prepared_by_commands(tmp_path):
    done(call("simulate", tmp_path / "tiny", "--side", 64, "--cells", 3))
    said = done(call("prepare", tmp_path / "tiny", tmp_path / "out", "--unidentified", "cells"))
    assert "6 fields (3 in train, 2 in test, 1 in valid)" in said
    assert (tmp_path / "out" / "all" / "valid" / f"{FIELDS[-1]}_masks.tif").is_file()


def test_the_published_settings_are_the_default():
    assert PAPER_BASES == ("cyto", "cyto2")
    assert (SplitSettings().valid, SplitSettings().test) == ("ST_I06", "ST_C03")
    assert (ExperimentSettings().preset, ExperimentSettings().base_diameter) == ("paper", 121)
    assert (PAPER.epochs, PAPER.learning_rate, PAPER.weight_decay) == (500, 0.2, 1e-5)
    assert (PAPER.batch_size, PAPER.optimiser, PAPER.rescale) == (8, "sgd", True)
