"""What is being done now, how long it will still take, and a way to stop it."""

import time

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_cellcycle.jobs import Progress, spoken


class JobPanel(QWidget):
    """A progress bar with words, time left and a Cancel button; hidden while nothing runs."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = QLabel()
        self.left = QLabel()
        self.left.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop; everything stays as it was before")
        self.cancel.clicked.connect(self._on_cancel)
        line = QHBoxLayout()
        line.addWidget(self.words, 1)
        line.addWidget(self.left)
        below = QHBoxLayout()
        below.addWidget(self.bar, 1)
        below.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        layout.addLayout(line)
        layout.addLayout(below)
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._tick)
        self._since = 0.0
        self._seconds_left: float | None = None
        self.setVisible(False)

    def begin(self, name: str) -> None:
        """Show that `name` is being done."""
        self._seconds_left, self._since = None, time.monotonic()
        self.words.setText(f"{name}: starting")
        self.left.setText("")
        self.bar.setRange(0, 0)
        self.cancel.setEnabled(True)
        self.setVisible(True)
        self._clock.start()

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        if not self.cancel.isEnabled():
            return
        if progress.message:
            self.words.setText(progress.message)
        if progress.total > 0:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(1000 * progress.done / progress.total))
        self._seconds_left, self._since = progress.seconds_left, time.monotonic()
        self._tick()

    def end(self) -> None:
        """Nothing runs any more."""
        self._clock.stop()
        self.setVisible(False)

    def _on_cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.words.setText("Stopping")
        self.left.setText("")
        self._seconds_left = None
        self.cancelled.emit()

    def _tick(self) -> None:
        """Show the time left; nothing while it is not known."""
        left = self._seconds_left
        gone = time.monotonic() - self._since
        self.left.setText(spoken(None if left is None else max(0.0, left - gone)))
