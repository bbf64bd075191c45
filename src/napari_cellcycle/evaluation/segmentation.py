"""How well masks agree with the truth: SEG and DET of the challenge, average precision, counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

THRESHOLDS = (0.5, 0.75, 0.9)
MISSED, FALSE, SPLIT = 10.0, 1.0, 5.0
"""Cost of a missed cell, a false one, and of splitting a mask that holds two (AOGM-D)."""


@dataclass(frozen=True)
class ImageScore:
    """What one image, or several pooled, add to each score.

    SEG: `overlap` is the sum of the Jaccard indices of `segmented` reference cells (0 where no
    mask covers more than half of the cell). DET: numbers of reference `markers`, and of `missed`,
    `false` and `merged` ones (a mask over k markers counts k - 1). Precision: cells `matched` at
    each of `THRESHOLDS`, of `masks` found.
    """

    segmented: int = 0
    overlap: float = 0.0
    markers: int = 0
    missed: int = 0
    false: int = 0
    merged: int = 0
    masks: int = 0
    matched: tuple[int, ...] = (0,) * len(THRESHOLDS)

    def __add__(self, other: "ImageScore") -> "ImageScore":
        matched = tuple(a + b for a, b in zip(self.matched, other.matched, strict=True))
        return ImageScore(
            self.segmented + other.segmented,
            self.overlap + other.overlap,
            self.markers + other.markers,
            self.missed + other.missed,
            self.false + other.false,
            self.merged + other.merged,
            self.masks + other.masks,
            matched,
        )

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
        return {
            threshold: matched / max(1, self.segmented + self.masks - matched)
            for threshold, matched in zip(THRESHOLDS, self.matched, strict=True)
        }


def score_masks(masks: np.ndarray, truth: np.ndarray, border_px: int = 0) -> ImageScore:
    """Score masks against full reference masks, both int ([Z,] Y, X): all scores at once."""
    overlap = _overlap(masks, truth, border_px)
    segmented, total = _seg(overlap)
    detected = _det(overlap)
    matched = tuple(_matched(overlap, threshold) for threshold in THRESHOLDS)
    return ImageScore(segmented, total, *detected, len(overlap.masks), matched)


def score_markers(masks: np.ndarray, markers: np.ndarray, border_px: int = 0) -> ImageScore:
    """Score masks against markers that show where cells are but not their outlines: DET only."""
    count, missed, false, merged = _det(_overlap(masks, markers, border_px))
    return ImageScore(markers=count, missed=missed, false=false, merged=merged)


def score_cells(masks: np.ndarray, truth: np.ndarray) -> ImageScore:
    """Score masks against reference masks of some of the cells: SEG only."""
    segmented, total = _seg(_overlap(masks, truth, 0))
    return ImageScore(segmented=segmented, overlap=total)


def score_sequence(
    frames: Iterable[tuple[int, np.ndarray]], truth: str | Path, border_px: int = 0
) -> ImageScore:
    """Pool SEG and DET over frames (number, masks) of a sequence with truth folder `.../01_GT`.

    SEG uses `SEG/man_seg*.tif` (also single planes, `man_seg_T_Z.tif`) where a frame has it, DET
    uses `TRA/man_track*.tif`. Cells wholly within `border_px` of the frame's edge are left out,
    as the challenge does for its field of interest (25 for Fluo-N2DL-HeLa, 50 for DIC-C2DH-HeLa).
    """
    import tifffile

    folder = Path(truth)
    outlines = _by_frame(folder / "SEG", "man_seg")
    markers = _by_frame(folder / "TRA", "man_track")
    total = ImageScore()
    for number, masks in frames:
        for file, plane in outlines.get(number, []):
            shown = masks if plane is None else masks[plane]
            total += score_cells(shown, tifffile.imread(file))
        for file, _ in markers.get(number, []):
            total += score_markers(masks, tifffile.imread(file), border_px)
    return total


def _by_frame(folder: Path, prefix: str) -> dict[int, list[tuple[Path, int | None]]]:
    """Files of each frame, with the plane that they show (None: all)."""
    found: dict[int, list[tuple[Path, int | None]]] = {}
    for file in sorted(folder.glob(f"{prefix}*.tif")):
        parts = file.stem[len(prefix) :].strip("_").split("_")
        plane = int(parts[1]) if len(parts) > 1 else None
        found.setdefault(int(parts[0]), []).append((file, plane))
    return found


@dataclass(frozen=True)
class _Overlap:
    """Shared pixels of each pair (mask, cell) that touches, and the size of all of them."""

    masks: np.ndarray
    cells: np.ndarray
    pair_mask: np.ndarray
    pair_cell: np.ndarray
    shared: np.ndarray

    @property
    def jaccard(self) -> np.ndarray:
        union = self.masks[self.pair_mask] + self.cells[self.pair_cell] - self.shared
        return np.asarray(self.shared / union)


def _overlap(masks: np.ndarray, truth: np.ndarray, border_px: int) -> _Overlap:
    """Count shared pixels of masks and reference cells that reach the field of interest."""
    mask, mask_count = _numbered(masks, border_px)
    cell, cell_count = _numbered(truth, border_px)
    code = cell.ravel().astype(np.int64) * (mask_count + 1) + mask.ravel()
    codes, shared = np.unique(code, return_counts=True)
    pair_cell, pair_mask = codes // (mask_count + 1), codes % (mask_count + 1)
    both = (pair_cell > 0) & (pair_mask > 0)
    return _Overlap(
        np.bincount(mask.ravel(), minlength=mask_count + 1)[1:],
        np.bincount(cell.ravel(), minlength=cell_count + 1)[1:],
        pair_mask[both] - 1,
        pair_cell[both] - 1,
        shared[both],
    )


def _numbered(labels: np.ndarray, border_px: int) -> tuple[np.ndarray, int]:
    """Number labels 1, 2, ... leaving out those wholly within `border_px` of the edge."""
    inner = labels
    if border_px:
        middle = slice(border_px, -border_px)
        inner = labels[..., middle, middle]
    kept = np.unique(inner)
    kept = kept[kept > 0]
    number = np.searchsorted(kept, labels) + 1
    known = np.isin(labels, kept)
    return np.where(known, number, 0), len(kept)


def _seg(overlap: _Overlap) -> tuple[int, float]:
    """Count reference cells, and sum the Jaccard index of those that a mask covers by half."""
    covering = 2 * overlap.shared > overlap.cells[overlap.pair_cell]
    return len(overlap.cells), float(overlap.jaccard[covering].sum())


def _det(overlap: _Overlap) -> tuple[int, int, int, int]:
    """Count markers, missed ones, masks over no marker, and markers merged into one mask."""
    covering = 2 * overlap.shared > overlap.cells[overlap.pair_cell]
    held = np.bincount(overlap.pair_mask[covering], minlength=len(overlap.masks))
    missed = len(overlap.cells) - int(covering.sum())
    return (
        len(overlap.cells),
        missed,
        int((held == 0).sum()),
        int(np.clip(held - 1, 0, None).sum()),
    )


def _matched(overlap: _Overlap, threshold: float) -> int:
    """Count one-to-one matches with at least this Jaccard index (most of them, then best)."""
    from scipy.optimize import linear_sum_assignment

    if not len(overlap.shared):
        return 0
    jaccard = np.zeros((len(overlap.masks), len(overlap.cells)))
    jaccard[overlap.pair_mask, overlap.pair_cell] = overlap.jaccard
    enough = jaccard >= threshold
    rows, columns = linear_sum_assignment(-(enough + jaccard / (2 * min(jaccard.shape))))
    return int(enough[rows, columns].sum())


def table(named: Sequence[tuple[str, ImageScore, float]]) -> str:
    """Markdown table of (name, pooled score, seconds a frame)."""
    head = "| segmenter | SEG | DET | missed | false | merged | s/frame |\n" + "|---" * 7 + "|"

    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    rows = [
        f"| {name} | {shown(score.seg)} | {shown(score.det)} | {score.missed} | {score.false} "
        f"| {score.merged} | {seconds:.2f} |"
        for name, score, seconds in named
    ]
    return "\n".join([head, *rows])
