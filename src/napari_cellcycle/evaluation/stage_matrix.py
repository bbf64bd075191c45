"""Stages of all cells as a matrix of cells and frames, in the order in which mitosis begins."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.duration_table import mitotic_stages


@dataclass(frozen=True)
class StageMatrix:
    """Stage codes of tracks over time.

    `tracks` (n,) are their numbers; `told` (n, T) int8 the code of each in each frame, -1 where
    it is not seen or has no stage; `true` likewise, or `None` without a truth; `onset` (n,) the
    first frame of mitosis, T for a track without.
    """

    tracks: np.ndarray
    told: np.ndarray
    true: np.ndarray | None
    onset: np.ndarray

    def rows(self, chosen: np.ndarray) -> "StageMatrix":
        """Only some rows, by position or mask."""
        true = None if self.true is None else self.true[chosen]
        return StageMatrix(self.tracks[chosen], self.told[chosen], true, self.onset[chosen])


def stage_matrix(
    tracks: Tracks, stages: StageSet, frames: int, true: pd.Series | None = None
) -> StageMatrix:
    """Lay out the stages of all tracks, sorted by onset of mitosis.

    Onset is that of the truth where there is one. Tracks without mitosis come last; ties in the
    order of first sight, then of track. `true` holds the true stage by cell id, "" if unknown.

    Raises
    ------
    BadInput
        The cells have no stages.
    """
    if "stage" not in tracks.cells:
        raise BadInput("The cells have no stages yet: classify them first.")
    number, row = np.unique(tracks.track_id.to_numpy(), return_inverse=True)
    frame = tracks.cells["frame"].to_numpy()
    code = {name: k for k, name in enumerate(stages.names)}

    def laid_out(names: pd.Series) -> np.ndarray:
        matrix = np.full((len(number), frames), -1, np.int8)
        matrix[row, frame] = names.astype(str).map(code).fillna(-1).to_numpy(np.int8)
        return matrix

    told = laid_out(tracks.cells["stage"])
    truth = None if true is None else laid_out(true.reindex(tracks.cells.index).fillna(""))
    mitotic = [code[name] for name in mitotic_stages(stages)]
    divides = np.isin(told if truth is None else truth, mitotic)
    onset = np.where(divides.any(axis=1), divides.argmax(axis=1), frames)
    first = np.full(len(number), frames)
    np.minimum.at(first, row, frame)
    order = np.lexsort((number, first, onset))
    return StageMatrix(number, told, truth, onset).rows(order)
