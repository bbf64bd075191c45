"""What is shown of all cells, in the form that views of many cells need; knows no windows."""

import numpy as np

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.features.sighted import Sighted
from napari_cellcycle.widgets.display import Display
from napari_cellcycle.widgets.life import UNKNOWN, stage_codes


def sights_of(display: Display, draft: Draft | None = None) -> Sighted:
    """All sights of `display`, row by row; which stages a user set comes from `draft`."""
    features, n = display.features, len(display.vertices)
    tracks, frames = (display.vertices[:, axis].astype(np.int64) for axis in (0, 1))
    codes = np.full(n, UNKNOWN, np.int8)
    if "stage" in features:
        codes = stage_codes(features["stage"], display.stages)
    pinned = np.zeros(n, bool)
    if draft is not None and draft.tracked and n:
        pinned = np.isin(display.cells, draft.ids[draft.column("pinned") != ""])
    return Sighted(
        display.cells,
        tracks,
        frames,
        display.vertices[:, 2:],
        codes,
        _numbers(display, "probability"),
        _numbers(display, "link_score"),
        pinned,
        {daughter: mothers[0] for daughter, mothers in display.graph.items()},
        display.stages,
    )


def _numbers(display: Display, name: str) -> np.ndarray:
    if name not in display.features:
        return np.full(len(display.vertices), np.nan, np.float32)
    return display.features[name].to_numpy(np.float32)
