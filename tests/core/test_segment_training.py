"""What the segmentation network learns from is true to the masks it is made of."""

import numpy as np
import pytest
import tifffile

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.segment.dynamics import flows_of
from napari_cellcycle.training.fit import FitSettings, fit
from napari_cellcycle.training.segment.examples import (
    STORED_PX,
    challenge_examples,
    example,
    varied_crop,
)
from napari_cellcycle.training.segment.flow import SegmentTask
from napari_cellcycle.training.segment.weights import train_nuclei

torch = pytest.importorskip("torch")


def disc(size=200, radius=30):
    """One bright disc in the middle, with its mask."""
    y, x = np.indices((size, size)) - size // 2
    masks = ((y**2 + x**2) < radius**2).astype(np.int32)
    image = 100 + 400 * masks + np.random.default_rng(0).normal(0, 5, masks.shape)
    return image.astype(np.uint16), masks


def test_examples_are_stored_at_one_nucleus_size():
    made = example(*disc(), diameter_px=60)
    assert made.image.shape == (67, 67)
    assert made.maps.shape == (67, 67, 4)
    across = 2 * np.sqrt(made.maps[..., 2].sum() / np.pi)
    assert across == pytest.approx(STORED_PX, rel=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_flows_turn_with_the_image(seed):
    image, maps = varied_crop(
        example(*disc(), diameter_px=60), np.random.default_rng(seed), 96, 15.0
    )
    assert image.shape == (96, 96)
    cell = maps[2] > 0.9
    expected = flows_of((maps[2] > 0.5).astype(np.int32))[:, cell]
    found = maps[:2, cell]
    found = found / np.maximum(np.linalg.norm(found, axis=0), 1e-6)
    assert cell.sum() > 50
    assert np.median((expected * found).sum(axis=0)) > 0.95


def test_nothing_is_learned_around_tracked_cells_without_a_mask(tmp_path):
    image, masks = disc()
    markers = masks.copy()
    markers[10:14, 10:14] = 2
    sequence = tmp_path / "Fluo" / "01"
    for folder, name, array in (
        (sequence, "t000", image),
        (sequence.with_name("01_ST") / "SEG", "man_seg000", masks),
        (sequence.with_name("01_GT") / "TRA", "man_track000", markers),
    ):
        folder.mkdir(parents=True)
        tifffile.imwrite(folder / f"{name}.tif", array.astype(np.uint16))
    (made,) = challenge_examples(sequence)
    known = made.maps[..., 3]
    assert known[4, 4] == 0
    assert known[33, 33] == known[60, 60] == 1


def test_a_small_network_learns_a_disc():
    from napari_cellcycle.models.segment.network import FlowNet

    torch.manual_seed(0)
    task = SegmentTask(
        [example(*disc(), diameter_px=60)],
        np.ones(1),
        batches_per_epoch=6,
        batch_size=2,
        side_px=64,
    )
    history = fit(FlowNet((8, 16)), task, FitSettings(epochs=4, learning_rate=1e-2))
    assert history[-1].loss < 0.7 * history[0].loss


def test_training_on_recordings_needs_recordings(tmp_path):
    with pytest.raises(BadInput, match="set CELLCYCLE_DATA"):
        train_nuclei(tmp_path, data=tmp_path / "nowhere")
