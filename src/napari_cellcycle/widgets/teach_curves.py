"""How learning goes: the error while learning and the score on what was kept aside, by kind."""

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QEvent
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_cellcycle.jobs.teaching import CurvePoint
from napari_cellcycle.models.store import Kind
from napari_cellcycle.widgets.teach_words import TITLES

LOSS, SCORE = "#5aa9ff", "#ff9d2e"
_WORDS = {
    LOSS: "error (lower is better)",
    SCORE: "score on what was kept aside (higher is better)",
}
_MOST_TICKS = 6
_MARGINS = (1, 7, 1, 4)
"""Pixels left, above, right and below, so that no number at an edge is cut."""
_COLOURS = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)


class Plot(pg.PlotWidget):
    """One curve over the rounds of learning; follows the colours of the theme."""

    def __init__(self, colour: str, below: str = "round") -> None:
        self._is_ready = False
        super().__init__(background=None, enableMenu=False)
        self._is_ready = True
        self.hideButtons()
        self.setMouseEnabled(x=False, y=False)
        self.setLabel("bottom", below)
        self.getAxis("left").enableAutoSIPrefix(False)
        self.getPlotItem().layout.setContentsMargins(*_MARGINS)
        self.setMinimumHeight(90)
        self.line = self.plot(
            [], pen=pg.mkPen(colour, width=2), symbol="o", symbolSize=5, symbolBrush=colour
        )
        self._paint()

    def changeEvent(self, event: Any) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if self._is_ready and event.type() in _COLOURS:
            self._paint()

    def count_to(self, last: int) -> None:
        """Number whole rounds only, up to the last one."""
        step = max(1, -(-last // _MOST_TICKS))
        ticks = range(0, last + 1, step)
        self.getAxis("bottom").setTicks([[(x, str(x)) for x in ticks]])

    def _paint(self) -> None:
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        for name in ("left", "bottom"):
            axis = self.getAxis(name)
            axis.setPen(colour)
            axis.setTextPen(colour)


class Curves(QWidget):
    """Two plots for each kind that is taught; `points` holds what they show, by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.points: dict[str, list[CurvePoint]] = {}
        self.plots: dict[tuple[str, str], Plot] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)

    def begin(self, kinds: Sequence[Kind]) -> None:
        """Show empty plots for these kinds."""
        self._clear()
        self.points = {kind: [] for kind in kinds}
        for column, kind in enumerate(kinds):
            for number, (colour, words) in enumerate(_WORDS.items()):
                plot = Plot(colour)
                self.plots[kind, colour] = plot
                self._grid.addWidget(
                    _titled(f"{TITLES[kind]}: {words}", plot), 0, 2 * column + number
                )

    def add(self, points: Sequence[CurvePoint]) -> None:
        """Show more rounds."""
        for point in points:
            self.points.setdefault(point.kind, []).append(point)
        for kind in {point.kind for point in points}:
            self._draw(kind)

    def _draw(self, kind: str) -> None:
        if (kind, LOSS) not in self.plots:
            return
        rounds = self.points[kind]
        for colour in _WORDS:
            self.plots[kind, colour].count_to(max(point.epoch for point in rounds))
        scored = [point for point in rounds if point.score is not None]
        self.plots[kind, LOSS].line.setData([p.epoch for p in rounds], [p.loss for p in rounds])
        self.plots[kind, SCORE].line.setData([p.epoch for p in scored], [p.score for p in scored])

    def _clear(self) -> None:
        self.plots = {}
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()


def _titled(words: str, plot: QWidget) -> QWidget:
    holder = QWidget()
    title = QLabel(words)
    title.setWordWrap(True)
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(title)
    layout.addWidget(plot, 1)
    return holder
