"""The whole way: weighted progress, provenance, and what is kept when a step fails."""

import sys
import warnings
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from napari_cellcycle.config import ClassifySettings, RunSettings, SegmentSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import free_stages
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.io.experiment import is_experiment, open_experiment, save_experiment
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.jobs import Job, run_inline
from napari_cellcycle.models.store import ModelCard, save_model
from napari_cellcycle.pipeline import run as room
from napari_cellcycle.pipeline.shares import Share
from napari_cellcycle.progress import Cancelled

FRAMES = 4


@pytest.fixture
def movie():
    pixels = np.zeros((FRAMES, 1, 32, 32), np.uint16)
    pixels[:, :, 8:20, 8:20] = 500
    return Movie(pixels, (0.5, 0.5), 300.0, ("H2B",))


@pytest.fixture
def steps(monkeypatch):
    """The three steps, each replaced by one that finds a single cell at once."""

    def segment(movie, settings, *, device, into, progress, **_):
        store = np.zeros((len(movie), *movie.frame_shape), np.int32) if into is None else into
        for time in range(len(movie)):
            progress(time, len(movie), "Segmenting")
            store[time] = (movie.frame(time) > 0).astype(np.int32)
        progress(len(movie), len(movie), "Segmenting")
        return LabelStack(store)

    def track(movie, labels, settings, *, device, into, progress, **_):
        store = np.zeros(labels.shape, np.int32) if into is None else into
        for time in range(len(movie)):
            progress(time, len(movie), "Painting tracks")
            store[time] = labels.frame(time)
        ids = np.arange(1, len(movie) + 1)
        cells = pd.DataFrame(
            {"frame": ids - 1, "label": 1, "y": 13.5, "x": 13.5}, pd.Index(ids, name="cell_id")
        )
        links = pd.DataFrame({"parent": ids[:-1], "child": ids[1:], "score": 1.0})
        return LabelStack(store), Tracks(cells, links)

    def classify(movie, labels, tracks, settings, *, device, progress, **_):
        progress(1, 1, "Classifying")
        return tracks.with_columns(stage="interphase")

    for step in (segment, track, classify):
        replace_step(monkeypatch, step.__name__, step)


def replace_step(monkeypatch, name, step):
    module = ModuleType(name)
    setattr(module, name, step)
    monkeypatch.setitem(sys.modules, f"napari_cellcycle.pipeline.{name}", module)


class Heard:
    """Progress that remembers."""

    def __init__(self):
        self.done, self.messages = [], []

    def __call__(self, done, total, message=""):
        self.done.append(done / total)
        self.messages.append(message)


def test_a_run_gives_masks_tracks_stages_and_their_history(movie, steps):
    settings = RunSettings(segment=SegmentSettings(model="threshold"))
    experiment = room.run(movie, settings, device="cpu")
    assert experiment.labels.frame(2).max() == 1
    assert len(experiment.tracks) == FRAMES
    assert set(experiment.tracks.cells["stage"]) == {"interphase"}
    assert [step.name for step in experiment.history] == ["segment", "track", "classify"]
    first = experiment.history[0]
    assert first.model == first.settings["model"] == "threshold"
    assert {"python", "numpy", "torch", "napari-cellcycle"} <= first.software.keys()
    assert first.seconds >= 0


def test_progress_never_goes_back_and_names_the_frame(movie, steps):
    heard = Heard()
    room.run(movie, device="cpu", progress=heard)
    assert heard.done == sorted(heard.done)
    assert heard.done[-1] == pytest.approx(1, abs=0.15)
    assert "Segmenting frame 3 of 4" in heard.messages


def test_a_result_is_streamed_into_its_folder_and_saved(movie, steps, tmp_path):
    folder = tmp_path / "one.cellcycle"
    room.run(movie, folder=folder, device="cpu")
    opened = open_experiment(folder)
    assert len(opened.history) == 3
    assert opened.labels.frame(0).max() == 1
    assert list(opened.tracks.cells["stage"].astype(str)) == ["interphase"] * FRAMES


def test_steps_run_one_by_one_give_the_same(movie, steps, tmp_path):
    folder = tmp_path / "one.cellcycle"
    experiment = room.add_masks(Experiment(movie), folder=folder)
    experiment = room.add_tracks(open_experiment(folder), folder=folder)
    experiment = room.add_stages(open_experiment(folder), folder=folder)
    whole = room.run(movie)
    pd.testing.assert_frame_equal(
        experiment.tracks.cells.astype({"stage": str}),
        whole.tracks.cells.astype({"stage": str}),
        check_dtype=False,
    )


def test_a_model_that_no_step_can_open_is_refused_before_the_work(movie, tmp_path):
    """Such as one of points, whose kinds are none of the stages of tracked cells."""
    card = ModelCard(
        name="kinds",
        kind="stage",
        architecture="kinds of points",
        settings={"stages": stages_to_json(free_stages(["a", "b"]))},
    )
    save_model({"weight": torch.zeros(1)}, card, tmp_path)
    settings, heard = RunSettings(classify=ClassifySettings(model="kinds")), Heard()
    with pytest.raises(MissingModel, match="cannot tell the stages of tracked cells"):
        room.run(movie, settings, model_folder=tmp_path, progress=heard)
    assert not heard.done


def fail(*_, **__):
    raise BadInput("No.")


def test_a_first_run_that_fails_keeps_what_was_done_before(movie, steps, tmp_path, monkeypatch):
    replace_step(monkeypatch, "track", fail)
    with pytest.raises(BadInput):
        room.run(movie, folder=tmp_path / "one.cellcycle")
    opened = open_experiment(tmp_path / "one.cellcycle")
    assert opened.labels is not None and opened.tracks is None


def test_a_later_run_that_fails_loses_nothing(movie, steps, tmp_path, monkeypatch):
    folder = tmp_path / "one.cellcycle"
    room.run(movie, folder=folder)
    replace_step(monkeypatch, "classify", fail)
    with pytest.raises(BadInput):
        room.run(open_experiment(folder), folder=folder)
    opened = open_experiment(folder)
    assert len(opened.history) == 3
    assert opened.labels.frame(3).max() == 1


def test_a_run_over_an_earlier_result_that_fails_leaves_it(movie, steps, tmp_path, monkeypatch):
    """Even if it begins from the movie alone."""
    folder = tmp_path / "one.cellcycle"
    room.run(movie, folder=folder)
    replace_step(monkeypatch, "track", fail)
    with pytest.raises(BadInput):
        room.run(movie, folder=folder)
    opened = open_experiment(folder)
    assert len(opened.tracks) == FRAMES and len(opened.history) == 3


def test_a_result_in_the_home_folder_is_found_there(movie, steps, tmp_path, monkeypatch):
    """`~` is the home folder from the first to the last, so nothing there is taken for nothing."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    room.run(movie, folder="~/one.cellcycle")
    assert is_experiment("~/one.cellcycle")
    replace_step(monkeypatch, "segment", fail)
    with pytest.raises(BadInput):
        room.run(movie, folder="~/one.cellcycle")
    assert len(open_experiment(tmp_path / "one.cellcycle").tracks) == FRAMES


def test_a_first_run_into_a_folder_with_the_movie_keeps_what_was_done_before(
    movie, steps, tmp_path, monkeypatch
):
    folder = tmp_path / "one.cellcycle"
    save_experiment(Experiment(movie), folder)
    replace_step(monkeypatch, "classify", fail)
    with pytest.raises(BadInput):
        room.run(open_experiment(folder), folder=folder)
    assert len(open_experiment(folder).tracks) == FRAMES


def test_a_cancelled_run_inline_leaves_the_folder_as_it_was(movie, steps, tmp_path):
    folder = tmp_path / "one.cellcycle"
    save_experiment(Experiment(movie), folder)
    before = sorted(path.name for path in folder.iterdir())

    def stop(done, total, message=""):
        if message.startswith("Painting"):
            raise Cancelled

    with pytest.raises(Cancelled):
        run_inline(Job("run", RunSettings(), folder), stop)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert open_experiment(folder).labels is None


def test_tracking_without_masks_says_what_to_do(movie):
    with pytest.raises(BadInput, match="run Segment first"):
        room.add_tracks(Experiment(movie))
    with pytest.raises(BadInput, match="run Track first"):
        room.add_stages(Experiment(movie))


def test_warnings_of_a_step_become_its_notes(movie, steps, monkeypatch):
    original = sys.modules["napari_cellcycle.pipeline.segment"].segment

    def warns(*given, **more):
        warnings.warn_explicit("Computed in smaller tiles.", UserWarning, room.__file__, 1)
        return original(*given, **more)

    replace_step(monkeypatch, "segment", warns)
    experiment = room.run(movie)
    assert experiment.history[0].notes == ("Computed in smaller tiles.",)
    assert experiment.history[1].notes == ()


def test_shares_give_unknown_sub_steps_half_of_what_is_left():
    heard = Heard()
    share = Share(heard, 0.5, 0.5, {"Measuring": 0.5}, by_frame=["Measuring"])
    share(5, 10, "Measuring")
    share(3, 3, "Linking")
    share(0, 1, "Painting")
    assert heard.done == [0.625, 0.875, 0.875]
    assert heard.messages == ["Measuring frame 6 of 10", "Linking", "Painting"]
