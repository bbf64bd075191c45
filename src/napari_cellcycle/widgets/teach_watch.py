"""Watching a teaching that runs in a process of its own, through the files that it writes."""

from qtpy.QtCore import QObject, QTimer, Signal

from napari_cellcycle.errors import UserError
from napari_cellcycle.jobs.teaching import OVER, Teaching

_EVERY_MS = 250


class Watch(QObject):
    """Looks four times a second how a teaching is getting on.

    `told` comes with its state, `grew` with the rounds of learning since the last time, `over` with
    the last state. `lost` comes with a sentence if nothing can be read any more.
    """

    told = Signal(object)
    grew = Signal(object)
    over = Signal(object)
    lost = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.teaching: Teaching | None = None
        self._known = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.look)

    def watch(self, teaching: Teaching) -> None:
        """Watch this one from now on."""
        self.teaching, self._known = teaching, 0
        self._timer.start()
        self.look()

    def stop(self) -> None:
        """Watch nothing any more; the teaching goes on."""
        self._timer.stop()
        self.teaching = None

    def look(self) -> None:
        """Look now."""
        teaching = self.teaching
        if teaching is None:
            return
        try:
            state, points = teaching.state, teaching.curve(self._known)
        except (UserError, OSError) as error:
            self.stop()
            self.lost.emit(f"The teaching in {teaching.folder} cannot be read ({error}).")
            return
        if points:
            self._known += len(points)
            self.grew.emit(points)
        self.told.emit(state)
        if state.phase in OVER and self.teaching is teaching:
            self._timer.stop()
            self.over.emit(state)
