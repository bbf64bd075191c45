"""The page that shows a teaching while it runs: curves, time left, a pause, and a way to stop."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_cellcycle.jobs import spoken
from napari_cellcycle.jobs.teaching import TeachingState
from napari_cellcycle.widgets.notice import Notice
from napari_cellcycle.widgets.teach_curves import Curves

INTERRUPTED = (
    "What was learning is gone: its process was ended, or the computer was switched off. What was "
    "learned until then is kept: press Go on to go on from there."
)
_PHASES = {"waiting": "Waiting", "paused": "Paused", "interrupted": "Interrupted"}
_PAUSE, _GO_ON = "Pause", "Go on"


class LearnPage(QWidget):
    """Says how far a teaching is; `paused`, `resumed` and `stopped` tell what the user wants."""

    paused = Signal()
    resumed = Signal()
    stopped = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = QLabel("Nothing is being learned.")
        self.left = QLabel()
        self.left.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bar = QProgressBar()
        self.pause_button = QPushButton(_PAUSE)
        self.pause_button.setToolTip("Let the processors do other things for a while")
        self.stop_button = QPushButton("Cancel")
        self.stop_button.setToolTip(
            "Stop learning; the best so far is offered as a result, nothing is replaced"
        )
        self.aside = QLabel("napari can be closed meanwhile; learning goes on.")
        self.aside.setStyleSheet("font-size: 11px;")
        self.notice = Notice()
        self.curves = Curves()
        self.pause_button.clicked.connect(self._on_pause)
        self.stop_button.clicked.connect(self._on_stop)
        self._build()
        self.end()

    def _build(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.words, 1)
        line.addWidget(self.left)
        below = QHBoxLayout()
        below.addWidget(self.bar, 1)
        below.addWidget(self.pause_button)
        below.addWidget(self.stop_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(line)
        layout.addLayout(below)
        layout.addWidget(self.aside)
        layout.addWidget(self.notice)
        layout.addWidget(self.curves, 1)

    def show_state(self, state: TeachingState) -> None:
        """Show how it is getting on."""
        self.words.setText(_PHASES.get(state.phase) or _plain(state.message) or "Starting")
        running = state.phase == "running"
        self.left.setText(spoken(state.seconds_left) if running else "")
        self.bar.setRange(0, max(0, state.total))
        self.bar.setValue(state.done)
        waits = state.phase in ("paused", "interrupted")
        self.pause_button.setText(_GO_ON if waits else _PAUSE)
        self.pause_button.setEnabled(running or waits)
        self.stop_button.setEnabled(True)
        if state.phase == "interrupted":
            if self.notice.isHidden():
                self.notice.tell(INTERRUPTED)
        elif running:
            self.notice.hide()

    def end(self) -> None:
        """Show that nothing runs."""
        self.left.setText("")
        self.bar.setRange(0, 1)
        self.bar.setValue(0)
        for button in (self.pause_button, self.stop_button):
            button.setEnabled(False)

    def fail(self, sentence: str, details: str = "") -> None:
        """Say why it ended without a result."""
        self.end()
        self.words.setText("Nothing was learned, and no model was changed.")
        self.notice.tell(sentence, details)

    def _on_pause(self) -> None:
        self.pause_button.setEnabled(False)
        if self.pause_button.text() == _PAUSE:
            self.paused.emit()
        else:
            self.notice.hide()
            self.resumed.emit()

    def _on_stop(self) -> None:
        self.words.setText("Stopping")
        self.pause_button.setEnabled(False)
        self.stop_button.setEnabled(False)
        self.stopped.emit()


def _plain(message: str) -> str:
    """What a teaching says it does, without the figures that the curves show."""
    return "Learning" if message.startswith("Training") else message
