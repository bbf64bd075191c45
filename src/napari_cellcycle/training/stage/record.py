"""What is told of a stage model of one's own: its card, its learning curve and its split."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from napari_cellcycle.evaluation.stages import StageScores
from napari_cellcycle.io.storage import replace_file, writing_to
from napari_cellcycle.models.store import Model, ModelCard
from napari_cellcycle.training.fit import Epoch, FitSettings, records
from napari_cellcycle.training.stage.lessons import Cells
from napari_cellcycle.training.stage.preset import StageLearned, StagePreset
from napari_cellcycle.training.stage.split import Split, write_split


def card_of(
    name: str,
    preset: StagePreset,
    start: Model | None,
    result: StageLearned,
    scores: Mapping[str, StageScores | None],
    settings: FitSettings,
) -> ModelCard:
    """The card of a new model, with its `scores` by what they were measured on."""
    packages = ("napari-cellcycle", "torch", "numpy")
    return ModelCard(
        name=name,
        kind="stage",
        architecture=preset.architecture,
        description=preset.description,
        settings={**result.settings, "training": settings.model_dump()},
        metrics={key: _figures(score) for key, score in scores.items() if score is not None},
        licence="that of the data it was trained on",
        parent=None if start is None else start.card.name,
        software={package: version(package) for package in packages},
    )


def _figures(score: StageScores) -> dict[str, Any]:
    """Scores as a model card holds them, rounded."""
    bounds = [round(bound, 4) for bound in score.interval]
    return {
        "macro_f1": round(score.macro_f1, 4),
        **({"interval": bounds} if score.has_interval else {}),
        "accuracy": round(score.accuracy, 4),
        "f1": {str(name): round(float(f1), 4) for name, f1 in score.table["f1"].items()},
        "cells": {str(name): int(n) for name, n in score.table["cells"].items()},
    }


def split_in_words(learned: Cells, kept: Cells | None, held_out: Sequence[Path]) -> str:
    """What was kept aside for scoring, in one line."""
    if kept is None:
        return "nothing was kept aside"
    where = "other sources" if held_out else "whole groups drawn by the seed"
    return (
        f"kept aside for scoring: {where}, {len(kept.names)} of "
        f"{len(kept.names) + len(learned.names)} groups; the best round is chosen by them"
    )


def write_beside(
    folder: Path, name: str, history: list[Epoch], learned: Cells, kept: Cells | None
) -> None:
    """Store the learning curve and the split."""
    curve = folder / f"{name}.curve.csv"
    with writing_to(curve):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(curve, pd.DataFrame(records(history)).to_csv(index=False))
    aside = () if kept is None else tuple(kept.names.tolist())
    write_split(Split(tuple(learned.names.tolist()), aside), folder / f"{name}.split.txt")
