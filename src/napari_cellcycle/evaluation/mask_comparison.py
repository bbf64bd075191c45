"""Masks of many images beside the truth: scores of each and of all, and every error."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.data.annotated import UNKNOWN
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.mask_errors import (
    KINDS,
    Verdict,
    judge,
    mask_errors,
)
from napari_cellcycle.evaluation.mask_files import (
    MaskImages,
    frame_rows,
    open_masks,
    open_truth,
    paired,
)
from napari_cellcycle.evaluation.overlap import overlap_of
from napari_cellcycle.evaluation.segmentation import (
    ImageScore,
    score_frame,
    score_masks,
)
from napari_cellcycle.evaluation.sequence_truth import SequenceTruth
from napari_cellcycle.progress import Progress, silent, track_progress

POOLED, MEAN = "all, pooled", "mean of images"
LARGE = 0.5
"""Least size of markers, in median masks, at which they are taken for outlines."""


@dataclass(frozen=True)
class JudgedImage:
    """Scores of one image, and what its masks and cells count as.

    `row` is the frame, or the image of the result; `truth()` reads the reference masks that the
    verdict is about.
    """

    name: str
    row: int
    score: ImageScore
    verdict: Verdict
    truth: Callable[[], np.ndarray]


@dataclass(frozen=True)
class MaskComparison:
    """Scores of images, and their errors as rows; see `mask_errors` for their columns."""

    images: tuple[JudgedImage, ...]
    errors: pd.DataFrame

    @property
    def scores(self) -> ImageScore:
        """Of all images, pooled: each cell counts the same."""
        return sum((image.score for image in self.images), ImageScore())

    def counts(self) -> dict[str, int]:
        """Number of errors of each kind that occurs, in the order of `KINDS`."""
        counted = self.errors["kind"].value_counts()
        return {kind: int(counted[kind]) for kind in KINDS if kind in counted}

    def named_errors(self) -> pd.DataFrame:
        """The errors, with the name of their `image` in front."""
        names = {image.row: image.name for image in self.images}
        named = self.errors.copy()
        named.insert(0, "image", named["frame"].map(names))
        return named

    def table(self) -> pd.DataFrame:
        """One row an image, then all pooled and, of several, the mean of the images' scores."""
        rows = {image.name: image.score.table() for image in self.images}
        table = pd.DataFrame.from_dict(rows, orient="index").astype(float)
        ends = pd.DataFrame([self.scores.table()], index=[POOLED]).astype(float)
        parts = [table, ends]
        if len(table) > 1:
            parts.append(table.mean().to_frame(MEAN).T)
        return pd.concat(parts).rename_axis("image")


def compare_folders(
    result: str | Path,
    truth: str | Path,
    *,
    iou: float = 0.5,
    border_px: int = 0,
    progress: Progress = silent,
) -> MaskComparison:
    """Compare masks with the truth: folders of masks, sequences or experiments.

    Raises `BadInput` if there is nothing to compare; see also `compare_masks`.
    """
    masks, known = open_masks(result), open_truth(truth)
    return compare_masks(masks, known, iou=iou, border_px=border_px, progress=progress)


def compare_masks(
    masks: MaskImages,
    truth: MaskImages | SequenceTruth,
    *,
    iou: float = 0.5,
    border_px: int = 0,
    progress: Progress = silent,
) -> MaskComparison:
    """Compare masks with the truth, image by image.

    A mask is right if its Jaccard index with a cell is at least `iou`. Of a sequence, SEG and DET
    are the challenge's; all else is told of frames whose cells are all drawn, and the errors of
    the others by their markers. Markers as large as masks are taken for outlines where the truth
    has no others. Cells wholly within `border_px` of the edge are left out.

    Raises `BadInput` if images are missing or differ in shape.
    """
    if isinstance(truth, SequenceTruth):
        truth = _with_outlines(masks, truth)
        names = [f"t{frame:03d}" for frame in truth.frames]
        rows = frame_rows(masks, truth.frames)
        known = partial(_of_sequence, truth, iou=iou, border_px=border_px)
    else:
        names, rows = list(truth.names), paired(masks, truth.names)
        known = partial(_of_images, truth, iou=iou, border_px=border_px)
    images: list[JudgedImage] = []
    errors: list[pd.DataFrame] = []
    for place in track_progress(range(len(names)), len(names), progress, "Comparing"):
        image, found = known(place, names[place], rows[place], masks.read(rows[place]))
        images.append(image)
        errors.append(found)
    some = [table for table in errors if len(table)] or errors[:1]
    return MaskComparison(tuple(images), pd.concat(some, ignore_index=True))


def _of_images(
    truth: MaskImages,
    place: int,
    name: str,
    row: int,
    masks: np.ndarray,
    *,
    iou: float,
    border_px: int,
) -> tuple[JudgedImage, pd.DataFrame]:
    read = partial(truth.read, place)
    known = read()
    score = score_masks(masks, _checked(name, masks, known), border_px)
    return _judged(name, row, score, masks, read, iou, border_px)


def _of_sequence(
    truth: SequenceTruth,
    place: int,
    name: str,
    row: int,
    masks: np.ndarray,
    *,
    iou: float,
    border_px: int,
) -> tuple[JudgedImage, pd.DataFrame]:
    number = truth.frames[place]
    known = truth.frame(number)
    for drawn, plane in known.outlines:
        _checked(name, masks if plane is None else masks[plane], drawn)
    if known.markers is not None:
        _checked(name, masks, known.markers)
    score = score_frame(masks, known, border_px)
    whole = known.whole is not None
    read = partial(_reference, truth, number, masks.shape)
    return _judged(name, row, score, masks, read, iou, border_px, markers=not whole)


def _reference(truth: SequenceTruth, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """What a frame of a sequence is judged by: all outlines, else markers, else nothing."""
    known = truth.frame(number)
    if known.whole is not None:
        return known.whole
    return np.full(shape, UNKNOWN) if known.markers is None else known.markers


def _with_outlines(masks: MaskImages, truth: SequenceTruth) -> SequenceTruth:
    """The truth, its markers also as outlines if it has no others and they are large enough."""
    if truth.outlines:
        return truth
    number = truth.frames[len(truth.frames) // 2]
    row = frame_rows(masks, [number])[0]
    marked, found = truth.frame(number).markers, masks.read(row)
    assert marked is not None
    large = _size(marked) > LARGE * _size(found)
    return replace(truth, outlines=truth.markers) if large else truth


def _size(labels: np.ndarray) -> float:
    """Median number of pixels of a label."""
    sizes = np.bincount(labels.ravel())[1:]
    return float(np.median(sizes[sizes > 0])) if sizes.any() else 0.0


def _judged(
    name: str,
    row: int,
    score: ImageScore,
    masks: np.ndarray,
    read: Callable[[], np.ndarray],
    iou: float,
    border_px: int,
    *,
    markers: bool = False,
) -> tuple[JudgedImage, pd.DataFrame]:
    known = read()
    overlap = overlap_of(masks, known, border_px)
    verdict = judge(overlap, iou, markers=markers)
    errors = mask_errors(row, masks, known, overlap, verdict)
    return JudgedImage(name, row, score, verdict, read), errors


def _checked(name: str, masks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    if masks.shape != truth.shape:
        raise BadInput(
            f"The masks of {name} have shape {masks.shape}, but those of the truth have "
            f"{truth.shape}; choose masks and truth of the same image."
        )
    return truth
