"""The strip of crops itself: one tile a frame, painted as far as it is seen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPalette, QPen
from qtpy.QtWidgets import QAbstractScrollArea, QFrame

from napari_cellcycle.widgets.colours import UNKNOWN as GREY
from napari_cellcycle.widgets.cutter import Key
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.matrix_image import dots
from napari_cellcycle.widgets.stage_keys import StageKeys

_GAP, _BORDER, _BARS, _LINE = 3, 3, 20, 15
_LEAST, _MOST = 56, 150


class Reel(QAbstractScrollArea):
    """Crops of a life from left to right, each in the colour of its stage.

    Below each are the probabilities of its stages as bars, its stage, and its frame. `chosen`
    comes with the position of a tile that was clicked or reached with the arrow keys; `scrolled`
    when other tiles are seen. Tiles whose crop is not in `crops` yet are left dark; those in
    `pins`, whose stage a user set, have a white dot. `keys` tells of number keys and of Delete.
    """

    chosen = Signal(int)
    scrolled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.crops: Mapping[Key, np.ndarray] = {}
        self.pins: frozenset[Key] = frozenset()
        self.keys = StageKeys(self)
        self.life: Life | None = None
        self.words = ""
        self._range: tuple[float, float] | None = None
        self._current = 0
        self._exact = False
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.horizontalScrollBar().valueChanged.connect(self._on_scrolled)
        self.viewport().setMouseTracking(True)
        self.setMinimumHeight(_LEAST + _BARS + 2 * _LINE + 34)

    # ---------------------------------------------------------------- what is shown

    def show_life(self, life: Life | None) -> None:
        """Show this life, or the words where there is none."""
        self.life, self._range = life, None
        self._fit()
        self.viewport().update()

    def update_life(self, life: Life) -> None:
        """Show this life as it was corrected, without scrolling, in the contrast there is."""
        self.life = life
        self._fit()
        self.viewport().update()

    def show_range(self, low: float, high: float) -> None:
        """Show pixels between these values from black to white, in all tiles."""
        self._range = (low, high)
        self.viewport().update()

    def show_frame(self, frame: int, *, bring: bool = True) -> None:
        """Mark the tile of `frame` and bring it into view."""
        if self.life is None:
            return
        self._current = self.life.near(frame)
        self._exact = self.life.at(frame) is not None
        seen = self.seen()
        if bring and not (
            seen.start < self._current < seen.stop - 2 or len(seen) >= len(self.life)
        ):
            middle = self._current * self.pitch - (self.viewport().width() - self.pitch) // 2
            self.horizontalScrollBar().setValue(middle)
        self.viewport().update()

    @property
    def side(self) -> int:
        """Side of a crop on the screen, in pixels."""
        bars = _BARS if self._has_bars else 0
        return int(np.clip(self.viewport().height() - bars - 2 * _LINE - 12, _LEAST, _MOST))

    @property
    def pitch(self) -> int:
        """Distance from tile to tile, in pixels of the screen."""
        return self.side + 2 * (_GAP + _BORDER)

    def seen(self) -> range:
        """Positions of the tiles that are in view."""
        if self.life is None:
            return range(0)
        left = self.horizontalScrollBar().value()
        last = (left + self.viewport().width()) // self.pitch + 1
        return range(left // self.pitch, min(len(self.life), last))

    def middle_of(self, place: int) -> QPoint:
        """Where on the screen (in the viewport) the crop at a position is."""
        return self._square(place).center()

    # ---------------------------------------------------------------- painting

    def paintEvent(self, _event: Any) -> None:
        """Paint the tiles that are in view."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        if self.life is None or not len(self.life):
            painter.setPen(self._text)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect(), int(flags), self.words)
            return
        for place in self.seen():
            self._tile(painter, self.life, place)

    def _tile(self, painter: QPainter, life: Life, place: int) -> None:
        square = self._square(place)
        frame = square.adjusted(-_BORDER, -_BORDER, _BORDER, _BORDER)
        here = place == self._current
        if here:
            glow = QColor(self._text)
            glow.setAlpha(60)
            painter.fillRect(self._whole(place), glow)
        painter.fillRect(frame, QColor(life.colour(place) or GREY))
        painter.fillRect(square, QColor("#000000"))
        crop = self.crops.get((int(life.tracks[place]), int(life.frames[place])))
        if crop is not None and self._range is not None:
            painter.drawImage(square, _grey(crop, *self._range))
        if here:
            painter.setPen(
                QPen(self._text, 2, Qt.PenStyle.SolidLine if self._exact else Qt.PenStyle.DotLine)
            )
            painter.drawRect(frame.adjusted(-1, -1, 0, 0))
        if (int(life.tracks[place]), int(life.frames[place])) in self.pins:
            dots(painter, [QPoint(frame.center().x(), frame.bottom() - 2)])
        if place and life.tracks[place] != life.tracks[place - 1]:
            self._divider(painter, place, Qt.PenStyle.SolidLine)
        elif place and life.frames[place] > life.frames[place - 1] + 1:
            self._divider(painter, place, Qt.PenStyle.DotLine)
        self._below(painter, life, place, frame)

    def _below(self, painter: QPainter, life: Life, place: int, frame: QRect) -> None:
        top = frame.bottom() + 2
        if life.chances is not None:
            self._bars(painter, life, place, QRect(frame.left(), top, frame.width(), _BARS))
            top += _BARS
        bold = QFont(painter.font())
        bold.setBold(place == self._current)
        painter.save()
        painter.setFont(bold)
        painter.setPen(self._text)
        width = self.pitch - 2
        lines = [str(life.frames[place])]
        if life.codes is not None:
            lines.insert(0, life.stage(place))
        for line, text in enumerate(lines):
            box = QRect(frame.center().x() - width // 2, top + line * _LINE, width, _LINE)
            fitting = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), fitting)
        painter.restore()

    def _bars(self, painter: QPainter, life: Life, place: int, box: QRect) -> None:
        """One bar a stage; the height of the box is certainty."""
        assert life.chances is not None
        wide = box.width() / max(len(life.stages), 1)
        for number, stage in enumerate(life.stages.stages):
            chance = float(np.nan_to_num(life.chances[place, number]))
            high = round(chance * (box.height() - 4))
            left = box.left() + round(number * wide)
            wider = round((number + 1) * wide) - round(number * wide) - 2
            painter.fillRect(left, box.bottom() - 2, wider, 1, QColor(128, 128, 128, 120))
            bar = QRect(left, box.bottom() - 2 - high, wider, high)
            painter.fillRect(bar, QColor(stage.colour))

    def _divider(self, painter: QPainter, place: int, style: Qt.PenStyle) -> None:
        """A line before a tile: solid at a division, dotted where frames are missing."""
        painter.setPen(QPen(self._text, 2, style))
        box = self._whole(place)
        painter.drawLine(box.left(), box.top() + 2, box.left(), box.bottom() - 2)

    def _square(self, place: int) -> QRect:
        left = place * self.pitch - self.horizontalScrollBar().value() + _GAP + _BORDER
        return QRect(left, _BORDER + 2, self.side, self.side)

    def _whole(self, place: int) -> QRect:
        left = place * self.pitch - self.horizontalScrollBar().value()
        return QRect(left, 0, self.pitch, self.viewport().height())

    @property
    def _has_bars(self) -> bool:
        return self.life is not None and self.life.chances is not None

    @property
    def _text(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.WindowText)

    # ---------------------------------------------------------------- mouse and keys

    def mousePressEvent(self, event: Any) -> None:
        """Choose the tile under the mouse."""
        place = self._place(event)
        if place is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(place)

    def mouseMoveEvent(self, event: Any) -> None:
        """Tell about the tile under the mouse."""
        place = self._place(event)
        self.setToolTip(_told(self.life, place) if self.life and place is not None else "")

    def keyPressEvent(self, event: Any) -> None:
        """Left and right go from tile to tile, Home and End to the first and last."""
        last = len(self.life) - 1 if self.life else -1
        steps = {
            Qt.Key.Key_Left: self._current - 1,
            Qt.Key.Key_Right: self._current + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        if event.key() not in steps or last < 0:
            super().keyPressEvent(event)
            return
        self.chosen.emit(min(max(steps[event.key()], 0), last))

    def wheelEvent(self, event: Any) -> None:
        """Scroll sideways."""
        turned = event.angleDelta()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - (turned.x() or turned.y()))

    def resizeEvent(self, event: Any) -> None:
        """Fit the tiles to the height."""
        super().resizeEvent(event)
        self._fit()

    def sizeHint(self) -> QSize:
        """Room for tiles of a good size."""
        return QSize(600, 110 + _BARS + 2 * _LINE + 34)

    def _place(self, event: Any) -> int | None:
        place = int(event.position().x() + self.horizontalScrollBar().value()) // self.pitch
        return place if self.life is not None and 0 <= place < len(self.life) else None

    def _on_scrolled(self, _value: int) -> None:
        self.viewport().update()
        self.scrolled.emit()

    def _fit(self) -> None:
        bar, width = self.horizontalScrollBar(), self.viewport().width()
        whole = len(self.life) * self.pitch if self.life else 0
        bar.setPageStep(width)
        bar.setSingleStep(self.pitch)
        bar.setRange(0, max(0, whole - width))
        self.scrolled.emit()


def _grey(crop: np.ndarray, low: float, high: float) -> QImage:
    scaled = np.clip((crop - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8)
    height, width = scaled.shape
    return QImage(scaled.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()


def _told(life: Life, place: int) -> str:
    words = [f"Frame {life.frames[place]}"]
    if life.track is not None:
        words.append(f"cell {life.tracks[place]}")
    if life.stage(place):
        words.append(life.stage(place))
    text = ", ".join(words)
    if life.chances is None:
        return text
    shown = zip(life.stages.names, life.chances[place], strict=True)
    likely = sorted(((c, n) for n, c in shown if c >= 0.01), reverse=True)
    return text + "".join(f"\n{name}: {100 * chance:.0f} %" for chance, name in likely)
