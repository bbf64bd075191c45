"""How well the frame model tells stages of H2B crops that it has never seen.

    python benchmarks/stages.py --data ../shared/data

Crops of one cell share a group; groups are dealt into thirds. For each third asked for, a
network is trained on the other two and on simulated movies, for a fixed number of epochs, with
the settings of the shipped model and without any selection; then it tells the third it never
saw. Intervals come from drawing groups anew (bootstrap).
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Train and test, print a table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("CELLCYCLE_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--thirds", type=int, nargs="+", default=[0], choices=[0, 1, 2])
    parser.add_argument("--movies", type=int, default=100, help="simulated movies to learn from")
    parser.add_argument("--seed", type=int, default=0, help="deals the thirds")
    parser.add_argument("--views", type=int, default=4, help="turned images averaged when telling")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()

    from napari_cellcycle.evaluation.stages import score_stages
    from napari_cellcycle.models.stage.frame import predict
    from napari_cellcycle.training.stage.crop_examples import (
        deal,
        real_examples,
        simulated_examples,
    )
    from napari_cellcycle.training.stage.frame import H2B_CROPS, SEEDS, train_network

    real = real_examples(args.data / H2B_CROPS)
    simulated = simulated_examples(SEEDS[: args.movies]) if args.movies else None
    third = deal(real, 3, args.seed)
    names = np.array(real.stages)
    true, told, group = [], [], []
    for part in args.thirds:
        started = time.perf_counter()
        network, _ = train_network(real.subset(third != part), simulated)
        held_out = real.subset(third == part)
        code = predict(network, held_out.windows(), views=args.views).argmax(axis=1)
        true.append(names[held_out.code])
        told.append(names[code])
        group.append(held_out.group)
        scores = score_stages(true[-1], told[-1], real.stages, held_out.group)
        print(f"\nthird {part}, {time.perf_counter() - started:.0f} s\n{scores}", flush=True)
    if len(args.thirds) > 1:
        scores = score_stages(
            *map(np.concatenate, (true, told)), real.stages, np.concatenate(group)
        )
        print(f"\nthirds {args.thirds} together\n{scores}")
    if args.json:
        figures = {
            "macro_f1": scores.macro_f1,
            "interval": scores.interval,
            "accuracy": scores.accuracy,
            "f1": scores.table["f1"].to_dict(),
            "thirds": args.thirds,
        }
        args.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
