"""A chart of the errors that were left after each round of teaching."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cellcycle.models.store import Kind
from napari_cellcycle.widgets.teach_curves import Plot
from napari_cellcycle.widgets.teach_rounds import ASIDE, AUDIT, Round, Source
from napari_cellcycle.widgets.teach_words import TITLES

_COLOURS: dict[Kind, str] = {"segment": "#5aa9ff", "link": "#ff9d2e", "stage": "#3fbf8f"}
_DASHES: dict[Kind, tuple[Qt.PenStyle, str]] = {
    "segment": (Qt.PenStyle.SolidLine, "————"),
    "link": (Qt.PenStyle.DashLine, "— — —"),
    "stage": (Qt.PenStyle.DotLine, "· · · ·"),
}
"""How lines are drawn, and how the legend writes it: not every eye tells the colours apart."""
_SYMBOLS: dict[Source, str] = {ASIDE: "o", AUDIT: "d"}
_EMPTY = "After each round of teaching, a point says how many errors are left."


class RoundsChart(QWidget):
    """Errors per 1,000 over the rounds, a line for each kind of model."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: tuple[Round, ...] = ()
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.plot = Plot("#888888", "round of teaching")
        self.plot.setToolTip(
            "Masks, links or stages that are wrong. ● on what was kept aside; ◆ by an audit, with "
            "95 % intervals"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(QLabel("<b>Errors per 1,000</b>"))
        layout.addWidget(self.words)
        layout.addWidget(self.plot, 1)
        self.show_rounds(())

    def show_rounds(self, rounds: Sequence[Round]) -> None:
        """Show these rounds."""
        self.rounds = tuple(rounds)
        self.plot.clear()
        kinds = [kind for kind in TITLES if any(each.kind == kind for each in rounds)]
        for kind in kinds:
            self._draw(kind)
        legend = "&nbsp;&nbsp; ".join(
            f'<b style="color: {_COLOURS[kind]}">{_DASHES[kind][1]}</b> {TITLES[kind]}'
            for kind in kinds
        )
        self.words.setText(legend or _EMPTY)
        self.plot.setVisible(bool(kinds))
        self.plot.count_to(max((each.number for each in rounds), default=0))

    def _draw(self, kind: Kind) -> None:
        for source, symbol in _SYMBOLS.items():
            mine = [each for each in self.rounds if (each.kind, each.source) == (kind, source)]
            if mine:
                self._draw_line(mine, symbol)

    def _draw_line(self, mine: Sequence[Round], symbol: str) -> None:
        colour, (style, _) = _COLOURS[mine[0].kind], _DASHES[mine[0].kind]
        pen = pg.mkPen(colour, width=2, style=style)
        x, y, low, high = (
            np.array([getattr(each, name) for each in mine], float)
            for name in ("number", "errors", "low", "high")
        )
        known = ~np.isnan(low)
        if known.any():
            x_known, y_known = x[known], y[known]
            top, bottom = high[known] - y_known, y_known - low[known]
            self.plot.addItem(
                pg.ErrorBarItem(x=x_known, y=y_known, top=top, bottom=bottom, beam=0.1, pen=pen)
            )
        self.plot.plot(x, y, pen=pen, symbol=symbol, symbolSize=8, symbolBrush=colour)
