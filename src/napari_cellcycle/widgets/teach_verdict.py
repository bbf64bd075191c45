"""What came of a teaching, for one kind of model, and the buttons that decide about it."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.models.library import default_model, former_of
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import KINDS, TaughtModel, TaughtResult
from napari_cellcycle.widgets.teach_words import TITLES, contrasts, head

_AGAIN = {
    "segment": "Run again on the movie, keeping what I corrected",
    "link": "Track again, keeping what I corrected",
    "stage": "Classify again, keeping what I corrected",
}
_BOLD = "font-weight: bold;"


class Verdict(QWidget):
    """Says first whether a model got better or worse; the better choice is the default button.

    `shown` comes with the kind that is looked at, `accepted` with kind and name, `kept` with the
    kind whose old model stays, `again` with the kind whose steps are to be run again, and `back`
    with the kind whose former model is wanted again.
    """

    shown = Signal(str)
    accepted = Signal(str, str)
    kept = Signal(str)
    again = Signal(str)
    back = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.result: TaughtResult | None = None
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.head = QLabel()
        self.words = QLabel()
        self.scores = QLabel()
        self.small = QLabel()
        for label in (self.head, self.words, self.scores, self.small):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.small.setStyleSheet("font-size: 11px;")
        self.name = QLineEdit()
        self.name.setToolTip("What the new model is to be called: letters, digits, '-' and '_'")
        self.use_button = QPushButton("Use the new model")
        self.keep_button = QPushButton("Keep the old one")
        self.again_button = QPushButton()
        self.back_button = QPushButton()
        self._build()
        self._connect()

    def _build(self) -> None:
        self._naming = QWidget()
        naming = QHBoxLayout(self._naming)
        naming.setContentsMargins(0, 0, 0, 0)
        naming.addWidget(QLabel("Name"))
        naming.addWidget(self.name, 1)
        naming.addWidget(self.use_button)
        naming.addWidget(self.keep_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for widget in (
            self.tabs,
            self.head,
            self.words,
            self._naming,
            self.again_button,
            self.back_button,
            self.scores,
            self.small,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.tabs.currentChanged.connect(self._on_tab)
        self.use_button.clicked.connect(self._on_use)
        self.keep_button.clicked.connect(lambda: self._emit(self.kept))
        self.again_button.clicked.connect(lambda: self._emit(self.again))
        self.back_button.clicked.connect(lambda: self._emit(self.back))

    @property
    def kind(self) -> Kind | None:
        """The kind of model that is looked at."""
        kinds = self._kinds
        number = self.tabs.currentIndex()
        return kinds[number] if 0 <= number < len(kinds) else None

    @property
    def model(self) -> TaughtModel | None:
        """The proposed model that is looked at."""
        kind = self.kind
        return self.result.of(kind) if self.result is not None and kind is not None else None

    @property
    def _kinds(self) -> list[Kind]:
        result = self.result
        if result is None:
            return []
        return [kind for kind in KINDS if result.of(kind) is not None or kind in result.refused]

    def show_result(self, result: TaughtResult, kind: Kind | None = None) -> None:
        """Show what came of a teaching, that of `kind` first."""
        self.result = result
        self.tabs.blockSignals(True)
        while self.tabs.count():
            self.tabs.removeTab(0)
        kinds = self._kinds
        for each in kinds:
            self.tabs.addTab(TITLES[each])
        self.tabs.setVisible(len(kinds) > 1)
        self.tabs.setCurrentIndex(kinds.index(kind) if kind in kinds else 0)
        self.tabs.blockSignals(False)
        self._on_tab()

    def _on_tab(self, _number: int = 0) -> None:
        kind, model = self.kind, self.model
        if kind is None:
            return
        if model is None:
            self._show_refused(kind)
        else:
            self._show_model(model)
        self.shown.emit(kind)

    def _show_refused(self, kind: Kind) -> None:
        assert self.result is not None
        self.head.setText("<b>Nothing was learned</b>")
        self.words.setText(self.result.refused.get(kind, ""))
        self.scores.setText("")
        self.small.setText("")
        for widget in (self._naming, self.again_button, self.back_button):
            widget.hide()

    def _show_model(self, model: TaughtModel) -> None:
        verdict = model.verdict
        self.head.setText(head(model))
        self.words.setText(verdict.words)
        found = [each for each in (verdict.held_out, verdict.remembered) if each is not None]
        self.scores.setText(contrasts(found) if found else "")
        self.scores.setVisible(bool(found))
        learned = ", ".join(f"{number:,} {name}" for name, number in model.counts.items() if number)
        notes = [f"Learned from {learned}." if learned else "", _sentence(model.split)]
        self.small.setText(" ".join(note for note in (*notes, *model.notes) if note))
        self._show_choice(model)

    def _show_choice(self, model: TaughtModel) -> None:
        open_still = model.accepted is None and not model.discarded
        self._naming.setVisible(open_still)
        assert self.result is not None
        used = default_model(model.kind, self.result.request.model_folder)
        is_used = model.accepted is not None and used == model.accepted
        self.again_button.setVisible(is_used)
        self.back_button.setVisible(is_used)
        if open_still:
            self.name.setText(model.name)
            wanted = model.verdict.recommended
            for button, default in ((self.use_button, wanted), (self.keep_button, not wanted)):
                button.setDefault(default)
                button.setAutoDefault(default)
                button.setStyleSheet(_BOLD if default else "")
            (self.use_button if wanted else self.keep_button).setFocus()
        elif is_used:
            self.head.setText(f"{self.head.text()}<br>{model.accepted} is in use now.")
            self.again_button.setText(_AGAIN[model.kind])
            former = former_of(model.kind, self.result.request.model_folder)
            self.back_button.setVisible(former is not None)
            self.back_button.setText(f"Go back to {former.card.name}" if former else "Go back")
        elif model.accepted is not None:
            words = f"It is among your models as {model.accepted}; {used} is in use."
            self.head.setText(f"{self.head.text()}<br>{words}")
        else:
            self.head.setText(f"{self.head.text()}<br>It was not taken; {used} is in use.")

    def _emit(self, signal: Signal) -> None:
        if self.kind is not None:
            signal.emit(self.kind)

    def _on_use(self) -> None:
        if self.kind is not None:
            self.accepted.emit(self.kind, self.name.text().strip())


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""
