"""The features of the published tracker: what they are called, and what they say of cells."""

import examples
import numpy as np
import pandas as pd
import pytest
from skimage.measure import regionprops_table

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.paper import (
    cell_crops,
    match_truth,
    measure_paper,
    node_columns,
    read_features,
    write_features,
)


def movie_of(pixels):
    """A movie of frames ([Z,] Y, X)."""
    pixels = np.asarray(pixels, np.float32)[:, None]
    return Movie(pixels, (1.0,) * (pixels.ndim - 2), 300.0, ("H2B",))


def odd_shapes(ndim, rng):
    """Two frames of blobs of noise, among them a mask of one pixel."""
    shape = (2, *(12, 40, 50)[-ndim:])
    masks = np.zeros(shape, np.int32)
    for frame in masks:
        for label in (3, 4, 9):
            start = [rng.integers(0, n // 2) for n in frame.shape]
            box = tuple(slice(s, s + n // 3) for s, n in zip(start, frame.shape, strict=True))
            frame[box][rng.random(frame[box].shape) < 0.6] = label
        frame[(-1,) * ndim] = 70
    return LabelStack(masks), movie_of(rng.normal(500, 30, shape))


@pytest.mark.parametrize(
    ("ndim", "mode", "count"), [(2, "masks", 13), (3, "masks", 16), (2, "markers", 6)]
)
def test_a_cell_has_as_many_features_as_published(ndim, mode, count):
    assert len(node_columns(ndim, mode)) == count


def test_features_in_2d_have_the_published_names_and_order():
    assert node_columns(2, "masks") == (
        *("frame_num", "area", "min_row_bb", "min_col_bb", "max_row_bb", "max_col_bb"),
        *("centroid_row", "centroid_col", "major_axis_length", "minor_axis_length"),
        *("max_intensity", "mean_intensity", "min_intensity"),
    )
    assert node_columns(2, "markers") == (
        *("frame_num", "centroid_row", "centroid_col"),
        *("max_intensity", "mean_intensity", "min_intensity"),
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_features_agree_with_those_of_scikit_image(ndim):
    labels, movie = odd_shapes(ndim, np.random.default_rng(ndim))
    cells = measure_paper(movie, labels)
    wanted = ("label", "area", "bbox", "centroid", "intensity_max", "intensity_mean")
    lengths = ("intensity_min", "axis_major_length")
    for time in range(2):
        own = cells.table[cells.frame == time]
        image = movie.frame(time)
        found = pd.DataFrame(regionprops_table(labels.frame(time), image, wanted + lengths))
        assert (own["seg_label"].to_numpy() == found.pop("label").to_numpy()).all()
        box = found[[f"bbox-{i}" for i in range(2 * ndim)]].to_numpy()
        assert (cells.box[cells.frame == time].reshape(-1, 2 * ndim) == box).all()
        centre = found[[f"centroid-{i}" for i in range(ndim)]].to_numpy()
        assert np.abs(cells.centroid[cells.frame == time] - centre).max() <= 0.5 + 1e-9
        names = ["area", "max_intensity", "mean_intensity", "min_intensity", "major_axis_length"]
        theirs = ["area", *wanted[-2:], *lengths]
        assert np.allclose(own[names], found[theirs], rtol=1e-5, atol=1e-4)


def test_the_minor_axis_of_a_disc_is_as_long_as_the_major_one():
    toy = examples.frozen()
    table = measure_paper(toy.movie, toy.labels).table
    assert np.allclose(table["minor_axis_length"], table["major_axis_length"])
    assert np.allclose(table["major_axis_length"], 2 * examples.RADIUS, rtol=0.03)


def test_a_marker_at_the_border_sees_a_patch_that_was_shifted_inside():
    masks = np.zeros((1, 100, 90), np.int32)
    masks[0, 1, 2], masks[0, 50, 45] = 5, 8
    pixels = np.random.default_rng(0).normal(100, 5, (1, 100, 90))
    cells = measure_paper(movie_of(pixels), LabelStack(masks), "markers")
    assert cells.box[0].tolist() == [[0, 0], [64, 64]]
    assert cells.box[1].tolist() == [[18, 13], [82, 77]]
    seen = pixels[0, 18:82, 13:77].astype(np.float32)
    row = cells.table.iloc[1]
    assert row["max_intensity"] == seen.max() and row["min_intensity"] == seen.min()
    assert row["mean_intensity"] == pytest.approx(seen.mean(), rel=1e-5)
    assert (cells.low, cells.high) == pytest.approx((pixels.min(), pixels.max()), rel=1e-6)


def test_markers_in_volumes_are_refused():
    toy = examples.frozen(3)
    with pytest.raises(BadInput, match="2D only"):
        measure_paper(toy.movie, toy.labels, "markers")


def test_a_frame_without_cells_has_no_rows():
    toy = examples.frozen()
    empty = toy.labels.with_frame(1, np.zeros((96, 96)))
    assert measure_paper(toy.movie, empty).frame.tolist() == [0, 2]


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_crop_shows_one_cell_alone_in_the_middle_scaled_by_the_movie(ndim):
    toy = examples.two_walkers(ndim)
    cells = measure_paper(toy.movie, toy.labels)
    canvas = (15, 21, 31)[-ndim:]
    crops = cell_crops(toy.movie.frame(0), toy.labels.frame(0), cells, slice(0, 2), canvas)
    assert crops.shape == (2, *canvas)
    for crop, label in zip(crops, (1, 2), strict=True):
        own = toy.labels.frame(0) == label
        assert (crop > 0).sum() in (own.sum(), own.sum() - 1)  # the darkest pixel may be 0
        middle = np.mean(np.nonzero(crop), axis=1)
        assert np.abs(middle - (np.array(canvas) - 1) / 2).max() < 1
        expected = (toy.movie.frame(0)[own] - cells.low) / (cells.high - cells.low)
        assert crop.max() == pytest.approx(expected.max(), rel=1e-5)
    assert crops.min() >= 0 and crops.max() <= 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_cell_larger_than_the_canvas_is_shrunk_and_the_others_are_not(ndim):
    masks = np.zeros((1, *(12, 60, 60)[-ndim:]), np.int32)
    masks[0][..., 5:45, 5:45] = 1
    masks[0][..., 50:56, 50:56] = 2
    movie = movie_of(np.where(masks == 2, 2.0, 3.0) - (masks == 0))
    cells = measure_paper(movie, LabelStack(masks))
    canvas = (12, 20, 20)[-ndim:]
    crops = cell_crops(movie.frame(0), masks[0], cells, slice(0, 2), canvas)
    assert np.allclose(crops[0], 1)
    assert (crops[1] == 0).all()  # the darkest cell of all
    swapped = cell_crops(5 - movie.frame(0), masks[0], cells, slice(1, 2), canvas)
    assert (swapped > 0).sum() == (masks == 2).sum()


def test_a_mask_is_the_track_that_it_covers_most_of_and_lies_on_none_otherwise():
    masks, truth = np.zeros((2, 2, 10, 10), np.int32)
    masks[0, :4, :4], masks[0, 6:, 6:], masks[1, :2] = 1, 2, 3
    truth[0, :4, :1], truth[0, :4, 1:4], truth[1, 0, 0] = 11, 12, 13
    found = match_truth(LabelStack(masks), LabelStack(truth))
    assert found[["frame", "seg_label", "id"]].to_numpy().tolist() == [[0, 1, 12], [1, 3, 13]]


def test_tables_of_features_are_read_as_they_were_written(tmp_path):
    toy = examples.division()
    cells = measure_paper(toy.movie, toy.labels)
    truth = LabelStack(np.where(toy.labels.to_array() == 2, 0, toy.labels.to_array()))
    folder = write_features(cells, tmp_path / "toy" / "01", match_truth(toy.labels, truth))
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"frame_{time:03d}.csv" for time in range(len(toy.labels))]
    read = read_features(folder)
    kept = cells.table[cells.table["seg_label"] != 2]
    assert read.columns.tolist() == ["id", "seg_label", *node_columns(2, "masks")]
    assert np.allclose(read[kept.columns.tolist()], kept)
    assert (read["id"] == read["seg_label"]).all()
    with pytest.raises(BadInput, match="frame_000"):
        read_features(tmp_path)
