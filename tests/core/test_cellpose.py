"""Cellpose through the one adapter: files, odd images, and what a training learns from."""

from importlib.metadata import version

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import UNKNOWN, Annotated
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.models.segment import open_segmenter
from napari_cellcycle.models.segment.cellpose import CellposeSegmenter
from napari_cellcycle.models.segment.quiet import cellpose_module
from napari_cellcycle.training.segment.cellpose_settings import (
    PAPER,
    CellposeSettings,
    filled,
    fit_settings,
    optimiser_of,
)
from napari_cellcycle.training.segment.cellpose_task import Shown, crop, flow_loss, prepare

torch = pytest.importorskip("torch")
CPU = torch.device("cpu")
MAJOR = int(version("cellpose").split(".")[0])
needs_3 = pytest.mark.skipif(MAJOR >= 4, reason="files of Cellpose 3")
FIND_ALL = {"cell_threshold": -6.0, "flow_threshold": 0.0, "diameter": 12.0}


def narrow_network(path, channels=2):
    """A network of Cellpose's architecture with few and random weights, for cells of 12 pixels."""
    torch.manual_seed(0)
    network = cellpose_module("resnet_torch").CPnet([channels, 4, 8, 16, 256], 3, sz=3)
    network.diam_mean.data.fill_(12.0)
    network.diam_labels.data.fill_(12.0)
    network.save_model(str(path))
    return path


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    return narrow_network(tmp_path_factory.mktemp("models") / "narrow")


@needs_3
@pytest.mark.parametrize("shape", [(20, 33), (1, 40), (3, 5), (1, 20, 30), (3, 20, 30)])
def test_masks_have_the_shape_of_the_image_however_small(narrow, shape):
    settings = SegmentSettings(model=str(narrow), **FIND_ALL)
    image = np.random.default_rng(0).poisson(50, shape).astype(np.uint16)
    pixel = (4.0, 1.0, 1.0)[-len(shape) :]
    masks = open_segmenter(settings, CPU)(image, pixel, settings)
    assert masks.shape == shape
    assert masks.dtype == np.int32


@needs_3
def test_the_unit_of_brightness_makes_no_difference(narrow):
    settings = SegmentSettings(model=str(narrow), **FIND_ALL)
    segmenter = open_segmenter(settings, CPU)
    image = np.random.default_rng(0).normal(0, 1, (48, 48))
    masks = segmenter(image, (1.0, 1.0), settings)
    assert masks.any()
    assert np.array_equal(segmenter(image * 2.0**-20, (1.0, 1.0), settings), masks)


@needs_3
def test_an_image_of_several_channels_is_refused_in_a_sentence(narrow):
    settings = SegmentSettings(model=str(narrow))
    with pytest.raises(BadInput, match="choose the channel that shows the cells"):
        open_segmenter(settings, CPU)(np.ones((5, 20, 20)), (1.0, 1.0), settings)


@needs_3
def test_a_network_that_looks_at_one_channel_runs_and_one_with_five_is_refused(tmp_path):
    settings = SegmentSettings(model=str(narrow_network(tmp_path / "one", 1)), **FIND_ALL)
    image = np.random.default_rng(0).poisson(50, (20, 20))
    assert open_segmenter(settings, CPU)(image, (1.0, 1.0), settings).shape == (20, 20)
    five = narrow_network(tmp_path / "five", 5)
    with pytest.raises(MissingModel, match="looks at 5 channels at once"):
        CellposeSegmenter(str(five), CPU)


def squares(unknown=()):
    """An image with two bright square cells, the second of which may be unknown."""
    masks = np.zeros((60, 80), np.int32)
    masks[10:22, 10:22] = 1
    masks[30:42, 50:62] = 2
    image = 10.0 + 50.0 * (masks > 0)
    for value in unknown:
        masks[masks == value] = UNKNOWN
    return Annotated(image, masks, "squares", "t0")


def one(image, **more):
    return prepare([image], lambda _: 12.0, **more)[0]


def test_crops_turn_the_flow_with_the_cells():
    source, shown = one(squares()), Shown(96, 12.0, 0.25, 2)
    grid = np.indices((96, 96))
    for seed in range(6):
        image, maps = crop(source, np.random.default_rng(seed), shown)
        inside = maps[2] > 0.99
        assert inside.sum() > 50
        assert image[inside].mean() > image[maps[2] < 0.01].mean() + 0.5
        step = np.round(grid + 2 * maps[:2]).astype(int)[:, inside]
        assert (maps[2][tuple(np.clip(step, 0, 95))] > 0.5).mean() > 0.95


def test_cells_come_in_crops_at_the_size_that_the_network_works_at():
    source = one(squares(unknown=(2,)))
    areas = [
        (crop(source, np.random.default_rng(seed), Shown(128, 24.0, 0.0, 2))[1][2] > 0.5).sum()
        for seed in range(3)
    ]
    assert areas == pytest.approx([4 * 144] * 3, rel=0.1)


def test_the_loss_is_that_of_cellpose_where_all_is_known():
    train = cellpose_module("train")
    rng = np.random.default_rng(0)
    maps = np.stack([crop(one(squares()), rng, Shown(96, 12.0, 0.25, 2))[1] for _ in range(3)])
    out = torch.from_numpy(rng.normal(0, 2, (3, 3, 96, 96)).astype(np.float32))
    targets = maps[:, [2, 0, 1]]
    theirs = (
        train._loss_fn_seg(targets, out, CPU)
        if MAJOR < 4
        else train._loss_fn_seg(torch.from_numpy(targets), out, CPU)
    )
    assert float(flow_loss(out, torch.from_numpy(maps))) == pytest.approx(float(theirs), rel=1e-5)


def test_what_the_network_says_of_unknown_pixels_costs_nothing():
    maps = crop(one(squares(unknown=(2,))), np.random.default_rng(2), Shown(96, 12.0, 0.0, 2))[1]
    unknown = torch.from_numpy(maps[3] > 0.5)
    assert unknown.sum() > 50
    out = torch.zeros(1, 3, 96, 96)
    wrong = out.masked_fill(unknown, 30.0)
    batch = torch.from_numpy(maps)[None]
    assert float(flow_loss(wrong, batch)) == float(flow_loss(out, batch))
    assert float(flow_loss(out + 30.0, batch)) > float(flow_loss(out, batch)) + 1


def test_channels_of_an_image_are_chosen_by_number_or_mixed():
    flat = squares()
    colour = Annotated(np.stack([0 * flat.image, flat.image]), flat.masks, "squares", "t0")
    assert np.array_equal(one(colour, channel="1").image, one(flat).image)
    assert not one(colour).image.any()
    assert np.allclose(one(colour, channel="grey").image, one(flat).image, atol=1e-3)
    with pytest.raises(BadInput, match="2 channels"):
        one(colour, channel="5")


def test_the_papers_settings_are_those_of_its_training_script():
    network = torch.nn.Linear(2, 2)
    optimiser = optimiser_of(PAPER)(network)
    assert isinstance(optimiser, torch.optim.SGD)
    assert (PAPER.epochs, PAPER.batch_size, PAPER.rescale, PAPER.crop_px) == (500, 8, True, 224)
    assert [optimiser.defaults[name] for name in ("lr", "weight_decay", "momentum")] == [
        0.2, 1e-5, 0.9,
    ]  # fmt: skip
    assert fit_settings(PAPER).schedule == "halving"


@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("radam", "RAdam"), ("sgd", "SGD")])
def test_an_optimiser_is_chosen_by_name(name, kind):
    settings = filled(CellposeSettings(optimiser=name), 3)
    assert type(optimiser_of(settings)(torch.nn.Linear(2, 2))).__name__ == kind


def test_empty_settings_are_filled_by_the_version_and_version_4_takes_one_side_only():
    assert filled(CellposeSettings(), 3).crop_px == 224
    four = filled(CellposeSettings(batch_size=2), 4)
    assert (four.crop_px, four.batch_size, four.rescale) == (256, 2, False)
    assert four.learning_rate == pytest.approx(1e-5)
    with pytest.raises(BadInput, match="only learn from crops of 256"):
        filled(CellposeSettings(crop_px=224), 4)
