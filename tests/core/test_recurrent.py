"""The recurrent model looks at cells over time, along lineages, whatever the size of the crops."""

import numpy as np
import pandas as pd
import pytest
import torch

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.stages import H2B, LIVE_CELL
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.sights import parents, sights
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.stage.ensemble import RecurrentEnsemble, recurrent_network
from napari_cellcycle.models.stage.model import RECURRENT, StageModel, open_stage_model
from napari_cellcycle.models.stage.recurrent import RecurrentModel, RecurrentNetwork
from napari_cellcycle.models.store import ModelCard, save_model
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.recurrent import (
    RecurrentSettings,
    SequenceTask,
    SequenceTaskSettings,
    network_of,
    tell,
    train_recurrent,
)
from napari_cellcycle.training.stage.sequences import sequences_of

SMALL = {"width": 4, "features": 12, "hidden": 8}


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def untrained(stages=H2B, **more):
    torch.manual_seed(0)
    return RecurrentModel(RecurrentNetwork(len(stages), **SMALL), stages, **more)


@pytest.fixture(scope="module", params=[2, 3])
def movie(request):
    return simulate(
        SimulateSettings(
            ndim=request.param,
            size=96,
            planes=8,
            frames=8,
            cells=5,
            seed=3,
            cycle_hours=0.8,
            debris=0,
        )
    )


@pytest.fixture(scope="module")
def cycling():
    return simulate(
        SimulateSettings(
            size=128, frames=24, cells=8, seed=5, cycle_hours=1.2, mitosis_stretch=1.5, debris=0
        )
    )


def told(model, movie, tracks=None):
    tracks = movie.tracks if tracks is None else tracks
    return model(sights(movie.movie, movie.labels, tracks), parents(tracks))


def test_it_is_a_stage_model(movie):
    model = untrained()
    assert isinstance(model, StageModel)
    probabilities = told(model, movie)
    assert probabilities.shape == (len(movie.tracks), 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_following_a_lineage_is_what_was_trained_on_single_paths():
    torch.manual_seed(0)
    network = RecurrentNetwork(7, **SMALL).eval()
    images, level = torch.rand(1, 9, 48, 48), torch.randn(1, 9)
    with torch.inference_mode():
        expected, _ = network(images, level, torch.ones(1, 9, dtype=torch.bool))
        features = torch.cat([network.eye(images[0]).features, level[0, :, None]], dim=1)
        found = network.follow(features, np.arange(-1, 8), [np.array([t]) for t in range(9)])
    torch.testing.assert_close(found, expected[0], atol=1e-5, rtol=1e-5)


def test_an_ensemble_tells_the_mean_chances_of_its_members(movie):
    torch.manual_seed(1)
    members = [RecurrentNetwork(7, **SMALL) for _ in range(3)]
    alone = [told(RecurrentModel(member), movie) for member in members]
    together = told(RecurrentModel(RecurrentEnsemble(members)), movie)
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-5)


def test_an_ensemble_learns_and_tells_along_lineages_as_its_members_do():
    torch.manual_seed(0)
    network = RecurrentEnsemble([RecurrentNetwork(7, **SMALL) for _ in range(2)]).eval()
    images, level = torch.rand(1, 9, 48, 48), torch.randn(1, 9)
    with torch.inference_mode():
        expected, centre = network(images, level, torch.ones(1, 9, dtype=torch.bool))
        seen = network.eye(images[0])
        features = torch.cat([seen.features, level[0, :, None]], dim=1)
        found = network.follow(features, np.arange(-1, 8), [np.array([t]) for t in range(9)])
    torch.testing.assert_close(found, expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen.centre[:, 0], centre[0])


def test_members_that_are_learned_side_by_side_get_the_same_gradients():
    torch.manual_seed(1)
    images, level = torch.rand(2, 5, 48, 48), torch.randn(2, 5)
    valid = torch.ones(2, 5, dtype=torch.bool)
    gradients = []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            network = recurrent_network(7, **SMALL, members=2).train()
            logits, drawn = network(images, level, valid)
            (logits.square().sum() + drawn.sum()).backward()
            assert torch.get_num_threads() == threads
            gradients.append([parameter.grad for parameter in network.parameters()])
    finally:
        torch.set_num_threads(1)
    greatest = max(float(alone.abs().max()) for alone in gradients[0])
    for alone, side, again in zip(*gradients, strict=True):
        torch.testing.assert_close(side, alone, rtol=0, atol=1e-5 * greatest)
        assert torch.equal(side, again), "the same numbers each time"


def test_padding_at_the_end_changes_nothing():
    torch.manual_seed(0)
    network = RecurrentNetwork(7, **SMALL).eval()
    images, level = torch.rand(2, 9, 48, 48), torch.randn(2, 9)
    valid = torch.arange(9)[None] < torch.tensor([[6], [9]])
    with torch.inference_mode():
        padded, _ = network(images, level, valid)
        alone, _ = network(images[:1, :6], level[:1, :6], valid[:1, :6])
    torch.testing.assert_close(padded[0, :6], alone[0], atol=1e-5, rtol=1e-5)


def test_what_is_padding_is_not_looked_at_where_that_teaches_the_same():
    torch.manual_seed(0)
    network = RecurrentNetwork(**SMALL).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    images, level = torch.randn(3, 6, 48, 48), torch.randn(3, 6)
    valid = torch.arange(6) < torch.tensor([[6], [2], [4]])
    looked_at, gradients, eye = [], [], network.eye.forward

    def watched(crops):
        looked_at.append(len(crops))
        return eye(crops)

    network.eye.forward = watched
    for there in (valid, torch.ones_like(valid)):
        network._seen = lambda crops, _, there=there: RecurrentNetwork._seen(
            network, crops, there.flatten()
        )
        network.zero_grad()
        torch.manual_seed(1)
        logits, drawn = network(images, level, valid)
        (logits[valid].square().sum() + drawn[valid].sum()).backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    assert looked_at == [12, 18]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [24, 31, 48, 96])
def test_crops_of_any_size_are_looked_at(size):
    network = RecurrentNetwork(7, **SMALL).eval()
    seen = network.eye(torch.rand(3, size, size))
    assert seen.features.shape == (3, 12)
    assert seen.centre.shape[2:] == (-(-size // 2), -(-size // 2))


def test_daughters_know_their_mother_and_she_knows_both(movie):
    model, tracks = untrained(), movie.tracks
    parent = parents(tracks)
    mothers = np.flatnonzero(np.bincount(parent[parent >= 0], minlength=len(parent)) == 2)
    assert len(mothers)
    whole = told(model, movie)
    links = tracks.links[~tracks.links["parent"].isin(tracks.cells.index[mothers])]
    cut = told(model, movie, Tracks(tracks.cells, links.reset_index(drop=True)))
    daughters = np.flatnonzero(np.isin(parent, mothers))
    assert (np.abs(whole - cut)[np.r_[mothers, daughters]].max(axis=1) > 1e-6).all()


def test_windows_of_frames_hardly_change_what_is_told(movie):
    whole, windowed = untrained(), untrained()
    windowed.window, windowed.context = 3, 2
    np.testing.assert_allclose(told(whole, movie), told(windowed, movie), atol=0.1)


def test_a_longer_movie_holds_no_more_frames(cycling):
    model = untrained()
    model.window, model.context = 4, 2
    held = []
    tell_window = model._tell
    model._tell = lambda frames, *rest: (held.append(len(frames)), tell_window(frames, *rest))
    told(model, cycling)
    assert len(held) > 4
    assert max(held) <= 4 + 2 * 2


def test_turned_and_brighter_movies_are_told_alike(movie):
    from napari_cellcycle.data.movie import Movie

    model = untrained()
    bright = Movie(
        3 * movie.movie.pixels.astype(np.float32) + 500,
        movie.movie.pixel_size,
        movie.movie.frame_interval,
        movie.movie.channels,
    )
    again = model(sights(bright, movie.labels, movie.tracks), parents(movie.tracks))
    np.testing.assert_allclose(again, told(model, movie), atol=1e-3)


def test_the_centre_cell_can_be_looked_at(movie):
    model = untrained()
    sight = next(iter(sights(movie.movie, movie.labels, movie.tracks)))
    crops, centres = model.centres(sight)
    assert crops.shape == centres.shape == (len(sight.rows), 48, 48)
    assert (centres <= crops + 1e-3).all()


@pytest.mark.parametrize("members", [1, 2])
def test_a_stored_model_tells_the_same_and_brings_its_stages(movie, tmp_path, members):
    network = recurrent_network(len(LIVE_CELL), **SMALL, members=members)
    model = RecurrentModel(network, LIVE_CELL)
    shape = {**SMALL, "members": members} if members > 1 else SMALL
    settings = {"stages": stages_to_json(LIVE_CELL), **shape, "side": 1.6, "size": 48}
    card = ModelCard(name="mine", kind="stage", architecture=RECURRENT, settings=settings)
    path = save_model(model.network.state_dict(), card, tmp_path).path
    stored = open_stage_model(path, "cpu")
    assert stored.stages.names == LIVE_CELL.names
    np.testing.assert_allclose(told(stored, movie), told(model, movie), atol=1e-6)
    staged = classify(movie.movie, movie.labels, movie.tracks, model=path, device="cpu")
    assert set(staged.cells["stage"]) <= set(LIVE_CELL.names)
    bad = card.model_copy(update={"name": "bad", "settings": settings | {"width": 5}})
    path = save_model(model.network.state_dict(), bad, tmp_path).path
    with pytest.raises(MissingModel, match="does not fit its card"):
        open_stage_model(path, "cpu")


def test_no_tracks_give_no_stages():
    empty = np.zeros(0, np.int64)
    assert untrained()(iter(()), empty).shape == (0, 7)


def test_it_learns_stages_and_to_draw_the_centre_cell(cycling):
    cut = sequences_of(cycling.movie, cycling.labels, cycling.tracks)
    task = SequenceTaskSettings(batches=8, sequences=4, length=12)
    shape = RecurrentSettings(**SMALL)
    fit = FitSettings(epochs=8, learning_rate=1e-2)
    network, history = train_recurrent([cut], [1.0], fit, task, shape=shape, held_out=cut)
    assert history[-1].loss < 0.8 * history[0].loss
    code = tell(network, cut, shape).argmax(axis=1)
    often = np.bincount(cut.code).max() / len(cut.code)
    assert (code == cut.code).mean() > min(often, 0.6)
    assert max(epoch.score for epoch in history) > 0.2


def test_of_an_ensemble_the_same_layers_of_all_members_are_taught_further(cycling):
    cut = sequences_of(cycling.movie, cycling.labels, cycling.tracks)
    shape = RecurrentSettings(**SMALL, members=2)
    start = network_of(7, shape).state_dict()
    before = {name: value.clone() for name, value in start.items()}
    fit = FitSettings(epochs=1, layers=("head",), steady=True)
    task = SequenceTaskSettings(batches=2, sequences=2, length=6)
    network, _ = train_recurrent([cut], [1.0], fit, task, shape=shape, start=start)
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {f"members.{i}.head.{kind}" for i in (0, 1) for kind in ("weight", "bias")}


def test_the_same_seed_gives_the_same_network(cycling):
    cut = sequences_of(cycling.movie, cycling.labels, cycling.tracks)
    settings = FitSettings(epochs=1), SequenceTaskSettings(batches=2, sequences=2, length=6)
    networks = [
        train_recurrent([cut], [1.0], *settings, shape=RecurrentSettings(**SMALL))[0]
        for _ in range(2)
    ]
    for one, other in zip(*(n.state_dict().values() for n in networks), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_one_stage_alone_cannot_be_learned(cycling):
    from dataclasses import replace

    cut = sequences_of(cycling.movie, cycling.labels, cycling.tracks)
    with pytest.raises(BadInput, match="only 'interphase'"):
        SequenceTask([replace(cut, code=np.zeros_like(cut.code))], [1.0])
    with pytest.raises(BadInput, match="no stage at all"):
        SequenceTask([replace(cut, code=np.full_like(cut.code, -1))], [1.0])


def test_crops_smaller_than_the_network_looks_at_are_refused(cycling):
    cut = sequences_of(cycling.movie, cycling.labels, cycling.tracks, size=16)
    with pytest.raises(BadInput, match="16 pixels wide, but the network looks at 48"):
        SequenceTask([cut], [1.0])


def test_a_table_without_stages_column_is_unknown_everywhere(cycling):
    bare = Tracks(cycling.tracks.cells.drop(columns="stage"), cycling.tracks.links)
    cut = sequences_of(cycling.movie, cycling.labels, bare)
    assert isinstance(bare.cells, pd.DataFrame)
    assert (cut.code == -1).all()
