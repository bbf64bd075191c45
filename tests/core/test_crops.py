"""Crops show the cell they are centred on, whatever its size and wherever it lies."""

import numpy as np
import pytest

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crops import crops, median_diameter
from napari_cellcycle.io.crop_folders import read_crops


def ramp(ndim, size=40):
    """An image whose value is the sum of its coordinates."""
    return np.indices((size,) * ndim).sum(axis=0).astype(np.uint16)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_window_of_the_same_size_copies_pixels(ndim):
    image = ramp(ndim)
    found = crops(image, np.full((1, ndim), 20.0), 9.0, 9)[0]
    np.testing.assert_allclose(found, image[(slice(16, 25),) * ndim])


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("side", [6.0, 9.0, 18.0])
def test_the_middle_of_a_crop_is_the_centre_of_the_cell(ndim, side):
    centres = np.random.default_rng(0).uniform(15, 25, (5, ndim))
    found = crops(ramp(ndim), centres, side, 9)
    np.testing.assert_allclose(found[(slice(None), *(4,) * ndim)], centres.sum(axis=1), rtol=1e-5)


def test_each_axis_can_have_its_own_window():
    found = crops(ramp(3), np.full((2, 3), 20.0), (3.0, 8.0, 8.0), (3, 16, 16))
    assert found.shape == (2, 3, 16, 16)


def test_beyond_the_border_the_image_is_mirrored():
    found = crops(ramp(2), np.array([[0.0, 20.0]]), 9.0, 9)[0]
    np.testing.assert_allclose(found[:4], found[:4:-1])


def test_beyond_the_border_there_can_be_background():
    image = np.full((40, 40), 7.0)
    image[:4] = 100
    found = crops(image, np.array([[0.0, 20.0]]), 9.0, 9, padding="background")[0]
    assert (found[:4] == 7).all()
    assert (found[4:8] == 100).all()


def test_shrinking_averages_fine_grain():
    noise = np.random.default_rng(0).normal(100, 10, (200, 200))
    found = crops(noise, np.array([[100.0, 100.0]]), 120.0, 30)
    assert found.std() < 4
    assert found.mean() == pytest.approx(100, abs=1)


def test_no_cells_give_no_crops():
    assert crops(ramp(2), np.zeros((0, 2)), 9.0, 9).shape == (0, 9, 9)


def test_a_frame_of_one_pixel_can_be_cropped():
    assert (crops(np.full((1, 1), 3), np.zeros((1, 2)), 4.0, 4) == 3).all()


@pytest.mark.parametrize(("ndim", "pixel_size"), [(2, (0.5, 0.5)), (3, (2.0, 0.5, 0.5))])
def test_the_median_diameter_is_that_of_discs_and_balls(ndim, pixel_size):
    radius = 6.0
    grid = np.indices((int(20 / pixel_size[0]), *(40,) * (ndim - 1)))
    away = sum(
        ((g - n // 2) * s) ** 2 for g, n, s in zip(grid, grid.shape[1:], pixel_size, strict=True)
    )
    labels = LabelStack((away < radius**2)[None].astype(np.int32))
    assert median_diameter(labels, pixel_size) == pytest.approx(2 * radius, rel=0.05)


def test_masks_without_cells_have_some_diameter():
    assert median_diameter(LabelStack(np.zeros((2, 8, 8), np.int32)), (0.5, 0.5)) > 0


def write(folder, name, image):
    from skimage.io import imsave

    (folder / name).parent.mkdir(exist_ok=True)
    imsave(folder / name, image, check_contrast=False)


def test_folders_of_crops_are_read_with_their_stage_and_group(tmp_path):
    for number, stage in enumerate(("inter", "meta", "meta")):
        write(tmp_path, f"{stage}/{number}.png", np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "index.csv").write_text(
        "path,label,group\ninter/0.png,inter,4\nmeta/1.png,meta,4\nmeta/2.png,meta,5\n"
    )
    found = read_crops(tmp_path, {"meta": "metaphase"})
    assert found.stage.tolist() == ["metaphase", "metaphase"]
    assert found.group.tolist() == [4, 5]
    assert found.images[:, 0, 0].tolist() == [1, 2]
    (tmp_path / "index.csv").unlink()
    assert read_crops(tmp_path).group.tolist() == [0, 1, 2]


def test_folders_without_crops_are_refused(tmp_path):
    with pytest.raises(BadInput, match="one subfolder of images for each stage"):
        read_crops(tmp_path)
