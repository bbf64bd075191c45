"""What there is to learn from: how much of each kind, in which experiments."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.data.history import Edit
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.teach import KINDS
from napari_cellcycle.widgets.frame_done import is_done, toggle_done
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.teach_sources import Found, Source
from napari_cellcycle.widgets.teach_words import TITLES, known

FRAME_DONE = "This frame is done"
_KEPT_NOWHERE = "Corrections of the open experiment are not kept on disk: save it first."


class Material(QWidget):
    """Shows how much there is; experiments are added and taken out here.

    `changed` tells that there are other sources.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._added: list[Source] = []
        self.counts: dict[Kind, QLabel] = {}
        self.done_button = QPushButton(FRAME_DONE)
        self.done_button.setCheckable(True)
        self.done_button.setToolTip(
            "Every mask of the frame that is shown is right, and none is missing (Shift Return)"
        )
        self.add_button = QPushButton("Add an experiment")
        self.add_button.setToolTip("Teach from another open or saved experiment, too")
        self._menu = QMenu(self.add_button)
        self.add_button.setMenu(self._menu)
        self._rows = QVBoxLayout()
        self._build()
        self._menu.aboutToShow.connect(self._fill_menu)
        self.done_button.clicked.connect(self._on_done)
        session.moved.connect(self._show_frame)
        session.edited.connect(self._on_edited)
        session.changed.connect(self._on_changed)
        self._on_changed()

    def _build(self) -> None:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setVerticalSpacing(4)
        for row, kind in enumerate(KINDS):
            self.counts[kind] = QLabel("…")
            self.counts[kind].setWordWrap(True)
            title = QLabel(TITLES[kind])
            title.setAlignment(Qt.AlignmentFlag.AlignTop)
            grid.addWidget(title, row, 0)
            grid.addWidget(self.counts[kind], row, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.done_button, 1)
        buttons.addWidget(self.add_button, 1)
        self._rows.setSpacing(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(QLabel("<b>What there is to learn from</b>"))
        layout.addLayout(grid)
        layout.addLayout(buttons)
        layout.addLayout(self._rows)
        layout.addStretch(1)

    # ---------------------------------------------------------------- sources

    @property
    def sources(self) -> list[Source]:
        """The open experiment first, then those that were added."""
        own = self.own
        others = [each for each in self._added if own is None or each.folder != own.folder]
        return ([own] if own is not None else []) + others

    @property
    def own(self) -> Source | None:
        """The open experiment, if there is one that is kept on disk."""
        recording = self._session.recording
        return source_of(recording) if recording is not None else None

    @property
    def trouble(self) -> str:
        """Why the open experiment cannot be taught from; empty if it can, or there is none."""
        result = self._session.result
        return _KEPT_NOWHERE if result is not None and self.own is None else ""

    def add(self, source: Source) -> None:
        """Teach from this one, too."""
        place = source.folder.resolve()
        if all(place != each.folder.resolve() for each in self.sources):
            self._added.append(source)
            self._on_sources()

    def remove(self, folder: Path) -> None:
        """Do not teach from this one."""
        self._added = [each for each in self._added if each.folder != folder]
        self._on_sources()

    def show_found(self, found: Found) -> None:
        """Show how much there is."""
        counts = found.all
        for kind, label in self.counts.items():
            label.setText(known(kind, counts))
        self._show_sources(found)

    def _on_sources(self) -> None:
        self._show_sources(Found())
        self.changed.emit()

    def _show_sources(self, found: Found) -> None:
        while self._rows.count():
            item = self._rows.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        sources = self.sources
        for source in sources if len(sources) > 1 or self._added else ():
            told = found.troubles.get(source.folder, "")
            counts = found.counts.get(source.folder)
            words = f"⚠ {told}" if told else counts.in_words() if counts else "…"
            self._rows.addWidget(self._row(source, words))

    def _row(self, source: Source, words: str) -> QWidget:
        holder = QWidget()
        label = QLabel(f"{source.name}: {words}")
        label.setWordWrap(True)
        label.setToolTip(str(source.folder))
        layout = QHBoxLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label, 1)
        if any(source.folder == each.folder for each in self._added):
            button = QToolButton()
            button.setText("✕")
            button.setAutoRaise(True)
            button.setToolTip("Do not teach from this one")
            button.clicked.connect(partial(self._on_remove, source.folder))
            layout.addWidget(button)
        return holder

    def _on_remove(self, folder: Path, _checked: bool = False) -> None:
        self.remove(folder)

    def _fill_menu(self) -> None:
        self._menu.clear()
        there = [each.folder for each in self.sources]
        for source in open_sources(self._session):
            if source.folder not in there:
                self._menu.addAction(source.name, partial(self.add, source))
        self._menu.addAction("A saved experiment…", self._ask)

    def _ask(self) -> None:
        title = "Choose a saved experiment, a folder NAME.cellcycle"
        chosen = QFileDialog.getExistingDirectory(self, title, str(Path.home()))
        if chosen:
            folder = Path(chosen)
            self.add(Source(folder.stem, folder))

    # ---------------------------------------------------------------- this frame

    def _on_done(self, _checked: bool = False) -> None:
        toggle_done(self._session)
        self._show_frame()

    def _show_frame(self, _frame: int = 0) -> None:
        frame, done = self._session.frame, is_done(self._session)
        self.done_button.setEnabled(self._session.draft is not None)
        self.done_button.setChecked(done)
        self.done_button.setText(f"Frame {frame} is done ✓" if done else FRAME_DONE)

    def _on_edited(self, _edit: Edit) -> None:
        self._show_frame()

    def _on_changed(self, _experiment: object = None) -> None:
        self._show_frame()
        self._show_sources(Found())


def source_of(recording: Recording) -> Source | None:
    """An open recording as a source; None if nothing of it is kept on disk."""
    result = recording.result
    if result is None or result.folder is None or not result.folder.is_dir() or result.warning:
        return None
    return Source(recording.layer.name, result.folder, result.experiment)


def open_sources(session: Session) -> Sequence[Source]:
    """All open experiments that are kept on disk."""
    found = [source_of(recording) for recording in session.recordings]
    return [source for source in found if source is not None]
