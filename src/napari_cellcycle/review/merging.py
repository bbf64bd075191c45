"""Several doubts about one thing, such as a track that ends beside another that begins, as one."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from napari_cellcycle.review.doubt import LAST_RESORTS, MOST_MENDS, Doubt, Key


@dataclass(frozen=True, eq=False, slots=True)
class Merged:
    """One doubt, and those that it is made of."""

    doubt: Doubt
    parts: tuple[Doubt, ...]


def merged(doubts: Iterable[Doubt]) -> list[Merged]:
    """One doubt for all that share a cell with the weightiest of them, the weightiest first.

    It keeps the kind, place and weight of the weightiest, says all reasons, and offers the mends
    of all; confirming it confirms all of them.
    """
    ranked = sorted(doubts, key=_rank)
    about: dict[int, list[int]] = defaultdict(list)
    for number, doubt in enumerate(ranked):
        for cell in doubt.cells:
            about[cell].append(number)
    taken = [False] * len(ranked)
    found = []
    for number, doubt in enumerate(ranked):
        if taken[number]:
            continue
        near = sorted({other for cell in doubt.cells for other in about[cell]})
        group = tuple(ranked[other] for other in near if not taken[other])
        for other in near:
            taken[other] = True
        found.append(Merged(_joined(group) if len(group) > 1 else doubt, group))
    return found


def _rank(doubt: Doubt) -> tuple[float, int, Key]:
    return (-doubt.weight, doubt.frame, doubt.keys[0])


def _joined(group: tuple[Doubt, ...]) -> Doubt:
    further = [fix for doubt in group[1:] for fix in doubt.mends]
    further.sort(key=lambda fix: fix.operation in LAST_RESORTS)
    mends = [*group[0].mends, *further]
    once = [fix for number, fix in enumerate(mends) if fix not in mends[:number]]
    return replace(
        group[0],
        cells=tuple(dict.fromkeys(cell for doubt in group for cell in doubt.cells)),
        reason=" ".join(dict.fromkeys(doubt.reason for doubt in group)),
        keys=tuple(dict.fromkeys(key for doubt in group for key in doubt.keys)),
        mends=tuple(once[:MOST_MENDS]),
    )
