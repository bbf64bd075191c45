"""When a cell changes its stage, in the truth and as told."""

import numpy as np
import pytest
from tests.core.stage_lineages import lineage, one_cell

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.stage_timing import timing_scores, transitions, transitions_of
from napari_cellcycle.features.sights import parents

INTER, P, M, A = 0, 1, 3, 4


def of(true, told):
    true, told = np.array(true), np.array(told)
    n = len(true)
    return transitions(true, told, np.arange(n) - 1, np.arange(n))


def test_the_right_stages_have_no_error():
    found = of([INTER, INTER, P, P, M], [INTER, INTER, P, P, M])
    assert found["error"].tolist() == [0, 0]
    assert found[["from", "to"]].to_numpy().tolist() == [[INTER, P], [P, M]]


def test_a_late_change_is_positive_and_an_early_one_negative():
    found = of([INTER, INTER, P, P, P, M, M], [INTER, INTER, INTER, INTER, P, M, M])
    assert found["error"].tolist() == [2, 0]
    found = of([INTER, INTER, INTER, INTER, P, M, M], [INTER, P, P, M, M, M, M])
    assert found["error"].tolist() == [-3, -2]
    assert found["told_frame"].tolist() == [1, 3]


def test_a_change_that_is_never_told_has_no_error():
    found = of([INTER, INTER, M, M, A], [INTER, INTER, M, M, M])
    assert np.isnan(found["error"]).tolist() == [False, True]


def test_a_change_of_another_cycle_does_not_stand_for_a_missed_one():
    true = [INTER, INTER, M, M, INTER, INTER, INTER, INTER, INTER, M, M, INTER]
    told = [INTER, INTER, M, M, INTER, INTER, INTER, INTER, INTER, INTER, INTER, INTER]
    assert np.isnan(of(true, told)["error"]).tolist() == [False, False, True, True]
    assert np.isnan(of(true[::-1], told[::-1])["error"]).tolist() == [True, True, False, False]


def test_changes_told_without_a_true_one_show_with_the_arguments_swapped():
    truth, told = [INTER] * 8, [INTER, INTER, M, M, INTER, INTER, INTER, INTER]
    assert len(of(truth, told)) == 0
    assert of(told, truth)["error"].isna().all()


def test_unknown_stages_make_no_change():
    assert len(of([INTER, -1, M, M], [INTER, INTER, M, M])) == 0


def test_a_change_told_in_the_mother_stands_for_both_daughters():
    true = lineage("IIMMM", "AAI", "AII")
    told = lineage("IIMMA", "AAI", "AII")
    found = transitions_of(true, told, H2B)
    anaphase = found[found["to"] == A]
    assert anaphase["error"].tolist() == [-1, -1]
    told = lineage("IIMMM", "MAI", "AII")
    found = transitions_of(true, told, H2B)
    assert sorted(found.loc[found["to"] == A, "error"]) == [0, 1]


def test_a_change_in_one_daughter_does_not_stand_for_her_sister():
    found = transitions_of(lineage("MM", "AAI", "AAI"), lineage("MM", "AAI", "AAA"), H2B)
    assert sorted(found.loc[found["to"] == INTER, "error"].fillna(99)) == [0, 99]


def test_a_gap_in_the_track_counts_in_frames():
    true, told = np.array([INTER, INTER, M]), np.array([INTER, M, M])
    found = transitions(true, told, np.array([-1, 0, 1]), np.array([0, 1, 5]))
    assert found["error"].tolist() == [-4]


def test_rows_need_no_order():
    tracks = lineage("IIPPMM", "AATI", "AATT")
    code = tracks.cells["stage"].astype(str).map(H2B.names.index).to_numpy()
    told = np.where(code == A, M, code)
    frame = tracks.cells["frame"].to_numpy()
    straight = transitions(code, told, parents(tracks), frame)
    shuffled = np.random.default_rng(0).permutation(len(code))
    place = np.append(np.argsort(shuffled), -1)
    mixed = transitions(
        code[shuffled], told[shuffled], place[parents(tracks)[shuffled]], frame[shuffled]
    )
    kind = ["frame", "from", "to", "error"]
    assert straight[kind].sort_values(kind).to_numpy() == pytest.approx(
        mixed[kind].sort_values(kind).to_numpy(), nan_ok=True
    )


def test_the_summary_counts_what_is_within_one_frame():
    found = of([INTER, INTER, P, P, P, M, M, A], [INTER, INTER, INTER, INTER, P, P, M, M])
    scores = timing_scores(found, H2B.names)
    assert scores.index.tolist() == [
        "interphase to prophase",
        "prophase to metaphase",
        "metaphase to anaphase",
        "all",
    ]
    assert scores["within"].tolist() == pytest.approx([0, 1, 0, 1 / 3])
    assert scores["told"].tolist() == [1, 1, 0, 2]
    assert scores.loc["all", "mean_distance_frames"] == 1.5


def test_results_without_a_cell_in_common_are_refused():
    here, there = one_cell("IIM"), one_cell("IIM")
    cells = there.cells.set_axis(there.cells.index + 100)
    away = Tracks(cells, there.links.assign(**(there.links[["parent", "child"]] + 100)))
    with pytest.raises(BadInput, match="no cell in common"):
        transitions_of(here, away, H2B)
    with pytest.raises(BadInput, match="predicted cells have no stages"):
        transitions_of(here, Tracks(here.cells.drop(columns="stage"), here.links), H2B)
