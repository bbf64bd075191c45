"""What came of a teaching: a proposed model of each kind, and whether it is better."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach.request import TeachRequest

Outcome = Literal["better", "probably better", "no difference", "worse", "unknown"]


class Contrast(BaseModel):
    """One score of the model before and after, on the same cells, each with a 95 % interval.

    `name` is what is counted ("certainty of the right links"), `on` where ("3 lineages kept
    aside"). `gain` is after - before and `gain_interval` its own interval, which is narrower than
    the two intervals suggest because both models saw the same cells; `chance` is how likely it is
    one at all, and `groups` how many independent groups (lineages, frames) that rests on. A gain is
    `firm` if it would still be one without any single one of them. `figures` holds (before, after)
    of details.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    on: str
    before: float
    after: float
    before_interval: tuple[float, float]
    after_interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]
    chance: float = 0.5
    groups: int
    firm: bool = True
    figures: dict[str, tuple[float, float]] = Field(default_factory=dict)


class Verdict(BaseModel):
    """Whether a proposed model is better, in a word and in `words`.

    `held_out` is the contrast on what was kept aside of the corrections (None: nothing could be),
    `remembered` that on simulated movies that stay the same (None: there are none of this kind).
    `outcome` says "worse" if the model got worse on either, beyond chance. `share` is how far the
    proposed weights went from the old ones (0) to the fully taught ones (1). Only a model that is
    `recommended` may be the default choice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    words: str
    recommended: bool
    share: float
    held_out: Contrast | None = None
    remembered: Contrast | None = None


class Round(BaseModel):
    """A round of learning: mean loss, score on what was kept aside (higher is better), seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    loss: float
    score: float | None
    seconds: float


class TaughtModel(BaseModel):
    """A model that is proposed: it lies in `path` and becomes one of the library when accepted.

    `split` says what was kept aside, `counts` how much was learned from, `notes` what else the
    user should know (such as a fall-back to the CPU). `accepted` is the name under which it
    entered the library; `discarded` models are gone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    base: str
    name: str
    path: Path
    verdict: Verdict
    split: str
    counts: dict[str, int]
    rounds: tuple[Round, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    accepted: str | None = None
    discarded: bool = False


class TaughtResult(BaseModel):
    """All models that a teaching proposes, and a sentence for each kind that it could not teach."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: TeachRequest
    models: tuple[TaughtModel, ...] = ()
    refused: dict[Kind, str] = Field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.request.folder

    def of(self, kind: Kind) -> TaughtModel | None:
        """The proposed model of a kind, if there is one."""
        return next((model for model in self.models if model.kind == kind), None)
