"""A slider with a box beside it, for a number that one finds by trying."""

import math
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

_STEPS = 200
_BOX = 106


class NumberSlider(QWidget):
    """Edits a number by a slider or by a box; both show the same.

    With `logarithmic`, equal ways of the slider are equal factors: for lengths. The least value
    may have words of its own, `special`: the slider is then at its left end.
    """

    valueChanged = Signal(float)

    def __init__(
        self,
        box: QDoubleSpinBox,
        low: float,
        high: float,
        *,
        logarithmic: bool = False,
    ) -> None:
        super().__init__()
        self.box = box
        self._low, self._high, self._logarithmic = low, high, logarithmic
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 10)
        self.slider.setMinimumWidth(60)
        box.setFixedWidth(_BOX)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.slider, 1)
        layout.addWidget(box)
        self.setFocusProxy(self.slider)
        self.slider.valueChanged.connect(self._on_slider)
        box.valueChanged.connect(self._on_box)
        self._on_box(box.value())

    def value(self) -> float:
        """The number."""
        return float(self.box.value())

    def setValue(self, value: float) -> None:
        """Show another number."""
        self.box.setValue(value)

    def minimum(self) -> float:
        """The least number, which may stand for words."""
        return float(self.box.minimum())

    def setToolTip(self, text: str | None) -> None:
        """Explain slider and box."""
        super().setToolTip(text or "")
        self.slider.setToolTip(text or "")
        self.box.setToolTip(text or "")

    def _on_slider(self, step: int) -> None:
        if self._special and step == 0:
            self.box.setValue(self.box.minimum())
            return
        share = step / _STEPS
        if self._logarithmic:
            value = self._low * math.exp(share * math.log(self._high / self._low))
        else:
            value = self._low + share * (self._high - self._low)
        with QSignalBlocker(self.slider):
            self.box.setValue(value)

    def _on_box(self, value: Any) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._step(float(value)))
        self.valueChanged.emit(float(value))

    def _step(self, value: float) -> int:
        if self._special and value == self.box.minimum():
            return 0
        clipped = min(max(value, self._low), self._high)
        if self._logarithmic:
            share = math.log(clipped / self._low) / math.log(self._high / self._low)
        else:
            share = (clipped - self._low) / (self._high - self._low)
        return max(round(share * _STEPS), 1 if self._special else 0)

    @property
    def _special(self) -> bool:
        return bool(self.box.specialValueText())
