"""Train the shipped `nucleus` model on simulated embryos, and some flat colonies."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.models.stage.model import NUCLEUS as ARCHITECTURE
from napari_cellcycle.models.stage.nucleus.presets import NucleusPreset
from napari_cellcycle.models.store import Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.nucleus import NucleusTraining, train_nucleus
from napari_cellcycle.training.stage.nucleus_examples import (
    NucleusExamples,
    count_states,
    simulated_examples,
)

EMBRYOS = range(20_000, 20_040)
"""Seeds of the embryos that are learned from."""
HELD_OUT = range(20_200, 20_210)
"""Seeds of those that choose the epoch."""
MOST_HELD_OUT = 100
"""Examples of each state among them that are told after every epoch."""
COLONIES = range(21_000, 21_012)
"""Seeds of the flat colonies that are learned from."""
MEASURED = {
    "embryos 30000-30007, macro-F1 of three states, balanced": 0.911,
    "the same, at natural frequencies": 0.879,
    "the same, decoded along lineages": 0.945,
}
"""Figures of the shipped weights by `benchmarks/stage_volumes.py`, for their card."""
TRAINING = NucleusTraining(fit=FitSettings(epochs=12, learning_rate=2e-3, average=0.95), batches=50)


def train_shipped_nucleus(out_folder: str | Path, *, progress: Progress = silent) -> Model:
    """Train `nucleus` with the fixed recipe and store it in a folder."""
    started, preset = time.perf_counter(), TRAINING.preset
    volumes = simulated_examples(EMBRYOS, preset, progress=progress)
    flat = simulated_examples(COLONIES, preset, 2, progress=progress)
    held_out = simulated_examples(HELD_OUT, preset, progress=progress)
    return store_nucleus(volumes, flat, held_out, out_folder, started, progress)


def store_nucleus(
    volumes: NucleusExamples,
    flat: NucleusExamples,
    held_out: NucleusExamples,
    out_folder: str | Path,
    started: float,
    progress: Progress = silent,
) -> Model:
    """Train on examples that were cut before, and store the model with its card."""
    state, settings, history = train_nucleus(
        [volumes, flat], TRAINING, held_out=held_out.capped(MOST_HELD_OUT), progress=progress
    )
    metrics: dict[str, Any] = {
        **MEASURED,
        "held-out macro-F1 that chose the epoch": max(e.score or 0.0 for e in history),
        "examples": count_states(volumes),
    }
    card = nucleus_card(settings, metrics, time.perf_counter() - started)
    return save_model(state, card, out_folder)


def nucleus_card(settings: dict[str, Any], metrics: dict[str, Any], seconds: float) -> ModelCard:
    """Card of the shipped model."""
    return ModelCard(
        name="nucleus",
        kind="stage",
        architecture=ARCHITECTURE,
        description=(
            "State of a nucleus in a volume (or an image) from three frames and its mask: "
            f"{', '.join(NUCLEUS.names)}."
        ),
        settings=settings,
        data=[
            f"simulated embryos, embryo_settings seeds {EMBRYOS.start}-{EMBRYOS.stop - 1}",
            f"simulated flat colonies, seeds {COLONIES.start}-{COLONIES.stop - 1}",
        ],
        split=(
            f"by embryo: seeds {HELD_OUT.start}-{HELD_OUT.stop - 1} chose the epoch; the figures "
            "of docs/benchmarks.md are of other seeds that nothing was chosen on"
        ),
        metrics=metrics,
        command="python -m napari_cellcycle.training.weights nucleus",
        licence="BSD-3-Clause",
        software={"torch": torch.__version__, "numpy": np.__version__},
        seconds=round(seconds, 1),
    )


def seen_by(examples: NucleusExamples, preset: NucleusPreset) -> NucleusExamples:
    """The same examples as another preset of the same window sees them.

    It may see fewer frames, no mask, and scale brightness otherwise.
    """
    from napari_cellcycle.models.stage.nucleus.samples import scaled

    channels = [examples.preset.frames.index(offset) for offset in preset.frames]
    channels += [len(examples.preset.frames)] if preset.mask else []
    samples = scaled(examples.samples[:, channels], preset).astype(np.float16)
    return replace(examples, samples=samples, preset=preset)
