"""How much is lost by learning stages from their order alone, without their times.

    python benchmarks/stage_order.py --movies 120 --epochs 60

Two recurrent networks of the same shape see the same simulated sequences for equally long: one is
told the stage of every frame, the other only which stages each cell goes through. Both are then
tested as in stage_movies.py, on movies unlike those learned from.
"""

import argparse
import json
import time
from pathlib import Path

import pandas as pd
import torch
from stage_movies import movie_settings, on_movies

from napari_cellcycle.models.stage.recurrent import RecurrentModel
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.stage.recurrent import (
    FIT,
    SMOOTHING,
    SequenceTaskSettings,
    train_recurrent,
)
from napari_cellcycle.training.stage.rnn_weights import SEEDS
from napari_cellcycle.training.stage.sequences import simulated_sequences
from napari_cellcycle.training.stage.weak import Aligner, transcripts_of

SEQUENCES = 8


def main() -> None:
    """Train both, test both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movies", type=int, default=120, help="simulated movies to learn from")
    parser.add_argument("--tests", type=int, default=8, help="simulated movies to test on")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--order-alone", action="store_true", help="leave out the other network")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sequences = simulated_sequences(SEEDS[: args.movies])
    tests = [simulate(movie_settings(number)) for number in range(args.tests)]
    fit = FIT.model_copy(update={"epochs": args.epochs, "average": 0.99})
    task = SequenceTaskSettings(whole=True, sequences=SEQUENCES)
    rows = []
    for name in ("order alone",) if args.order_alone else ("order alone", "every frame"):
        started = time.perf_counter()
        aligner = None
        if name == "order alone":
            aligner = Aligner(sequences.stages, transcripts_of(sequences))
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
