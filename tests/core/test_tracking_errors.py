"""Every error of a result is a row that says what is wrong, where, and in plain words."""

import examples
import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.config import SimulateSettings, TrackSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.errors import KINDS
from napari_cellcycle.evaluation.tracking import (
    compare_folders,
    compare_tracking,
    open_tracked,
    score_tracking,
)
from napari_cellcycle.io.ctc import centres, write_ctc
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.simulate import simulate
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen

both = pytest.mark.parametrize("ndim", [2, 3], ids=["2D", "3D"])


def tracked(labels, links):
    """Masks as they are, with links between sightings (frame, label)."""
    parts = [centres(mask).assign(frame=time) for time, mask in enumerate(labels)]
    cells = pd.concat(parts, ignore_index=True)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    number = {(f, c): i for i, f, c in zip(cells.index, cells.frame, cells.label, strict=True)}
    pairs = [(number[a], number[b]) for a, b in sorted(links)]
    table = pd.DataFrame(pairs, columns=["parent", "child"], dtype=np.int64).assign(score=1.0)
    return labels, Tracks(cells, table)


def compare(toy, pixels=None, *, without=(), extra=()):
    """A toy's truth against its own masks or `pixels`, without some links and with others."""
    labels = toy.labels if pixels is None else LabelStack(pixels)
    links = (set(toy.links) - set(without)) | set(extra)
    seen = {(t, int(v)) for t, mask in enumerate(labels) for v in np.unique(mask) if v}
    links = {(a, b) for a, b in links if a in seen and b in seen}
    return compare_tracking(*tracked(labels, links), *tracked(toy.labels, toy.links))


def only(found, kind):
    """The single row of this kind."""
    rows = found.errors[found.errors["kind"] == kind]
    assert len(rows) == 1, found.errors
    return rows.iloc[0]


def painted(toy):
    return toy.labels.to_array().copy()


@both
@pytest.mark.parametrize("toy", examples.TOYS, ids=lambda toy: toy.__name__)
def test_the_truth_has_no_errors(toy, ndim):
    found = compare(toy(ndim))
    assert found.errors.empty and found.counts() == {}
    scores = found.scores
    assert (scores.det, scores.tra, scores.lnk) == (1, 1, 1)
    assert (scores.association, scores.effectiveness) == (1, 1)
    assert {"kind", "frame", "cell", "of", "y", "x", "sentence"} <= set(found.errors)
    assert ("z" in found.errors) == (ndim == 3)


@both
def test_missed_cell(ndim):
    toy = examples.two_walkers(ndim)
    pixels = painted(toy)
    pixels[1][pixels[1] == 1] = 0
    found = compare(toy, pixels)
    assert found.counts() == {"missed cell": 1, "missed link": 2}
    row = only(found, "missed cell")
    assert (row["frame"], row["cell"], row["of"]) == (1, 1, "truth")
    assert (round(row["y"]), round(row["x"])) == (60, 24)
    assert row["sentence"] == "True cell 1 has no mask."
    assert found.scores.association == pytest.approx(4 / 6)
    assert found.scores.effectiveness == pytest.approx((4 + 2) / 8)


@both
def test_false_cell(ndim):
    toy = examples.two_walkers(ndim)
    pixels = painted(toy)
    pixels[2, ..., 80:84, 80:84] = 9
    found = compare(toy, pixels)
    assert found.counts() == {"false cell": 1}
    row = only(found, "false cell")
    assert (row["frame"], row["cell"], row["of"]) == (2, 9, "result")
    assert (row["y"], row["x"]) == (81.5, 81.5)


@both
def test_merged_cells(ndim):
    toy = examples.two_walkers(ndim)
    pixels = painted(toy)
    pixels[3][pixels[3] == 1] = 2
    found = compare(toy, pixels)
    assert found.counts() == {"merged cells": 1, "missed link": 2}
    row = only(found, "merged cells")
    assert (row["frame"], row["cell"], row["of"]) == (3, 2, "result")
    assert row["sentence"] == "Cell 2 holds true cell 2 as well as true cell 1."
    assert "no mask of its own" in found.errors["sentence"].iloc[1]


@both
def test_missed_link(ndim):
    found = compare(examples.two_walkers(ndim), without=[((1, 2), (2, 1))])
    assert found.counts() == {"missed link": 1}
    row = only(found, "missed link")
    assert (row["frame"], row["cell"], row["of"]) == (2, 1, "result")
    assert row["sentence"] == "Cell 1 goes on from cell 2 in frame 1 but is not linked to it."


@both
def test_false_link(ndim):
    """The two walkers take each other's place."""
    swapped = [((1, 1), (2, 1)), ((1, 2), (2, 2))]
    right = [((1, 1), (2, 2)), ((1, 2), (2, 1))]
    found = compare(examples.two_walkers(ndim), without=right, extra=swapped)
    assert found.counts() == {"missed link": 2, "false link": 2}
    rows = found.errors[found.errors["kind"] == "false link"]
    assert rows["frame"].tolist() == [2, 2] and rows["cell"].tolist() == [1, 2]
    assert found.scores.effectiveness == 0.5


@both
def test_link_over_missing_masks(ndim):
    """A gap is closed where the truth sees the cell: no other cell, but a link too long."""
    toy = examples.two_walkers(ndim)
    pixels = painted(toy)
    pixels[1][pixels[1] == 2] = 0
    pixels[2][pixels[2] == 1] = 0
    found = compare(toy, pixels, extra=[((0, 1), (3, 2))])
    row = only(found, "link over missing masks")
    assert (row["frame"], row["cell"], row["correction"]) == (3, 2, "ED")
    assert "false link" not in found.counts()
    other = compare(toy, pixels, extra=[((0, 1), (3, 1))], without=[((2, 2), (3, 1))])
    assert only(other, "false link")["frame"] == 3


@both
def test_link_of_the_wrong_kind_and_missed_division(ndim):
    """One daughter goes on as if it were the mother, the other comes from nowhere."""
    found = compare(examples.division(ndim), without=[((3, 1), (4, 4))])
    assert found.counts() == {
        "missed link": 1,
        "link of the wrong kind": 1,
        "missed division": 1,
    }
    row = only(found, "missed division")
    assert (row["frame"], row["cell"], row["of"]) == (3, 1, "result")
    row = only(found, "link of the wrong kind")
    assert (row["frame"], row["cell"]) == (4, 3)
    assert "is a daughter of cell 1 in frame 3" in row["sentence"]
    assert found.scores.divisions[3].recall == 0
    assert found.scores.divisions[3].precision is None


@both
def test_false_division(ndim):
    """A newcomer is taken for a daughter of the cell that was there."""
    found = compare(examples.newcomer(ndim), extra=[((1, 1), (2, 2))])
    assert found.counts() == {
        "false link": 1,
        "link of the wrong kind": 1,
        "false division": 1,
    }
    row = only(found, "false division")
    assert (row["frame"], row["cell"], row["of"]) == (1, 1, "result")
    assert found.scores.divisions[3].precision == 0 and found.scores.divisions[3].f1 == 0


LATE = {"without": [((3, 1), (4, 4)), ((4, 4), (5, 4))], "extra": [((4, 3), (5, 4))]}


@both
def test_shifted_division(ndim):
    """One daughter goes on as the mother for a frame, and divides then."""
    found = compare(examples.division(ndim), **LATE)
    row = only(found, "shifted division")
    assert (row["frame"], row["cell"]) == (4, 3)
    assert row["sentence"] == "Cell 3 divides 1 frame too late."
    assert "missed division" not in found.counts() and "false division" not in found.counts()
    f1 = {error: scores.f1 for error, scores in found.scores.divisions.items()}
    assert f1 == {0: 0, 1: 1, 2: 1, 3: 1}


@both
def test_shifted_division_the_other_way_round(ndim):
    toy = examples.division(ndim)
    late = (set(toy.links) - set(LATE["without"])) | set(LATE["extra"])
    found = compare_tracking(*tracked(toy.labels, toy.links), *tracked(toy.labels, late))
    assert only(found, "shifted division")["sentence"] == "Cell 1 divides 1 frame too early."


@both
def test_wrong_daughters(ndim):
    """The onlooker and a daughter are mixed up."""
    found = compare(
        examples.division(ndim),
        without=[((3, 1), (4, 4)), ((3, 2), (4, 2))],
        extra=[((3, 1), (4, 2)), ((3, 2), (4, 4))],
    )
    row = only(found, "wrong daughters")
    assert (row["frame"], row["cell"]) == (3, 1)
    assert not {"missed division", "false division"} & set(found.counts())
    assert found.scores.divisions[3].f1 == 0


@both
def test_a_division_is_right_though_a_daughter_is_seen_late(ndim):
    """Her first mask is missing, and the gap is closed."""
    toy = examples.division(ndim)
    pixels = painted(toy)
    pixels[4][pixels[4] == 4] = 0
    found = compare(toy, pixels, extra=[((3, 1), (5, 4))])
    assert found.scores.divisions[0].f1 == 1
    assert found.counts() == {
        "missed cell": 1,
        "missed link": 2,
        "link over missing masks": 1,
    }


CARELESS = TrackSettings(model="simple", fill_gaps=False)


@both
def test_rows_add_up_to_the_scores(ndim):
    found, _ = spoiled(ndim, seed=5)
    counts, scores = found.counts(), found.scores
    assert set(counts) <= set(KINDS)
    for name, count in scores.aogm.items():
        kinds = [kind for kind, correction in KINDS.items() if correction == name]
        assert sum(counts.get(kind, 0) for kind in kinds) == count > 0
    last = scores.divisions[3]
    wrong = counts.get("wrong daughters", 0)
    assert counts.get("missed division", 0) + wrong == last.missed
    assert counts.get("false division", 0) + wrong == last.false
    assert found.errors["frame"].is_monotonic_increasing


@both
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_agree_with_the_official_tool(ndim, seed, tmp_path):
    pytest.importorskip("ctc_metrics")
    found, (result, truth) = spoiled(ndim, seed)
    write_ctc(*result, tmp_path / "RES")
    write_truth(*truth, tmp_path / "01_GT")
    official = score_tracking(tmp_path / "RES", tmp_path / "01_GT").table()
    ours = found.scores.table()
    assert min(official[f"AOGM_{name}"] for name in ("FN", "FP", "NS", "EA", "ED", "EC")) > 0
    known = {name: value for name, value in official.items() if value is not None}
    assert {"TRA", "LNK", "CT", "TF", "BC(1)", "CHOTA", "AOGM_EC"} <= set(known)
    for name, value in known.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [{}, LATE, {"without": [((3, 1), (4, 4))]}])
def test_division_scores_agree_with_traccuracy(case):
    """Where no gap is closed; traccuracy counts links, not frames, when it looks for a shift."""
    traccuracy = pytest.importorskip("traccuracy")
    from traccuracy.matchers import IOUMatcher
    from traccuracy.metrics import DivisionMetrics

    toy = examples.division()
    links = (set(toy.links) - set(case.get("without", ()))) | set(case.get("extra", ()))
    sides = [tracked(toy.labels, toy.links), tracked(toy.labels, links)]
    graphs = [
        traccuracy.TrackingGraph(
            tracks.to_networkx(),
            labels.to_array(),
            frame_key="frame",
            label_key="label",
            location_keys=("y", "x"),
        )
        for labels, tracks in sides
    ]
    matched = IOUMatcher(0.5, one_to_one=True).compute_mapping(*graphs)
    theirs = DivisionMetrics(max_frame_buffer=2).compute(matched).results
    ours = compare(toy, **case).scores.divisions
    for error in range(3):
        counts = theirs[f"Frame Buffer {error}"]
        assert ours[error].found == counts["True Positive Divisions"]
        assert ours[error].missed == counts["False Negative Divisions"]
        assert ours[error].false == counts["False Positive Divisions"]


def test_an_empty_result_misses_everything():
    toy = examples.division()
    found = compare(toy, np.zeros_like(painted(toy)))
    assert (found.scores.det, found.scores.tra, found.scores.lnk) == (0, 0, 0)
    assert found.scores.effectiveness == 0 and found.scores.association == 0
    assert set(found.counts()) == {"missed cell", "missed link", "missed division"}


def test_masks_of_another_movie_are_refused():
    toy, other = examples.division(), examples.blink()
    with pytest.raises(BadInput, match=r"\(5, 96, 96\).*\(7, 96, 96\)"):
        compare_tracking(*tracked(other.labels, other.links), *tracked(toy.labels, toy.links))


def test_folders_are_compared_as_what_is_in_them(tmp_path):
    from napari_cellcycle.data.experiment import Experiment
    from napari_cellcycle.io.experiment import save_experiment

    toy = examples.division()
    labels, tracks = tracked(toy.labels, toy.links)
    save_experiment(Experiment(toy.movie, labels, tracks), tmp_path / "toy.cellcycle")
    write_truth(labels, tracks, tmp_path / "01_GT")
    write_ctc(*tracked(labels, set(toy.links) - {((3, 1), (4, 4))}), tmp_path / "RES")
    assert len(open_tracked(tmp_path / "01_GT" / "TRA")[1]) == len(tracks)
    same = compare_folders(tmp_path / "toy.cellcycle", tmp_path / "01_GT")
    assert same.errors.empty and same.scores.det == 1
    worse = compare_folders(tmp_path / "RES", tmp_path / "toy.cellcycle")
    assert only(worse, "missed division")["frame"] == 3
    with pytest.raises(BadInput, match="no tracks"):
        compare_folders(tmp_path / "RES", tmp_path)


def spoiled(ndim, seed):
    """A simulated movie tracked on masks made worse, compared with its truth; and both.

    The quick linker, without filling of gaps, makes errors of every kind.
    """
    size = {"size": 128, "cells": 14} if ndim == 2 else {"size": 96, "cells": 12, "planes": 8}
    made = simulate(SimulateSettings(ndim=ndim, frames=24, seed=seed, frame_interval=900.0, **size))
    rng = np.random.default_rng(seed)
    worse, _ = worsen(made.labels, WorsenSettings(missing=0.05, merged=0.2, split=0.05), rng)
    result, truth = track(made.movie, worse, CARELESS), (made.labels, made.tracks)
    return compare_tracking(*result, *truth), (result, truth)


def write_truth(labels, tracks, folder):
    write_ctc(labels, tracks, folder / "TRA")
    (folder / "TRA" / "res_track.txt").rename(folder / "TRA" / "man_track.txt")
    for path in (folder / "TRA").glob("mask*.tif"):
        path.rename(path.with_name(path.name.replace("mask", "man_track")))
