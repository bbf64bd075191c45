"""Teach a segmentation further on five frames of a sequence, and score the rest of it.

    python benchmarks/fine_tuning.py [--data FOLDER] [--weights FOLDER] [--quick] [--only NAME ...]

Prints a Markdown table for DIC 01, PSC 01 and HeLa 01 of the Cell Tracking Challenge. What
`train segment` gets are the frames 0, 10, 20, 30 and 40 with their silver truth, of which it keeps
the last aside to choose the best round by; scored, before and after, are the frames from 50 on, as
`segment` gives them, the size of cells found by itself. Learning ends after 600 seconds of
processor time, which is five minutes of two cores. The base has not seen the data set:
`benchmarks/segmentation.py --train` trains it into --weights. --base names another one. --quick
learns for a minute and scores every tenth frame.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.evaluation.segmentation import ImageScore, score_masks
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.models.store import find_model
from napari_cellcycle.pipeline.segment import segment
from napari_cellcycle.training.segment.examples import RIM_PX
from napari_cellcycle.training.segment.own import SegmentTeachSettings, teach_segmentation
from napari_cellcycle.training.segment.weights import DIC, HELA, PSC, Part, name_of

ZERO_SHOT: dict[str, Part] = {DIC: "without-dic", PSC: "without-psc", HELA: "without-hela"}
LEARNED = (0, 10, 20, 30, 40)
SCORED_FROM = 50
CORE_SECONDS = 600
HEAD = (
    "| sequence | base | frames scored | AP .5 before | after | AP .75 before | after | rounds "
    "| core-seconds |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def scored(folder: Path, model: str, every: int) -> ImageScore:
    """Score the masks that `model` finds in every so manieth frame from 50 on."""
    whole = open_movie(folder / "01", frame_interval=600)
    truth = open_labels(folder / "01_ST" / "SEG")
    times = list(range(SCORED_FROM, len(truth), every))
    pixels = np.stack([whole.pixels[time] for time in times])
    movie = Movie(pixels, whole.pixel_size, whole.frame_interval, whole.channels)
    labels = segment(movie, SegmentSettings(model=model))
    rim = RIM_PX[folder.name]
    total = ImageScore()
    for place, number in enumerate(times):
        total += score_masks(labels.frame(place), truth.frame(number), rim)
    return total


def row(folder: Path, base: str, seconds: float, every: int) -> str:
    """Teach and score: a line of the table."""
    before = scored(folder, base, every)
    with tempfile.TemporaryDirectory() as scratch:
        settings = SegmentTeachSettings(frames=LEARNED, minutes=seconds / 60)
        began = time.process_time()
        model, taught = teach_segmentation(
            "tuned",
            [folder / "01"],
            Path(scratch),
            base=base,
            settings=settings,
            device="cpu",
            clock=time.process_time,
        )
        used = time.process_time() - began
        after = scored(folder, str(model.path), every)
    frames = len(range(SCORED_FROM, len(open_labels(folder / "01_ST" / "SEG")), every))
    cells = [f"{folder.name} 01", find_model(base, "segment").card.name, f"{frames}"]
    for threshold in (0.5, 0.75):
        cells += [f"{score.precision[threshold]:.3f}" for score in (before, after)]
    return f"| {' | '.join(cells)} | {len(taught.history)} | {used:.0f} |"


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
    parser.add_argument("--base", help="name or file of another base, for all sequences")
    parser.add_argument("--only", nargs="*", default=[DIC, PSC, HELA], metavar="DATA SET")
    parser.add_argument("--every", type=int, default=1, help="score every so manieth frame")
    parser.add_argument("--core-seconds", type=float, default=CORE_SECONDS)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    seconds, every = (60.0, 10) if given.quick else (given.core_seconds, given.every)
    print(HEAD)
    for name in given.only:
        base = given.base or str(given.weights / f"{name_of(ZERO_SHOT[name])}.safetensors")
        print(row(given.data / "ctc" / name, base, seconds, every), flush=True)


if __name__ == "__main__":
    main()
