"""Everything known about one recording, and how it came to be known."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.data.tracks import Tracks


@dataclass(frozen=True)
class Step:
    """One entry of the provenance: what was run, with which settings, weights and software.

    `notes` holds sentences for the user, such as a fall-back to smaller tiles or to the CPU.
    """

    name: str
    settings: dict[str, Any]
    model: str | None = None
    software: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Experiment:
    """A movie and what has been derived from it so far.

    A result is `None` until its step has run; `history` says how each came about. Once cells
    are tracked, the label of a cell in `labels` and in `tracks` equals its track. `confirmed`
    holds what the user said is right as it is: (kind, number of a cell or frame), and masks that
    were drawn before anything was tracked (`data.drawn`).
    """

    movie: Movie
    labels: LabelStack | None = None
    tracks: Tracks | None = None
    stages: StageSet = H2B
    history: tuple[Step, ...] = ()
    confirmed: frozenset[tuple[str, int]] = frozenset()

    def with_result(self, step: Step, **results: Any) -> "Experiment":
        """Return a copy holding `results` and recording `step`."""
        return replace(self, **results, history=(*self.history, step))
