"""A cell that was just born does not divide, and the rest is still the best there is."""

from itertools import combinations, pairwise, product

import numpy as np
import pytest

from napari_cellcycle.features.candidates import Candidates
from napari_cellcycle.pipeline.assign import assign
from napari_cellcycle.pipeline.rules import assign_by_rules


def tree(worth_of_second, between=1):
    r"""A divides into B and C; B is seen `between` times and could divide again.

    A -- B -- ... -- B  and then D, E
      \- C
    """
    frame = [0, 1, 1, *range(2, between + 1), between + 1, between + 1]
    same = [1, *range(3, between + 2)]
    links = [(0, 1), (0, 2), *pairwise(same), (same[-1], between + 2), (same[-1], between + 3)]
    n = len(links)
    parent, child = np.array(links).T
    c = Candidates(parent, child, np.ones(n, int), np.array([0, n - 2]), np.array([1, n - 1]))
    return c, np.full(n, 0.9), np.array([2.0, worth_of_second]), np.array(frame)


@pytest.mark.parametrize("between", [1, 2, 3])
@pytest.mark.parametrize("least", [0, 1, 2, 3, 4])
def test_a_cell_divides_only_when_it_is_old_enough(between, least):
    c, link, division, frame = tree(1.5, between)
    _, pair = assign_by_rules(c, link, division, frame, least)
    assert pair.tolist() == [True, between >= least]


def test_the_worse_of_two_divisions_gives_way():
    c, link, division, frame = tree(2.5)
    single, pair = assign_by_rules(c, link, division, frame, 3)
    assert pair.tolist() == [False, True]
    assert single[:2].sum() == 1, "A goes on as B or C instead"


def test_what_gives_way_leaves_the_other_links_as_good_as_can_be():
    c, link, division, frame = tree(1.5)
    single, pair = assign_by_rules(c, link, division, frame, 3)
    assert pair.tolist() == [True, False]
    assert not single[:2].any()
    assert single[2:].sum() == 1, "B goes on as D or E instead"


def crowd(rng):
    """Three frames after a first, with divisions everywhere, every one of doubtful worth."""
    cells = [[0, 1], [2, 3, 4], [5, 6, 7], [8, 9, 10]]
    links, divisions = [], []
    for one, two in pairwise(cells):
        for parent in one:
            own = range(len(links), len(links) + len(two))
            links += product([parent], two)
            divisions += combinations(own, 2)
    picked = [divisions[i] for i in sorted(rng.permutation(len(divisions))[:10])]
    parent, child = np.array(links).T
    first, second = np.array(picked).T
    c = Candidates(parent, child, np.ones(len(links), int), first, second)
    frame = np.repeat(np.arange(4), [len(part) for part in cells])
    return c, rng.uniform(-0.7, 0.3, len(links)), rng.uniform(0, 1.5, len(picked)), frame


def too_soon(c, single, pair, frame, least):
    follows = {c.parent[i]: c.child[i] for i in np.flatnonzero(single)}
    mothers = {c.parent[i] for i in c.first[pair]}
    for link in [*c.first[pair], *c.second[pair]]:
        born = cell = c.child[link]
        while cell in follows and cell not in mothers:
            cell = follows[cell]
        if cell in mothers and frame[cell] - frame[born] + 1 < least:
            return True
    return False


@pytest.mark.parametrize("seed", range(8))
def test_no_other_answer_within_the_rules_is_worth_more(seed):
    c, link, division, frame = crowd(np.random.default_rng(seed))
    n, worth = len(c), np.concatenate([link, division])
    found = np.concatenate(assign_by_rules(c, link, division, frame, 3))
    assert not too_soon(c, found[:n], found[n:], frame, 3)
    free = assign(c, link, division, len(frame))
    assert too_soon(c, *free, frame, 3) or (np.concatenate(free) == found).all()
    slots = [{("out", c.parent[i]), ("in", c.child[i])} for i in range(n)]
    slots += [slots[i] | slots[j] for i, j in zip(c.first, c.second, strict=True)]
    best = 0.0

    def search(place, taken, chosen, value):
        nonlocal best
        if value + np.maximum(worth[place:], 0).sum() <= best:
            return
        if place == len(worth):
            mask = np.isin(np.arange(len(worth)), chosen)
            if not too_soon(c, mask[:n], mask[n:], frame, 3):
                best = value
            return
        if worth[place] > 0 and not slots[place] & taken:
            search(place + 1, taken | slots[place], [*chosen, place], value + worth[place])
        search(place + 1, taken, chosen, value)

    search(0, set(), [], 0.0)
    assert worth[found].sum() == pytest.approx(best)
