"""How much of a result is right, from yes or no to a random sample of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft

Audited = Literal["link", "division", "stage"]
AUDITED: tuple[Audited, ...] = get_args(Audited)
"""What is asked about."""
CERTAINTY = 1.959964
"""Standard deviations to either side of an interval that holds in 95 of 100 cases."""


@dataclass(frozen=True)
class Question:
    """One thing to say yes or no to.

    `cell` is its id, looked at in `frame` at `place` ([z,] y, x in pixels); `before` is the frame
    to compare with, the same for a stage.
    """

    kind: Audited
    cell: int
    words: str
    frame: int
    before: int
    place: tuple[float, ...]


@dataclass(frozen=True)
class Estimate:
    """How many of a kind are right: of so many `asked`, in a result that has `there` of them.

    `low` and `high` bound the share that is right (Wilson 1927, "Probable inference, the law of
    succession, and statistical inference"), with a certainty of 95 %.
    """

    kind: Audited
    right: int
    asked: int
    there: int
    cells: int

    @property
    def share(self) -> float:
        """The share that is right, of those asked about; NaN if none was."""
        return self.right / self.asked if self.asked else float("nan")

    @property
    def low(self) -> float:
        """Least share that is right."""
        return wilson(self.right, self.asked)[0]

    @property
    def high(self) -> float:
        """Largest share that is right."""
        return wilson(self.right, self.asked)[1]

    @property
    def half_width(self) -> float:
        """Half of the interval, which is what is not known yet."""
        return (self.high - self.low) / 2

    def is_enough(self, half_width: float) -> bool:
        """Whether the interval is as narrow as asked for, or all have been asked about."""
        return self.asked >= self.there or self.half_width <= half_width

    def still(self, half_width: float) -> int:
        """About how many more questions that takes, if answers go on as they have so far."""
        if self.is_enough(half_width):
            return 0
        share = (self.right + 1) / (self.asked + 2)
        asked = self.asked
        while asked < self.there:
            asked += max(1, asked // 20)
            low, high = wilson(round(share * asked), asked)
            if (high - low) / 2 <= half_width:
                break
        return min(asked, self.there) - self.asked

    def errors(self) -> tuple[float, float, float]:
        """Errors per 1,000 cells: about as many, at least and at most."""
        each = 1000 * self.there / max(self.cells, 1)
        return each * (1 - self.share), each * (1 - self.high), each * (1 - self.low)


def wilson(right: int, asked: int) -> tuple[float, float]:
    """Bounds of a share of which `right` of `asked` are seen; 0 and 1 if none was asked about."""
    if not asked:
        return 0.0, 1.0
    share, spread = right / asked, CERTAINTY**2 / asked
    middle = (share + spread / 2) / (1 + spread)
    half = CERTAINTY * np.sqrt(share * (1 - share) / asked + spread / (4 * asked)) / (1 + spread)
    low = 0.0 if right == 0 else float(middle - half)
    return low, 1.0 if right == asked else float(middle + half)


def questions(draft: Draft, kind: Audited, seed: int = 0) -> Iterator[Question]:
    """All that could be asked of a kind and was not yet, in an order that `seed` alone decides.

    Each cell has its place in that order whatever happens to the others, so corrections in
    between do not change the sample.
    """
    cells = population(draft, kind)
    cells = cells[np.argsort(_shuffled(cells, kind, seed), kind="stable")]
    known = {n for name, n in draft.confirmed if name in (_mark(kind, True), _mark(kind, False))}
    for cell in cells.tolist():
        if cell not in known and draft.has(cell):
            question = _question(draft, kind, cell)
            if question is not None:
                yield question


def population(draft: Draft, kind: Audited) -> np.ndarray:
    """Ids of all that can be asked about: cells with a link, that divide, or with a stage."""
    parent = draft.column("parent")
    if kind == "stage":
        return draft.ids[draft.column("stage") != ""] if "stage" in draft.names else draft.ids[:0]
    mothers, counts = np.unique(parent[parent != NOBODY], return_counts=True)
    divided = mothers[counts > 1]
    if kind == "division":
        return divided
    return draft.ids[(parent != NOBODY) & ~np.isin(parent, divided)]


def answer(question: Question, right: bool) -> list[tuple[str, dict[str, Any]]]:
    """Operations that keep an answer; another answer to the same question is forgotten."""
    kind, number = question.kind, question.cell
    return [
        ("unconfirm", {"kind": _mark(kind, not right), "number": number}),
        ("confirm", {"kind": _mark(kind, right), "number": number}),
    ]


def estimate(draft: Draft, kind: Audited) -> Estimate:
    """What the answers so far tell of a kind."""
    counts = dict.fromkeys((True, False), 0)
    for right in counts:
        counts[right] = sum(name == _mark(kind, right) for name, _ in draft.confirmed)
    there = max(len(population(draft, kind)), sum(counts.values()))
    return Estimate(kind, counts[True], sum(counts.values()), there, len(draft))


def _mark(kind: Audited, right: bool) -> str:
    return f"audit {kind}" if right else f"audit wrong {kind}"


def _shuffled(cells: np.ndarray, kind: Audited, seed: int) -> np.ndarray:
    """A number for each cell that looks random."""
    start = _mixed(np.array([seed * len(AUDITED) + AUDITED.index(kind)], np.uint64))
    return _mixed(cells.astype(np.uint64) ^ start)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers whose bits depend on all bits of `numbers` (SplitMix64; Steele et al. 2014)."""
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _question(draft: Draft, kind: Audited, cell: int) -> Question | None:
    name, frame, place = draft.label(cell), draft.frame(cell), tuple(draft.place(cell).tolist())
    if kind == "stage":
        stage = draft.value(cell, "stage")
        words = f"Is cell {name} in {stage} in frame {frame}?"
        return Question(kind, cell, words, frame, frame, place) if stage else None
    if kind == "division":
        born = draft.children(cell)
        if len(born) != 2:
            return None
        labels = " and ".join(str(draft.label(one)) for one in born)
        after = max(draft.frame(one) for one in born)
        words = f"Does cell {name} divide into cells {labels} after frame {frame}?"
        return Question(kind, cell, words, after, frame, place)
    parent = draft.parent(cell)
    if parent == NOBODY:
        return None
    before = draft.frame(parent)
    words = f"Is cell {name} in frame {frame} the cell that has this number in frame {before}?"
    return Question(kind, cell, words, frame, before, place)
