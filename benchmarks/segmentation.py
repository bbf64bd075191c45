"""Segment the second half of HeLa 01 with several segmenters and score them side by side.

    python benchmarks/segmentation.py [--data FOLDER] [--weights FOLDER] [--train] [--also NAME ...]

Prints a Markdown table: SEG and DET of the Cell Tracking Challenge on frames 46 to 91 of
Fluo-N2DL-HeLa 01, cells wholly in the outermost 25 pixels left out, as the challenge does.
"zero-shot" was trained on simulated movies only, "half" then also on frames 0 to 45; both are
read from --weights, or trained into it with --train (about 45 minutes on two cores). The
shipped weights have seen all frames and are left out. --also takes any other name that
`--model` of the command line takes, such as cyto3. The cell size is found by each segmenter
itself, as in an ordinary run; its seconds are part of the seconds per frame.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.evaluation.segmentation import ImageScore, score_sequence, table
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.pipeline.segment import segment
from napari_cellcycle.training.segment.weights import FIRST_HALF, NAMES, train_nuclei

BORDER_PX = 25
Row = tuple[str, ImageScore, float]


def measure(name: str, model: str, movie: Movie, truth: Path) -> Row:
    """Segment all frames after the first half and score them."""
    start = time.perf_counter()
    rest = Movie(
        movie.pixels[FIRST_HALF.stop :], movie.pixel_size, movie.frame_interval, movie.channels
    )
    labels = segment(rest, SegmentSettings(model=model), progress=_shown(name))
    seconds = (time.perf_counter() - start) / len(rest)
    frames = enumerate(labels, start=FIRST_HALF.stop)
    return name, score_sequence(frames, truth, BORDER_PX), seconds


def _shown(name: str):
    from tqdm import tqdm

    bar = tqdm(desc=name, leave=False)

    def progress(done: int, total: int, message: str = "") -> None:
        bar.total, bar.n = total, done
        bar.set_postfix_str(message)

    return progress


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CELLCYCLE_DATA", "../shared/data"))
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=Path(platformdirs.user_cache_dir("napari-cellcycle")) / "benchmark",
    )
    parser.add_argument("--train", action="store_true", help="train what is not in --weights")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME")
    given = parser.parse_args(arguments)
    if given.train:
        train_nuclei(
            given.weights,
            data=given.data,
            parts=("simulated", "half"),
            progress=_shown("training"),
        )
    sequence = given.data / "ctc" / "Fluo-N2DL-HeLa"
    truth = sequence / "01_GT"
    movie = open_movie(sequence / "01", pixel_size=(0.645, 0.645), frame_interval=1800)
    models = {"threshold + watershed": "threshold"}
    for title, part in (("zero-shot", "simulated"), ("half", "half")):
        path = given.weights / f"{NAMES[part]}.safetensors"
        if path.is_file():
            models[title] = str(path)
        else:
            print(f"{title}: no weights at {path}; add --train to train them first.")
    models |= {name: name for name in given.also}
    rows: list[Row] = []
    for title, model in models.items():
        try:
            rows.append(measure(title, model, movie, truth))
        except MissingModel as error:
            print(f"{title}: {error}")
    silver = open_labels(sequence / "01_ST" / "SEG")
    frames = ((time, silver.frame(time)) for time in range(FIRST_HALF.stop, len(silver)))
    rows.append(("silver truth", score_sequence(frames, truth, BORDER_PX), 0.0))
    print(table(rows))


if __name__ == "__main__":
    main()
