"""The mouse over the canvas of a viewer, at places of a layer: real events of Qt."""

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.MouseButton.NoButton
PLAIN = Qt.KeyboardModifier.NoModifier
_PAUSE_MS = 15
"""The canvas leaves out moves of the mouse that come within 10 ms of each other."""


class Pointer:
    """Presses, moves and lets go of the mouse at places y, x of a layer, in its pixels."""

    def __init__(self, viewer, layer):
        self.viewer = getattr(viewer, "__wrapped__", viewer)
        self.layer = layer
        self.canvas = self.viewer.window._qt_viewer.canvas.native

    def place(self, y, x):
        """Where a pixel of the layer is on the canvas."""
        self._settle()
        point = np.zeros(self.layer.ndim)
        point[-2:] = y, x
        world = np.array(self.layer.data_to_world(point))[-2:]
        centre = np.array(self.viewer.scene.camera.center)[-2:]
        middle = np.array([self.canvas.height(), self.canvas.width()]) / 2
        down, right = middle + (world - centre) * self.viewer.scene.camera.zoom
        return QPointF(float(right), float(down))

    def _settle(self):
        """Let a window whose size is about to change do so first."""
        size = None
        while size != self.canvas.size():
            size = self.canvas.size()
            QApplication.processEvents()

    def click(self, y, x, button=LEFT, modifiers=PLAIN):
        self.drag([(y, x)], button, modifiers)

    def drag(self, places, button=LEFT, modifiers=PLAIN):
        """Press at the first place, go through all of them, and let go at the last."""
        points = [self.place(*place) for place in places]
        self._send(QEvent.Type.MouseMove, points[0], NONE, NONE, modifiers)
        self._send(QEvent.Type.MouseButtonPress, points[0], button, button, modifiers)
        for point in points[1:]:
            self._send(QEvent.Type.MouseMove, point, NONE, button, modifiers)
        self._send(QEvent.Type.MouseButtonRelease, points[-1], button, NONE, modifiers)

    def move(self, places, modifiers=PLAIN):
        """Go through places with no button pressed."""
        for place in places:
            self._send(QEvent.Type.MouseMove, self.place(*place), NONE, NONE, modifiers)

    def _send(self, kind, point, button, buttons, modifiers):
        where = QPointF(self.canvas.mapToGlobal(QPoint(int(point.x()), int(point.y()))))
        event = QMouseEvent(kind, point, where, button, buttons, modifiers)
        QTest.qWait(_PAUSE_MS)
        QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()
