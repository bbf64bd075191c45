"""How well stages of H2B crops are told that a model has never seen.

    python benchmarks/stage_crops.py --data ../shared/data --channels 1 2 [--measured | --whole]

Crops of one cell share a group; groups are dealt into folds. One network is trained on simulated
movies; for each fold its last layer is fitted to the crops of all others, without selection, and
it tells the fold that it never saw. With --whole, all layers are trained on simulated movies and
crops together, as those of the shipped model. With --measured, the `measured` model is trained on
the crops alone. The figures are those of all folds pooled; intervals
come from drawing groups anew (bootstrap). The second channel is tubulin.
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
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--folds", type=int, default=5, help="parts that the groups are dealt into")
    parser.add_argument("--movies", type=int, default=70, help="simulated movies to learn from")
    parser.add_argument("--seed", type=int, default=0, help="deals the folds")
    parser.add_argument("--whole", action="store_true", help="train as the shipped model is")
    parser.add_argument("--measured", action="store_true", help="what is measured of the crops")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()

    from napari_cellcycle.evaluation.stages import score_stages
    from napari_cellcycle.models.rank_net import tell
    from napari_cellcycle.models.stage.frame import predict
    from napari_cellcycle.training.stage.crop_examples import (
        deal,
        real_examples,
        simulated_examples,
    )
    from napari_cellcycle.training.stage.frame import (
        H2B_CROPS,
        SEEDS,
        VIEWS,
        pretrained,
        refitted,
        train_network,
    )
    from napari_cellcycle.training.stage.measured import CUT, measured, train_measured

    simulated = None if args.measured else simulated_examples(SEEDS[: args.movies])
    began = {} if simulated is None or args.whole else pretrained(simulated)
    figures = {}
    for channels in args.channels:
        real = real_examples(args.data / H2B_CROPS, channels, CUT if args.measured else None)
        fold = deal(real, args.folds, args.seed)
        names, told = np.array(real.stages), np.zeros(len(real), int)
        for part in range(args.folds):
            started = time.perf_counter()
            learned = real.subset(fold != part)
            if args.measured:
                seen = measured(learned)
                judges, _ = train_measured(seen, len(real.stages))
            elif args.whole:
                network, _ = train_network(learned, simulated, levels=False)
            else:
                network = refitted(began, learned)
            unseen = real.subset(fold == part)
            if args.measured:
                chances = tell(judges, measured(unseen).traits)
            else:
                chances = predict(network, unseen.windows(), views=VIEWS)
            told[fold == part] = chances.argmax(axis=1)
            hits = (told == real.code)[fold == part].mean()
            print(f"fold {part}: accuracy {hits:.3f}, {time.perf_counter() - started:.0f} s")
        scores = score_stages(names[real.code], names[told], real.stages, real.group)
        print(f"\n{channels} channel{'s' * (channels > 1)}, all folds pooled\n{scores}", flush=True)
        figures[f"{channels} channels"] = {
            "macro_f1": scores.macro_f1,
            "interval": scores.interval,
            "accuracy": scores.accuracy,
            "f1": scores.table["f1"].to_dict(),
        }
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
