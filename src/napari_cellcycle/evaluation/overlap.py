"""Which masks and reference cells share pixels, and which of them belong together."""

from dataclasses import dataclass

import numpy as np

_DENSE = 4_000_000
"""Up to this many labels, or pairs of them, counting beats sorting."""


@dataclass(frozen=True)
class Overlap:
    """Shared pixels of each pair (mask, cell) that touches, and the sizes of all of them.

    `masks` and `cells` are sizes in pixels, `mask_labels` and `cell_labels` what each is called in
    its image. `pair_mask` and `pair_cell` are rows of those, `shared` the pixels they share.
    Pixels where the truth is -1 count for nothing, and masks mostly in them are left out.
    """

    mask_labels: np.ndarray
    cell_labels: np.ndarray
    masks: np.ndarray
    cells: np.ndarray
    pair_mask: np.ndarray
    pair_cell: np.ndarray
    shared: np.ndarray

    @property
    def union(self) -> np.ndarray:
        """Pixels in either of each pair."""
        return np.asarray(self.masks[self.pair_mask] + self.cells[self.pair_cell] - self.shared)

    @property
    def jaccard(self) -> np.ndarray:
        """Shared pixels of each pair by those in either: 1 is perfect."""
        return np.asarray(self.shared / self.union)

    @property
    def covering(self) -> np.ndarray:
        """Pairs whose mask covers more than half of the cell: at most one for each cell."""
        return np.asarray(2 * self.shared > self.cells[self.pair_cell])


def overlap_of(masks: np.ndarray, truth: np.ndarray, border_px: int = 0) -> Overlap:
    """Count the pixels that masks and reference cells share, both int ([Z,] Y, X).

    Labels wholly within `border_px` of the edge are left out. Where `truth` is -1 it is not known
    what is there: these pixels do not count, and masks of which they hold more than half are left
    out.
    """
    unknown = truth < 0
    left_out = _mostly(masks, unknown) if unknown.any() else None
    mask, mask_labels = _numbered(masks, border_px, left_out)
    cell, cell_labels = _numbered(truth, border_px)
    if left_out is not None:
        mask = np.where(unknown, 0, mask)
    wide = len(mask_labels) + 1
    codes, shared = _counted(cell.ravel() * np.int64(wide) + mask.ravel(), wide, len(cell_labels))
    pair_cell, pair_mask = codes // wide, codes % wide
    both = (pair_cell > 0) & (pair_mask > 0)
    return Overlap(
        mask_labels,
        cell_labels,
        np.bincount(mask.ravel(), minlength=wide)[1:],
        np.bincount(cell.ravel(), minlength=len(cell_labels) + 1)[1:],
        pair_mask[both] - 1,
        pair_cell[both] - 1,
        shared[both],
    )


def matched_pairs(overlap: Overlap, threshold: float) -> np.ndarray:
    """Pairs, as rows of `overlap`, matched one to one with at least this Jaccard index.

    As many as can be, then those that agree best. Above one half each has only one partner.
    """
    from scipy.optimize import linear_sum_assignment

    jaccard = overlap.jaccard
    good = np.flatnonzero((jaccard >= threshold) & (overlap.shared > 0))
    mask, cell = overlap.pair_mask[good], overlap.pair_cell[good]
    single = (np.bincount(mask)[mask] == 1) & (np.bincount(cell)[cell] == 1)
    matched, contested = good[single], good[~single]
    if not len(contested):
        return matched
    rows, row = np.unique(overlap.pair_mask[contested], return_inverse=True)
    columns, column = np.unique(overlap.pair_cell[contested], return_inverse=True)
    number = np.full((len(rows), len(columns)), -1)
    number[row, column] = contested
    gain = np.zeros(number.shape)
    gain[row, column] = 1 + jaccard[contested] / (2 * min(number.shape))
    chosen = number[linear_sum_assignment(-gain)]
    return np.sort(np.concatenate([matched, chosen[chosen >= 0]]))


def _counted(codes: np.ndarray, wide: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes that occur, and how often."""
    if wide * (cells + 1) > _DENSE:
        return np.unique(codes, return_counts=True)
    counts = np.bincount(codes)
    found = np.flatnonzero(counts)
    return found, counts[found]


def _mostly(masks: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Labels of masks more than half of whose pixels are unknown."""
    labels, number = np.unique(masks, return_inverse=True)
    number = number.ravel()
    inside = np.bincount(number[unknown.ravel()], minlength=len(labels))
    return labels[2 * inside > np.bincount(number, minlength=len(labels))]


def _numbered(
    labels: np.ndarray, border_px: int, left_out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Number labels 1, 2, ... without those wholly within `border_px` of the edge or left out.

    Returns the numbers, shaped as `labels`, and the labels in their order.
    """
    inner = labels
    if border_px:
        middle = slice(border_px, -border_px)
        inner = labels[..., middle, middle]
    largest = int(labels.max(initial=0))
    if largest > _DENSE:
        kept = np.unique(inner[inner > 0])
        kept = kept if left_out is None else np.setdiff1d(kept, left_out)
        number = np.searchsorted(kept, labels) + 1
        return np.where(np.isin(labels, kept), number, 0), kept
    seen = np.zeros(largest + 1, bool)
    seen[np.maximum(inner, 0)] = True
    seen[0] = False
    if left_out is not None:
        seen[left_out[left_out > 0]] = False
    table = np.where(seen, np.cumsum(seen), 0)
    return table[np.maximum(labels, 0)], np.flatnonzero(seen)
