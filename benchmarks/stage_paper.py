"""Train the published recurrent network on simulated movies, to be scored beside ours.

    OMP_NUM_THREADS=1 python benchmarks/stage_paper.py --movies 60 --epochs 5 --out FOLDER
    python benchmarks/stage_movies.py --models rnn FOLDER/rnn-paper.safetensors

The movies are the first of those that the shipped `rnn` learned from, and an epoch looks at every
sequence twice, whole and through a window, as published. Everything else is the preset `rnn-paper`.
"""

import argparse
import time
from pathlib import Path

import torch
from tqdm import tqdm

from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.stage.model import PAPER
from napari_cellcycle.models.store import ModelCard, save_model
from napari_cellcycle.training.stage.paper_rnn import (
    FIT,
    PaperTraining,
    card_settings,
    train_paper_rnn,
)
from napari_cellcycle.training.stage.rnn_weights import SEEDS
from napari_cellcycle.training.stage.sequences import simulated_sequences


def main() -> None:
    """Train, store the model, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movies", type=int, default=60, help="simulated movies to learn from")
    parser.add_argument("--epochs", type=int, default=5, help="times that each sequence is seen")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--device", default="cpu", help="where it is trained, such as cuda")
    args = parser.parse_args()
    training, seeds = PaperTraining(), SEEDS[: args.movies]
    cells = simulated_sequences(seeds, side=training.side, size=training.size)
    print(f"{len(cells)} sequences, {len(cells.images):,} crops")
    started = time.perf_counter()
    with tqdm(total=None, mininterval=30) as bar:

        def report(done: int, total: int, message: str = "") -> None:
            bar.total = total
            bar.update(done - bar.n)

        network, history, _ = train_paper_rnn(
            cells,
            FIT.model_copy(update={"epochs": args.epochs}),
            training,
            device=choose_device(args.device),
            progress=report,
        )
    seconds = time.perf_counter() - started
    card = ModelCard(
        name="rnn-paper",
        kind="stage",
        architecture=PAPER,
        description="The published recurrent network, taught simulated movies.",
        settings=card_settings(network, cells, training),
        data=[f"simulated movies, random_cycling seeds {seeds[0]}-{seeds[-1]}"],
        split="figures: simulated movies of other seeds, contrast and frame rate",
        command=f"python benchmarks/stage_paper.py --movies {args.movies} --epochs {args.epochs}",
        licence="BSD-3-Clause",
        software={"torch": torch.__version__},
        seconds=round(seconds, 1),
    )
    state = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    model = save_model(state, card, args.out)
    losses = ", ".join(f"{epoch.loss:.3f}" for epoch in history)
    print(f"{model.path}: {seconds:.0f} s, losses {losses}")


if __name__ == "__main__":
    main()
