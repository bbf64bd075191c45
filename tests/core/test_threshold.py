"""The segmenter that needs no network."""

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.models.segment.dynamics import fill_holes, tidy
from napari_cellcycle.models.segment.threshold import ThresholdSegmenter


def discs(ndim, *centres, radius=7, shape=(30, 90, 90), spacing=1.0, noise=4.0):
    """Bright discs or balls of this radius in micrometres, one micrometre a pixel in y and x."""
    shape = shape[-ndim:]
    grid = np.indices(shape, float)
    units = (spacing, 1.0, 1.0)[-ndim:]
    truth = np.zeros(shape, np.int32)
    for number, centre in enumerate(centres, start=1):
        away = sum(((g - c) * u) ** 2 for g, c, u in zip(grid, centre[-ndim:], units, strict=True))
        truth[away <= radius**2] = number
    rng = np.random.default_rng(0)
    image = 32768 + 100 * (truth > 0) + rng.normal(50, noise, shape)
    return image.astype(np.uint16), truth


CENTRES = ((15, 20, 20), (15, 20, 60), (15, 65, 30))


@pytest.mark.parametrize("ndim", [2, 3])
def test_bright_cells_are_found_with_their_size(ndim):
    image, truth = discs(ndim, *CENTRES)
    segmenter = ThresholdSegmenter()
    pixel_size = (1.0,) * ndim
    masks = segmenter(image, pixel_size, SegmentSettings())
    assert masks.dtype == np.int32
    assert masks.max() == 3
    assert np.mean((masks > 0) == (truth > 0)) > 0.97
    found = segmenter.find_diameter([image], pixel_size, SegmentSettings())
    assert found == pytest.approx(14, rel=0.15)


@pytest.mark.parametrize("ndim", [2, 3])
def test_touching_cells_are_parted(ndim):
    image, _ = discs(ndim, (15, 40, 30), (15, 40, 43))
    masks = ThresholdSegmenter()(image, (1.0,) * ndim, SegmentSettings(diameter=14))
    assert masks.max() == 2


def test_flat_voxels_do_not_split_cells():
    image, _ = discs(3, (7, 20, 20), (7, 65, 60), shape=(15, 90, 90), spacing=3.0)
    masks = ThresholdSegmenter()(image, (3.0, 1.0, 1.0), SegmentSettings(diameter=14))
    assert masks.max() == 2


def test_cells_are_found_alike_in_half_precision():
    image = (discs(2, *CENTRES)[0] - 32768).astype(np.float16)
    segmenter, settings = ThresholdSegmenter(), SegmentSettings()
    masks = segmenter(image, (1.0, 1.0), settings)
    assert masks.max() == 3
    assert np.array_equal(masks, segmenter(image.astype(np.float32), (1.0, 1.0), settings))


def test_an_image_of_one_value_holds_no_cells():
    image = np.full((40, 40), 7, np.uint8)
    assert not ThresholdSegmenter()(image, (1.0, 1.0), SegmentSettings()).any()
    assert ThresholdSegmenter().find_diameter([image], (1.0, 1.0), SegmentSettings()) is None


def test_a_hole_is_filled_only_if_one_mask_surrounds_it():
    masks = np.zeros((20, 20), np.int32)
    masks[2:9, 2:9], masks[9:15, 2:9] = 3, 7
    masks[4:6, 4:6] = masks[12, 4] = masks[8:10, 5:7] = 0
    filled = fill_holes(masks)
    assert (filled[4:6, 4:6] == 3).all()
    assert filled[12, 4] == 7
    assert (filled[8:10, 5:7] == 0).all()


def test_tidy_keeps_the_largest_piece_of_each_mask_and_numbers_them():
    masks = np.zeros((20, 20), np.int32)
    masks[2:9, 2:9] = masks[18:, 18:] = 5
    masks[11:15, 11:15] = 70_000
    masks[18, 2] = 9
    tidied = tidy(masks, least_size_px=4)
    assert np.unique(tidied).tolist() == [0, 1, 2]
    assert (tidied[2:9, 2:9] == 1).all()
    assert not tidied[18:].any()
