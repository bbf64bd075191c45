"""Nucleus networks learn from embryos with known lineages, apart from those that judge them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from taught import saved, untouched, with_pins

from napari_cellcycle.config import ClassifySettings, SimulateSettings
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.events import DEATH, MITOTIC, NEW, RELAXED, STABLE, UNKNOWN, events
from napari_cellcycle.models.stage.model import stages_of
from napari_cellcycle.models.stage.nucleus.networks import build
from napari_cellcycle.models.stage.nucleus.presets import PRESETS
from napari_cellcycle.models.store import find_model
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.nucleus import (
    TRAININGS,
    NucleusTask,
    NucleusTraining,
    outputs,
    train_nucleus,
)
from napari_cellcycle.training.stage.nucleus_examples import (
    NucleusExamples,
    embryo_settings,
    movie_examples,
)
from napari_cellcycle.training.stage.nucleus_sources import open_nuclei
from napari_cellcycle.training.stage.nucleus_states import corrected_states
from napari_cellcycle.training.stage.nucleus_views import OURS, NucleusViews, views
from napari_cellcycle.training.stage.nucleus_weights import seen_by
from napari_cellcycle.training.stage.plateau import PlateauAdam

SMALL = PRESETS["nucleus"].model_copy(update={"size": (4, 8, 8), "width": 4})
SHORT = NucleusTraining(
    preset=SMALL, fit=FitSettings(epochs=4, learning_rate=1e-2), batches=12, batch_size=16
)


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def blobs(n=90, depth=4, group=0):
    """A nucleus that is alone and still (stable), alone and then two (mitotic), or gone (death)."""
    rng = np.random.default_rng(group)
    code = rng.choice([STABLE, MITOTIC, DEATH], n)
    samples = 0.1 * rng.random((n, 4, depth, 8, 8))
    samples[:, :2, :, 3:5, 3:5] += 1
    samples[code == STABLE, 2, :, 3:5, 3:5] += 1
    samples[code == MITOTIC, 2, :, 3:5, 0:2] += 1
    samples[code == MITOTIC, 2, :, 3:5, 6:8] += 1
    samples[:, 3] = 0
    samples[:, 3, :, 3:5, 3:5] = 1
    clean = np.ones(n, bool)
    return NucleusExamples(samples.astype(np.float16), code, clean, np.full(n, group), SMALL)


def test_a_network_learns_from_volumes_and_planes_together():
    sources = [blobs(), blobs(depth=1, group=1)]
    longer = {"fit": FitSettings(epochs=8, learning_rate=1e-2), "views": NucleusViews(chance=0.0)}
    settings = SHORT.model_copy(update={**longer, "batches": 20})
    state, settings, history = train_nucleus(sources, settings, held_out=blobs(group=2))
    assert max(epoch.score for epoch in history) > 0.9
    assert settings["stages"]["name"] == "Nucleus state"
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    once, _, _ = train_nucleus(blobs(), SHORT)
    keep = Checkpoint(tmp_path / "state.pt")
    calls = []

    def stop(done, total, message=""):
        calls.append(done)
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_nucleus(blobs(), SHORT, checkpoint=keep, progress=stop)
    again, _, _ = train_nucleus(blobs(), SHORT, checkpoint=keep)
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_going_on_from_weights_begins_with_them():
    first, _, _ = train_nucleus(blobs(), SHORT)
    tiny = SHORT.model_copy(update={"fit": FitSettings(epochs=1, learning_rate=1e-9)})
    second, _, _ = train_nucleus(blobs(), tiny, start=first)
    assert all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


def test_published_trainings_see_every_example_once_an_epoch_and_cap_the_classes():
    paper = TRAININGS["4ncnn"].model_copy(update={"most": 10, "preset": SMALL})
    task = NucleusTask([blobs(200)], [], paper)
    codes = torch.cat([code for _, code in task.batches(np.random.default_rng(0))])
    assert torch.bincount(codes, minlength=4).tolist() == [10, 10, 0, 10]
    assert len(task) == 2
    assert TRAININGS["4ncnn"].fit.epochs == 300
    assert TRAININGS["4ncnn"].fit.learning_rate == 1e-5


def test_the_published_rate_falls_when_the_held_out_loss_does_not():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = PlateauAdam([weight], 1e-2, patience=2)
    for loss in (1.0, 0.9, 0.9, 0.9, 0.9):
        optimiser.report(loss)
    assert optimiser.param_groups[0]["share"] == pytest.approx(0.2)
    weight.grad = torch.ones(1)
    optimiser.step()
    assert weight.item() == pytest.approx(-2e-3, rel=1e-3)
    assert optimiser.param_groups[0]["lr"] == 1e-2


def test_the_published_recipe_trains_to_its_best_epoch():
    fit = FitSettings(epochs=3, learning_rate=1e-2, schedule="constant", warmup=0.0, patience=35)
    preset = PRESETS["4ncnn"].model_copy(update={"size": (4, 8, 8)})
    paper = TRAININGS["4ncnn"].model_copy(update={"fit": fit, "preset": preset})
    examples = seen_by(blobs(), preset)
    state, _, history = train_nucleus(examples, paper, held_out=seen_by(blobs(group=1), preset))
    best = max(epoch.score for epoch in history)
    network = NucleusTask([examples], [seen_by(blobs(group=1), preset)], paper)
    built = build(preset, 4).eval()
    built.load_state_dict(state)
    assert network.score(built) == pytest.approx(best)


def test_views_move_frames_and_mask_alike():
    samples = torch.zeros(64, 4, 4, 8, 8)
    samples[:, :, 1, 1:3, 5:8] = 1
    still = NucleusViews(turns=True, planes=1, chance=0.0, clipped=True)
    seen = views(samples, 3, still, torch.Generator().manual_seed(0))
    assert torch.equal(seen[:, 0], seen[:, 3]) and torch.equal(seen[:, 2], seen[:, 3])
    places = {tuple(map(tuple, sample[3].nonzero().tolist())) for sample in seen}
    assert len(places) > 16
    assert (seen[:, 3].sum((1, 2, 3)) >= 6).all()


def test_views_never_change_the_brightness_of_a_mask():
    seen = views(torch.ones(8, 4, 1, 8, 8), 3, OURS, torch.Generator().manual_seed(0))
    assert set(seen[:, 3].unique().tolist()) <= {0.0, 1.0}
    assert seen[:, :3].std() > 0


def test_the_same_seed_draws_the_same_views():
    samples = torch.rand(4, 4, 4, 8, 8)
    drawn = [views(samples, 3, OURS, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("ndim", [2, 3])
def test_simulated_embryos_give_examples_of_what_their_lineage_tells(ndim):
    update = {"frames": 8, "size": 64, "planes": 6, "cells": 8, "cycle_hours": 1.0}
    settings = embryo_settings(3, ndim).model_copy(update={**update, "frame_interval": 600.0})
    made = simulate(settings)
    examples = movie_examples(made.movie, made.labels, made.tracks, SMALL, group=3)
    assert examples.samples.shape[1:] == (4, 4 if ndim == 3 else 1, 8, 8)
    assert len(set(examples.code)) > 1
    assert (examples.group == 3).all()
    own = examples.samples[:, 3].astype(bool)
    middle = own[:, own.shape[1] // 2, 3:5, 3:5].any(axis=(1, 2))
    assert middle.mean() > 0.8, "most cells cover the middle of their window"


def test_of_an_experiment_only_what_the_user_decided_is_learned(tmp_path):
    """States set by hand, also where the links tell others, and what corrected links tell."""
    found = untouched()
    frame = found.tracks.cells["frame"]
    middle = found.tracks.cells.index[(frame >= 3) & (frame <= 8)]
    set_to = dict.fromkeys(middle[:6].tolist(), "death")
    pinned = replace(with_pins(found, set_to), stages=NUCLEUS)
    learned, _ = open_nuclei(saved(pinned, tmp_path), SMALL)
    assert learned.code.tolist() == [DEATH] * 6
    division = found.tracks.divisions[0]
    links = found.tracks.links.copy()
    links.loc[links["parent"] == division, "by"] = BY_USER
    linked = replace(found, tracks=replace(found.tracks, links=links))
    told = corrected_states(linked).code
    daughters = links.loc[links["parent"] == division, "child"].tolist()
    known = found.tracks.cells.index[told != UNKNOWN].tolist()
    assert sorted(known) == sorted([division, *daughters])
    assert told[found.tracks.cells.index.get_loc(division)] == MITOTIC
    everything = corrected_states(pinned, trust_all=True)
    assert (everything.code == DEATH).sum() >= 6 and (everything.code == STABLE).any()
    place = saved(found, tmp_path, "none")
    with pytest.raises(BadInput, match=r"No nucleus of .* has a state that you set"):
        open_nuclei(place, SMALL)
    assert len(open_nuclei(place, SMALL, trust_all=True)[0])


def test_embryos_differ_by_seed():
    assert embryo_settings(1) == embryo_settings(1)
    assert embryo_settings(1) != embryo_settings(2)


def test_examples_of_one_state_only_are_refused():
    examples = blobs()
    with pytest.raises(BadInput, match=r"all \d+ show 'mitotic'"):
        train_nucleus(examples.subset(examples.code == MITOTIC), SHORT)


def test_examples_cut_for_another_preset_are_refused():
    with pytest.raises(BadInput, match="have 4 channels, but the network sees 3"):
        train_nucleus(blobs(), TRAININGS["3ncnn"])


def test_outputs_do_not_depend_on_the_batch():
    network = build(SMALL, 4).eval()
    samples = blobs(20).samples
    assert torch.allclose(outputs(network, samples, 3), outputs(network, samples), atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_shipped_model_tells_divisions_that_it_never_saw(ndim):
    """Daughters look young and others do not; with the lineage nearly every cell is told right."""
    settings = SimulateSettings(
        ndim=ndim,
        seed=7,
        frames=10,
        size=96,
        planes=12,
        cells=10,
        pixel_size=0.9,
        plane_spacing=2.0,
        frame_interval=600.0,
        nucleus_diameter=12.0,
        cycle_hours=2.5,
        death_rate=0.0,
        spacing=1.2,
        debris=0,
    )
    made = simulate(settings)
    told = classify(made.movie, made.labels, made.tracks, ClassifySettings(model="nucleus"))
    code = events(made.tracks, made.labels, RELAXED)
    known = (code >= 0) & (made.tracks.cells["frame"] > 0)
    assert (code[known] == NEW).sum() >= 2
    stage = told.cells["stage"][known]
    assert (stage == np.array(NUCLEUS.names)[code[known]]).mean() > 0.9
    plain = ClassifySettings(model="nucleus", smoothing=0.0)
    alone = classify(made.movie, made.labels, made.tracks, plain).cells["p_new daughter"]
    assert alone[known & (code == NEW)].mean() > 0.5
    assert alone[known & (code == STABLE)].mean() < 0.15


def test_the_shipped_model_says_where_it_comes_from():
    card = find_model("nucleus", "stage").card
    assert stages_of(card) == NUCLEUS
    assert card.command.endswith("weights nucleus")
    assert card.data and card.split and card.metrics
