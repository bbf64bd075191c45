"""A section with a header that folds and unfolds its body, and other parts of a column."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)


class Fold(QWidget):
    """A header line, with room for widgets at its right end, over a body that can be folded."""

    toggled = Signal(bool)

    def __init__(self, title: str, *, unfolded: bool = False) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button.setStyleSheet(
            "QToolButton { text-align: left; background: transparent; border: none; }"
        )
        self.header = QHBoxLayout()
        self.header.setContentsMargins(0, 0, 0, 0)
        self.header.setSpacing(6)
        self.header.addWidget(self.button)
        self._frame = QWidget()
        self.body = QVBoxLayout(self._frame)
        self.body.setContentsMargins(18, 2, 0, 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self.header)
        layout.addWidget(self._frame)
        self.button.toggled.connect(self._on_toggled)
        self.button.setChecked(unfolded)
        self._on_toggled(unfolded)

    @property
    def unfolded(self) -> bool:
        """Whether the body is shown."""
        return self.button.isChecked()

    @unfolded.setter
    def unfolded(self, unfolded: bool) -> None:
        self.button.setChecked(unfolded)

    def _on_toggled(self, unfolded: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow)
        self._frame.setVisible(unfolded)
        self.fit()
        self.toggled.emit(unfolded)

    def fit(self) -> None:
        """Take the height that the body needs now; folds in folds would keep what they had."""
        self.body.invalidate()
        widget: QWidget | None = self._frame
        while widget is not None and not widget.isWindow():
            widget.updateGeometry()
            widget = widget.parentWidget()


def scrolled(inner: QWidget) -> QScrollArea:
    """An area that shows `inner` in its full height and scrolls where there is less room."""
    area = QScrollArea()
    area.setWidget(inner)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area


def line() -> QFrame:
    """A line across, between parts of a column."""
    made = QFrame()
    made.setFrameShape(QFrame.Shape.HLine)
    return made
