"""Cells are measured right, in 2D and in 3D, whatever their labels."""

import numpy as np
import pytest
from scipy import ndimage

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.features.shape import compact, measure, measure_overlaps
from napari_cellcycle.progress import Cancelled


def ellipsoid(shape, centre, radii):
    grid = np.indices(shape, float)
    away = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True))
    return away <= 1


def one_cell(ndim, pixel_size, label=3):
    """A long cell along x in an image of 100 with 150 inside, and a neighbour that touches it."""
    shape = (40, 60, 80)[-ndim:]
    inside = ellipsoid(shape, (20, 30, 40)[-ndim:], (8, 10, 20)[-ndim:])
    mask = np.where(inside, label, 0)[None].astype(np.int32)
    pixels = np.where(inside, 150, 100)[None, None].astype(np.uint16)
    return Movie(pixels, pixel_size[-ndim:], 60.0, ("a",)), LabelStack(mask)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_long_cell_is_measured_in_micrometres(ndim):
    cells = measure(*one_cell(ndim, (2.0, 0.5, 0.5)))
    cell = cells.loc[1]
    assert cell[["y", "x"]].tolist() == pytest.approx([30, 40])
    volume = np.pi * 10 * 20 * 0.25 if ndim == 2 else 4 / 3 * np.pi * 8 * 10 * 20 * 0.5
    assert cell["area"] == pytest.approx(volume, rel=0.02)
    longest = 20.0 if ndim == 2 else 32.0
    assert cell["length"] == pytest.approx(longest, rel=0.02)
    assert cell["fill"] == pytest.approx(1, rel=0.03)
    assert cell["intensity_mean"] == pytest.approx(150)
    assert cell["background"] == pytest.approx(100)
    axis = "axis_x" if ndim == 2 else "axis_z"
    assert abs(cell[axis]) == pytest.approx(1, abs=0.01)
    assert not cell["at_edge"]


@pytest.mark.parametrize("ndim", [2, 3])
def test_measuring_agrees_with_measuring_cell_by_cell(ndim):
    rng = np.random.default_rng(1)
    shape = (12, 50, 60)[-ndim:]
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), 2.5)
    mask = ndimage.label(smooth > 0.02)[0].astype(np.int32) * 7
    image = rng.integers(0, 1000, shape).astype(np.uint16)
    cells = measure(Movie(image[None, None], (1.0,) * ndim, 60.0, ("a",)), LabelStack(mask[None]))
    values = np.unique(mask)[1:]
    assert cells["label"].tolist() == values.tolist()
    centres = np.array(ndimage.center_of_mass(mask > 0, mask, values))
    np.testing.assert_allclose(cells[["z", "y", "x"][-ndim:]], centres)
    background = cells["background"].iloc[0]
    for name, function in {
        "intensity_mean": np.mean,
        "intensity_std": np.std,
        "intensity_max": np.max,
    }.items():
        np.testing.assert_allclose(cells[name], [function(image[mask == v]) for v in values])
    assert background == pytest.approx(np.median(image[mask == 0]), abs=60)


def test_touching_cells_and_cells_at_the_border_are_told():
    mask = np.zeros((1, 20, 20), np.int32)
    mask[0, 5:10, 5:10], mask[0, 5:10, 10:15], mask[0, 15:, 5:8] = 1, 2, 3
    cells = measure(Movie(np.ones((1, 1, 20, 20)), (1.0, 1.0), 60.0, ("a",)), LabelStack(mask))
    np.testing.assert_allclose(cells["touching"], [0.25, 0.25, 0])
    assert cells["at_edge"].tolist() == [False, False, True]
    np.testing.assert_allclose(cells["perimeter"], [20, 20, 16])


def test_shared_pixels_are_counted_over_gaps():
    masks = np.zeros((3, 10, 10), np.int32)
    masks[0, 2:6, 2:6], masks[2, 4:8, 2:6] = 5, 9
    movie = Movie(np.ones((3, 1, 10, 10)), (1.0, 1.0), 60.0, ("a",))
    _, near = measure_overlaps(movie, LabelStack(masks), max_gap=1)
    _, far = measure_overlaps(movie, LabelStack(masks), max_gap=2)
    assert len(near) == 0
    assert far.to_numpy().tolist() == [[0, 1, 8]]


@pytest.mark.parametrize("label", [1, 65_000, 2_000_000_000])
def test_any_label_will_do(label):
    cells = measure(*one_cell(2, (1.0, 1.0), label))
    assert cells["label"].tolist() == [label]
    distinct, place = compact(np.array([label, 1, label]))
    assert distinct[place].tolist() == [label, 1, label]


def test_frames_without_cells_give_no_rows():
    empty = LabelStack(np.zeros((2, 8, 8), np.int32))
    assert measure(Movie(np.zeros((2, 1, 8, 8)), (1.0, 1.0), 60.0, ("a",)), empty).empty


def test_measuring_can_be_cancelled():
    def cancel(done, total, message=""):
        raise Cancelled

    with pytest.raises(Cancelled):
        measure(*one_cell(2, (1.0, 1.0)), progress=cancel)
