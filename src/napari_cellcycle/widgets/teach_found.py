"""Teachings that were started before: those that still run, and those not decided about."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from napari_cellcycle.errors import UserError
from napari_cellcycle.jobs.teaching import OVER, Teaching, list_teachings
from napari_cellcycle.progress import silent
from napari_cellcycle.training.teach import TaughtModel, TaughtResult
from napari_cellcycle.widgets.teach_words import TITLES

_MOST = 12


@dataclass(frozen=True)
class Former:
    """A teaching that was started before; `error` says why it ended without a result."""

    teaching: Teaching
    words: str
    runs: bool
    result: TaughtResult | None
    error: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a model is proposed that was neither taken nor discarded."""
        models = self.result.models if self.result is not None else ()
        return any(model.accepted is None and not model.discarded for model in models)


def former_teachings(model_folder: str | None, *, progress: Any = silent) -> list[Former]:
    """The latest teachings, the newest first; what cannot be read is left out."""
    found = []
    for teaching in list_teachings(model_folder)[:_MOST]:
        with suppress(UserError, OSError, ValueError):
            state = teaching.state
            runs = state.phase not in OVER
            result = None if runs else teaching.result()
            found.append(
                Former(teaching, _words(teaching, state.phase, result), runs, result, state.error)
            )
    return found


def _words(teaching: Teaching, phase: str, result: TaughtResult | None) -> str:
    request = teaching.request
    with suppress(ValueError):
        made = datetime.strptime(request.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        when = f"{made.astimezone():%d %b, %H:%M}".lstrip("0")
        if result is not None and result.models:
            return f"{when}: {'; '.join(map(_came_of, result.models))}"
        return f"{when}: {', '.join(TITLES[kind] for kind in request.kinds)}, {phase}"
    return f"{request.name}, {phase}"


def _came_of(model: TaughtModel) -> str:
    if model.accepted:
        return f"{TITLES[model.kind]}, taken as {model.accepted}"
    return f"{TITLES[model.kind]}, {'not taken' if model.discarded else 'to be decided'}"
