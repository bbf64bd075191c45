"""How well masks agree with the truth: all usual scores of an image, and of many pooled."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from napari_cellcycle.evaluation.overlap import Overlap, matched_pairs, overlap_of
from napari_cellcycle.evaluation.sequence_truth import FrameTruth, open_sequence_truth

THRESHOLDS = (0.5, 0.75, 0.9)
"""Least Jaccard index of a match at which average precision is told."""
STEPS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Least Jaccard index of a match at which F1 is told."""
MISSED, FALSE, SPLIT = 10.0, 1.0, 5.0
"""Cost of a missed cell, a false one, and of splitting a mask that holds two (AOGM-D)."""


@dataclass(frozen=True)
class ImageScore:
    """What one image, or several pooled, add to each score.

    SEG: `overlap` is the sum of the Jaccard indices of `segmented` reference cells (0 where no
    mask covers more than half of the cell). DET: numbers of reference `markers`, and of `missed`,
    `false` and `merged` ones (a mask over k markers counts k - 1). Instances, where all cells have
    reference masks: `masks` found of `cells`, of which `matched` at each of `STEPS`; `pairs` that
    agree by more than one half, and the sum of their Jaccard indices, `agreement`; pixels `shared`
    and in the `union` of AJI. Counts: images `counted`, and the sum over them of the difference
    between cells found and true, as a size (`miscounted`) and with its sign (`surplus`).
    """

    segmented: int = 0
    overlap: float = 0.0
    markers: int = 0
    missed: int = 0
    false: int = 0
    merged: int = 0
    masks: int = 0
    matched: tuple[int, ...] = (0,) * len(STEPS)
    cells: int = 0
    pairs: int = 0
    agreement: float = 0.0
    shared: int = 0
    union: int = 0
    counted: int = 0
    miscounted: int = 0
    surplus: int = 0

    def __add__(self, other: "ImageScore") -> "ImageScore":
        names = [field.name for field in fields(self) if field.name != "matched"]
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        both = zip(self.matched, other.matched, strict=True)
        return ImageScore(**sums, matched=tuple(a + b for a, b in both))

    @property
    def seg(self) -> float | None:
        """SEG: mean Jaccard index of the reference cells (Maska et al. 2014); None without any."""
        return self.overlap / self.segmented if self.segmented else None

    @property
    def det(self) -> float | None:
        """DET: 1 - AOGM-D / that of an empty result (Matula et al. 2015); None without markers."""
        if not self.markers:
            return None
        cost = MISSED * self.missed + FALSE * self.false + SPLIT * self.merged
        return 1 - min(cost, MISSED * self.markers) / (MISSED * self.markers)

    @property
    def precision(self) -> dict[float, float]:
        """AP at each of `THRESHOLDS`: matched / (matched + missed + false), as Cellpose reports."""
        found = dict(zip(STEPS, self.matched, strict=True))
        return {t: found[t] / max(1, self.cells + self.masks - found[t]) for t in THRESHOLDS}

    @property
    def f1(self) -> dict[float, float]:
        """F1 at each of `STEPS`: matched / mean of cells and masks."""
        both = max(1, self.cells + self.masks)
        return {t: 2 * n / both for t, n in zip(STEPS, self.matched, strict=True)}

    @property
    def sq(self) -> float | None:
        """Segmentation quality: mean Jaccard index of the pairs; None without any."""
        return self.agreement / self.pairs if self.pairs else None

    @property
    def rq(self) -> float | None:
        """Recognition quality: F1 of pairs that agree by more than half; None without cells."""
        both = self.cells + self.masks
        return 2 * self.pairs / both if both else None

    @property
    def pq(self) -> float | None:
        """Panoptic quality, SQ times RQ (Kirillov et al. 2019); None without cells and masks."""
        both = self.cells + self.masks
        return 2 * self.agreement / both if both else None

    @property
    def aji(self) -> float | None:
        """Aggregated Jaccard index (Kumar et al. 2017); None without cells and masks."""
        return self.shared / self.union if self.union else None

    @property
    def count_error(self) -> float | None:
        """Mean over images of how many cells too many or too few; None where none are counted."""
        return self.miscounted / self.counted if self.counted else None

    def table(self) -> dict[str, float | int | None]:
        """All scores by their usual names; None where the truth does not tell."""
        known = self.cells + self.masks > 0
        return {
            "SEG": self.seg,
            "DET": self.det,
            **{f"AP@{t:g}": ap if known else None for t, ap in self.precision.items()},
            **{f"F1@{t:g}": f1 if known else None for t, f1 in self.f1.items()},
            "PQ": self.pq,
            "SQ": self.sq,
            "RQ": self.rq,
            "AJI": self.aji,
            "count error": self.count_error,
            "surplus": self.surplus if self.counted else None,
            "cells": self.markers or self.cells,
            "missed": self.missed,
            "false": self.false,
            "merged": self.merged,
        }


def score_masks(masks: np.ndarray, truth: np.ndarray, border_px: int = 0) -> ImageScore:
    """Score masks against full reference masks, both int ([Z,] Y, X): all scores at once.

    Where `truth` is -1 it is not known what is there; see `overlap_of`.
    """
    overlap = overlap_of(masks, truth, border_px)
    return _seg(overlap) + _det(overlap) + _instances(overlap)


def score_markers(masks: np.ndarray, markers: np.ndarray, border_px: int = 0) -> ImageScore:
    """Score masks against markers that show where cells are but not their outlines: DET, counts."""
    return _det(overlap_of(masks, markers, border_px))


def score_cells(masks: np.ndarray, truth: np.ndarray) -> ImageScore:
    """Score masks against reference masks of some of the cells: SEG only."""
    return _seg(overlap_of(masks, truth))


def score_sequence(
    frames: Iterable[tuple[int, np.ndarray]], truth: str | Path, border_px: int = 0
) -> ImageScore:
    """Pool the scores of frames (number, masks) of a sequence with truth folder `.../01_GT`.

    SEG uses `SEG/man_seg*.tif` (also single planes, `man_seg_T_Z.tif`) where a frame has it, DET
    uses `TRA/man_track*.tif`. Cells wholly within `border_px` of the frame's edge are left out,
    as the challenge does for its field of interest (25 for Fluo-N2DL-HeLa, 50 for DIC-C2DH-HeLa).
    """
    known = open_sequence_truth(truth)
    scores = (score_frame(masks, known.frame(number), border_px) for number, masks in frames)
    return sum(scores, ImageScore())


def score_frame(masks: np.ndarray, truth: FrameTruth, border_px: int = 0) -> ImageScore:
    """Score one frame of a sequence.

    SEG of the cells that are drawn, without a border; DET and counts of the markers (or of the
    outlines, where there are none); all else only if the outlines of all cells are drawn.
    """
    total = ImageScore()
    for drawn, plane in truth.outlines:
        total += score_cells(masks if plane is None else masks[plane], drawn)
    if truth.markers is not None:
        total += score_markers(masks, truth.markers, border_px)
    whole = truth.whole
    if whole is not None:
        overlap = overlap_of(masks, whole, border_px)
        total += _instances(overlap)
        total += _det(overlap) if truth.markers is None else ImageScore()
    return total


def _seg(overlap: Overlap) -> ImageScore:
    """SEG: the Jaccard index of each cell with the mask that covers it by half."""
    agreement = float(overlap.jaccard[overlap.covering].sum())
    return ImageScore(segmented=len(overlap.cells), overlap=agreement)


def _det(overlap: Overlap) -> ImageScore:
    """DET: markers, missed ones, masks over no marker, and markers merged into one mask."""
    covering = overlap.covering
    held = np.bincount(overlap.pair_mask[covering], minlength=len(overlap.masks))
    surplus = len(overlap.masks) - len(overlap.cells)
    return ImageScore(
        markers=len(overlap.cells),
        missed=len(overlap.cells) - int(covering.sum()),
        false=int((held == 0).sum()),
        merged=int(np.clip(held - 1, 0, None).sum()),
        counted=1,
        miscounted=abs(surplus),
        surplus=surplus,
    )


def _instances(overlap: Overlap) -> ImageScore:
    """What average precision, F1, PQ and AJI are made of."""
    jaccard = overlap.jaccard
    agreeing = jaccard > 0.5
    shared, union = _aggregated(overlap, jaccard)
    return ImageScore(
        masks=len(overlap.masks),
        cells=len(overlap.cells),
        matched=tuple(len(matched_pairs(overlap, step)) for step in STEPS),
        pairs=int(agreeing.sum()),
        agreement=float(jaccard[agreeing].sum()),
        shared=shared,
        union=union,
    )


def _aggregated(overlap: Overlap, jaccard: np.ndarray) -> tuple[int, int]:
    """Pixels shared and in the union of AJI: each cell with its best mask, then masks left over.

    A mask may be the best of several cells, as its authors have it.
    """
    order = np.lexsort((-jaccard, overlap.pair_cell))
    cell, first = np.unique(overlap.pair_cell[order], return_index=True)
    best = order[first]
    untouched = np.delete(overlap.cells, cell)
    unused = np.delete(overlap.masks, np.unique(overlap.pair_mask[best]))
    union = overlap.union[best].sum() + untouched.sum() + unused.sum()
    return int(overlap.shared[best].sum()), int(union)
