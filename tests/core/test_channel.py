"""Of several channels, cells are tracked and measured in the one that they were segmented in."""

from dataclasses import replace

import examples
import numpy as np
import pandas as pd
import pytest
from taught import untouched

from napari_cellcycle.cli.steps import read_tracks
from napari_cellcycle.config import ClassifySettings, RunSettings, SegmentSettings, TrackSettings
from napari_cellcycle.data.channel import channel_of
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.follow import follow_cell
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.pipeline.run import add_stages, add_tracks, run
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.training.link.sources import recording_of_links
from napari_cellcycle.training.stage.sources import source_of

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


def test_stages_are_told_in_the_channel_that_the_cells_were_segmented_in():
    alone = untouched()
    movie = behind_another(alone.movie)
    behind = replace(alone, movie=movie, history=(Step("segment", {"channel": "H2B"}),))
    found = add_stages(behind)
    expected = add_stages(alone).tracks.cells["stage"]
    np.testing.assert_array_equal(found.tracks.cells["stage"], expected)
    assert found.history[-1].settings["channel"] == "H2B"


def test_stages_and_links_are_learned_in_the_channel_that_the_cells_were_segmented_in(tmp_path):
    behind = add_tracks(segmented(examples.division(), "H2B"), TrackSettings(model="simple"))
    assert source_of(behind, tmp_path).channel == "H2B"
    learned = recording_of_links(behind, "mine", trust_all=True)
    np.testing.assert_array_equal(learned.movie.frame(0), behind.movie.frame(0, "H2B"))


def test_the_table_of_an_experiment_tells_stages_in_the_channel_of_its_segmentation(tmp_path):
    behind = segmented(examples.division(), "H2B")
    behind = add_tracks(behind, TrackSettings(model="simple"))
    save_experiment(behind, tmp_path / "one.cellcycle")
    found = read_tracks(tmp_path / "one.cellcycle")
    assert channel_of(Experiment(behind.movie, **found)) == "H2B"


def test_a_run_refuses_a_channel_of_the_stages_that_is_not_there_before_it_works():
    toy, said = examples.division(), []
    settings = RunSettings(classify=ClassifySettings(channel="DIC"))
    with pytest.raises(BadInput, match="no channel called 'DIC'; it has membrane, H2B"):
        run(behind_another(toy.movie), settings, progress=lambda *told: said.append(told))
    assert not said


def test_no_step_reads_a_channel_that_is_not_there():
    toy = examples.division()
    missing = "no channel called 'DIC'; it has membrane, H2B; choose one"
    movie = behind_another(toy.movie)
    with pytest.raises(BadInput, match=missing):
        movie.frame(0, "DIC")
    with pytest.raises(BadInput, match=missing):
        classify(movie, toy.labels, untouched().tracks, ClassifySettings(channel="DIC"))
    with pytest.raises(BadInput, match=missing):
        follow_cell(movie, None, 0, (10, 10), channel="DIC")


def test_a_channel_that_the_movie_lacks_is_refused_with_those_it_has():
    toy = examples.blink()
    with pytest.raises(BadInput, match="no channel called 'DIC'; it has membrane, H2B"):
        track(behind_another(toy.movie), toy.labels, channel="DIC")
