"""The dock widget "Cell cycle": from a movie to tracked, staged cells."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import napari
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cellcycle.config import ClassifySettings, RunSettings, SegmentSettings, TrackSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.jobs import Failed
from napari_cellcycle.jobs.job import StepName, StepSettings
from napari_cellcycle.models.library import default_model
from napari_cellcycle.widgets import (
    again,
    compare,
    estimates,
    exports,
    following,
    help_sheet,
    imports,
    running,
    saving,
)
from napari_cellcycle.widgets.actions import Actions
from napari_cellcycle.widgets.active_layer import ActiveLayer
from napari_cellcycle.widgets.adopting import adopt_opened
from napari_cellcycle.widgets.agreement import Agreement
from napari_cellcycle.widgets.below import BelowRow, Panels
from napari_cellcycle.widgets.closing import Closing
from napari_cellcycle.widgets.correct_section import CorrectSection
from napari_cellcycle.widgets.correcting import Correcting
from napari_cellcycle.widgets.errors_panel import ErrorsPanel
from napari_cellcycle.widgets.filmstrip import Filmstrip
from napari_cellcycle.widgets.fold import line, scrolled
from napari_cellcycle.widgets.job_panel import JobPanel
from napari_cellcycle.widgets.movie_picker import MoviePicker
from napari_cellcycle.widgets.movies import plain
from napari_cellcycle.widgets.notice import Notice
from napari_cellcycle.widgets.offers import offered_models, query_models
from napari_cellcycle.widgets.picking import Picker, Ring
from napari_cellcycle.widgets.preferences import compute_settings
from napari_cellcycle.widgets.preview import Preview
from napari_cellcycle.widgets.recovery import Recovery
from napari_cellcycle.widgets.results_panel import ResultsPanel
from napari_cellcycle.widgets.segment_section import SegmentSection
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.sources import Source, sources
from napari_cellcycle.widgets.stages_panel import StagesPanel
from napari_cellcycle.widgets.step_section import KINDS, StepSection
from napari_cellcycle.widgets.task import Task, describe
from napari_cellcycle.widgets.teach_return import TeachingsFound
from napari_cellcycle.widgets.teach_wiring import links, teach_button, teach_view
from napari_cellcycle.widgets.views import views_of
from napari_cellcycle.widgets.work import Child
from napari_cellcycle.widgets.workplace import clean_up

_WARM_AFTER_MS = 1500
_PAUSE_MS = 15


class CellCycle(QWidget):
    """Choose a movie, press one button, look at the result.

    `finished` is emitted when a task has ended, whatever came of it.
    """

    finished = Signal()

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self.viewer = viewer
        self.session = Session(viewer)
        self.task: Task | None = None
        self.errors = ErrorsPanel(self.session)
        self.filmstrip = Filmstrip(self.session)
        self.stages = StagesPanel(self.session)
        self.corrections = Actions(self.session)
        self.panels = Panels(viewer, (*views_of(self), teach_view(self)))
        self._child = Child()
        self._looked = False
        self._used: dict[StepName, str] = {}
        self._sources: dict[StepName, list[Source]] = {"track": [], "classify": []}
        self._build()
        self._connect()
        self._on_chosen(self.picker.layer)
        self.refresh()

    # ---------------------------------------------------------------- what it is made of

    def _build(self) -> None:
        self.picker = MoviePicker(self.viewer)
        self.run_button = QPushButton("Track and classify")
        self.run_button.setMinimumHeight(40)
        self.run_button.setStyleSheet("font-size: 14pt; font-weight: bold;")
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.help_button = QPushButton("?")
        self.help_button.setFixedWidth(28)
        self.help_button.setToolTip("What is what, and all keys (?)")
        self.segment = SegmentSection()
        self.track = StepSection("track", TrackSettings())
        self.classify = StepSection("classify", ClassifySettings())
        sections = (self.segment, self.track, self.classify)
        self.steps: dict[StepName, StepSection] = {s.step: s for s in sections}
        self.job_panel = JobPanel()
        self.notice = Notice()
        self.results = ResultsPanel()
        self.correct = CorrectSection(self.session, self.corrections.do)
        self.teach_button = teach_button(self)
        self.below = BelowRow(views_of(self))
        about = QHBoxLayout()
        about.addWidget(self.about, 1)
        about.addWidget(self.help_button)
        inner: Any = QWidget()
        layout = QVBoxLayout(inner)
        layout.setSpacing(6)
        layout.addWidget(self.picker)
        layout.addWidget(self.run_button)
        layout.addLayout(about)
        for section in self.steps.values():
            layout.addWidget(section)
            section.more.body.addWidget(links(self))
        self.track.body.insertWidget(1, imports.button(self))
        layout.addWidget(line())
        for widget in (
            self.job_panel,
            self.notice,
            self.results,
            self.correct,
            self.teach_button,
            self.below,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(inner))
        self.setMinimumWidth(354)

    def _connect(self) -> None:
        self.picker.chosen.connect(self._on_chosen)
        self.picker.edited.connect(self.refresh)
        self.run_button.clicked.connect(partial(self.start, "run"))
        self.help_button.clicked.connect(self.show_help)
        self.below.asked.connect(self.panels.show)
        for section in self.steps.values():
            section.run.connect(self.start)
            section.edited.connect(self.refresh)
        self.job_panel.cancelled.connect(self.cancel)
        self.results.coloured.connect(self.session.colour)
        self.results.undo.connect(self.session.undo)
        self.results.redo.connect(self.session.redo)
        self.results.save.connect(partial(saving.ask_and_save, self))
        self.results.export.connect(partial(exports.ask_and_export, self))
        self.results.compare.connect(partial(compare.ask_and_compare, self))
        self.results.compare_masks.connect(partial(compare.ask_and_compare_masks, self))
        self.session.changed.connect(self._on_result)
        self.session.coloured.connect(self.results.show_colour)
        self.viewer.layers.events.inserted.connect(self._on_layers)
        self.viewer.layers.events.removed.connect(self._on_layers)
        self._connect_preview()
        self._unshown: list[Callable[[], object]] = []
        self._next = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._next.timeout.connect(self._on_ended)
        self._warm = QTimer(self, singleShot=True, interval=_WARM_AFTER_MS)
        self._warm.timeout.connect(self._on_warm)
        self.session.clicked.connect(self._on_clicked)
        clicks = Picker(self.viewer, self.session)
        self.correcting = Correcting(self)
        self.recovery = Recovery(self)
        self.teachings = TeachingsFound(self)
        clicks.menu = self.correcting.show_menu
        ring = Ring(self.viewer, self.session)
        agreement = Agreement(self.viewer, self.session)
        active = ActiveLayer(self.viewer, self.session, self.picker.choose)
        views = (
            self.filmstrip.close_thread,
            ring.close,
            clicks.close,
            agreement.close,
            active.close,
            self.picker.close_events,
            self.correcting.close,
            self.preview.close,
        )
        self.destroyed.connect(Closing(*views, self.session.close, self._child.close))

    def _connect_preview(self) -> None:
        self.preview = Preview(
            self.viewer, self.session, lambda: self.picker.movie, self._segment_settings
        )
        section = self.segment
        section.preview_button.toggled.connect(self.preview.switch)
        section.adjusted.connect(self.preview.refresh)
        self.picker.edited.connect(self.preview.refresh)
        section.toggled.connect(lambda unfolded: self.preview.process.warm() if unfolded else None)
        section.again.connect(self.segment_again)
        self.preview.told.connect(section.tell)
        self.preview.switched.connect(section.preview_button.setChecked)
        self.preview.failed.connect(self._on_failed)

    # ---------------------------------------------------------------- running

    def settings(self, step: StepName) -> StepSettings:
        """Settings of `step` as shown, with the channel that was chosen."""
        shown = {name: section.settings for name, section in self.steps.items()}
        channel = {"channel": self.picker.channel}
        shown["segment"] = shown["segment"].model_copy(update=channel)
        shown["classify"] = shown["classify"].model_copy(update=channel)
        return RunSettings(**shown) if step == "run" else shown[step]

    def start(self, step: StepName) -> Task | None:
        """Run `step` ("segment", "track", "classify" or "run") on the chosen movie."""
        return running.start(self, step)

    def segment_again(self, kind: str) -> Task | None:
        """Segment the "frame" shown, a "region" of it or the "range" of frames again."""
        return again.again(self, kind)

    def begin(self, task: Task) -> Task:
        """Start a task, showing how far it is; one at a time."""
        self.task = task
        self.session.busy_with = task.name
        self.notice.hide()
        self.job_panel.begin(task.name)
        task.progressed.connect(self.job_panel.show_progress)
        task.failed.connect(self._on_failed)
        task.ended.connect(self._on_ended)
        task.start()
        self.refresh()
        return task

    def cancel(self) -> None:
        """Stop what runs; everything stays as it was."""
        if self.task is not None:
            self.task.cancel()

    def hindrance(self, step: StepName) -> str:
        """Why `step` cannot be run now; empty if it can."""
        if self.task is not None:
            return f"'{self.task.name}' is running; wait for it or cancel it."
        if self.picker.movie is None:
            return self.picker.problem or "Choose a movie first."
        if step in self._sources and not self._sources[step]:
            return {
                "track": "Segment the cells first, or open a layer of masks of the movie's shape.",
                "classify": "Track the cells first.",
            }[step]
        return ""

    def show_later(self, steps: list[Callable[[], object]]) -> None:
        """Have these parts of a result shown one by one before the running task counts as ended."""
        self._unshown = steps

    def _on_failed(self, failed: Failed) -> None:
        self.notice.tell(failed.text, failed.details)

    def _on_ended(self) -> None:
        """Show the result part by part, so that the viewer is not held up."""
        try:
            if self._unshown:
                self._unshown.pop(0)()
        except Exception as error:  # noqa: BLE001 - told to the user
            self._unshown = []
            self._on_failed(describe(error))
        if self._unshown:
            self._next.start()
            return
        self.task, self.session.busy_with = None, ""
        self.job_panel.end()
        self.refresh()
        self.finished.emit()
        self.recovery.remind()
        adopt_opened(self)

    # ---------------------------------------------------------------- what is open

    def switch_colours(self) -> None:
        """Colour by stage if cells are coloured by track, and the other way round."""
        display = self.session.result.display if self.session.result else None
        if display is not None and display.has_stages:
            self.session.colour("track" if self.session.colour_by == "stage" else "stage")

    def show_help(self) -> None:
        """Show what is what, and all keys."""
        help_sheet.show(self)

    @property
    def child(self) -> Child:
        """The child process that computes steps."""
        return self._child

    def source(self, step: StepName) -> Source | None:
        """What `step` starts from, as chosen; None for steps that start from the movie alone."""
        known = self._sources.get(step)
        return known[max(0, self.steps[step].source.currentIndex())] if known else None

    @property
    def known_labels(self) -> LabelStack | None:
        """Masks of the chosen movie: our own, or those of a layer."""
        known = self._sources["track"]
        return known[0].labels if known else None

    def _segment_settings(self) -> SegmentSettings:
        settings = self.settings("segment")
        assert isinstance(settings, SegmentSettings)
        return settings

    def _on_clicked(self, frame: int, place: Any) -> None:
        following.follow(self, frame, place)

    def _on_chosen(self, layer: Any) -> None:
        self.session.choose(layer)
        if layer is not None:
            self._warm.start()
            adopt_opened(self)

    def _on_result(self, _experiment: Experiment | None = None) -> None:
        result = self.session.result
        self.results.show_display(result.display if result else None)
        self.refresh()

    def _on_layers(self, _event: object = None) -> None:
        if self.session.forget_all_but(map(plain, self.viewer.layers)):
            self.recovery.look_again()
        adopt_opened(self)
        self.refresh()

    # ---------------------------------------------------------------- keeping it up to date

    def refresh(self) -> None:
        """Bring everything in line with what is open now."""
        self.picker.prefer_all_channels(self.segment.sees_colours)
        movie, recording = self.picker.movie, self.session.recording
        if movie is not None and recording is not None:
            own = [x for x in (recording.layers.labels, recording.layers.tracks) if x is not None]
            for step in self._sources:
                found = sources(step, self.session.experiment, self.viewer.layers, movie, own)
                self._sources[step] = found
                self.steps[step].offer_sources(found)
        for step, section in self.steps.items():
            section.set_ready(self.hindrance(step))
        self.segment.set_again_ready(again.hindrance(self))
        self.segment.set_preview_ready("" if movie is not None else self.hindrance("segment"))
        self.segment.offer_frames(len(movie) if movie is not None else 0)
        reason = self.hindrance("run")
        self.run_button.setEnabled(not reason)
        self.run_button.setToolTip(
            reason
            or "Three steps: find the cells in every frame (Segment), follow them and their "
            "divisions (Track), and give each its stage of the cell cycle (Classify)"
        )
        self.filmstrip.show_movie(movie, self.known_labels if movie else None, self.picker.channel)
        session = self.session
        display = session.result.display if session.result else None
        known = {"movie"} if movie is not None else set()
        known |= {"tracks"} if display is not None and display.has_tracks else set()
        known |= {"stages"} if display is not None and display.has_stages else set()
        self.below.set_ready(known)
        models = {name: section.settings.model for name, section in self.steps.items()}
        seconds = None if movie is None else estimates.estimate(movie, models)
        cost = "" if seconds is None else f"     {estimates.in_words(seconds)}"
        self.about.setText("Segment · Track · Classify" + cost)
        idle = self.task is None
        self.results.set_ready(idle=idle, can_undo=session.can_undo, can_redo=session.can_redo)

    def _on_warm(self) -> None:
        if self.task is None:
            self._child.warm()

    def offer_models(self) -> None:
        """Offer the models that are found now; one that came into use since is chosen."""
        folder = compute_settings().model_folder
        for step, section in self.steps.items():
            offered = offered_models(KINDS[step], folder)
            section.offer_models(list(offered), offered)
            used = default_model(KINDS[step], folder)
            if self._used.get(step) != used:
                self._used[step] = used
                section.model.setCurrentText(used)
        self.segment.offer_queries(query_models(folder))

    def showEvent(self, event: Any) -> None:
        """Look for models whenever the dock is shown."""
        super().showEvent(event)
        self.offer_models()
        if not self._looked:
            self._looked = True
            threading.Thread(target=self._look_around, name="look around", daemon=True).start()

    def _look_around(self) -> None:
        """Tidy what is long forgotten, and find what should not be."""
        clean_up()
        self.recovery.look()
        self.teachings.look()
