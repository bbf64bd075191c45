"""The assignment is a forest and the best one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.pipeline.assign import Rule, assign, pack, slots_of


def candidates(links, divisions=()):
    parent, child = np.array(links, np.int64).reshape(-1, 2).T
    first, second = np.array(divisions, np.int64).reshape(-1, 2).T
    return Candidates(parent, child, np.ones(len(parent), np.int64), first, second)


@pytest.mark.parametrize(("worth", "expected"), [(0.3, True), (-0.3, False)])
def test_a_link_is_kept_if_it_is_worth_it(worth, expected):
    single, _ = assign(candidates([(0, 1)]), np.array([worth]), np.empty(0), 2)
    assert single.tolist() == [expected]


def test_the_whole_counts_not_the_best_single_link():
    """0-2 is the best link, but 0-3 with 1-2 is worth more."""
    c = candidates([(0, 2), (0, 3), (1, 2)])
    single, _ = assign(c, np.array([0.5, 0.4, 0.4]), np.empty(0), 4)
    assert single.tolist() == [False, True, True]


@pytest.mark.parametrize(("worth", "expected"), [(0.7, True), (0.3, False)])
def test_a_division_must_be_worth_more_than_the_links_it_replaces(worth, expected):
    c = candidates([(0, 1), (0, 2)], [(0, 1)])
    single, pair = assign(c, np.array([0.4, 0.2]), np.array([worth]), 3)
    assert pair.tolist() == [expected]
    assert single.tolist() == [not expected, False]


def test_three_entangled_divisions_are_solved_in_whole_numbers():
    """Pairs {3,4}, {4,5}, {5,3} of three mothers: halves of each would be worth most."""
    c = candidates([(0, 3), (0, 4), (1, 4), (1, 5), (2, 5), (2, 3)], [(0, 1), (2, 3), (4, 5)])
    _, pair = assign(c, np.full(6, -1.0), np.ones(3), 6)
    assert pair.sum() == 1


@st.composite
def problems(draw):
    n_parents, n_children = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    pairs = list(product(range(n_parents), range(n_parents, n_parents + n_children)))
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=5, unique=True))
    links = sorted(chosen)
    divisions = [
        (i, j)
        for i in range(len(links))
        for j in range(i + 1, len(links))
        if links[i][0] == links[j][0]
    ]
    size = len(links) + len(divisions)
    worth = draw(st.lists(st.integers(-5, 20), min_size=size, max_size=size))
    return candidates(links, divisions), np.array(worth, float), n_parents + n_children


def taken(c, single, pair):
    parents = [*c.parent[single], *c.parent[c.first[pair]]]
    children = [*c.child[single], *c.child[c.first[pair]], *c.child[c.second[pair]]]
    return parents, children


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_answer_is_a_forest_and_no_other_is_worth_more(problem):
    c, worth, n = problem
    links = len(c)
    single, pair = assign(c, worth[:links], worth[links:], n)
    for cells in taken(c, single, pair):
        assert len(cells) == len(set(cells))
    best = 0.0
    for bits in product([False, True], repeat=len(worth)):
        trial = np.array(bits)
        if all(len(x) == len(set(x)) for x in taken(c, trial[:links], trial[links:])):
            best = max(best, worth[trial].sum())
    assert worth[np.concatenate([single, pair])].sum() == pytest.approx(best)


def entangled(rng, cells=60, frames=6):
    """Candidates between neighbours on a ring, with divisions, all of doubtful worth."""
    links, divisions = [], []
    for frame in range(frames - 1):
        for cell in range(cells):
            near = [(cell + step) % cells for step in (-1, 0, 1)]
            first = len(links)
            links += [(frame * cells + cell, (frame + 1) * cells + other) for other in near]
            divisions += [(first, first + 1), (first + 1, first + 2), (first, first + 2)]
    worth = rng.uniform(0.1, 1, len(links)), rng.uniform(0.1, 2, len(divisions))
    return candidates(links, divisions), *worth, cells * frames


def test_the_answer_does_not_depend_on_how_much_is_solved_at_a_time(monkeypatch):
    problem = entangled(np.random.default_rng(0))
    answers = []
    for batch in (1, 50, 4_000):
        monkeypatch.setattr("napari_cellcycle.pipeline.assign.BATCH", batch)
        answers.append(np.concatenate(assign(*problem)))
    assert (answers[0] == answers[1]).all()
    assert (answers[0] == answers[2]).all()


def test_what_is_decided_at_once_is_what_the_whole_program_would_decide():
    """Against one program in integers for everything, without any short cut."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    for seed in range(5):
        c, link, division, n = entangled(np.random.default_rng(seed), cells=12)
        worth = np.concatenate([link, division])
        option, slot = slots_of(c, np.ones(len(worth), bool), n)
        takes = csr_array((np.ones(len(option)), (slot, option)), shape=(2 * n, len(worth)))
        whole = milp(
            -worth,
            integrality=np.ones(len(worth)),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(takes, ub=1),
        )
        found = np.concatenate(assign(c, link, division, n))
        assert worth[found].sum() == pytest.approx(-whole.fun)


def test_rivals_of_the_same_worth_are_decided_the_same_way_twice():
    c, link, division, n = entangled(np.random.default_rng(0))
    once, twice = (assign(c, np.ones_like(link), np.ones_like(division), n) for _ in range(2))
    assert all((a == b).all() for a, b in zip(once, twice, strict=True))


def test_a_rule_forbids_options_that_would_be_best_together():
    option, slot, worth = np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([0.5, 0.4, 0.3])
    rule = Rule(np.array([0, 1, 2]), 2)
    assert pack(option, slot, worth, 3, [rule]).tolist() == [True, True, False]


def test_nothing_to_choose_from_is_fine():
    assert pack(np.empty(0, int), np.empty(0, int), np.empty(0), 4).size == 0
