"""Score models on prepared CELLULAR data, split by split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.cellular import SplitImages, evaluate_split, read_evaluation
from napari_cellcycle.io.cellular_settings import ALL, SPLITS
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.segmenter import open_segmenter
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.segment.pairs import find_pairs, read_pairs
from napari_cellcycle.training.segment.sources import one_channel

ORDER = ("test", "valid", "train")
"""In which splits are scored."""


@dataclass(frozen=True)
class Scored:
    """How a model did on one split: what `evaluate_split` returns."""

    model: str
    split: str
    scores: dict[str, Any]


def comparison(scored: Sequence[Scored]) -> pd.DataFrame:
    """One row a model and split: measures of the pixels of cells, then all scores of cells."""
    return pd.DataFrame(
        [
            {
                "model": one.model,
                "split": one.split,
                "images": one.scores["images"],
                **{f"pixel {name}": value for name, value in one.scores["cell"].items()},
                **one.scores["instances"],
            }
            for one in scored
        ]
    )


def score_model(
    prepared: str | Path,
    out: str | Path,
    model: str,
    *,
    subset: str = ALL,
    channel: str = "grey",
    diameter_px: float | None = None,
    device: str = "auto",
    model_folder: Path | None = None,
    about: Mapping[str, Any] | None = None,
    again: bool = False,
    notify: Callable[[str], None] = lambda _note: None,
    progress: Progress = silent,
) -> list[Scored]:
    """Score a model on all splits of data that `prepare_cellular` made; see `evaluate_split`.

    `out`/SPLIT is replaced, unless it holds scores of the same model, data and settings, which
    `about` tells, and `again` is not set.

    Raises `BadInput` if `prepared` holds no such set, `MissingModel` if there is no such model.
    """
    folder = Path(prepared).expanduser() / subset
    if not any((folder / split).is_dir() for split in SPLITS):
        raise BadInput(
            f"{folder} has no folder train, valid or test; give the folder that 'cellular prepare' "
            "made, and a set in it."
        )
    segmenter = None
    scored = []
    told = {"diameter": diameter_px, "channel": channel, "set": subset, **(about or {})}
    for split in (name for name in ORDER if (folder / name).is_dir()):
        place = Path(out).expanduser() / split
        found = read_evaluation(place, split)
        if not again and about is not None and found and found.get("about") == told:
            notify(f"{place} is scored already")
        else:
            if segmenter is None:
                chosen = SegmentSettings(model=model)
                segmenter = open_segmenter(chosen, choose_device(device), model_folder)
            images = _images(folder, split, channel)
            found = evaluate_split(
                segmenter, images, place, diameter_px=diameter_px, about=told, progress=progress
            )
        scored.append(Scored(Path(out).name, split, found))
    return scored


def _images(folder: Path, split: str, channel: str) -> SplitImages:
    pairs = find_pairs(folder / split)

    def read(row: int) -> Annotated:
        image = read_pairs([pairs[row]], split)[0]
        return replace(image, image=one_channel(image, channel))

    table = folder.parent / "cells.csv"
    classes = pd.read_csv(table) if folder.name == ALL and table.is_file() else None
    return SplitImages(split, tuple(image.stem for image, _ in pairs), read, classes)
