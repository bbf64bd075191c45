"""Stages and history as JSON, and back."""

from collections.abc import Mapping
from datetime import datetime
from math import inf, isfinite
from typing import Any

from napari_cellcycle.data.experiment import Step
from napari_cellcycle.data.stages import Stage, StageSet


def stages_to_json(stages: StageSet) -> dict[str, Any]:
    """Describe a set of stages in JSON values; an endless duration becomes null."""
    return {
        "name": stages.name,
        "stages": [
            {
                "name": stage.name,
                "colour": stage.colour,
                "minutes": [d if isfinite(d) else None for d in stage.duration],
            }
            for stage in stages.stages
        ],
        "successions": sorted(map(list, stages.successions)),
        "first": sorted(stages.first),
        "last": sorted(stages.last),
    }


def stages_from_json(found: Mapping[str, Any]) -> StageSet:
    """Rebuild what `stages_to_json` described."""

    def duration(minutes: list[float | None]) -> tuple[float, float]:
        shortest, longest = (inf if value is None else value for value in minutes)
        return shortest, longest

    return StageSet(
        found["name"],
        tuple(Stage(s["name"], s["colour"], duration(s["minutes"])) for s in found["stages"]),
        frozenset((before, after) for before, after in found["successions"]),
        first=frozenset(found["first"]),
        last=frozenset(found["last"]),
    )


def step_to_json(step: Step) -> dict[str, Any]:
    """Describe a step in JSON values; its settings must be such values already."""
    return {
        "name": step.name,
        "settings": step.settings,
        "model": step.model,
        "software": step.software,
        "seconds": step.seconds,
        "notes": list(step.notes),
        "time": step.time.isoformat(),
    }


def step_from_json(found: Mapping[str, Any]) -> Step:
    """Rebuild what `step_to_json` described."""
    fields = dict(found)
    fields["notes"] = tuple(fields["notes"])
    fields["time"] = datetime.fromisoformat(fields["time"])
    return Step(**fields)
