"""What is to be taught, from which model, and with how much effort."""

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.models.library import default_model, former_of
from napari_cellcycle.models.store import Kind, list_models
from napari_cellcycle.training.teach import KINDS, Effort, TeachSettings
from napari_cellcycle.training.teach.material import can_be_taught
from napari_cellcycle.widgets import estimates
from napari_cellcycle.widgets.fold import Fold
from napari_cellcycle.widgets.form import SettingsForm
from napari_cellcycle.widgets.teach_sources import Found
from napari_cellcycle.widgets.teach_words import TITLES, hindrance

_EFFORTS: dict[Effort, str] = {
    "quick": "A few rounds of learning, for a first try or a few corrections",
    "thorough": "Learn as long as it helps, for many corrections",
}
_NOTHING = "There is nothing to learn from yet: correct or confirm something first."
_NOT_CHOSEN = "Tick what is to be taught."
_COUNTING = "Counting what there is to learn from…"


class Choice(QWidget):
    """Ticks, base models, effort, settings; `started` tells that it is to begin.

    `rolled_back` comes with the kind of model whose former one is wanted again, `library` tells
    that all models are to be shown.
    """

    started = Signal()
    rolled_back = Signal(str)
    library = Signal()

    def __init__(self, folder: str | None = None) -> None:
        super().__init__()
        self._folder = folder
        self._found = Found()
        self._reasons: dict[Kind, str] = dict.fromkeys(KINDS, _NOTHING)
        self._used: dict[Kind, str] = {}
        self._counting = False
        self._busy = ""
        self.ticks: dict[Kind, QCheckBox] = {}
        self.bases: dict[Kind, QComboBox] = {}
        self.backs: dict[Kind, QToolButton] = {}
        self.efforts: dict[Effort, QRadioButton] = {}
        self._choice = QButtonGroup(self)
        self.cost = QLabel()
        self.more = Fold("More")
        self.form = SettingsForm(
            TeachSettings(), [name for name in TeachSettings.model_fields if name != "effort"]
        )
        self.models_button = QPushButton("All models…")
        self.models_button.setToolTip("Show all models: compare, rename, pass on, go back")
        self.start_button = QPushButton("Teach")
        self.start_button.setMinimumHeight(30)
        self.start_button.setStyleSheet("font-weight: bold;")
        self._build()
        self._connect()
        self.show_models()

    def _build(self) -> None:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, kind in enumerate(KINDS):
            self._add_row(grid, row, kind)
        effort = QHBoxLayout()
        for name, words in _EFFORTS.items():
            button = QRadioButton(name.capitalize())
            button.setToolTip(words)
            button.setChecked(name == "quick")
            self._choice.addButton(button)
            self.efforts[name] = button
            effort.addWidget(button)
        effort.addStretch(1)
        effort.addWidget(self.cost)
        self._fine()
        self.more.body.addWidget(self.form)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.models_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(QLabel("<b>What to teach, and from which model</b>"))
        layout.addLayout(grid)
        layout.addLayout(effort)
        layout.addLayout(buttons)
        layout.addWidget(self.more)
        layout.addStretch(1)

    def _add_row(self, grid: QGridLayout, row: int, kind: Kind) -> None:
        tick, base, back = QCheckBox(TITLES[kind]), QComboBox(), QToolButton()
        base.setMinimumContentsLength(8)
        base.setToolTip("The model that learning begins with; it stays as it is")
        back.setText("↩")
        back.clicked.connect(partial(self._on_back, kind))
        tick.toggled.connect(self._refresh)
        self.ticks[kind], self.bases[kind], self.backs[kind] = tick, base, back
        for column, widget in enumerate((tick, base, back)):
            grid.addWidget(widget, row, column)

    def _fine(self) -> None:
        """Let the speed of learning be as small as it has to be."""
        rate = self.form.rows["learning_rate"].widget
        assert isinstance(rate, QDoubleSpinBox)
        rate.setDecimals(5)
        rate.setSingleStep(0.0001)

    def _connect(self) -> None:
        self._choice.buttonToggled.connect(self._refresh)
        self.start_button.clicked.connect(self.started)
        self.models_button.clicked.connect(self.library)

    # ---------------------------------------------------------------- what is chosen

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of models that are ticked."""
        return tuple(kind for kind in KINDS if self.ticks[kind].isChecked())

    @property
    def base_names(self) -> dict[Kind, str]:
        """The model that learning begins with, for each kind that is ticked."""
        return {kind: self.bases[kind].currentText() for kind in self.kinds}

    @property
    def effort(self) -> Effort:
        """How much effort is made."""
        return next(name for name, button in self.efforts.items() if button.isChecked())

    @property
    def settings(self) -> TeachSettings:
        """All settings as they are shown."""
        return self.form.settings.model_copy(update={"effort": self.effort})

    # ---------------------------------------------------------------- what is shown

    @property
    def folder(self) -> str | None:
        """Folder of the user's own models."""
        return self._folder

    @folder.setter
    def folder(self, folder: str | None) -> None:
        self._folder = folder
        self.show_models()

    def show_models(self) -> None:
        """Offer the models that there are now; one that came into use since is chosen."""
        for kind, combo in self.bases.items():
            chosen, used = combo.currentText(), default_model(kind, self._folder)
            combo.clear()
            combo.addItems(_teachable(kind, self._folder))
            combo.setCurrentText(used)
            if self._used.get(kind) == used:
                combo.setCurrentText(chosen)
            self._used[kind] = used
            self._offer_way_back(kind, used)

    def _offer_way_back(self, kind: Kind, used: str) -> None:
        former = former_of(kind, self._folder)
        self.backs[kind].setEnabled(former is not None)
        self.backs[kind].setToolTip(
            f"{used} is in use; use {former.card.name} again, the former one"
            if former is not None
            else f"{used} is in use; there is no former one that you have"
        )

    def show_found(self, found: Found) -> None:
        """Tick what there is something to learn from, and say why not of the rest."""
        self._found = found
        for kind, tick in self.ticks.items():
            reason = hindrance(kind, found.all)
            was_possible = not self._reasons[kind]
            self._reasons[kind] = reason
            tick.setEnabled(not reason)
            tick.setToolTip(reason)
            if reason or not was_possible:
                tick.setChecked(not reason)
        self._refresh()

    def set_counting(self, counting: bool) -> None:
        """Let nothing begin while it is being counted what there is to learn from."""
        self._counting = counting
        self._refresh()

    def set_busy(self, reason: str) -> None:
        """Say why nothing can be taught now; empty if it can."""
        self._busy = reason
        self._refresh()

    def hindrance(self) -> str:
        """Why it cannot begin; empty if it can."""
        if self._busy:
            return self._busy
        if self._counting:
            return _COUNTING
        if all(self._reasons.values()):
            return _NOTHING
        return "" if self.kinds else _NOT_CHOSEN

    def _refresh(self, *_: object) -> None:
        reason = self.hindrance()
        self.start_button.setEnabled(not reason)
        self.start_button.setToolTip(reason or "Begin to learn; napari stays free meanwhile")
        for kind, base in self.bases.items():
            base.setEnabled(self.ticks[kind].isChecked())
        kinds = self.kinds
        seconds = self._found.estimate(kinds, self.effort)
        self.cost.setText(estimates.in_words(seconds) if kinds else "")

    def _on_back(self, kind: Kind, _checked: bool = False) -> None:
        self.rolled_back.emit(kind)


def _teachable(kind: Kind, folder: str | None) -> list[str]:
    """Names of the models that can be taught further: those that learn so."""
    cards = [model.card for model in list_models(kind, folder)]
    return [card.name for card in cards if can_be_taught(card)]
