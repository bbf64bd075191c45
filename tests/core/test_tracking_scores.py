"""Scores of tracks: one for the truth itself, lower for what is wrong, clear if impossible."""

import sys

import examples
import numpy as np
import pytest

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.evaluation.tracking import score_tracking
from napari_cellcycle.io.ctc import write_ctc
from napari_cellcycle.pipeline.track import track


@pytest.fixture
def scored(tmp_path):
    """A tracked division, written as result and, by the same tracks, as truth."""
    toy = examples.division()
    labels, tracks = track(toy.movie, toy.labels)
    write_ctc(labels, tracks, tmp_path / "01_RES")
    truth = tmp_path / "01_GT" / "TRA"
    write_ctc(labels, tracks, truth)
    (truth / "res_track.txt").rename(truth / "man_track.txt")
    for path in truth.glob("mask*.tif"):
        path.rename(truth / path.name.replace("mask", "man_track"))
    return tmp_path, labels, tracks


def test_the_truth_scores_one(scored):
    pytest.importorskip("ctc_metrics")
    folder, *_ = scored
    scores = score_tracking(folder / "01_RES", folder / "01_GT")
    assert scores.valid
    assert (scores.det, scores.tra, scores.lnk, scores.ct, scores.bc[1]) == (1, 1, 1, 1, 1)
    assert scores.seg is None
    assert sum(scores.aogm.values()) == 0
    assert scores.table()["BC(1)"] == 1


def test_a_lost_division_costs_links_and_branches(scored):
    pytest.importorskip("ctc_metrics")
    folder, labels, tracks = scored
    worse = tracks.unlink(
        int(tracks.links["child"][tracks.links["parent"] == tracks.divisions[0]].iloc[0])
    )
    write_ctc(LabelStack(np.asarray(labels.base)), worse, folder / "worse")
    scores = score_tracking(folder / "worse", folder / "01_GT" / "TRA")
    assert scores.det == 1
    assert scores.lnk < 1
    assert scores.bc[1] == 0
    assert scores.aogm["EA"] >= 1


def test_folders_that_cannot_be_compared_are_named(scored):
    folder, *_ = scored
    with pytest.raises(BadInput, match="no res_track"):
        score_tracking(folder, folder / "01_GT")
    with pytest.raises(BadInput, match="man_track"):
        score_tracking(folder / "01_RES", folder)
    (folder / "01_RES" / "mask006.tif").unlink()
    with pytest.raises(BadInput, match="6 frames, but the truth has 7"):
        score_tracking(folder / "01_RES", folder / "01_GT")


def test_a_missing_package_is_named_with_the_command_that_mends_it(scored, monkeypatch):
    folder, *_ = scored
    monkeypatch.setitem(sys.modules, "ctc_metrics.scripts.evaluate", None)
    with pytest.raises(UserError, match=r"pip install .*evaluate"):
        score_tracking(folder / "01_RES", folder / "01_GT")
