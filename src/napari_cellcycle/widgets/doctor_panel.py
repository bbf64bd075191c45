"""What the doctor finds about this installation, beside the viewer."""

from functools import partial
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.jobs.examination import examine_apart
from napari_cellcycle.jobs.findings import Problem, Report
from napari_cellcycle.progress import Progress
from napari_cellcycle.widgets.job_panel import JobPanel
from napari_cellcycle.widgets.notice import Notice
from napari_cellcycle.widgets.task import Task

_FIRST = ("device", "graphics card", "torch", "speed", "memory")
"""Facts that come first: what decides how long steps take."""


class DoctorPanel(QWidget):
    """Says whether something is wrong, with the command that mends it ready to be copied.

    It looks when it is first shown, and on "Look again"; the looking is done in a process of its
    own. `examined` comes with the `Report`.

    Parameters
    ----------
    folder
        Folder of the user's own models; the usual place if not given.
    """

    examined = Signal(object)

    def __init__(self, folder: str | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.report: Report | None = None
        self.task: Task | None = None
        self.verdict = QLabel("Not looked yet.")
        self.verdict.setWordWrap(True)
        self.again = QPushButton("Look again")
        self.again.setToolTip("Look at the installation once more; takes some seconds")
        self.copy_all = QPushButton("Copy all")
        self.copy_all.setToolTip("Copy everything that was found, to send it to who can help")
        self.job = JobPanel()
        self.notice = Notice()
        self._page = QWidget()
        self.findings = QVBoxLayout()
        self.facts = QGridLayout()
        self._build()
        self.again.clicked.connect(self.look)
        self.copy_all.clicked.connect(self._copy_all)
        self.job.cancelled.connect(self.stop)
        self.destroyed.connect(partial(_stop, self.__dict__))

    def _build(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.verdict, 1)
        line.addWidget(self.again)
        line.addWidget(self.copy_all)
        self.facts.setColumnStretch(1, 1)
        self.facts.setHorizontalSpacing(14)
        inner = QVBoxLayout(self._page)
        inner.setContentsMargins(0, 0, 6, 0)
        inner.addLayout(self.findings)
        inner.addLayout(self.facts)
        inner.addStretch(1)
        area = QScrollArea()
        area.setWidget(self._page)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(line)
        layout.addWidget(self.job)
        layout.addWidget(self.notice)
        layout.addWidget(area, 1)
        self.setMinimumHeight(200)
        self._enable()

    def showEvent(self, event: QShowEvent) -> None:
        """Look, the first time."""
        super().showEvent(event)
        if self.report is None and self.task is None:
            QTimer.singleShot(0, self._look_first)

    def _look_first(self) -> None:
        if self.report is None and self.isVisible():
            self.look()

    def look(self) -> None:
        """Look at the installation; nothing happens while that is going on."""
        if self.task is not None:
            return
        self.notice.hide()
        self.verdict.setText("Looking at this installation…")
        self.task = Task("Looking at the installation", _examined, self.folder)
        self.task.progressed.connect(self.job.show_progress)
        self.task.succeeded.connect(self._on_report)
        self.task.failed.connect(self._on_failed)
        self.task.cancelled.connect(self._on_cancelled)
        self.job.begin("Looking at the installation")
        self._enable()
        self.task.start()

    def stop(self) -> None:
        """Stop looking, if that is going on."""
        if self.task is not None:
            self.task.cancel()

    def _end(self) -> None:
        self.task = None
        self.job.end()
        self._enable()

    def _enable(self) -> None:
        self.again.setEnabled(self.task is None)
        self.copy_all.setEnabled(self.report is not None)

    def _on_report(self, report: Report) -> None:
        self.report = report
        self._end()
        self.verdict.setText(_verdict(report))
        _clear(self.findings)
        _clear(self.facts)
        for problem in report.problems:
            self.findings.addWidget(Finding("⚠", problem))
        for hint in report.hints:
            self.findings.addWidget(Finding("ℹ", hint))  # noqa: RUF001
        names = [name for name in _FIRST if name in report.facts]
        names += [name for name in report.facts if name not in names]
        for row, name in enumerate(names):
            self.facts.addWidget(QLabel(name), row, 0, Qt.AlignmentFlag.AlignTop)
            value = QLabel(report.facts[name])
            value.setWordWrap(True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.facts.addWidget(value, row, 1)
        self.examined.emit(report)

    def _on_failed(self, failed: Any) -> None:
        self._end()
        self.verdict.setText("The installation could not be looked at.")
        self.notice.tell(failed.text, failed.details)

    def _on_cancelled(self) -> None:
        self._end()
        self.verdict.setText("Stopped.")

    def _copy_all(self) -> None:
        if self.report is not None:
            QApplication.clipboard().setText(in_words(self.report))


class Finding(QFrame):
    """A problem or a note, and the command that mends it, with a button to copy it."""

    def __init__(self, sign: str, problem: Problem) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = QLabel(f"{sign}  {problem.text}")
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.command = QLineEdit(problem.command)
        self.command.setReadOnly(True)
        self.command.setCursorPosition(0)
        self.command.setToolTip("Type this in a terminal, then start napari anew")
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the command")
        self.copy.clicked.connect(lambda: QApplication.clipboard().setText(self.command.text()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.text)
        line = QHBoxLayout()
        line.addWidget(self.command, 1)
        line.addWidget(self.copy)
        layout.addLayout(line)
        for widget in (self.command, self.copy):
            widget.setVisible(bool(problem.command))


def in_words(report: Report) -> str:
    """All of a report, as it would be sent to somebody."""
    lines = [f"{name}: {value}" for name, value in report.facts.items()]
    for word, found in (("Wrong", report.problems), ("Note", report.hints)):
        for each in found:
            lines += (
                [f"{word}: {each.text}", f"  {each.command}"]
                if each.command
                else [f"{word}: {each.text}"]
            )
    return "\n".join(lines)


def _verdict(report: Report) -> str:
    number = len(report.problems)
    if not number:
        return "✓ Nothing is wrong with this installation."
    return "⚠ One thing is wrong." if number == 1 else f"⚠ {number} things are wrong."


def _examined(folder: str | None, progress: Progress) -> Report:
    return examine_apart(folder, progress=progress)


def _clear(layout: Any) -> None:
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()


def _stop(state: dict[str, Any]) -> None:
    """End the looking when the panel is gone."""
    if state.get("task") is not None:
        state["task"].cancel()
