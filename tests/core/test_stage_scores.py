"""Scores of stages: what is counted, and how sure one can be."""

import numpy as np
import pytest

from napari_cellcycle.evaluation.stages import score_stages

NAMES = ("interphase", "metaphase", "apoptosis")


def test_perfect_stages_score_one():
    stage = np.array(["interphase", "metaphase", "apoptosis"] * 4)
    scores = score_stages(stage, stage, NAMES)
    assert scores.macro_f1 == scores.accuracy == 1
    assert scores.interval == (1, 1)
    assert scores.table["cells"].tolist() == [4, 4, 4]


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_of_too_few_groups_nothing_is_known_of_the_certainty(groups):
    """One group drawn anew is always itself, which is no narrow interval."""
    true = np.array(["interphase", "metaphase"] * 6)
    told = np.where(np.arange(12) < 3, "metaphase", true)
    scores = score_stages(true, told, NAMES, np.arange(12) % groups)
    assert scores.has_interval == (groups >= 3)
    assert scores.summary()["f1_low"].notna().all() == (groups >= 3)
    assert (
        ("too few groups" in str(scores)) == ("too few groups" in scores.certainty) == (groups < 3)
    )


def test_scores_are_those_counted_by_hand():
    true = ["interphase"] * 4 + ["metaphase"] * 2
    told = ["interphase", "interphase", "interphase", "metaphase", "metaphase", "interphase"]
    scores = score_stages(true, told, NAMES)
    assert scores.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert scores.table.loc["interphase", "f1"] == pytest.approx(0.75)
    assert scores.table.loc["metaphase", "f1"] == pytest.approx(0.5)
    assert scores.macro_f1 == pytest.approx(0.625)


def test_a_stage_that_never_occurs_is_left_out():
    scores = score_stages(["interphase"], ["interphase"], NAMES)
    assert scores.table.index.tolist() == ["interphase"]


def test_few_groups_make_the_interval_wider():
    rng = np.random.default_rng(0)
    true = rng.choice(NAMES, 300)
    told = np.where(np.repeat(rng.random(10) < 0.7, 30), true, "interphase")
    apart = score_stages(true, told, NAMES)
    together = score_stages(true, told, NAMES, np.repeat(np.arange(10), 30))
    width = [scores.interval[1] - scores.interval[0] for scores in (apart, together)]
    assert width[1] > 1.5 * width[0]


def test_the_interval_is_the_same_every_time():
    true = np.array(["interphase", "metaphase"] * 20)
    told = np.roll(true, 3)[np.arange(40) // 2]
    assert score_stages(true, told, NAMES).interval == score_stages(true, told, NAMES).interval


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 true stages for 1"):
        score_stages(["interphase", "metaphase"], ["interphase"], NAMES)
