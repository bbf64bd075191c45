"""The published crop classifier: its size, its views of a cell, and that it learns colours."""

import numpy as np
import pytest
import torch

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.stages import LIVE_CELL
from napari_cellcycle.features.sights import Sight
from napari_cellcycle.models.stage.cell_classifier import (
    SIZE,
    CellClassifier,
    CropClassifier,
    lit,
    zero_padded,
)
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.cell_classifier import FIT, train_classifier
from napari_cellcycle.training.stage.colour_turns import _hue_turned, colour_views
from napari_cellcycle.training.stage.crop_examples import Examples


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_it_has_as_many_weights_as_published():
    assert parameters(CellClassifier(2)) == 118_162
    assert CellClassifier(3)(torch.zeros(2, 3, SIZE, SIZE)).shape == (2, 3)
    assert (FIT.epochs, FIT.learning_rate, FIT.schedule) == (250, 1e-3, "constant")


def test_a_crop_has_the_cell_in_the_middle_and_zeros_beyond_the_border():
    image = np.zeros((40, 60, 3), np.uint8)
    image[0, 0], image[30, 50] = 5, 9
    crops = zero_padded(image, np.array([[0.0, 0.0], [30.0, 50.0]]))
    half = SIZE // 2
    assert crops.shape == (2, SIZE, SIZE, 3) and crops.dtype == np.uint8
    assert crops[0, half, half, 0] == 5 and crops[1, half, half, 0] == 9
    assert crops[0, :half].max() == 0 and crops[0].sum() == image.astype(int).sum()


def test_brightness_of_bytes_is_kept_and_of_other_kinds_stretched():
    assert lit(np.array([[0, 51]], np.uint8)).tolist() == [[0, np.float32(0.2)]]
    other = lit(np.linspace(30000, 40000, 10000).reshape(100, 100).astype(np.uint16))
    assert other.min() == 0 and other.max() == 1


def test_views_stay_within_the_range_and_differ():
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    seen, same, other = (
        colour_views(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(seen, same) and not torch.equal(seen, other)
    assert seen.shape == images.shape and seen.min() >= 0 and seen.max() <= 1


def test_hue_turns_red_into_green_and_leaves_grey_alone():
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    assert torch.allclose(_hue_turned(red, torch.zeros(1)), red, atol=1e-6)
    green = _hue_turned(red, torch.tensor([1 / 3])).flatten()
    assert torch.allclose(green, torch.tensor([0.0, 1.0, 0.0]), atol=1e-5)
    grey = torch.full((1, 3, 1, 1), 0.4)
    assert torch.allclose(_hue_turned(grey, torch.tensor([0.2])), grey)


def coloured(n=12):
    """Crops of a bright disc (code 0) or a dim one (code 1)."""
    code = np.arange(n) % 2
    y, x = np.indices((SIZE, SIZE)) - SIZE / 2
    disc = (y**2 + x**2 < 80**2)[None, :, :, None]
    images = disc * np.where(code, 40, 220)[:, None, None, None] * np.ones(3)
    return Examples(images.astype(np.uint8), code, np.arange(n), ("bright", "dim"))


def test_it_learns_bright_from_dim_and_tells_the_cells_of_a_frame():
    examples = coloured()
    quick = FitSettings(**FIT.model_dump() | {"epochs": 15})
    network, history = train_classifier(examples, quick, held_out=examples)
    assert max(epoch.score for epoch in history) == 1.0
    frame = examples.images[0, :, :, 0]
    stack = LabelStack(np.zeros((1, SIZE, SIZE), np.int32))
    middle = np.array([[SIZE / 2, SIZE / 2]])
    sight = Sight(0, np.array([0]), middle, np.array([1]), (frame,), stack, (1.0, 1.0), 100.0)
    two = type(LIVE_CELL)("two", LIVE_CELL.stages[:2], frozenset(), frozenset(), frozenset())
    model = CropClassifier(network, two)
    assert model([sight], np.array([-1])).argmax() == 0
    assert model.tell(examples.images[1:2]).argmax() == 1
    assert model.tell(examples.images[:0]).shape == (0, 2)
