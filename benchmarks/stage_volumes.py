"""How well networks tell the state of nuclei in simulated embryos that they have never seen.

    python benchmarks/stage_volumes.py [--cache FOLDER] [--embryos 10] [--flat 10] [--json FILE]

Embryos are simulated from seeds (`embryo_settings`). Those that are told took no part in training
or in choosing an epoch. The published networks are trained here, all on the same examples, windows
and schedule, and with the same number of samples; ours is the shipped model. States:

* balanced: stable (by the published rule), mitotic and new daughter, as many of each;
* natural: the same three, as often as they are;
* every cell: stable is every nucleus to which nothing happens, near a division as well.

"Decoded" is what is left after the decoder has looked at whole lineages (true links), knowing
that mitotic and new daughter last one frame. Intervals draw embryos anew.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from napari_cellcycle.data.stages import NUCLEUS, StageSet
from napari_cellcycle.evaluation.stages import StageScores, score_stages
from napari_cellcycle.features.events import DEATH, PAPER, RELAXED, UNKNOWN, events
from napari_cellcycle.features.sights import sights
from napari_cellcycle.models.stage.model import open_stage_model
from napari_cellcycle.models.stage.nucleus.model import NucleusModel, states
from napari_cellcycle.models.stage.nucleus.networks import build
from napari_cellcycle.models.stage.nucleus.presets import PRESETS, NucleusPreset
from napari_cellcycle.models.stage.nucleus.samples import cut
from napari_cellcycle.pipeline.decode import decode
from napari_cellcycle.pipeline.durations import Durations
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.nucleus import NucleusTraining, train_nucleus
from napari_cellcycle.training.stage.nucleus_examples import (
    NucleusExamples,
    embryo_settings,
    join,
    simulated_examples,
)
from napari_cellcycle.training.stage.nucleus_weights import (
    EMBRYOS,
    HELD_OUT,
    MOST_HELD_OUT,
    seen_by,
)

TOLD = range(30_000, 30_100)
"""Seeds of the embryos that are told."""
THREE = NUCLEUS.names[:DEATH]
PUBLISHED = ("cnn", "3ncnn", "4ncnn", "convlstm")


def main() -> None:
    """Train, tell, print the table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder to keep cut examples in")
    parser.add_argument("--embryos", type=int, default=10, help="how many are told; 0: train only")
    parser.add_argument("--flat", type=int, default=10, help="flat colonies told, by ours")
    parser.add_argument("--train", type=int, default=len(EMBRYOS), help="how many teach")
    parser.add_argument("--epochs", type=int, default=10, help="of 25 batches, published networks")
    parser.add_argument("--networks", nargs="*", default=PUBLISHED, choices=PUBLISHED)
    parser.add_argument("--model", default="nucleus", help="name or file of ours")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    preset = PRESETS["nucleus"]
    models: dict[str, NucleusModel] = {}
    if args.networks:
        learned = _examples(EMBRYOS[: args.train], preset, args.cache)
        held_out = _examples(HELD_OUT, preset, args.cache)
    for name in args.networks:
        started = time.process_time()
        models[name] = published(name, learned, held_out, args.epochs, args.cache)
        print(f"{name} trained in {time.process_time() - started:.0f} s of a core", flush=True)
    if not args.embryos:
        return
    ours = open_stage_model(args.model, "cpu")
    assert isinstance(ours, NucleusModel)
    models["ours"] = ours
    told = []
    for seed in TOLD[: args.embryos]:
        started = time.process_time()
        told.append(tell(seed, models))
        seconds = time.process_time() - started
        print(f"embryo {seed}: {len(told[-1])} cells told in {seconds:.1f} s", flush=True)
    cells = pd.concat(told, ignore_index=True)
    rows = [row for name in models for row in figures(cells, name)]
    if args.flat:
        flat = [tell(seed, {"ours": ours}, 2) for seed in TOLD[: args.flat]]
        flat_rows = figures(pd.concat(flat, ignore_index=True), "ours")
        rows += [{**row, "network": "ours, flat"} for row in flat_rows]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2))


def _examples(seeds: Sequence[int], preset: NucleusPreset, cache: Path | None) -> NucleusExamples:
    """Examples of embryos, simulated, or as they were kept before."""
    return join([_example(seed, preset, cache) for seed in seeds])


def _example(
    seed: int, preset: NucleusPreset, cache: Path | None, ndim: Literal[2, 3] = 3
) -> NucleusExamples:
    path = None if cache is None else cache / f"{ndim}_{seed}.npz"
    if path is None or not path.is_file():
        made = simulated_examples([seed], preset, ndim)
        if path is None:
            return made
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = ("samples", "code", "clean", "group")
        np.savez(path, **{name: getattr(made, name) for name in columns})
    with np.load(path) as found:
        return NucleusExamples(**found, preset=preset)


def published(
    name: str,
    learned: NucleusExamples,
    held_out: NucleusExamples,
    epochs: int,
    cache: Path | None,
) -> NucleusModel:
    """A published network, trained on what the published rule calls by its three states.

    A training that was interrupted goes on from the file in `cache`.
    """
    usual, window = PRESETS[name], PRESETS["nucleus"]
    same = {"size": window.size, "side": window.side, "cubic_in": window.cubic_in}
    preset = usual.model_copy(update=same)
    settings = NucleusTraining(
        preset=preset,
        fit=FitSettings(epochs=epochs, learning_rate=3e-3, average=0.95),
        batches=25,
        balance=1.0,
    )
    parts = [
        replace(seen_by(e.subset(e.clean & (e.code != DEATH)), preset), names=THREE)
        for e in (learned, held_out.capped(MOST_HELD_OUT))
    ]
    kept = None if cache is None else Checkpoint(cache / f"{name}.training", {"network": name})
    state, _, _ = train_nucleus(parts[0], settings, held_out=parts[1], checkpoint=kept)
    network = build(preset, len(THREE))
    network.load_state_dict(state)
    return NucleusModel(network, preset, states(THREE))


def tell(seed: int, models: dict[str, NucleusModel], ndim: Literal[2, 3] = 3) -> pd.DataFrame:
    """Every cell of an embryo (a flat colony): what its lineage says, and what each model does.

    Columns: `embryo`, `paper`, `every` (codes, -1 unknown), and for each model its probabilities
    `NAME:p0`, ... and its decoded code `NAME:decoded`.
    """
    made = simulate(embryo_settings(seed, ndim))
    movie, labels, tracks = made.movie, made.labels, made.tracks
    frame = tracks.cells["frame"].to_numpy()
    inner = (frame > 0) & (frame < len(movie) - 1)
    table = {"embryo": np.full(len(tracks), seed)}
    for column, rules in (("paper", PAPER), ("every", RELAXED)):
        table[column] = np.where(inner, events(tracks, labels, rules), UNKNOWN)
    found = {name: np.zeros((len(tracks), len(m.stages)), np.float32) for name, m in models.items()}
    window = PRESETS["nucleus"]
    for sight in sights(movie, labels, tracks, reach=1):
        place = (sight.mask, sight.labels, sight.centres_px, sight.diameter_px)
        samples = cut(sight.images, *place, window)
        for name, model in models.items():
            channels = [1 + offset for offset in model.preset.frames]
            channels += [3] if model.preset.mask else []
            found[name][sight.rows] = model.predict(samples[:, channels])
    for name, told in found.items():
        for code in range(told.shape[1]):
            table[f"{name}:p{code}"] = told[:, code]
        stages = models[name].stages
        minutes = one_frame(stages, movie.frame_interval / 60)
        lives = decode(tracks, told, stages, movie.frame_interval, 0.5, durations=minutes)
        table[f"{name}:decoded"] = lives.code
    return pd.DataFrame(table)


def one_frame(stages: StageSet, minutes: float) -> Durations:
    """Durations by the meaning of the states: mitotic and new daughter last one frame."""
    mean = {"stable": 30 * minutes, "death": 6 * minutes}
    usual = tuple(mean.get(name, minutes) for name in stages.names)
    return Durations(usual, usual)


def figures(cells: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    """Scores of a model: of each set of cells, before and after decoding."""
    columns = [c for c in cells if c.startswith(f"{name}:p")]
    chances, decoded = cells[columns].to_numpy(), cells[f"{name}:decoded"].to_numpy()
    three, told = chances[:, :DEATH].argmax(axis=1), chances.argmax(axis=1)
    alive = cells["paper"].between(0, DEATH - 1).to_numpy()
    least = cells.loc[alive, "paper"].value_counts().min()
    drawn = cells[alive].sample(frac=1, random_state=0).groupby("paper").head(least).index
    sets: list[tuple[str, str, Any, np.ndarray]] = [
        ("balanced", "paper", drawn, three),
        ("natural", "paper", np.flatnonzero(alive), three),
        ("every cell", "every", cells.index[cells["every"].between(0, DEATH - 1)], three),
    ]
    if len(columns) > DEATH:
        sets.append(("every cell, death", "every", cells.index[cells["every"] >= 0], told))
    rows = []
    for label, truth, chosen, seen in sets:
        for how, codes in (("seen", seen), ("decoded", decoded)):
            if how == "decoded" and label == "balanced":
                continue
            rows.append({"network": name, "cells": label, "told": how})
            rows[-1].update(_row(_score(cells.iloc[chosen], truth, codes[chosen])))
    return rows


def _score(cells: pd.DataFrame, truth: str, codes: np.ndarray) -> StageScores:
    names = np.array(NUCLEUS.names)
    true = names[cells[truth].to_numpy()]
    return score_stages(true, names[codes], NUCLEUS.names, cells["embryo"].to_numpy())


def _row(scores: StageScores) -> dict[str, Any]:
    f1 = scores.table["f1"].round(3).to_dict()
    low, high = scores.interval
    return {
        "macro_f1": round(scores.macro_f1, 3),
        "low": round(low, 3),
        "high": round(high, 3),
        **f1,
        "n": int(scores.table["cells"].sum()),
    }


if __name__ == "__main__":
    main()
