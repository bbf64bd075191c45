"""Sequences of crops follow cells through divisions, and keep what is known of their stages."""

import numpy as np
import pytest

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.stages import H2B, MITOSIS
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.paths import founders, path_from, path_to, paths
from napari_cellcycle.features.sights import parents
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.stage.sequences import UNKNOWN, join, sequences_of, transcript


@pytest.fixture(scope="module", params=[2, 3])
def done(request):
    return simulate(
        SimulateSettings(
            ndim=request.param,
            size=96,
            planes=8,
            frames=10,
            cells=5,
            seed=3,
            cycle_hours=0.9,
            debris=0,
        )
    )


@pytest.fixture(scope="module")
def cut(done):
    return sequences_of(done.movie, done.labels, done.tracks, size=32)


def test_a_path_leads_from_the_first_ancestor_through_the_mother_to_the_daughter(done, cut):
    parent = parents(done.tracks)
    assert len(done.tracks.divisions) > 0
    for path in cut.paths:
        assert parent[path[0]] == -1
        assert (parent[path[1:]] == path[:-1]).all()


def test_sisters_share_their_mothers_crops(done, cut):
    rows = np.concatenate(cut.paths)
    assert len(rows) > len(np.unique(rows)) == len(done.tracks)
    assert len(cut.images) == len(done.tracks)


def test_cells_of_a_lineage_are_one_group(done, cut):
    parent = parents(done.tracks)
    frame = done.tracks.cells["frame"].to_numpy()
    first = founders(parent, frame)
    assert (parent[first] == -1).all()
    linked = parent >= 0
    assert (first[linked] == first[parent[linked]]).all()
    assert len(np.unique(cut.group)) == (parent < 0).sum()


def test_the_cell_lies_in_the_middle_of_its_crop(cut):
    middle = cut.masks[:, 12:20, 12:20].any(axis=(1, 2))
    assert middle.mean() > 0.97


def test_known_stages_come_with_the_crops(done, cut):
    assert (np.array(H2B.names)[cut.code] == done.tracks.cells["stage"]).all()
    unknown = sequences_of(done.movie, done.labels, done.tracks, size=16, column="pinned")
    assert (unknown.code == UNKNOWN).all()


def test_a_subset_keeps_its_own_crops_alone(cut):
    some = cut.subset(np.arange(len(cut)) < 2)
    assert len(some) == 2
    for before, after in zip(cut.paths[:2], some.paths, strict=True):
        np.testing.assert_array_equal(cut.images[before], some.images[after])
        np.testing.assert_array_equal(cut.code[before], some.code[after])


def test_groups_of_two_movies_stay_apart(cut):
    both = join([cut, cut])
    assert len(both) == 2 * len(cut)
    assert len(np.unique(both.group)) == 2 * len(np.unique(cut.group))
    np.testing.assert_array_equal(both.images[both.paths[-1]], cut.images[cut.paths[-1]])


def test_sources_of_different_stages_are_refused(cut):
    from dataclasses import replace

    with pytest.raises(BadInput, match="different stages"):
        join([cut, replace(cut, stages=MITOSIS)])
    with pytest.raises(BadInput, match="at least one source"):
        join([])


def test_a_transcript_is_the_order_of_stages():
    assert transcript(np.array([0, 0, 1, UNKNOWN, 1, 2, 0])) == (0, 1, 2, 0)
    assert transcript(np.array([UNKNOWN])) == ()


def test_paths_through_a_small_tree():
    parent = np.array([-1, 0, 1, 1, 2, 3])
    assert path_to(4, parent).tolist() == [0, 1, 2, 4]
    assert path_from(1, parent).tolist() == [0, 1, 2, 4]
    assert path_from(3, parent).tolist() == [0, 1, 3, 5]
    assert [p.tolist() for p in paths(parent)] == [[0, 1, 2, 4], [0, 1, 3, 5]]
