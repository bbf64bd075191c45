"""Stages of all tracks over all frames as one matrix; knows no windows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.widgets.display import Display
from napari_cellcycle.widgets.life import UNKNOWN, stage_codes

NOBODY = -2
"""Code of a frame in which a track has no cell."""
SortBy = Literal["onset of mitosis", "birth"]


@dataclass(frozen=True)
class StageGrid:
    """One row a track, one column a frame.

    `tracks` (R,) are the ids, `codes` (R, T) int8 the stages as positions in `stages`, `UNKNOWN`
    for a cell without one, `NOBODY` where there is no cell; `chances` (R, T) float32 their
    probabilities (NaN where unknown). `places` (R, T) are rows of the vertices of the display,
    -1 where there is no cell. `births` and `onsets` (R,) are the first frame of each track and
    the one in which it enters mitosis (T if it does not).
    """

    tracks: np.ndarray
    codes: np.ndarray
    chances: np.ndarray
    places: np.ndarray
    births: np.ndarray
    onsets: np.ndarray
    stages: StageSet

    def sorted_by(self, by: SortBy) -> "StageGrid":
        """The same rows in another order; those that are equal in it stand by their birth."""
        first = self.onsets if by == "onset of mitosis" else self.births
        order = np.lexsort((self.tracks, self.births, first))
        return StageGrid(
            self.tracks[order],
            self.codes[order],
            self.chances[order],
            self.places[order],
            self.births[order],
            self.onsets[order],
            self.stages,
        )

    def row_of(self, track: int | None) -> int | None:
        """Row of a track, if it is there."""
        if track is None:
            return None
        found = np.flatnonzero(self.tracks == track)
        return int(found[0]) if len(found) else None


def stage_grid(display: Display, frames: int) -> StageGrid:
    """Arrange the stages of `display` over `frames` frames, tracks in the order of their ids."""
    track, frame = (display.vertices[:, axis].astype(np.int64) for axis in (0, 1))
    tracks, row = np.unique(track, return_inverse=True)
    shape = (len(tracks), frames)
    codes, chances = np.full(shape, NOBODY, np.int8), np.full(shape, np.nan, np.float32)
    places = np.full(shape, -1, np.int32)
    places[row, frame] = np.arange(len(track))
    features = display.features
    stage = UNKNOWN
    codes[row, frame] = (
        stage_codes(features["stage"], display.stages) if "stage" in features else stage
    )
    if "probability" in features:
        chances[row, frame] = features["probability"].to_numpy(np.float32)
    births = np.full(len(tracks), frames)
    np.minimum.at(births, row, frame)
    daughters = np.isin(tracks, list(display.graph))
    onsets = _onsets(codes, births, daughters, display.stages)
    return StageGrid(tracks, codes, chances, places, births, onsets, display.stages)


def resting(stages: StageSet) -> frozenset[str]:
    """Stages outside mitosis: the first of the set, and those that nothing follows."""
    followed = {before for before, _ in stages.successions} | stages.last
    return frozenset({stages.names[0]} | (set(stages.names) - followed))


def _onsets(
    codes: np.ndarray, births: np.ndarray, daughters: np.ndarray, stages: StageSet
) -> np.ndarray:
    """First frame (R,) of mitosis in each row; that in which a daughter is born does not count.

    A track that begins in a stage that daughters begin with counts as born, with or without
    its mother.
    """
    rows, frames = codes.shape
    rest = resting(stages)
    mitotic = np.array([name not in rest for name in stages.names])
    newborn = np.array([name in stages.first for name in stages.names])
    known = codes >= 0
    divides = known & mitotic[np.maximum(codes, 0)]
    before = np.zeros_like(divides)
    before[:, 1:] = divides[:, :-1]
    enters = divides & ~before
    first = np.minimum(births, max(frames - 1, 0))
    at = codes[np.arange(rows), first] if rows else np.zeros(0, np.int8)
    just_born = (at >= 0) & (newborn[np.maximum(at, 0)] | daughters)
    enters[np.arange(rows)[just_born], first[just_born]] = False
    return np.where(enters.any(axis=1), enters.argmax(axis=1), frames)
