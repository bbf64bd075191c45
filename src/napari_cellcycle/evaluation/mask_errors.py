"""Which masks are right, false or missing, one row an error, to look at and to mend."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.evaluation.overlap import Overlap, matched_pairs, overlap_of

KINDS = ("missed cell", "merged cells", "split cell", "wrong outline", "false cell")
RIGHT, FALSE, MISSED = 1, 2, 3
"""What the pixels of a picture of agreement mean; 0 is background, or not known."""
_TOUCHES = 0.1
"""Least Jaccard index at which an outline is wrong rather than a cell missed."""


@dataclass(frozen=True)
class Verdict:
    """What each mask and each cell of the truth of one image counts as, by their labels.

    `right` masks and the `found` cells they are matched with (in the same order), `false` masks
    and `missed` cells.
    """

    right: np.ndarray
    found: np.ndarray
    false: np.ndarray
    missed: np.ndarray

    def codes(self, masks: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Picture of the agreement, uint8: `RIGHT`, else `FALSE`, else `MISSED`, else 0."""
        codes = np.zeros(masks.shape, np.uint8)
        codes[np.isin(truth, self.missed)] = MISSED
        codes[np.isin(masks, self.false)] = FALSE
        codes[np.isin(masks, self.right)] = RIGHT
        return codes


def judge(overlap: Overlap, iou: float = 0.5, *, markers: bool = False) -> Verdict:
    """Match masks and cells one to one, at a Jaccard index of at least `iou`.

    With `markers`, the truth does not show outlines, and a mask is right if it covers more than
    half of one marker, and of no other.
    """
    if markers:
        covered = np.bincount(overlap.pair_mask[overlap.covering], minlength=len(overlap.masks))
        pairs = np.flatnonzero(overlap.covering & (covered[overlap.pair_mask] == 1))
    else:
        pairs = matched_pairs(overlap, iou)
    mask, cell = overlap.pair_mask[pairs], overlap.pair_cell[pairs]
    return Verdict(
        overlap.mask_labels[mask],
        overlap.cell_labels[cell],
        np.delete(overlap.mask_labels, mask),
        np.delete(overlap.cell_labels, cell),
    )


def matched_masks(masks: np.ndarray, truth: np.ndarray, iou: float = 0.5) -> np.ndarray:
    """Picture of where masks agree with the truth: see `Verdict.codes`."""
    return judge(overlap_of(masks, truth), iou).codes(masks, truth)


def mask_errors(
    frame: int,
    masks: np.ndarray,
    truth: np.ndarray,
    overlap: Overlap,
    verdict: Verdict,
) -> pd.DataFrame:
    """Table of the errors of one image.

    Columns: `kind` (of `KINDS`), `frame`, `cell` (a label), `of` (whose: "result" or "truth"),
    position `[z,] y, x` in pixels, `iou` with the best partner, and `sentence`. A mask that
    explains why a cell is missed (it holds two, is a part, or its outline is wrong) is in the row
    of that cell and has none of its own.
    """
    missed = np.isin(overlap.cell_labels, verdict.missed)
    false = np.isin(overlap.mask_labels, verdict.false)
    best, iou = _best(overlap)
    kind, explained = _kinds(overlap, missed, false, best, iou)
    cells = np.flatnonzero(missed)
    labels = overlap.cell_labels[cells]
    rows = _rows(frame, kind[cells], labels, "truth", _centres(truth, labels), iou[cells])
    partner = overlap.mask_labels[best[cells]] if len(overlap.masks) else 0 * labels
    rows["sentence"] = _sentences(kind[cells], labels, partner)
    extra = np.flatnonzero(false & ~explained)
    labels = overlap.mask_labels[extra]
    most = np.zeros(len(overlap.masks))
    np.maximum.at(most, overlap.pair_mask, overlap.jaccard)
    kinds = np.full(len(extra), "false cell")
    false_rows = _rows(frame, kinds, labels, "result", _centres(masks, labels), most[extra])
    false_rows["sentence"] = _sentences(kinds, labels, labels)
    some = [table for table in (rows, false_rows) if len(table)] or [rows]
    return pd.concat(some, ignore_index=True)


def _sentences(kind: np.ndarray, labels: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """What is wrong with cells (or false masks) of these labels, and which mask is to blame."""
    cell = "Cell " + pd.Series(labels, dtype=str) + " of the truth"
    mask = "mask " + pd.Series(partner, dtype=str)
    said = {
        "missed cell": cell + " has no mask.",
        "merged cells": cell + " lies in " + mask + ", which holds another cell too.",
        "split cell": cell + " is cut into several masks, such as " + mask + ".",
        "wrong outline": cell + " and " + mask + " share too little.",
        "false cell": "M" + mask.str[1:] + " is none of the truth's cells, or too little of one.",
    }
    return np.select([kind == name for name in said], [s.to_numpy(str) for s in said.values()], "")


def _best(overlap: Overlap) -> tuple[np.ndarray, np.ndarray]:
    """Row of the mask that agrees best with each cell (-1: none touches it), and how well."""
    jaccard = overlap.jaccard
    order = np.lexsort((-jaccard, overlap.pair_cell))
    cell, first = np.unique(overlap.pair_cell[order], return_index=True)
    best, iou = np.full(len(overlap.cells), -1), np.zeros(len(overlap.cells))
    best[cell] = overlap.pair_mask[order[first]]
    iou[cell] = jaccard[order[first]]
    return best, iou


def _kinds(
    overlap: Overlap, missed: np.ndarray, false: np.ndarray, best: np.ndarray, iou: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Kind of error of each cell, and the masks that such errors explain."""
    covering = overlap.covering
    held = np.bincount(overlap.pair_mask[covering], minlength=len(overlap.masks))
    inside = 2 * overlap.shared > overlap.masks[overlap.pair_mask]
    pieces = np.bincount(overlap.pair_cell[inside], minlength=len(overlap.cells))
    touched = best >= 0
    row = np.maximum(best, 0)
    covered = np.zeros(len(overlap.cells), bool)
    covered[overlap.pair_cell[covering & (held[overlap.pair_mask] > 1)]] = True
    near = np.zeros(len(overlap.cells), bool)
    if len(overlap.masks):
        near = touched & false[row] & (iou >= _TOUCHES)
    kind = np.select(
        [covered, pieces > 1, near],
        ["merged cells", "split cell", "wrong outline"],
        "missed cell",
    )
    told = missed & (kind != "missed cell")
    explained = np.zeros(len(overlap.masks), bool)
    explained[best[told & touched]] = True
    parts = inside & told[overlap.pair_cell] & (kind[overlap.pair_cell] == "split cell")
    explained[overlap.pair_mask[parts]] = True
    wide = covering & told[overlap.pair_cell] & (kind[overlap.pair_cell] == "merged cells")
    explained[overlap.pair_mask[wide]] = True
    return kind, explained


def _rows(
    frame: int,
    kind: np.ndarray,
    labels: np.ndarray,
    of: str,
    place: np.ndarray,
    iou: np.ndarray,
) -> pd.DataFrame:
    axes = ("z", "y", "x")[-place.shape[1] :]
    where = dict(zip(axes, place.T, strict=True))
    cell = labels.astype(np.int64)
    facts = {"kind": kind, "frame": frame, "cell": cell, "of": of, **where, "iou": iou}
    return pd.DataFrame(facts, index=np.arange(len(labels)))


def _centres(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Mean position of the pixels of each label, in pixels (n, axes)."""
    from scipy.ndimage import center_of_mass

    if not len(wanted):
        return np.zeros((0, labels.ndim))
    return np.array(center_of_mass(np.ones(labels.shape, bool), labels, wanted))
