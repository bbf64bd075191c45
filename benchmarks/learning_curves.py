"""Correct in some order, teach after so many corrections, score on the test part; and the guard."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from learning_cases import Case, Corrections

from napari_cellcycle.errors import UserError
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.training.teach import (
    Suggestion,
    TaughtModel,
    TeachRequest,
    TeachSettings,
    suggest,
    teach,
)
from napari_cellcycle.training.teach.result import Contrast
from napari_cellcycle.training.teach.tallies import Tally, contrast, draws

ORDERS = ("suggested", "random")
ASKED = 5
"""Suggestions that are followed before new ones are asked for."""
WRONG = 0.1
"""Share of wrong corrections in every other fine-tuning of the guard."""


@dataclass(frozen=True)
class Point:
    """What came of so many corrections.

    `accepted` scores the model that is in use then: the taught one if its verdict recommends it,
    else the base. `proposed` scores the taught one in any case; None if none was, for `reason`.
    """

    corrections: int
    accepted: Tally
    proposed: Tally | None
    recommended: bool
    seconds: float
    reason: str = ""


@dataclass
class Curve:
    """Points of one order of corrections, in their number."""

    order: str
    seed: int
    points: list[Point] = field(default_factory=list)


class Annotator:
    """Corrects a movie, in the order of the suggestions or in a random one."""

    def __init__(self, case: Case, order: str, seed: int) -> None:
        self._case, self._order, self._seed = case, order, seed
        self._rng = np.random.default_rng([seed, ORDERS.index(order)])
        self.state: Corrections = case.corrections()
        self.done: list[int] = []
        self._seen: set[int] = set()

    def go_on(self, until: int, wrong: float = 0.0) -> int:
        """Correct until there are so many corrections, or no more; gives how many there are."""
        while len(self.done) < until:
            numbers = self._next(min(ASKED, until - len(self.done)))
            if not numbers:
                break
            for number in numbers:
                self._seen.add(number)
                faulty = self._rng if self._rng.random() < wrong else None
                if self.state.correct(number, faulty):
                    self.done.append(number)
        return len(self.done)

    def go_on_with(self, model: str) -> None:
        """Have an accepted model make the rest anew, for suggestions to know what it doubts."""
        if self._order == "suggested":
            self._seen = self.state.go_on(model, self._seen)

    def _next(self, n: int) -> list[int]:
        """Numbers of the next frames or cells; where nothing is suggested, any."""
        found: list[int] = []
        if self._order == "suggested":
            asked = n + max(0, len(self._seen) - len(self.done))
            told = suggest(self.state.experiment(), self._case.kind, asked, seed=self._seed)
            found = [one for one in map(number_of, told) if one not in self._seen][:n]
        if not found:
            left = np.setdiff1d(self._case.pool, sorted(self._seen))
            found = self._rng.permutation(left)[:n].tolist()
        return found


def number_of(suggestion: Suggestion) -> int:
    """The cell that is suggested, or the frame."""
    return suggestion.frame if suggestion.cell is None else suggestion.cell


def taught(
    case: Case, state: Corrections, folder: Path, settings: TeachSettings
) -> tuple[TaughtModel | None, str]:
    """Teach the base model from what is corrected; the proposal, or the sentence why there is none.

    The model lies in `folder`.
    """
    place = folder / "movie.cellcycle"
    save_experiment(state.taught(), place)
    request = TeachRequest(
        sources=(place,),
        kinds=(case.kind,),
        bases={case.kind: case.base.path},
        settings=settings,
        model_folder=folder / "models",
        device="cpu",
        threads=1,
    )
    try:
        return teach(request).of(case.kind), ""
    except UserError as error:
        return None, str(error)


def curve(
    case: Case, order: str, counts: Sequence[int], seed: int, settings: TeachSettings, before: Tally
) -> Iterator[Point]:
    """Points of the learning curve, as soon as each is known."""
    yield Point(0, before, None, False, 0.0)
    annotator = Annotator(case, order, seed)
    for count in counts:
        reached = annotator.go_on(count)
        yield measured(
            case, annotator.state, reached, settings, before, accepted=annotator.go_on_with
        )
        if reached < count:
            return


def measured(
    case: Case,
    state: Corrections,
    count: int,
    settings: TeachSettings,
    before: Tally,
    accepted: Callable[[str], object] = lambda _model: None,
) -> Point:
    """Teach from the corrections, and score what is proposed and what is accepted.

    `accepted` is told of the taught model if its verdict recommends it.
    """
    folder = Path(tempfile.mkdtemp(prefix="learning-"))
    began = time.perf_counter()
    try:
        model, reason = taught(case, state, folder, settings)
        seconds = time.perf_counter() - began
        if model is None:
            return Point(count, before, None, False, seconds, reason)
        after = case.tally(str(model.path))
        good = model.verdict.recommended
        if good:
            accepted(str(model.path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Point(count, after if good else before, after, good, seconds, model.verdict.words)


# ---------------------------------------------------------------- areas


def area(points: Sequence[Point], drawn: np.ndarray | None = None) -> np.ndarray:
    """Mean error over the number of corrections: the area under the curve, by its width.

    With `drawn` (draws, groups), that of each sample.
    """
    x = np.array([point.corrections for point in points], float)
    errors = np.stack(
        [
            1 - (point.accepted.value if drawn is None else point.accepted.samples(drawn))
            for point in points
        ]
    )
    return np.asarray(np.trapezoid(errors, x, axis=0) / (x[-1] - x[0]))


@dataclass(frozen=True)
class Areas:
    """Areas under the curves of both orders, their difference and its 95 % interval."""

    suggested: float
    random: float
    interval: tuple[float, float]

    @property
    def less(self) -> float:
        """By how much the suggested order has less error."""
        return self.random - self.suggested


def compared(curves: Sequence[Curve], seed: int = 0) -> Areas:
    """Compare the orders, each the mean of its curves; the groups of the test part are drawn."""
    groups = len(curves[0].points[0].accepted.added)
    drawn = draws(groups, seed)
    value, samples = {}, {}
    for order in ORDERS:
        own = [each.points for each in curves if each.order == order]
        value[order] = float(np.mean([area(points) for points in own]))
        samples[order] = np.mean([area(points, drawn) for points in own], axis=0)
    low, high = np.percentile(samples["random"] - samples["suggested"], [2.5, 97.5])
    return Areas(value["suggested"], value["random"], (float(low), float(high)))


# ---------------------------------------------------------------- guard


@dataclass(frozen=True)
class Guarded:
    """A fine-tuning from few corrections, and what accepting by the verdict does to the score."""

    name: str
    corrections: int
    wrong: float
    recommended: bool
    accepted: Contrast
    proposed: Contrast | None
    reason: str = ""


def guarded(
    cases: Sequence[Case], count: int, settings: TeachSettings, before: Sequence[Tally]
) -> Iterator[Guarded]:
    """So many fine-tunings from random small sets of corrections, every other one with faults."""
    rng = np.random.default_rng(50)
    for number in range(count):
        which = number % len(cases)
        case, old = cases[which], before[which]
        wrong = WRONG * (number // len(cases) % 2)
        most = min(40, len(case.pool) // 2)
        annotator = Annotator(case, "random", 1000 + number)
        made = annotator.go_on(int(rng.integers(4, most + 1)), wrong)
        point = measured(
            case, annotator.state, made, settings.model_copy(update={"seed": number}), old
        )
        every = "the test part"
        yield Guarded(
            case.name,
            made,
            wrong,
            point.recommended,
            contrast(old, point.accepted, every),
            None if point.proposed is None else contrast(old, point.proposed, every),
            point.reason,
        )
