"""The life of one cell, from its first ancestor to its last sight, as a filmstrip shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.widgets.display import Display

UNKNOWN = -1
"""Code of a cell without a stage."""


@dataclass(frozen=True)
class Life:
    """Sights of a cell in the order of time, those of its ancestors before its own.

    `track` is the chosen track, None for a cell that was followed from a click. For each sight
    there is the track it belongs to in `tracks` (n,), its frame in `frames` (n,) and its place in
    `centres_px` (n, ndim). `codes` (n,) are stages as positions in `stages`, `UNKNOWN` without
    one, and `chances` (n, S) their probabilities; None where they are not known.
    """

    track: int | None
    tracks: np.ndarray
    frames: np.ndarray
    centres_px: np.ndarray
    stages: StageSet
    codes: np.ndarray | None = None
    chances: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def own(self) -> np.ndarray:
        """Which sights, (n,) bool, are of the chosen cell itself."""
        return np.ones(len(self), bool) if self.track is None else self.tracks == self.track

    def at(self, frame: int) -> int | None:
        """Position of the sight in `frame`; None where the cell is not seen."""
        place = int(np.searchsorted(self.frames, frame))
        return place if place < len(self) and self.frames[place] == frame else None

    def near(self, frame: int) -> int:
        """Position of the sight in `frame`, or of the last one before it."""
        return max(0, int(np.searchsorted(self.frames, frame, "right")) - 1)

    def stage(self, place: int) -> str:
        """Name of the stage at a position; empty where it is not known."""
        known = self.codes is not None and self.codes[place] != UNKNOWN
        return self.stages.names[self.codes[place]] if known and self.codes is not None else ""

    def colour(self, place: int) -> str | None:
        """Colour (#rrggbb) of the stage at a position, if it is known."""
        return self.stages.colours.get(self.stage(place))


def life_of(display: Display, track: int, chosen: Mapping[int, int] | None = None) -> Life | None:
    """The life that goes through `track`: its ancestors, itself, and one daughter after another.

    `chosen` gives the daughter to go on with by mother; without it, the first. None if there
    is no such track.
    """
    ids = display.vertices[:, 0]
    if not (ids == track).any():
        return None
    path = [track]
    while mothers := display.graph.get(path[0]):
        path.insert(0, mothers[0])
    daughters: dict[int, list[int]] = {}
    for daughter, mothers in display.graph.items():
        daughters.setdefault(mothers[0], []).append(daughter)
    while born := daughters.get(path[-1]):
        next_one = (chosen or {}).get(path[-1])
        path.append(next_one if next_one in born else min(born))
    low, high = np.searchsorted(ids, path), np.searchsorted(ids, path, "right")
    rows = np.concatenate([np.arange(a, b) for a, b in zip(low, high, strict=True)])
    sights, features = display.vertices[rows], display.features.iloc[rows]
    return Life(
        track,
        sights[:, 0].astype(np.int64),
        sights[:, 1].astype(np.int64),
        sights[:, 2:],
        display.stages,
        *_stages(features, display.stages),
    )


def life_of_followed(tracks: Tracks, stages: StageSet) -> Life:
    """The life of a single cell that was followed from a click."""
    cells = tracks.cells.sort_values("frame")
    places = cells[tracks.axes].to_numpy(float)
    track = np.ones(len(cells), np.int64)
    frames = cells["frame"].to_numpy(np.int64)
    return Life(None, track, frames, places, stages, *_stages(cells, stages))


def stage_codes(names: pd.Series, stages: StageSet) -> np.ndarray:
    """Position in `stages` of each name, int8; `UNKNOWN` for others."""
    code = {name: place for place, name in enumerate(stages.names)}
    return np.array([code.get(name, UNKNOWN) for name in names.tolist()], np.int8)


def _stages(table: pd.DataFrame, stages: StageSet) -> tuple[np.ndarray | None, np.ndarray | None]:
    columns = [f"p_{name}" for name in stages.names]
    codes = stage_codes(table["stage"], stages) if "stage" in table else None
    known = set(columns) <= set(table.columns)
    return codes, table[columns].to_numpy(float) if known else None
