"""The graph network sees cells whichever way the movie lies, and learns who becomes whom."""

import dataclasses
import weakref

import examples
import numpy as np
import pandas as pd
import pytest
import torch

from napari_cellcycle.features.graph import build_graph
from napari_cellcycle.features.relations import (
    Pace,
    links_from,
    relate,
    relate_divisions,
    relate_links,
    usual_steps,
)
from napari_cellcycle.features.shape import measure_overlaps
from napari_cellcycle.features.views import SIZE, typical_size, views
from napari_cellcycle.models.link.encoder import CellEncoder
from napari_cellcycle.models.link.graph_linker import GraphLinker
from napari_cellcycle.models.link.graph_network import GraphInput, GraphNetwork
from napari_cellcycle.models.link.stream import Stream
from napari_cellcycle.progress import Cancelled, silent
from napari_cellcycle.simulate import random_settings, simulate
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.link.graph import rivalry_loss, train_network
from napari_cellcycle.training.link.graph_examples import cut, example_of, examples_of
from napari_cellcycle.training.link.recordings import Recording, fully_known
from napari_cellcycle.training.link.sources import recording_of as known_recording
from napari_cellcycle.training.link.versions import (
    Version,
    as_markers,
    every,
    worsened,
)


@pytest.fixture(scope="module", params=[2, 3])
def recording(request):
    return small_recording(request.param)


def small_recording(ndim):
    """A simulated movie, small enough to be measured in a second."""
    small = {"frames": 24, "size": 288} if ndim == 2 else {"frames": 16, "size": 128, "cells": 12}
    made = simulate(random_settings(9000, ndim).model_copy(update=small))
    return known_recording(made, f"{ndim}d")


def measured(recording, max_gap=3):
    unit = typical_size(recording.labels, recording.pixel_size)
    cells, overlaps = measure_overlaps(recording.movie, recording.labels, max_gap=max_gap)
    shape = recording.labels.shape[1:]
    graph = build_graph(cells, overlaps, shape, recording.pixel_size, max_gap=max_gap, unit=unit)
    return cells, graph


def new_network(example, seed=0):
    torch.manual_seed(seed)
    return GraphNetwork(
        example.graph.looks.shape[1],
        example.relations.link.shape[1],
        example.relations.division.shape[1],
    )


def recording_of(toy):
    values = [np.unique(mask)[1:] for mask in toy.labels]
    return Recording(toy.name, toy.labels, fully_known(values), {}, toy.movie.pixel_size, toy.movie)


def test_what_is_seen_of_a_cell_does_not_change_when_the_movie_is_turned_or_mirrored():
    torch.manual_seed(0)
    encoder = CellEncoder().eval()
    seen = torch.randn(5, 4, SIZE, SIZE)
    with torch.inference_mode():
        expected = encoder(seen)
        for turned in (seen.rot90(1, (2, 3)), seen.rot90(2, (2, 3)), seen.mT, seen.flip(3)):
            torch.testing.assert_close(encoder(turned), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_view_shows_the_cell_in_its_middle_and_its_neighbours_around(ndim):
    toy = examples.two_walkers(ndim)
    shown = []
    measure_overlaps(
        toy.movie, toy.labels, watch=lambda *frame: shown.append(views(*frame, (20.0,) * ndim))
    )
    image, own, others, wide = shown[0].transpose(1, 0, 2, 3)
    middle = SIZE // 2
    assert (own[:, middle, middle] == 1).all()
    assert (own[:, 0, 0] == 0).all()
    assert not others[:, middle, middle].any()
    assert (image[:, middle, middle] > 0.5).all() and (wide[:, middle, middle] > 0.5).all()


def test_cells_that_are_mere_spots_are_measured_by_their_distance():
    labels = examples.two_walkers().labels
    assert typical_size(labels, (1.0, 1.0)) == pytest.approx(18, abs=1)
    assert typical_size(labels, (0.5, 0.5)) == pytest.approx(9, abs=0.5)
    one = dataclasses.replace(labels, base=np.where(labels.base == 1, 1, 0))
    assert typical_size(one, (1.0, 1.0)) == pytest.approx(12, abs=0.5)


def test_links_of_some_frames_are_described_as_in_the_whole_movie(recording):
    _, graph = measured(recording)
    c, pace = graph.candidates, Pace.of(graph)
    whole = relate(graph, pace)
    cells = np.searchsorted(graph.frame, [3, 8])
    links = slice(*np.searchsorted(c.parent, cells))
    divisions = slice(*np.searchsorted(c.first, [links.start, links.stop]))
    part = links_from(graph, links, divisions)
    assert set(graph.frame[part.candidates.parent]) == set(range(3, 8))
    assert set(graph.frame[c.parent[c.first[divisions]]]) <= set(range(3, 8))
    table = relate_links(part, pace, usual_steps(graph))
    np.testing.assert_allclose(table, whole.link[links], rtol=1e-5, atol=1e-5)
    found = relate_divisions(part, table, pace)
    np.testing.assert_allclose(found, whole.division[divisions], rtol=1e-5, atol=1e-5)


def test_candidates_come_sorted(recording):
    c = measured(recording)[1].candidates
    assert (np.diff(c.parent) >= 0).all() and (np.diff(c.first) >= 0).all()
    assert (c.parent[c.first] == c.parent[c.second]).all()
    assert (c.gap[c.first] == c.gap[c.second]).all()


@pytest.mark.parametrize("cells_at_once", [1, 40, 10**6])
def test_a_movie_in_blocks_gets_the_energies_of_all_frames_at_once(recording, cells_at_once):
    example = example_of(Version(recording, 3, 1.0, 1.0))
    network = new_network(example).eval()
    graph, c = example.graph, example.graph.candidates
    seen = GraphLinker(network).embed(example.seen)
    table = example.relations
    columns = (graph.looks, seen, table.link, table.division, c.parent, c.child, c.first, c.second)
    with torch.inference_mode():
        whole = network(GraphInput(*map(torch.from_numpy, columns)))
    parts = Stream(network, graph, seen, cells_at_once, "cpu").energies()
    for one, all_at_once in zip(parts, whole, strict=True):
        assert np.ptp(one) > 0.01
        np.testing.assert_allclose(one, all_at_once, atol=1e-4)


def test_the_size_of_blocks_changes_nothing_but_float_noise(recording):
    example = example_of(Version(recording, 3, 1.0, 1.0))
    network = new_network(example)
    linkers = [GraphLinker(network, cells_at_once=n) for n in (10, 60, 10**6)]
    scores = [linker(example.graph, linker.embed(example.seen)) for linker in linkers]
    for other in scores[:-1]:
        np.testing.assert_allclose(other.link, scores[-1].link, atol=1e-5)
        np.testing.assert_allclose(other.division, scores[-1].division, atol=1e-5)


def test_states_are_kept_of_a_few_blocks_only():
    recording = small_recording(2)
    example = example_of(Version(recording, 2, 1.0, 1.0))
    network = new_network(example)
    stream = Stream(network, example.graph, GraphLinker(network).embed(example.seen), 1, "cpu")
    alive, most = weakref.WeakSet(), []

    def counted(blocks):
        for block in blocks:
            alive.add(block)
            most.append(len(alive))
            yield block

    begun = stream._begun
    stream._begun = lambda bounds: counted(begun(bounds))
    stream.energies()
    assert len(most) > 10
    assert max(most) <= len(network.rounds) + 3


def test_candidates_compete_so_that_nobody_has_more_than_one_parent(recording):
    example = example_of(Version(recording, 3, 1.0, 1.0))
    scores = GraphLinker(new_network(example))(example.graph)
    assert (scores.link >= 0).all() and (scores.link <= 1).all()
    c = example.graph.candidates
    alone = np.bincount(c.child)[c.child] == 1
    assert scores.link[~alone].mean() < scores.link[alone].mean() or not alone.any()


def test_a_few_minutes_of_cells_teach_it_to_link(recording):
    learned = examples_of([(recording, 1.0)])
    network, _ = train_network(learned, FitSettings(epochs=1, learning_rate=3e-3), batches=25)
    example = example_of(Version(recording, 3, 1.0, 1.0))
    linker = GraphLinker(network)
    scores = linker(example.graph, linker.embed(example.seen))
    found, true = scores.link > 0.5, example.true_link
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.97


def test_links_that_were_taken_away_are_learned_from():
    toy = examples.two_walkers()
    recording = recording_of(toy)
    truth = recording.truth.assign(past=False, future=False)
    wrong = pd.DataFrame(
        [(1, 2, 2, 1)],
        columns=["parent_frame", "parent_label", "child_frame", "child_label"],
    )
    example = example_of(
        Version(dataclasses.replace(recording, truth=truth, rejected=wrong), 1, 1.0, 1.0)
    )
    assert example.rejected.sum() == 1
    network = new_network(example)
    batch = cut(example, np.random.default_rng(0))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        loss = rivalry_loss(network, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 4


def test_of_cells_without_a_known_past_or_future_nothing_is_learned():
    recording = recording_of(examples.two_walkers())
    truth = recording.truth.assign(past=False, future=False)
    example = example_of(Version(dataclasses.replace(recording, truth=truth), 1, 1.0, 1.0))
    batch = cut(example, np.random.default_rng(0))
    assert float(rivalry_loss(new_network(example), batch).detach()) == 0


def test_worse_masks_know_which_cell_they_show(recording):
    worse = worsened(recording, np.random.default_rng(3))
    values = [set(np.unique(mask)) - {0} for mask in worse.labels]
    rows = worse.truth.groupby("frame")["label"].apply(set)
    assert all(rows.get(time, set()) == found for time, found in enumerate(values))
    for time, label, track in worse.truth[["frame", "label", "track"]].to_numpy()[::7]:
        if track:
            assert (recording.labels.frame(time)[worse.labels.frame(time) == label] == track).any()
    assert not worse.truth[worse.truth["track"] > 0].duplicated(["frame", "track"]).any()


def test_markers_lie_within_their_masks_and_none_is_lost(recording):
    spots = as_markers(recording, np.random.default_rng(1))
    for spot, mask in zip(spots.labels, recording.labels, strict=True):
        assert set(np.unique(spot)) == set(np.unique(mask))
        assert (mask[spot > 0] == spot[spot > 0]).all()
        assert (spot > 0).sum() < (mask > 0).sum()


def test_every_second_frame_keeps_movie_masks_and_truth_together(recording):
    sparse = every(recording, 2)
    assert len(sparse.labels) == len(sparse.movie) == -(-len(recording.labels) // 2)
    assert (sparse.labels.frame(3) == recording.labels.frame(6)).all()
    assert (sparse.movie.frame(3) == recording.movie.frame(6)).all()
    assert set(sparse.truth["frame"]) <= set(range(len(sparse.labels)))


def test_a_movie_with_missing_masks_is_told_from_a_complete_one(recording):
    labels = worsen(recording.labels, WorsenSettings(missing=0.15, merged=0, split=0))[0]
    worse = measured(dataclasses.replace(recording, labels=labels))[1]
    assert Pace.of(worse).steady < Pace.of(measured(recording)[1]).steady - 0.05


def test_motion_is_told_in_typical_sizes(recording):
    _, graph = measured(recording)
    pace = Pace.of(graph)
    assert 0 < pace.motion < 1 and 0.8 < pace.steady <= 1
    relations = relate(graph, pace)
    assert np.isfinite(relations.link).all() and np.isfinite(relations.division).all()
    assert len(relations.link) == len(graph.candidates)


def test_rejected_links_follow_their_cells_into_every_version(recording):
    cells = recording.truth
    pair = cells[cells["frame"] == 4].iloc[0], cells[cells["frame"] == 6].iloc[0]
    rejected = pd.DataFrame(
        [(4, pair[0]["label"], 6, pair[1]["label"])], columns=recording.rejected.columns
    ).astype(np.int64)
    known = dataclasses.replace(recording, rejected=rejected)
    sparse = every(known, 2).rejected
    assert sparse.to_numpy().tolist() == [[2, pair[0]["label"], 3, pair[1]["label"]]]
    worse = worsened(known, np.random.default_rng(3))
    for _, row in worse.rejected.iterrows():
        for end, cell in zip(("parent", "child"), pair, strict=True):
            mask = worse.labels.frame(row[f"{end}_frame"]) == row[f"{end}_label"]
            assert (recording.labels.frame(cell["frame"])[mask] == cell["label"]).any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_a_graphics_card_gives_the_same_scores(recording):
    example = example_of(Version(recording, 3, 1.0, 1.0))
    found = []
    for device in ("cpu", "cuda"):
        linker = GraphLinker(new_network(example), device)
        found.append(linker(example.graph, linker.embed(example.seen)))
    np.testing.assert_allclose(found[0].link, found[1].link, atol=1e-3)


def test_a_stopped_training_goes_on_as_if_it_had_not_been(recording, tmp_path):
    learned = [(example_of(Version(recording, 2, 1.0, 1.0)), 1.0)]
    settings = FitSettings(epochs=3, average=0.9)

    def after_two_rounds(done, total, message=""):
        if done > 2 * total // 3:
            raise Cancelled

    def trained(path, progress=silent):
        checkpoint = Checkpoint(tmp_path / path, {})
        return train_network(
            learned, settings, batches=2, checkpoint=checkpoint, progress=progress
        )[0].state_dict()

    with pytest.raises(Cancelled):
        trained("stopped", after_two_rounds)
    assert (tmp_path / "stopped").is_file()
    rounds = []
    resumed = trained("stopped", lambda done, total, message="": rounds.append(done))
    assert min(rounds) >= 4
    whole = trained("whole")
    assert all((resumed[name] == whole[name]).all() for name in whole)
