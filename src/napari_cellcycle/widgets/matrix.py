"""The matrix to work in: cells are chosen, and changes of stage are dragged."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QToolTip

from napari_cellcycle.widgets.matrix_image import image_of, told
from napari_cellcycle.widgets.matrix_view import LEFT, TOP, MatrixView
from napari_cellcycle.widgets.stage_grid import StageGrid
from napari_cellcycle.widgets.stage_keys import StageKeys

_NEAR = 4
"""How near to a change of stage, in pixels of the screen, the mouse takes hold of it."""
_ZOOM = 1.25


@dataclass(frozen=True)
class Drag:
    """A change of stage that the mouse holds: where it was, and where it would go now."""

    row: int
    frame: int
    start: QPoint
    to: int | None = None


class Matrix(MatrixView):
    """Stages of all tracks, led by the mouse and by keys.

    `chosen` comes with row and frame of a click or of the arrow keys, `moved` with row, frame and
    new frame of a change of stage that was dragged; `keys` tells of number keys and of Delete.
    Ctrl and the wheel, or + and -, make rows and columns larger and smaller.
    """

    chosen = Signal(int, int)
    moved = Signal(int, int, int)

    def __init__(self) -> None:
        super().__init__()
        self._drag: Drag | None = None
        self.keys = StageKeys(self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)

    def show_grid(self, grid: StageGrid | None) -> None:
        """Show these rows in this order, or the words where there are none."""
        self._drag = None
        super().show_grid(grid)

    # ---------------------------------------------------------------- mouse and keys

    def mousePressEvent(self, event: Any) -> None:
        """Take hold of a change of stage; elsewhere choose the cell, or the frame, there."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = event.position().toPoint()
        edge = self._edge(place)
        if edge is not None:
            self._drag = Drag(*edge, place)
        elif (found := self._under(place)) is not None:
            self.chosen.emit(*found)

    def mouseMoveEvent(self, event: Any) -> None:
        """Move the change of stage that is held, or tell about the cell under the mouse."""
        place = event.position().toPoint()
        if self._drag is not None:
            self._pull(self._drag, place, event.globalPosition().toPoint())
            return
        self._point(place)
        found = self._under(place)
        self.setToolTip(told(self.grid, *found) if self.grid is not None and found else "")

    def mouseReleaseEvent(self, event: Any) -> None:
        """Leave the change of stage where it is now; one that was not moved is a click."""
        drag, self._drag = self._drag, None
        if drag is None or self.grid is None:
            return
        if drag.to is None:
            found = self._under(event.position().toPoint())
            if found is not None:
                self.chosen.emit(*found)
            return
        self._repaint(drag.row, self.grid.codes[drag.row])
        if drag.to != drag.frame:
            self.moved.emit(drag.row, drag.frame, drag.to)

    def keyPressEvent(self, event: Any) -> None:
        """Left and right change the frame, up and down the track; Escape lets go of the mouse."""
        move = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }.get(event.key())
        zoom = {Qt.Key.Key_Plus: _ZOOM, Qt.Key.Key_Minus: 1 / _ZOOM}.get(event.key())
        if event.key() == Qt.Key.Key_Escape and self._drag is not None and self.grid is not None:
            self._repaint(self._drag.row, self.grid.codes[self._drag.row])
            self._drag = None
        elif zoom is not None:
            self.zoom(zoom, self._area.center())
        elif move is None or self.grid is None or self._row is None:
            super().keyPressEvent(event)
        else:
            rows, frames = self.grid.codes.shape
            row = min(max(self._row + move[0], 0), rows - 1)
            self.chosen.emit(row, min(max(self._frame + move[1], 0), frames - 1))

    def wheelEvent(self, event: Any) -> None:
        """Scroll, sideways with Shift; with Ctrl make rows and columns larger or smaller."""
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() - event.angleDelta().y())
            event.accept()
        elif not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        elif event.angleDelta().y():
            larger = event.angleDelta().y() > 0
            self.zoom(_ZOOM if larger else 1 / _ZOOM, event.position().toPoint())
            event.accept()

    # ---------------------------------------------------------------- moving a change of stage

    def _edge(self, place: QPoint) -> tuple[int, int] | None:
        """Row and frame of the change of stage under the mouse, if it is near one."""
        found = self._under(place)
        if found is None or self.grid is None:
            return None
        row, frame = found
        near = int(np.ceil(_NEAR / self._wide))
        close = [
            (abs(self.border_of(row, at).x() - place.x()), at)
            for at in range(frame - near, frame + near + 2)
            if self.grid.boundary(row, at)
        ]
        distance, at = min(close, default=(_NEAR + 1, 0))
        return (row, at) if distance <= min(_NEAR, max(self._wide / 2, 1)) else None

    def _pull(self, drag: Drag, place: QPoint, globally: QPoint) -> None:
        """Show how the row would be if the change of stage were left here."""
        if self.grid is None:
            return
        across = place.x() - LEFT + self.horizontalScrollBar().value()
        if drag.to is None and abs(place.x() - drag.start.x()) < max(3, round(self._wide / 3)):
            return
        wanted = round(across / self._wide)
        to, codes = self.grid.moved(drag.row, drag.frame, wanted)
        self._drag = Drag(drag.row, drag.frame, drag.start, to)
        self._repaint(drag.row, codes)
        name = self.grid.stages.names[self.grid.codes[drag.row, drag.frame]]
        words = f"Cell {self.grid.tracks[drag.row]}: {name} begins in frame {to}"
        QToolTip.showText(globally, words, self.viewport())

    def _repaint(self, row: int, codes: np.ndarray) -> None:
        """Show other stages in one row."""
        if self._image is None or self.grid is None:
            return
        painter = QPainter(self._image)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.drawImage(0, row, image_of(codes[np.newaxis], self.grid.stages))
        painter.end()
        self.viewport().update()

    def _point(self, place: QPoint) -> None:
        """Show by the pointer whether there is something to take hold of."""
        near = self._edge(place) is not None
        shape = Qt.CursorShape.SplitHCursor if near else Qt.CursorShape.ArrowCursor
        if self.viewport().cursor().shape() != shape:
            self.viewport().setCursor(shape)

    def _under(self, place: QPoint) -> tuple[int, int] | None:
        if self.grid is None or not self._area.contains(place):
            return None
        rows, frames = self.grid.codes.shape
        row = int((place.y() - TOP + self.verticalScrollBar().value()) / self._high)
        if self._row is not None and self._lens(self._row, frames).contains(place):
            row = self._row
        frame = int((place.x() - LEFT + self.horizontalScrollBar().value()) / self._wide)
        return (row, frame) if 0 <= row < rows and 0 <= frame < frames else None
