"""One step of the analysis: its model, its settings, and a button that runs it."""

from collections.abc import Mapping, Sequence
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QPushButton, QWidget

from napari_cellcycle.config import ClassifySettings, SegmentSettings, TrackSettings
from napari_cellcycle.jobs.job import StepName
from napari_cellcycle.models.store import Kind
from napari_cellcycle.widgets.fold import Fold
from napari_cellcycle.widgets.form import SettingsForm
from napari_cellcycle.widgets.sources import Source

StepModel = SegmentSettings | TrackSettings | ClassifySettings
KINDS: dict[StepName, Kind] = {"segment": "segment", "track": "link", "classify": "stage"}
TITLES: dict[StepName, str] = {"segment": "Segment", "track": "Track", "classify": "Classify"}
QUERY_FIELDS = ("point_threshold", "point_smoothing", "point_radius")
"""Settings that query models alone know."""
_HINTS = {
    "segment": "Find the cells in every frame",
    "track": "Follow the cells over time and find their divisions",
    "classify": "Give every cell its stage of the cell cycle",
}
_MAIN = {
    "segment": ("diameter", "cell_threshold", "flow_threshold", *QUERY_FIELDS, "min_diameter"),
    "track": ("max_distance", "max_gap", "division_cost"),
    "classify": ("smoothing",),
}
_SLIDES = {
    "diameter": (2.0, 200.0),
    "cell_threshold": (-6.0, 6.0),
    "flow_threshold": (0.0, 3.0),
    "min_diameter": (0.0, 1.0),
    "point_threshold": (0.01, 1.0),
    "point_smoothing": (0.1, 10.0),
    "point_radius": (1.0, 50.0),
}
_HIDDEN = ("model", "channel")


class StepSection(Fold):
    """Folds; shows the model and a Run button in its header, the settings in its body.

    `edited` tells that another model was chosen, `adjusted` that this or any setting was changed.
    """

    run = Signal(str)
    edited = Signal()
    adjusted = Signal()

    def __init__(self, step: StepName, settings: StepModel) -> None:
        super().__init__(TITLES[step])
        self.step = step
        self.button.setToolTip(_HINTS[step])
        self.shown_model = QLabel()
        self.shown_model.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.run_button = QPushButton("Run")
        self.run_button.setToolTip(_HINTS[step])
        self.header.addWidget(self.shown_model)
        self.header.addWidget(self.run_button)
        self.model = QComboBox()
        self.model.setEditable(True)
        self.model.setMinimumContentsLength(8)
        self.model.setToolTip(type(settings).model_fields["model"].description or "")
        self.about_model = QLabel()
        self.about_model.setWordWrap(True)
        self.about_model.setStyleSheet("font-size: 11px;")
        self._about: dict[str, str] = {}
        self.source = QComboBox()
        self.source.setMinimumContentsLength(8)
        self._offered: list[Layer | None] = []
        self._chosen: Layer | None = None
        fields = [n for n in type(settings).model_fields if n not in _HIDDEN]
        main = [name for name in _MAIN[step] if name in fields]
        self.form = SettingsForm(settings, main, slides=_SLIDES)
        self.more_form = SettingsForm(settings, [name for name in fields if name not in main])
        self.more = Fold("More")
        self.more.body.addWidget(self.more_form)
        self._build()
        self.model.setCurrentText(settings.model)
        self._on_model(settings.model)

    @property
    def settings(self) -> StepModel:
        """The settings shown."""
        extra = {name: row.value for name, row in self.more_form.rows.items()}
        known = {**self.form.settings.model_dump(), **extra, "model": self.model.currentText()}
        return type(self.form.settings).model_validate(known)

    def offer_models(self, names: Sequence[str], about: Mapping[str, str] | None = None) -> None:
        """Offer these models; `about` says what each is."""
        chosen = self.model.currentText()
        offered = dict.fromkeys(names)
        self.model.blockSignals(True)
        self.model.clear()
        self.model.addItems(list(offered))
        for row, name in enumerate(offered):
            self.model.setItemData(row, (about or {}).get(name, ""), Qt.ItemDataRole.ToolTipRole)
        self.model.setCurrentText(chosen)
        self.model.blockSignals(False)
        self._about = dict(about or {})
        self._on_model(chosen)

    def _on_model(self, name: str) -> None:
        """Show which model is chosen, and what it is."""
        self.shown_model.setText(name)
        self.about_model.setText(self._about.get(name, ""))
        self.about_model.setVisible(bool(self._about.get(name)))
        self.fit()

    def offer_sources(self, offered: Sequence[Source]) -> None:
        """Offer what the step can start from; the first, unless the user chose a layer."""
        self._offered = [source.layer for source in offered]
        rows = [row for row, layer in enumerate(self._offered) if layer is self._chosen]
        if not rows:
            self._chosen = None
        self.source.clear()
        self.source.addItems([source.name for source in offered])
        self.source.setCurrentIndex(rows[0] if rows else 0)

    def _on_source(self, row: int) -> None:
        self._chosen = self._offered[row]

    def set_ready(self, reason: str) -> None:
        """Let the step be run, or say in the button's tooltip why it cannot be."""
        self.run_button.setEnabled(not reason)
        self.run_button.setToolTip(reason or _HINTS[self.step])

    def _build(self) -> None:
        form: Any = QWidget()
        rows = QFormLayout(form)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Model", self.model)
        rows.addRow("", self.about_model)
        if self.step != "segment":
            rows.addRow("Starts from", self.source)
        self.body.addWidget(form)
        self.body.addWidget(self.form)
        self.body.addWidget(self.more)
        self.source.activated.connect(self._on_source)
        self.run_button.clicked.connect(lambda: self.run.emit(self.step))
        self.model.currentTextChanged.connect(self._on_model)
        self.model.currentTextChanged.connect(lambda _: self.edited.emit())
        for signal in (self.model.currentTextChanged, self.form.edited, self.more_form.edited):
            signal.connect(lambda _: self.adjusted.emit())
        self.toggled.connect(lambda unfolded: self.shown_model.setVisible(not unfolded))
