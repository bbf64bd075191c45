"""Train the shipped weights: `python -m napari_cellcycle.training.weights [NAME ...]`.

Simulated movies are made as they are needed. Real data is read from the folder that the
environment variable CELLCYCLE_DATA names (docs/weights.md describes it). Seeds are fixed, and
each model is stored with its card; without a name all of them are trained.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from napari_cellcycle.models.store import SHIPPED
from napari_cellcycle.progress import Progress


def nuclei(data: Path, out: Path, progress: Progress) -> None:
    """Train the segmentation network: on simulated movies, then on real ones among them."""
    from napari_cellcycle.training.segment.weights import train_nuclei

    train_nuclei(out, data=data, progress=progress)


def links(data: Path, out: Path, progress: Progress) -> None:
    """Train the graph network that links cells."""
    from napari_cellcycle.training.link.weights import train_links

    train_links(data, out, progress)


def simple(data: Path, out: Path, progress: Progress) -> None:
    """Train the link model."""
    from napari_cellcycle.training.link.simple import train_simple

    train_simple(data, out, progress)


def frame(data: Path, out: Path, progress: Progress) -> None:
    """Train the stage model."""
    from napari_cellcycle.training.stage.frame import train_frame

    train_frame(data, out, progress=progress)


def rnn(data: Path, out: Path, progress: Progress) -> None:
    """Train the stage model with a memory."""
    from napari_cellcycle.training.stage.rnn_weights import train_rnn

    train_rnn(data, out, progress=progress)


def paper(data: Path, out: Path, progress: Progress) -> None:
    """Train the published tracker that ours is compared with."""
    from napari_cellcycle.training.link.paper_weights import train_shipped_paper

    train_shipped_paper(data, out, progress)


def nucleus(data: Path, out: Path, progress: Progress) -> None:
    """Train the model of nucleus states, on simulated embryos alone."""
    from napari_cellcycle.training.stage.nucleus_weights import train_shipped_nucleus

    train_shipped_nucleus(out, progress=progress)


TRAINERS: dict[str, Callable[[Path, Path, Progress], None]] = {
    "cellcycle-nuclei": nuclei,
    "cellcycle-links": links,
    "simple": simple,
    "frame": frame,
    "rnn": rnn,
    "paper": paper,
    "nucleus": nucleus,
}


def main() -> None:
    """Train the models named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TRAINERS)}")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder for the weights")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(TRAINERS)
    if unknown:
        parser.error(f"no model is called {min(unknown)!r}; choose of {', '.join(TRAINERS)}")
    data = Path(os.environ.get("CELLCYCLE_DATA", "../shared/data"))
    for name in arguments.names or TRAINERS:
        with tqdm(desc=name, unit="") as bar:

            def report(done: int, total: int, message: str = "", bar: tqdm = bar) -> None:
                bar.total, bar.n = total, done
                bar.set_postfix_str(message)

            TRAINERS[name](data, arguments.out, report)


if __name__ == "__main__":
    main()
