"""What the matrix is painted from: its picture, dots on pins, and words about a place in it."""

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPen

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.widgets.colours import UNKNOWN as GREY
from napari_cellcycle.widgets.life import UNKNOWN
from napari_cellcycle.widgets.stage_grid import NOBODY, StageGrid

NARROW = 7
"""Least height and width, in pixels of the screen, of a place that has room for a dot."""


def image_of(codes: np.ndarray, stages: StageSet) -> QImage:
    """One pixel a cell, (R, T), in the colour of its stage; see-through where there is none."""
    colours = [QColor(stage.colour).rgba() for stage in stages.stages]
    table = np.array([0, QColor(GREY).rgba(), *colours], np.uint32)
    pixels = np.ascontiguousarray(table[codes.astype(np.int64) - NOBODY])
    rows, frames = pixels.shape
    form = QImage.Format.Format_ARGB32
    return QImage(pixels.tobytes(), frames, rows, 4 * frames, form).copy()


def dots(painter: QPainter, places: Sequence[QPoint]) -> None:
    """Small white dots, with a dark rim so that they show on every colour."""
    if not places:
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, width in (("#000000", 6.0), ("#ffffff", 4.0)):
        pen = QPen(QColor(colour), width)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.drawPoints(list(places))
    painter.restore()


def told(grid: StageGrid, row: int, frame: int) -> str:
    """Cell, frame, stage and probability at a place of the matrix, in words."""
    code, chance = int(grid.codes[row, frame]), float(grid.chances[row, frame])
    words = f"Cell {grid.tracks[row]}, frame {frame}"
    if code == NOBODY:
        return f"{words}: not there"
    name = grid.stages.names[code] if code != UNKNOWN else "no stage"
    if grid.pinned[row, frame]:
        return f"{words}: {name}, set by you"
    return f"{words}: {name}" + (f" ({100 * chance:.0f} %)" if np.isfinite(chance) else "")


def round_step(least: float) -> int:
    """1, 2 or 5 times a power of ten, not below `least`."""
    steps = [f * 10**power for power in range(7) for f in (1, 2, 5)]
    return next((step for step in steps if step >= least), steps[-1])
