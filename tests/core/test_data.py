"""Tracks, masks and stages keep the rules of a lineage, whatever is done to them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.settling import settled
from napari_cellcycle.data.stages import H2B, Stage, StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput


def painted(tracks: Tracks, ndim: int = 2) -> Experiment:
    """A movie whose cell of label k is one pixel at x = k, for tracks labelled 1, 2, ..."""
    frames, width = int(tracks.cells["frame"].max()) + 1, int(tracks.cells["label"].max()) + 1
    shape = (frames, *(1,) * (ndim - 1), width)
    masks = np.zeros(shape, np.int32)
    for frame, label in tracks.cells[["frame", "label"]].to_numpy():
        masks[frame, ..., label] = label
    movie = Movie(masks[:, None], (1.0,) * ndim, 60.0, ("H2B",))
    return Experiment(movie, LabelStack(masks), tracks)


@pytest.fixture
def dividing() -> Tracks:
    """One division and one bystander (cell ids; labels are tracks 1 to 4).

    frame   0    1    2
            1 -- 2 -- 3
                   \\- 4
            5 -- 6
    """
    cells = pd.DataFrame(
        {"frame": [0, 1, 2, 2, 0, 1], "label": [1, 1, 3, 4, 2, 2], "y": 0.0, "x": 0.0},
        index=pd.Index([1, 2, 3, 4, 5, 6], name="cell_id"),
    )
    links = pd.DataFrame({"parent": [1, 2, 2, 5], "child": [2, 3, 4, 6], "score": 1.0})
    return Tracks(cells, links)


def agree(experiment: Experiment) -> bool:
    """Whether masks, labels and tracks call every cell by the same number."""
    cells = experiment.tracks.cells
    for frame, mask in enumerate(experiment.labels):
        here = cells.loc[cells["frame"] == frame, "label"]
        if set(np.unique(mask)) - {0} != set(here):
            return False
    return bool((experiment.tracks.track_id == cells["label"]).all())


def test_a_cell_with_two_children_is_a_division(dividing):
    assert dividing.divisions.tolist() == [2]
    assert dividing.mothers == {3: 1, 4: 1}


def test_tracks_count_from_one_where_labels_say_nothing(dividing):
    shuffled = replace(dividing, cells=dividing.cells.assign(label=[7, 8, 7, 9, 9, 7]))
    assert shuffled.track_id.tolist() == [1, 1, 3, 4, 2, 2]


def test_linking_replaces_the_former_parent(dividing):
    edited = dividing.link(6, 4)
    assert edited.divisions.size == 0
    assert dividing.divisions.tolist() == [2], "the original must not change"


def rejected(tracks: Tracks) -> list[list[int]]:
    return tracks.rejected[["parent", "child"]].to_numpy().tolist()


def test_a_link_that_the_user_takes_away_is_remembered(dividing):
    assert rejected(dividing) == []
    assert rejected(dividing.unlink(4)) == [[2, 4]]
    assert rejected(dividing.unlink(4).unlink(4)) == [[2, 4]], "there was nothing more to reject"
    assert rejected(dividing.unlink(4, by="model")) == []


def test_a_parent_that_the_user_replaces_is_remembered(dividing):
    assert rejected(dividing.link(6, 4)) == [[2, 4]]
    assert rejected(dividing.link(6, 4, by="model")) == []


def test_a_pair_that_is_linked_again_is_no_longer_rejected(dividing):
    edited = dividing.unlink(4).unlink(6)
    assert rejected(edited) == [[2, 4], [5, 6]]
    assert rejected(edited.link(2, 4)) == [[5, 6]]


def test_a_removed_cell_takes_its_rejected_links_along(dividing):
    edited = dividing.unlink(4).unlink(6)
    kept = replace(edited, cells=edited.cells.drop(4))
    assert rejected(kept) == [[5, 6]]


def test_a_rejected_link_points_forward_in_time(dividing):
    with pytest.raises(ValueError, match="rejected link must point forward"):
        replace(dividing, rejected=pd.DataFrame({"parent": [4], "child": [2]}))


@pytest.mark.parametrize(
    ("parent", "child", "message"),
    [
        pytest.param(3, 1, "forward in time", id="backward"),
        pytest.param(3, 4, "forward in time", id="same frame"),
        pytest.param(1, 99, "does not exist", id="unknown cell"),
    ],
)
def test_impossible_links_are_refused(dividing, parent, child, message):
    with pytest.raises(ValueError, match=message):
        dividing.link(parent, child)


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_track_gets_one_number_in_tables_and_masks(dividing, ndim):
    mixed = replace(dividing, cells=dividing.cells.assign(label=[1, 2, 2, 1, 2, 1]))
    experiment = painted(mixed, ndim)
    assert not agree(experiment)
    labels, tracks = settled(experiment.labels, mixed)
    assert agree(replace(experiment, labels=labels, tracks=tracks))
    assert tracks.cells["label"].tolist() == [1, 1, 3, 4, 2, 2]


def test_numbers_that_are_right_stay(dividing):
    experiment = painted(dividing)
    labels, tracks = settled(experiment.labels, dividing)
    assert labels is experiment.labels and tracks.cells.equals(dividing.cells)
    assert settled(None, dividing)[0] is None


def test_edited_frames_replace_the_stored_ones_and_share_the_rest():
    stored = np.zeros((3, 4, 4), np.uint16)
    edited = LabelStack(stored).with_frame(1, np.ones((4, 4), np.int64))
    assert edited.frame(1).dtype == np.int32 and edited.frame(1).sum() == 16
    assert edited.base is stored and stored.sum() == 0
    with pytest.raises(ValueError, match="does not fit"):
        edited.with_frame(0, np.ones((5, 4)))


@pytest.mark.parametrize(
    ("value", "dtype", "match"),
    [
        (-1, np.int32, "outside 0 to 2,147,483,647"),
        (-1, np.int64, "outside 0 to 2,147,483,647"),
        (2**31, np.uint32, "outside 0 to 2,147,483,647"),
        (2**32 + 5, np.int64, "outside 0 to 2,147,483,647"),
        (2.6, np.float32, "holds decimal values"),
        (np.nan, np.float64, "holds decimal values"),
        (np.inf, np.float64, "outside 0 to 2,147,483,647"),
    ],
)
def test_masks_are_whole_numbers_from_0_for_background(value, dtype, match):
    masks = np.zeros((3, 2, 4), dtype)
    masks[1, 0, 0] = value
    labels = LabelStack(masks)
    assert not labels.frame(0).any()
    with pytest.raises(BadInput, match=f"Frame 1 of the masks .*{match}"):
        labels.frame(1)
    with pytest.raises(BadInput, match=f"Frame 2 of the masks .*{match}"):
        labels.with_frame(2, masks[1])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.uint64, np.float32])
def test_masks_of_any_type_that_holds_whole_numbers_are_taken(dtype):
    labels = LabelStack(np.eye(4, dtype=dtype)[np.newaxis])
    assert labels.frame(0).dtype == np.int32 and (labels.frame(0) == np.eye(4)).all()
    assert LabelStack(np.zeros((1, 0, 0), dtype)).frame(0).shape == (0, 0)


def test_stages_follow_their_order_and_the_dead_stay_dead():
    allowed, names = H2B.allowed(), H2B.names
    after = {
        name: {names[j] for j in np.flatnonzero(row)}
        for name, row in zip(names, allowed, strict=True)
    }
    assert after["metaphase"] == {"metaphase", "anaphase", "apoptosis"}
    assert after["apoptosis"] == {"apoptosis"}
    born = H2B.allowed_at_division()
    assert born[names.index("metaphase"), names.index("anaphase")]
    assert not born[names.index("interphase")].any()


def test_a_stage_set_refuses_unknown_names():
    with pytest.raises(ValueError, match="unknown stage 'G2'"):
        StageSet(
            "mine",
            (Stage("G1", "#fff", (1, 2)),),
            frozenset({("G1", "G2")}),
            frozenset(),
            frozenset(),
        )


def test_a_movie_refuses_pixel_sizes_of_another_dimension():
    with pytest.raises(ValueError, match="do not fit"):
        Movie(np.zeros((2, 1, 8, 8)), (1.0, 1.0, 1.0), 60.0, ("H2B",))
