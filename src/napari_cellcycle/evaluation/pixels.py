"""How well the pixels of cells are told from background, whichever cell they are of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MEASURES = ("precision", "recall", "f1", "jaccard")
GROUPS = ("background", "cell", "average")


@dataclass(frozen=True)
class PixelScore:
    """Known pixels of one image: taken for cell rightly and wrongly, for background so."""

    cell: int
    false_cell: int
    missed_cell: int
    background: int

    def measures(self) -> dict[str, dict[str, float | None]]:
        """Precision, recall, F1 and Jaccard index of background and cell, and their mean.

        None where one cannot be told: a share of no pixels. The average is then that of the
        other.
        """
        found = {
            "background": _measures(self.background, self.missed_cell, self.false_cell),
            "cell": _measures(self.cell, self.false_cell, self.missed_cell),
        }
        average = {m: _mean([found[group][m] for group in found]) for m in MEASURES}
        return {**found, "average": average}


def score_pixels(masks: np.ndarray, truth: np.ndarray) -> PixelScore:
    """Compare masks with reference masks of one image, both int and above 0 in cells.

    Pixels where `truth` is -1 are not known and do not count.
    """
    known = truth >= 0
    found, there = masks[known] > 0, truth[known] > 0
    cell = int((found & there).sum())
    false, missed = int(found.sum()) - cell, int(there.sum()) - cell
    return PixelScore(cell, false, missed, int(known.sum()) - cell - false - missed)


def mean_measures(scores: Sequence[PixelScore]) -> dict[str, dict[str, float | None]]:
    """Mean over images of what `PixelScore.measures` gives, leaving out what cannot be told.

    Each image counts the same, as in the published evaluation of CELLULAR.
    """
    tables = [score.measures() for score in scores]
    return {
        group: {m: _mean([table[group][m] for table in tables]) for m in MEASURES}
        for group in GROUPS
    }


def _measures(right: int, false: int, missed: int) -> dict[str, float | None]:
    found = (
        (right, right + false),
        (right, right + missed),
        (2 * right, 2 * right + false + missed),
        (right, right + false + missed),
    )
    return {m: part / of if of else None for m, (part, of) in zip(MEASURES, found, strict=True)}


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return float(np.mean(told)) if told else None
