"""Stages told from what is measured of crops: traits, networks that judge them, their files."""

import numpy as np
import pytest
from skimage.io import imsave
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.crop_traits import crop_traits
from napari_cellcycle.models.stage.model import open_stage_model
from napari_cellcycle.pipeline.classify_crops import classify_crops

torch = pytest.importorskip("torch")
from napari_cellcycle.models.rank_net import RankNet, tell  # noqa: E402
from napari_cellcycle.training.fit import FitSettings  # noqa: E402
from napari_cellcycle.training.rank_net import Measured, train_ranks  # noqa: E402

SIZE = 56


def plate(angle=0.0, length=18.0, width=5.0):
    """A bright ellipse in the middle of a crop: a metaphase plate, seen from the side."""
    y, x = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    return (1 / (1 + np.exp(4 * ((along / length) ** 2 + (across / width) ** 2 - 1)))).astype(
        np.float32
    )


def test_traits_do_not_depend_on_brightness_or_on_how_a_cell_lies():
    there = crop_traits(plate()[None])
    assert np.isfinite(there).all()
    assert np.allclose(there, crop_traits(500 * plate()[None] + 1000), atol=1e-3)
    lying = [np.rot90(plate()), plate()[::-1], plate().T]
    for other in lying:
        assert np.abs(crop_traits(other[None].copy()) - there).max() < 0.05
    assert np.abs(crop_traits(plate(width=16.0)[None]) - there).max() > 1, "a round cell differs"


@pytest.mark.parametrize("channels", [1, 2])
def test_a_crop_with_nothing_in_it_is_measured_without_complaint(channels):
    traits = crop_traits(np.zeros((2, channels, SIZE, SIZE), np.float32))
    assert len(traits) == 2 and np.isfinite(traits).all()
    assert crop_traits(np.zeros((0, channels, SIZE, SIZE), np.float32)).shape[0] == 0


def test_networks_learn_a_class_that_few_traits_show_among_many_and_outliers_do_no_harm():
    rng = np.random.default_rng(0)
    traits = rng.normal(size=(300, 60)).astype(np.float32)
    classes = (traits[:, 0] + traits[:, 1] > 0).astype(np.int64)
    traits[::20, 5] = 1e12
    network, history = train_ranks(
        Measured(traits[:200], classes[:200]),
        fit_settings=FitSettings(epochs=40, learning_rate=5e-3, average=0.9),
        classes=2,
    )
    assert history[-1].loss < history[0].loss
    assert (tell(network, traits[200:]).argmax(1) == classes[200:]).mean() > 0.75
    assert tell(network, traits[:0]).shape == (0, 2)


def test_a_trait_that_never_varied_says_nothing_and_outliers_stay_in_bounds():
    network = RankNet(2, 2)
    network.know(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]))
    ranks = network.ranked(torch.tensor([[2.0, 5.0], [1e9, 7.0], [-1e9, 5.0]]))
    assert ranks[0].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert 2 < ranks[1, 0] < 3 and ranks[1, 1] == 0
    assert ranks[2, 0] == pytest.approx(-float(ranks[1, 0]), rel=1e-4)


def test_a_linear_discriminant_judges_beside_the_networks():
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], 40)
    traits = (rng.normal(size=(80, 12)) + 2.0 * classes[:, None]).astype(np.float32)
    network = RankNet(3, 12, linear=True).eval()
    network.know(traits)
    untaught = tell(network, traits)
    network.discriminate(traits, classes, np.ones(80))
    told = tell(network, traits)
    assert (told.argmax(1) == classes).mean() > 0.95 > (untaught.argmax(1) == classes).mean()
    assert told[:, 2].max() <= 0.5, "a class without a cell is told by the networks alone"
    np.testing.assert_allclose(told.sum(1), 1, atol=1e-5)
    with pytest.raises(TypeError, match="linear=True"):
        RankNet(2, 12).discriminate(traits, classes, np.ones(80))


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Round cells and plates, twelve each, with a second channel that says the opposite."""
    root = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    for number in range(12):
        for stage, width in (("round", 16.0), ("plate", 5.0)):
            first = plate(rng.uniform(0, 3), 18 + rng.random(), width + rng.random())
            image = np.stack([first, 1 - first, np.zeros_like(first)], -1)
            image = 200 * image + rng.integers(0, 20, image.shape)
            (root / stage).mkdir(exist_ok=True)
            path = root / stage / f"{number}.png"
            imsave(path, image.astype(np.uint8), check_contrast=False)
    return root


@pytest.mark.parametrize("channel", ["0", "0,1"])
def test_a_measured_model_learns_crops_and_comes_back_from_its_file(crops, tmp_path, channel):
    command = ["train", "stage", str(crops), "--preset", "measured", "--name", "mine", "--out"]
    command += [str(tmp_path), "--epochs", "40", "--channel", channel, "--device", "cpu"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    model = open_stage_model(str(tmp_path / "mine.safetensors"), "cpu")
    assert model.channels == len(channel.split(","))
    told = classify_crops(crops, model)
    table, true = told.table, told.true
    assert (table["stage"].to_numpy(str) == true).mean() > 0.9
    if model.channels > 1:
        with pytest.raises(MissingModel, match="of a movie one"):
            model([], np.zeros(0, np.int64))
        with pytest.raises(MissingModel, match="these crops have 1"):
            model.tell(np.zeros((1, SIZE, SIZE, 1)), 30.0)
    again = CliRunner().invoke(app, [*command, "--start", str(tmp_path / "mine.safetensors"),
                                     "--overwrite"])  # fmt: skip
    assert again.exit_code == 2 and "not taught further" in " ".join(again.output.split())
