"""Train the shipped `rnn` stage model: on simulated movies and annotated crops.

It is an ensemble of networks that differ only in what they began with and in which windows they
were shown.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.stage.ensemble import RecurrentEnsemble
from napari_cellcycle.models.stage.model import RECURRENT
from napari_cellcycle.models.store import Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.stage.crop_sequences import h2b_sequences
from napari_cellcycle.training.stage.frame import H2B_CROPS
from napari_cellcycle.training.stage.recurrent import (
    FIT,
    SMOOTHING,
    RecurrentSettings,
    train_recurrent,
)
from napari_cellcycle.training.stage.sequences import simulated_sequences

SEEDS = range(2000, 2240)
"""Simulated movies that the shipped weights learned from."""
MEMBERS = 2
"""Networks whose chances are averaged; each is trained by itself, with a seed of its own."""
REAL_SHARE = 0.1
"""Share of the sequences of a batch that are annotated crops of real cells."""


def train_rnn(
    data_folder: str | Path,
    out_folder: str | Path,
    *,
    seeds: Sequence[int] = SEEDS,
    metrics: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Model:
    """Train the shipped recurrent model and store it with its card.

    `data_folder` is the folder of real data; without its `stages/h2b_crops`, simulated movies
    are all there is to learn from. `metrics` are figures for the card, measured by
    `benchmarks/stage_movies.py` on movies that took no part in training.
    """
    started = time.perf_counter()
    folder = Path(data_folder) / H2B_CROPS
    sources, shares = [simulated_sequences(seeds, progress=progress)], [1.0]
    data = [f"simulated movies, random_cycling seeds {seeds[0]}-{seeds[-1]}"]
    if folder.is_dir():
        sources.append(h2b_sequences(folder))
        shares = [1 - REAL_SHARE, REAL_SHARE]
        data.append(
            "stages/h2b_crops: 683 crops of H2B HeLa cells, CellCognition demo data "
            "(Held et al. 2010), red channel, as sequences of one cell"
        )
    members = [
        train_recurrent(sources, shares, FIT.model_copy(update={"seed": seed}), progress=progress)[
            0
        ]
        for seed in range(MEMBERS)
    ]
    card = rnn_card(data, metrics or {}, time.perf_counter() - started)
    return save_model(RecurrentEnsemble(members).state_dict(), card, out_folder)


def rnn_card(data: list[str], metrics: dict[str, Any], seconds: float) -> ModelCard:
    """Card of the shipped recurrent model."""
    return ModelCard(
        name="rnn",
        kind="stage",
        architecture=RECURRENT,
        description=(
            "Stage of a nucleus with labelled chromatin from its whole life: interphase, "
            "prophase, prometaphase, metaphase, anaphase, telophase, apoptosis. Needs tracks. "
            "The mean of two networks."
        ),
        settings={
            "stages": stages_to_json(H2B),
            "smoothing": SMOOTHING,
            **RecurrentSettings(members=MEMBERS).model_dump(),
        },
        data=data,
        split="figures: simulated movies of other seeds, contrast and frame rate",
        metrics=metrics,
        command="python -m napari_cellcycle.training.weights rnn",
        licence="BSD-3-Clause; the H2B crops that it learned from state no licence",
        software={"torch": torch.__version__, "numpy": np.__version__},
        seconds=round(seconds, 1),
    )
