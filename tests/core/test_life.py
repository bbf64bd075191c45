"""What a life may look like: how stages follow each other, and how long they last."""

import numpy as np
import pytest

from napari_cellcycle.data.stages import H2B, LIVE_CELL, MITOSIS, NUCLEUS, Stage, StageSet
from napari_cellcycle.errors import BadInput
from napari_cellcycle.pipeline.durations import (
    Durations,
    durations_from_json,
    durations_to_json,
    given_durations,
)
from napari_cellcycle.pipeline.life import life

SETS = pytest.mark.parametrize("stages", [H2B, MITOSIS, LIVE_CELL, NUCLEUS], ids=lambda s: s.name)
STEADY = Durations((840, 10, 12, 15, 8.5, 20, 60), (200, 3, 4, 5, 3, 6, 20))


def usual(stages):
    return life(stages, given_durations(stages))


def code(name, stages=H2B):
    return stages.names.index(name)


@SETS
@pytest.mark.parametrize("minutes", [0.1, 5.0, 30.0, 240.0])
@pytest.mark.parametrize("division", [False, True])
def test_chances_of_what_follows_sum_to_one(stages, minutes, division):
    chances = usual(stages).succession(minutes, division=division)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-9)


@SETS
def test_a_cell_is_first_seen_in_some_stage(stages):
    assert usual(stages).start.sum() == pytest.approx(1)


@SETS
def test_two_short_times_are_one_long_time(stages):
    lives = usual(stages)
    five, ten = lives.within(5.0).chance, lives.within(10.0).chance
    np.testing.assert_allclose(five @ five, ten, atol=1e-9)


def test_coarse_frames_may_skip_short_stages():
    lives, whole = usual(H2B), (code("interphase"), code("metaphase"))
    assert lives.succession(60)[whole] > 100 * lives.succession(5)[whole]
    assert lives.follows(60)[whole]
    assert not lives.follows(2)[whole]


@pytest.mark.parametrize("minutes", [1.0, 30.0, 600.0])
def test_nothing_follows_death(minutes):
    dead = code("apoptosis")
    follows = usual(H2B).follows(minutes)[dead]
    assert follows.tolist() == [name == "apoptosis" for name in H2B.names]


@pytest.mark.parametrize("minutes", [0.01, 1.0, 5.0, 30.0])
@SETS
def test_the_usual_next_stage_can_always_follow(stages, minutes):
    follows = usual(stages).follows(minutes)
    assert follows[stages.allowed()].all()


def test_a_mother_divides_out_of_mitosis():
    lives = usual(H2B)
    chance = lives.across(5.0)[0].chance.sum(axis=1)
    by_stage = [chance[lives.stage == i].max() for i in range(len(H2B))]
    assert by_stage[code("anaphase")] > by_stage[code("metaphase")] > by_stage[code("prophase")]
    assert by_stage[code("interphase")] < 1e-6
    assert by_stage[code("apoptosis")] == 0


@pytest.mark.parametrize("minutes", [1.0, 5.0])
def test_daughters_begin_after_the_division(minutes):
    follows = usual(H2B).follows(minutes, division=True)
    early = [code(name) for name in ("prophase", "prometaphase", "metaphase")]
    assert not follows[:, early].any()
    assert follows[code("metaphase"), code("anaphase")]


def test_a_nucleus_that_is_mitotic_is_followed_by_new_daughters_only():
    follows = usual(NUCLEUS).follows(0.5, division=True)
    mitotic = NUCLEUS.names.index("mitotic")
    assert follows[mitotic].tolist() == [False, False, True, False]


def test_a_stage_that_varies_little_is_rarely_left_early():
    """A plain Markov chain would lose a third of the cells in the first 40 % of their time."""
    steady, loose = life(H2B, STEADY), usual(H2B)
    telophase = code("telophase")
    for lives, most in ((steady, 0.05), (loose, 0.2)):
        begin = np.flatnonzero(lives.stage == telophase)[0]
        still = lives.within(8.0).chance[begin][lives.stage == telophase].sum()
        assert 1 - still < most


def test_the_chain_of_a_stage_lasts_as_long_as_the_stage():
    lives = life(H2B, STEADY)
    telophase = np.flatnonzero(lives.stage == code("telophase"))
    minutes = np.arange(0, 200, 0.5)
    left = [lives.within(m).chance[telophase[0], telophase].sum() for m in minutes]
    assert np.sum(left) * 0.5 == pytest.approx(20, rel=0.03)


def test_given_limits_hold_most_of_all_visits():
    given = given_durations(H2B)
    for stage, mean, spread in zip(H2B.stages, given.mean_minutes, given.spread, strict=True):
        assert stage.duration[0] < mean < stage.duration[1]
        assert spread <= mean
    assert all(1 <= phases <= 8 for phases in given.phases)


def test_durations_survive_a_model_card():
    again = durations_from_json(durations_to_json(STEADY, H2B), H2B)
    assert again == STEADY
    assert durations_from_json(None, H2B) is None


@pytest.mark.parametrize(
    "wrong", [{"interphase": [1, 1]}, [1, 2], {name: [0.0, 1.0] for name in H2B.names}]
)
def test_durations_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInput, match="durations"):
        durations_from_json(wrong, H2B)


def test_one_stage_is_a_life_too():
    alone = StageSet(
        "one",
        (Stage("cell", "#000000", (10, 100)),),
        frozenset(),
        frozenset({"cell"}),
        frozenset({"cell"}),
    )
    lives = usual(alone)
    for division in (False, True):
        assert lives.succession(5.0, division=division) == pytest.approx(np.ones((1, 1)))
        assert lives.follows(5.0, division=division).all()
