"""Paths through lineages: a cell with its ancestors, from first sight to last."""

import numpy as np


def path_to(row: int, parent: np.ndarray) -> np.ndarray:
    """Rows from the first ancestor of a cell to the cell itself, in the order of time.

    `parent` (n,) is the row of each cell's parent, -1 where it has none (`sights.parents`).
    """
    rows = [row]
    while parent[rows[-1]] >= 0:
        rows.append(int(parent[rows[-1]]))
    return np.array(rows[::-1], np.int64)


def path_from(row: int, parent: np.ndarray) -> np.ndarray:
    """Rows of a whole path through a cell: its ancestors, itself, and its first descendants."""
    n = len(parent)
    first = np.full(n, -1, np.int64)
    children = np.flatnonzero(parent >= 0)[::-1]
    first[parent[children]] = children
    ahead = []
    following = first[row]
    while following >= 0:
        ahead.append(int(following))
        following = first[following]
    return np.concatenate([path_to(row, parent), np.array(ahead, np.int64)])


def paths(parent: np.ndarray) -> tuple[np.ndarray, ...]:
    """One path for each cell without children: its whole past, daughters following mothers."""
    has_child = np.zeros(len(parent), bool)
    has_child[parent[parent >= 0]] = True
    return tuple(path_to(int(row), parent) for row in np.flatnonzero(~has_child))


def founders(parent: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Row of the first ancestor of each cell, (n,); cells of one lineage share it."""
    first = np.arange(len(parent))
    for row in np.split(
        np.argsort(frame, kind="stable"), np.cumsum(np.bincount(frame, minlength=1))
    ):
        born = row[parent[row] >= 0]
        first[born] = first[parent[born]]
    return first
