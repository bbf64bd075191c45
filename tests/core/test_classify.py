"""Classify: every tracked cell gets a stage, in 2D and 3D, whatever the movie holds."""

import numpy as np
import pandas as pd
import pytest
import torch

from napari_cellcycle.config import ClassifySettings, SimulateSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B, Stage, StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.models.stage.frame import FrameModel, FrameNetwork, normalise, predict
from napari_cellcycle.models.stage.model import FRAME
from napari_cellcycle.models.store import ModelCard, save_model
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.simulate import simulate

LINKS = {"parent": "int64", "child": "int64", "score": "float64"}


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def untrained():
    torch.manual_seed(0)
    return FrameModel(FrameNetwork())


def no_tracks():
    cells = pd.DataFrame(
        {"frame": [], "label": [], "y": [], "x": []},
        dtype="int64",
        index=pd.Index([], dtype="int64", name="cell_id"),
    )
    links = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in LINKS.items()})
    return Tracks(cells, links)


@pytest.fixture(scope="module", params=[2, 3])
def movie(request):
    settings = SimulateSettings(
        ndim=request.param, size=96, planes=8, frames=3, cells=4, plane_spacing=2.0, debris=0
    )
    return simulate(settings)


def test_every_cell_gets_a_stage_and_its_probabilities(movie):
    told = classify(movie.movie, movie.labels, movie.tracks, model=untrained())
    assert set(told.cells["stage"]) <= set(H2B.names)
    chances = told.cells[[f"p_{name}" for name in H2B.names]]
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert told.cells.index.equals(movie.tracks.cells.index)


def test_what_the_network_saw_is_kept_beside_what_the_lineage_tells(movie):
    told = classify(movie.movie, movie.labels, movie.tracks, model=untrained())
    plain = ClassifySettings(smoothing=0.0)
    alone = classify(movie.movie, movie.labels, movie.tracks, plain, model=untrained())
    for name in H2B.names:
        seen = alone.cells[f"seen_{name}"]
        np.testing.assert_allclose(seen, told.cells[f"seen_{name}"], atol=1e-6)
        np.testing.assert_allclose(seen, alone.cells[f"p_{name}"], atol=1e-6)
    assert not np.allclose(told.cells["p_interphase"], alone.cells["p_interphase"], atol=1e-3)


def test_pinned_stages_are_kept(movie):
    pinned = np.where(movie.tracks.cells["frame"] == 1, "metaphase", "")
    tracks = movie.tracks.with_columns(pinned=pinned)
    told = classify(movie.movie, movie.labels, tracks, model=untrained())
    assert (told.cells.loc[told.cells["frame"] == 1, "stage"] == "metaphase").all()
    assert (told.cells["pinned"] == pinned).all()


def test_pins_to_stages_that_the_model_does_not_know_are_refused_before_the_work(movie):
    def never(done, total, message=""):
        raise AssertionError("the movie was read")

    tracks = movie.tracks.with_columns(pinned="S phase")
    with pytest.raises(BadInput, match="S phase"):
        classify(movie.movie, movie.labels, tracks, model=untrained(), progress=never)


def test_durations_on_the_card_of_a_model_are_used(movie, tmp_path):
    model = untrained()
    stages = {"stages": list(H2B.names), "width": 12}
    brief = {name: [6.0, 3.0] for name in H2B.names}
    told = []
    for name, settings in (("usual", stages), ("brief", stages | {"durations": brief})):
        card = ModelCard(name=name, kind="stage", architecture=FRAME, settings=settings)
        path = save_model(model.network.state_dict(), card, tmp_path).path
        told.append(classify(movie.movie, movie.labels, movie.tracks, model=path, device="cpu"))
    chances = [tracks.cells["p_interphase"].mean() for tracks in told]
    assert chances[1] < chances[0] - 0.05


def test_without_smoothing_the_likeliest_stage_of_each_frame_is_told(movie):
    settings = ClassifySettings(smoothing=0.0)
    told = classify(movie.movie, movie.labels, movie.tracks, settings, model=untrained())
    chances = told.cells[[f"p_{name}" for name in H2B.names]].to_numpy()
    assert (np.array(H2B.names)[chances.argmax(axis=1)] == told.cells["stage"]).all()


def test_a_small_batch_gives_the_same_answer(movie):
    small = ClassifySettings(batch_size=1)
    answers = [
        classify(movie.movie, movie.labels, movie.tracks, settings, model=untrained())
        for settings in (small, ClassifySettings())
    ]
    np.testing.assert_allclose(*(a.cells["p_interphase"].to_numpy() for a in answers), atol=1e-5)


def test_a_movie_without_tracks_stays_without_stages():
    movie = Movie(np.zeros((2, 1, 16, 16), np.uint16), (1.0, 1.0), 300.0, ("H2B",))
    labels = LabelStack(np.zeros((2, 16, 16), np.int32))
    told = classify(movie, labels, no_tracks(), model=untrained())
    assert len(told) == 0
    assert {"stage", "p_apoptosis"} <= set(told.cells.columns)


def test_a_black_frame_still_gives_probabilities():
    images = np.zeros((2, 56, 56), np.float32)
    assert np.isfinite(predict(untrained().network, images)).all()


def test_brightness_and_background_do_not_matter():
    image = torch.rand(1, 56, 56)
    torch.testing.assert_close(normalise(image), normalise(300 * image + 1000), atol=1e-4, rtol=0)


def test_all_eight_views_of_a_cell_are_told_alike():
    image = np.random.default_rng(0).random((1, 56, 56), np.float32)
    network = untrained().network
    turned = np.ascontiguousarray(np.rot90(image, axes=(1, 2))[:, ::-1])
    np.testing.assert_allclose(
        predict(network, image, views=8), predict(network, turned, views=8), atol=1e-5
    )


def test_progress_is_told_and_can_cancel(movie):
    def stop(done, total, message=""):
        assert message == "Classifying cells"
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        classify(movie.movie, movie.labels, movie.tracks, model=untrained(), progress=stop)


def test_tracks_of_another_movie_are_refused(movie):
    tracks = movie.tracks.with_columns(frame=movie.tracks.cells["frame"] + 50)
    with pytest.raises(BadInput, match="the movie has 3 frames"):
        classify(movie.movie, movie.labels, tracks, model=untrained())


def test_other_stages_than_the_model_knows_are_refused(movie):
    two = StageSet(
        "two",
        (Stage("young", "#000000", (1, 2)), Stage("old", "#ffffff", (1, 2))),
        frozenset({("young", "old")}),
        frozenset({"young"}),
        frozenset({"old"}),
    )
    with pytest.raises(BadInput, match="young, old are asked for"):
        classify(movie.movie, movie.labels, movie.tracks, model=untrained(), stages=two)


def test_a_stored_model_tells_the_same(movie, tmp_path):
    model = untrained()
    card = ModelCard(
        name="mine",
        kind="stage",
        architecture=FRAME,
        settings={"stages": list(H2B.names), "width": 12},
    )
    path = save_model(model.network.state_dict(), card, tmp_path).path
    told = [
        classify(movie.movie, movie.labels, movie.tracks, model=m, device="cpu")
        for m in (model, path)
    ]
    assert told[0].cells["stage"].tolist() == told[1].cells["stage"].tolist()


def test_a_model_that_does_not_fit_its_card_is_refused(movie, tmp_path):
    card = ModelCard(
        name="bad", kind="stage", architecture=FRAME, settings={"width": 12, "stages": H2B.names}
    )
    path = save_model({"a": torch.zeros(1)}, card, tmp_path).path
    with pytest.raises(MissingModel, match="does not fit its card"):
        classify(movie.movie, movie.labels, movie.tracks, model=path, device="cpu")
