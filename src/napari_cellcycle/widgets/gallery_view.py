"""How the gallery is painted: a row a cell, a column a frame, as far as it is seen."""

from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPalette, QPen
from qtpy.QtWidgets import QAbstractScrollArea, QFrame

from napari_cellcycle.features.gallery_rows import AlignAt, GalleryRows
from napari_cellcycle.features.sighted import NOT_SEEN, Sighted
from napari_cellcycle.widgets.colours import UNKNOWN as GREY
from napari_cellcycle.widgets.gallery_crops import GalleryCrops
from napari_cellcycle.widgets.gallery_picture import BAR, Part, Sizes, picture
from napari_cellcycle.widgets.matrix_image import round_step

LEFT, TOP = 66, 22
LEAST, MOST = 24, 160
"""Sides of tiles, in pixels of the screen."""
_BEFORE: dict[AlignAt, float] = {"birth": 0.25, "mitosis": 0.4, "division": 0.75, "frame": 0.0}
"""Share of the width that is left of what cells are aligned at."""
_TICKS = 64


class GalleryView(QAbstractScrollArea):
    """Paints `GalleryRows`: a crop a sight, in view of which are cut; their stages below them.

    `scrolled` is emitted when other tiles are seen. Rows of the chosen cell are framed, the frame
    of the viewer in it twice.
    """

    scrolled = Signal()

    def __init__(self, crops: GalleryCrops) -> None:
        super().__init__()
        self.crops = crops
        self.known: Sighted | None = None
        self.rows: GalleryRows | None = None
        self.align_at: AlignAt = "birth"
        self.words = ""
        self.minutes: float | None = None
        self.sizes = Sizes(64)
        self._row: int | None = None
        self._frame = 0
        self._painted: dict[int, int] = {}
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumHeight(160)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self.horizontalScrollBar().valueChanged.connect(self._on_scrolled)

    # ---------------------------------------------------------------- what is shown

    def show_rows(
        self, known: Sighted | None, rows: GalleryRows | None, align_at: AlignAt = "birth"
    ) -> None:
        """Show these cells in this order, from the top, or the words where there are none."""
        self.known, self.rows, self.align_at = known, rows, align_at
        self._row, self._painted = None, {}
        self._fit()
        self.verticalScrollBar().setValue(0)
        if rows is not None:
            place = -rows.columns.start * self.sizes.across
            self.horizontalScrollBar().setValue(
                round(place - _BEFORE[align_at] * self._area.width())
            )
        self._changed()

    def update_rows(self, known: Sighted, rows: GalleryRows) -> None:
        """Show what was corrected; what is in view stays where it is."""
        former = self.rows
        top = self.verticalScrollBar().value()
        shift = former.columns.start - rows.columns.start if former is not None else 0
        left = self.horizontalScrollBar().value() + shift * self.sizes.across
        first, down = self.rows_seen().start, self.sizes.down
        at_top = int(former.tracks[first]) if former is not None and len(former) else None
        self.known, self.rows, self._painted = known, rows, {}
        self._fit()
        now = rows.row_of(at_top)
        self.verticalScrollBar().setValue(top if now is None else top + (now - first) * down)
        self.horizontalScrollBar().setValue(left)
        self._changed()

    def show_row(self, row: int | None, *, bring: bool = True) -> None:
        """Mark the row of a cell and bring it into view."""
        self._row = row
        if row is not None and bring:
            self._bring(self.verticalScrollBar(), row * self.sizes.down, self.sizes.down)
        self.viewport().update()

    def show_frame(self, frame: int, *, bring: bool = True) -> None:
        """Mark a frame in the chosen row and bring it into view."""
        self._frame = frame
        column = self._column_shown()
        if bring and column is not None and self.rows is not None:
            place = (column - self.rows.columns.start) * self.sizes.across
            self._bring(self.horizontalScrollBar(), place, self.sizes.across)
        self.viewport().update()

    def resize_tiles(self, side: int) -> None:
        """Show tiles of this side; the first one in view stays the first."""
        bars = (
            (self.horizontalScrollBar(), self.sizes.across),
            (self.verticalScrollBar(), self.sizes.down),
        )
        former = [bar.value() / length for bar, length in bars]
        self.sizes = Sizes(min(max(side, LEAST), MOST), self.devicePixelRatioF())
        self.crops.forget_tiles()
        self._fit()
        for (bar, _), first, length in zip(
            bars, former, (self.sizes.across, self.sizes.down), strict=True
        ):
            bar.setValue(round(first * length))
        self._changed()

    def rows_seen(self) -> range:
        """Rows that are in view, in part or whole."""
        if self.rows is None:
            return range(0)
        top = self.verticalScrollBar().value()
        last = (top + self._area.height() - 1) // self.sizes.down + 1
        return range(min(top // self.sizes.down, len(self.rows)), min(len(self.rows), last))

    def columns_seen(self) -> range:
        """Columns that are in view, in part or whole."""
        if self.rows is None:
            return range(0)
        left, every = self.horizontalScrollBar().value(), self.rows.columns
        first = every.start + left // self.sizes.across
        last = every.start + (left + self._area.width() - 1) // self.sizes.across + 1
        return range(min(first, every.stop), min(last, every.stop))

    def seen(self, more_rows: int = 0, more_columns: int = 0) -> np.ndarray:
        """Sights (n,) that are in view, and those of some more rows and columns around it."""
        if self.rows is None or self.known is None:
            return np.zeros(0, np.int64)
        rows, columns, every = self.rows_seen(), self.columns_seen(), self.rows.columns
        rows = range(max(rows.start - more_rows, 0), min(rows.stop + more_rows, len(self.rows)))
        columns = range(
            max(columns.start - more_columns, every.start),
            min(columns.stop + more_columns, every.stop),
        )
        found = self.rows.sights(self.known, rows, columns)
        return np.unique(found[found != NOT_SEEN])

    def middle_of(self, row: int, column: int) -> QPoint:
        """Where on the screen (in the viewport) a tile is."""
        return self._tile(row, column).center()

    def sizeHint(self) -> QSize:
        """Room for three rows."""
        return QSize(600, 280)

    # ---------------------------------------------------------------- painting

    def paintEvent(self, _event: Any) -> None:
        """Paint what is in view."""
        painter = QPainter(self.viewport())
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(self._text)
        if self.rows is None or self.known is None or not len(self.rows):
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect(), int(flags), self.words)
            return
        painter.setClipRect(self._area)
        self._tiles(painter, self.known, self.rows)
        self._marks(painter, self.rows)
        painter.setClipping(False)
        self._ticks(painter, self.rows)
        self._names(painter, self.rows)
        self._scale(painter)

    def _tiles(self, painter: QPainter, known: Sighted, rows: GalleryRows) -> None:
        if self.sizes.ratio != self.devicePixelRatioF():
            self.sizes = Sizes(self.sizes.side, self.devicePixelRatioF())
            self.crops.forget_tiles()
        some, columns = self.rows_seen(), self.columns_seen()
        if not some or not columns:
            return
        sights = rows.sights(known, some, columns)
        there = sights != NOT_SEEN
        size = self.sizes.on_device(self.sizes.side)
        tiles = self.crops.tiles(known, sights[there], size)
        pixels = picture(self._part(known, rows, some, sights), tiles, self.sizes)
        height, width = pixels.shape
        form = QImage.Format.Format_RGB32
        image = QImage(pixels.data, width, height, 4 * width, form)
        corner = self._tile(some.start, columns.start).topLeft()
        across = width / self.sizes.on_device(self.sizes.across) * self.sizes.across
        down = height / self.sizes.on_device(self.sizes.down) * self.sizes.down
        painter.drawImage(QRect(corner, QSize(round(across), round(down))), image)

    def _part(self, known: Sighted, rows: GalleryRows, some: range, sights: np.ndarray) -> Part:
        there = sights != NOT_SEEN
        codes = np.where(there, known.codes[sights], -1)
        pinned = there & known.pinned[sights]
        for sight, code in self._painted.items():
            here = sights == sight
            codes[here], pinned[here] = code, True
        own = there & (known.tracks[sights] == rows.tracks[some.start : some.stop, np.newaxis])
        lines = np.zeros_like(own)
        lines[:, 1:] = own[:, 1:] & there[:, :-1] & ~own[:, :-1]
        colours = [QColor(stage.colour).rgb() for stage in known.stages.stages]
        table = np.array([*colours, QColor(GREY).rgb()], np.uint32)
        background = self.palette().color(QPalette.ColorRole.Window).rgb()
        return Part(there, codes, pinned, lines, table, background, self._text.rgb())

    def _marks(self, painter: QPainter, rows: GalleryRows) -> None:
        """Frame the chosen row and the frame of the viewer in it; show what is aligned."""
        across = self._tile(0, 0).left() - 2
        faint = QColor(self._text)
        faint.setAlpha(120)
        painter.setPen(QPen(faint, 1, Qt.PenStyle.DashLine))
        if self.align_at != "frame" and across >= self._area.left():
            painter.drawLine(across, self._area.top(), across, self._area.bottom())
        if self.align_at == "frame" and self._frame in rows.columns:
            painter.setPen(QPen(faint, 1))
            tile = self._tile(0, self._frame)
            painter.drawRect(tile.left() - 2, TOP, tile.width() + 2, self._area.height())
        if self._row is None or self._row not in self.rows_seen():
            return
        first, last = rows.columns.start, rows.columns.stop - 1
        row = self._tile(self._row, first).united(self._tile(self._row, last))
        _frame(painter, row.adjusted(-2, -2, 1, BAR + 1), 1)
        column = self._column_shown()
        if column is not None:
            _frame(painter, self._tile(self._row, column).adjusted(-1, -1, 0, BAR), 2)

    def _ticks(self, painter: QPainter, rows: GalleryRows) -> None:
        """Times above the columns: frames, or how long before and after the alignment."""
        painter.setPen(self._text)
        across = self.sizes.across
        step = round_step(_TICKS / across)
        for column in self.columns_seen():
            if column % step == 0:
                middle = self._tile(0, column).center().x()
                box = QRect(middle - 40, 0, 80, TOP - 4)
                if middle >= LEFT:
                    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), self.time_of(column))

    def time_of(self, column: int) -> str:
        """What time a column is, in words: a frame, or minutes from the alignment."""
        if self.align_at == "frame":
            return f"frame {column}"
        if column == 0:
            return self.align_at
        if self.minutes is None:
            return f"{column:+d}"
        time = column * self.minutes
        if abs(time) < 180:
            return f"{time:+.{0 if float(self.minutes).is_integer() else 1}f} min"
        return f"{time / 60:+.1f} h"

    def _names(self, painter: QPainter, rows: GalleryRows) -> None:
        """Numbers of the cells at the left, and of their mothers where these are shown."""
        font = painter.font()
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.setClipRect(QRect(0, TOP, LEFT, self._area.height()))
        for row in self.rows_seen():
            y = self._tile(row, 0).center().y()
            chosen = row == self._row
            font.setBold(chosen)
            painter.setFont(font)
            number = f"{'▸ ' if chosen else ''}{rows.tracks[row]}"
            mother = int(rows.mothers[row])
            up = 14 if mother and self.sizes.side >= 32 else 7
            painter.drawText(QRect(0, y - up, LEFT - 6, 14), right, number)
            if up == 14:
                font.setBold(False)
                painter.setFont(font)
                painter.drawText(QRect(0, y, LEFT - 6, 14), right, f"from {mother}")
        painter.setClipping(False)

    def _scale(self, painter: QPainter) -> None:
        """A bar in the corner, as long as it says in the tiles."""
        side = self.crops.side
        if not side:
            return
        pixel = self.sizes.side / side
        lengths = [f * 10**power for power in range(4) for f in (1, 2, 5)]
        length = max((x for x in lengths if x * pixel <= LEFT - 12), default=1)
        wide = round(length * pixel)
        painter.setPen(self._text)
        painter.drawText(QRect(4, 0, LEFT - 6, 13), 0, f"{length} µm")
        painter.fillRect(4, 15, wide, 3, self._text)

    # ---------------------------------------------------------------- sizes

    @property
    def _area(self) -> QRect:
        """Where tiles are seen, inside the viewport."""
        return self.viewport().rect().adjusted(LEFT, TOP, 0, 0)

    @property
    def _text(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.WindowText)

    def _column_shown(self) -> int | None:
        """Column of the chosen row that shows the frame of the viewer."""
        if self.rows is None or self._row is None:
            return None
        column = self.rows.column_of(self._row, self._frame)
        return column if column in self.rows.columns else None

    def _tile(self, row: int, column: int) -> QRect:
        start = self.rows.columns.start if self.rows is not None else 0
        left = LEFT + (column - start) * self.sizes.across - self.horizontalScrollBar().value()
        top = TOP + row * self.sizes.down - self.verticalScrollBar().value()
        return QRect(left, top, self.sizes.side, self.sizes.side)

    def _fit(self) -> None:
        rows = len(self.rows) if self.rows is not None else 0
        columns = len(self.rows.columns) if self.rows is not None else 0
        room = self._area
        sizes = (
            (self.verticalScrollBar(), rows * self.sizes.down, room.height(), self.sizes.down),
            (
                self.horizontalScrollBar(),
                columns * self.sizes.across,
                room.width(),
                self.sizes.across,
            ),
        )
        for bar, whole, seen, step in sizes:
            bar.setPageStep(max(seen, 1))
            bar.setSingleStep(step)
            bar.setRange(0, max(0, whole - seen))

    def _bring(self, bar: Any, start: int, length: int) -> None:
        """Scroll as little as is needed if a part is seen, else to the middle."""
        first, last = bar.value(), bar.value() + bar.pageStep()
        if start + length <= first or start >= last:
            bar.setValue(round(start - (bar.pageStep() - length) / 2))
        elif start < first:
            bar.setValue(start)
        elif start + length > last:
            bar.setValue(min(start, start + length - bar.pageStep()))

    def wheelEvent(self, event: Any) -> None:
        """Scroll down, or sideways with Shift."""
        turned = event.angleDelta()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and turned.y():
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() - turned.y())
            event.accept()
        else:
            super().wheelEvent(event)

    def resizeEvent(self, event: Any) -> None:
        """Fill the room there is."""
        super().resizeEvent(event)
        self._fit()
        self.scrolled.emit()

    def scrollContentsBy(self, _dx: int, _dy: int) -> None:
        """Paint anew after scrolling."""
        self.viewport().update()

    def _on_scrolled(self, _value: int) -> None:
        self.scrolled.emit()

    def _changed(self) -> None:
        self.viewport().update()
        self.scrolled.emit()


def _frame(painter: QPainter, box: QRect, width: int) -> None:
    """A rectangle that shows on dark and light."""
    for colour, wide in ((QColor("#000000"), width + 2), (QColor("#ffffff"), width)):
        painter.setPen(QPen(colour, wide))
        painter.drawRect(box)
