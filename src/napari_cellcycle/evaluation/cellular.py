"""How well a model segments one split of a prepared CELLULAR data set: pictures and tables."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.annotated import Annotated
from napari_cellcycle.evaluation.label_colours import random_hues, ten_colours
from napari_cellcycle.evaluation.mask_errors import judge
from napari_cellcycle.evaluation.overlap import overlap_of
from napari_cellcycle.evaluation.pixels import MEASURES, PixelScore, mean_measures, score_pixels
from napari_cellcycle.evaluation.segmentation import ImageScore, score_masks
from napari_cellcycle.io.storage import replace_file, replaced_folder, writing_to
from napari_cellcycle.progress import Progress, silent, track_progress

if TYPE_CHECKING:
    from napari_cellcycle.models.segment.segmenter import Segmenter

_IN_PIXELS = (1.0, 1.0)
_OWN = r"(pred|agreement)_.*\.(tif|png)|[^_]*_(images\.csv|eval\.json)"
"""What `evaluate_split` writes."""


@dataclass(frozen=True)
class SplitImages:
    """Images of a split: `read(row)` gives one with its masks, its image as the model sees it.

    `classes` has the columns field, label and class of their cells, if known.
    """

    split: str
    names: tuple[str, ...]
    read: Callable[[int], Annotated]
    classes: pd.DataFrame | None = None


@dataclass(frozen=True)
class _Judged:
    """Scores of one image, the labels of its cells, and of those that were found."""

    pixels: PixelScore
    instances: ImageScore
    cells: np.ndarray
    found: np.ndarray


def evaluate_split(
    segmenter: "Segmenter",
    images: SplitImages,
    folder: Path,
    *,
    diameter_px: float | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Segment all images of a split, score them, and write all of it to `folder`.

    Of each image FIELD: `pred_FIELD.tif` (labels), `pred_visualized_FIELD.png` (ten colours),
    `pred_hues_FIELD.png` (random colours) and `agreement_FIELD.tif` (1 right, 2 false, 3 missed).
    `SPLIT_eval.json` is what is returned; `SPLIT_images.csv` has the scores of each image. The
    folder appears whole or not at all, in place of an earlier one; `CannotWrite` is raised if it
    holds anything else.

    Parameters
    ----------
    diameter_px
        Typical diameter of the cells; found from the first, middle and last image if not given.
    about
        What is kept with the scores, to know them again.

    Returns
    -------
    dict
        "background", "cell" and "average": precision, recall, F1 and Jaccard index of pixels,
        the mean of images. "instances": all scores of cells, pooled. "classes": cells and share
        found at a Jaccard index of .5. "diameter px", "images" and "about".
    """
    settings = SegmentSettings(diameter=diameter_px or _found_size(segmenter, images) or None)
    rows = range(len(images.names))
    judged: list[_Judged] = []
    with writing_to(folder), replaced_folder(folder, own=_OWN) as draft:
        for row in track_progress(rows, len(rows), progress, f"Scoring {images.split}"):
            image = images.read(row)
            masks = segmenter(image.image, _IN_PIXELS, settings)
            judged.append(_judge_and_draw(masks, image.masks, images.names[row], draft))
        summary = _summary(images, judged) | {
            "diameter px": settings.diameter,
            "images": len(judged),
            "about": dict(about or {}),
        }
        table = _table(images, judged)
        replace_file(draft / f"{images.split}_images.csv", table.to_csv(float_format="%.6g"))
        replace_file(draft / f"{images.split}_eval.json", json.dumps(summary, indent=2) + "\n")
    return summary


def read_evaluation(folder: Path, split: str) -> dict[str, Any] | None:
    """What `evaluate_split` has written there; None if there is nothing that can be read."""
    try:
        found = json.loads((folder / f"{split}_eval.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _found_size(segmenter: "Segmenter", images: SplitImages) -> float | None:
    rows = dict.fromkeys((0, len(images.names) // 2, len(images.names) - 1))
    shown = [images.read(row).image for row in rows]
    return segmenter.find_diameter(shown, _IN_PIXELS, SegmentSettings())


def _judge_and_draw(masks: np.ndarray, truth: np.ndarray, name: str, folder: Path) -> _Judged:
    import tifffile
    from skimage.io import imsave

    overlap = overlap_of(masks, truth)
    verdict = judge(overlap)
    for start, labels in (("pred", masks), ("agreement", verdict.codes(masks, truth))):
        tifffile.imwrite(folder / f"{start}_{name}.tif", labels, compression="zlib")
    colours = (
        ("pred_visualized", ten_colours(masks)),
        ("pred_hues", random_hues(masks, np.random.default_rng(0))),
    )
    for start, picture in colours:
        imsave(folder / f"{start}_{name}.png", picture, check_contrast=False)
    scores = score_pixels(masks, truth), score_masks(masks, truth)
    return _Judged(*scores, overlap.cell_labels, verdict.found)


def _summary(images: SplitImages, judged: list[_Judged]) -> dict[str, Any]:
    pooled = sum((one.instances for one in judged), ImageScore())
    return {
        **mean_measures([one.pixels for one in judged]),
        "instances": pooled.table(),
        "classes": _found_by_class(images, judged),
    }


def _found_by_class(images: SplitImages, judged: list[_Judged]) -> dict[str, dict[str, Any]]:
    """Number of cells of each class and the share of them that was found."""
    if images.classes is None:
        return {}
    parts = []
    for name, one in zip(images.names, judged, strict=True):
        cells = images.classes[images.classes["field"] == name]
        cells = cells[cells["label"].isin(one.cells)]
        parts.append(cells.assign(found=cells["label"].isin(one.found)))
    shares = pd.concat(parts).groupby("class")["found"].agg(["size", "mean"])
    return {
        str(kind): {"cells": int(size), "found": float(mean)}
        for kind, size, mean in shares.itertuples()
    }


def _table(images: SplitImages, judged: list[_Judged]) -> pd.DataFrame:
    """One row an image: scores of pixels and of cells; then the mean of pixels and pooled cells."""
    rows: dict[str, dict[str, Any]] = {}
    for name, one in zip(images.names, judged, strict=True):
        rows[name] = {**_flat(one.pixels.measures()), **one.instances.table()}
    pooled = sum((one.instances for one in judged), ImageScore())
    means = _flat(mean_measures([one.pixels for one in judged]))
    rows["all"] = {**means, **pooled.table()}
    return pd.DataFrame.from_dict(rows, orient="index").astype(float).rename_axis("image")


def _flat(measures: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    return {
        f"{group} {measure}": measures[group][measure] for group in measures for measure in MEASURES
    }
