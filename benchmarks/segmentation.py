"""Segment the second halves of recordings with several segmenters and score them side by side.

    python benchmarks/segmentation.py [--data FOLDER] [--weights FOLDER] [--train] [--also NAME ...]

Prints a Markdown table for HeLa 01, DIC 01 and PSC 01 of the Cell Tracking Challenge, frames from
the middle on, cells wholly in the rim left out, as the challenge does: SEG and DET against its
gold truth, average precision against the silver truth. No row has learned from these frames.
"zero-shot" has not seen the data set at all, "first half" the other frames; both are read from
--weights, or trained into it with --train (about two hours on two cores). The shipped weights
have seen all frames and are left out. --also takes any other name that `--model` of the command
line takes, such as cyto3. The cell size is found by each segmenter itself, as in an ordinary
run; its seconds are part of the seconds per frame.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.evaluation.segmentation import ImageScore, score_masks, score_sequence
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.pipeline.segment import segment
from napari_cellcycle.training.segment.examples import RIM_PX
from napari_cellcycle.training.segment.weights import (
    DIC,
    HALVES,
    HELA,
    PSC,
    Part,
    name_of,
    train_nuclei,
)

if TYPE_CHECKING:
    import torch

PIXELS = {HELA: 0.645, DIC: 0.19, PSC: 1.6}
ZERO_SHOT: dict[str, Part] = {HELA: "without-hela", DIC: "without-dic", PSC: "without-psc"}
HEAD = (
    "| sequence | segmenter | SEG | DET | missed | false | merged | AP .5 | .75 | .9 | s/frame |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Sequence01:
    """The second half of a data set's first sequence, with its truth."""

    name: str
    folder: Path
    movie: Movie
    silver: LabelStack

    @classmethod
    def open(cls, data: Path, name: str) -> "Sequence01":
        """Read it from the folder `data`."""
        folder = data / "ctc" / name
        pixel = (PIXELS[name],) * 2
        whole = open_movie(folder / "01", pixel_size=pixel, frame_interval=600)
        start = HALVES[name].stop
        rest = Movie(whole.pixels[start:], pixel, whole.frame_interval, whole.channels)
        return cls(name, folder, rest, open_labels(folder / "01_ST" / "SEG"))

    def frames(self, labels: LabelStack | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Numbers of the frames with their masks; those of the silver truth without `labels`."""
        for number in range(HALVES[self.name].stop, len(self.silver)):
            shown = self.silver.frame(number) if labels is None else None
            yield number, (labels.frame(number - HALVES[self.name].stop) if labels else shown)

    def row(self, title: str, labels: LabelStack | None, seconds: float) -> str:
        """Scores of `labels`, or of the silver truth, as a line of the table."""
        rim = RIM_PX[self.name]
        gold = score_sequence(self.frames(labels), self.folder / "01_GT", rim)
        silver = ImageScore()
        for number, masks in self.frames(labels):
            silver += score_masks(masks, self.silver.frame(number), rim)
        precision = " | ".join(f"{value:.3f}" for value in silver.precision.values())
        return (
            f"| {self.name} | {title} | {'-' if gold.seg is None else f'{gold.seg:.3f}'} "
            f"| {gold.det or 0:.3f} | {gold.missed} | {gold.false} | {gold.merged} | {precision} "
            f"| {seconds:.2f} |"
        )


def measure(model: str, movie: Movie) -> tuple[LabelStack, float]:
    """Masks of all frames, and seconds a frame."""
    start = time.perf_counter()
    labels = segment(movie, SegmentSettings(model=model), progress=shown(Path(model).stem))
    return labels, (time.perf_counter() - start) / len(movie)


def shown(name: str) -> Callable[[int, int, str], None]:
    """A progress bar."""
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
    parser.add_argument("--only", nargs="*", default=[HELA, DIC, PSC], metavar="DATA SET")
    parser.add_argument("--device", default="cpu", help="where --train trains, such as cuda")
    given = parser.parse_args(arguments)
    if given.train:
        train(given.weights, given.data, given.only, choose_device(given.device))
    print(HEAD)
    for name in given.only:
        sequence = Sequence01.open(given.data, name)
        models = {"threshold + watershed": "threshold"}
        for title, part in (("zero-shot", ZERO_SHOT[name]), ("first half", "half")):
            models[title] = str(given.weights / f"{name_of(part)}.safetensors")
        for title, model in (models | {name: name for name in given.also}).items():
            try:
                print(sequence.row(title, *measure(model, sequence.movie)), flush=True)
            except MissingModel as error:
                print(f"{title}: {error} Add --train to train what is missing.")
        print(sequence.row("silver truth", None, 0.0), flush=True)


def train(folder: Path, data: Path, names: Sequence[str], device: "torch.device") -> None:
    """Train what is not in `folder` yet."""
    parts: list[Part] = ["half", *(ZERO_SHOT[name] for name in names)]
    missing = [part for part in parts if not (folder / f"{name_of(part)}.safetensors").is_file()]
    if missing:
        progress = shown("training")
        train_nuclei(
            folder,
            data=data,
            parts=missing,
            start_folder=folder,
            device=device,
            progress=progress,
        )


if __name__ == "__main__":
    main()
