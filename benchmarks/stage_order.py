"""How much is lost by learning stages from their order alone, without their times.

    python benchmarks/stage_order.py --movies 60 --epochs 14

Two recurrent networks of the same shape see the same simulated sequences for equally long: one is
told the stage of every frame, the other only which stages each cell goes through, and how long
stages last in the mean. As in one laboratory, frames are equally far apart in all movies learned
from. Both are then tested as in stage_movies.py, on movies unlike those learned from.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from stage_movies import movie_settings, on_movies

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.models.stage.recurrent import RecurrentModel
from napari_cellcycle.pipeline.durations import given_durations
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.stage.recurrent import (
    BY_ORDER,
    FIT,
    SMOOTHING,
    SequenceTaskSettings,
    train_recurrent,
)
from napari_cellcycle.training.stage.rnn_weights import SEEDS
from napari_cellcycle.training.stage.sequences import random_cycling, simulated_sequences
from napari_cellcycle.training.stage.weak import Aligner, transcripts_of

SEQUENCES = 8
MINUTES = 4.0
"""Between the frames of the movies learned from."""
SHORTER = {"interphase": 40.0, "apoptosis": 15.0}
"""Frames of the stages that simulated cells spend less time in than the stage set says."""


def one_laboratory(seed: int) -> SimulateSettings:
    """Cells as in `random_cycling`, but of one kind and at one frame rate."""
    drawn = random_cycling(seed)
    kept = {"frame_interval": 60 * MINUTES, "mitosis_stretch": 1.0, "cycle_spread": 0.3}
    return drawn.model_copy(update={**kept, "cycle_hours": 2.2, "speed": min(drawn.speed, 10.0)})


def mean_lengths() -> np.ndarray:
    """Frames that stages last in these movies, as a user would know them."""
    given = np.array(given_durations(H2B).mean_minutes) / MINUTES
    for name, frames in SHORTER.items():
        given[H2B.names.index(name)] = frames
    return given


def main() -> None:
    """Train both, test both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movies", type=int, default=60, help="simulated movies to learn from")
    parser.add_argument("--tests", type=int, default=8, help="simulated movies to test on")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--order-alone", action="store_true", help="leave out the other network")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sequences = simulated_sequences(SEEDS[: args.movies], draw=one_laboratory)
    tests = [simulate(movie_settings(number)) for number in range(args.tests)]
    fit = FIT.model_copy(update={"epochs": args.epochs, "average": 0.98})
    told = SequenceTaskSettings(whole=True)
    rows = []
    for name in ("order alone",) if args.order_alone else ("order alone", "every frame"):
        started = time.perf_counter()
        aligner, task = None, told
        if name == "order alone":
            known = mean_lengths()
            aligner = Aligner(H2B, transcripts_of(sequences), mean_length=known)
            task = BY_ORDER
        task = task.model_copy(update={"sequences": SEQUENCES})
        network, _ = train_recurrent([sequences], [1.0], fit, task, aligner=aligner)
        model, seconds = RecurrentModel(network), time.perf_counter() - started
        found = on_movies(model, name, tests, SMOOTHING)
        rows += [{**row, "training_seconds": seconds} for row in found]
        with pd.option_context("display.width", 250, "display.max_columns", 30):
            print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
