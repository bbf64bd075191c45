"""Which mask of a result finds which cell of the truth, as the challenge decides it."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.shape import compact
from napari_cellcycle.progress import Progress, silent, track_progress

_DENSE = 4_000_000
"""Up to this many pairs of a cell and a mask, counting beats sorting."""


@dataclass(frozen=True)
class Matching:
    """Rows of the result's cells that find the cells of the truth.

    `found` (n_truth,) is the row of the result's cell whose mask covers more than half of each
    cell of the truth, -1 where there is none; `held` (n_result,) says how many cells of the
    truth the mask of each cell of the result covers so.
    """

    found: np.ndarray
    held: np.ndarray

    @property
    def alone(self) -> np.ndarray:
        """As `found`, but -1 also where the mask holds other cells too."""
        row = np.maximum(self.found, 0)
        single = self.held[row] == 1 if len(self.held) else np.zeros(len(row), bool)
        return np.where((self.found >= 0) & single, self.found, -1)

    @property
    def truth_of(self) -> np.ndarray:
        """Row of the one true cell that each cell of the result finds; -1 for none or several."""
        rows = np.full(len(self.held), -1)
        alone = self.alone
        known = np.flatnonzero(alone >= 0)
        rows[alone[known]] = known
        return rows


def match_cells(
    labels: LabelStack,
    tracks: Tracks,
    truth_labels: LabelStack,
    truth_tracks: Tracks,
    progress: Progress = silent,
) -> Matching:
    """Find the cells of the truth in a result, frame by frame.

    A cell is found by the mask that covers more than half of its own mask or marker (Matula et
    al. 2015), so one mask can find several cells. Masks that belong to no cell of `tracks` do
    not count.
    """
    found = np.full(len(truth_tracks), -1)
    own, true = _Rows(tracks), _Rows(truth_tracks)
    for time in track_progress(range(len(truth_labels)), len(truth_labels), progress, "Comparing"):
        cell, mask = _covered(truth_labels.frame(time), labels.frame(time))
        row, finder = true.find(time, cell), own.find(time, mask)
        known = (row >= 0) & (finder >= 0)
        found[row[known]] = finder[known]
    return Matching(found, np.bincount(found[found >= 0], minlength=len(tracks)))


class _Rows:
    """Finds the row of a cell by its frame and label."""

    def __init__(self, tracks: Tracks) -> None:
        frame, label = (tracks.cells[name].to_numpy(np.int64) for name in ("frame", "label"))
        self._order = np.lexsort((label, frame))
        self._frame, self._label = frame[self._order], label[self._order]

    def find(self, time: int, labels: np.ndarray) -> np.ndarray:
        """Rows of `labels` in frame `time`; -1 for a label that is no cell there."""
        first, last = np.searchsorted(self._frame, (time, time + 1))
        here = self._label[first:last]
        if not len(here):
            return np.full(len(labels), -1)
        place = np.minimum(np.searchsorted(here, labels), len(here) - 1)
        return np.where(here[place] == labels, self._order[first + place], -1)


def _covered(truth: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of true cells of which one mask covers more than half, and of those masks."""
    flat = truth.ravel()
    inside = np.flatnonzero(flat)
    cells, cell = compact(flat[inside])
    values, value = compact(masks.ravel()[inside])
    code = cell * len(values) + value
    if len(cells) * len(values) <= _DENSE:
        counts = np.bincount(code)
        pairs = np.flatnonzero(counts)
        shared = counts[pairs]
    else:
        pairs, shared = np.unique(code, return_counts=True)
    size = np.bincount(cell, minlength=len(cells))
    pair_cell, pair_value = np.divmod(pairs, max(len(values), 1))
    covers = (2 * shared > size[pair_cell]) & (values[pair_value] > 0)
    return cells[pair_cell[covers]], values[pair_value[covers]]
