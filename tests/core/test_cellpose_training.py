"""Teaching Cellpose networks of version 3: narrow ones, with random weights, on drawn discs."""

import json
from importlib.metadata import version

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.segmentation import score_masks
from napari_cellcycle.models.segment import open_segmenter
from napari_cellcycle.models.segment.quiet import cellpose_module
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.segment.cellpose import fine_tune
from napari_cellcycle.training.segment.cellpose_settings import CellposeSettings

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    int(version("cellpose").split(".")[0]) >= 4, reason="networks of Cellpose 3"
)
CPU = torch.device("cpu")
QUICK = CellposeSettings(epochs=2, images_per_epoch=2, crop_px=64, batch_size=2)
RADIUS = 6.0


def discs(seed, side=64, count=6):
    """Bright discs of about 12 pixels, well apart."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((side, side), np.int32)
    y, x = np.indices(masks.shape)
    while masks.max() < count:
        centre, radius = rng.uniform(RADIUS, side - RADIUS, 2), RADIUS * rng.uniform(0.85, 1.15)
        away = np.hypot(y - centre[0], x - centre[1])
        if not masks[away <= radius + 2].any():
            masks[away <= radius] = masks.max() + 1
    image = rng.normal(100, 5, masks.shape) + 60 * (masks > 0)
    return Annotated(image.astype(np.float32), masks, "discs", f"t{seed:03d}")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A network of Cellpose's architecture with few and random weights, for cells of 12 pixels."""
    path = tmp_path_factory.mktemp("models") / "random"
    torch.manual_seed(0)
    network = cellpose_module("resnet_torch").CPnet([2, 8, 16, 32, 256], 3, sz=3)
    network.diam_mean.data.fill_(2 * RADIUS)
    network.diam_labels.data.fill_(40.0)
    network.save_model(str(path))
    return str(path)


@pytest.fixture(scope="module")
def taught(base, tmp_path_factory):
    """A network that learned from four images for some seconds, and what was kept aside."""
    out = tmp_path_factory.mktemp("taught") / "discs.cellpose"
    settings = CellposeSettings(
        epochs=8, images_per_epoch=32, crop_px=64, batch_size=4, learning_rate=0.01, score_every=4
    )
    aside = [discs(100), discs(101)]
    result = fine_tune(
        [discs(seed) for seed in range(4)],
        aside,
        settings,
        base=base,
        out=out,
        device="cpu",
        told={"data": ["discs"]},
    )
    return result, aside


def found(path, image, **more):
    settings = SegmentSettings(model=str(path), **more)
    return open_segmenter(settings, CPU)(image.image, (1.0, 1.0), settings)


def test_a_network_that_knows_nothing_learns_to_find_discs(base, taught):
    result, aside = taught
    before = sum(
        score_masks(found(base, image, diameter=12), image.masks).precision[0.5] for image in aside
    )
    after = sum(
        score_masks(found(result.path, image, diameter=12), image.masks).precision[0.5]
        for image in aside
    )
    assert after / 2 > before / 2 + 0.4
    losses = [epoch.held_out_loss for epoch in result.history]
    assert losses[-1] < 0.6 * losses[0]
    scores = [epoch.precision for epoch in result.history]
    assert max(score for score in scores if score is not None) == pytest.approx(after / 2, abs=0.02)
    assert [score is not None for score in scores] == [False] * 3 + [True] + [False] * 3 + [True]


def test_the_size_of_the_cells_is_kept_with_the_model(taught):
    result, aside = taught
    assert result.diameter_px == pytest.approx(2 * RADIUS, rel=0.1)
    card = json.loads(result.path.with_suffix(".json").read_text())
    assert card["settings"]["diameter px"] == pytest.approx(result.diameter_px, abs=0.01)
    assert card["data"] == ["discs"]
    assert len(card["settings"]["training"]["epochs done"]["loss"]) == 8
    state = torch.load(result.path, weights_only=True)
    assert float(state["diam_labels"]) == pytest.approx(result.diameter_px)
    settings = SegmentSettings(model=str(result.path))
    segmenter = open_segmenter(settings, CPU)
    assert segmenter.learned_px == pytest.approx(result.diameter_px)
    size = segmenter.find_diameter([aside[0].image], (0.5, 0.5), settings)
    assert size == pytest.approx(RADIUS, rel=0.2)


def weights(path):
    return torch.load(path, weights_only=True)


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_an_interrupted_training_ends_with_the_same_weights(base, tmp_path):
    images, aside = [discs(0), discs(1)], [discs(100)]

    def run(name, checkpoint=None, **more):
        out = tmp_path / name
        return fine_tune(
            images, aside, QUICK, base=base, out=out, device="cpu", checkpoint=checkpoint, **more
        )

    whole = run("whole")
    asked = []

    def after_one():
        asked.append(1)
        return True

    run("part", Checkpoint(tmp_path / "state"), is_over=after_one)
    assert len(asked) == 1
    rest = run("part", Checkpoint(tmp_path / "state"))
    assert same(weights(whole.path), weights(rest.path))
    assert [e.held_out_loss for e in rest.history] == [e.held_out_loss for e in whole.history]
    with pytest.raises(BadInput, match="with other teaching"):
        fine_tune(
            images,
            aside,
            QUICK.model_copy(update={"rescale": False}),
            base=base,
            out=tmp_path / "other",
            device="cpu",
            checkpoint=Checkpoint(tmp_path / "state"),
        )


def test_a_cancelled_training_leaves_the_best_so_far(base, tmp_path):
    def stop_in_the_second_epoch(done, total, message=""):
        if message.startswith("Training") and done == 1:
            raise Cancelled

    images, aside = [discs(0)], [discs(100)]
    out = tmp_path / "cancelled"
    with pytest.raises(Cancelled):
        fine_tune(
            images, aside, QUICK, base=base, out=out, device="cpu",
            progress=stop_in_the_second_epoch,
        )  # fmt: skip
    one = fine_tune(
        images, aside, QUICK, base=base, out=tmp_path / "one", device="cpu", is_over=lambda: True
    )
    assert same(weights(out), weights(one.path))
    assert found(out, aside[0], diameter=12).shape == (64, 64)


def test_without_rescaling_the_network_works_at_the_size_of_its_cells(base, tmp_path):
    settings = QUICK.model_copy(update={"rescale": False, "epochs": 1})
    result = fine_tune([discs(0)], (), settings, base=base, out=tmp_path / "own", device="cpu")
    assert float(weights(result.path)["diam_mean"]) == pytest.approx(result.diameter_px)
    assert result.history[0].held_out_loss is None


def test_what_cannot_be_learned_from_is_told_in_a_sentence(base, tmp_path):
    empty = Annotated(np.ones((20, 20)), np.zeros((20, 20), np.int32), "empty", "t0")
    with pytest.raises(BadInput, match="has a cell in it"):
        fine_tune([empty], (), base=base, out=tmp_path / "m", device="cpu")
    with pytest.raises(BadInput, match="the most is 6"):
        fine_tune([discs(0)], (), CellposeSettings(least_masks=7), base=base, out=tmp_path / "m")
    with pytest.raises(BadInput, match=r"end it in \.cellpose"):
        fine_tune([discs(0)], (), base=base, out=tmp_path / "m.safetensors")
