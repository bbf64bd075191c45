"""How much of a result is right, by yes or no to a random sample of it; a tab below the viewer."""

from itertools import islice
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.review.audit import (
    AUDITED,
    Audited,
    Estimate,
    Question,
    answer,
    estimate,
    questions,
)
from napari_cellcycle.widgets.session import Session

_TITLES: dict[Audited, str] = {"link": "Links", "division": "Divisions", "stage": "Stages"}
_HEADS = ("", "right", "answers", "errors per 1,000 cells", "")
_NO_TRACKS = "Track the cells to find out how many of their links are right."
_NONE_LEFT = "Nothing is left to ask about {}."
_USUAL_GOAL = 2.0


class AuditPanel(QWidget):
    """A question at a time, and what the answers tell so far.

    While the panel itself has the focus, as it does after each answer, the arrow to the right says
    yes, that to the left no, up and down show the frames to compare. Answers are kept with the
    experiment and can be taken back like any correction.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._skipped: set[tuple[Audited, int]] = set()
        self.question: Question | None = None
        self.words = QLabel(_NO_TRACKS)
        self.asked = QLabel()
        self.kind = QComboBox()
        self.goal = QDoubleSpinBox()
        self.yes_button = QPushButton("Yes  (→)")
        self.no_button = QPushButton("No  (←)")
        self.skip_button = QPushButton("Cannot tell")
        self.before_button = QPushButton("Before  (↑)")
        self.after_button = QPushButton("After  (↓)")
        self._settled = QTimer(self, singleShot=True, interval=0)
        self.figures: dict[Audited, list[QLabel]] = {}
        self._build()
        self._connect()

    # ---------------------------------------------------------------- looks

    def _build(self) -> None:
        for kind in AUDITED:
            self.kind.addItem(_TITLES[kind], kind)
        self.kind.setToolTip("What to ask about")
        self.goal.setRange(0.5, 20.0)
        self.goal.setSingleStep(0.5)
        self.goal.setValue(_USUAL_GOAL)
        self.goal.setPrefix("± ")
        self.goal.setSuffix(" %")
        self.goal.setToolTip("How exactly the share that is right should be known")
        self.yes_button.setToolTip("It is right")
        self.no_button.setToolTip("It is wrong; correct it at once or later, this answer stays")
        self.skip_button.setToolTip("Ask something else; this does not count")
        self.before_button.setToolTip("Show the earlier frame")
        self.after_button.setToolTip("Show the later frame")
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.words.setWordWrap(True)
        self.asked.setWordWrap(True)
        font = self.asked.font()
        font.setPointSizeF(1.25 * font.pointSizeF())
        self.asked.setFont(font)
        parts = QWidget()
        row = QHBoxLayout(parts)
        row.setContentsMargins(0, 0, 0, 0)
        row.addLayout(self._question_column(), 1)
        row.addSpacing(16)
        row.addLayout(self._figures_column(), 1)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.words)
        self._stack.addWidget(parts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self._stack)
        self.setMinimumHeight(150)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def _question_column(self) -> QVBoxLayout:
        line = QHBoxLayout()
        line.addWidget(QLabel("Ask about"))
        line.addWidget(self.kind)
        line.addWidget(QLabel("until"))
        line.addWidget(self.goal)
        line.addStretch(1)
        answers = QHBoxLayout()
        for button in (self.no_button, self.yes_button, self.skip_button):
            answers.addWidget(button)
        looks = QHBoxLayout()
        for button in (self.before_button, self.after_button):
            looks.addWidget(button)
        column = QVBoxLayout()
        column.addLayout(line)
        column.addWidget(self.asked, 1)
        column.addLayout(looks)
        column.addLayout(answers)
        return column

    def _figures_column(self) -> QVBoxLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        for place, head in enumerate(_HEADS):
            grid.addWidget(QLabel(head), 0, place)
        for row, kind in enumerate(AUDITED, start=1):
            labels = [QLabel() for _ in _HEADS]
            labels[0].setText(_TITLES[kind])
            labels[-1].setWordWrap(True)
            for place, label in enumerate(labels):
                grid.addWidget(label, row, place)
            self.figures[kind] = labels
        grid.setColumnStretch(len(_HEADS) - 1, 1)
        column = QVBoxLayout()
        column.addLayout(grid)
        column.addStretch(1)
        return column

    def _connect(self) -> None:
        session = self._session
        session.changed.connect(self._on_changed)
        session.edited.connect(self._on_edited)
        self.kind.currentIndexChanged.connect(self._ask)
        self.goal.valueChanged.connect(self._tell)
        pairs = (
            (self.yes_button, "Right", lambda: self.say(True)),
            (self.no_button, "Left", lambda: self.say(False)),
            (self.before_button, "Up", self.show_before),
            (self.after_button, "Down", self.show_after),
        )
        for button, key, slot in pairs:
            button.clicked.connect(lambda _=False, slot=slot: slot())
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(slot)
        self.skip_button.clicked.connect(self.skip)
        self._settled.timeout.connect(self.setFocus)

    # ---------------------------------------------------------------- keeping it up to date

    @property
    def _draft(self) -> Draft | None:
        draft = self._session.draft
        return draft if draft is not None and draft.tracked else None

    def showEvent(self, event: Any) -> None:
        """Catch up with what changed while this was hidden."""
        super().showEvent(event)
        self._ask()
        self._settled.start()

    def _on_changed(self, _experiment: object = None) -> None:
        self._skipped = set()
        self._ask()

    def _on_edited(self, _edit: object) -> None:
        """Corrections may answer a question, or take an answer back."""
        self._ask()

    def _ask(self, _index: int = 0) -> None:
        """Ask the next question of the chosen kind, and say what is known."""
        draft = self._draft
        if not self.isVisible():
            return
        self._stack.setCurrentIndex(0 if draft is None else 1)
        former = self.question
        self.question = self._next(draft) if draft is not None else None
        if self.question is None:
            self.asked.setText(_NONE_LEFT.format(self.kind.currentText().lower()))
        elif self.question != former:
            self.asked.setText(self.question.words)
            self._show(self.question.frame)
        for button in (self.yes_button, self.no_button, self.skip_button):
            button.setEnabled(self.question is not None)
        compares = self.question is not None and self.question.kind != "stage"
        for button in (self.before_button, self.after_button):
            button.setVisible(compares)
        self._tell()

    def _next(self, draft: Draft) -> Question | None:
        kind: Audited = self.kind.currentData()
        for question in islice(questions(draft, kind), len(self._skipped) + 1):
            if (kind, question.cell) not in self._skipped:
                return question
        return None

    def _tell(self, _value: float = 0.0) -> None:
        draft = self._draft
        if draft is None or not self.isVisible():
            return
        goal = self.goal.value() / 100
        for kind, labels in self.figures.items():
            known = estimate(draft, kind)
            texts = _figures(known, goal)
            for label, text in zip(labels[1:], texts, strict=True):
                label.setText(text)

    # ---------------------------------------------------------------- looking and answering

    def show_before(self) -> None:
        """Show the earlier frame of what is asked about."""
        if self.question is not None:
            self._show(self.question.before)

    def show_after(self) -> None:
        """Show the later frame of what is asked about."""
        if self.question is not None:
            self._show(self.question.frame)

    def _show(self, frame: int) -> None:
        question, draft, session = self.question, self._draft, self._session
        if question is None or draft is None or not draft.has(question.cell):
            return
        label = draft.label(question.cell)
        session.select(label)
        session.look_at(frame, list(question.place), label)
        self.setFocus()

    def say(self, right: bool) -> None:
        """Answer the question; the next one comes."""
        if self.question is not None:
            self._session.do_all(answer(self.question, right))

    def skip(self) -> None:
        """Leave the question out."""
        if self.question is not None:
            self._skipped.add((self.question.kind, self.question.cell))
            self._ask()


def _figures(known: Estimate, goal: float) -> tuple[str, str, str, str]:
    """What is known of a kind: share with interval, answers, errors per 1,000 cells, advice."""
    if not known.there:
        return "", "", "", "none in this result"
    asked = f"{known.asked:,} of {known.there:,}"
    if not known.asked:
        return "not known yet", asked, "", ""
    share = f"{_percent(known.share)}  ({_percent(known.low)} to {_percent(known.high)})"
    about, least, most = known.errors()
    errors = f"{about:.1f}  ({least:.1f} to {most:.1f})"
    still = known.still(goal)
    if not still:
        return share, asked, errors, f"Enough: known to ± {_percent(known.half_width)}"
    return share, asked, errors, f"about {still:,} more answers for ± {_percent(goal)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
