"""Steps that run again keep what the user decided, and do the rest anew."""

from dataclasses import replace

import numpy as np
import pytest
from tests.examples import division, two_walkers

from napari_cellcycle.config import RunSettings, SegmentSettings, TrackSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.pipeline.keep import kept_cells
from napari_cellcycle.pipeline.run import add_masks, add_tracks, run
from napari_cellcycle.pipeline.track import track

TRACK = TrackSettings(model="simple")
SETTINGS = RunSettings(segment=SegmentSettings(model="threshold", diameter=12.0), track=TRACK)


def tracked(toy):
    labels, tracks = track(toy.movie, toy.labels, TRACK)
    return Experiment(toy.movie, labels, tracks)


def corrected(known, *steps):
    """The experiment after corrections, each an operation with its arguments."""
    editor = Editor(bench_of(known), resolving=False)
    for operation, arguments in steps:
        editor.do(operation, **arguments)
    return editor.experiment(known)


def sightings(tracks, cells):
    table = tracks.cells.loc[list(cells)]
    return list(zip(table["frame"], table["y"].round(3), table["x"].round(3), strict=True))


def link_sightings(tracks):
    ends = tracks.links[["parent", "child"]].to_numpy()
    return {tuple(sightings(tracks, pair)) for pair in ends}


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_link_that_the_user_made_outlives_tracking(ndim):
    known = tracked(two_walkers(ndim))
    cells = known.tracks.cells
    first, second = cells.index[cells["frame"] == 2]
    swapped = corrected(known, ("swap", {"first": first, "second": second}))
    again = add_tracks(swapped, TRACK)
    assert link_sightings(again.tracks) == link_sightings(swapped.tracks)
    assert link_sightings(again.tracks) != link_sightings(known.tracks)
    assert (again.tracks.links["by"] == "user").sum() == 2
    assert any("was kept" in note for note in again.history[-1].notes)


def test_a_link_that_was_rejected_is_not_made_again():
    known = tracked(two_walkers())
    child = int(known.tracks.links["child"].iloc[0])
    cut = corrected(known, ("unlink", {"child": child}))
    again = add_tracks(cut, TRACK)
    gone = link_sightings(known.tracks) - link_sightings(cut.tracks)
    assert gone and not gone & link_sightings(again.tracks)
    assert len(again.tracks.rejected) == 1


def test_a_division_that_the_user_denied_stays_denied():
    known = tracked(division())
    mother = int(known.tracks.divisions[0])
    keep = int(known.tracks.links.loc[known.tracks.links["parent"] == mother, "child"].iloc[0])
    denied = corrected(known, ("undivide", {"mother": mother, "keep": keep}))
    assert len(add_tracks(denied, TRACK).tracks.divisions) == 0


def test_masks_drawn_by_hand_outlive_segmentation_and_all_other_masks_are_new():
    known = tracked(division())
    drawn = np.zeros((9, 9), np.int32)
    drawn[:, 2:7] = 77
    edited = corrected(known, ("paint", {"frame": 3, "corner": (10, 60), "masks": drawn}))
    done = run(edited, SETTINGS)
    label = done.labels.frame(3)[14, 64]
    assert label > 0 and (done.labels.frame(3)[10:19, 60:69] == label).sum() == 45
    fresh = add_masks(Experiment(known.movie), SETTINGS.segment)
    for time in (0, 1, 6):
        assert ((done.labels.frame(time) > 0) == (fresh.labels.frame(time) > 0)).all()
    rows = done.tracks.cells
    ours = rows[(rows["frame"] == 3) & (rows["label"] == label)]
    assert list(ours["by"]) == ["user"]


def test_a_frame_that_is_right_as_a_whole_gets_no_other_cells():
    known = tracked(division())
    one = int(known.tracks.cells.index[known.tracks.cells["frame"] == 2][0])
    edited = corrected(
        known, ("delete_cells", {"cells": [one]}), ("confirm", {"kind": "frame", "number": 2})
    )
    done = run(edited, SETTINGS)
    assert ((done.labels.frame(2) > 0) == (edited.labels.frame(2) > 0)).all()
    assert ("frame", 2) in done.confirmed


def test_pins_and_confirmations_go_with_their_cells():
    known = tracked(division())
    cells = known.tracks.cells
    pinned = int(cells.index[cells["frame"] == 5][0])
    seen = int(known.tracks.divisions[0])
    edited = corrected(
        known,
        ("set_stage", {"cells": [pinned], "stage": "telophase"}),
        ("confirm", {"kind": "division", "number": seen}),
    )
    again = run(edited, SETTINGS).tracks
    now = again.cells.index[again.cells["pinned"] == "telophase"]
    assert sightings(again, now)[0][0] == 5
    assert np.allclose(sightings(again, now)[0], sightings(known.tracks, [pinned])[0], atol=0.01)
    assert len(again.divisions) == 1


def test_without_corrections_nothing_is_kept():
    known = tracked(division())
    assert not len(kept_cells(known))
    assert not add_tracks(known, TRACK).history[-1].notes
    assert not len(kept_cells(replace(known, tracks=None)))
