"""Colours of tracks, stages and doubt, for label and track layers alike."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from napari.utils.colormaps import (
    Colormap,
    CyclicLabelColormap,
    DirectLabelColormap,
    label_colormap,
)

from napari_cellcycle.data.stages import StageSet

ColourBy = Literal["track", "stage", "doubt"]
UNKNOWN = "#777777"
SURE, DOUBTFUL, WORST = "#8a97a8", "#ffb000", "#d01c1f"
TRUSTED = 0.5
"""Links with a score below this are in doubt."""
_PALETTE_SIZE = 97
_SEED = 0.5


class ByName(Colormap):
    """Gives each name its own colour; names it does not know are grey."""

    names: tuple[str, ...] = ()

    def map(self, values: Any) -> np.ndarray:
        """RGBA (n, 4) of an array of names."""
        known = {name: row for row, name in enumerate(self.names)}
        unique, where = np.unique(np.asarray(values).astype(str), return_inverse=True)
        rows = np.array([known.get(str(name), len(self.names)) for name in unique])
        return np.asarray(self.colors)[rows[where.ravel()]]


class ByTrack(Colormap):
    """Gives a track the colour that its label has in the masks."""

    def map(self, values: Any) -> np.ndarray:
        """RGBA (n, 4) of an array of track ids."""
        ids = np.asarray(values).astype(np.int64)
        return np.asarray(self.colors)[(ids - 1) % (_PALETTE_SIZE - 1)]


class ByDoubt(Colormap):
    """Gives a cell in doubt amber to red, by the score of the link from its parent.

    Cells whose link is trusted, and those without a parent (NaN), are grey. Amber is light and
    red is dark, so that they differ to every eye.
    """

    def map(self, values: Any) -> np.ndarray:
        """RGBA (n, 4) of an array of scores."""
        score = np.atleast_1d(np.asarray(values, float))
        worst, doubtful, sure = np.asarray(self.colors)
        share = np.clip(np.nan_to_num(score, nan=1.0) / TRUSTED, 0, 1)[:, np.newaxis]
        colours = worst + (doubtful - worst) * share
        return np.where(share < 1, colours, sure).astype(np.float32)


def track_label_colours() -> CyclicLabelColormap:
    """Colours of masks by their label."""
    return label_colormap(_PALETTE_SIZE, seed=_SEED)


def track_colours() -> ByTrack:
    """Colours of tracks that agree with `track_label_colours`."""
    palette = track_label_colours()
    colours = np.asarray(palette.map(np.arange(1, _PALETTE_SIZE)))
    return ByTrack(colors=colours, name="track")


def stage_colours(stages: StageSet) -> ByName:
    """Colours of cells by the name of their stage."""
    colours = [rgba(colour) for colour in (*stages.colours.values(), UNKNOWN)]
    return ByName(colors=np.array(colours), names=stages.names, name="stage")


def stage_label_colours(
    labels: Iterable[int], stages: Iterable[str], known: StageSet
) -> DirectLabelColormap:
    """Colours of one frame's masks by stage; a mask without a stage is grey."""
    colours = {name: rgba(colour) for name, colour in known.colours.items()}
    grey = rgba(UNKNOWN)
    table: dict[int | None, np.ndarray] = {None: grey, 0: np.zeros(4, np.float32)}
    table.update(
        (int(label), colours.get(stage, grey)) for label, stage in zip(labels, stages, strict=True)
    )
    return DirectLabelColormap(color_dict=table)


def doubt_colours() -> ByDoubt:
    """Colours of cells by the score of the link from their parent."""
    return ByDoubt(colors=np.array([rgba(WORST), rgba(DOUBTFUL), rgba(SURE)]), name="doubt")


def doubt_label_colours(labels: Iterable[int], scores: Any) -> DirectLabelColormap:
    """Colours of one frame's masks by the score of the link from their parent."""
    table: dict[int | None, np.ndarray] = {None: rgba(SURE), 0: np.zeros(4, np.float32)}
    table.update(zip(map(int, labels), doubt_colours().map(scores), strict=True))
    return DirectLabelColormap(color_dict=table)


def rgba(colour: str) -> np.ndarray:
    """Red, green, blue and opacity in 0..1 of a colour written as #rrggbb."""
    return np.array([*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0], np.float32)
