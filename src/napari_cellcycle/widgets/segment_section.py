"""The Segment step: a live preview beside its settings, and segmenting parts again."""

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QWidget

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.widgets.fold import Fold
from napari_cellcycle.widgets.narrow import narrow
from napari_cellcycle.widgets.offers import is_query_file
from napari_cellcycle.widgets.step_section import QUERY_FIELDS, StepSection

_BOX = 56
FRAME, REGION, RANGE = "frame", "region", "range"
_HINTS = {
    "preview": (
        "Show at once what these settings find in the part of this frame that you see; it follows "
        "every change, and nothing is kept (Shift P)"
    ),
    FRAME: (
        "Find the cells of the frame that is shown anew; all other frames stay, and cells that are "
        "found again keep their number, track and stage (R)"
    ),
    REGION: (
        "The same inside the last rectangle drawn in a Shapes layer, or else inside what you see; "
        "cells outside stay as they are (Shift R)"
    ),
    RANGE: "The same for all frames from the first to the last given here",
}


class SegmentSection(StepSection):
    """As other steps, with a Preview button that stays down while the preview is on.

    `again` asks for the frame shown, a region of it or a range of frames to be segmented again.
    """

    again = Signal(str)

    def __init__(self) -> None:
        self._queries: frozenset[str] = frozenset()
        self.sees_colours = False
        super().__init__("segment", SegmentSettings())
        self.preview_button = QPushButton("Preview")
        self.preview_button.setCheckable(True)
        self.preview_button.setToolTip(_HINTS["preview"])
        self.header.insertWidget(self.header.count() - 1, self.preview_button)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setStyleSheet("font-size: 11px;")
        self.told.hide()
        self.frame_button = QPushButton("This frame")
        self.region_button = QPushButton("This region")
        self.range_button = QPushButton("These")
        self.first, self.last = QSpinBox(), QSpinBox()
        self._buttons = {
            FRAME: self.frame_button,
            REGION: self.region_button,
            RANGE: self.range_button,
        }
        self.again_fold = Fold("Segment again", unfolded=False)
        self._build_again()
        self.body.addWidget(self.told)
        self.body.addWidget(self.again_fold)

    def offer_queries(self, names: Iterable[str]) -> None:
        """Say which of the models are asked point by point, and have settings of their own."""
        self._queries = frozenset(names)
        self._on_model(self.model.currentText())

    def _on_model(self, name: str) -> None:
        """Show the settings that the chosen model has."""
        self.sees_colours = asked = name in self._queries or is_query_file(name)
        self.form.show_rows(QUERY_FIELDS, asked)
        self.form.show_rows(["flow_threshold"], not asked)
        super()._on_model(name)

    @property
    def frames(self) -> range:
        """The frames of the range."""
        first, last = sorted((self.first.value(), self.last.value()))
        return range(first, last + 1)

    def tell(self, sentence: str) -> None:
        """Say what the preview shows."""
        self.told.setText(sentence)
        self.told.setVisible(bool(sentence))
        self.fit()

    def offer_frames(self, count: int) -> None:
        """Let frames of a movie of `count` be chosen; all of them at first."""
        former = self.last.maximum()
        for box in (self.first, self.last):
            box.setRange(0, max(0, count - 1))
        if former != self.last.maximum():
            self.first.setValue(0)
            self.last.setValue(self.last.maximum())

    def set_again_ready(self, reason: str) -> None:
        """Let frames be segmented again, or say in the tooltips why they cannot be."""
        for kind, button in self._buttons.items():
            button.setEnabled(not reason)
            button.setToolTip(reason or _HINTS[kind])

    def set_preview_ready(self, reason: str) -> None:
        """Let the preview be shown, or say why it cannot be."""
        self.preview_button.setEnabled(not reason)
        self.preview_button.setToolTip(reason or _HINTS["preview"])

    def _build_again(self) -> None:
        self.again_fold.button.setToolTip(
            "Find the cells of one frame, a region or some frames anew, and keep all the others"
        )
        for box, what in ((self.first, "First"), (self.last, "Last")):
            box.setToolTip(f"{what} frame to be segmented again, counted from 0")
            box.setStyleSheet(narrow())
            box.setFixedWidth(_BOX)
        for kind, button in self._buttons.items():
            button.setToolTip(_HINTS[kind])
            button.clicked.connect(lambda _=False, kind=kind: self.again.emit(kind))
        self.again_fold.body.addWidget(_line(self.frame_button, self.region_button))
        words = [QLabel("Frames"), self.first, QLabel("to"), self.last]
        self.again_fold.body.addWidget(_line(*words, self.range_button))


def _line(*widgets: QWidget) -> QWidget:
    holder: Any = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for widget in widgets:
        layout.addWidget(widget, 1 if isinstance(widget, QPushButton) else 0)
    return holder
