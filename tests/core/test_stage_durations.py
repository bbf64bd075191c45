"""How long stages and mitoses last, as seen and as cut off."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.core.stage_lineages import lineage, one_cell, staged, together

from napari_cellcycle.data.stages import H2B, LIVE_CELL, MITOSIS, NUCLEUS
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.duration_table import (
    duration_table,
    mitosis_table,
    mitotic_stages,
    survival,
    visit_table,
)
from napari_cellcycle.evaluation.durations import stage_visits
from napari_cellcycle.evaluation.stages import score_stages


def test_stays_cut_off_by_the_movie_are_never_mixed_with_whole_ones():
    experiment = staged(together((0, "IIPPMM", "ATII", "ATII"), (2, "MMMI")), frames=12)
    visits = visit_table(experiment)
    ends = visits.set_index(["track", "stage"])[["begins", "ends", "is_whole"]]
    assert ends.loc[(1, "interphase")].tolist() == ["start of the movie", "change", False]
    assert ends.loc[(1, "metaphase")].tolist() == ["change", "division", True]
    assert ends.loc[(2, "anaphase")].tolist() == ["birth", "change", True]
    assert ends.loc[(4, "metaphase")].tolist() == ["came into view", "change", False]
    assert ends.loc[(4, "interphase")].tolist() == ["change", "lost from view", False]
    table = duration_table(experiment)
    assert table.loc["metaphase", ["visits_whole", "visits_cut"]].tolist() == [1, 1]
    assert table.loc["metaphase", "median_min"] == 10
    assert table.loc["apoptosis", ["visits_whole", "visits_cut"]].tolist() == [0, 0]
    assert np.isnan(table.loc["interphase", "median_min"])


def test_a_stage_that_goes_on_in_the_daughters_is_one_stay():
    experiment = staged(lineage("IIMMA", "AATI", "ATTI"))
    apart = stage_visits(experiment)
    assert apart.loc[apart["stage"] == "anaphase", "frames"].tolist() == [1, 2, 1]
    joined = stage_visits(experiment, through_divisions=True)
    anaphase = joined[joined["stage"] == "anaphase"]
    assert anaphase[["track", "first", "frames"]].to_numpy().tolist() == [[2, 4, 3], [3, 4, 2]]
    assert anaphase["is_whole"].all()


def test_a_stage_that_goes_on_through_two_divisions_is_one_stay_from_its_beginning():
    """Whole if its beginning was seen in the grandmother, else cut off there."""
    for first, begins in (("II", "start of the movie"), ("AI", "change")):
        apart = together((0, first, "II", "II"), (4, "IIA"), (4, "III"))
        mother = apart.cells.query("label == 2 and frame == 3").index[0]
        born = apart.cells.query("label >= 4 and frame == 4").index
        births = pd.DataFrame({"parent": mother, "child": born, "score": 1.0})
        links = pd.concat([apart.links, births], ignore_index=True)
        joined = stage_visits(staged(Tracks(apart.cells, links)), through_divisions=True)
        stays = joined[(joined["stage"] == "interphase") & (joined["ends"] == "change")]
        stay = stays[stays["last"] == 5].iloc[0]
        start = first.index("I")
        assert stay[["first", "frames", "begins"]].tolist() == [start, 6 - start, begins]
        assert stay["is_whole"] == (begins == "change")


def test_the_timing_of_a_division_is_that_counted_by_hand():
    table = mitosis_table(staged(lineage("IIPPRMM", "ATTI", "AATTTI")))
    row = table.iloc[0]
    assert (row["track"], row["last_frame"], row["daughters"]) == (1, 6, "2 3")
    assert row["onset_min"] == 10
    assert row["before_division_min"] == 25
    assert row["after_division_min"] == (3 + 5) / 2 * 5
    assert row["mitosis_min"] == 45
    assert row[["prophase_min", "metaphase_min", "anaphase_min"]].tolist() == [10, 10, 7.5]
    assert row["is_whole"]


def test_a_mitosis_that_began_before_the_movie_has_no_duration():
    table = mitosis_table(staged(lineage("MM", "ATI", "ATT")))
    assert np.isnan(table.loc[0, "mitosis_min"]) and not table.loc[0, "is_whole"]
    assert table.loc[0, "after_division_min"] == 10


def test_a_daughter_who_leaves_in_mitosis_does_not_end_it():
    table = mitosis_table(staged(lineage("IM", "AT", "AT")))
    assert np.isnan(table.loc[0, "after_division_min"])


def test_a_movie_without_divisions_has_an_empty_table():
    table = mitosis_table(staged(one_cell("IIMM")))
    assert len(table) == 0
    assert "mitosis_min" in table and "metaphase_min" in table


def test_the_survival_curve_uses_stays_that_were_cut_off():
    """Worked by hand: of four stays, ends at 2 and 4, cut at 3 and 5."""
    curve = survival(np.array([2.0, 3.0, 4.0, 5.0]), np.array([True, False, True, False]))
    assert curve["duration"].tolist() == [0, 2, 4]
    assert curve["share"].tolist() == pytest.approx([1, 0.75, 0.375])
    assert (curve["low"] <= curve["share"]).all() and (curve["share"] <= curve["high"]).all()
    everyone = survival(np.array([1.0, 2.0]), np.array([True, True]))
    assert everyone["share"].tolist() == pytest.approx([1, 0.5, 0])
    nobody = survival(np.array([1.0, 2.0]), np.array([False, False]))
    assert nobody["share"].tolist() == [1]


def test_stays_that_were_cut_lengthen_the_estimate():
    together_ = together((0, "IMMI"), (0, "IMMI"), (0, "IMMM"), (0, "IMMM"), (0, "IMMMM"))
    table = duration_table(staged(together_, frames=5)).loc["metaphase"]
    assert table["median_min"] == 10
    assert np.isnan(table["kaplan_meier_median_min"])
    assert table["kaplan_meier_visits"] == 5


def test_mitosis_is_what_leads_through_a_division():
    assert mitotic_stages(H2B) == mitotic_stages(MITOSIS) == H2B.names[1:6]
    assert mitotic_stages(LIVE_CELL) == ("early mitosis", "late mitosis")
    assert mitotic_stages(NUCLEUS) == ("mitotic", "new daughter")


def test_cells_without_stages_are_refused():
    experiment = staged(one_cell("II"))
    bare = experiment.tracks.cells.drop(columns="stage")
    unstaged = replace(experiment, tracks=replace(experiment.tracks, cells=bare))
    with pytest.raises(BadInput, match="no stages"):
        duration_table(unstaged)


def test_every_figure_of_a_stage_has_an_interval():
    true = ["interphase"] * 40 + ["metaphase"] * 4
    told = ["interphase"] * 39 + ["metaphase"] * 4 + ["interphase"]
    scores = score_stages(true, told, ("interphase", "metaphase", "apoptosis"))
    summary = scores.summary()
    for name in ("precision", "recall", "f1"):
        assert (summary[f"{name}_low"] <= summary[name]).all()
        assert (summary[name] <= summary[f"{name}_high"]).all()
    width = summary["f1_high"] - summary["f1_low"]
    assert width["metaphase"] > 3 * width["interphase"]
