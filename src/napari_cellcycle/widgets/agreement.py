"""Layers that show where masks agree with the truth: right, false and missed ones."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_cellcycle.widgets.layers import placed
from napari_cellcycle.widgets.movies import METADATA, plain
from napari_cellcycle.widgets.recording import Compared, Recording
from napari_cellcycle.widgets.session import Session

if TYPE_CHECKING:
    from napari_cellcycle.evaluation.mask_comparison import JudgedImage, MaskComparison

RIGHT, FALSE, MISSED = "right masks", "false masks", "missed cells"
COLOURS = {RIGHT: "#3fbf8f", FALSE: "#ff9d2e", MISSED: "#5aa9ff"}
"""Green, orange and blue, which differ to every eye; their order in the list of layers too."""
_OUTLINES = {RIGHT: 1, FALSE: 3, MISSED: 0}
"""Width of outlines in pixels; 0: filled."""
_OPACITY = {RIGHT: 0.9, FALSE: 1.0, MISSED: 0.75}


class Agreement:
    """Adds the layers when masks have been compared with a truth, and takes them away again.

    The masks that were compared are hidden meanwhile.
    """

    def __init__(self, viewer: Any, session: Session) -> None:
        self._viewer, self._session = viewer, session
        self._layers: list[Labels] = []
        self._hidden: Labels | None = None
        self._shown: Compared | None = None
        session.compared.connect(self._on_compared)
        session.changed.connect(self._on_compared)

    def close(self) -> None:
        """Let go of the viewer; the layers stay."""
        self._session.compared.disconnect(self._on_compared)
        self._session.changed.disconnect(self._on_compared)

    def _on_compared(self, _any: object = None) -> None:
        compared, recording = self._session.comparison, self._session.recording
        if compared is self._shown:
            return
        self._clear()
        self._shown = compared
        if compared is not None and recording is not None and compared.of_masks is not None:
            self._show(compared, compared.of_masks, recording)

    def _show(self, compared: Compared, of_masks: "MaskComparison", recording: Recording) -> None:
        active = plain(self._viewer.layers.selection.active)
        masks = compared.result.display.labels
        images = {image.row: image for image in of_masks.images}
        for name, pick in _PICKS.items():
            layer = Labels(
                lazy_stack(masks.shape, partial(_frame, masks, images, pick)),
                name=name,
                opacity=_OPACITY[name],
                colormap=DirectLabelColormap(color_dict={None: COLOURS[name], 0: "transparent"}),
                metadata={METADATA: {"shows": "agreement"}},
                **placed(recording.layer, masks.ndim),
            )
            layer.contour = _OUTLINES[name]
            layer.editable = False
            self._viewer.add_layer(layer)
            self._layers.append(layer)
        own = recording.layers.labels
        if own is not None and own.visible:
            own.visible = False
            self._hidden = own
        self._viewer.layers.selection.active = active

    def _clear(self) -> None:
        for layer in self._layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers = []
        if self._hidden is not None:
            self._hidden.visible = True
            self._hidden = None


def legend(comparison: "MaskComparison") -> str:
    """What the colours mean, with the numbers of cells, as rich text."""
    verdicts = [image.verdict for image in comparison.images]
    counts = {
        RIGHT: sum(len(verdict.right) for verdict in verdicts),
        FALSE: sum(len(verdict.false) for verdict in verdicts),
        MISSED: sum(len(verdict.missed) for verdict in verdicts),
    }
    return "&nbsp;&nbsp; ".join(
        f'<span style="color: {COLOURS[name]};">■</span> {count:,} {name}'
        for name, count in counts.items()
    )


Pick = Callable[[np.ndarray, "JudgedImage"], np.ndarray]


def _right(masks: np.ndarray, image: "JudgedImage") -> np.ndarray:
    return np.where(np.isin(masks, image.verdict.right), masks, 0)


def _false(masks: np.ndarray, image: "JudgedImage") -> np.ndarray:
    return np.where(np.isin(masks, image.verdict.false), masks, 0)


def _missed(_masks: np.ndarray, image: "JudgedImage") -> np.ndarray:
    truth = image.truth()
    return np.where(np.isin(truth, image.verdict.missed), truth, 0)


_PICKS: dict[str, Pick] = {RIGHT: _right, MISSED: _missed, FALSE: _false}


def lazy_stack(shape: Sequence[int], frame: Callable[[int], np.ndarray]) -> Any:
    """Masks (T, [Z,] Y, X) of which a frame is made, as int32, when it is looked at."""
    import dask.array as da
    from dask.delayed import delayed

    make = delayed(frame)
    return da.stack(
        [da.from_delayed(make(time), tuple(shape[1:]), np.int32) for time in range(shape[0])]
    )


def _frame(masks: Any, images: dict[int, "JudgedImage"], pick: Pick, time: int) -> np.ndarray:
    """What is picked in a frame; nothing where nothing is known."""
    shown = np.asarray(masks[time])
    if time not in images:
        return np.zeros(shown.shape, np.int32)
    return pick(shown, images[time]).astype(np.int32, copy=False)
