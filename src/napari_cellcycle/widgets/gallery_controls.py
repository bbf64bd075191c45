"""How the gallery is arranged, and the brushes that stages are painted with."""

from collections.abc import Sequence
from typing import get_args

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QToolButton,
    QWidget,
)

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.features.gallery_rows import AlignAt, SortBy
from napari_cellcycle.widgets.gallery_crops import Contrast
from napari_cellcycle.widgets.gallery_view import LEAST, MOST
from napari_cellcycle.widgets.stage_keys import digit_of

_USUAL = 64
_CHECKED = (
    "QToolButton { border: 2px solid transparent; border-radius: 3px; padding: 1px; }"
    "QToolButton:checked { border-color: #6f9bff; font-weight: bold; }"
)


class GalleryControls(QWidget):
    """What cells are aligned at and sorted by, and how large and bright tiles are.

    `arranged` is emitted when cells are to be sorted and aligned anew, `resized` with the side of
    a tile in pixels of the screen, `window` with the side of what it shows in micrometres, and
    `contrasted` with what sets its contrast.
    """

    arranged = Signal()
    resized = Signal(int)
    window = Signal(float)
    contrasted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.align = _choice(AlignAt, "What stands below each other in one column")
        self.order = _choice(
            SortBy,
            "What the rows are sorted by: the longest or the most doubtful cell first, or by "
            "the stage in the frame that the viewer shows",
        )
        self.reverse = _button("⇅", "The other way round", checkable=True)
        self.again = _button("↻", "Sort and align again, after corrections")
        self.again.setEnabled(False)
        self.mothers = QCheckBox("Mothers")
        self.mothers.setToolTip("Show the mother of each cell before it")
        self.side = QDoubleSpinBox()
        self.side.setDecimals(0)
        self.side.setSuffix(" µm")
        self.side.setKeyboardTracking(False)
        self.side.setRange(1, 10_000)
        self.side.setValue(30)
        self.side.setToolTip("Side of the window around the cell")
        self.tile = QSlider(Qt.Orientation.Horizontal)
        self.tile.setRange(LEAST, MOST)
        self.tile.setValue(_USUAL)
        self.tile.setMaximumWidth(110)
        self.tile.setToolTip("Size of the tiles on the screen")
        self.contrast = _choice(Contrast, "What black and white are taken from")
        self.channel = QComboBox()
        self.channel.setToolTip("Channel that is shown")
        self.channel.hide()
        self._build()
        self._connect()

    def _build(self) -> None:
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        for words, *widgets in (
            ("Aligned at", self.align),
            ("Sorted by", self.order, self.reverse, self.again, self.mothers),
            ("Window", self.side),
            ("Size", self.tile),
            ("Contrast", self.contrast),
        ):
            line.addWidget(QLabel(words))
            for widget in widgets:
                line.addWidget(widget)
        line.addWidget(self.channel)
        line.addStretch(1)

    def _connect(self) -> None:
        for choice in (self.align, self.order):
            choice.currentTextChanged.connect(lambda _: self.arranged.emit())
        for button in (self.reverse, self.mothers):
            button.toggled.connect(lambda _: self.arranged.emit())
        self.again.clicked.connect(lambda _: self.arranged.emit())
        self.tile.valueChanged.connect(self.resized)
        self.side.valueChanged.connect(self.window)
        self.contrast.currentTextChanged.connect(self.contrasted)

    @property
    def chosen_channel(self) -> str | None:
        """Channel that is shown; None where there is only one."""
        return self.channel.currentText() or None

    def offer_channels(self, names: Sequence[str]) -> None:
        """Offer to show one of these channels, if there are several."""
        shown = [self.channel.itemText(number) for number in range(self.channel.count())]
        if shown != list(names):
            with QSignalBlocker(self.channel):
                self.channel.clear()
                self.channel.addItems(list(names))
        self.channel.setVisible(len(names) > 1)

    def choose_channel(self, name: str | None) -> None:
        """Show this channel at first: that in which the cells were found."""
        if name is not None:
            with QSignalBlocker(self.channel):
                self.channel.setCurrentText(name)

    def show_window(self, side: float) -> None:
        """Show the side of the window, in micrometres, that was found to fit the cells."""
        with QSignalBlocker(self.side):
            self.side.setValue(side)


class Brushes(QWidget):
    """One brush a stage, in its colour, with its number key; the legend of the gallery as well.

    `taken` comes with the position of the stage, or None when the brush is put away.
    """

    taken = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: list[QToolButton] = []
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(2)
        self._line.addStretch(1)

    def add(self, widget: QWidget) -> None:
        """Put another widget at the end of the line."""
        self._line.addWidget(widget)

    def show_stages(self, stages: StageSet | None) -> None:
        """Offer a brush for each of these."""
        for button in self.buttons:
            button.deleteLater()
            self._line.removeWidget(button)
        self.buttons = []
        self.taken.emit(None)
        for place, stage in enumerate(stages.stages if stages is not None else ()):
            digit = digit_of(place)
            key = (
                f"\nKey {digit}: this stage for the chosen cell from the frame shown on; hold it "
                "and drag to paint"
                if digit
                else ""
            )
            about = f"Brush: drag over tiles to make them {stage.name}{key}"
            button = _button(f"{digit} {stage.name}".strip(), about, checkable=True)
            button.setIcon(_square(stage.colour))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setAutoRaise(True)
            button.clicked.connect(lambda on, place=place: self.take(place if on else None))
            self._line.insertWidget(place, button)
            self.buttons.append(button)

    def take(self, place: int | None) -> None:
        """Take the brush of a stage, or put it away."""
        if place is not None and place >= len(self.buttons):
            return
        for number, button in enumerate(self.buttons):
            button.setChecked(number == place)
        self.taken.emit(place)


def _button(words: str, about: str, *, checkable: bool = False) -> QToolButton:
    button = QToolButton()
    button.setText(words)
    button.setToolTip(about)
    button.setCheckable(checkable)
    button.setStyleSheet(_CHECKED)
    return button


def _choice(names: object, about: str) -> QComboBox:
    choice = QComboBox()
    choice.addItems(list(get_args(names)))
    choice.setToolTip(about)
    return choice


def _square(colour: str) -> QIcon:
    pixels = QPixmap(12, 12)
    pixels.fill(QColor(colour))
    return QIcon(pixels)
