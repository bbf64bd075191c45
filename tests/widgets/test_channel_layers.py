"""Movies of several channels in one layer, as napari opens TIFF files, and models of colours."""

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.core.if_images import TINY_QUERIES

from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.models.segment.query.model import DEFAULT, QuerySegmenter
from napari_cellcycle.models.store import ModelCard, save_model


@pytest.fixture
def stacked(viewer, dock):
    """The sample's cells in the second of two channels of one layer."""
    movie = open_movie(sample_path())
    pixels = np.stack([movie.frame(time) for time in range(6)])
    viewer.add_image(np.stack([np.zeros_like(pixels), pixels], axis=1), name="two")
    return dock


@pytest.fixture
def coloured(viewer, dock, tmp_path):
    """A movie of three channels, and a model that looks at all of them."""
    torch.manual_seed(0)
    card = ModelCard(name="mine", kind="segment", architecture=DEFAULT, settings=TINY_QUERIES)
    model = save_model(QuerySegmenter.network_of(card).state_dict(), card, tmp_path)
    pixels = np.random.default_rng(0).integers(0, 99, (3, 3, 80, 90)).astype(np.uint8)
    viewer.add_image(pixels, name="three")
    return dock, str(model.path)


def choose(box, row):
    """Choose a row as a user does, by keys."""
    box.setFocus()
    for _ in range(box.count()):
        QTest.keyClick(box, Qt.Key.Key_Up)
    for _ in range(row):
        QTest.keyClick(box, Qt.Key.Key_Down)


def test_masks_follow_the_time_of_a_movie_whose_channels_were_in_one_layer(viewer, stacked, run):
    choose(stacked.picker.channels, 1)
    chosen = stacked.picker.channel
    stacked.picker.pixel.setValue(0.25)
    stacked.segment.model.setCurrentText("threshold")
    run(stacked, stacked.segment.run_button, timeout=120_000)
    assert "two" not in viewer.layers and stacked.picker.channel == chosen
    empty, images = viewer.layers[:2]
    masks = viewer.layers[f"{images.name} cells"]
    assert images.data.shape == masks.data.shape == (6, 288, 288) and viewer.dims.ndim == 3
    assert not empty.data.any() and images.name.endswith(chosen)
    for frame in (1, 4):
        viewer.dims.set_current_step(0, frame)
        assert (images.get_value((frame, 9, 9)), masks.get_value((frame, 9, 9))) == (
            images.data[frame, 9, 9],
            masks.data[frame, 9, 9],
        )
    experiment = stacked.session.experiment
    assert experiment.movie.pixel_size == (0.25, 0.25)
    assert experiment.movie.channels == stacked.picker.movie.channels
    assert experiment.history[-1].settings["channel"] == chosen
    assert np.unique(masks.data).size > 10, "cells are found in the channel that shows them"


def test_a_model_of_colours_gets_all_channels_unless_one_is_chosen(coloured):
    dock, model = coloured
    assert dock.settings("segment").channel == dock.picker.movie.channels[0]
    dock.segment.model.setCurrentText(model)
    assert dock.picker.channels.currentText() == "all channels"
    assert dock.settings("segment").channel is dock.settings("classify").channel is None
    dock.segment.model.setCurrentText("cellcycle-nuclei")
    assert dock.settings("segment").channel == dock.picker.movie.channels[0]
    choose(dock.picker.channels, 2)
    dock.segment.model.setCurrentText(model)
    assert dock.settings("segment").channel == dock.picker.movie.channels[2]


def test_the_preview_of_a_model_of_colours_sees_all_channels(coloured, qtbot):
    dock, model = coloured
    dock.segment.model.setCurrentText(model)
    with qtbot.waitSignal(dock.preview.shown, timeout=60_000) as shown:
        dock.segment.preview_button.click()
    in_all = shown.args[0].map
    with qtbot.waitSignal(dock.preview.shown, timeout=120_000) as shown:
        choose(dock.picker.channels, 0)
    assert in_all.shape == shown.args[0].map.shape
    assert not np.allclose(in_all, shown.args[0].map)
