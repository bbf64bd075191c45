"""How much of what is wrong the list of doubts leads to, and how soon."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from known_truth import Truth, as_events, division_errors, found_by, link_errors, mask_errors
from reviewed import Reviewed

from napari_cellcycle.review.doubt import facts_of
from napari_cellcycle.review.find import find_doubts

EARLY = 0.2
"""Share of the list that counts as its beginning."""


def default_data() -> Path:
    """Where real data is, if nothing else is said."""
    return Path(os.environ.get("CELLCYCLE_DATA", Path(__file__).parents[2] / "shared/data"))


@dataclass(frozen=True)
class Ranking:
    """What a list of doubts leads to.

    `errors` of links and divisions, and `events`, each of which is one or several errors about
    the same cells, masks that are no cell or several among them. The shares are of those found
    within the first fifth of the list, and anywhere in it; `right` is the share of the items in
    that fifth that lead to an error.
    """

    name: str
    cells: int
    errors: int
    events: int
    items: int
    likely: int
    early_errors: float
    early_events: float
    all_errors: float
    all_events: float
    right: float

    HEAD = (
        "| movie | cells | errors | events | items | likely | errors in the first fifth "
        "| events | errors in all | events | items of the first fifth that are right |\n"
        + "|---" * 11
        + "|"
    )

    def __str__(self) -> str:
        shares = (
            self.early_errors,
            self.early_events,
            self.all_errors,
            self.all_events,
            self.right,
        )
        counts = (self.cells, self.errors, self.events, self.items, self.likely)
        values = [*(f"{count:,}" for count in counts), *(f"{share:.3f}" for share in shares)]
        return f"| {self.name} | {' | '.join(values)} |"


def rank(case: Reviewed) -> Ranking:
    """Find doubts, and what of the truth they lead to."""
    draft = case.draft()
    truth = Truth(case.true_tracks, case.true_labels, draft)
    of_links = link_errors(truth, draft) + division_errors(truth, draft)
    errors = of_links + mask_errors(truth, draft)
    doubts = find_doubts(draft, facts_of(draft, case.movie.frame_interval))
    items = [doubt.cells for doubt in doubts]
    place, event = found_by(errors, items), as_events(errors)
    first = np.full(int(event.max(initial=-1)) + 1, len(items))
    np.minimum.at(first, event, place)
    early, links = int(np.ceil(EARLY * len(items))), place[: len(of_links)]
    bad = frozenset().union(*(error.cells for error in errors))
    right = [not bad.isdisjoint(cells) for cells in items[:early]]
    return Ranking(
        case.name,
        len(draft),
        len(of_links),
        len(first),
        len(items),
        doubts.likely,
        _share(links < early),
        _share(first < early),
        _share(links < len(items)),
        _share(first < len(items)),
        _share(np.array(right)),
    )


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
