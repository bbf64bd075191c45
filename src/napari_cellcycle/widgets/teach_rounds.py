"""How many errors were left after each round of teaching, kept in the experiment folder."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import TaughtModel
from napari_cellcycle.widgets.teach_carry import FILE


class Round(BaseModel):
    """Errors per 1,000 with a model: found on what was kept aside, or by an audit.

    `low` and `high` bound a 95 % interval; `name` says what was counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    model: str
    source: Literal["kept aside", "audit"]
    errors: float
    low: float
    high: float
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
    """Write more rounds down in an experiment folder. Raises `CannotWrite`."""
    known = [*read_rounds(folder), *rounds]
    text = json.dumps([each.model_dump(mode="json") for each in known], indent=1)
    with writing_to(folder / FILE):
        replace_file(folder / FILE, text + "\n")


def rounds_of(model: TaughtModel, known: Sequence[Round]) -> list[Round]:
    """What a teaching says about the errors before, unless that is `known`, and after."""
    found = model.verdict.held_out
    if found is None:
        return []
    before = _round(model, model.base, found.before, found.before_interval, found.name)
    after = _round(model, model.name, found.after, found.after_interval, found.name)
    same = [each for each in known if each.kind == model.kind and each.source == "kept aside"]
    return [after] if same and same[-1].model == model.base else [before, after]


def _round(
    model: TaughtModel, name: str, score: float, interval: tuple[float, float], what: str
) -> Round:
    low, high = interval
    errors, fewest, most = (1000 * float(np.clip(1 - x, 0, 1)) for x in (score, high, low))
    return Round(
        kind=model.kind,
        model=name,
        source="kept aside",
        errors=errors,
        low=fewest,
        high=most,
        name=what,
    )
