"""The networks of the published tracker: their sizes, their losses, what they are shown."""

import math

import examples
import numpy as np
import pytest
import torch

from napari_cellcycle.features.paper import measure_paper
from napari_cellcycle.models.link.paper import network as network_module
from napari_cellcycle.models.link.paper.graph import (
    candidates,
    cut_graph,
    gated_pairs,
    reach_of,
    scaled,
    window_starts,
)
from napari_cellcycle.models.link.paper.metric import (
    Embedder,
    circle_loss,
    mine_pairs,
    multi_similarity_loss,
    precision_at_1,
    triplet_loss,
)
from napari_cellcycle.models.link.paper.network import EdgeClassifier, PathfinderConvolution
from napari_cellcycle.models.link.paper.settings import PaperSettings
from napari_cellcycle.models.resnet import ResNet18
from napari_cellcycle.training.link.paper_links import (
    EdgeReport,
    Window,
    edge_loss,
    known_links,
    split_windows,
    thinned,
    windows_of,
    without_shared_frames,
)
from napari_cellcycle.training.link.paper_metric import (
    consecutive_rows,
    split_by_frame,
    split_by_id,
)
from napari_cellcycle.training.link.recordings import Recording, fully_known


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("ndim", "mode", "total", "edge_inputs"),
    [(2, "masks", 249_319, 239), (3, "masks", 249_895, 242), (2, "markers", 247_975, 232)],
)
def test_the_edge_classifier_is_as_large_as_published(ndim, mode, total, edge_inputs):
    network = EdgeClassifier(PaperSettings(ndim=ndim, mode=mode, features="full"))
    assert parameters(network) == total
    assert network.edge_inputs == edge_inputs


def test_basic_features_need_no_encoder_of_learned_ones():
    network = EdgeClassifier(PaperSettings(features="basic"))
    assert network.learned is None
    assert network.edge_inputs == 239 - 128
    nodes, edges = torch.rand(4, 13), torch.tensor([[0, 0, 1], [2, 3, 3]])
    assert network(nodes, edges).shape == (3,)


def test_the_trunk_is_a_resnet_18_of_one_channel():
    assert parameters(ResNet18(2)) == 11_176_512 - 2 * 64 * 7 * 7
    with torch.device("meta"):
        assert parameters(ResNet18(3)) == 33_160_000


@pytest.mark.parametrize("ndim", [2, 3])
def test_embeddings_have_128_numbers_and_length_1(ndim):
    found = Embedder(ndim, width=4)(torch.rand(3, *(8, 30, 36)[-ndim:]))
    assert found.shape == (3, 128)
    assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-5)


def test_the_convolution_is_the_product_of_dense_matrices():
    torch.manual_seed(0)
    layer = PathfinderConvolution(5, 4, 7)
    torch.nn.init.normal_(layer.bias)
    h, e = torch.randn(6, 5), torch.randn(8, 7)
    edges = torch.tensor([[0, 0, 1, 1, 2, 3, 3, 4], [2, 3, 2, 3, 4, 4, 5, 5]])
    weights = torch.eye(6)
    weights[edges[1], edges[0]] = layer.weigh(e)[:, 0].sigmoid()
    root = torch.diag(weights.sum(1) ** -0.5)
    expected = root @ weights @ root @ h @ layer.linear.weight.T + layer.bias
    assert torch.allclose(layer(h, edges, e), expected, atol=1e-5)


def test_links_know_the_past_but_not_the_future():
    torch.manual_seed(0)
    network = EdgeClassifier(PaperSettings()).eval()
    nodes, edges = torch.rand(4, 13), torch.tensor([[0, 1, 2], [1, 2, 3]])
    changed = nodes.clone()
    changed[3] += 1
    with torch.no_grad():
        before, after = network(nodes, edges), network(changed, edges)
    assert torch.equal(before[:2], after[:2])
    assert before[2] != after[2]


def test_links_told_in_blocks_are_told_alike(monkeypatch):
    torch.manual_seed(0)
    network = EdgeClassifier(PaperSettings()).eval()
    nodes, edges = torch.rand(30, 13), torch.randint(0, 30, (2, 100))
    with torch.no_grad():
        whole = network(nodes, edges)
        monkeypatch.setattr(network_module, "_AT_ONCE", 7)
        assert torch.allclose(network(nodes, edges), whole, atol=1e-6)


EMBEDDINGS = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
IDS = torch.tensor([1, 1, 2])


def test_the_multi_similarity_loss_has_the_value_computed_by_hand():
    pull = math.log(1 + math.exp(2 * (0.5 - 0.6))) / 2
    push_first = math.log(1 + math.exp(50 * (0 - 0.5))) / 50
    push_second = math.log(1 + math.exp(50 * (0.8 - 0.5))) / 50
    push_third = math.log(1 + math.exp(50 * (0.8 - 0.5)) + math.exp(50 * (0 - 0.5))) / 50
    expected = (2 * pull + push_first + push_second + push_third) / 3
    found = multi_similarity_loss(EMBEDDINGS, IDS, epsilon=None)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    mined = multi_similarity_loss(EMBEDDINGS, IDS, epsilon=0.1)
    assert mined.item() == pytest.approx((pull + push_second) / 3, rel=1e-5)


def test_the_miner_keeps_pairs_that_are_hard_for_their_anchor():
    pairs = mine_pairs(EMBEDDINGS, IDS, 0.1)
    assert pairs.positive.nonzero().tolist() == [[1, 0]]
    assert pairs.negative.nonzero().tolist() == [[1, 2]]
    assert mine_pairs(EMBEDDINGS, IDS, 0.7).positive.nonzero().tolist() == [[0, 1], [1, 0]]


def test_the_circle_loss_has_the_value_computed_by_hand():
    def anchor(positive, negative):
        pull = -128 * (1.25 - positive) * (positive - 0.75)
        push = 128 * (negative + 0.25) * (negative - 0.25)
        return math.log1p(math.exp(pull + push))

    expected = (anchor(0.6, 0.0) + anchor(0.6, 0.8)) / 2
    assert circle_loss(EMBEDDINGS, IDS).item() == pytest.approx(expected, rel=1e-5)


def test_the_triplet_loss_counts_semi_hard_triplets_alone():
    angle = torch.deg2rad(torch.tensor([0.0, 40.0, 50.0]))
    points = torch.stack([angle.cos(), angle.sin()], 1)
    positive, negative = 2 * math.sin(math.radians(20)), 2 * math.sin(math.radians(25))
    expected = 0.25 - (negative - positive)
    assert triplet_loss(points, IDS).item() == pytest.approx(expected, rel=1e-4)
    assert triplet_loss(EMBEDDINGS, IDS).item() == 0


def test_precision_at_1_is_a_mean_over_cells():
    points = np.array([[1, 0], [0.99, 0.1], [0.98, 0.2], [0, 1], [0.7, 0.7], [-1, 0]])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    ids = np.array([1, 1, 1, 2, 2, 3])
    assert precision_at_1(points, ids) == pytest.approx((1 + 0.5) / 2)
    assert precision_at_1(points, ids, block=2) == pytest.approx((1 + 0.5) / 2)


def test_the_sampler_gives_each_cell_four_frames_in_a_row():
    frame = np.concatenate([np.arange(10), np.arange(3, 8), np.arange(2)])
    ids = np.repeat([5, 6, 7], [10, 5, 2])
    shuffle = np.random.default_rng(1).permutation(len(ids))
    ids, frame = ids[shuffle], frame[shuffle]
    seen = set()
    for seed in range(50):
        groups = list(consecutive_rows(ids, frame, np.random.default_rng(seed)))
        assert sorted(ids[rows[0]] for rows in groups) == [5, 6, 7]
        for rows in groups:
            assert len(rows) == 4 and len(set(ids[rows])) == 1
            if ids[rows[0]] != 7:
                assert (np.diff(frame[rows]) == 1).all()
        seen |= {(ids[rows[0]], frame[rows[0]]) for rows in groups if ids[rows[0]] == 5}
    assert seen == {(5, first) for first in range(7)}


def test_no_cell_is_both_learned_from_and_kept_aside():
    ids = np.repeat(np.arange(50), np.random.default_rng(0).integers(1, 20, 50))
    learned, aside = split_by_id(ids, np.random.default_rng(1))
    assert not set(ids[learned]) & set(ids[aside])
    assert sorted([*learned, *aside]) == list(range(len(ids)))
    assert 0.8 <= len(learned) / len(ids) < 0.9
    early, late = split_by_frame(np.arange(10))
    assert early.tolist() == list(range(8)) and late.tolist() == [8, 9]


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_border_of_the_gate_belongs_to_it(ndim):
    reach = np.array([4, 6, 10])[-ndim:]
    inside = np.concatenate([np.diag(reach), -np.diag(reach), [reach], [-reach]])
    outside = np.concatenate([np.diag(reach + 1), -np.diag(reach + 1)])
    second = np.concatenate([inside, outside])
    pairs = gated_pairs(np.zeros((1, ndim), int), second, reach)
    assert sorted(pairs[1]) == list(range(len(inside)))


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_gate_lets_through_what_brute_force_does(ndim):
    rng = np.random.default_rng(ndim)
    first, second = rng.integers(0, 60, (2, 80, ndim))
    reach = np.array([7, 12, 9])[-ndim:]
    expected = (np.abs(first[:, None] - second[None]) <= reach).all(2)
    found = np.zeros_like(expected)
    found[tuple(gated_pairs(first, second, reach))] = True
    assert (found == expected).all()


def test_links_reach_twice_the_largest_box():
    toy = examples.two_walkers()
    cells = measure_paper(toy.movie, toy.labels)
    side = 2 * examples.RADIUS + 1
    assert reach_of(cells, 2).tolist() == [2 * side, 2 * side]


def known(toy):
    """The toy as a recording in which mask values are tracks."""
    values = [np.unique(mask)[1:] for mask in toy.labels]
    return Recording(toy.name, toy.labels, fully_known(values), {}, toy.movie.pixel_size, toy.movie)


def test_true_links_beyond_the_gate_are_learned_and_mothers_are_strangers():
    toy = examples.division()
    recording, cells = known(toy), measure_paper(toy.movie, toy.labels)
    track = cells.table["seg_label"].to_numpy()
    links = known_links(recording, cells, track, sides=0.01)
    sighting = list(zip(cells.frame, track, strict=True))
    true = {
        (sighting[s], sighting[t])
        for s, t in zip(links.source[links.true], links.target[links.true], strict=True)
    }
    assert true == {link for link in toy.links if link[0][1] == link[1][1]}
    wide = known_links(recording, cells, track, sides=2)
    mother, daughter = sighting.index((3, 1)), sighting.index((4, 3))
    row = np.flatnonzero((wide.source == mother) & (wide.target == daughter))
    assert len(row) == 1 and wide.judged[row[0]] and not wide.true[row[0]]


def test_links_that_a_recording_does_not_know_are_not_judged():
    toy = examples.two_walkers()
    recording, cells = known(toy), measure_paper(toy.movie, toy.labels)
    recording.truth[["past", "future"]] = False
    recording.rejected.loc[0] = [0, 1, 1, 2]
    links = known_links(recording, cells, cells.table["seg_label"].to_numpy(), 2)
    assert links.judged.sum() == 1
    row = np.flatnonzero(links.judged)[0]
    assert cells.frame[links.source[row]] == 0 and not links.true[row]
    assert cells.table["seg_label"].iloc[links.source[row]] == 1


def test_features_are_scaled_within_each_graph():
    values = np.array([[0.0, 5, 7], [2, 5, 9], [8, 5, 8]])
    assert scaled(values).tolist() == [[0, 0, 0], [0.25, 0, 1], [1, 0, 0.5]]
    toy = examples.division()
    cells = measure_paper(toy.movie, toy.labels)
    links = candidates(cells.frame, cells.centroid, reach_of(cells, 2))
    graph = cut_graph(cells, links, 2, 4)
    assert graph.nodes.min() == 0 and graph.nodes.max() == 1
    assert sorted(set(graph.nodes[:, 0])) == [0, 0.5, 1]
    assert set(cells.frame[links.source[graph.edge_row]]) == {2, 3}


def test_windows_cover_the_movie():
    assert window_starts(12, 10).tolist() == [0, 1, 2]
    assert window_starts(4, 10).tolist() == [0]
    assert window_starts(23, 10, 5).tolist() == [0, 5, 10, 13]


def toy_windows(frames_by_recording):
    """Windows of 3 frames over recordings of one walking cell."""
    windows = []
    for number, frames in enumerate(frames_by_recording):
        discs = [{1: (30, 20 + t, 6, 50)} for t in range(frames)]
        toy = examples.toy("walker", discs, set())
        cells = measure_paper(toy.movie, toy.labels)
        links = known_links(known(toy), cells, cells.table["seg_label"].to_numpy(), 2)
        windows += windows_of(number, cells, links, 3)
    return windows


def places(windows):
    return [(window.recording, window.first) for window in windows]


def test_pooled_recordings_keep_the_end_of_one_and_the_start_of_the_next_aside():
    windows = toy_windows([12, 12])
    learned, aside = split_windows(windows)
    assert places(aside) == [(0, 8), (0, 9), (1, 0), (1, 1)]
    assert places(learned + aside) != places(windows)
    assert sorted(places(learned + aside)) == places(windows)
    ends = split_windows(windows, held_out="end_first")[1]
    assert places(ends) == [(0, first) for first in (6, 7, 8, 9)]
    apart = without_shared_frames(learned, aside, 3)
    assert max(w.first for w in apart if w.recording == 0) == 5
    assert min(w.first for w in apart if w.recording == 1) == 4


def test_separate_recordings_keep_the_first_aside():
    learned, aside = split_windows(toy_windows([5, 6]), "sepSequences")
    assert {w.recording for w in aside} == {0}
    assert {w.recording for w in learned} == {1}


def test_fewer_windows_are_spread_over_the_recording():
    windows = toy_windows([12])
    assert places(thinned(windows, 9)) == [(0, 0), (0, 3), (0, 6), (0, 9)]
    assert isinstance(thinned(windows, None)[0], Window)


def test_the_few_true_links_weigh_as_much_as_the_many_false_ones():
    log_odds, true = torch.tensor([0.3, -1.0, 0.2, 2.0]), torch.tensor([True, False, False, False])
    positive = 3 * math.log1p(math.exp(-0.3))
    negative = sum(math.log1p(math.exp(x)) for x in (-1.0, 0.2, 2.0))
    assert edge_loss(log_odds, true).item() == pytest.approx((positive + negative) / 4, rel=1e-5)


def test_precision_is_of_the_links_found_and_recall_of_the_true_ones():
    report = EdgeReport(8, 2, 86, 4)
    assert report.precision == pytest.approx(8 / 10)
    assert report.recall == pytest.approx(8 / 12)
    assert report.accuracy == pytest.approx(0.94)
    assert report.f1 == pytest.approx(16 / 22)
