"""Teaching a stage model from the command line, and telling the stages of crops with it."""

import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.io import imsave
from taught import corrected, saved
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.cli.train_stage import StagePresetName
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.training.stage import by_order, frame, recurrent
from napari_cellcycle.training.stage.presets import PRESETS
from napari_cellcycle.training.stage.split import read_split


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def short_rounds():
    """Rounds of learning have fewer and smaller batches than usual; all else is as it is."""
    crops = frame.StageTaskSettings(batches=15, batch_size=8)
    lives = recurrent.SequenceTaskSettings(batches=3, sequences=4)
    with pytest.MonkeyPatch.context() as patch:
        for place, name, settings in (
            (frame, "train_network", crops),
            (by_order, "train_by_order", lives),
        ):
            patch.setattr(place, name, partial(getattr(place, name), task_settings=settings))
        yield


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(result):
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments):
    """The one sentence of a refusal."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


def write_crops(root, stages=("small", "large"), n=10, size=40):
    """Crops of a disc, small or large, a folder each."""
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size)) - (size - 1) / 2
    for stage in stages:
        for number in range(n):
            radius = {"small": 4, "large": 10}.get(stage, 7) + rng.random()
            image = 200 * (y**2 + x**2 < radius**2) + rng.integers(0, 20, (size, size))
            path = root / stage / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            imsave(path, image.astype(np.uint8), check_contrast=False)
    return root


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    return write_crops(tmp_path_factory.mktemp("crops") / "discs")


@pytest.fixture(scope="module")
def model(crops):
    """A frame model taught on these crops."""
    out = crops.parent / "models"
    options = [
        "--preset",
        "frame",
        "--name",
        "mine",
        "--out",
        out,
        "--epochs",
        8,
        "--device",
        "cpu",
    ]
    said = done(call("train", "stage", crops, *options))
    assert "now     macro-F1" in said
    return out / "mine.safetensors"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A short simulated movie, tracked, and classified by the truth."""
    place = tmp_path_factory.mktemp("movie")
    from napari_cellcycle.config import SimulateSettings
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.simulate.movie import simulate

    made = simulate(
        SimulateSettings(frames=12, size=128, cells=6, seed=4, cycle_hours=2, frame_interval=300)
    )
    save_experiment(Experiment(made.movie, made.labels, made.tracks), place / "cells.cellcycle")
    return place / "cells.cellcycle"


def test_every_preset_can_be_chosen():
    assert {preset.value for preset in StagePresetName} == set(PRESETS)
    assert "napari-cellcycle train stage" in done(call("train", "stage", "--help"))


def test_the_card_the_curve_and_the_split_say_what_was_done(model):
    card = json.loads(model.with_suffix(".json").read_text())
    assert card["kind"] == "stage" and card["parent"] is None
    assert card["data"] == ["discs: 20 cells and frames"]
    assert [s["name"] for s in card["settings"]["stages"]["stages"]] == ["large", "small"]
    assert set(card["metrics"]) == {"kept aside"} and card["seconds"] > 0
    curve = pd.read_csv(model.with_name("mine.curve.csv"))
    assert len(curve) == 8 and {"loss", "score"} <= set(curve)
    split = read_split(model.with_name("mine.split.txt"))
    assert len(split.train) + len(split.validation) == 20 and len(split.validation) >= 3
    assert not model.with_name("mine.training").exists()


def test_crops_are_told_and_scored_by_their_folders(model, crops, tmp_path):
    out = tmp_path / "told.csv"
    said = done(call("classify", crops, "--out", out, "--model", model, "--device", "cpu"))
    table = pd.read_csv(out)
    assert list(table) == ["file", "stage", "p_large", "p_small"] and len(table) == 20
    assert np.allclose(table[["p_large", "p_small"]].sum(axis=1), 1, atol=1e-3)
    right = [file.split("/")[0] == stage for file, stage in table[["file", "stage"]].to_numpy()]
    assert np.mean(right) > 0.8 and "macro-F1" in said
    assert "exists already" in refused("classify", crops, "--out", out, "--model", model)


def test_crops_of_the_same_cell_count_as_one_when_they_are_scored(model, crops, tmp_path):
    """Ten pictures of each of two cells tell nothing of other cells, a hundred of twenty do."""
    for cells in (2, 20):
        names = sorted(path.relative_to(crops).as_posix() for path in crops.glob("*/*.png"))
        rows = [f"{n},{n.split('/')[0]},{k % cells}" for k, n in enumerate(names)]
        folder = shutil.copytree(crops, tmp_path / f"{cells}")
        (folder / "index.csv").write_text("\n".join(["path,label,group", *rows]))
        said = done(call("classify", folder, "--out", tmp_path / f"{cells}.csv", "--model", model))
        assert ("too few groups" in said) == (cells == 2)


def test_a_flat_folder_is_told_without_scores(model, crops, tmp_path):
    said = done(call("classify", crops / "large", "--out", tmp_path / "t.csv", "--model", model))
    assert "macro-F1" not in said and len(pd.read_csv(tmp_path / "t.csv")) == 10


def test_the_shipped_model_tells_crops_and_says_that_folders_are_strange(crops, tmp_path):
    result = call("classify", crops, "--out", tmp_path / "t.csv", "--model", "frame")
    assert "named after no stage of the model" in result.stderr and result.exit_code == 0
    assert "p_apoptosis" in pd.read_csv(tmp_path / "t.csv")


def test_crops_that_cannot_be_told_are_refused(model, tmp_path):
    out = ["--out", tmp_path / "t.csv", "--model", model]
    (tmp_path / "empty").mkdir()
    assert "No crops were found" in refused("classify", tmp_path / "empty", *out)
    assert "is no folder of crops" in refused("classify", tmp_path / "none", *out)
    tiny = write_crops(tmp_path / "tiny", size=8)
    assert "at least 12" in refused("classify", tiny, *out)


def test_what_cannot_be_learned_from_is_refused(crops, experiment, tmp_path):
    options = ["--preset", "frame", "--name", "mine", "--out", tmp_path, "--epochs", 1]
    train = ["train", "stage"]
    (tmp_path / "empty").mkdir()
    assert "holds nothing to learn stages from" in refused(*train, tmp_path / "empty", *options)
    one = write_crops(tmp_path / "one", ["large"])
    assert "show only 'large'" in refused(*train, one, *options)
    assert "tells interphase" in refused(*train, crops, *options, "--start", "frame")
    other = write_crops(tmp_path / "other", ["small", "square"])
    assert "square" in refused(*train, crops, *options, "--held-out", other)
    assert "has a stage that you set" in refused(*train, experiment, *options)
    assert "cannot learn from the order" in refused(
        *train, experiment, *options, "--transcript", "interphase"
    )
    assert "is the name of a shipped model" in refused(*train, crops, "--name", "frame")


def test_stages_that_were_set_by_hand_are_learned_from(experiment, tmp_path):
    known = open_experiment(experiment)
    stage = known.tracks.cells["stage"].to_numpy(object)
    pinned = np.where(np.arange(len(stage)) % 2 == 0, stage, "")
    mine = tmp_path / "mine.cellcycle"
    from dataclasses import replace

    save_experiment(replace(known, tracks=known.tracks.with_columns(pinned=pinned)), mine)
    options = ["--preset", "frame", "--name", "m", "--out", tmp_path, "--epochs", 1]
    done(call("train", "stage", mine, *options, "--device", "cpu"))
    card = json.loads((tmp_path / "m.json").read_text())
    assert card["parent"] == "frame"
    assert card["data"] == [f"mine.cellcycle: {(pinned != '').sum()} cells and frames"]
    names = read_split(tmp_path / "m.split.txt")
    assert all(name.startswith("mine.cellcycle: lineage ") for name in names.train)


def test_sources_of_the_same_name_are_told_apart(tmp_path):
    """Lineages of one are kept aside, and those of the other learned from."""
    one, other = (saved(corrected(), tmp_path / day) for day in ("day 1", "day 2"))
    options = ["--preset", "frame", "--name", "m", "--out", tmp_path, "--epochs", 1]
    done(call("train", "stage", one, "--held-out", other, *options, "--device", "cpu"))
    split = read_split(tmp_path / "m.split.txt")
    assert all(name.startswith("day 1/mine.cellcycle: lineage ") for name in split.train)
    assert all(name.startswith("day 2/mine.cellcycle: lineage ") for name in split.validation)
    again = refused("train", "stage", one, "--held-out", one, *options, "--overwrite")
    assert "both learned from and kept aside" in again


def test_the_order_of_stages_is_enough(experiment, tmp_path):
    order = "interphase, prophase, prometaphase, metaphase, anaphase, telophase, interphase"
    options = ["--name", "weak", "--out", tmp_path, "--epochs", 1, "--start", "none"]
    said = done(call("train", "stage", experiment, *options, "--transcript", order))
    assert "nobody knows how good" in said
    wrong = refused("train", "stage", experiment, *options, "--overwrite", "--transcript", "x, y")
    assert "names 'x'" in wrong
    order = ["--overwrite", "--transcript", order]
    wrong = refused("train", "stage", experiment, *options, *order, "--lasting", "prophase soon")
    assert "'prophase soon'" in wrong and "minutes" in wrong
    alone = refused(
        "train", "stage", experiment, *options, "--overwrite", "--lasting", "prophase 10"
    )
    assert "add --transcript" in alone
    alone = refused("train", "stage", experiment, *options, "--overwrite", "--no-soft")
    assert "add --transcript" in alone
    done(call("train", "stage", experiment, *options, *order, "--no-soft"))


def test_the_published_classifier_is_taught_and_used(crops, tmp_path):
    options = ["--preset", "cell-classifier", "--name", "m", "--out", tmp_path, "--epochs", 1]
    done(call("train", "stage", crops, *options, "--device", "cpu"))
    model = tmp_path / "m.safetensors"
    done(call("classify", crops, "--out", tmp_path / "t.csv", "--model", model))
    assert list(pd.read_csv(tmp_path / "t.csv"))[2:] == ["p_large", "p_small"]


def test_a_frame_model_looks_at_two_colours(tmp_path):
    for stage, colour in (("red", 0), ("green", 1)):
        for number in range(8):
            image = np.zeros((32, 32, 3), np.uint8)
            image[10:22, 10:22, 0] = 200
            image[10 : 22 - number % 3, 10:22, 1] = 200 * colour
            (tmp_path / "crops" / stage).mkdir(parents=True, exist_ok=True)
            path = tmp_path / "crops" / stage / f"{number}.png"
            imsave(path, image, check_contrast=False)
    options = ["--name", "two", "--out", tmp_path, "--epochs", 2, "--channel", "0,1"]
    done(call("train", "stage", tmp_path / "crops", *options, "--preset", "frame"))
    model = tmp_path / "two.safetensors"
    assert json.loads(model.with_suffix(".json").read_text())["settings"]["channels"] == 2
    said = done(call("classify", tmp_path / "crops", "--out", tmp_path / "t.csv", "--model", model))
    assert "macro-F1" in said
    one = refused("train", "stage", tmp_path / "crops", *options, "--overwrite", "--preset", "rnn")
    assert "look at one channel" in one
