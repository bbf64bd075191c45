"""Of several channels, cells are tracked and measured in the one that they were segmented in."""

from dataclasses import replace

import examples
import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.config import RunSettings, SegmentSettings, TrackSettings
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import BadInput
from napari_cellcycle.pipeline.run import add_tracks, run
from napari_cellcycle.pipeline.track import track

BRIGHTNESS = ["intensity_mean", "intensity_max", "background"]


def behind_another(movie: Movie) -> Movie:
    """The movie as the second channel, behind one that shows something else."""
    other = np.random.default_rng(1).normal(5000, 900, movie.pixels.shape).astype(np.float32)
    pixels = np.concatenate([other, movie.pixels], axis=1)
    return replace(movie, pixels=pixels, channels=("membrane", "H2B"))


def segmented(toy, channel):
    """The toy behind another channel, with masks that were found in that of this name."""
    step = Step("segment", {"channel": channel})
    return Experiment(behind_another(toy.movie), toy.labels, history=(step,))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("model", ["simple", "cellcycle-links"])
def test_another_channel_changes_neither_tracks_nor_measurements(ndim, model):
    toy, settings = examples.blink(ndim), TrackSettings(model=model)
    _, alone = track(toy.movie, toy.labels, settings)
    found = add_tracks(segmented(toy, "H2B"), settings).tracks
    assert found.cells["filled"].sum() == 1
    pd.testing.assert_frame_equal(found.cells, alone.cells)
    pd.testing.assert_frame_equal(found.links, alone.links)


def test_where_no_channel_was_chosen_the_first_is_measured():
    found = add_tracks(segmented(examples.blink(), None), TrackSettings(model="simple"))
    assert found.tracks.cells["intensity_mean"].between(4000, 6000).all()


def test_a_run_measures_the_channel_that_it_segments():
    toy = examples.division()
    settings = RunSettings(
        segment=SegmentSettings(model="threshold", channel="H2B", diameter=12.0),
        track=TrackSettings(model="simple"),
    )
    done = run(behind_another(toy.movie), settings)
    assert done.tracks.cells["intensity_mean"].max() < 300


def test_a_correction_measures_a_cell_as_tracking_did():
    known = add_tracks(segmented(examples.blink(), "H2B"), TrackSettings(model="simple"))
    editor = Editor(bench_of(known), resolving=False)
    cells = known.tracks.cells[known.tracks.cells["frame"] == 1]
    editor.do("grow", frame=1, labels=cells["label"].tolist()[:1], pixels=1.0)
    after = editor.experiment(known).tracks.cells.loc[cells.index]
    assert not np.allclose(after["area"], cells["area"])
    np.testing.assert_allclose(after[BRIGHTNESS], cells[BRIGHTNESS], rtol=0.1)


def test_a_channel_that_the_movie_lacks_is_refused_with_those_it_has():
    toy = examples.blink()
    with pytest.raises(BadInput, match="no channel called 'DIC'; it has membrane, H2B"):
        track(behind_another(toy.movie), toy.labels, channel="DIC")
