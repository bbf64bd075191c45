"""What the segmentation network learns from is true to the masks it is made of."""

import cv2
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
from napari_cellcycle.training.segment.optics import other_optics
from napari_cellcycle.training.segment.weights import train_nuclei

torch = pytest.importorskip("torch")


def disc(size=200, radius=30):
    """One bright disc in the middle, with its mask."""
    y, x = np.indices((size, size)) - size // 2
    masks = ((y**2 + x**2) < radius**2).astype(np.int32)
    image = 100 + 400 * masks + np.random.default_rng(0).normal(0, 5, masks.shape)
    return image.astype(np.uint16), masks


def across(cell):
    """Diameter of the disc with as many pixels."""
    return 2 * np.sqrt(cell.sum() / np.pi)


def test_large_cells_are_stored_smaller_and_small_ones_as_they_are():
    made = example(*disc(radius=30), diameter_px=60)
    assert made.image.shape == (147, 147)
    assert made.maps.shape == (147, 147, 4)
    assert across(made.maps[..., 2] > 0.5) == pytest.approx(STORED_PX, rel=0.03)
    assert made.diameter_px == pytest.approx(STORED_PX)
    small = example(*disc(radius=10), diameter_px=20)
    assert small.image.shape == (200, 200)
    assert small.diameter_px == 20


def test_crops_show_cells_at_the_sizes_asked_for_but_never_much_enlarged():
    large, small = example(*disc(), diameter_px=60), example(*disc(radius=5), diameter_px=10)
    rng = np.random.default_rng(0)
    for _ in range(8):
        assert 11 < across(varied_crop(large, rng, 96, (12.0, 30.0))[1][2] > 0.5) < 31
        assert across(varied_crop(small, rng, 96, (12.0, 30.0))[1][2] > 0.5) < 21


def test_fluorescent_cells_are_also_shown_unstained():
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(example(*disc(), diameter_px=60).image, (0, 0), 2)
    for _ in range(6):
        shown = other_optics(image, 44, rng)
        assert shown.shape == image.shape
        assert abs(np.corrcoef(shown.ravel(), image.ravel())[0, 1]) < 0.98
        assert np.percentile(shown, [1, 99]) == pytest.approx([0, 1], abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_flows_turn_with_the_image(seed):
    image, maps = varied_crop(
        example(*disc(), diameter_px=60), np.random.default_rng(seed), 96, (12.0, 18.0)
    )
    assert image.shape == (96, 96)
    cell = maps[2] > 0.9
    expected = flows_of((maps[2] > 0.5).astype(np.int32))[:, cell]
    found = maps[:2, cell]
    found = found / np.maximum(np.linalg.norm(found, axis=0), 1e-6)
    assert cell.sum() > 50
    assert np.median((expected * found).sum(axis=0)) > 0.95


def test_nothing_is_learned_around_tracked_cells_without_a_mask(tmp_path):
    known = known_in(tmp_path / "Fluo" / "01")
    assert known[8, 8] == 0
    assert known[80, 80] == known[2, 140] == 1


def test_nothing_is_learned_in_the_rim_that_the_truth_leaves_out(tmp_path):
    known = known_in(tmp_path / "Fluo-N2DL-HeLa" / "01")
    assert known[2, 140] == 0
    assert known[80, 80] == known[30, 120] == 1


def known_in(sequence):
    """Where the truth is known in a sequence with one cell, and one that has no mask."""
    image, masks = disc()
    markers = masks.copy()
    markers[10:14, 10:14] = 2
    for folder, name, array in (
        (sequence, "t000", image),
        (sequence.with_name("01_ST") / "SEG", "man_seg000", masks),
        (sequence.with_name("01_GT") / "TRA", "man_track000", markers),
    ):
        folder.mkdir(parents=True)
        tifffile.imwrite(folder / f"{name}.tif", array.astype(np.uint16))
    (made,) = challenge_examples(sequence)
    return made.maps[..., 3]


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
