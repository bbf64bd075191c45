"""What the frame model learns from: whole groups apart, views of crops, fragments, and a fit."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.models.stage.frame import SIZE, FrameNetwork
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.crop_examples import (
    Examples,
    deal,
    real_examples,
    simulated_examples,
)
from napari_cellcycle.training.stage.fragments import draw_fragments
from napari_cellcycle.training.stage.frame import (
    H2B_CROPS,
    StageTask,
    StageTaskSettings,
    train_network,
)
from napari_cellcycle.training.stage.head import fit_head
from napari_cellcycle.training.stage.turns import ViewSettings, views

DATA = Path(os.environ.get("CELLCYCLE_DATA", "../shared/data")) / H2B_CROPS


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def dots(n=60):
    """Crops of a small bright dot (code 6) or a large one (code 0), in groups of three."""
    rng = np.random.default_rng(0)
    y, x = np.indices((84, 84)) - 41.5
    code = np.repeat(rng.integers(0, 2, n // 3) * 6, 3)
    radius = np.where(code == 6, 5, 15)[:, None, None]
    images = (y**2 + x**2 < radius**2) + 0.05 * rng.random((n, 84, 84))
    return Examples(images.astype(np.float32), code, np.arange(n) // 3)


def test_groups_are_never_split_and_parts_are_alike():
    examples = dots(300)
    part = deal(examples, 3)
    assert all(len(set(part[examples.group == g])) == 1 for g in np.unique(examples.group))
    share = [np.bincount(examples.code[part == p], minlength=7)[[0, 6]] for p in range(3)]
    assert np.ptp(share, axis=0).max() <= 3
    assert (deal(examples, 3) == part).all()


def test_views_have_the_networks_size_and_differ():
    images = torch.from_numpy(dots().images)
    seen = views(images, ViewSettings(), torch.Generator().manual_seed(0))
    again = views(images, ViewSettings(), torch.Generator().manual_seed(0))
    other = views(images, ViewSettings(), torch.Generator().manual_seed(1))
    assert seen.shape == (60, SIZE, SIZE)
    assert torch.equal(seen, again)
    assert not torch.equal(seen, other)


def test_channels_are_moved_alike_and_sometimes_dark():
    images = torch.from_numpy(dots().images)
    plain = ViewSettings(gamma=0, blur=0.01, grain=0, shade=0, darkness=0)
    seen = views(torch.stack([images, images], 1), plain, torch.Generator().manual_seed(0))
    assert seen.shape == (60, 2, SIZE, SIZE)
    assert torch.allclose(seen[:, 0], seen[:, 1], atol=1e-4)
    both, always = torch.stack([images, images], 1), ViewSettings(darkness=1)
    dark = views(both, always, torch.Generator().manual_seed(0))
    assert (dark[:, 1] == 0).all() and (dark[:, 0] > 0.5).any()


def test_a_network_of_two_channels_does_without_the_second():
    network = FrameNetwork(3, 4, channels=2, levels=True).eval()
    images = torch.from_numpy(dots(6).windows())
    dark = torch.stack([images, torch.zeros_like(images)], 1)
    assert torch.allclose(network(images), network(dark), atol=1e-5)


def test_the_last_layer_alone_learns_large_from_small_in_seconds():
    examples = dots()
    network = FrameNetwork(7, 4, levels=True)
    fit_head(network, examples, np.ones(len(examples)))
    assert StageTask(examples, None, examples).score(network) > 0.95


def test_fragments_fill_the_crop_with_light():
    images = draw_fragments(5, 84, 40.0)
    assert images.shape == (5, 84, 84)
    assert np.isfinite(images).all()
    assert (images.max(axis=(1, 2)) > 0.7).all()
    assert len(draw_fragments(0, 84, 40.0)) == 0


def test_simulated_movies_give_examples_of_rare_stages():
    examples = simulated_examples([1003])
    assert set(examples.code) == set(range(len(H2B)))
    assert examples.windows().shape == (len(examples), SIZE, SIZE)


def test_a_network_learns_large_from_small():
    examples = dots()
    short = FitSettings(epochs=4, learning_rate=3e-3)
    network, _ = train_network(examples, None, short, StageTaskSettings(batches=15, batch_size=16))
    assert StageTask(examples, None, examples).score(network) > 0.9


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the H2B crops in {DATA}")
def test_real_crops_are_read_with_their_cells():
    examples = real_examples(DATA)
    assert len(examples) == 683
    assert np.bincount(examples.code).tolist() == [147, 75, 56, 77, 90, 98, 140]
    assert len(np.unique(examples.group)) == 159


def test_the_shipped_model_knows_the_stages_of_h2b():
    card = find_model("frame", "stage").card
    assert stages_of(card).names == H2B.names
