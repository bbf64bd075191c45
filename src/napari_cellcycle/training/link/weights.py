"""Train the shipped `cellcycle-links` weights from simulated and public movies."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.models.link.graph_linker import GraphLinker
from napari_cellcycle.models.store import Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.simulate import random_settings, simulate
from napari_cellcycle.training.link.graph import SETTINGS, train_network
from napari_cellcycle.training.link.graph_examples import GraphExample, examples_of
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.score import HeldOut, LinkScore
from napari_cellcycle.training.link.sources import ctc_recording, recording_of

REAL = {
    "Fluo-N2DL-HeLa": ("ctc/Fluo-N2DL-HeLa", "01", "01_ST/SEG", 1.5),
    "DIC-C2DH-HeLa": ("ctc/DIC-C2DH-HeLa", "01", "01_ST/SEG", 0.5),
    "PhC-C2DL-PSC": ("ctc/PhC-C2DL-PSC", "01", "01_ST/SEG", 1.0),
    "Fluo-N2DH-SIM": ("ctc/Fluo-N2DH-SIM", "01", "01_GT/SEG", 0.1),
    "ipsc-02/01": ("masks_only/ipsc-02", "01", "01_GT/TRA", 0.4),
    "ipsc-02/02": ("masks_only/ipsc-02", "02", "02_GT/TRA", 0.4),
    "ipsc-02/03": ("masks_only/ipsc-02", "03", "03_GT/TRA", 0.4),
}
"""Folder, sequence, masks, and how much a sequence counts."""
SIMULATED: tuple[tuple[str, Literal[2, 3], range, float], ...] = (
    ("varied", 2, range(9000, 9010), 0.2),
    ("varied", 3, range(9000, 9004), 0.2),
    ("dense", 2, range(9100, 9106), 0.25),
)
"""Kind, dimensions, seeds and weight of simulated movies."""
HELD_OUT: tuple[tuple[Literal[2, 3], int], ...] = ((2, 8000), (2, 8001), (3, 8002))
"""Dimensions and seeds of the movies that the card's figures are measured on."""


def recordings(
    data: str | Path, *, without: str = "", progress: Progress = silent
) -> Iterator[tuple[Recording, float]]:
    """Sequences of `REAL` that are there, except the one called `without`, and simulated ones."""
    for name, (folder, sequence, masks, weight) in REAL.items():
        place = Path(data) / folder
        if name != without and (place / masks).is_dir():
            images = place / sequence if (place / sequence).is_dir() else None
            truth = place / f"{sequence}_GT"
            yield ctc_recording(images, place / masks, truth, name=name), weight
    jobs = [(kind, ndim, seed, w) for kind, ndim, seeds, w in SIMULATED for seed in seeds]
    for done, (kind, ndim, seed, weight) in enumerate(jobs):
        progress(done, len(jobs), "Simulating movies")
        yield simulated(kind, ndim, seed), weight


def simulated(kind: str, ndim: Literal[2, 3], seed: int) -> Recording:
    """A simulated movie of the kind "varied" or "dense", in which cells divide often."""
    return recording_of(simulate(settings_of(kind, ndim, seed)), f"{kind}-{ndim}d-{seed}")


def settings_of(kind: str, ndim: Literal[2, 3], seed: int) -> SimulateSettings:
    """The settings of the movie that `simulated` gives."""
    return _dense(seed) if kind == "dense" else _varied(seed, ndim)


def _varied(seed: int, ndim: Literal[2, 3]) -> SimulateSettings:
    settings, rng = random_settings(seed, ndim), np.random.default_rng(seed)
    frames = 40 if ndim == 2 else 25
    hours = frames * settings.frame_interval / 3600
    cycle = max(hours / rng.uniform(0.8, 1.8), 12 * settings.frame_interval / 3600)
    changed: dict[str, float] = {"frames": frames, "size": 512, "cycle_hours": cycle}
    if ndim == 3:
        changed |= {"size": 160, "cells": int(rng.integers(8, 25))}
        changed["planes"] = max(settings.planes, 14)
    return settings.model_copy(update=changed)


def _dense(seed: int) -> SimulateSettings:
    """Many small, long, fast cells close together, as of stem cells in phase contrast."""
    settings, rng = random_settings(seed, 2), np.random.default_rng(seed)
    diameter_px = rng.uniform(8, 14)
    size = int(rng.choice([256, 320, 384]))
    interval = float(rng.choice([300, 600, 900]))
    frames = 50
    return settings.model_copy(
        update={
            "frames": frames,
            "size": size,
            "pixel_size": settings.nucleus_diameter / diameter_px,
            "elongation": rng.uniform(1.3, 2.2),
            "spacing": rng.uniform(0.7, 1.0),
            "clustering": rng.uniform(0.5, 1),
            "debris": 0,
            "frame_interval": interval,
            "cycle_hours": frames * interval / 3600 / rng.uniform(1.0, 1.6),
            "cycle_spread": 0.3,
            "cells": int((size / diameter_px) ** 2 * rng.uniform(0.08, 0.16)),
            "speed": rng.uniform(0.05, 0.4) * settings.nucleus_diameter * 3600 / interval,
            "mitosis_stretch": rng.uniform(0.5, 2) * interval / 600,
        }
    )


def train_links(
    data: str | Path, out_folder: str | Path, progress: Progress = silent, *, seed: int = 0
) -> Model:
    """Train `cellcycle-links` on all recordings and write its weights and card."""
    start = time.perf_counter()
    examples: list[tuple[GraphExample, float]] = []
    names: list[str] = []
    for recording, weight in recordings(data, progress=progress):
        names.append(recording.name)
        examples += examples_of([(recording, weight)], seed=seed)
    network, history = train_network(
        examples, SETTINGS.model_copy(update={"seed": seed}), progress=progress
    )
    real = [name for name in names if name in REAL]
    counts = [f"{len(seeds)} {kind} simulated movies in {n}D" for kind, n, seeds, _ in SIMULATED]
    card = ModelCard(
        name="cellcycle-links",
        kind="link",
        architecture="graph network over cells and candidate links, with an encoder of views",
        description="Links cells by what they look like, how they move, and what else they "
        "could be; masks or markers, images or volumes.",
        settings={"network": network.shape, "loss": [round(e.loss, 4) for e in history]},
        data=[*real, *counts],
        split="All of it is trained on. The figures here are of simulated movies that were not "
        "(dimensions and seed); figures on real movies, by weights that never saw them: "
        "benchmarks/tracking.py.",
        metrics=held_out_figures(GraphLinker(network)),
        command="python -m napari_cellcycle.training.weights cellcycle-links",
        licence="BSD-3-Clause; the challenge's conditions of use apply to what was learned from it",
        seconds=round(time.perf_counter() - start, 1),
    )
    return save_model(network.state_dict(), card, out_folder)


def held_out_figures(linker: GraphLinker) -> dict[str, dict[str, float | int]]:
    """Link and division F1 in the movies of `HELD_OUT`."""
    return {
        f"{ndim}D, {seed}": scored(linker, simulated("varied", ndim, seed)).figures()
        for ndim, seed in HELD_OUT
    }


def scored(linker: GraphLinker, recording: Recording) -> LinkScore:
    """How well a linker tracks a recording."""
    from napari_cellcycle.features.views import typical_size

    unit = typical_size(recording.labels, recording.pixel_size)
    eye = linker.eye(unit, recording.pixel_size)
    held = HeldOut(recording, unit=unit, watch=eye)
    return held.score(linker(held.graph, eye.seen()))
