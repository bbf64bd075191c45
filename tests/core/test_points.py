"""Cells that are marked by points alone are tracked like masks."""

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.config import SimulateSettings, TrackSettings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.shape import measure
from napari_cellcycle.io.points import read_points, spots
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.simulate import simulate


@pytest.fixture(scope="module", params=[2, 3])
def movie(request):
    settings = SimulateSettings(ndim=request.param, frames=8, size=128, cells=8, death_rate=0)
    made = simulate(settings)
    cells = measure(made.movie, made.labels)
    axes = [axis for axis in "zyx" if axis in cells]
    return made, cells[["frame", *axes]].reset_index(drop=True), cells


def pairs(tracks):
    return tracks.links[["parent", "child"]].itertuples(index=False, name=None)


def spots_of(made, points, **options):
    return spots(points, made.labels.shape, made.movie.pixel_size, **options)


def test_every_point_has_a_spot_of_its_own(movie):
    made, points, _ = movie
    labels = spots_of(made, points)
    for time, mask in enumerate(labels):
        here = points[points["frame"] == time].drop(columns="frame").to_numpy()
        at = tuple(np.rint(here).astype(int).T)
        assert (mask[at] == np.arange(1, len(here) + 1)).all()
        assert set(np.unique(mask)) == set(range(len(here) + 1))


def test_points_are_linked_as_the_masks_are(movie):
    made, points, cells = movie
    settings = TrackSettings(fill_gaps=False)
    found = track(made.movie, spots_of(made, points), settings)[1]
    ids = dict(zip(found.cells.index, cells.index, strict=True))
    links = {tuple(ids[cell] for cell in pair) for pair in pairs(found)}
    keys = cells.reset_index().set_index(["frame", "label"])["cell_id"]
    seen = made.tracks.cells[["frame", "label"]].apply(tuple, axis=1).map(keys.to_dict())
    true = {tuple(seen[cell] for cell in pair) for pair in pairs(made.tracks)}
    assert 2 * len(links & true) / (len(links) + len(true)) > 0.95


def test_the_tables_that_napari_saves_are_read(movie, tmp_path):
    made, points, _ = movie
    ndim = made.movie.ndim
    file = tmp_path / "points.csv"
    points.set_axis([f"axis-{i}" for i in range(ndim + 1)], axis=1).to_csv(
        file, index_label="index"
    )
    pd.testing.assert_frame_equal(read_points(file, ndim), points, check_dtype=False)
    points.rename(columns={"frame": "t"}).to_csv(file)
    pd.testing.assert_frame_equal(read_points(file, ndim), points, check_dtype=False)


def test_a_table_without_places_is_refused(tmp_path):
    file = tmp_path / "cells.csv"
    file.write_text("frame,area\n0,12\n")
    with pytest.raises(BadInput, match="y, x is missing"):
        read_points(file, 2)


def test_points_outside_of_the_movie_are_refused(movie):
    made, points, _ = movie
    with pytest.raises(BadInput, match=r"1 of .* lie outside"):
        spots_of(made, pd.concat([points, points.tail(1).assign(frame=99)], ignore_index=True))


def test_points_without_a_z_do_not_belong_to_a_volume(movie):
    made, points, _ = movie
    flat = points.drop(columns="z", errors="ignore")
    shape = (8, 5, 128, 128) if made.movie.ndim == 3 else (8, 128, 128)
    if made.movie.ndim == 2:
        flat = flat.assign(z=0.0)[["frame", "z", "y", "x"]]
    with pytest.raises(BadInput, match="but the movie has the axes"):
        spots(flat, shape, made.movie.pixel_size)
