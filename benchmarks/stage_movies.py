"""How well stages are told over time: on simulated movies unlike those learned from, and on HeLa.

    python benchmarks/stage_movies.py --models frame rnn --hela --data ../shared/data

Each model is given the true masks and tracks of movies of other seeds, contrast, grain, speed and
frame rate than any it has learned from. Its stages are scored frame by frame before and after
decoding, and each change of stage by how many frames it is off. Intervals come from drawing
lineages anew. With --hela, the sequence Fluo-N2DL-HeLa 01 is segmented, tracked and classified,
and its true divisions are looked at.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellcycle.config import ClassifySettings, SimulateSettings
from napari_cellcycle.evaluation.stage_timing import timing_scores, transitions
from napari_cellcycle.evaluation.stages import score_stages
from napari_cellcycle.features.paths import founders
from napari_cellcycle.features.sights import parents
from napari_cellcycle.models.stage.model import StageModel, open_stage_model
from napari_cellcycle.pipeline.classify import look, smoothing_of
from napari_cellcycle.pipeline.decode import decode
from napari_cellcycle.simulate import simulate

INTERVALS = (2.0, 4.0, 6.0, 3.0)
"""Minutes between the frames of the movies; mitosis takes as long as in HeLa cells."""
MITOSIS = ("prophase", "prometaphase", "metaphase", "anaphase")
HELA = Path("ctc") / "Fluo-N2DL-HeLa"
HELA_MINUTES, HELA_PIXEL = 30.0, 0.645


def movie_settings(number: int) -> SimulateSettings:
    """Settings of one test movie: dim to bright, fine to coarse grain, 2 to 6 minutes a frame."""
    k = number % 4
    return SimulateSettings(
        seed=91000 + number,
        frames=70,
        size=360,
        cells=24,
        frame_interval=60 * INTERVALS[k],
        cycle_hours=(2.5, 4.0, 6.0, 3.0)[k],
        death_rate=0.08,
        brightness=(120.0, 250.0, 600.0, 90.0)[k],
        background=(900.0, 150.0, 2200.0, 400.0)[k],
        read_noise=(18.0, 9.0, 30.0, 14.0)[k],
        grain=(0.9, 0.0, 0.6, 1.2)[k],
        texture=(0.5, 0.25, 0.7, 0.4)[k],
        haze=0.1,
        pixel_size=(0.65, 0.5, 0.8, 0.4)[k],
        speed=(10.0, 4.0, 20.0, 8.0)[k],
    )


def main() -> None:
    """Measure, print tables, and write the figures as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("CELLCYCLE_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--models", nargs="+", default=["frame", "rnn"], help="names or files")
    parser.add_argument("--movies", type=int, default=8, help="simulated movies to test on")
    parser.add_argument("--smoothing", type=float, help="as suits each model if not given")
    parser.add_argument("--hela", action="store_true", help="also the real HeLa movie")
    parser.add_argument("--experiment", type=Path, help="keep the tracked HeLa movie here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()

    import torch

    torch.set_num_threads(args.threads)
    done = [simulate(movie_settings(number)) for number in range(args.movies)]
    cells = sum(len(movie.tracks) for movie in done)
    print(f"{args.movies} simulated movies, {cells:,} cells")
    rows = [
        row
        for name in args.models
        for row in on_movies(
            open_stage_model(name, "cpu"), Path(name).stem, done, _smoothing(name, args.smoothing)
        )
    ]
    table = pd.DataFrame(rows)
    with pd.option_context("display.width", 250, "display.max_columns", 30):
        print(table.round(3).to_string(index=False))
    figures: dict[str, Any] = {"movies": rows}
    if args.hela:
        experiment = _tracked(args.data / HELA, args.experiment)
        truth = args.data / HELA / "01_GT" / "TRA"
        figures["hela"] = [
            _on_hela(name, experiment, truth, args.smoothing) for name in args.models
        ]
        print(pd.DataFrame(figures["hela"]).round(3).to_string(index=False))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1, default=float) + "\n")


def _smoothing(name: str, chosen: float | None) -> float:
    return smoothing_of(ClassifySettings(model=name, smoothing=chosen))


def on_movies(
    model: StageModel, name: str, movies: list[Any], smoothing: float
) -> list[dict[str, Any]]:
    """Scores of one model on simulated movies, before and after decoding."""
    names = model.stages.names
    true, group, changes = [], [], {0.0: [], smoothing: []}
    told: dict[float, list[np.ndarray]] = {0.0: [], smoothing: []}
    started = time.perf_counter()
    for number, done in enumerate(movies):
        seen = look(done.movie, done.labels, done.tracks, ClassifySettings(), model)
        parent, frame = parents(done.tracks), done.tracks.cells["frame"].to_numpy()
        stage = done.tracks.cells["stage"].to_numpy(str)
        code = np.array([names.index(s) if s in names else -1 for s in stage])
        true.append(code)
        group.append(100_000 * number + founders(parent, frame))
        for weight, found in told.items():
            decoded = decode(done.tracks, seen, model.stages, done.movie.frame_interval, weight)
            found.append(decoded.code)
            changes[weight].append(transitions(code, decoded.code, parent, frame))
    seconds = time.perf_counter() - started
    rows = []
    known = np.concatenate(true) >= 0
    for weight, label in ((0.0, "alone"), (smoothing, "decoded")):
        scores = score_stages(
            np.array(names)[np.concatenate(true)[known]],
            np.array(names)[np.concatenate(told[weight])[known]],
            names,
            np.concatenate(group)[known],
        )
        timing = timing_scores(pd.concat(changes[weight])).loc["all"]
        rows.append(
            {
                "model": name,
                "stages": label,
                "accuracy": scores.accuracy,
                "macro_f1": scores.macro_f1,
                "low": scores.interval[0],
                "high": scores.interval[1],
                **scores.table["f1"].to_dict(),
                "within_1_frame": timing["within"],
                "seconds": seconds,
            }
        )
    return rows


def _on_hela(name: str, experiment: Any, truth: Path, smoothing: float | None) -> dict[str, Any]:
    """What a model makes of the real movie: mitosis at the true divisions, how long it lasts."""
    from napari_cellcycle.pipeline.classify import classify

    started = time.perf_counter()
    settings = ClassifySettings(model=name, smoothing=smoothing)
    tracks = classify(
        experiment.movie, experiment.labels, experiment.tracks, settings, device="cpu"
    )
    seconds = time.perf_counter() - started
    found = _divisions(tracks, truth)
    return {
        "model": Path(name).stem,
        "cells": len(tracks),
        "seconds": seconds,
        "true divisions": found["true"],
        "detected": found["detected"],
        "mother in mitosis within 2 frames": found["decoded"],
        "so before decoding": found["alone"],
        "frames in mitosis, median": found["length"],
        "not in interphase": float((tracks.cells["stage"] != "interphase").mean()),
    }


def _tracked(folder: Path, stored: Path | None) -> Any:
    """The movie segmented and tracked by the shipped models, or as it was stored before."""
    from napari_cellcycle.io.experiment import open_experiment
    from napari_cellcycle.io.movies import open_movie
    from napari_cellcycle.pipeline.run import run

    if stored is not None and stored.is_dir():
        return open_experiment(stored)
    pixel = (HELA_PIXEL, HELA_PIXEL)
    movie = open_movie(folder / "01", pixel_size=pixel, frame_interval=60 * HELA_MINUTES)
    return run(movie, folder=stored)


def _divisions(tracks: Any, truth: Path) -> dict[str, float]:
    """Find true divisions among the tracked ones, and the stages of their mothers."""
    from skimage.measure import regionprops_table
    from tifffile import imread

    table = np.loadtxt(truth / "man_track.txt", dtype=int)
    last = {row[0]: row[2] for row in table}
    mothers = [m for m in np.unique(table[table[:, 3] > 0, 3]) if (table[:, 3] == m).sum() == 2]
    cells = tracks.cells
    dividing = cells.loc[tracks.divisions]
    parent = pd.Series(
        tracks.links["parent"].to_numpy(), index=tracks.links["child"].to_numpy()
    ).to_dict()
    seen = cells[[column for column in cells if column.startswith("seen_")]]
    alone = pd.Series([c.removeprefix("seen_") for c in seen.columns[seen.to_numpy().argmax(1)]])
    alone.index = cells.index
    detected, decoded, before, lengths = 0, 0, 0, []
    for mother in mothers:
        mask = imread(truth / f"man_track{last[mother]:03d}.tif")
        place = regionprops_table((mask == mother).astype(int), properties=("centroid",))
        y, x = float(place["centroid-0"][0]), float(place["centroid-1"][0])
        near = dividing[(dividing["frame"] - last[mother]).abs() <= 1]
        distance = np.hypot(near["y"] - y, near["x"] - x)
        if not len(near) or distance.min() > 25:
            continue
        detected += 1
        cell, ids = int(distance.idxmin()), []
        while cell is not None and len(ids) < 12:
            ids.append(cell)
            cell = parent.get(cell)
        decoded += bool(cells.loc[ids[:3], "stage"].isin(MITOSIS).any())
        before += bool(alone.loc[ids[:3]].isin(MITOSIS).any())
        lengths.append(int(cells.loc[ids, "stage"].isin(MITOSIS).cumprod().sum()))
    count = max(detected, 1)
    return {
        "true": len(mothers),
        "detected": detected,
        "decoded": decoded / count,
        "alone": before / count,
        "length": float(np.median(lengths)) if lengths else float("nan"),
    }


if __name__ == "__main__":
    main()
