"""The painted tree: every line of it that is in view, in the pixels of the screen."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QLineF, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPen, QPolygonF

from napari_cellcycle.data.lineage_layout import NONE, Layout
from napari_cellcycle.widgets.lineage_look import Look, Marks, Runs

DENSE = 4.0
"""Pixels a row below which tracks are painted as one picture, without marks to read."""
_NUMBERED = 14.0
_THICKEST = 9.0
_TEXT_PX = 11
_FAINT = 35
"""Difference in lightness (of 255) below which a track is hardly seen, and outlined."""
_DOT = 9.0
_MOST_MARKS = 3000


@dataclass
class Ink:
    """Colours that depend on the theme: of text, of thin lines, and of what lies behind."""

    text: QColor = field(default_factory=lambda: QColor("#e0e0e0"))
    paper: QColor = field(default_factory=lambda: QColor("#202020"))

    @property
    def thin(self) -> QColor:
        """Halfway between text and paper."""
        one, other = self.text, self.paper
        return QColor(
            (one.red() + other.red()) // 2,
            (one.green() + other.green()) // 2,
            (one.blue() + other.blue()) // 2,
        )


@dataclass(frozen=True)
class View:
    """The part of the tree that is in view, and where its frames and rows are on the screen."""

    left: float
    right: float
    top: float
    bottom: float
    wide: float
    high: float
    across: float
    down: float

    def x(self, frame: Any) -> Any:
        """Pixels from the left of frames."""
        return np.asarray(frame, float) * self.wide + self.across

    def y(self, row: Any) -> Any:
        """Pixels from the top of rows."""
        return np.asarray(row, float) * self.high + self.down

    @property
    def is_dense(self) -> bool:
        """Whether rows are too thin for anything but their colours."""
        return self.high < DENSE

    @property
    def thick(self) -> float:
        """Height of a track's line in pixels."""
        return float(np.clip(0.55 * self.high, 1, _THICKEST))


class LineageItem(pg.GraphicsObject):
    """Paints a `Layout` with its `Look`; the frame shown and what is chosen as well.

    What a painting costs depends on what is in view, and of a whole tree hardly on its size: rows
    thinner than a few pixels are painted as one picture with a line for each row of the screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layout: Layout | None = None
        self.look: Look | None = None
        self.frames = 0
        self.frame = 0
        self.chosen = NONE
        self.others: tuple[tuple[int, int], ...] = ()
        self.ink = Ink()

    def show(self, layout: Layout | None, look: Look | None, frames: int) -> None:
        """Paint these lineages from now on, of a movie of so many frames."""
        self.prepareGeometryChange()
        self.layout, self.look, self.frames = layout, look, frames
        self.update()

    def boundingRect(self) -> QRectF:
        """All of the tree, in frames and rows."""
        height = self.layout.height if self.layout is not None else 0.0
        return QRectF(-0.5 * self.frames - 1, -3, 2.0 * self.frames + 2, height + 6)

    def paint(self, painter: QPainter, _option: Any, _widget: Any = None) -> None:
        """Paint what is in view."""
        layout, look, box = self.layout, self.look, self.getViewBox()
        if layout is None or look is None or box is None:
            return
        (left, right), (top, bottom) = box.viewRange()
        place = painter.transform()
        view = View(left, right, top, bottom, place.m11(), place.m22(), place.dx(), place.dy())
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        _Painting(painter, view, layout, look, self.ink).all(self.chosen, self.others)
        self._frame_line(painter, view)

    def _frame_line(self, painter: QPainter, view: View) -> None:
        x, top, bottom = float(view.x(self.frame)), float(view.y(view.top)), view.y(view.bottom)
        for colour, width in ((QColor("#000000"), 4), (QColor("#ffffff"), 2)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QLineF(x, top, x, float(bottom)))


class _Painting:
    """One painting of the tree."""

    def __init__(self, painter: QPainter, view: View, layout: Layout, look: Look, ink: Ink) -> None:
        self.painter, self.view, self.layout, self.look, self.ink = (
            painter,
            view,
            layout,
            look,
            ink,
        )
        self.known = layout.lineages
        margin = 2 + 12 / view.high
        rows = np.nan_to_num(layout.rows, nan=-1e9)
        self.in_view = (rows >= view.top - margin) & (rows <= view.bottom + margin)
        self.y = view.y(rows)
        self.thick = view.thick
        font = QFont(painter.font())
        font.setPixelSize(_TEXT_PX)
        painter.setFont(font)
        self.digit = painter.fontMetrics().horizontalAdvance("0")

    def all(self, chosen: int, others: tuple[tuple[int, int], ...]) -> None:
        """Everything, what lies behind first."""
        seen = chosen != NONE and bool(self.layout.shown[chosen])
        if seen:
            self._band(chosen)
        self._joints()
        self._gaps()
        if self.view.is_dense:
            self._picture()
        else:
            self._bars(self.look.runs, self.in_view[self.look.runs.track], self.thick)
        self._folded()
        self._doubts()
        if seen:
            self._chosen(chosen)
        self._dots()
        if not self.view.is_dense:
            self._ticks()
            self._numbers(chosen)
        for other in others:
            self._other(*other)

    # ---------------------------------------------------------------- lines

    def _joints(self) -> None:
        """Lines from mothers to their daughters, amber to red where the link is in doubt."""
        mother = self.known.mothers
        born = np.flatnonzero((mother != NONE) & self.layout.shown)
        low = np.minimum(self.layout.rows[born], self.layout.rows[mother[born]])
        high = np.maximum(self.layout.rows[born], self.layout.rows[mother[born]])
        seen = (high >= self.view.top - 1) & (low <= self.view.bottom + 1)
        at = self.known.first[born]
        seen &= (at >= self.view.left - 1) & (self.known.last[mother[born]] <= self.view.right + 1)
        born = born[seen]
        x, end = self.view.x(at[seen] - 0.5), self.view.x(self.known.last[mother[born]] + 0.5)
        upper, own = self.y[mother[born]], self.y[born]
        self.painter.setPen(QPen(self.ink.thin, 1))
        self._lines(np.column_stack([x, upper, x, own]))
        late = end < x - 1
        self._lines(np.column_stack([end, upper, x, upper])[late])

    def _gaps(self) -> None:
        """Thin dotted lines across frames in which a cell was not seen."""
        gaps = self.look.gaps
        seen = self._seen(gaps.track, gaps.first, gaps.last)
        y = self.y[gaps.track[seen]]
        ends = self.view.x(gaps.first[seen] + 0.5), self.view.x(gaps.last[seen] - 0.5)
        self.painter.setPen(QPen(self.ink.text, 1, Qt.PenStyle.DotLine))
        self._lines(np.column_stack([ends[0], y, ends[1], y]))

    def _bars(self, runs: Runs, which: np.ndarray, thick: float) -> None:
        """The tracks themselves, in their colours."""
        seen = np.flatnonzero(which & (runs.last >= self.view.left - 1))
        seen = seen[runs.first[seen] <= self.view.right + 1]
        seen = seen[np.argsort(runs.colour[seen], kind="stable")]
        left = np.round(self.view.x(runs.first[seen] - 0.5))
        right = np.maximum(np.round(self.view.x(runs.last[seen] + 0.5)), left + 1)
        top = np.round(self.y[runs.track[seen]] - thick / 2)
        boxes = np.column_stack([left, top, right - left, np.full(len(seen), round(thick))])
        colours = runs.colour[seen]
        begins = np.flatnonzero(np.diff(colours.astype(np.int64), prepend=-1))
        for start, stop in zip(begins, np.append(begins[1:], len(seen)), strict=True):
            colour = QColor.fromRgba(int(colours[start]))
            faint = abs(colour.lightness() - self.ink.paper.lightness()) < _FAINT
            self.painter.setPen(QPen(self.ink.thin, 1) if faint else Qt.PenStyle.NoPen)
            self.painter.setBrush(colour)
            self.painter.drawRects([QRectF(*box) for box in boxes[start:stop].tolist()])
        self.painter.setBrush(Qt.BrushStyle.NoBrush)

    def _picture(self) -> None:
        """All tracks in view as one picture, a line for each row of the screen."""
        view, known = self.view, self.known
        first, last = int(np.floor(view.left)), int(np.ceil(view.right))
        top = int(np.floor(view.y(view.top)))
        height = int(np.ceil(view.y(view.bottom))) - top
        if height < 1 or last < first:
            return
        line = np.where(self.in_view, np.round(self.y).astype(np.int64) - top, -1)
        row, frame = line[known.track_of], known.frames - first
        inside = (row >= 0) & (row < height) & (frame >= 0) & (frame <= last - first)
        row, frame, colour = row[inside], frame[inside], self.look.colours[inside]
        pixels = np.zeros((height, last - first + 1), np.uint32)
        for more in range(max(1, int(self.thick))):
            pixels[np.minimum(row + more, height - 1), frame] = colour
        rows, columns = pixels.shape
        form = QImage.Format.Format_ARGB32_Premultiplied  # nothing is half transparent
        image = QImage(pixels.tobytes(), columns, rows, 4 * columns, form)
        left, right = float(view.x(first - 0.5)), float(view.x(last + 0.5))
        self.painter.drawImage(QRectF(left, top, right - left, height), image)

    def _folded(self) -> None:
        """Where the progeny of a track is hidden: a dashed line, and how many tracks there are."""
        places = np.flatnonzero(self.layout.folded & self.in_view)
        number, until = self.known.progeny
        self.painter.setPen(QPen(self.ink.thin, 1, Qt.PenStyle.DashLine))
        start, end = self.view.x(self.known.last[places] + 0.5), self.view.x(until[places] + 0.5)
        y = self.y[places]
        self._lines(np.column_stack([start, y, end, y]))
        if self.view.high >= _NUMBERED:
            self.painter.setPen(self.ink.text)
            for x, height, hidden in zip(end, y, number[places], strict=True):
                self._text(float(x) + 4, float(height), f"▸ {hidden} more")

    def _band(self, chosen: int) -> None:
        """What lies behind the row of the chosen track."""
        view, thick = self.view, max(self.thick + 3, 6)
        left, wide = float(view.x(view.left)), (view.right - view.left) * view.wide
        behind = QColor(self.ink.text)
        behind.setAlpha(30)
        band = QRectF(left, float(self.y[chosen]) - thick, wide, 2 * thick)
        self.painter.fillRect(band, behind)

    def _chosen(self, chosen: int) -> None:
        """The chosen track, thick and framed."""
        known, view, thick = self.known, self.view, max(self.thick + 3, 6)
        self._bars(self.look.runs, self.look.runs.track == chosen, thick)
        left = float(view.x(known.first[chosen] - 0.5))
        right = float(view.x(known.last[chosen] + 0.5))
        top = float(self.y[chosen]) - thick / 2
        box = QRectF(left - 1, top - 1, right - left + 2, thick + 2)
        for colour, width in ((QColor("#000000"), 4), (QColor("#ffffff"), 2)):
            self.painter.setPen(QPen(colour, width))
            self.painter.drawRect(box)

    # ---------------------------------------------------------------- marks

    def _doubts(self) -> None:
        """Outlines around links that are little trusted."""
        doubts = self.look.doubts
        seen = self._marked(doubts)
        half = 3.0 if not self.view.is_dense else 1.0
        high = self.thick / 2 + (3 if not self.view.is_dense else 1)
        x = self.view.x(doubts.frame[seen] - 0.5)
        y, colours = self.y[doubts.track[seen]], doubts.colour[seen]
        boxes = np.column_stack([x - half, y - high])
        for colour in np.unique(colours).tolist():
            self.painter.setPen(QPen(QColor.fromRgba(colour), 2))
            corners = boxes[colours == colour].tolist()
            self.painter.drawRects([QRectF(left, top, 2 * half, 2 * high) for left, top in corners])

    def _dots(self) -> None:
        """Small white dots at what the user corrected; close ones are one."""
        dots = self.look.dots
        seen = self._marked(dots)
        bins = np.floor(self.view.x(dots.frame[seen]) / _DOT).astype(np.int64)
        _, once = np.unique(np.column_stack([dots.track[seen], bins]), axis=0, return_index=True)
        seen = seen[once]
        x, y = self.view.x(dots.frame[seen]), self.y[dots.track[seen]]
        self.painter.save()
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        self.painter.setPen(QPen(QColor("#000000"), 1))
        self.painter.setBrush(QColor("#ffffff"))
        radius = 2.8 if not self.view.is_dense else 1.8
        for place in zip(x.tolist(), y.tolist(), strict=True):
            self.painter.drawEllipse(QPointF(*place), radius, radius)
        self.painter.restore()

    def _ticks(self) -> None:
        """Ticks above what the user confirmed."""
        ticks = self.look.ticks
        seen = self._marked(ticks)
        x = self.view.x(ticks.frame[seen])
        y = self.y[ticks.track[seen]] - self.thick / 2 - 3
        self.painter.save()
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        for colour, width in ((self.ink.paper, 4.0), (self.ink.text, 2.0)):
            self.painter.setPen(QPen(colour, width))
            for left, top in zip(x.tolist(), y.tolist(), strict=True):
                corners = ((left - 4, top - 3), (left - 1, top), (left + 5, top - 8))
                self.painter.drawPolyline(QPolygonF([QPointF(*corner) for corner in corners]))
        self.painter.restore()

    def _other(self, track: int, frame: int) -> None:
        """A dashed ring around a cell that is chosen beside the first."""
        if not self.layout.shown[track]:
            return
        self.painter.setPen(QPen(self.ink.text, 2, Qt.PenStyle.DotLine))
        half = max(self.view.wide / 2, 5)
        high = self.thick / 2 + 4
        x, y = float(self.view.x(frame)), float(self.y[track])
        self.painter.drawRect(QRectF(x - half, y - high, 2 * half, 2 * high))

    # ---------------------------------------------------------------- numbers

    def _numbers(self, chosen: int) -> None:
        """Numbers of tracks: before those that divide, after those that do not."""
        known, view = self.known, self.view
        font = QFont(self.painter.font())
        self.painter.setPen(self.ink.text)
        divides = known.progeny[0] > 0
        there = self.in_view & (known.last >= view.left) & (known.first <= view.right)
        there &= (np.arange(len(known)) == chosen) | (view.high >= _NUMBERED)
        for place in np.flatnonzero(there).tolist():
            if place == chosen:
                font.setBold(True)
                self.painter.setFont(font)
            self._number(place, bool(divides[place]))
            if place == chosen:
                font.setBold(False)
                self.painter.setFont(font)

    def _number(self, place: int, divides: bool) -> None:
        """The number of one track, at an edge of the view where its own end is out of it."""
        known, view = self.known, self.view
        words, y = str(known.tracks[place]), float(self.y[place])
        wide = self._wide(words)
        left, right = float(view.x(view.left)), float(view.x(view.right))
        if divides:
            x = float(view.x(known.first[place] - 0.5)) - wide - 2
            self._text(max(x, left), y, words, behind=x < left)
        else:
            x = float(view.x(known.last[place] + 0.5)) + 4
            self._text(min(x, right - wide), y, words, behind=x > right - wide)

    def _wide(self, words: str) -> float:
        """Pixels that words need; digits are all as wide as each other."""
        return self.digit * len(words) + 4

    def _text(self, x: float, y: float, words: str, behind: bool = False) -> None:
        """Words that begin at a place; with something behind them where they lie on a track."""
        box = QRectF(x, y - _TEXT_PX / 2 - 2, self._wide(words), _TEXT_PX + 4)
        if behind:
            self.painter.fillRect(box, self.ink.paper)
        self.painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), words)

    # ---------------------------------------------------------------- what is in view

    def _seen(self, track: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        seen = self.in_view[track] & (last >= self.view.left - 1) & (first <= self.view.right + 1)
        return np.flatnonzero(seen)

    def _marked(self, marks: Marks) -> np.ndarray:
        """Places of the marks in view; of too many, evenly some."""
        seen = self._seen(marks.track, marks.frame, marks.frame)
        return seen[:: 1 + len(seen) // _MOST_MARKS]

    def _lines(self, ends: np.ndarray) -> None:
        self.painter.drawLines([QLineF(*line) for line in ends.tolist()])
