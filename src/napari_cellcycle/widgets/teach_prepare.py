"""The page on which a teaching is prepared: what there is, what would help, what to teach."""

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_cellcycle.config import ComputeSettings
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import Suggestion, TeachRequest
from napari_cellcycle.widgets.fold import scrolled
from napari_cellcycle.widgets.notice import Notice
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.task import Task
from napari_cellcycle.widgets.teach_choice import Choice
from napari_cellcycle.widgets.teach_help import Suggestions
from napari_cellcycle.widgets.teach_material import Material
from napari_cellcycle.widgets.teach_sources import Found, find_suggestions, find_truth

_PAUSE_MS = 300
_EACH = 8
_NONE_OPEN = "Open a movie, track and classify it, and correct what is wrong; or add an experiment."
_OTHER_MODELS = (
    "The folder of your models was changed in the preferences, and there are other models to begin "
    "with now: look whether the right ones are chosen, then press Teach again."
)


class PreparePage(QWidget):
    """Keeps up with corrections while it is seen; `started` comes with what is to be taught.

    `compute` tells device and model folder as they are in the preferences at that moment.
    """

    started = Signal(object)

    def __init__(self, session: Session, compute: Callable[[], ComputeSettings]) -> None:
        super().__init__()
        self._session = session
        self._compute = compute
        self.found = Found()
        self._counting: Task | None = None
        self._looking: Task | None = None
        self._stale = True
        self.material = Material(session)
        self.suggestions = Suggestions(session)
        self.choice = Choice(compute().model_folder)
        self.notice = Notice()
        self._later = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._build()
        self._connect()
        self._show_counting()

    def _build(self) -> None:
        columns = QHBoxLayout()
        columns.setSpacing(18)
        for widget, share in ((self.material, 4), (self.suggestions, 5), (self.choice, 4)):
            area = widget if widget is self.suggestions else scrolled(widget)
            columns.addWidget(area, share)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.notice)
        layout.addLayout(columns, 1)

    def _connect(self) -> None:
        session = self._session
        session.edited.connect(self._on_edited)
        session.changed.connect(self._on_changed)
        session.saved.connect(self.recount)
        self._later.timeout.connect(self._count)
        self.material.changed.connect(self.recount)
        self.suggestions.asked.connect(self.look)
        self.choice.started.connect(self._on_start)

    def showEvent(self, event: Any) -> None:
        """Catch up with what was corrected meanwhile."""
        super().showEvent(event)
        self.choice.folder = self._compute().model_folder
        if self._stale:
            self._later.start()

    def recount(self) -> None:
        """Count what there is to learn from, a moment from now."""
        self._stale = True
        self._show_counting()
        if self.isVisible():
            self._later.start()

    def _show_counting(self) -> None:
        self.choice.set_counting(self._stale or self._counting is not None)

    def look(self) -> None:
        """Look for what it would help most to correct, beside the viewer."""
        experiment = self._session.experiment
        if self._looking is not None:
            return
        if experiment is None or experiment.tracks is None:
            self.notice.tell(_NONE_OPEN)
            return
        self.suggestions.set_looking(True)
        self._looking = Task(
            "Looking for what would help most", find_suggestions, experiment, _EACH
        )
        self._looking.succeeded.connect(partial(self._on_found, self._session.result))
        self._looking.failed.connect(self._on_failed)
        self._looking.ended.connect(self._on_looked)
        self._looking.start()

    def _count(self) -> None:
        if self._counting is not None:
            return
        self._stale = False
        sources = self.material.sources
        task = Task("Counting corrections", find_truth, sources, self.choice.folder)
        task.succeeded.connect(self._on_counted)
        task.failed.connect(self._on_failed)
        task.ended.connect(self._on_count_ended)
        self._counting = task
        task.start()

    def _on_counted(self, found: Found) -> None:
        self.found = found
        self.material.show_found(found)
        self.choice.show_found(found)

    def _on_count_ended(self) -> None:
        self._counting = None
        self._show_counting()
        if self._stale:
            self.recount()

    def _on_found(self, result: Result | None, found: dict[Kind, list[Suggestion]]) -> None:
        """Show what would help, unless another result is shown meanwhile."""
        if result is self._session.result:
            self.suggestions.show_found(found)

    def _on_looked(self) -> None:
        self._looking = None
        self.suggestions.set_looking(False)

    def _on_failed(self, failed: Any) -> None:
        self.notice.tell(failed.text, "" if failed.kind == "user" else failed.details)

    def _on_edited(self, _edit: object) -> None:
        self.recount()

    def _on_changed(self, _experiment: object = None) -> None:
        self.suggestions.forget()
        self.recount()

    def _on_start(self) -> None:
        self.notice.hide()
        sources = [source for source in self.material.sources if self._teaches(source.folder)]
        if not sources:
            self.notice.tell(self.material.trouble or _NONE_OPEN)
            return
        compute, bases = self._compute(), self.choice.base_names
        self.choice.folder = compute.model_folder
        if self.choice.base_names != bases:
            self.notice.tell(_OTHER_MODELS)
            return
        self.started.emit(
            TeachRequest(
                sources=tuple(source.folder for source in sources),
                kinds=self.choice.kinds,
                bases=bases,
                settings=self.choice.settings,
                device=compute.device,
                model_folder=compute.model_folder,
            )
        )

    def _teaches(self, folder: Any) -> bool:
        counts = self.found.counts.get(folder)
        return counts is not None and counts.in_words() != "nothing"
