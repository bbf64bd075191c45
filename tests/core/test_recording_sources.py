"""Recordings to learn from say what is known of each cell, and no more."""

from dataclasses import replace

import examples
import numpy as np
import pytest
from corrections import corrected

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.ctc import write_ctc
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.io.frames import write_label_frames, write_movie_frames
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.training.link.sources import (
    ctc_recording,
    experiment_recording,
    open_recordings,
    simulated_recording,
    split_in_time,
)


def tracked(toy):
    """The toy as an experiment whose tracks are its true links."""
    labels, tracks = track(toy.movie, toy.labels)
    return Experiment(toy.movie, labels, tracks)


def sequence(folder, ndim=2, images=True):
    """The toy division as sequence 01 of a challenge data set; gives the true tracks."""
    made = tracked(examples.division(ndim))
    if images:
        write_movie_frames(made.movie, folder / "01")
    write_ctc(made.labels, made.tracks, folder / "01_GT" / "TRA")
    (folder / "01_GT" / "TRA" / "res_track.txt").rename(folder / "01_GT/TRA/man_track.txt")
    return made


def cell(experiment, frame, x, y=None):
    """Id of the cell of a frame that is nearest to a place."""
    here = experiment.tracks.cells.query("frame == @frame")
    away = (here["x"] - x).abs() + (0 if y is None else (here["y"] - y).abs())
    return int(away.idxmin())


def known(recording, side):
    """Frame and label of the cells whose past or future is known."""
    rows = recording.truth[recording.truth[side]]
    return set(zip(rows["frame"], rows["label"], strict=True))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_challenge_folder_gives_every_track_and_mother(tmp_path, ndim):
    folder = tmp_path / "toys"
    sequence(folder, ndim)
    (found,) = open_recordings([folder])[0]
    assert found.name == "toys/01" and found.labels.ndim == ndim
    assert found.movie.frame(0).shape == found.labels.shape[1:]
    assert (found.truth["track"] == found.truth["label"]).all()
    assert found.truth[["past", "future"]].all(axis=None)
    assert len(found.truth) == 4 * 2 + 3 * 3
    assert len(found.mother) == 2 and len(set(found.mother.values())) == 1
    assert found.rejected.empty


@pytest.mark.parametrize("named", ["01", "01_GT", "01_ST"])
def test_one_sequence_can_be_named_by_any_of_its_folders(tmp_path, named):
    sequence(tmp_path / "toys")
    assert [r.name for r in open_recordings([tmp_path / "toys" / named])[0]] == ["toys/01"]


def test_sources_of_the_same_name_are_told_apart_by_the_folder_above(tmp_path):
    for day in ("day 1", "day 2"):
        sequence(tmp_path / day / "toys")
        save_experiment(tracked(examples.division()), tmp_path / day / "mine.cellcycle")
    places = [tmp_path / day for day in ("day 1", "day 2")]
    told = open_recordings([place / "toys" for place in places])
    assert [one.name for (one,) in told] == ["day 1/toys/01", "day 2/toys/01"]
    mine = [place / "mine.cellcycle" for place in places]
    names = [one.name for (one,) in open_recordings([*mine, mine[0]], trust_all=True)]
    assert names == ["day 1/mine.cellcycle", "day 2/mine.cellcycle", "day 1/mine.cellcycle"]


def test_masks_without_images_have_no_brightness(tmp_path):
    sequence(tmp_path / "toys", images=False)
    (found,) = open_recordings([tmp_path / "toys"])[0]
    assert found.movie is None and found.pixel_size == (1.0, 1.0)


def test_silver_masks_come_before_gold_ones_and_markers(tmp_path):
    folder = tmp_path / "toys"
    made = sequence(folder)
    size = [found_size(folder)]
    for place, grown in (("01_GT/SEG", 1), ("01_ST/SEG", 2)):
        write_label_frames(grow(made.labels, grown), folder / place)
        size.append(found_size(folder))
    assert size == sorted(set(size))
    write_label_frames(LabelStack(made.labels.base[:3]), folder / "01_ST" / "SEG")
    assert found_size(folder) == size[1], "silver masks of a few frames are no use"


def grow(labels, pixels):
    from skimage.segmentation import expand_labels

    return LabelStack(np.stack([expand_labels(mask, pixels) for mask in labels]))


def found_size(folder):
    (found,) = open_recordings([folder])[0]
    return int((found.labels.frame(0) > 0).sum())


def test_masks_with_numbers_of_their_own_get_the_track_whose_marker_they_cover(tmp_path):
    folder = tmp_path / "toys"
    made = sequence(folder)
    masks = made.labels.to_array()
    bystander = int(masks[0, 80, 20])
    own = np.where(masks > 0, masks + 40, 0)
    own[2][masks[2] == bystander] = 0
    own[3, 90:, 90:] = 77
    daughters = [int(v) for v in np.unique(masks[5]) if v not in (0, bystander)]
    own[5][masks[5] == daughters[1]] = daughters[0] + 40
    write_label_frames(LabelStack(own), tmp_path / "masks")
    found = ctc_recording(None, tmp_path / "masks", folder / "01_GT", name="mine")
    truth = found.truth.set_index(["frame", "label"])["track"]
    assert found.name == "mine"
    assert truth[0, bystander + 40] == bystander
    assert (2, bystander + 40) not in truth.index, "there is no mask there"
    assert truth[3, 77] == 0, "a mask without a marker is no cell"
    assert truth[5, daughters[0] + 40] in daughters
    assert truth[6].tolist() == [label - 40 for label in truth[6].index]


def test_masks_of_another_movie_are_refused(tmp_path):
    folder = tmp_path / "toys"
    made = sequence(folder)
    write_label_frames(LabelStack(made.labels.base[:4]), tmp_path / "short")
    with pytest.raises(BadInput, match=r"masks .* have shape \(4, .* truth .* has \(7, "):
        ctc_recording(folder / "01", tmp_path / "short", folder / "01_GT")
    aside = np.zeros(made.labels.shape, np.int32)
    aside[:, 0, 0] = 1
    write_label_frames(LabelStack(aside), tmp_path / "aside")
    with pytest.raises(BadInput, match="covers a marker"):
        ctc_recording(folder / "01", tmp_path / "aside", folder / "01_GT")
    write_movie_frames(replace(made.movie, pixels=made.movie.pixels[:4]), folder / "01")
    with pytest.raises(BadInput, match="the movie has"):
        open_recordings([folder])[0]


def test_a_folder_without_truth_is_refused(tmp_path):
    made = tracked(examples.division())
    write_movie_frames(made.movie, tmp_path / "toys" / "01")
    with pytest.raises(BadInput, match="no truth to learn from"):
        open_recordings([tmp_path / "toys"])[0]
    with pytest.raises(BadInput, match="who is whose parent"):
        ctc_recording(None, tmp_path / "toys" / "01", tmp_path / "toys")


def test_only_what_the_user_decided_is_known(tmp_path):
    made = tracked(examples.two_walkers())
    parent, child = cell(made, 1, 24, 30), cell(made, 2, 28, 60)
    own = made.tracks.links.set_index("parent")["child"].loc[parent]
    edited = corrected(made, "divide", mother=parent, daughters=[own, child])
    save_experiment(edited, tmp_path / "a.cellcycle")
    found = experiment_recording(tmp_path / "a.cellcycle")
    seen = edited.tracks.cells[["frame", "label"]]
    former = cell(made, 1, 24, 60)
    assert known(found, "future") == {tuple(seen.loc[parent])}
    assert known(found, "past") == {
        tuple(seen.loc[other]) for other in (child, cell(made, 2, 28, 30))
    }
    assert found.rejected.to_numpy().tolist() == [[*seen.loc[former], *seen.loc[child]]]
    assert (found.truth["track"] == found.truth["label"]).all()
    assert found.name == "a.cellcycle"


def test_a_link_taken_away_is_rejected_and_nothing_else_is_known(tmp_path):
    made = tracked(examples.division())
    daughter = cell(made, 4, 46, 51)
    save_experiment(corrected(made, "unlink", child=daughter), tmp_path / "a.cellcycle")
    found = experiment_recording(tmp_path / "a.cellcycle")
    assert len(found.rejected) == 1
    assert not found.truth[["past", "future"]].any(axis=None)
    assert found.mother == {}


def test_a_movie_that_was_checked_is_true_as_a_whole(tmp_path):
    save_experiment(tracked(examples.division()), tmp_path / "a.cellcycle")
    with pytest.raises(BadInput, match=r"No link of .* was corrected"):
        experiment_recording(tmp_path / "a.cellcycle")
    found = experiment_recording(tmp_path / "a.cellcycle", trust_all=True)
    assert found.truth[["past", "future"]].all(axis=None)
    assert len(found.mother) == 2


def test_an_experiment_without_tracks_is_refused(tmp_path):
    toy = examples.frozen()
    save_experiment(Experiment(toy.movie, toy.labels), tmp_path / "a.cellcycle")
    with pytest.raises(BadInput, match="not tracked yet"):
        experiment_recording(tmp_path / "a.cellcycle")


def test_simulated_recordings_are_fully_known_and_repeatable():
    found, again = simulated_recording(5, 3), simulated_recording(5, 3)
    assert found.truth[["past", "future"]].all(axis=None)
    assert found.labels.ndim == 3
    assert found.truth.equals(again.truth) and found.mother == again.mother


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_two_parts_of_a_movie_share_nothing(tmp_path, ndim):
    made = tracked(examples.division(ndim))
    last = made.tracks.cells.query("frame == 6").index.tolist()
    third, fourth = cell(made, 2, 45, 45), cell(made, 3, 45, 45)
    edited = corrected(corrected(made, "unlink", child=last[0]), "unlink", child=fourth)
    save_experiment(edited, tmp_path / "a.cellcycle")
    whole = experiment_recording(tmp_path / "a.cellcycle", trust_all=True)
    first, rest = split_in_time(whole, 0.4)
    assert (len(first.labels), len(rest.labels)) == (3, 4)
    assert len(first.truth) + len(rest.truth) == len(whole.truth)
    assert first.name == "a.cellcycle, frames 0 to 2"
    assert rest.truth["frame"].tolist() == (whole.truth["frame"] - 3).tolist()[-len(rest.truth) :]
    for part, start in ((first, 0), (rest, 3)):
        for time, mask in enumerate(part.labels):
            assert (mask == whole.labels.frame(start + time)).all()
            assert (part.movie.frame(time) == whole.movie.frame(start + time)).all()
            here = part.truth[part.truth["frame"] == time]
            assert set(here["label"]) == set(np.unique(mask)) - {0}
    assert len(whole.rejected) == 2 and first.rejected.empty, f"{third} to {fourth} is cut"
    assert rest.rejected["child_frame"].tolist() == [3]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.95, 1.0])
def test_a_part_of_less_than_two_frames_is_refused(fraction):
    found = simulated_recording(5, 3)
    short = split_in_time(found, 0.2)[0]
    with pytest.raises(BadInput, match=r"has 5 frames, which cannot be parted"):
        split_in_time(short, fraction)
