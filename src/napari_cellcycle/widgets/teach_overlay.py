"""Layers that show what two models do differently: the old one's way and the new one's."""

from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Points, Vectors
from napari.utils.colormaps import DirectLabelColormap

from napari_cellcycle.widgets.agreement import lazy_stack
from napari_cellcycle.widgets.layers import placed
from napari_cellcycle.widgets.movies import METADATA, plain
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.teach_changes import Changes

BEFORE, AFTER = "old model", "new model"
COLOURS = {BEFORE: "#5aa9ff", AFTER: "#ff9d2e"}
_OUTLINES = {BEFORE: 3, AFTER: 1}
"""Width of outlines in pixels: the new one lies in the old one where both agree."""


class Overlay:
    """Adds the layers of some changes over the masks of a recording, and takes them away."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layers: list[Layer] = []
        self._hidden: Labels | None = None

    def show(self, changes: Changes, recording: Recording) -> None:
        """Show these changes instead of what was shown."""
        self.clear()
        active = plain(self._viewer.layers.selection.active)
        make = {"segment": _outlines, "link": _lines, "stage": _names}[changes.kind]
        for layer in make(changes, recording):
            layer.metadata[METADATA] = {"shows": "changes"}
            self._viewer.add_layer(layer)
            self.layers.append(layer)
        own = recording.layers.labels
        if changes.kind == "segment" and own is not None and own.visible:
            own.visible = False
            self._hidden = own
        self._viewer.layers.selection.active = active

    def clear(self) -> None:
        """Take the layers away, and show again what was hidden."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.layers = []
        if self._hidden is not None:
            self._hidden.visible = True
            self._hidden = None


def _outlines(changes: Changes, recording: Recording) -> list[Layer]:
    shape = _shape(recording)
    found: list[Layer] = []
    for number, name in enumerate(COLOURS):
        colours = DirectLabelColormap(color_dict={None: COLOURS[name], 0: "transparent"})
        layer = Labels(
            lazy_stack(shape, partial(_frame, changes, number, shape)),
            name=name,
            opacity=0.95,
            colormap=colours,
            **placed(recording.layer, len(shape)),
        )
        layer.contour = _OUTLINES[name]
        layer.editable = False
        found.append(layer)
    return found


def _frame(changes: Changes, number: int, shape: tuple[int, ...], time: int) -> np.ndarray:
    """Masks of a frame by one of the two models; none where nothing was segmented."""
    pair = changes.masks.get(time)
    return np.zeros(shape[1:], np.int32) if pair is None else pair[number]


def _lines(changes: Changes, recording: Recording) -> list[Layer]:
    """From each cell a line to where it came from, in the frame of the cell."""
    ndim = len(_shape(recording))
    found: list[Layer] = []
    for name in COLOURS:
        rows = []
        for change in changes.changes:
            origin = change.before if name == BEFORE else change.after
            if origin is not None:
                start = np.array([change.frame, *change.place])
                rows.append([start, np.array([change.frame, *origin]) - start])
        found.append(
            Vectors(
                np.array(rows, float).reshape(-1, 2, ndim),
                name=name,
                edge_color=COLOURS[name],
                edge_width=_OUTLINES[name],
                vector_style="line",
                **placed(recording.layer, ndim),
            )
        )
    return found


def _names(changes: Changes, recording: Recording) -> list[Layer]:
    """The two stages beside each cell, in the first frame in which they differ."""
    ndim = len(_shape(recording))
    rows = [[change.frame, *change.place] for change in changes.changes]
    side = recording.cell_side_px
    said = [f"{change.before} → {change.after}" for change in changes.changes]
    layer = Points(
        np.array(rows, float).reshape(-1, ndim),
        name=f"{BEFORE} → {AFTER}",
        size=side,
        face_color="transparent",
        border_color=COLOURS[AFTER],
        border_width=0.06,
        features={"said": said},
        text={
            "string": "{said}",
            "size": 10,
            "color": COLOURS[AFTER],
            "anchor": "upper_left",
            "translation": np.array([0.0] * (ndim - 2) + [-side / 2, side / 2]),
        },
        **placed(recording.layer, ndim),
    )
    layer.editable = False
    return [layer]


def _shape(recording: Recording) -> tuple[int, ...]:
    """Shape of the masks: (T, [Z,] Y, X)."""
    result = recording.result
    assert result is not None
    return tuple(result.display.labels.shape)
