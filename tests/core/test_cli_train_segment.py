"""Teaching a segmentation from the command line: from sequences, folders and corrections."""

import json
from importlib.metadata import version

import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
from napari_cellcycle.models.segment.network import FlowNet
from napari_cellcycle.models.segment.quiet import cellpose_module
from napari_cellcycle.models.segment.segmenter import open_segmenter
from napari_cellcycle.models.store import ModelCard, find_model, save_model
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.segment import own_flow
from napari_cellcycle.training.segment.held_out import HeldOutScore, score_held_out
from napari_cellcycle.training.segment.lesson import SegmentTeachSettings, seen_before
from napari_cellcycle.training.segment.own import teach_segmentation
from napari_cellcycle.training.segment.tuning import USUAL, LearnedModel, Tuning, tune

QUICK = ["--simulated", 0, "--epochs", 2, "--batch-size", 1, "--device", "cpu"]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(result):
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments):
    """The one sentence of a refusal to train."""
    result = call("train", "segment", *arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A simulated data set of a dozen frames, with its truth."""
    out = tmp_path_factory.mktemp("simulated") / "cells"
    size = ["--frames", 10, "--size", 128, "--cells", 6, "--seed", 4, "--cycle-hours", 2]
    done(call("simulate", out, *size))
    return out


def network(widths, working_px, folder):
    """A narrow network that has learned nothing."""
    torch.manual_seed(0)
    settings = {"widths": list(widths), "working_px": list(working_px), "logit_offset": 0.5}
    architecture = find_model("cellcycle-nuclei", "segment").card.architecture
    card = ModelCard(name="tiny", kind="segment", architecture=architecture, settings=settings)
    return save_model(FlowNet(widths).state_dict(), card, folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return network((4, 8), (12.0, 20.0), tmp_path_factory.mktemp("base")).path


@pytest.fixture(scope="module")
def taught(cells, tiny):
    """What the command says, and the model that it leaves."""
    options = ["--name", "mine", "--base", tiny, "--out", cells.parent / "models", *QUICK]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_flow, "BATCHES", 4)
        said = done(call("train", "segment", cells, *options))
    return said, cells.parent / "models" / "mine.safetensors"


def test_help_explains_and_gives_an_example():
    assert "segment" in done(call("train", "--help"))
    assert "napari-cellcycle train segment" in done(call("train", "segment", "--help"))


def test_the_score_of_the_model_before_stands_beside_that_of_the_new_one(taught):
    said, path = taught
    before, now = said.splitlines()[:2]
    assert before.startswith("before  AP@0.5") and now.startswith("now     AP@0.5")
    card = json.loads(path.with_suffix(".json").read_text())
    assert set(card["metrics"]) == {"kept aside", "kept aside, before"}
    assert card["metrics"]["kept aside"]["images"] == 2


def test_the_card_says_what_was_learned_from_and_keeps_what_the_base_knew(taught):
    card = json.loads(taught[1].with_suffix(".json").read_text())
    assert card["kind"] == "segment" and card["parent"] == "tiny"
    assert card["data"] == ["cells/01, 8 images: t000 to t007"]
    assert "cells/01, 2 images: t008 to t009" in card["split"]
    assert card["settings"]["working_px"] == [12.0, 20.0]
    assert card["settings"]["logit_offset"] == 0.5
    history = card["settings"]["training"]
    assert len(history["loss"]) == len(history["held-out score"]) == 2
    assert card["command"] and card["seconds"] > 0 and "torch" in card["software"]
    left = sorted(p.name for p in taught[1].parent.iterdir())
    assert left == ["mine.json", "mine.safetensors"]


def discs(number):
    """An image of nine discs of 16 pixels at random places."""
    rng = np.random.default_rng(number)
    y, x = np.indices((96, 96))
    masks = np.zeros((96, 96), np.int32)
    for label, corner in enumerate(np.ndindex(3, 3), 1):
        cy, cx = 32 * np.array(corner) + rng.integers(10, 22, 2)
        masks[(y - cy) ** 2 + (x - cx) ** 2 <= 64] = label
    image = 50 + 100 * (masks > 0) + rng.normal(0, 8, masks.shape)
    return Annotated(image.astype(np.float32), masks, "discs", f"{number}")


def test_a_network_that_knows_nothing_learns_discs_from_four_images(tmp_path):
    base = network((8, 16), (16.0, 16.0), tmp_path)
    images = [discs(number) for number in range(5)]
    fitted = USUAL.model_copy(update={"epochs": 4, "learning_rate": 1e-2, "average": 0.8})
    tuning = Tuning(fitted, batch_size=2, side_px=96)
    cpu = torch.device("cpu")
    before = score_held_out(FlowSegmenter(base, cpu), images[4:])
    state, history = tune(base, images[:4], images[4:], tuning, device=cpu)
    taught = FlowSegmenter(LearnedModel(base.card, base.path, state), cpu)
    after = score_held_out(taught, images[4:])
    assert before.value < 0.2 and after.value > 0.8
    assert after.diameter_px == pytest.approx(16, abs=2)
    assert max(epoch.score for epoch in history) > 0.8


def test_the_statistics_of_batch_norms_stay(tmp_path):
    base = network((4, 8), (16.0, 16.0), tmp_path)
    tuning = Tuning(USUAL.model_copy(update={"epochs": 1}), batches=2, batch_size=1, side_px=64)
    state, _ = tune(base, [discs(0)], [], tuning, device=torch.device("cpu"))
    old = base.weights()
    kept = [name for name in old if "running" in name]
    assert kept and all(torch.equal(old[name], state[name]) for name in kept)
    assert not torch.equal(old["output.2.weight"], state["output.2.weight"])


def test_the_new_model_segments_by_name_and_by_file(taught, cells):
    folder = taught[1].parent
    image = open_movie(cells / "01").frame(0)
    for model, place in ((str(taught[1]), None), ("mine", folder)):
        settings = SegmentSettings(model=model, diameter=14.0)
        segmenter = open_segmenter(settings, torch.device("cpu"), place)
        assert segmenter.name == "mine"
        assert segmenter(image, (1.0, 1.0), settings).shape == image.shape
    assert "mine" in done(call("models", "--kind", "segment", "--model-folder", folder))


def test_a_training_that_was_stopped_goes_on_to_the_same_model(cells, tiny, tmp_path):
    settings = SegmentTeachSettings(
        simulated=0, epochs=2, batches=4, batch_size=1, frames=(0, 3), held_out_part=0
    )

    def teach(folder, **options):
        where = {"base": str(tiny), "settings": settings, "device": "cpu"}
        return teach_segmentation("mine", [cells / "01"], folder, **where, **options)

    def stop(done, total, message=""):
        if message.startswith("Training, loss") and done > 5:
            raise Cancelled

    whole, _ = teach(tmp_path / "whole")
    with pytest.raises(Cancelled):
        teach(tmp_path / "parts", progress=stop)
    assert (tmp_path / "parts" / "mine.training").is_file()
    resumed, result = teach(tmp_path / "parts", resume=True)
    assert len(result.history) == 2 and result.score is None
    assert not (tmp_path / "parts" / "mine.training").exists()
    for name, tensor in whole.weights().items():
        assert torch.equal(tensor, resumed.weights()[name]), name


def test_training_ends_when_its_time_is_over(cells, tiny, tmp_path):
    settings = SegmentTeachSettings(
        simulated=0, batches=4, batch_size=1, frames=(0, 1), minutes=0.5
    )
    seconds = iter(range(0, 10_000, 1))
    _, result = teach_segmentation(
        "mine",
        [cells],
        tmp_path,
        base=str(tiny),
        settings=settings,
        device="cpu",
        clock=lambda: float(next(seconds)),
    )
    assert 2 <= len(result.history) <= 7


def test_what_cannot_be_taught_is_refused(cells, tiny, tmp_path):
    one = tmp_path / "one"
    one.mkdir()
    masks = open_labels(cells / "01_GT" / "SEG").frame(0).astype(np.uint16)
    tifffile.imwrite(one / "a.tif", masks)
    tifffile.imwrite(one / "a_masks.tif", masks)
    where = ["--base", tiny, "--out", tmp_path, *QUICK]
    assert "only one image with masks" in refused(one, "--name", "m", *where)
    assert "both learned from and kept aside" in refused(
        one, "--name", "m", "--held-out", one, *where
    )
    assert "--frames is 'a,b'" in refused(cells, "--name", "m", "--frames", "a,b", *where)
    assert "No model called" in refused(cells, "--name", "m", "--base", "nobody", *QUICK)
    assert "cannot be the name" in refused(cells, "--name", "a b", *where)
    assert list(tmp_path.glob("*.safetensors")) == []


def test_a_base_that_saw_the_data_set_is_named():
    blank = np.zeros((8, 8), np.int32)
    aside = [Annotated(blank, blank, "Fluo-N2DL-HeLa/02", "t000")]
    card = find_model("cellcycle-nuclei", "segment").card
    (note,) = seen_before(card, aside)
    assert "had learned from Fluo-N2DL-HeLa" in note
    assert seen_before(card, [Annotated(blank, blank, "mine.cellcycle", "t0")]) == ()


@pytest.mark.skipif(version("cellpose") >= "4", reason="the base is a file of Cellpose 3")
def test_a_cellpose_model_is_taught_and_stored_with_both_scores(cells, tmp_path):
    network = cellpose_module("resnet_torch").CPnet([2, 4, 8, 16, 256], 3, sz=3)
    network.diam_mean.data.fill_(12.0)
    network.diam_labels.data.fill_(12.0)
    network.save_model(str(tmp_path / "narrow"))
    settings = SegmentTeachSettings(epochs=1, batches=2, batch_size=1, frames=(0, 1))

    def teach():
        base = str(tmp_path / "narrow")
        return teach_segmentation(
            "mine", [cells], tmp_path, base=base, settings=settings, device="cpu", command="so"
        )

    model, result = teach()
    assert model.path == tmp_path / "mine.cellpose"
    card = json.loads((tmp_path / "mine.json").read_text())
    assert set(card["metrics"]) == {"kept aside", "kept aside, before"}
    assert card["data"] == ["cells/01, t000"] and card["command"] == "so"
    assert len(result.history) == 1 and result.score.images == result.before.images == 1
    opened = open_segmenter(SegmentSettings(model=str(model.path)), torch.device("cpu"))
    assert opened.name == str(model.path)
    with pytest.raises(BadInput, match="holds a model called 'mine' already"):
        teach()


def test_a_round_with_better_outlines_is_preferred_to_one_that_merely_finds_all_cells():
    found, outlined = (
        HeldOutScore({0.5: loose, 0.75: strict, 0.9: 0.1}, 4, 40, 40, 30.0)
        for loose, strict in ((0.93, 0.35), (0.90, 0.82))
    )
    assert outlined.value > found.value
