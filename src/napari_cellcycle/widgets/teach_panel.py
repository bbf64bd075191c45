"""Teaching the models from what was corrected: prepare, watch, decide."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.config import ComputeSettings
from napari_cellcycle.errors import UserError
from napari_cellcycle.jobs.teaching import OVER, Teaching, TeachingState, start_teaching
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import TaughtResult, TeachRequest
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.teach_former import FormerMenu
from napari_cellcycle.widgets.teach_found import Former, former_teachings
from napari_cellcycle.widgets.teach_learn import LearnPage
from napari_cellcycle.widgets.teach_prepare import PreparePage
from napari_cellcycle.widgets.teach_result import ResultPage
from napari_cellcycle.widgets.teach_watch import Watch

PREPARE, LEARN, RESULT = range(3)
_TITLES = ("1  Prepare", "2  Learn", "3  Result")
_TIPS = (
    "What there is to learn from, and what is to be taught",
    "How learning goes",
    "Whether the new model is better, and what it changes",
)
_RUNNING = "A teaching is running: wait for it, or cancel it."
_NOTHING = (
    "It was stopped before a first round of learning was over: nothing was learned, and no model "
    "was changed."
)


class TeachPanel(QWidget):
    """Three pages, of which the one is shown that matters now.

    A teaching runs in a process of its own: it goes on when napari is closed, and the panel finds
    it again. `compute` tells the device and the model folder as they are in the
    preferences at that moment. `used` comes with kind and name of a model that is in use from now
    on, `again` with the kind of model whose steps are to be run again, `library` tells that all
    models are to be shown. `started` and `over` tell of a teaching that is watched.
    """

    used = Signal(str, str)
    again = Signal(str)
    library = Signal()
    started = Signal(object)
    over = Signal(object)

    def __init__(
        self,
        session: Session,
        viewer: Any,
        compute: Callable[[], ComputeSettings],
    ) -> None:
        super().__init__()
        self._compute = compute
        self._tasks: list[Task] = []
        self._searched = False
        self._state: TeachingState | None = None
        self.prepare = PreparePage(session, compute)
        self.learn = LearnPage()
        self.result = ResultPage(session, viewer, compute)
        self.watch = Watch(self)
        self.pages = QStackedWidget()
        self.tabs: list[QPushButton] = []
        self.former_button = QPushButton("Former teachings")
        self.former_button.setToolTip("Look at what came of an earlier teaching again")
        self._menu = FormerMenu(self.former_button)
        self.former_button.setMenu(self._menu)
        self._build()
        self._connect()
        self.show_page(PREPARE)

    def _build(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(4)
        group = QButtonGroup(self)
        for number, (title, tip) in enumerate(zip(_TITLES, _TIPS, strict=True)):
            button = QPushButton(title)
            button.setCheckable(True)
            button.setToolTip(tip)
            button.clicked.connect(partial(self._on_tab, number))
            group.addButton(button)
            self.tabs.append(button)
            line.addWidget(button)
        line.addStretch(1)
        line.addWidget(self.former_button)
        for page in (self.prepare, self.learn, self.result):
            self.pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(line)
        layout.addWidget(self.pages, 1)
        self.tabs[LEARN].setEnabled(False)
        self.tabs[RESULT].setEnabled(False)
        self.setMinimumHeight(260)

    def _connect(self) -> None:
        self.prepare.started.connect(self.start)
        self.prepare.choice.rolled_back.connect(self._on_back)
        self.prepare.choice.library.connect(self.library)
        self.learn.paused.connect(partial(self._ask, "pause"))
        self.learn.resumed.connect(partial(self._ask, "go_on"))
        self.learn.stopped.connect(partial(self._ask, "stop"))
        self.watch.told.connect(self._on_told)
        self.watch.grew.connect(self.learn.curves.add)
        self.watch.over.connect(self._on_over)
        self.watch.lost.connect(self._on_lost)
        self.result.used.connect(self._on_used)
        self.result.again.connect(self.again)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._menu.chosen.connect(self._on_chosen)
        self._menu.deleted.connect(self._on_delete)

    # ---------------------------------------------------------------- pages

    def show_page(self, number: int) -> None:
        """Show one of the pages."""
        self.tabs[number].setEnabled(True)
        self.tabs[number].setChecked(True)
        self.pages.setCurrentIndex(number)

    def showEvent(self, event: Any) -> None:
        """Look for a teaching that runs, or was not decided about, the first time."""
        super().showEvent(event)
        if not self._searched:
            self._searched = True
            self._do("Looking for teachings", former_teachings, self._on_former, self._folder)

    @property
    def _folder(self) -> str | None:
        return self._compute().model_folder

    def _on_tab(self, number: int, _checked: bool = False) -> None:
        self.show_page(number)

    # ---------------------------------------------------------------- one teaching

    def start(self, request: TeachRequest) -> None:
        """Start a teaching in a process of its own."""
        if self.is_learning:
            return
        self.prepare.choice.set_busy("Starting")
        self._do("Starting to teach", _started, self.follow, request)

    def follow(self, teaching: Teaching) -> None:
        """Watch a teaching that runs."""
        self.learn.notice.hide()
        self.learn.curves.begin(teaching.request.kinds)
        self.show_page(LEARN)
        self.prepare.choice.set_busy(_RUNNING)
        self.watch.watch(teaching)
        self.started.emit(teaching)

    def _do(self, name: str, function: Any, then: Any, *arguments: Any) -> None:
        """Do something in a thread, and go on with what it gives."""
        task = Task(name, function, *arguments)
        task.succeeded.connect(then)
        task.failed.connect(self._on_failed)
        task.ended.connect(partial(self._on_ended, task))
        self._tasks.append(task)
        task.start()

    def _ask(self, what: str) -> None:
        """Pause, resume or stop the teaching that is watched, beside the viewer."""
        if self.watch.teaching is not None:
            self._do("Telling the teaching", _told, self._on_asked, self.watch.teaching, what)

    def _on_asked(self, _none: object) -> None:
        self.watch.look()

    def _on_ended(self, task: Task) -> None:
        self._tasks.remove(task)
        self.prepare.choice.set_busy(_RUNNING if self.is_learning else "")

    @property
    def is_busy(self) -> bool:
        """Whether something is being asked of a teaching, or read of one."""
        return bool(self._tasks)

    @property
    def is_learning(self) -> bool:
        """Whether a teaching is watched that is not over."""
        teaching = self.watch.teaching
        return teaching is not None and self._state is not None and self._state.phase not in OVER

    def _on_told(self, state: TeachingState) -> None:
        self._state = state
        self.learn.show_state(state)

    def _on_over(self, state: TeachingState) -> None:
        teaching = self.watch.teaching
        self.watch.stop()
        self.learn.end()
        self.prepare.choice.set_busy("")
        if state.phase == "failed":
            self.learn.fail(state.error, state.details)
            self.show_page(LEARN)
        elif teaching is not None:
            self.learn.words.setText(state.message)
            self._do("Reading the result", _result, self._on_result, teaching)
        self.over.emit(state)

    def _on_result(self, result: TaughtResult | None) -> None:
        if result is None or not (result.models or result.refused):
            self.learn.fail(_NOTHING)
            self.show_page(LEARN)
            return
        self.show_result(result)

    def show_result(self, result: TaughtResult) -> None:
        """Show what came of a teaching."""
        self.result.show_result(result)
        self.show_page(RESULT)

    def _on_lost(self, sentence: str) -> None:
        self.learn.fail(sentence)
        self.prepare.choice.set_busy("")

    def _on_failed(self, failed: Any) -> None:
        notice = self.prepare.notice if self.pages.currentIndex() == PREPARE else self.learn.notice
        notice.tell(failed.text, "" if failed.kind == "user" else failed.details)

    # ---------------------------------------------------------------- former ones

    def _on_former(self, found: list[Former]) -> None:
        running = next((each for each in found if each.runs), None)
        undecided = next((each for each in found if each.is_open), None)
        if running is not None:
            self.follow(running.teaching)
        elif undecided is not None and undecided.result is not None:
            self.show_result(undecided.result)

    def _fill_menu(self) -> None:
        try:
            found = former_teachings(self._folder)
        except UserError:
            found = []
        self._menu.show_found(found)

    def _on_chosen(self, former: Former) -> None:
        if former.runs:
            self.follow(former.teaching)
        elif former.result is not None:
            self.show_result(former.result)
        else:
            self.learn.fail(former.error or _NOTHING)
            self.show_page(LEARN)

    def _on_delete(self, former: Former) -> None:
        watched = self.watch.teaching
        if watched is not None and watched.folder == former.teaching.folder:
            self.watch.stop()
            self.learn.end()
            self.tabs[LEARN].setEnabled(False)
            self._state = None
        self._do("Deleting a teaching", _deleted, self._on_deleted, former.teaching)

    def _on_deleted(self, folder: Path) -> None:
        """Show nothing any more of what was deleted."""
        shown = self.result.result
        if shown is not None and shown.folder == folder:
            self.result.hide_changes()
            self.tabs[RESULT].setEnabled(False)
        if not self.tabs[self.pages.currentIndex()].isEnabled():
            self.show_page(PREPARE)

    # ---------------------------------------------------------------- models

    def _on_back(self, kind: Kind) -> None:
        self.result.go_back(kind, self.prepare.choice.folder)
        self.prepare.notice.tell(
            self.result.notice.sentence.text(), problem=self.result.notice.sign.text() == "⚠"
        )

    def _on_used(self, kind: str, name: str) -> None:
        self.prepare.choice.show_models()
        self.used.emit(kind, name)


def _started(request: TeachRequest, *, progress: Any) -> Teaching:
    return start_teaching(request)


def _told(teaching: Teaching, what: str, *, progress: Any) -> None:
    if what == "pause":
        teaching.pause()
    elif what == "go_on":
        teaching.go_on()
    else:
        teaching.cancel(keep_best=True)


def _deleted(teaching: Teaching, *, progress: Any) -> Path:
    teaching.delete()
    return teaching.folder


def _result(teaching: Teaching, *, progress: Any) -> TaughtResult | None:
    return teaching.result()
