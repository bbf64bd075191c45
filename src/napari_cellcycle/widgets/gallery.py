"""The gallery to work in: cells are chosen, and stages painted with a brush."""

from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt, Signal

from napari_cellcycle.features.sighted import NOT_SEEN
from napari_cellcycle.widgets.gallery_crops import GalleryCrops
from napari_cellcycle.widgets.gallery_view import LEFT, GalleryView
from napari_cellcycle.widgets.stage_keys import StageKeys


class Gallery(GalleryView):
    """Crops of many cells over time, led by the mouse and by keys.

    `chosen` comes with the row and the sight in it that was clicked or reached with the arrow
    keys; it may be one of the mother. While there is
    a `brush`, the position of a stage, or a number key is held, the mouse paints instead:
    `painted` comes with that stage and all sights that it went over. `escaped` is emitted when
    Escape is pressed and nothing is being painted.
    """

    chosen = Signal(int, int)
    painted = Signal(int, object)
    escaped = Signal()

    def __init__(self, crops: GalleryCrops) -> None:
        super().__init__(crops)
        self.brush: int | None = None
        self.keys = StageKeys(self)
        self.has_stroked = False
        self._stroke: dict[int, int] | None = None
        self._with = 0
        self._last = QPoint()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.keys.pressed.connect(self._on_key)
        self.keys.released.connect(self._point)

    # ---------------------------------------------------------------- mouse

    def take(self, brush: int | None) -> None:
        """Paint with this stage from now on; None chooses cells again."""
        self.brush = brush
        self._point()

    def mousePressEvent(self, event: Any) -> None:
        """Choose the tile under the mouse, or begin to paint."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = event.position().toPoint()
        brush = self._brush
        if brush is not None:
            self._stroke, self._with, self._last = {}, brush, place
            self.has_stroked = True
            self._paint_to(place)
        elif (sight := self._sight(place)) is not None:
            self.chosen.emit(self._row_at(place), sight)

    def mouseMoveEvent(self, event: Any) -> None:
        """Go on painting, or tell about the tile under the mouse."""
        place = event.position().toPoint()
        if self._stroke is not None:
            self._paint_to(place)
            return
        sight = self._sight(place)
        self.setToolTip(self._told(sight) if sight is not None else "")

    def mouseReleaseEvent(self, event: Any) -> None:
        """Give all tiles that were painted their stage."""
        stroke, self._stroke = self._stroke, None
        if stroke is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._painted = {}
        self.viewport().update()
        if stroke:
            self.painted.emit(self._with, np.array(sorted(stroke), np.int64))

    @property
    def _brush(self) -> int | None:
        """Stage that the mouse paints with now, if there are that many."""
        place = self.keys.held if self.keys.held is not None else self.brush
        known = len(self.known.stages) if self.known is not None else 0
        return place if place is not None and place < known else None

    def _paint_to(self, place: QPoint) -> None:
        """Paint every tile on the way from where the mouse was."""
        assert self._stroke is not None
        way = place - self._last
        steps = max(1, (abs(way.x()) + abs(way.y())) * 2 // self.sizes.side)
        for step in range(steps + 1):
            sight = self._sight(self._last + way * (step / steps))
            if sight is not None:
                self._stroke[sight] = self._with
        self._last = place
        self._painted = self._stroke
        self.viewport().update()

    def _sight(self, place: QPoint) -> int | None:
        """The sight under the mouse."""
        if self.rows is None or self.known is None or not self._area.contains(place):
            return None
        across = place.x() - LEFT + self.horizontalScrollBar().value()
        row = self._row_at(place)
        column = self.rows.columns.start + across // self.sizes.across
        if row >= len(self.rows) or column not in self.rows.columns:
            return None
        part = self.rows.sights(self.known, range(row, row + 1), range(column, column + 1))
        return None if part[0, 0] == NOT_SEEN else int(part[0, 0])

    def _row_at(self, place: QPoint) -> int:
        down = place.y() - self._area.top() + self.verticalScrollBar().value()
        return down // self.sizes.down

    def _told(self, sight: int) -> str:
        """Cell, frame, stage and probability of a tile, in words."""
        assert self.known is not None
        known, code = self.known, int(self.known.codes[sight])
        words = f"Cell {known.tracks[sight]}, frame {known.frames[sight]}"
        if code < 0:
            return words
        words = f"{words}: {known.stages.names[code]}"
        if known.pinned[sight]:
            return f"{words}, set by you"
        chance = float(known.chances[sight])
        return f"{words} ({100 * chance:.0f} %)" if np.isfinite(chance) else words

    # ---------------------------------------------------------------- keys

    def keyPressEvent(self, event: Any) -> None:
        """Left and right go from tile to tile, up and down from cell to cell."""
        if event.key() == Qt.Key.Key_Escape:
            self._escape()
            return
        moves = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        if event.key() not in moves or self._row is None:
            super().keyPressEvent(event)
            return
        found = self._beside(*moves[event.key()])
        if found is not None:
            self.chosen.emit(*found)

    def _beside(self, down: int, across: int) -> tuple[int, int] | None:
        """Row and sight beside the one that is shown: of the same cell, or at the same time."""
        assert self.rows is not None and self.known is not None and self._row is not None
        row = min(max(self._row + down, 0), len(self.rows) - 1)
        column = self.rows.column_of(self._row, self._frame)
        sights = self.rows.sights(self.known, range(row, row + 1), self.rows.columns)[0]
        there = np.flatnonzero(sights != NOT_SEEN) + self.rows.columns.start
        if across > 0:
            there = there[there > column]
        elif across < 0:
            there = there[there < column]
        if not len(there):
            return None
        nearest = there[np.argmin(abs(there - column))]
        return row, int(sights[nearest - self.rows.columns.start])

    def _escape(self) -> None:
        if self._stroke is None:
            self.escaped.emit()
        self._stroke, self._painted = None, {}
        self.viewport().update()

    def _on_key(self, _place: int) -> None:
        self.has_stroked = False
        self._point()

    def _point(self, _place: int = 0) -> None:
        """Show by the pointer whether the mouse paints."""
        brush = self._brush is not None
        shape = Qt.CursorShape.CrossCursor if brush else Qt.CursorShape.ArrowCursor
        self.viewport().setCursor(shape)
