"""Stages of lineages are exactly what adding up all possible lives gives, and always a life."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellcycle.data.stages import H2B, LIVE_CELL, MITOSIS, NUCLEUS, Stage, StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.pipeline.decode import decode
from napari_cellcycle.pipeline.durations import Durations, given_durations
from napari_cellcycle.pipeline.life import life

SMALL = StageSet(
    "rest, split, dead",
    (
        Stage("rest", "#000000", (30, 200)),
        Stage("split", "#ffffff", (5, 40)),
        Stage("dead", "#999999", (10, 100)),
    ),
    frozenset({("rest", "split"), ("split", "rest"), ("rest", "dead"), ("split", "dead")}),
    frozenset({"split"}),
    frozenset({"split"}),
)
BRIEF = Durations((60.0, 12.0, 50.0), (42.0, 12.0, 50.0))
"""Two phases of rest, one of the others: four phases in all."""


def grown(seed, frames=30, founders=3, division=0.3, death=0.03, gap=0.1):
    """A random forest: cells divide (8 frames or more after birth), end, and are lost for a bit."""
    rng = np.random.default_rng(seed)
    rows, links, tips = [], [], [(None, 0, -8)] * founders
    for frame in range(frames):
        kept, label = [], 0
        for parent, due, born in tips:
            if due > frame:
                kept.append((parent, due, born))
                continue
            if parent is not None and rng.random() < death:
                continue
            label += 1
            rows.append((frame, label))
            if parent is not None:
                links.append((parent, len(rows)))
            following = frame + 1 + (rng.integers(1, 3) if rng.random() < gap else 0)
            divides = frame - born >= 8 and rng.random() < division
            tip = (len(rows), following, frame if divides else born)
            kept += [tip] * (2 if divides else 1)
        tips = kept
    cells = pd.DataFrame(rows, columns=["frame", "label"]).assign(y=0.0, x=0.0)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    table = pd.DataFrame(links, columns=["parent", "child"], dtype=np.int64)
    return Tracks(cells, table.assign(score=1.0))


def small_family():
    """::

    1 - 2 -<  3 - - 4      (two frames later)
              5 - 6
    """
    cells = pd.DataFrame(
        {"frame": [0, 1, 2, 4, 2, 3], "label": [1, 1, 2, 2, 3, 3], "y": 0.0, "x": 0.0},
        index=pd.RangeIndex(1, 7, name="cell_id"),
    )
    pairs = [(1, 2), (2, 3), (3, 4), (2, 5), (5, 6)]
    return Tracks(cells, pd.DataFrame(pairs, columns=["parent", "child"]).assign(score=1.0))


def steps_of(tracks):
    """(parent row, child row, frames between, whether across a division) of each link."""
    frame = tracks.cells["frame"].to_numpy()
    for parent, child in tracks.links[["parent", "child"]].to_numpy() - 1:
        yield parent, child, frame[child] - frame[parent], parent + 1 in tracks.divisions


def by_hand(chances, minutes, pinned):
    """Posterior (6, 3) of the small family: the sum over all 4 ** 6 lives, each by itself."""
    lives, tracks = life(SMALL, BRIEF), small_family()
    phases = np.array(list(product(range(4), repeat=6)))
    stages = lives.stage[phases]
    weight = lives.start[phases[:, 0]] * chances[np.arange(6), stages].prod(axis=1)
    weight *= ((pinned < 0) | (stages == pinned)).all(axis=1)
    daughters = iter((0, 1))
    for parent, child, gap, divides in steps_of(tracks):
        time = gap * minutes
        steps = lives.across(time)[next(daughters)] if divides else lives.within(time)
        weight *= steps.chance[phases[:, parent], phases[:, child]]
    total = np.einsum("l,lcs->cs", weight, np.eye(3)[stages])
    return total / total.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("minutes", [5.0, 45.0])
@pytest.mark.parametrize("pins", [{}, {1: 1}, {0: 0, 4: 2}])
def test_chances_are_the_sum_over_all_lives(minutes, pins):
    chances = np.random.default_rng(3).dirichlet(np.ones(3), 6)
    pinned = np.full(6, -1)
    pinned[list(pins)] = list(pins.values())
    told = decode(small_family(), chances, SMALL, minutes * 60, 0.5, pinned=pinned, durations=BRIEF)
    np.testing.assert_allclose(told.posterior, by_hand(chances, minutes, pinned), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_chosen_life_is_the_one_with_most_frames_expected_right(seed):
    minutes, lives, tracks = 5.0, life(SMALL, BRIEF), small_family()
    chances = np.random.default_rng(seed).dirichlet(np.full(3, 0.4), 6)
    told = decode(tracks, chances, SMALL, minutes * 60, 0.5, durations=BRIEF)
    steps = [
        (parent, child, lives.follows(gap * minutes, division=divides))
        for parent, child, gap, divides in steps_of(tracks)
    ]
    lawful = [
        codes
        for codes in product(range(3), repeat=6)
        if all(follows[codes[parent], codes[child]] for parent, child, follows in steps)
    ]
    score = [told.posterior[np.arange(6), list(codes)].sum() for codes in lawful]
    assert tuple(told.code) == lawful[int(np.argmax(score))]
    assert len(lawful) < 3**6


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([H2B, MITOSIS, LIVE_CELL, NUCLEUS]),
    st.sampled_from([60.0, 300.0, 1800.0]),
    st.sampled_from([0.3, 0.5, 1.0]),
)
def test_whatever_is_seen_a_life_is_told(seed, stages, interval, smoothing):
    tracks = grown(seed)
    chances = np.random.default_rng(seed).dirichlet(np.full(len(stages), 0.2), len(tracks))
    told = decode(tracks, chances, stages, interval, smoothing)
    np.testing.assert_allclose(told.posterior.sum(axis=1), 1, atol=1e-9)
    lives = life(stages, given_durations(stages))
    for parent, child, gap, divides in steps_of(tracks):
        follows = lives.follows(gap * interval / 60, division=divides)
        assert follows[told.code[parent], told.code[child]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]))
def test_pins_hold_even_if_no_life_could_have_them(seed, share, smoothing):
    rng = np.random.default_rng(seed)
    tracks = grown(seed)
    chances = rng.dirichlet(np.full(7, 0.2), len(tracks))
    pinned = np.where(rng.random(len(tracks)) < share, rng.integers(0, 7, len(tracks)), -1)
    told = decode(tracks, chances, H2B, 300.0, smoothing, pinned=pinned)
    assert (told.code[pinned >= 0] == pinned[pinned >= 0]).all()
    assert np.isfinite(told.posterior).all()
    np.testing.assert_allclose(told.certainty[pinned >= 0], 1)


def test_a_pin_tells_of_the_neighbours_too():
    tracks = grown(0, frames=9, founders=1, division=0, death=0, gap=0)
    dead = H2B.names.index("apoptosis")
    chances = np.full((9, 7), 1 / 7)
    chances[0] = np.eye(7)[H2B.names.index("interphase")]
    pinned = np.full(9, -1)
    pinned[3] = dead
    told = decode(tracks, chances, H2B, 300.0, 0.5, pinned=pinned)
    assert (told.code[3:] == dead).all()
    assert (told.posterior[3:, dead] == 1).all()
    assert told.code[0] != dead


def test_pins_that_contradict_leave_the_rest_alone():
    """Dead in frame 3, alive in frame 6: what is certain before and after stays so."""
    tracks = grown(0, frames=10, founders=1, division=0, death=0, gap=0)
    whole, dead = H2B.names.index("interphase"), H2B.names.index("apoptosis")
    chances = np.full((10, 7), 0.01) + 0.93 * np.eye(7)[whole]
    pinned = np.full(10, -1)
    pinned[[3, 6]] = dead, whole
    told = decode(tracks, chances, H2B, 300.0, 0.5, pinned=pinned)
    assert told.code[[0, 1, 2, 6, 7, 8, 9]].tolist() == [whole] * 7
    assert told.code[3] == dead


def test_frames_without_a_look_take_what_their_relatives_tell():
    tracks = grown(0, frames=5, founders=1, division=0, death=0, gap=0)
    metaphase = H2B.names.index("metaphase")
    chances = np.full((5, 7), 0.01) + 0.93 * np.eye(7)[metaphase]
    chances[2] = np.nan
    told = decode(tracks, chances, H2B, 60.0, 0.5)
    assert told.code[2] == metaphase
    assert told.certainty[2] > 0.9


def test_more_smoothing_changes_stage_less_often():
    tracks = grown(5, frames=60, founders=4, division=0.02, death=0, gap=0)
    chances = np.random.default_rng(0).dirichlet(np.full(7, 0.4), len(tracks))
    parent, child = tracks.links[["parent", "child"]].to_numpy().T - 1
    changes = []
    for smoothing in (0.0, 0.1, 0.5, 1.0):
        code = decode(tracks, chances, H2B, 300.0, smoothing).code
        changes.append((code[parent] != code[child]).sum())
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 2 * changes[-1]


def test_evidence_of_hundreds_of_frames_is_weighed_exactly():
    """120 frames seem dead, then 240 alive: no float holds these chances; the longer part wins."""
    tracks = grown(0, frames=360, founders=1, division=0, death=0, gap=0)
    whole, dead = H2B.names.index("interphase"), H2B.names.index("apoptosis")
    seems = np.repeat([dead, whole], [120, 240])
    told = decode(tracks, np.eye(7)[seems], H2B, 300.0, 0.5)
    assert (told.code != dead).all()
    turned = decode(tracks, np.eye(7)[seems[::-1]], H2B, 300.0, 0.5)
    assert (turned.code == seems[::-1]).all()


def test_what_does_not_fit_the_cells_is_refused():
    tracks = grown(0, frames=3, founders=1, division=0, death=0, gap=0)
    with pytest.raises(BadInput, match="3 cells and 7 stages"):
        decode(tracks, np.ones((3, 6)), H2B, 300.0, 0.5)
    with pytest.raises(BadInput, match="code from 0 to 6"):
        decode(tracks, np.ones((3, 7)), H2B, 300.0, 0.5, pinned=np.array([0, 7, -1]))
