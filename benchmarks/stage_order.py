"""How much is lost by learning stages from their order alone, without their times.

    python benchmarks/stage_order.py --movies 60 --epochs 14

Recurrent networks of the same shape see the same simulated sequences for equally long: one is
told the stage of every frame, the others only which stages each cell goes through, and how long
stages last in the mean: in these cells ("order, lengths"), or usually, which is wrong by up to a
factor of two here ("order, usual lengths"). As in one laboratory, frames are equally far apart in
all movies learned from. All are then tested as in stage_movies.py, on movies unlike those learned
from. "right when learned" is the macro-F1 of the stages that were laid out last, "at first" of
those that the training began with.
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
from napari_cellcycle.training.stage.by_order import ANEW, train_by_order
from napari_cellcycle.training.stage.frame import macro_f1
from napari_cellcycle.training.stage.recurrent import FIT, SMOOTHING, train_recurrent
from napari_cellcycle.training.stage.rnn_weights import SEEDS
from napari_cellcycle.training.stage.sequences import random_cycling, simulated_sequences
from napari_cellcycle.training.stage.weak import Aligner, transcripts_of

MINUTES = 4.0
"""Between the frames of the movies learned from."""
LENGTHS = {"interphase": 160, "prophase": 10, "prometaphase": 12, "metaphase": 15}
LENGTHS |= {"anaphase": 8.5, "telophase": 20, "apoptosis": 60}
"""Minutes that stages last in these cells, in the mean."""
ORDER, USUAL, EVERY = "order, lengths", "order, usual lengths", "every frame"


def one_laboratory(seed: int) -> SimulateSettings:
    """Cells as in `random_cycling`, but of one kind and at one frame rate."""
    drawn = random_cycling(seed)
    kept = {"frame_interval": 60 * MINUTES, "mitosis_stretch": 1.0, "cycle_spread": 0.3}
    return drawn.model_copy(update={**kept, "cycle_hours": 2.2, "speed": min(drawn.speed, 10.0)})


def mean_lengths(usual: bool) -> np.ndarray:
    """Frames that stages last, in these movies or by the stage set."""
    minutes = given_durations(H2B).mean_minutes if usual else [LENGTHS[n] for n in H2B.names]
    return np.array(minutes) / MINUTES


class Watched(Aligner):
    """Remembers what it laid out."""

    def __init__(self, transcripts, mean_length) -> None:
        super().__init__(H2B, transcripts, mean_length=mean_length)
        self.laid = []

    def lay(self, sequences, log_scores):
        """Lay out stages as any aligner does."""
        self.laid.append(super().lay(sequences, log_scores))
        return self.laid[-1]

    def right(self, code) -> dict[str, float]:
        """Macro-F1 of what was laid out first by looks, and last."""
        found = [macro_f1(code, laid.argmax(1), len(H2B)) for laid in self.laid]
        print("laid out:", " ".join(f"{score:.3f}" for score in found), flush=True)
        return {"at first": found[-1 - len(ANEW)], "right when learned": found[-1]}


def main() -> None:
    """Train both, test both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movies", type=int, default=60, help="simulated movies to learn from")
    parser.add_argument("--tests", type=int, default=8, help="simulated movies to test on")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--rows", nargs="+", default=[ORDER, USUAL, EVERY], help="what to train")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sequences = simulated_sequences(SEEDS[: args.movies], draw=one_laboratory)
    tests = [simulate(movie_settings(number)) for number in range(args.tests)]
    fit = FIT.model_copy(update={"epochs": args.epochs, "average": 0.98})
    rows = []
    for name in args.rows:
        started, laid = time.perf_counter(), {}
        if name == EVERY:
            network, _ = train_recurrent([sequences], [1.0], fit)
        else:
            known = mean_lengths(name == USUAL)
            aligner = Watched(transcripts_of(sequences), mean_length=known)
            network, _ = train_by_order(sequences, aligner, fit)
            laid = aligner.right(sequences.code)
        model, seconds = RecurrentModel(network), time.perf_counter() - started
        found = on_movies(model, name, tests, SMOOTHING)
        rows += [{**row, **laid, "training_seconds": seconds} for row in found]
        with pd.option_context("display.width", 250, "display.max_columns", 30):
            print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
