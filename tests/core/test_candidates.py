"""The true links are among the candidates, and what is said of them does not depend on scale."""

import examples
import numpy as np
import pytest

from napari_cellcycle.features.candidates import rank_within
from napari_cellcycle.features.graph import (
    build_graph,
    division_features,
    link_features,
    link_geometry,
)
from napari_cellcycle.features.shape import measure_overlaps


def graph_of(toy, max_gap=2, scale=1.0, max_distance=None):
    movie = toy.movie
    size = tuple(scale * s for s in movie.pixel_size)
    movie = type(movie)(movie.pixels, size, movie.frame_interval, movie.channels)
    cells, overlaps = measure_overlaps(movie, toy.labels, max_gap=max_gap)
    graph = build_graph(
        cells, overlaps, movie.frame_shape, size, max_gap=max_gap, max_distance=max_distance
    )
    return cells, graph


def sightings(cells, rows):
    return list(zip(cells["frame"].iloc[rows], cells["label"].iloc[rows], strict=True))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("make", examples.TOYS, ids=lambda make: make.__name__)
def test_true_links_are_candidates(make, ndim):
    toy = make(ndim)
    cells, graph = graph_of(toy)
    c = graph.candidates
    found = set(zip(sightings(cells, c.parent), sightings(cells, c.child), strict=True))
    assert toy.links <= found
    assert (c.gap == graph.frame[c.child] - graph.frame[c.parent]).all()


def test_the_true_division_is_a_candidate():
    cells, graph = graph_of(examples.division())
    c = graph.candidates
    pairs = zip(
        sightings(cells, c.parent[c.first]),
        map(
            frozenset,
            zip(
                sightings(cells, c.child[c.first]), sightings(cells, c.child[c.second]), strict=True
            ),
        ),
        strict=True,
    )
    assert ((3, 1), frozenset({(4, 3), (4, 4)})) in set(pairs)
    assert (c.parent[c.first] == c.parent[c.second]).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_features_do_not_depend_on_the_pixel_size(ndim):
    toy = examples.division(ndim)
    tables = []
    for scale in (1.0, 0.2):
        _, graph = graph_of(toy, scale=scale)
        geometry = link_geometry(graph)
        tables.append([link_features(graph, geometry), division_features(graph, geometry)])
    for one, other in zip(*tables, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_nobody_is_linked_beyond_the_farthest_move():
    _, graph = graph_of(examples.two_walkers(), max_distance=5)
    c = graph.candidates
    distance = np.linalg.norm(graph.position[c.child] - graph.position[c.parent], axis=1)
    assert (distance * graph.unit <= 5 * np.sqrt(c.gap) + 4 * c.gap).all()
    assert len(graph_of(examples.two_walkers(), max_distance=0.01)[1].candidates) < len(c)


def test_overlap_is_relative_to_the_smaller_mask():
    _, graph = graph_of(examples.frozen())
    np.testing.assert_allclose(graph.overlap, 1)


def test_ranks_count_within_groups():
    group, value = np.array([5, 2, 5, 5]), np.array([3.0, 9.0, 1.0, 2.0])
    assert rank_within(group, value).tolist() == [2, 0, 0, 1]
