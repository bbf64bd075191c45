"""Which cells could be the same, or mother and daughters: the candidates among which to choose."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import cKDTree

NEAREST = {1: 3}
"""How many of the nearest cells are considered, both ways, by the gap; 2 over longer gaps."""
DIVISIONS = 4
"""How many pairs of daughters are considered for each mother and gap."""
_AMONG = 5
_RIVALS = 2


@dataclass(frozen=True)
class Candidates:
    """Links that could be, and pairs of them that could be divisions.

    `parent`, `child` (n,) are rows of the cells' table and `gap` (n,) the frames between
    them; `first`, `second` (m,) name two links of one parent over the same gap. Links are sorted
    by parent, and pairs by their first link.
    """

    parent: np.ndarray
    child: np.ndarray
    gap: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def __len__(self) -> int:
        return len(self.parent)


def frame_starts(frame: np.ndarray) -> np.ndarray:
    """First row of every frame in a table sorted by frame, and the number of rows."""
    return np.searchsorted(frame, np.arange(frame.max() + 2 if len(frame) else 1))


def candidate_links(
    frame: np.ndarray,
    position: np.ndarray,
    drift: np.ndarray,
    max_distance: float,
    max_gap: int,
) -> Candidates:
    """Find candidates among the nearest cells of the following `max_gap` frames.

    `frame` (n,) is ascending; `position` (n, d), `drift` (n, d; the expected movement in one
    frame) and `max_distance` (allowed in one frame) share one unit. Each cell is compared
    with its few nearest in both directions, so the number of candidates grows with the
    number of cells only.
    """
    starts, count = frame_starts(frame), 0
    links, pairs = [np.empty((3, 0), np.int64)], [np.empty((2, 0), np.int64)]
    for time in range(len(starts) - 2):
        found, distance = _links_from(time, starts, position, drift, max_distance, max_gap)
        pairs.append(_pairs_of_daughters(found, distance, position, drift) + count)
        links.append(found)
        count += found.shape[1]
    return Candidates(*np.concatenate(links, axis=1), *np.concatenate(pairs, axis=1))


def _links_from(
    time: int,
    starts: np.ndarray,
    position: np.ndarray,
    drift: np.ndarray,
    max_distance: float,
    max_gap: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates (3: parent, child, gap; k) of the cells of one frame, and distances (k,).

    They are sorted by parent, gap and distance: a frame at a time, as that is much faster than
    to sort all in the end.
    """
    here = slice(starts[time], starts[time + 1])
    found = [np.empty((3, 0), np.int64)]
    for gap in range(1, min(max_gap, len(starts) - 2 - time) + 1):
        there = slice(starts[time + gap], starts[time + gap + 1])
        expected = position[here] + gap * drift[here]
        near = NEAREST.get(gap, 2)
        row, column = _near_pairs(expected, position[there], near, gap**0.5 * max_distance).T
        found.append(np.stack([row + here.start, column + there.start, np.full(len(row), gap)]))
    links = np.concatenate(found, axis=1)
    parent, child, gap_of = links
    step = position[child] - position[parent] - gap_of[:, None] * drift[parent]
    distance = np.linalg.norm(step, axis=1)
    order = order_within((parent - here.start) * (max_gap + 1) + gap_of, distance)
    return links[:, order], distance[order]


def order_within(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Rows by `group` and, within a group, by `value`, both not negative.

    One key is sorted instead of two: several times faster, and values that differ by less than
    a millionth of the largest may stay in the order in which they come.
    """
    largest = 1.0001 * float(value.max(initial=0)) or 1.0
    return np.argsort(group + value / largest, kind="stable")


def rank_within(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Place (0, 1, ...) of each `value` among those of the same `group`, ascending."""
    order = order_within(group, value)
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.empty(len(group), np.int64)
    sizes = np.diff(np.append(first, len(group)))
    rank[order] = np.arange(len(group)) - np.repeat(first, sizes)
    return rank


def _near_pairs(here: np.ndarray, there: np.ndarray, most: int, radius: float) -> np.ndarray:
    """Rows (i, j) where j is among the nearest of i or i among the nearest of j."""
    if not len(here) or not len(there):
        return np.empty((0, 2), np.int64)
    forward = _nearest(here, there, most, radius)
    backward = _nearest(there, here, most, radius)[:, ::-1]
    code = np.unique(np.concatenate([forward, backward]) @ [len(there), 1])
    return np.column_stack([code // len(there), code % len(there)])


def _nearest(points: np.ndarray, others: np.ndarray, most: int, radius: float) -> np.ndarray:
    k = np.arange(1, min(most, len(others)) + 1)
    index = cKDTree(others).query(points, k=k, distance_upper_bound=radius)[1]
    row, place = np.nonzero(index < len(others))
    return np.column_stack([row, index[row, place]])


def _pairs_of_daughters(
    links: np.ndarray, distance: np.ndarray, position: np.ndarray, drift: np.ndarray
) -> np.ndarray:
    """For each parent and gap the pairs of links (2, m) whose midpoint is nearest to it.

    Links are those of one frame, as of `_links_from`. Pairs whose daughters are much nearer to
    other parents are left out.
    """
    parent, child, gap = links
    later = child - child.min(initial=0)
    rivals = rank_within(later * (int(gap.max(initial=0)) + 1) + gap, distance)
    group = np.cumsum((np.diff(parent, prepend=-1) != 0) | (np.diff(gap, prepend=-1) != 0)) - 1
    start = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.diff(np.append(start, len(parent)))
    chosen = [
        np.stack([start[size > b] + a, start[size > b] + b])
        for a, b in combinations(range(_AMONG), 2)
    ]
    first, second = np.concatenate(chosen, axis=1)
    likely = rivals[first] + rivals[second] <= _RIVALS
    first, second = first[likely], second[likely]
    middle = (position[child[first]] + position[child[second]]) / 2
    expected = position[parent[first]] + gap[first, None] * drift[parent[first]]
    kept = rank_within(group[first], np.linalg.norm(middle - expected, axis=1)) < DIVISIONS
    pairs = np.stack([first, second])[:, kept]
    return pairs[:, np.argsort(pairs[0], kind="stable")]
