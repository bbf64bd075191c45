"""The experiments that are taught from, and what is found in them; no Qt here."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import UserError
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import (
    KINDS,
    Effort,
    Suggestion,
    TruthCounts,
    count_truth,
    suggest,
)

_USUAL: dict[Effort, float] = {"quick": 100.0, "thorough": 900.0}
"""Seconds that teaching one kind of model takes on two processor cores, until it was done here."""
_MOST_READ = 12
"""Former teachings that are read to learn how long one takes."""


@dataclass(frozen=True)
class Source:
    """An experiment to teach from: its name, its folder, and what it holds if it is open."""

    name: str
    folder: Path
    experiment: Experiment | None = None


@dataclass(frozen=True)
class Found:
    """How much there is to learn from in each source, a sentence for those that cannot be read.

    `seconds` is how long teaching each kind took with each effort.
    """

    counts: dict[Path, TruthCounts] = field(default_factory=dict)
    troubles: dict[Path, str] = field(default_factory=dict)
    seconds: dict[tuple[Kind, Effort], float] = field(default_factory=dict)

    @property
    def all(self) -> TruthCounts:
        """How much there is in all of them together."""
        return sum(self.counts.values(), TruthCounts())

    def estimate(self, kinds: Sequence[Kind], effort: Effort) -> float:
        """Seconds that teaching these kinds will take."""
        return sum(self.seconds.get((kind, effort), _USUAL[effort]) for kind in kinds)


def find_truth(sources: Sequence[Source], model_folder: str | None, *, progress: Any) -> Found:
    """Count what there is to learn from in each source."""
    from napari_cellcycle.io.experiment import open_experiment

    counts: dict[Path, TruthCounts] = {}
    troubles: dict[Path, str] = {}
    for number, source in enumerate(sources):
        progress(number, len(sources), "Counting corrections")
        try:
            counts[source.folder] = count_truth(
                [source.experiment or open_experiment(source.folder)]
            )
        except UserError as error:
            troubles[source.folder] = str(error)
    return Found(counts, troubles, _durations(model_folder))


def find_suggestions(
    experiment: Experiment, n: int, *, progress: Any
) -> dict[Kind, list[Suggestion]]:
    """What it would help most to correct, for each kind of model; the best first."""
    found: dict[Kind, list[Suggestion]] = {}
    for number, kind in enumerate(KINDS):
        progress(number, len(KINDS), "Looking for what would help most")
        with suppress(UserError):
            found[kind] = suggest(experiment, kind, n)
    return found


def _durations(model_folder: str | None) -> dict[tuple[Kind, Effort], float]:
    """How long the latest teaching of each kind and effort took here."""
    from napari_cellcycle.jobs.teaching import list_teachings

    known: dict[tuple[Kind, Effort], float] = {}
    for teaching in list_teachings(model_folder)[:_MOST_READ]:
        with suppress(UserError, OSError, ValueError):
            result = teaching.result()
            usual = result is not None and result.request.settings.epochs is None
            for model in result.models if result is not None and usual else ():
                if model.seconds:
                    assert result is not None
                    key = (model.kind, result.request.settings.effort)
                    known.setdefault(key, model.seconds)
    return known
