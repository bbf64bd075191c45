"""What is computed on is what the layer shows, whatever its file holds."""

import numpy as np
import pytest
from napari.layers import Image

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.io.experiment import open_experiment
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.widgets.movies import movie_of, same_pixels
from napari_cellcycle.widgets.work import store
from napari_cellcycle.widgets.workplace import Workplace


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))
    return Workplace("cells")


def stored(layer, place, folder):
    """The movie that a step gets to see, read from where it is stored."""
    store(Experiment(movie_of(layer)), place, folder)
    return open_experiment(folder).movie


@pytest.fixture
def layer(make_napari_viewer_proxy):
    """The sample movie as napari itself reads it, with its file."""
    viewer = make_napari_viewer_proxy()
    return viewer.open(str(sample_path()), plugin="napari")[0]


def test_a_movie_that_is_as_its_file_is_not_copied(layer, place, tmp_path):
    assert stored(layer, place, tmp_path / "a.cellcycle").source == str(sample_path())


def test_a_filtered_layer_is_computed_on_as_it_is_shown(layer, place, tmp_path):
    layer.data = np.asarray(layer.data) // 2
    movie = stored(layer, place, tmp_path / "a.cellcycle")
    assert same_pixels(movie_of(layer)) is None
    assert (movie.frame(3) == layer.data[3].squeeze()).all()


def test_each_result_keeps_the_pixels_it_was_computed_on(place, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 900, (4, 40, 40)).astype(np.uint16)
    layer = Image(pixels, name="cells")
    stored(layer, place, tmp_path / "a.cellcycle")
    layer.data = pixels // 3
    stored(layer, place, tmp_path / "b.cellcycle")
    stored(Image(pixels, name="cells"), place, tmp_path / "c.cellcycle")
    first, second, third = (open_experiment(tmp_path / f"{name}.cellcycle").movie for name in "abc")
    assert (first.frame(2) == pixels[2]).all() and (second.frame(2) == pixels[2] // 3).all()
    assert third.source == first.source != second.source


def test_comparing_with_the_file_is_told_by_frame_and_can_be_stopped(layer, place, tmp_path):
    def stop(done, _total, message):
        if (done, message) == (3, "Comparing the movie"):
            raise Cancelled

    with pytest.raises(Cancelled):
        store(Experiment(movie_of(layer)), place, tmp_path / "a.cellcycle", stop)
    assert not (tmp_path / "a.cellcycle").exists()
