"""The lineage tree: time runs to the right, daughters lie around their mother."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from qtpy.QtGui import QPalette

from napari_cellcycle.data.lineage_layout import NONE, Layout
from napari_cellcycle.widgets.lineage_item import Ink, LineageItem
from napari_cellcycle.widgets.lineage_look import Look

READABLE = 18.0
"""Pixels a row at which everything can be read."""
_REACH_PX = 7.0
_NEAR_PX = 6.0
_FEWEST_FRAMES, _FEWEST_ROWS = 6.0, 4.0
_BEYOND = 8.0
"""Rows that one can scroll beyond the first and the last, so that these can be in the middle."""
_STEP = 1.0015
_MARGIN = 0.04
_COLOURS = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)


class LineageTree(pg.PlotWidget):
    """Paints a `Layout`; the wheel zooms, dragging moves.

    With the control key the wheel zooms in time only, with shift among the tracks only. Signals
    come with positions of tracks in the layout: `chosen` with that and the frame of a click,
    `framed` with the frame of a click beside all tracks, `folded` of a double click, `paired` with
    track and frame of a click with shift, `asked` with track, frame and place on the screen of a
    right click, `stepped` with the arrow keys as steps in frames and rows, `turned` with whether
    to fold (-) or unfold (+), and `hovered` with track and frame under the mouse, `NONE` for none.
    """

    chosen = Signal(int, int)
    framed = Signal(int)
    folded = Signal(int)
    paired = Signal(int, int)
    asked = Signal(int, int, QPoint)
    stepped = Signal(int, int)
    turned = Signal(bool)
    hovered = Signal(int, int)
    scrolled = Signal()

    def __init__(self) -> None:
        self.item = LineageItem()
        self.box = _TreeBox()
        super().__init__(viewBox=self.box, background=None, enableMenu=False)
        self.box.addItem(self.item, ignoreBounds=True)
        self.hideButtons()
        self.hideAxis("left")
        self.hideAxis("bottom")
        self.showAxis("top")
        self.getAxis("top").enableAutoSIPrefix(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(140)
        self.scene().sigMouseClicked.connect(self._on_click)
        self.scene().sigMouseMoved.connect(self._on_hover)
        self.box.sigRangeChanged.connect(lambda *_: self.scrolled.emit())

    # ---------------------------------------------------------------- what is shown

    @property
    def layout_shown(self) -> Layout | None:
        """The layout that is painted, if any."""
        return self.item.layout

    def show_layout(self, layout: Layout | None, look: Look | None, frames: int) -> None:
        """Paint these lineages, of a movie of so many frames; what is in view stays in view."""
        self.item.show(layout, look, frames)
        room = max(1.0, _MARGIN * frames)
        top, bottom = self._all_rows
        self.box.setLimits(
            xMin=-0.5 - room,
            xMax=frames - 0.5 + 1.5 * room,
            yMin=top - _BEYOND,
            yMax=bottom + _BEYOND,
            maxYRange=max(bottom - top, self.box.height() / READABLE + 2),
            minXRange=_FEWEST_FRAMES,
            minYRange=_FEWEST_ROWS,
        )
        self.scrolled.emit()

    def show_frame(self, frame: int) -> None:
        """Mark a frame, and bring it into view."""
        self.item.frame = frame
        left, right = self.box.viewRange()[0]
        if not left <= frame <= right:
            self.box.translateBy(x=frame - (left + right) / 2)
        self.item.update()

    def show_track(self, position: int, bring: bool = True) -> None:
        """Mark a track as chosen, and bring it into view; `NONE` for no track."""
        self.item.chosen = position
        layout = self.item.layout
        if bring and position != NONE and layout is not None and layout.shown[position]:
            row = float(layout.rows[position])
            top, bottom = self.box.viewRange()[1]
            margin = min(1.0, (bottom - top) / 4)
            if not top + margin <= row <= bottom - margin:
                self.box.translateBy(y=row - (top + bottom) / 2)
        self.item.update()

    def show_others(self, others: tuple[tuple[int, int], ...]) -> None:
        """Mark cells beside the chosen one, by the positions of their tracks and their frames."""
        self.item.others = others
        self.item.update()

    def anchor(self) -> float | None:
        """Where between top (0) and bottom (1) of the view the chosen track is, if it is seen."""
        layout, chosen = self.item.layout, self.item.chosen
        if layout is None or chosen == NONE or not layout.shown[chosen]:
            return None
        top, bottom = self.box.viewRange()[1]
        share = (float(layout.rows[chosen]) - top) / (bottom - top)
        return share if 0 <= share <= 1 else None

    def hold(self, share: float | None) -> None:
        """Move the chosen track to where `anchor` says that it was."""
        layout, chosen = self.item.layout, self.item.chosen
        if share is None or layout is None or chosen == NONE or not layout.shown[chosen]:
            return
        top, bottom = self.box.viewRange()[1]
        self.scroll_to(float(layout.rows[chosen]) - share * (bottom - top))

    # ---------------------------------------------------------------- moving about

    def fit(self) -> None:
        """Show the whole tree."""
        if self.item.layout is not None:
            self.box.setRange(xRange=self._all_frames, yRange=self._all_rows, padding=0)

    def show_readably(self) -> None:
        """Show all frames, and as many rows as can be read, around the chosen track."""
        if self.item.layout is None:
            return
        rows = max(self.box.height(), 60.0) / READABLE
        height = max(self.item.layout.height, _FEWEST_ROWS)
        top = -1.5
        if self.item.chosen != NONE and self.item.layout.shown[self.item.chosen]:
            top = max(-1.5, float(self.item.layout.rows[self.item.chosen]) - rows / 2)
        rows = min(rows, height + 2.0)
        top = min(top, height + 0.5 - rows)
        self.box.setRange(xRange=self._all_frames, yRange=(top, top + rows), padding=0)

    def scroll_to(self, row: float) -> None:
        """Let `row` be the first one in view."""
        top = self.box.viewRange()[1][0]
        self.box.translateBy(y=row - top)

    def place_of(self, position: int, frame: int) -> QPoint:
        """Where on the screen (in the viewport) a cell of a track is."""
        assert self.item.layout is not None
        row = float(self.item.layout.rows[position])
        scene = self.box.mapViewToScene(QPointF(frame, row))
        return self.mapFromScene(scene)

    # ---------------------------------------------------------------- mouse and keys

    def keyPressEvent(self, event: Any) -> None:
        """Arrows go along tracks and from one to the next; minus folds, plus unfolds."""
        step = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }.get(event.key())
        if step is not None:
            self.stepped.emit(*step)
        elif event.key() in (Qt.Key.Key_Minus, Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.turned.emit(event.key() == Qt.Key.Key_Minus)
        else:
            event.ignore()

    def changeEvent(self, event: Any) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if self.isVisible() and event.type() in _COLOURS:
            self._take_colours()

    def showEvent(self, event: Any) -> None:
        """Take the colours of the window that this is in by now."""
        super().showEvent(event)
        self._take_colours()

    def _take_colours(self) -> None:
        palette = self.palette()
        ink = Ink(
            palette.color(QPalette.ColorRole.WindowText), palette.color(QPalette.ColorRole.Window)
        )
        self.item.ink = ink
        self.setBackground(ink.paper)
        axis = self.getAxis("top")
        axis.setPen(ink.thin)
        axis.setTextPen(ink.text)
        font = self.font()
        font.setPixelSize(11)
        axis.setTickFont(font)

    def _on_click(self, event: Any) -> None:
        layout = self.item.layout
        if layout is None or not self.box.sceneBoundingRect().contains(event.scenePos()):
            return
        position, frame = self._under(event.scenePos())
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        event.accept()
        if event.button() == Qt.MouseButton.RightButton:
            if position != NONE:
                self.asked.emit(position, frame, event.screenPos().toPoint())
        elif event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
        elif position == NONE:
            self.framed.emit(frame)
        elif event.double():
            self.folded.emit(position)
        elif shift:
            self.paired.emit(position, frame)
        else:
            self.chosen.emit(position, frame)

    def _on_hover(self, place: QPointF) -> None:
        if self.item.layout is None or not self.box.sceneBoundingRect().contains(place):
            self.hovered.emit(NONE, 0)
            return
        self.hovered.emit(*self._under(place))

    def _under(self, place: QPointF) -> tuple[int, int]:
        """Position of the track and the frame at a place of the scene."""
        layout = self.item.layout
        assert layout is not None
        point = self.box.mapSceneToView(place)
        wide, high = self.box.viewPixelSize()
        reach = max(_REACH_PX * high, 0.3 if high * READABLE < 2 else 0.0)
        position = layout.track_at(point.x(), point.y(), reach, _NEAR_PX * wide)
        frame = int(np.clip(round(point.x()), 0, max(self.item.frames - 1, 0)))
        if position != NONE and not layout.folded[position]:
            known = layout.lineages
            frame = int(np.clip(frame, known.first[position], known.last[position]))
        return position, frame

    @property
    def _all_frames(self) -> tuple[float, float]:
        room = max(1.0, _MARGIN * self.item.frames)
        return -0.5 - room, self.item.frames - 0.5 + 1.5 * room

    @property
    def _all_rows(self) -> tuple[float, float]:
        height = self.item.layout.height if self.item.layout is not None else 1.0
        height = max(height, _FEWEST_ROWS)
        return -1.5 - _MARGIN * height, height + 0.5 + _MARGIN * height / 2


class _TreeBox(pg.ViewBox):
    """Moves with the left mouse button; the wheel zooms both ways, or one with a key held."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, invertY=True)
        self.disableAutoRange()
        self.sigRangeChanged.connect(self._settle)

    def _settle(self, *_: Any) -> None:
        """Move at once: what is moved only when it is painted is painted a second time."""
        self.updateMatrix()

    def wheelEvent(self, event: Any, axis: int | None = None) -> None:
        """Zoom around the mouse."""
        held = event.modifiers()
        if held & Qt.KeyboardModifier.ControlModifier:
            axis = 0
        elif held & Qt.KeyboardModifier.ShiftModifier:
            axis = 1
        factor = _STEP ** -event.delta()
        centre = self.mapSceneToView(event.scenePos())
        x = factor if axis in (None, 0) else None
        y = factor if axis in (None, 1) else None
        self.scaleBy(x=x, y=y, center=centre)
        event.accept()

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Move with the left or the middle button; the right one asks for the menu only."""
        if event.button() == Qt.MouseButton.RightButton:
            event.ignore()
            return
        super().mouseDragEvent(event, axis)
