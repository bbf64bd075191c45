"""An experiment opens with the movie that it was saved with, or says that it does not."""

import json
import shutil
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.io.movies import movie_from_array, open_movie

FRAMES = np.random.default_rng(1).integers(0, 999, (9, 12, 13)).astype(np.uint16)


def write(path, frames=FRAMES):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, frames, photometric="minisblack", metadata={"axes": "TYX"})
    return path


def saved(movie, folder):
    save_experiment(Experiment(movie), folder)
    return folder


def shown(folder, **options):
    return np.asarray(open_experiment(folder, **options).movie.pixels)[:, 0]


@pytest.mark.parametrize("time", range(len(FRAMES)))
def test_a_movie_in_memory_that_changed_in_any_frame_is_saved_again(tmp_path, time):
    saved(movie_from_array(FRAMES, "TYX"), tmp_path / "a")
    changed = FRAMES.copy()
    changed[time, 5, 5] += 1
    saved(movie_from_array(changed, "TYX"), tmp_path / "a")
    np.testing.assert_array_equal(shown(tmp_path / "a"), changed)


def test_a_movie_in_memory_is_compared_with_the_saved_one_frame_by_frame(tmp_path):
    large = np.random.default_rng(0).integers(0, 99, (40, 256, 256)).astype(np.uint16)
    movie = movie_from_array(large, "TYX")
    saved(movie, tmp_path / "a")
    before = (tmp_path / "a" / "movie.zarr" / "0" / "c" / "7").stat().st_mtime_ns
    tracemalloc.start()
    saved(movie, tmp_path / "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < large.nbytes / 4
    assert (tmp_path / "a" / "movie.zarr" / "0" / "c" / "7").stat().st_mtime_ns == before


def test_pixels_that_are_no_longer_those_of_the_file_are_saved(tmp_path):
    movie = open_movie(write(tmp_path / "m.tif"))
    corrected = FRAMES.copy()
    corrected[4] //= 2
    for pixels in (corrected[:, None], movie_from_array(corrected, "TYX").pixels):
        folder = saved(replace(movie, pixels=pixels), tmp_path / f"{type(pixels).__name__}.a")
        np.testing.assert_array_equal(shown(folder), corrected)


def test_pixels_that_were_only_loaded_from_the_file_are_kept_as_its_path(tmp_path):
    movie = open_movie(write(tmp_path / "m.tif"))
    for pixels in (FRAMES[:, None], movie_from_array(FRAMES, "TYX").pixels, movie.pixels):
        folder = saved(replace(movie, pixels=pixels), tmp_path / "a")
        assert [path.name for path in folder.iterdir()] == ["experiment.json"]
        np.testing.assert_array_equal(shown(folder), FRAMES)


def test_a_movie_whose_source_cannot_be_opened_as_that_movie_is_saved(tmp_path):
    movie = Movie(FRAMES[:, None], (1.0, 1.0), 60.0, ("H2B",), source=str(tmp_path))
    np.testing.assert_array_equal(shown(saved(movie, tmp_path / "a")), FRAMES)


def test_a_project_that_was_copied_shows_its_own_movie(tmp_path):
    write(tmp_path / "one" / "m.tif")
    saved(open_movie(tmp_path / "one" / "m.tif"), tmp_path / "one" / "a")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    opened = open_experiment(tmp_path / "two" / "a").movie
    assert opened.source == str(tmp_path / "two" / "m.tif")


def test_an_experiment_that_was_moved_alone_finds_its_movie(tmp_path):
    write(tmp_path / "one" / "m.tif")
    saved(open_movie(tmp_path / "one" / "m.tif"), tmp_path / "one" / "a")
    shutil.move(tmp_path / "one" / "a", tmp_path / "a")
    assert open_experiment(tmp_path / "a").movie.source == str(tmp_path / "one" / "m.tif")


def test_a_file_that_holds_another_movie_than_before_is_told(tmp_path):
    folder = saved(open_movie(write(tmp_path / "m.tif")), tmp_path / "a")
    write(tmp_path / "m.tif", FRAMES[::-1])
    match = r"m\.tif holds other pixels than when a was saved.*movie=PATH"
    with pytest.warns(UserWarning, match=match):
        np.testing.assert_array_equal(shown(folder), FRAMES[::-1])
    write(tmp_path / "right.tif")
    np.testing.assert_array_equal(shown(folder, movie=tmp_path / "right.tif"), FRAMES)
    with pytest.warns(UserWarning, match=match):
        opened = open_experiment(folder)
    saved(opened.movie, folder)
    np.testing.assert_array_equal(shown(folder), FRAMES[::-1])


def test_a_bad_frame_is_told_when_it_is_read_and_not_before(tmp_path):
    frames = FRAMES.astype(np.float32)
    frames[0, 0, 0] = np.nan
    folder = saved(open_movie(write(tmp_path / "m.tif", frames)), tmp_path / "a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (open_experiment(folder).movie.frame(3) == frames[3]).all()


def test_an_experiment_from_before_fingerprints_were_kept_opens(tmp_path):
    folder = saved(open_movie(write(tmp_path / "m.tif")), tmp_path / "a")
    document = json.loads((folder / "experiment.json").read_text())
    del document["movie"]["prints"]
    (folder / "experiment.json").write_text(json.dumps(document))
    np.testing.assert_array_equal(shown(folder), FRAMES)
