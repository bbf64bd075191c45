"""One sentence for the user, with the details behind a fold."""

import platform
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
)

from napari_cellcycle.widgets.fold import Fold

_PACKAGES = ("napari-cellcycle", "napari", "torch", "cellpose", "numpy", "zarr")


class Notice(QFrame):
    """Says what went wrong, or what to know about a result, until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.sign = QLabel()
        self.sign.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.close_button = QToolButton()
        self.close_button.setText("✕")
        self.close_button.setAutoRaise(True)
        self.close_button.setToolTip("Close this message")
        self.close_button.clicked.connect(self.hide)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setFixedHeight(140)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy message and details, to send them to somebody who can help")
        self.copy.clicked.connect(self._on_copy)
        self.offers = QHBoxLayout()
        self.fold = Fold("Details")
        self.fold.header.addWidget(self.copy)
        self.fold.body.addWidget(self.details)
        line = QHBoxLayout()
        line.addWidget(self.sign)
        line.addWidget(self.sentence, 1)
        line.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 6, 6)
        layout.addLayout(line)
        layout.addLayout(self.offers)
        layout.addWidget(self.fold)
        self.hide()

    def tell(self, sentence: str, details: str = "", *, problem: bool = True) -> None:
        """Show `sentence`; `details` and the versions of the software go behind the fold."""
        self.sign.setText("⚠" if problem else "ℹ")  # noqa: RUF001
        self.sentence.setText(sentence)
        self.details.setPlainText(f"{details.strip()}\n\n{versions()}".strip())
        self.fold.unfolded = False
        self.fold.setVisible(bool(details))
        self._clear_offers()
        self.show()

    def offer(self, sentence: str, choices: Sequence[tuple[str, Callable[[], object]]]) -> None:
        """Show `sentence` with a button for each choice; the message closes with a choice."""
        self.tell(sentence)
        for words, chosen in choices:
            button = QPushButton(words)
            button.clicked.connect(self.hide)
            button.clicked.connect(lambda _checked=False, chosen=chosen: chosen())
            self.offers.addWidget(button)
        self.offers.addStretch(1)

    def _clear_offers(self) -> None:
        while self.offers.count():
            item = self.offers.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        clipboard.setText(f"{self.sentence.text()}\n\n{self.details.toPlainText()}")


def versions() -> str:
    """Versions of the software that takes part, one a line."""
    lines = [f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} not installed")
    return "\n".join(lines)
