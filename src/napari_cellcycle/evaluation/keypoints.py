"""Score points that stand for cells: found, false and missed ones, and their kinds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNKNOWN = -1
"""Kind of a cell that counts as one, but whose kind is not judged."""


@dataclass(frozen=True)
class KeypointScore:
    """Counts over one or more images.

    `found` cells have a point of their own, `false` points lie on none, `missed` cells have
    none. Of the found ones, the kind of `judged` is known and `right` for as many.
    """

    found: int = 0
    false: int = 0
    missed: int = 0
    right: int = 0
    judged: int = 0

    def __add__(self, other: "KeypointScore") -> "KeypointScore":
        return KeypointScore(
            self.found + other.found,
            self.false + other.false,
            self.missed + other.missed,
            self.right + other.right,
            self.judged + other.judged,
        )

    @property
    def recall(self) -> float:
        """Share of the cells that have a point; not a number without cells."""
        return _share(self.found, self.found + self.missed)

    @property
    def precision(self) -> float:
        """Share of the points that lie on a cell of their own."""
        return _share(self.found, self.found + self.false)

    @property
    def accuracy(self) -> float:
        """Share of the judged cells whose kind is right."""
        return _share(self.right, self.judged)

    @property
    def f1(self) -> float:
        """Balance of recall and precision."""
        return _share(2 * self.found, 2 * self.found + self.false + self.missed)

    def rows(self) -> list[tuple[str, int, int, float, float, float]]:
        """Name, hits, out of, share, and the ends of its Wilson interval."""
        shares = (
            ("recall", self.found, self.found + self.missed),
            ("precision", self.found, self.found + self.false),
            ("accuracy", self.right, self.judged),
        )
        return [(name, hit, of, _share(hit, of), *wilson(hit, of)) for name, hit, of in shares]


def score_keypoints(
    places: np.ndarray,
    kinds: Sequence[int] | np.ndarray | None,
    masks: Sequence[tuple[tuple[int, int], np.ndarray]],
    true_kinds: Sequence[int] | np.ndarray,
) -> KeypointScore:
    """Score the points of one image, by the protocol of the point-based cell pipeline.

    In the order given, the surest first, a point whose integer pixel lies in a mask that no point
    before it took finds that cell and takes its mask; any other point is false. Cells whose
    masks are left are missed. A found cell of the kind `UNKNOWN` counts as found, and its kind is
    not judged.

    Parameters
    ----------
    places
        Points (n, 2), (y, x) in pixels; the integer pixel is the one they are cut off to.
    kinds
        Of each point; None if only the places are scored.
    masks
        Of each true cell: its corner (y, x) and a boolean array, so that masks may overlap.
    true_kinds
        Of each true cell.
    """
    left = list(range(len(masks)))
    found = right = judged = 0
    for number, (y, x) in enumerate(np.floor(places).astype(int).reshape(-1, 2).tolist()):
        hit = next((cell for cell in left if _holds(*masks[cell], y, x)), None)
        if hit is None:
            continue
        left.remove(hit)
        found += 1
        if kinds is not None and true_kinds[hit] != UNKNOWN:
            judged += 1
            right += int(kinds[number] == true_kinds[hit])
    return KeypointScore(found, len(places) - found, len(left), right, judged)


def wilson(hits: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Ends of the 95 % interval of a share (Wilson 1927); 0 and 1 for a share of nothing."""
    if of == 0:
        return 0.0, 1.0
    share, square = hits / of, z * z / of
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def _holds(corner: tuple[int, int], mask: np.ndarray, y: int, x: int) -> bool:
    y, x = y - corner[0], x - corner[1]
    return 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and bool(mask[y, x])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
