"""The page of what came of a teaching: the verdict, what changes, errors over the rounds."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.config import ComputeSettings
from napari_cellcycle.errors import UserError
from napari_cellcycle.models.library import default_model, roll_back
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import TaughtResult, accept, discard, proposed
from napari_cellcycle.widgets.fold import scrolled
from napari_cellcycle.widgets.job_panel import JobPanel
from napari_cellcycle.widgets.notice import Notice
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.task import Task, describe
from napari_cellcycle.widgets.teach_changes import STEPS, Changes, Question, find_changes
from napari_cellcycle.widgets.teach_chart import RoundsChart
from napari_cellcycle.widgets.teach_overlay import AFTER, BEFORE, COLOURS, Overlay
from napari_cellcycle.widgets.teach_rounds import (
    AUDIT,
    Round,
    add_rounds,
    audits_of,
    read_rounds,
    rounds_of,
)
from napari_cellcycle.widgets.teach_verdict import Verdict

_ASK = (
    "See what the new model does differently: masks, links or stages in those frames in which the "
    "least was corrected."
)
_LEGEND = "&nbsp;&nbsp; ".join(
    f'<span style="color: {COLOURS[name]}">▬</span> {name}' for name in (BEFORE, AFTER)
)


class ResultPage(QWidget):
    """Nothing is replaced without a yes.

    `compute` tells the device as it is in the preferences at that moment.
    `used` comes with kind and name of a model that is in use from now on, `again` with the kind
    whose steps are to be run again.
    """

    used = Signal(str, str)
    again = Signal(str)

    def __init__(
        self, session: Session, viewer: Any, compute: Callable[[], ComputeSettings]
    ) -> None:
        super().__init__()
        self._session = session
        self._compute = compute
        self.task: Task | None = None
        self._changes: dict[Kind, Changes] = {}
        self._overlay = Overlay(viewer)
        self.verdict = Verdict()
        self.notice = Notice()
        self.chart = RoundsChart()
        self.show_button = QPushButton("Show what changes")
        self.show_button.setCheckable(True)
        self.job = JobPanel()
        self.said = QLabel(_ASK)
        self.said.setWordWrap(True)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setSpacing(1)
        self._build()
        self._connect()

    def _build(self) -> None:
        middle = QVBoxLayout()
        middle.setSpacing(5)
        line = QHBoxLayout()
        line.addWidget(QLabel("<b>What changes</b>"), 1)
        line.addWidget(self.show_button)
        middle.addLayout(line)
        middle.addWidget(self.job)
        middle.addWidget(self.said)
        middle.addWidget(self.list, 1)
        columns = QHBoxLayout()
        columns.setSpacing(18)
        columns.addWidget(scrolled(self.verdict), 5)
        columns.addLayout(middle, 4)
        columns.addWidget(self.chart, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.notice)
        layout.addLayout(columns, 1)
        self.list.hide()

    def _connect(self) -> None:
        self.verdict.shown.connect(self._on_shown)
        self.verdict.accepted.connect(self._on_accepted)
        self.verdict.kept.connect(self._on_kept)
        self.verdict.again.connect(self._on_again)
        self.verdict.back.connect(self._on_back)
        self.show_button.toggled.connect(self._on_show)
        self.job.cancelled.connect(self._on_cancel)
        self.list.itemClicked.connect(self._go)
        self.list.itemActivated.connect(self._go)
        self._session.changed.connect(self._on_changed)

    @property
    def result(self) -> TaughtResult | None:
        """What is shown."""
        return self.verdict.result

    def show_result(self, result: TaughtResult) -> None:
        """Show what came of a teaching."""
        self._forget_changes()
        self.notice.hide()
        self.verdict.show_result(result)
        self._show_rounds()

    def hide_changes(self) -> None:
        """Take what shows changes out of the viewer."""
        self.show_button.setChecked(False)
        self._overlay.clear()

    def _forget_changes(self) -> None:
        """Drop what was found, and what is being looked for: something else is open now."""
        self.hide_changes()
        self._changes = {}
        self._on_cancel()

    # ---------------------------------------------------------------- deciding

    def _on_accepted(self, kind: Kind, name: str) -> None:
        result, model = self.result, self.verdict.model
        if result is None or model is None:
            return
        try:
            result, taken = accept(result, kind, name=name or None)
        except Exception as error:  # noqa: BLE001 - told to the user
            self._tell(error)
            return
        self.notice.hide()
        self._remember(kind, result)
        self.verdict.show_result(result, kind)
        self.used.emit(kind, taken.card.name)

    def _on_kept(self, kind: Kind) -> None:
        if self.result is None:
            return
        try:
            result = discard(self.result, kind)
        except Exception as error:  # noqa: BLE001 - told to the user
            self._tell(error)
            return
        self.notice.hide()
        self.hide_changes()
        self.verdict.show_result(result, kind)

    def _on_back(self, kind: Kind) -> None:
        if self.result is not None:
            self.go_back(kind, self.result.request.model_folder)

    def go_back(self, kind: Kind, folder: str | Path | None) -> None:
        """Use the model again that was in use in `folder` before."""
        former = default_model(kind, folder)
        try:
            parent = roll_back(kind, folder)
        except Exception as error:  # noqa: BLE001 - told to the user
            self._tell(error)
            return
        name = parent.card.name
        words = f"{name} is in use again; {former} is still among your models."
        self.notice.tell(words, problem=False)
        if self.result is not None:
            self.verdict.show_result(self.result, self.verdict.kind)
        self.used.emit(kind, name)

    def _on_again(self, kind: Kind) -> None:
        self.hide_changes()
        self.again.emit(kind)

    def _remember(self, kind: Kind, result: TaughtResult) -> None:
        """Write down how many errors are left, beside the experiment that is open."""
        model, folder = result.of(kind), self._folder
        if model is None or folder is None:
            return
        named = model.model_copy(update={"name": model.accepted or model.name})
        known = read_rounds(folder)
        try:
            add_rounds(folder, [*self._audits(known), *rounds_of(named, known)])
        except UserError as error:
            self._tell(error)
        self._show_rounds()

    @property
    def _folder(self) -> Path | None:
        result = self._session.result
        return result.folder if result is not None else None

    def _audits(self, known: Sequence[Round]) -> list[Round]:
        """What was found by an audit of the open result."""
        draft = self._session.draft
        experiment = self._session.experiment
        if draft is None or not draft.tracked or experiment is None:
            return []
        made = {step.name: step.model or "" for step in experiment.history}
        models = {kind: made.get(step, "") for kind, step in STEPS.items()}
        return audits_of(draft, known, models)

    def _show_rounds(self) -> None:
        known = read_rounds(self._folder)
        audits = self._audits(known)
        now = {(each.kind, each.number) for each in audits}
        former = [x for x in known if x.source != AUDIT or (x.kind, x.number) not in now]
        self.chart.show_rounds([*former, *audits])

    def _tell(self, error: BaseException) -> None:
        failed = describe(error)
        self.notice.tell(failed.text, "" if isinstance(error, UserError) else failed.details)

    # ---------------------------------------------------------------- what changes

    def _on_shown(self, kind: Kind) -> None:
        model = self.verdict.model
        self.hide_changes()
        self.show_button.setEnabled(model is not None and not model.discarded)
        self._fill(self._changes.get(kind))

    def _on_show(self, shown: bool) -> None:
        kind = self.verdict.kind
        if not shown or kind is None:
            self._overlay.clear()
            self._fill(None)
            return
        if kind in self._changes:
            self._show_changes(self._changes[kind])
        elif self.task is None:
            self._find(kind)

    def _find(self, kind: Kind) -> None:
        model, experiment, result = self.verdict.model, self._session.experiment, self.result
        if model is None or result is None or experiment is None:
            self.show_button.setChecked(False)
            self.notice.tell("Open a movie with a result first, to see the changes on it.")
            return
        after = str(proposed(result, kind).path) if model.accepted is None else model.accepted
        folder = result.request.model_folder
        where = {"model_folder": None if folder is None else str(folder)}
        compute = self._compute().model_copy(update=where)
        question = Question(kind, model.base, after, experiment, compute)
        self.task = Task("Comparing two models", find_changes, question)
        self.job.begin("Comparing two models")
        self.task.progressed.connect(self.job.show_progress)
        self.task.succeeded.connect(partial(self._on_found, self._changes))
        self.task.failed.connect(self._on_failed)
        self.task.ended.connect(partial(self._on_ended, kind, self._changes))
        self.said.setText("")
        self.task.start()

    def _on_found(self, known: dict[Kind, Changes], changes: Changes) -> None:
        """Keep an answer beside those that were `known` when it was asked for."""
        known[changes.kind] = changes

    def _on_failed(self, failed: Any) -> None:
        self.notice.tell(failed.text, "" if failed.kind == "user" else failed.details)

    def _on_cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def _on_ended(self, kind: Kind, known: dict[Kind, Changes]) -> None:
        self.task = None
        self.job.end()
        if known is not self._changes:
            self._on_show(self.show_button.isChecked())
            return
        changes = self._changes.get(kind)
        if changes is None or kind != self.verdict.kind or not self.show_button.isChecked():
            self.show_button.setChecked(False)
            self._fill(None)
        else:
            self._show_changes(changes)

    def _show_changes(self, changes: Changes) -> None:
        recording = self._session.recording
        if recording is not None and recording.result is not None:
            self._overlay.show(changes, recording)
        self._fill(changes)
        if changes.kind == "segment" and changes.frames:
            self._session.go_to_frame(changes.frames[0])

    def _fill(self, changes: Changes | None) -> None:
        self.list.clear()
        shown = changes is not None and self.show_button.isChecked()
        for change in changes.changes if changes is not None and shown else ():
            item = QListWidgetItem(f"Frame {change.frame}: {change.words}")
            item.setData(Qt.ItemDataRole.UserRole, change)
            item.setToolTip("Click to go there")
            self.list.addItem(item)
        self.list.setVisible(bool(self.list.count()))
        self.said.setText(_found(changes) if changes is not None and shown else _ASK)

    def _go(self, item: Any) -> None:
        change = item.data(Qt.ItemDataRole.UserRole)
        self._session.look_at(change.frame, change.place, change.cell)
        if change.cell is not None:
            self._session.select(change.cell)

    def _on_changed(self, _experiment: object = None) -> None:
        self._forget_changes()
        if self.isVisible():
            self._show_rounds()

    def showEvent(self, event: Any) -> None:
        """Catch up with what happened meanwhile."""
        super().showEvent(event)
        self._show_rounds()


def _found(changes: Changes) -> str:
    first, last = changes.frames[0], changes.frames[-1]
    where = f"frame {first}" if first == last else f"frames {first} to {last}"
    if changes.kind == "segment":
        where = " and ".join(f"frame {time}" for time in changes.frames)
    number = len(changes.changes)
    if not number:
        return f"Both models say the same in {where}."
    things = "1 thing differs" if number == 1 else f"{number:,} things differ"
    return f"{things} in {where}. {_LEGEND}"
