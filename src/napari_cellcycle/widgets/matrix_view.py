"""How the matrix is painted: a row a track, a column a frame, in the colours of the stages."""

from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPalette, QPen
from qtpy.QtWidgets import QAbstractScrollArea, QFrame

from napari_cellcycle.widgets.matrix_image import NARROW, dots, image_of, round_step
from napari_cellcycle.widgets.stage_grid import StageGrid

LEFT, TOP = 54, 18
_ROW, _COLUMN = (4.0, 18.0), (1.0, 60.0)
_LENS = 11
_PARTED = 4
_LABELLED = 12
_TICKS = 60
_MOST_ZOOM = 60.0


class MatrixView(QAbstractScrollArea):
    """Paints a `StageGrid`.

    The frame of the viewer is a line, the chosen track framed, with its number at the left. Rows
    and columns fill the room there is, as far as they stay readable; the rest is scrolled to.
    Where they are large enough, stages that a user set have a white dot.
    """

    def __init__(self) -> None:
        super().__init__()
        self.grid: StageGrid | None = None
        self.words = ""
        self._image: QImage | None = None
        self._row: int | None = None
        self._frame = 0
        self._zoom = 1.0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumHeight(160)

    # ---------------------------------------------------------------- what is shown

    def show_grid(self, grid: StageGrid | None) -> None:
        """Show these rows in this order, or the words where there are none."""
        self.grid, self._row = grid, None
        self._image = None
        if grid is not None and grid.codes.size:
            self._image = image_of(grid.codes, grid.stages)
        self._fit()
        self.viewport().update()

    def show_row(self, row: int | None, *, bring: bool = True) -> None:
        """Mark a row and bring it into view."""
        self._row = row
        if row is not None and bring:
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

    def border_of(self, row: int, frame: int) -> QPoint:
        """Where on the screen (in the viewport) a stage that begins at `frame` begins."""
        box = self._box(row, frame)
        return QPoint(box.left(), box.center().y())

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
            LEFT - self.horizontalScrollBar().value(),
            TOP - self.verticalScrollBar().value(),
            round(frames * self._wide),
            round(rows * self._high),
        )
        painter.drawImage(whole, self._image)
        if self._high >= _PARTED:
            self._lines(painter, whole)
        self._pins(painter, self.grid, self._rows_seen(), round(self._high))
        self._marks(painter, self.grid)
        painter.setClipping(False)
        self._ticks(painter, self.grid)
        self._names(painter, self.grid)

    def _lines(self, painter: QPainter, whole: QRect) -> None:
        """Part the rows."""
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Window), 1))
        seen = self._rows_seen()
        for row in range(seen.start, seen.stop + 1):
            y = whole.top() + round(row * self._high)
            painter.drawLine(whole.left(), y, whole.right(), y)

    def _pins(self, painter: QPainter, grid: StageGrid, rows: range, high: int) -> None:
        """A white dot on every stage that a user set, where there is room for it."""
        if min(high, self._wide) < NARROW:
            return
        left = self.horizontalScrollBar().value()
        first = int(left / self._wide)
        last = int((left + self._area.width()) / self._wide) + 1
        found = np.argwhere(grid.pinned[rows.start : rows.stop, first:last])
        places = [self.middle_of(rows.start + row, first + frame) for row, frame in found.tolist()]
        dots(painter, places)

    def _marks(self, painter: QPainter, grid: StageGrid) -> None:
        area = self._area
        if self._row is not None and self._image is not None:
            frames = grid.codes.shape[1]
            around = self._lens(self._row, frames)
            painter.fillRect(around, self.palette().color(QPalette.ColorRole.Window))
            painter.drawImage(around, self._image, QRect(0, self._row, frames, 1))
            self._pins(painter, grid, range(self._row, self._row + 1), around.height())
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
        step = round_step(_TICKS / self._wide)
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
        area, seen = self._area, self._rows_seen()
        shown = list(seen) if self._high >= _LABELLED else []
        if self._row is not None and self._row not in shown and self._row in seen:
            shown.append(self._row)
        font = painter.font()
        for row in shown:
            y = self._box(row, 0).center().y()
            if area.top() <= y <= area.bottom():
                font.setBold(row == self._row)
                painter.setFont(font)
                mark = "▸ " if row == self._row else ""
                box = QRect(0, y - 8, LEFT - 6, 16)
                right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                painter.drawText(box, int(right), f"{mark}{grid.tracks[row]}")

    def _number(self, painter: QPainter, x: int, text: str) -> None:
        box = QRect(x - 24, 0, 48, TOP - 2)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)

    def zoom(self, times: float, place: QPoint) -> None:
        """Make rows and columns larger; what is at `place` in the viewport stays there."""
        bars = (
            (self.horizontalScrollBar(), place.x() - LEFT),
            (self.verticalScrollBar(), place.y() - TOP),
        )
        before = self._wide, self._high
        self._zoom = min(max(self._zoom * times, 1.0), _MOST_ZOOM)
        self._fit()
        for (bar, at), old, new in zip(bars, before, (self._wide, self._high), strict=True):
            bar.setValue(round((bar.value() + at) * new / old - at))
        self.viewport().update()

    def _rows_seen(self) -> range:
        top = self.verticalScrollBar().value()
        rows = len(self.grid.tracks) if self.grid is not None else 0
        last = int((top + self._area.height()) / self._high) + 1
        return range(int(top / self._high), min(rows, last))

    # ---------------------------------------------------------------- sizes

    @property
    def _area(self) -> QRect:
        """Where the matrix is seen, inside the viewport."""
        return self.viewport().rect().adjusted(LEFT, TOP, 0, 0)

    @property
    def _high(self) -> float:
        rows = len(self.grid.tracks) if self.grid is not None else 0
        fitting = float(np.clip(self._area.height() / max(rows, 1), *_ROW))
        return min(self._zoom * fitting, _ROW[1])

    @property
    def _wide(self) -> float:
        frames = self.grid.codes.shape[1] if self.grid is not None else 0
        fitting = float(np.clip(self._area.width() / max(frames, 1), *_COLUMN))
        return min(self._zoom * fitting, _COLUMN[1])

    def _box(self, row: int, frame: int) -> QRect:
        left = LEFT + frame * self._wide - self.horizontalScrollBar().value()
        top = TOP + row * self._high - self.verticalScrollBar().value()
        across = max(1, round(left + self._wide) - round(left))
        return QRect(round(left), round(top), across, max(1, round(self._high)))

    def _lens(self, row: int, frames: int) -> QRect:
        """Where a row is painted while it is chosen: at least so high that it can be read."""
        box = self._box(row, 0).united(self._box(row, frames - 1))
        more = max(0, _LENS - box.height()) // 2
        return box.adjusted(0, -more, 0, more)

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

    def resizeEvent(self, event: Any) -> None:
        """Fill the room there is."""
        super().resizeEvent(event)
        self._fit()

    def scrollContentsBy(self, _dx: int, _dy: int) -> None:
        """Paint anew after scrolling."""
        self.viewport().update()
