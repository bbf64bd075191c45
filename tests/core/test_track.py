"""Tracking finds the true lineages of toy movies and of simulated ones."""

from dataclasses import replace

import examples
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellcycle.config import SimulateSettings, TrackSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.pipeline.track import relabel, track
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.simulate import simulate

AS_SEEN = TrackSettings(fill_gaps=False)
"""Masks as they come: no cell is drawn where none was found."""


def found_links(toy, settings=AS_SEEN):
    """Links between sightings in the masks that went in."""
    labels, tracks = track(toy.movie, toy.labels, settings)
    old = {}
    for time, (before, after) in enumerate(zip(toy.labels, labels, strict=True)):
        assert ((before > 0) == (after > 0)).all()
        old |= {
            (time, new): label
            for new, label in set(zip(after[after > 0], before[after > 0], strict=True))
        }
    cells = tracks.cells
    name = {
        cell: (frame, old[frame, label])
        for cell, frame, label in zip(cells.index, cells["frame"], cells["label"], strict=True)
    }
    return {
        (name[p], name[c])
        for p, c in zip(tracks.links["parent"], tracks.links["child"], strict=True)
    }


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("make", examples.TOYS, ids=lambda make: make.__name__)
def test_toys_are_tracked_without_a_fault(make, ndim):
    toy = make(ndim)
    assert found_links(toy) == toy.links


def test_without_gaps_a_blink_ends_the_track():
    toy = examples.blink()
    links = found_links(toy, settings=TrackSettings(max_gap=1))
    assert links == toy.links - {((1, 1), (3, 1))}


@pytest.mark.parametrize("ndim", [2, 3])
def test_mask_values_labels_and_tracks_are_the_same(ndim):
    toy = examples.division(ndim)
    labels, tracks = track(toy.movie, toy.labels)
    assert (tracks.cells["label"] == tracks.track_id).all()
    for time, mask in enumerate(labels):
        here = tracks.cells[tracks.cells["frame"] == time]
        assert sorted(here["label"]) == np.unique(mask)[1:].tolist()
        for label, y, x in zip(here["label"], here["y"], here["x"], strict=True):
            centre = np.argwhere(mask == label).mean(0)
            assert centre[-2:] == pytest.approx([y, x])
    assert len(tracks.divisions) == 1
    assert tracks.links["score"].between(0, 1).all()


@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([0.1, 1.0, 7.0]))
def test_tracks_depend_neither_on_mask_values_nor_on_the_unit_of_length(random, scale):
    toy = examples.division()
    before, tracks = track(toy.movie, toy.labels)
    values = random.sample(range(1, 100_000), 5)
    table = np.array([0, *values], np.int32)
    movie = replace(toy.movie, pixel_size=(scale, scale))
    after, again = track(movie, LabelStack(table[toy.labels.base]))
    assert len(again) == len(tracks)
    pairs = np.unique(np.column_stack([before.base.ravel(), after.base.ravel()]), axis=0)
    assert len(pairs) == len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1]))


def f1(found, true):
    return 2 * len(found & true) / (len(found) + len(true))


@pytest.mark.parametrize("ndim", [2, 3])
def test_lineages_of_a_simulated_movie_are_found(ndim):
    """A movie whose seed took no part in training."""
    size = {"size": 256, "cells": 20} if ndim == 2 else {"size": 64, "cells": 8, "planes": 12}
    made = simulate(SimulateSettings(ndim=ndim, seed=77_001, frames=24, cycle_hours=2.5, **size))
    _, tracks = track(made.movie, made.labels, AS_SEEN)
    true = made.tracks
    assert (tracks.cells["frame"].to_numpy() == true.cells["frame"].to_numpy()).all()
    row = {id(t): dict(zip(t.cells.index, range(len(t)), strict=True)) for t in (tracks, true)}
    ends = [
        {(row[id(t)][p], row[id(t)][c]) for p, c in t.links[["parent", "child"]].to_numpy()}
        for t in (tracks, true)
    ]
    assert f1(*ends) > 0.97
    divisions = [{row[id(t)][cell] for cell in t.divisions} for t in (tracks, true)]
    assert len(divisions[1]) > 2
    assert f1(*divisions) > 0.8


def test_short_tracks_are_dropped_from_masks_and_tracks_alike():
    toy = examples.newcomer()
    labels, tracks = track(toy.movie, toy.labels, TrackSettings(min_track=3))
    assert tracks.cells["frame"].tolist() == [0, 1, 2, 3]
    assert [len(np.unique(mask)) for mask in labels] == [2, 2, 2, 2]
    labels, tracks = track(toy.movie, toy.labels, TrackSettings(min_track=9))
    assert len(tracks) == 0
    assert not labels.to_array().any()


def test_a_short_life_between_divisions_is_not_dropped():
    toy = examples.division()
    _, tracks = track(toy.movie, toy.labels, TrackSettings(min_track=4))
    assert tracks.track_id.nunique() == 4


def test_one_frame_gives_tracks_of_one_cell():
    toy = examples.two_walkers()
    movie = replace(toy.movie, pixels=toy.movie.pixels[:1])
    labels, tracks = track(movie, LabelStack(toy.labels.base[:1]))
    assert len(tracks) == 2
    assert tracks.links.empty
    assert np.unique(labels.frame(0)).tolist() == [0, 1, 2]


def test_frames_without_cells_are_no_trouble():
    toy = examples.frozen()
    masks = toy.labels.base.copy()
    masks[1] = 0
    _, tracks = track(toy.movie, LabelStack(masks), AS_SEEN)
    assert len(tracks) == 2


def test_no_cells_at_all_is_said_in_a_sentence():
    movie = Movie(np.zeros((2, 1, 8, 8)), (1.0, 1.0), 60.0, ("a",))
    with pytest.raises(BadInput, match="No cells were found in the 2 frames"):
        track(movie, LabelStack(np.zeros((2, 8, 8), np.int32)))


def test_masks_of_another_movie_are_refused():
    toy = examples.frozen()
    with pytest.raises(BadInput, match="shape"):
        track(toy.movie, LabelStack(toy.labels.base[:2]))


def test_an_unknown_model_is_named():
    toy = examples.frozen()
    with pytest.raises(MissingModel, match="nonsense"):
        track(toy.movie, toy.labels, TrackSettings(model="nonsense"))


def test_frames_are_streamed_into_the_given_array():
    toy = examples.division()
    into = np.zeros(toy.labels.shape, np.int32)
    labels, _ = track(toy.movie, toy.labels, into=into)
    assert labels.base is into
    assert into.any()


def test_progress_is_reported_and_can_stop_the_work():
    toy, said = examples.division(), []

    def until_painting(done, total, message=""):
        said.append(message)
        if message == "Painting tracks":
            raise Cancelled

    with pytest.raises(Cancelled):
        track(toy.movie, toy.labels, progress=until_painting)
    assert {"Measuring cells", "Linking cells", "Painting tracks"} <= set(said)


@pytest.mark.parametrize("large", [10, 2_000_000_000])
def test_relabelling_keeps_what_is_named_and_drops_the_rest(large):
    mask = np.array([[0, 2, 5, large]], np.int32)
    new = relabel(mask, np.array([2, large]), np.array([7, 8]))
    assert new.tolist() == [[0, 7, 0, 8]]
