"""Which model of each kind is in use, and which it came instead of: a file among the models."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.store import Kind, own_folder

IN_USE = "_in_use.json"
"""No model can have this name, so its file is never taken for a card."""


@dataclass(frozen=True)
class Uses:
    """Names of the models that were chosen, by kind; others are in use because nothing was chosen.

    `before` tells, by kind and name of a taught model, which one was in use when it was accepted.
    """

    used: dict[str, str] = field(default_factory=dict)
    before: dict[str, dict[str, str]] = field(default_factory=dict)

    def former(self, kind: Kind, name: str) -> str | None:
        """Name of the model that this one came into use instead of; None if nobody knows."""
        return self.before.get(kind, {}).get(name)

    def using(self, kind: Kind, name: str, instead_of: str | None = None) -> "Uses":
        """With this model in use; `instead_of` is what it was accepted in the place of."""
        before = dict(self.before.get(kind, {}))
        if instead_of is not None and instead_of != name:
            before[name] = instead_of
        return Uses(self.used | {kind: name}, self.before | {kind: before})

    def renamed(self, kind: Kind, old: str, new: str) -> "Uses":
        """With a model known by another name."""

        def now(name: str) -> str:
            return new if name == old else name

        used = {k: now(name) if k == kind else name for k, name in self.used.items()}
        before = {now(a): now(b) for a, b in self.before.get(kind, {}).items()}
        return Uses(used, self.before | {kind: before})

    def without(self, kind: Kind, name: str) -> "Uses":
        """With a model that is gone neither in use, nor remembered under its name."""
        used = {k: one for k, one in self.used.items() if (k, one) != (kind, name)}
        before = {a: b for a, b in self.before.get(kind, {}).items() if a != name}
        return Uses(used, self.before | {kind: before})


def read_uses(folder: str | Path | None) -> Uses:
    """What was chosen; nothing where nothing was, or that cannot be read."""
    try:
        found = json.loads((own_folder(folder) / IN_USE).read_text(encoding="utf-8"))
        return Uses(
            {kind: str(name) for kind, name in _by_kind(found["in use"]).items()},
            {kind: dict(one) for kind, one in _by_kind(found.get("before", {})).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Uses()


def write_uses(uses: Uses, folder: str | Path | None) -> None:
    """Remember what is in use, if that is not what is remembered."""
    if uses == read_uses(folder):
        return
    path = own_folder(folder) / IN_USE
    before = {kind: one for kind, one in uses.before.items() if one}
    told = {"version": 1, "in use": uses.used, "before": before}
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(told, indent=2) + "\n")


def _by_kind(found: Any) -> dict[str, Any]:
    return {kind: found[kind] for kind in get_args(Kind) if kind in found}
