"""What the recurrent model takes for each cell, drawn at its place."""

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_cellcycle import open_movie
from napari_cellcycle.cli import app
from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.pipeline.centre_cells import centre_cells
from napari_cellcycle.simulate import simulate


@pytest.fixture(scope="module")
def cells():
    return simulate(SimulateSettings(frames=3, cells=12, size=160, seed=5))


def covered(picture, mask):
    """Shares of the light of a picture that lie in masks, and of the masks that are lit."""
    lit = picture > 0.3 * np.median(picture[mask > 0])
    return picture[mask > 0].sum() / picture.sum(), lit[mask > 0].mean()


def test_every_cell_is_drawn_at_its_place_and_little_else(cells):
    drawn = list(centre_cells(cells.movie, cells.labels, cells.tracks))
    assert [time for time, _ in drawn] == [0, 1, 2]
    for time, picture in drawn:
        inside, lit = covered(picture, cells.labels.frame(time))
        assert picture.shape == cells.movie.frame_shape
        assert inside > 0.85 and lit > 0.9


def test_a_cell_without_a_track_is_not_drawn(cells):
    tracks = cells.tracks
    one = tracks.cells.index[tracks.cells["frame"] == 1][:1]
    alone = type(tracks)(tracks.cells.loc[one], tracks.links.iloc[:0])
    ((time, picture),) = centre_cells(cells.movie, cells.labels, alone)
    mask = cells.labels.frame(1) == tracks.cells.loc[one[0], "label"]
    inside, _ = covered(picture, mask)
    assert time == 1 and inside > 0.8


def test_a_volume_is_seen_from_above():
    volume = simulate(SimulateSettings(ndim=3, frames=2, cells=5, size=96, seed=2))
    for time, picture in centre_cells(volume.movie, volume.labels, volume.tracks):
        inside, lit = covered(picture, volume.labels.frame(time).max(0))
        assert inside > 0.8 and lit > 0.75


def test_a_model_of_single_images_draws_none(cells):
    with pytest.raises(BadInput, match="choose a recurrent one"):
        centre_cells(cells.movie, cells.labels, cells.tracks, model="frame")


def test_the_command_writes_a_movie_with_the_same_pixels_and_interval(cells, tmp_path):
    later = cells.tracks.cells["frame"] > 0
    kept = type(cells.tracks)(cells.tracks.cells[later], cells.tracks.links.iloc[:0])
    save_experiment(Experiment(cells.movie, cells.labels, kept), tmp_path / "é.cellcycle")
    out = tmp_path / "drawn.ome.tif"
    told = CliRunner().invoke(app, ["centres", str(tmp_path / "é.cellcycle"), "--out", str(out)])
    assert told.exit_code == 0, told.output
    written = open_movie(out)
    assert len(written) == 3 and written.frame_interval == cells.movie.frame_interval
    assert written.pixel_size == pytest.approx(cells.movie.pixel_size)
    pictures = tifffile.imread(out)
    assert not pictures[0].any()
    (_, drawn), *_ = centre_cells(cells.movie, cells.labels, kept)
    np.testing.assert_allclose(pictures[1], drawn)
    assert [path.name for path in tmp_path.iterdir() if "drawn" in path.name] == ["drawn.ome.tif"]


def test_without_tracks_the_command_says_what_to_do(cells, tmp_path):
    save_experiment(Experiment(cells.movie), tmp_path / "raw.cellcycle")
    arguments = ["centres", str(tmp_path / "raw.cellcycle"), "--out", str(tmp_path / "x.ome.tif")]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 2 and "no tracked cells" in told.stderr
