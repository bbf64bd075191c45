"""Train the shipped `rnn` stage model: on simulated movies and annotated crops.

It is an ensemble of two networks, which are trained at the same time, each by one process.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

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
    Network,
    RecurrentSettings,
    train_recurrent,
)
from napari_cellcycle.training.stage.sequences import simulated_sequences
from napari_cellcycle.training.threads import threads


class Member(NamedTuple):
    """What one of the networks learns from: so many simulated movies, so many epochs."""

    movies: int
    epochs: int


MEMBERS = (Member(240, 220), Member(280, 360))
"""Networks whose chances are averaged; the last takes longest."""
SEEDS = range(2000, 2280)
"""Simulated movies that the shipped weights learned from."""
REAL_SHARE = 0.1
"""Share of the sequences of a batch that are annotated crops of real cells."""


def train_rnn(
    data_folder: str | Path,
    out_folder: str | Path,
    *,
    members: Sequence[Member] = MEMBERS,
    metrics: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Model:
    """Train the shipped recurrent model and store it with its card.

    `data_folder` is the folder of real data; without its `stages/h2b_crops`, simulated movies
    are all there is to learn from. `metrics` are figures for the card, measured by
    `benchmarks/stage_movies.py` on movies that took no part in training. The progress is that of
    the last of `members`.
    """
    started = time.perf_counter()
    folder = Path(data_folder) / H2B_CROPS
    *others, last = members
    with ProcessPoolExecutor(max(len(others), 1), get_context("spawn")) as pool:
        begun = [pool.submit(_trained, folder, member) for member in others]
        own = _trained(folder, last, progress)
        networks = [*(one.result() for one in begun), own]
    card = rnn_card(_data(folder, members), metrics or {}, time.perf_counter() - started)
    return save_model(RecurrentEnsemble(networks).state_dict(), card, out_folder)


def _trained(folder: Path, member: Member, progress: Progress = silent) -> Network:
    """One network, taught what its member of the ensemble learns from, on one thread."""
    sources, shares = [simulated_sequences(SEEDS[: member.movies], progress=progress)], [1.0]
    if folder.is_dir():
        sources.append(h2b_sequences(folder))
        shares = [1 - REAL_SHARE, REAL_SHARE]
    fit = FIT.model_copy(update={"epochs": member.epochs})
    with threads(1):
        return train_recurrent(sources, shares, fit, progress=progress)[0]


def _data(folder: Path, members: Sequence[Member]) -> list[str]:
    """What all was learned from, for the card."""
    parts = " and ".join(f"{m.movies} ({m.epochs} epochs)" for m in members)
    data = [f"simulated movies, random_cycling seeds from {SEEDS.start} on: the first {parts}"]
    if folder.is_dir():
        data.append(
            "stages/h2b_crops: 683 crops of H2B HeLa cells, CellCognition demo data "
            "(Held et al. 2010), red channel, as sequences of one cell"
        )
    return data


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
            **RecurrentSettings(members=len(MEMBERS)).model_dump(),
        },
        data=data,
        split="figures: simulated movies of other seeds, contrast and frame rate",
        metrics=metrics,
        command="python -m napari_cellcycle.training.weights rnn",
        licence="BSD-3-Clause; the H2B crops that it learned from state no licence",
        software={"torch": torch.__version__, "numpy": np.__version__},
        seconds=round(seconds, 1),
    )
