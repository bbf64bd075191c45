"""An editor for any settings model, built from its fields."""

from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from napari_cellcycle.config import Settings
from napari_cellcycle.widgets.slider import NumberSlider

S = TypeVar("S", bound=Settings)
Range = tuple[float, float]
BY_ITSELF, SHORT = "found by itself", "by itself"
_MOST = 1_000_000


class Row(QObject):
    """One setting: the widget that edits it, and its value in the model's own terms."""

    changed = Signal()

    def __init__(
        self,
        name: str,
        info: FieldInfo,
        choices: Sequence[str] | None = None,
        slide: Range | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.info = info
        self._slide = slide
        self._kind, self._optional = _plain(info.annotation)
        self.widget = self._build(choices)
        self.widget.setToolTip(info.description or "")

    @property
    def title(self) -> str:
        """What the setting is called on screen."""
        return self.info.title or self.name.replace("_", " ").capitalize()

    @property
    def value(self) -> Any:
        """What the widget shows; None where an optional one is empty."""
        widget = self.widget
        if isinstance(widget, QCheckBox):
            return widget.isChecked()
        if isinstance(widget, QComboBox):
            return widget.currentText()
        if isinstance(widget, QLineEdit):
            return widget.text().strip() or (None if self._optional else "")
        empty = self._optional and widget.value() == widget.minimum()
        return None if empty else widget.value()

    @value.setter
    def value(self, value: Any) -> None:
        widget = self.widget
        if isinstance(widget, QCheckBox):
            widget.setChecked(value)
        elif isinstance(widget, QComboBox):
            if widget.findText(value) < 0:
                widget.addItem(value)
            widget.setCurrentText(value)
        elif isinstance(widget, QLineEdit):
            widget.setText(value or "")
        else:
            widget.setValue(widget.minimum() if value is None else value)

    def _build(self, choices: Sequence[str] | None) -> Any:
        widget: Any
        if self._kind is bool:
            widget = QCheckBox()
            widget.toggled.connect(self.changed)
        elif choices is not None or get_origin(self._kind) is Literal:
            widget = _combo(choices if choices is not None else get_args(self._kind))
            widget.setEditable(choices is not None)
            widget.currentTextChanged.connect(self.changed)
        elif self._kind in (int, float):
            widget = self._number()
            if self._slide is not None:
                low, high = self._slide
                widget.setSpecialValueText(SHORT if self._optional else "")
                widget = NumberSlider(widget, low, high, logarithmic=low > 0)
            widget.valueChanged.connect(self.changed)
        else:
            widget = QLineEdit()
            widget.setPlaceholderText(BY_ITSELF if self._optional else "")
            widget.textChanged.connect(self.changed)
        return widget

    def _number(self) -> QSpinBox | QDoubleSpinBox:
        low, high = _limits(self.info)
        widget: Any
        if self._kind is int:
            widget = QSpinBox()
            step = max(1, (high - low) // 32) if high < _MOST else 1
        else:
            widget = QDoubleSpinBox()
            widget.setDecimals(2)
            step = 0.05 if high - low <= 1 else 0.1 if high - low < 20 else 1.0
        lowest_means_none = self._optional and any(isinstance(r, Ge) for r in self.info.metadata)
        widget.setRange(low - step if lowest_means_none else low, high)
        widget.setSingleStep(step)
        widget.setKeyboardTracking(False)
        if self._optional:
            widget.setSpecialValueText(BY_ITSELF)
        if "micrometres" in (self.info.description or ""):
            widget.setSuffix(" µm")
        return widget


class SettingsForm(QWidget, Generic[S]):
    """Shows one row for each field; titles, limits and tooltips come from the model.

    `fields` chooses and orders the fields that are shown; the others keep their value.
    `choices` offers, by field name, what a text field can be; other text may be typed in.
    `slides` gives numbers a slider over a range, logarithmic if that begins above 0.
    """

    edited = Signal(object)

    def __init__(
        self,
        settings: S,
        fields: Iterable[str] | None = None,
        choices: dict[str, Sequence[str]] | None = None,
        slides: Mapping[str, Range] | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        model = type(settings).model_fields
        names = list(model) if fields is None else list(fields)
        self.rows = {
            n: Row(n, model[n], (choices or {}).get(n), (slides or {}).get(n)) for n in names
        }
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for row in self.rows.values():
            label = QLabel(row.title)
            label.setToolTip(row.widget.toolTip())
            layout.addRow(label, row.widget)
            row.value = getattr(settings, row.name)
            row.changed.connect(self._on_changed)

    def show_rows(self, names: Iterable[str], shown: bool) -> None:
        """Show or hide rows; hidden ones keep their value."""
        layout = self.layout()
        assert isinstance(layout, QFormLayout)
        for name in names:
            layout.setRowVisible(self.rows[name].widget, shown)

    @property
    def settings(self) -> S:
        """What the form shows, validated."""
        shown = {name: row.value for name, row in self.rows.items()}
        return type(self._settings).model_validate({**self._settings.model_dump(), **shown})

    @settings.setter
    def settings(self, settings: S) -> None:
        self._settings = settings
        for row in self.rows.values():
            row.blockSignals(True)
            row.value = getattr(settings, row.name)
            row.blockSignals(False)
        self.edited.emit(settings)

    def _on_changed(self) -> None:
        self.edited.emit(self.settings)


def _plain(annotation: Any) -> tuple[Any, bool]:
    """Type of a field without its limits and its None, and whether it may be None."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _plain(kinds[0])[0], len(kinds) < len(get_args(annotation))
    return annotation, False


def _limits(info: FieldInfo) -> tuple[Any, Any]:
    """Smallest and largest value that a field accepts; an open limit keeps its bound out."""
    low, high = 0, _MOST
    for rule in info.metadata:
        if isinstance(rule, Ge):
            low = rule.ge  # type: ignore[assignment]
        elif isinstance(rule, Gt):
            low = rule.gt  # type: ignore[assignment]
        elif isinstance(rule, Le):
            high = rule.le  # type: ignore[assignment]
    return low, high


def _combo(choices: Iterable[str]) -> QComboBox:
    combo = QComboBox()
    combo.addItems(list(choices))
    combo.setMinimumContentsLength(8)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return combo
