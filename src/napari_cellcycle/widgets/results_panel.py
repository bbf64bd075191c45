"""What was found, how it is coloured, and where it goes."""

from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.widgets.colours import ColourBy
from napari_cellcycle.widgets.display import Display
from napari_cellcycle.widgets.fold import Fold

_SWATCH = 14
_EXPORTS = {
    "ctc": "Masks and tracks (Cell Tracking Challenge folder)",
    "csv": "Table of all cells (CSV)",
    "trackmate": "TrackMate file for Fiji (XML)…",
    "geff": "Tracks for other trackers (geff)…",
    "figures": "Figures and tables…",
    "film": "Film coloured by stage (MP4, GIF)…",
    "report": "Report of the selected cell and its lineage…",
}
"""What the menu offers, and the name of each to `exports.export`."""


class ResultsPanel(QWidget):
    """Facts, the choice of colours with a legend, and buttons to undo, save and export."""

    coloured = Signal(str)
    undo = Signal()
    redo = Signal()
    save = Signal()
    export = Signal(str)
    compare = Signal()
    compare_masks = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.facts = QLabel()
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.facts.setToolTip("Cells are counted in every frame; tracks are cells over time")
        self.by_track = QRadioButton("track")
        self.by_stage = QRadioButton("stage")
        self._choice = QButtonGroup(self)
        self.by_doubt = QRadioButton("doubt")
        self._buttons: dict[ColourBy, QRadioButton] = {
            "track": self.by_track,
            "stage": self.by_stage,
            "doubt": self.by_doubt,
        }
        for button in self._buttons.values():
            button.setToolTip("Colour cells by track or by stage (key O)")
            self._choice.addButton(button)
        self.by_track.setChecked(True)
        self._choice.buttonToggled.connect(self._on_choice)
        self._has_tracks = False
        self.legend = Fold("Stages")
        self._rows = QGridLayout()
        self._rows.setColumnStretch(1, 1)
        self.legend.body.addLayout(self._rows)
        self._build()
        self.show_display(None)

    def show_display(self, display: Display | None) -> None:
        """Show facts about `display`; hidden if there is nothing to show."""
        self.setVisible(display is not None)
        if display is None:
            return
        words = {"cells": "cells", "tracks": "tracks", "divisions": "divisions"}
        shown = [f"{display.counts[k]:,} {w}" for k, w in words.items() if k in display.counts]
        self.facts.setText("   ".join(text for text in shown if not text.startswith("-")))
        self.by_stage.setEnabled(display.has_stages)
        self.by_doubt.setEnabled(display.doubts >= 0)
        self.by_doubt.setToolTip(_doubts(display.doubts))
        self._has_tracks = display.has_tracks
        self.legend.setVisible(display.has_stages)
        self._fill_legend(display)

    def show_colour(self, colour_by: ColourBy) -> None:
        """Show what cells are coloured by."""
        self._choice.blockSignals(True)
        self._buttons[colour_by].setChecked(True)
        self._choice.blockSignals(False)
        self.legend.unfolded = colour_by == "stage"

    def set_ready(self, *, idle: bool, can_undo: bool, can_redo: bool) -> None:
        """Enable what can be done now."""
        self.undo_button.setEnabled(idle and can_undo)
        self.redo_button.setEnabled(idle and can_redo)
        for button in (self.save_button, self.export_button):
            button.setEnabled(idle)
        self.compare_button.setEnabled(idle and self._has_tracks)
        self.compare_masks_button.setEnabled(idle)

    def _build(self) -> None:
        colour = QHBoxLayout()
        colour.addWidget(QLabel("Colour by"))
        colour.addWidget(self.by_track)
        colour.addWidget(self.by_stage)
        colour.addWidget(self.by_doubt)
        colour.addStretch(1)
        self.undo_button = _button("Undo", "Go back to the result before")
        self.redo_button = _button("Redo", "Go forward to the later result again")
        self.save_button = _button("Save", "Save movie, masks, tracks and stages as an experiment")
        self.export_button = _button("Export", "Write the result for other programs")
        self.compare_button = _button(
            "Compare with truth…",
            "Score the tracks against a truth or another result, and list what differs",
        )
        self.compare_masks_button = _button(
            "Masks only…",
            "Score the masks against a truth, and show which are right, false or missing",
        )
        self.compare_button.clicked.connect(self.compare)
        self.compare_masks_button.clicked.connect(self.compare_masks)
        menu = QMenu(self.export_button)
        for kind, text in _EXPORTS.items():
            menu.addAction(text, partial(self.export.emit, kind))
        self.export_button.setMenu(menu)
        self.undo_button.clicked.connect(self.undo)
        self.redo_button.clicked.connect(self.redo)
        self.save_button.clicked.connect(self.save)
        buttons = QHBoxLayout()
        for button in (self.undo_button, self.redo_button, self.save_button, self.export_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.facts)
        layout.addLayout(colour)
        layout.addWidget(self.legend)
        layout.addLayout(buttons)
        compare = QHBoxLayout()
        compare.addWidget(self.compare_button, 1)
        compare.addWidget(self.compare_masks_button)
        layout.addLayout(compare)

    def _fill_legend(self, display: Display) -> None:
        while self._rows.count():
            item = self._rows.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        counts = display.stage_counts()
        for row, stage in enumerate(display.stages.stages):
            swatch = QPixmap(_SWATCH, _SWATCH)
            swatch.fill(QColor(stage.colour))
            patch = QLabel()
            patch.setPixmap(swatch)
            number = QLabel(f"{counts.get(stage.name, 0):,}")
            number.setToolTip("Cells in this stage, counted in every frame")
            self._rows.addWidget(patch, row, 0)
            self._rows.addWidget(QLabel(stage.name), row, 1)
            self._rows.addWidget(number, row, 2, Qt.AlignmentFlag.AlignRight)
        self.legend.fit()

    def _on_choice(self, button: QRadioButton, chosen: bool) -> None:
        if chosen:
            self.coloured.emit(next(name for name, b in self._buttons.items() if b is button))


def _doubts(number: int) -> str:
    if number < 0:
        return "Links that were read from files do not say how far they are to be trusted"
    links = "1 link is" if number == 1 else f"{number:,} links are"
    return (
        f"{links} trusted less than one half: the outline of the cell is amber, and the redder "
        "the less the link from its parent is trusted"
    )


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button
