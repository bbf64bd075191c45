"""A cell that the segmentation missed for a while is drawn between the masks around."""

from dataclasses import replace

import examples
import numpy as np
import pytest

from napari_cellcycle.config import SimulateSettings, TrackSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.features.shape import measure
from napari_cellcycle.io.ctc import read_ctc, write_ctc
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.pipeline.gaps import Gaps, between
from napari_cellcycle.pipeline.run import add_tracks
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.simulate import simulate
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen


def disc(centre, radii, shape=(60, 60)):
    grid = np.indices(shape)
    away = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True))
    return np.argwhere(away <= 1)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_missed_cell_is_drawn_half_way(ndim):
    toy = examples.blink(ndim)
    labels, tracks = track(toy.movie, toy.labels)
    cells = tracks.cells
    new = cells[cells["filled"]]
    assert new["frame"].tolist() == [2]
    assert new[["y", "x"]].to_numpy()[0] == pytest.approx([30, 42], abs=0.6)
    around = cells[(cells["label"] == new["label"].iloc[0]) & ~cells["filled"]]
    assert new["area"].iloc[0] == pytest.approx(around["area"].mean(), rel=0.05)
    assert (labels.frame(2) == new["label"].iloc[0]).sum() == new["area"].iloc[0]
    assert (cells["label"] == tracks.track_id).all()
    assert tracks.track_id.nunique() == 2
    steps = cells["frame"].loc[tracks.links["child"]].to_numpy() - (
        cells["frame"].loc[tracks.links["parent"]].to_numpy()
    )
    assert (steps == 1).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_drawn_cell_is_measured_like_any_other(ndim):
    toy = examples.blink(ndim)
    labels, tracks = track(toy.movie, toy.labels)
    again = measure(toy.movie, labels).set_index(["frame", "label"])
    cells = tracks.cells.set_index(["frame", "label"])
    for column in again:
        np.testing.assert_allclose(again[column], cells[column], rtol=1e-4, err_msg=column)


def test_without_the_setting_nothing_is_drawn():
    toy = examples.blink()
    labels, tracks = track(toy.movie, toy.labels, TrackSettings(fill_gaps=False))
    assert ((labels.base > 0) == (toy.labels.base > 0)).all()
    assert len(tracks) == 9


def filled_with_a_stranger(region):
    """The blink, with `region` of the frame without the cell covered by another mask."""
    toy = examples.blink()
    plain, tracks = track(toy.movie, toy.labels, TrackSettings(fill_gaps=False))
    frames = [mask.copy() for mask in plain]
    frames[2][region] = np.where(frames[2][region] > 0, frames[2][region], 99)
    gaps = Gaps(tracks, toy.movie)
    masks = list(gaps.fill(frames))
    return masks[2], gaps.close()


def test_other_cells_are_never_painted_over():
    """Something else lies on half of the place: the rest is drawn beside it."""
    region = np.s_[:30, :]
    mask, tracks = filled_with_a_stranger(region)
    assert (mask[region] == 99).all()
    new = tracks.cells[tracks.cells["filled"]]
    assert len(new) == 1
    assert 40 < new["area"].iloc[0] < 70
    assert new["y"].iloc[0] > 31


def test_without_room_the_gap_stays():
    """A large mask, as of neighbours that were merged, covers the place."""
    mask, tracks = filled_with_a_stranger(np.s_[10:50, 20:60])
    assert not tracks.cells["filled"].any()
    assert len(tracks) == 9
    assert len(np.unique(mask)) == 3


def test_a_gap_of_two_frames_is_filled_in_both():
    toy = examples.blink()
    masks = np.concatenate([toy.labels.base[:3], toy.labels.base[2:]])
    pixels = np.concatenate([toy.movie.pixels[:3], toy.movie.pixels[2:]])
    movie = Movie(pixels, toy.movie.pixel_size, 300.0, ("H2B",))
    _, tracks = track(movie, LabelStack(masks), TrackSettings(max_gap=3))
    new = tracks.cells[tracks.cells["filled"]]
    assert new["frame"].tolist() == [2, 3]
    assert new["label"].nunique() == 1
    assert tracks.track_id.nunique() == 2


def test_the_mask_between_has_the_mean_outline():
    thin, wide = disc((30, 20), (4, 10)), disc((30, 40), (10, 4))
    half = between(thin, wide, 0.5, np.array([30.0, 30.0]), (1.0, 1.0))
    assert half.mean(0) == pytest.approx([30, 30], abs=0.1)
    assert np.ptp(half, axis=0) == pytest.approx([14, 14], abs=3)
    early = between(thin, wide, 0.1, np.array([30.0, 22.0]), (1.0, 1.0))
    assert np.ptp(early, axis=0)[1] > np.ptp(half, axis=0)[1]
    same = between(thin, thin + np.array([0, 7]), 0.5, np.array([30.0, 24.0]), (1.0, 1.0))
    assert set(map(tuple, same)) == set(map(tuple, thin + np.array([0, 4])))


@pytest.mark.parametrize("ndim", [2, 3])
def test_masks_taken_from_a_simulated_movie_come_back(ndim):
    size = {"size": 200, "cells": 20} if ndim == 2 else {"size": 72, "cells": 8, "planes": 12}
    made = simulate(SimulateSettings(ndim=ndim, seed=77_002, frames=14, **size))
    missing = WorsenSettings(missing=0.08, merged=0, split=0)
    worse, _ = worsen(made.labels, missing, np.random.default_rng(3))
    labels, tracks = track(made.movie, worse)
    new = tracks.cells[tracks.cells["filled"]]
    assert len(new) >= 4
    good = 0
    for frame, label in zip(new["frame"], new["label"], strict=True):
        drawn, true = labels.frame(frame) == label, made.labels.frame(frame)
        hit = np.bincount(true[drawn]).argmax()
        good += hit > 0 and (drawn & (true == hit)).sum() / (drawn | (true == hit)).sum() > 0.6
    assert good >= 0.8 * len(new)


def test_drawn_cells_are_kept_by_the_experiment_and_leave_no_split_in_the_challenge(tmp_path):
    toy = examples.blink()
    labels, tracks = track(toy.movie, toy.labels)
    save_experiment(Experiment(toy.movie, labels, tracks), tmp_path / "a.cellcycle")
    back = open_experiment(tmp_path / "a.cellcycle").tracks
    assert back.cells["filled"].dtype == bool
    assert back.cells["filled"].tolist() == tracks.cells["filled"].tolist()
    write_ctc(labels, tracks, tmp_path / "RES")
    _, again = read_ctc(tmp_path / "RES")
    assert again.track_id.nunique() == 2
    assert len(again) == 10


def test_tracking_again_starts_from_what_was_seen():
    """Cells that were drawn are not taken for masks, and leave no trace once gaps are kept."""
    toy = examples.blink()
    once = add_tracks(Experiment(toy.movie, toy.labels))
    assert once.tracks.cells["filled"].sum() == 1
    again = add_tracks(once)
    assert again.tracks.cells["filled"].tolist() == once.tracks.cells["filled"].tolist()
    plain = add_tracks(once, TrackSettings(fill_gaps=False))
    assert ((plain.labels.to_array() > 0) == (toy.labels.base > 0)).all()


@pytest.mark.parametrize("said", ["the frame is right", "the cell is right", "the link is right"])
def test_a_drawn_cell_that_the_user_decided_about_outlives_tracking(said):
    toy = examples.blink()
    once = add_tracks(Experiment(toy.movie, toy.labels))
    (drawn,) = once.tracks.cells.index[once.tracks.cells["filled"]]
    by = once.tracks.links["by"].where(once.tracks.links["parent"] != drawn, "user")
    told = {
        "the frame is right": {"confirmed": frozenset({("frame", 2)})},
        "the cell is right": {"confirmed": frozenset({("cell", int(drawn))})},
        "the link is right": {
            "tracks": replace(once.tracks, links=once.tracks.links.assign(by=by))
        },
    }
    known = replace(once, **told[said])
    again = add_tracks(known, TrackSettings(fill_gaps=False))
    assert ((again.labels.frame(2) > 0) == (once.labels.frame(2) > 0)).all()
    assert (again.tracks.links["by"] == "user").sum() == (known.tracks.links["by"] == "user").sum()
    assert len(again.confirmed) == len(known.confirmed)
    cells = again.tracks.cells
    assert cells.loc[cells["filled"], "frame"].tolist() == [2]


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_order_of_masks_in_memory_does_not_matter(ndim):
    toy = examples.blink(ndim)
    labels, tracks = track(toy.movie, LabelStack(np.asfortranarray(toy.labels.base)))
    (new,) = tracks.cells[tracks.cells["filled"]].itertuples()
    assert (labels.frame(2) == new.label).sum() == new.area > 50


def test_frames_wait_only_while_a_gap_is_open():
    """Of a long movie, no more frames are held than a gap spans."""
    toy = examples.blink()
    plain, tracks = track(toy.movie, toy.labels, TrackSettings(fill_gaps=False))
    given = []

    def frames():
        for time, mask in enumerate(plain):
            given.append(time)
            yield mask.copy()

    waiting = [given[-1] - time for time, _ in enumerate(Gaps(tracks, toy.movie).fill(frames()))]
    assert waiting == [0, 0, 1, 0, 0]
