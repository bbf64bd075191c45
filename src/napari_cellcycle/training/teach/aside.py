"""What is kept aside to score models on: whole lineages, or frames that follow each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.training.stage.split import deal_groups
from napari_cellcycle.training.teach.tallies import FEWEST

_BLOCK = 3
"""Frames next to each other that stay together, as they show the same cells."""


@dataclass(frozen=True)
class Aside:
    """Which of some groups are kept aside, and that in words.

    `part` (groups,) is -1 for what is learned from, else the number, from 0, of the part that a
    group is kept aside with: there are several where each is kept aside in turn.
    """

    part: np.ndarray
    words: str

    def __bool__(self) -> bool:
        return bool(self.kept.any())

    @property
    def kept(self) -> np.ndarray:
        """Which groups are kept aside, bool (groups,)."""
        return np.asarray(self.part >= 0)

    @property
    def parts(self) -> list[np.ndarray]:
        """The groups of each part."""
        return [np.flatnonzero(self.part == one) for one in range(self.part.max(initial=-1) + 1)]


def aside_of(
    group: np.ndarray, code: np.ndarray, part: float, seed: int, what: tuple[str, str], count: int
) -> Aside:
    """Keep about `part` of the groups aside, alike in what they hold.

    `group` (n,) is the group, of `count`, of each of n things that are known, `code` (n,) what
    kind of thing it is, negative for none that counts. Every kind is learned from, and kept aside
    at least once where that leaves every kind to learn from. `what` calls one group and several of
    them. Of few groups, more than `part` may be kept aside, up to half, so that chance can be told
    from change. With one group, or where every one is needed to learn from, nothing is.
    """
    groups = len(np.unique(group))
    if groups < 2:
        return _nothing(count, f"all corrections are of one {what[0]}")
    part = min(0.5, max(part, FEWEST / groups))
    parts = int(np.clip(round(1 / part), 2, groups))
    dealt = deal_groups(group, code, parts, seed)
    size, shows = _holdings(group, code, count)
    drawn = [np.isin(np.arange(count), group[dealt == each]) for each in range(parts)]
    for kept in drawn:
        _give_back(kept, shows, size)
    best = max(drawn, key=lambda kept: _worth(kept[group], group, code, part))
    _add_missing(best, shows, size)
    if not shows[best].any():
        return _nothing(count, f"every {what[0]} is needed to learn from")
    return Aside(np.where(best, 0, -1), _in_words(best, group, what))


def turns_of(
    group: np.ndarray, code: np.ndarray, part: float, seed: int, what: tuple[str, str], count: int
) -> Aside:
    """Keep parts of about the size `part` aside in turn, alike in what they hold.

    As `aside_of`, but every group is kept aside once, unless it alone shows some kind of thing.
    """
    groups = len(np.unique(group))
    if groups < 2:
        return _nothing(count, f"all corrections are of one {what[0]}")
    parts = int(np.clip(round(1 / part), 2, groups))
    dealt = deal_groups(group, code, parts, seed)
    size, shows = _holdings(group, code, count)
    found = np.full(count, -1)
    for each in range(parts):
        kept = np.isin(np.arange(count), group[dealt == each])
        _give_back(kept, shows, size)
        found[kept] = each
    held = found >= 0
    if not held.any():
        return _nothing(count, f"every {what[0]} is needed to learn from")
    found[held] = np.unique(found[held], return_inverse=True)[1]
    return Aside(
        found,
        f"{held.sum()} of the {groups} {what[1]} with corrections were kept aside in turn, in "
        f"{found.max() + 1} parts drawn by the seed; the new model has learned from all of them",
    )


def _nothing(count: int, why: str) -> Aside:
    return Aside(np.full(count, -1), f"nothing was kept aside, as {why}")


def _holdings(group: np.ndarray, code: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Size of each group (count,), and which kinds of thing it shows (count, kinds)."""
    size = np.bincount(group, minlength=count)
    shows = np.zeros((count, int(code.max(initial=-1)) + 1), bool)
    shows[group[code >= 0], code[code >= 0]] = True
    return size, shows


def _worth(held: np.ndarray, group: np.ndarray, code: np.ndarray, part: float) -> tuple:
    """How well a part serves: kinds in it that are also elsewhere, groups, and its size."""
    both = np.intersect1d(code[held & (code >= 0)], code[~held])
    return len(both), -abs(held.mean() - part), len(np.unique(group[held]))


def _give_back(kept: np.ndarray, shows: np.ndarray, size: np.ndarray) -> None:
    """Keep a small group less aside for each kind that nothing else is left of to learn from."""
    for kind in range(shows.shape[1]):
        having = np.flatnonzero(shows[:, kind])
        if len(having) and kept[having].all():
            kept[having[np.argmin(size[having])]] = False


def _add_missing(kept: np.ndarray, shows: np.ndarray, size: np.ndarray) -> None:
    """Keep a small group aside for each kind that is not, if all it shows is learned elsewhere."""
    for kind in range(shows.shape[1]):
        having = np.flatnonzero(shows[:, kind])
        if kept[having].any():
            continue
        for one in having[np.argsort(size[having], kind="stable")].tolist():
            others = ~kept & (np.arange(len(kept)) != one)
            if shows[others].any(axis=0)[shows[one]].all():
                kept[one] = True
                break


def _in_words(kept: np.ndarray, group: np.ndarray, what: tuple[str, str]) -> str:
    every = np.unique(group)
    verb = "was" if kept[every].sum() == 1 else "were"
    return (
        f"{int(kept[every].sum())} of the {len(every)} {what[1]} with corrections, drawn by the "
        f"seed, {verb} kept aside"
    )


def frame_blocks(frames: Sequence[int]) -> np.ndarray:
    """Block of each of some frames (n,), counted from 0: frames close to each other share one.

    If all would be in one block, each frame is its own.
    """
    order = np.argsort(frames, kind="stable")
    block, first, number = np.zeros(len(frames), np.int64), None, -1
    for place in order.tolist():
        time = frames[place]
        if first is None or time - first >= _BLOCK:
            number, first = number + 1, time
        block[place] = number
    return block if number else np.unique(frames, return_inverse=True)[1]
