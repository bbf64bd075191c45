"""How many errors were left after each round of teaching, kept in the experiment folder."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.store import Kind
from napari_cellcycle.review.audit import Audited, estimate
from napari_cellcycle.training.teach import TaughtModel
from napari_cellcycle.widgets.teach_carry import FILE

Source = Literal["kept aside", "audit"]
ASIDE: Source = "kept aside"
AUDIT: Source = "audit"
_AUDITED: dict[Kind, Audited] = {"link": "link", "stage": "stage"}
"""What an audit asks about, for each kind of model that this says something of."""

_COUNTED: dict[Kind, str] = {"segment": "F1 0.5", "link": "link F1", "stage": "accuracy"}
"""Figures whose complement is the share of masks, links or cells that is wrong."""


class Round(BaseModel):
    """Errors per 1,000 with a model: found on what was kept aside, or by an audit.

    `number` is how many models of the kind were taken until then. `low` and `high` bound a 95 %
    interval, where it is known; `name` says what was counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    number: int
    model: str
    source: Source
    errors: float
    low: float | None = None
    high: float | None = None
    name: str = ""
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))


_ROUNDS = TypeAdapter(tuple[Round, ...])


def read_rounds(folder: Path | None) -> tuple[Round, ...]:
    """The rounds of an experiment, the first one first; none if they cannot be read."""
    if folder is not None:
        with suppress(OSError, ValidationError, ValueError):
            return _ROUNDS.validate_json((folder / FILE).read_text(encoding="utf-8"))
    return ()


def add_rounds(folder: Path, rounds: Sequence[Round]) -> None:
    """Write more rounds down in an experiment folder; of audits in one round the last counts.

    Raises `CannotWrite`.
    """
    audited = {(each.kind, each.number) for each in rounds if each.source == AUDIT}
    known = [
        each
        for each in read_rounds(folder)
        if each.source != AUDIT or (each.kind, each.number) not in audited
    ]
    text = json.dumps([each.model_dump(mode="json") for each in (*known, *rounds)], indent=1)
    with writing_to(folder / FILE):
        replace_file(folder / FILE, text + "\n")


def rounds_of(model: TaughtModel, known: Sequence[Round]) -> list[Round]:
    """What a teaching says about the errors before, unless that is `known`, and after."""
    found = model.verdict.held_out
    if found is None:
        return []
    number, name = _number(model.kind, known), _COUNTED[model.kind]
    shares = found.figures.get(name, (found.before, found.after))
    before = _round(model.kind, number, model.base, shares[0], name)
    after = _round(model.kind, number + 1, model.name, shares[1], name)
    same = [each for each in known if each.kind == model.kind and each.source == ASIDE]
    return [after] if same and same[-1].model == model.base else [before, after]


def audits_of(draft: Draft, known: Sequence[Round], models: Mapping[Kind, str]) -> list[Round]:
    """What an audit of the open result says about the errors now; `models` made it."""
    found = []
    for kind, audited in _AUDITED.items():
        known_now = estimate(draft, audited)
        if known_now.asked:
            model = models.get(kind, "")
            mine = [each.number for each in known if (each.kind, each.model) == (kind, model)]
            errors, low, high = known_now.errors()
            found.append(
                Round(
                    kind=kind,
                    number=max(mine, default=0),
                    model=model,
                    source=AUDIT,
                    errors=errors,
                    low=low,
                    high=high,
                    name=audited,
                )
            )
    return found


def _number(kind: Kind, known: Sequence[Round]) -> int:
    return max((each.number for each in known if each.kind == kind), default=0)


def _round(kind: Kind, number: int, model: str, share: float, name: str) -> Round:
    errors = 1000 * float(np.clip(1 - share, 0, 1))
    return Round(kind=kind, number=number, model=model, source=ASIDE, errors=errors, name=name)
