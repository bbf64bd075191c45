"""The matrix itself: a row a track, a column a frame, in the colours of the stages."""

from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPalette, QPen
from qtpy.QtWidgets import QAbstractScrollArea, QFrame

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.widgets.colours import UNKNOWN as GREY
from napari_cellcycle.widgets.life import UNKNOWN
from napari_cellcycle.widgets.stage_grid import NOBODY, StageGrid

_LEFT, _TOP = 54, 18
_ROW, _COLUMN = (4.0, 18.0), (1.0, 60.0)
_LENS = 11
_PARTED = 4
_LABELLED = 12
_TICKS = 60


class Matrix(QAbstractScrollArea):
    """Paints a `StageGrid`; `chosen` comes with row and frame of a click or of the arrow keys.

    The frame of the viewer is a line, the chosen track framed, with its number at the left. Rows
    and columns fill the room there is, as far as they stay readable; the rest is scrolled to.
    """

    chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.grid: StageGrid | None = None
        self.words = ""
        self._image: QImage | None = None
        self._row: int | None = None
        self._frame = 0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.setMinimumHeight(160)

    # ---------------------------------------------------------------- what is shown

    def show_grid(self, grid: StageGrid | None) -> None:
        """Show these rows in this order, or the words where there are none."""
        self.grid, self._row = grid, None
        self._image = _image(grid) if grid is not None and grid.codes.size else None
        self._fit()
        self.viewport().update()

    def show_row(self, row: int | None) -> None:
        """Mark a row and bring it into view."""
        self._row = row
        if row is not None:
            self._bring(self.verticalScrollBar(), row * self._high, self._high)
        self.viewport().update()

    def show_frame(self, frame: int) -> None:
        """Mark a frame and bring it into view."""
        self._frame = frame
        self._bring(self.horizontalScrollBar(), frame * self._wide, self._wide)
        self.viewport().update()

    def middle_of(self, row: int, frame: int) -> QPoint:
        """Where on the screen (in the viewport) a cell of the matrix is."""
        return self._box(row, frame).center()

    def sizeHint(self) -> QSize:
        """Room for some twenty rows."""
        return QSize(600, 220)

    # ---------------------------------------------------------------- painting

    def paintEvent(self, _event: Any) -> None:
        """Paint what is in view."""
        painter = QPainter(self.viewport())
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(self._text)
        if self.grid is None or self._image is None:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect(), int(flags), self.words)
            return
        area = self._area
        painter.setClipRect(area)
        rows, frames = self.grid.codes.shape
        whole = QRect(
            _LEFT - self.horizontalScrollBar().value(),
            _TOP - self.verticalScrollBar().value(),
            round(frames * self._wide),
            round(rows * self._high),
        )
        painter.drawImage(whole, self._image)
        if self._high >= _PARTED:
            self._lines(painter, whole, rows)
        self._marks(painter, self.grid)
        painter.setClipping(False)
        self._ticks(painter, self.grid)
        self._names(painter, self.grid)

    def _lines(self, painter: QPainter, whole: QRect, rows: int) -> None:
        """Part the rows."""
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Window), 1))
        first = int(self.verticalScrollBar().value() / self._high)
        last = first + int(self._area.height() / self._high) + 1
        for row in range(first, min(rows, last) + 1):
            y = whole.top() + round(row * self._high)
            painter.drawLine(whole.left(), y, whole.right(), y)

    def _marks(self, painter: QPainter, grid: StageGrid) -> None:
        area = self._area
        if self._row is not None and self._image is not None:
            frames = grid.codes.shape[1]
            row = self._box(self._row, 0).united(self._box(self._row, frames - 1))
            more = max(0, _LENS - row.height()) // 2
            around = row.adjusted(0, -more, 0, more)
            painter.fillRect(around, self.palette().color(QPalette.ColorRole.Window))
            painter.drawImage(around, self._image, QRect(0, self._row, frames, 1))
            around.adjust(-1, -2, 1, 2)
            for colour, width in ((QColor("#000000"), 4), (QColor("#ffffff"), 2)):
                painter.setPen(QPen(colour, width))
                painter.drawRect(around)
        x = self._box(0, self._frame).center().x()
        for colour, width in ((QColor("#000000"), 4), (QColor("#ffffff"), 2)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(x, area.top(), x, area.bottom())

    def _ticks(self, painter: QPainter, grid: StageGrid) -> None:
        """Numbers of frames above, the one that is shown among them."""
        painter.setPen(self._text)
        area, frames = self._area, grid.codes.shape[1]
        here = self._box(0, self._frame).center().x()
        step = _round_step(_TICKS / self._wide)
        for frame in range(0, frames, step):
            x = self._box(0, frame).center().x()
            if area.left() <= x <= area.right() and abs(x - here) > 28:
                self._number(painter, x, str(frame))
        if area.left() <= here <= area.right():
            font = painter.font()
            font.setBold(True)
            painter.setFont(font)
            self._number(painter, here, str(self._frame))
            font.setBold(False)
            painter.setFont(font)

    def _names(self, painter: QPainter, grid: StageGrid) -> None:
        """Numbers of tracks at the left: all where there is room, else that of the chosen."""
        area = self._area
        top = self.verticalScrollBar().value()
        first = int(top / self._high)
        last = min(len(grid.tracks), int((top + area.height()) / self._high) + 1)
        shown = list(range(first, last)) if self._high >= _LABELLED else []
        if self._row is not None and self._row not in shown and first <= self._row < last:
            shown.append(self._row)
        font = painter.font()
        for row in shown:
            y = self._box(row, 0).center().y()
            if area.top() <= y <= area.bottom():
                font.setBold(row == self._row)
                painter.setFont(font)
                mark = "▸ " if row == self._row else ""
                box = QRect(0, y - 8, _LEFT - 6, 16)
                right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                painter.drawText(box, int(right), f"{mark}{grid.tracks[row]}")

    def _number(self, painter: QPainter, x: int, text: str) -> None:
        box = QRect(x - 24, 0, 48, _TOP - 2)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)

    # ---------------------------------------------------------------- mouse and keys

    def mousePressEvent(self, event: Any) -> None:
        """Choose the cell under the mouse, or the frame where the track has none."""
        found = self._under(event)
        if found is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(*found)

    def mouseMoveEvent(self, event: Any) -> None:
        """Tell about the cell under the mouse."""
        found = self._under(event)
        self.setToolTip(told(self.grid, *found) if self.grid is not None and found else "")

    def keyPressEvent(self, event: Any) -> None:
        """Left and right change the frame, up and down the track."""
        move = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }.get(event.key())
        if move is None or self.grid is None or self._row is None:
            super().keyPressEvent(event)
            return
        rows, frames = self.grid.codes.shape
        row = min(max(self._row + move[0], 0), rows - 1)
        self.chosen.emit(row, min(max(self._frame + move[1], 0), frames - 1))

    def resizeEvent(self, event: Any) -> None:
        """Fill the room there is."""
        super().resizeEvent(event)
        self._fit()

    def scrollContentsBy(self, _dx: int, _dy: int) -> None:
        """Paint anew after scrolling."""
        self.viewport().update()

    def _under(self, event: Any) -> tuple[int, int] | None:
        place = event.position().toPoint()
        if self.grid is None or not self._area.contains(place):
            return None
        row = int((place.y() - _TOP + self.verticalScrollBar().value()) / self._high)
        frame = int((place.x() - _LEFT + self.horizontalScrollBar().value()) / self._wide)
        rows, frames = self.grid.codes.shape
        return (row, frame) if 0 <= row < rows and 0 <= frame < frames else None

    # ---------------------------------------------------------------- sizes

    @property
    def _area(self) -> QRect:
        """Where the matrix is seen, inside the viewport."""
        return self.viewport().rect().adjusted(_LEFT, _TOP, 0, 0)

    @property
    def _high(self) -> float:
        rows = len(self.grid.tracks) if self.grid is not None else 0
        return float(np.clip(self._area.height() / max(rows, 1), *_ROW))

    @property
    def _wide(self) -> float:
        frames = self.grid.codes.shape[1] if self.grid is not None else 0
        return float(np.clip(self._area.width() / max(frames, 1), *_COLUMN))

    def _box(self, row: int, frame: int) -> QRect:
        left = _LEFT + frame * self._wide - self.horizontalScrollBar().value()
        top = _TOP + row * self._high - self.verticalScrollBar().value()
        across = max(1, round(left + self._wide) - round(left))
        return QRect(round(left), round(top), across, max(1, round(self._high)))

    def _fit(self) -> None:
        shape = self.grid.codes.shape if self.grid is not None else (0, 0)
        room = self._area
        sizes = (
            (self.verticalScrollBar(), shape[0] * self._high, room.height()),
            (self.horizontalScrollBar(), shape[1] * self._wide, room.width()),
        )
        for bar, whole, seen in sizes:
            bar.setPageStep(max(seen, 1))
            bar.setSingleStep(20)
            bar.setRange(0, max(0, int(np.ceil(whole - seen))))

    def _bring(self, bar: Any, start: float, length: float) -> None:
        if not bar.value() <= start <= bar.value() + bar.pageStep() - length:
            bar.setValue(round(start - bar.pageStep() / 2))

    @property
    def _text(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.WindowText)


def told(grid: StageGrid, row: int, frame: int) -> str:
    """Cell, frame, stage and probability at a place of the matrix, in words."""
    code, chance = int(grid.codes[row, frame]), float(grid.chances[row, frame])
    words = f"Cell {grid.tracks[row]}, frame {frame}"
    if code == NOBODY:
        return f"{words}: not there"
    name = grid.stages.names[code] if code != UNKNOWN else "no stage"
    return f"{words}: {name}" + (f" ({100 * chance:.0f} %)" if np.isfinite(chance) else "")


def legend(stages: StageSet) -> str:
    """Stages with their colours, as rich text."""
    parts = [f'<span style="color:{s.colour}">■</span>&nbsp;{s.name}' for s in stages.stages]
    return " &nbsp; ".join(parts)


def _image(grid: StageGrid) -> QImage:
    """One pixel a cell, see-through where there is none."""
    colours = [QColor(stage.colour).rgba() for stage in grid.stages.stages]
    table = np.array([0, QColor(GREY).rgba(), *colours], np.uint32)
    pixels = np.ascontiguousarray(table[grid.codes.astype(np.int64) - NOBODY])
    rows, frames = pixels.shape
    form = QImage.Format.Format_ARGB32
    return QImage(pixels.tobytes(), frames, rows, 4 * frames, form).copy()


def _round_step(least: float) -> int:
    """1, 2 or 5 times a power of ten, not below `least`."""
    steps = [f * 10**power for power in range(7) for f in (1, 2, 5)]
    return next((step for step in steps if step >= least), steps[-1])
