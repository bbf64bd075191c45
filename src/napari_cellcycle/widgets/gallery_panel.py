"""The gallery of all cells over time, as a tab below the viewer."""

from functools import partial
from typing import Any, cast

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.features.gallery_rows import AlignAt, SortBy, gallery_rows, kept_rows
from napari_cellcycle.features.sighted import Sighted
from napari_cellcycle.widgets.display import Display
from napari_cellcycle.widgets.gallery import Gallery
from napari_cellcycle.widgets.gallery_controls import Brushes, GalleryControls
from napari_cellcycle.widgets.gallery_crops import Contrast, GalleryCrops
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.sights import sights_of
from napari_cellcycle.widgets.stage_keys import let_go, set_stage_from

_PAUSE_MS = 60
_AHEAD_ROWS, _AHEAD_COLUMNS = 3, 4
_NO_TRACKS = "Track the cells to see them here over time, one below the other."
_NONE: dict[AlignAt, str] = {
    "birth": "No cell is seen.",
    "mitosis": "No cell is seen to enter mitosis: align them at birth, or classify them first.",
    "division": "No cell is seen to divide: align them at birth instead.",
    "frame": "No cell is seen.",
}
_LEFT_OUT: dict[AlignAt, str] = {
    "mitosis": "the others are not seen to enter mitosis",
    "division": "the others are not seen to divide",
}


class GalleryPanel(QWidget):
    """Rows are cells, columns time; a tile is a crop with the cell in the middle.

    Clicking a tile chooses its cell and moves the viewer there. Stages are set by number keys and
    by a brush. After a correction all rows stay where they are until they are sorted again.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._display: Display | None = None
        self._draft: Draft | None = None
        self._known: Sighted | None = None
        self._settling = False
        self.crops = GalleryCrops()
        self.gallery = Gallery(self.crops)
        self.controls = GalleryControls()
        self.brushes = Brushes()
        self.facts = QLabel()
        self._later = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._cut_later = QTimer(self, singleShot=True, interval=250)
        self._build()
        self._connect()

    def _build(self) -> None:
        self.gallery.words = _NO_TRACKS
        self.brushes.add(self.facts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 2)
        layout.setSpacing(2)
        layout.addWidget(self.controls)
        layout.addWidget(self.brushes)
        layout.addWidget(self.gallery, 1)

    def _connect(self) -> None:
        session, gallery, controls = self._session, self.gallery, self.controls
        session.changed.connect(self._on_changed)
        session.edited.connect(self._on_edited)
        session.selected.connect(self._on_selected)
        session.moved.connect(self._on_frame)
        gallery.chosen.connect(self._on_chosen)
        gallery.painted.connect(self._on_painted)
        gallery.escaped.connect(partial(self.brushes.take, None))
        gallery.keys.pressed.connect(self._on_pressed)
        gallery.keys.released.connect(self._on_released)
        gallery.keys.let_go.connect(self._let_go)
        gallery.scrolled.connect(self._want_soon)
        self._later.timeout.connect(self._want)
        self._cut_later.timeout.connect(self._cut)
        controls.arranged.connect(self._arrange)
        controls.resized.connect(gallery.resize_tiles)
        controls.window.connect(self._on_window)
        controls.contrasted.connect(self._on_contrast)
        controls.channel.currentTextChanged.connect(lambda _: self._cut())
        self.brushes.taken.connect(gallery.take)
        self.crops.arrived.connect(gallery.viewport().update)
        self.crops.measured.connect(controls.show_window)
        self.crops.failed.connect(self._tell)
        self.destroyed.connect(self.crops.end)

    # ---------------------------------------------------------------- what is shown

    @property
    def is_complete(self) -> bool:
        """Whether every crop in view is there."""
        known = self._known
        return known is not None and self.crops.has(known, self.gallery.seen())

    def showEvent(self, event: Any) -> None:
        """Catch up with what changed while this was hidden."""
        super().showEvent(event)
        self._on_changed()

    def _on_changed(self, _experiment: object = None) -> None:
        if not self.isVisible():
            return
        result = self._session.result
        display = result.display if result else None
        if display is self._display and display is not None:
            self._on_selected(self._session.life)
        elif self._known is not None and self._is_same_draft:
            self._on_edited()
        else:
            self._read(display)
            self._show_movie(result.experiment if result else None)
            self.brushes.show_stages(display.stages if self._known and display else None)
            self._arrange()
            self._cut()

    @property
    def _is_same_draft(self) -> bool:
        """Whether what is shown was corrected at most, while this was hidden."""
        return self._draft is not None and self._draft is self._session.draft

    def _show_movie(self, experiment: Experiment | None) -> None:
        """Cut from the movie of an experiment; the window fits the median of its masks."""
        movie = experiment.movie if experiment is not None else None
        known = movie is not None and "frame_interval" not in movie.guessed
        self.gallery.minutes = movie.frame_interval / 60 if movie is not None and known else None
        self.controls.offer_channels(movie.channels if movie is not None else ())
        editor = self._session.editor
        self.controls.choose_channel(editor.bench.channel if editor is not None else None)
        self.crops.show_movie(movie, experiment.labels if experiment is not None else None)

    def _read(self, display: Display | None) -> None:
        self._display, self._known, self._draft = display, None, self._session.draft
        if display is not None and display.has_tracks:
            self._known = sights_of(display, self._session.draft)

    def _arrange(self) -> None:
        """Sort and align all cells anew."""
        known, controls = self._known, self.controls
        align_at = cast("AlignAt", controls.align.currentText())
        rows = None
        if known is not None:
            rows = gallery_rows(
                known,
                align_at,
                cast("SortBy", controls.order.currentText()),
                frame=self._session.frame,
                with_mothers=controls.mothers.isChecked(),
                reverse=controls.reverse.isChecked(),
            )
        self.gallery.words = _NONE[align_at] if known is not None else _NO_TRACKS
        self.gallery.show_rows(known, rows, align_at)
        self._say()
        self._settling = False
        self.gallery.show_frame(self._session.frame, bring=False)
        self._on_selected(self._session.life)
        controls.again.setEnabled(False)

    def _on_edited(self, _edit: object = None) -> None:
        """Show what was corrected, with every row where it was."""
        before, former, result = self._known, self.gallery.rows, self._session.result
        if not self.isVisible() or result is None:
            return
        if before is None or former is None:
            self._on_changed()
            return
        self._read(result.display)
        if self._known is None:
            self._arrange()
            return
        mothers = self.controls.mothers.isChecked()
        rows = kept_rows(self._known, before, former, self.gallery.align_at, with_mothers=mothers)
        self.gallery.update_rows(self._known, rows)
        self._say()
        self._settling = rows.row_of(self._session.track) is not None
        self.controls.again.setEnabled(True)

    def _say(self) -> None:
        rows = self.gallery.rows
        words, why = "", _LEFT_OUT.get(self.gallery.align_at)
        if rows is not None and rows.left_out and why:
            words = f"{len(rows):,} of {len(rows) + rows.left_out:,} cells: {why}"
        elif rows is not None:
            words = f"{len(rows):,} cells"
        self.facts.setText(words)

    def _tell(self, words: str) -> None:
        self.gallery.words = words
        self.gallery.show_rows(None, None)

    # ---------------------------------------------------------------- following

    def _on_selected(self, life: Life | None) -> None:
        """Mark the row of the chosen cell; after a correction it is not brought into view."""
        rows = self.gallery.rows
        if self.isVisible() and rows is not None:
            row = rows.row_of(life.track if life else None)
            self.gallery.show_row(row, bring=not self._settling)
        if life is not None:
            self._settling = False

    def _on_frame(self, frame: int) -> None:
        if self.isVisible():
            self.gallery.show_frame(frame, bring=not self._settling)

    def _on_chosen(self, row: int, sight: int) -> None:
        """Choose the cell of a row, and go to a sight of it or of its mother."""
        known, rows = self._known, self.gallery.rows
        if known is None or rows is None:
            return
        track, frame = int(rows.tracks[row]), int(known.frames[sight])
        place, is_own = known.centres_px[sight].tolist(), known.tracks[sight] == track
        self._session.select(track)
        self._session.look_at(frame, place, track if is_own else None)

    # ---------------------------------------------------------------- setting stages

    def _on_pressed(self, place: int) -> None:
        """A number key, while a brush is taken, takes another."""
        if self.gallery.brush is not None:
            self.brushes.take(place)

    def _on_released(self, place: int) -> None:
        """A number key that was not held to paint sets the stage of the chosen cell."""
        if self.gallery.brush is None and not self.gallery.has_stroked:
            set_stage_from(self._session, place, on_path=self.controls.mothers.isChecked())

    def _let_go(self) -> None:
        let_go(self._session, on_path=self.controls.mothers.isChecked())

    def _on_painted(self, place: int, sights: Any) -> None:
        if self._known is not None:
            cells = self._known.cells[sights].tolist()
            name = self._known.stages.names[place]
            self._session.do("set_stage", cells=cells, stage=name)

    # ---------------------------------------------------------------- crops

    def _cut(self) -> None:
        if self.isVisible() and self._known is not None:
            self.crops.begin(self._known, self.controls.chosen_channel)
            self._want()

    def _want_soon(self) -> None:
        if not self._later.isActive():
            self._later.start()

    def _want(self) -> None:
        """Ask for the crops in view, then for those around them."""
        known = self._known
        if known is None or not self.isVisible() or not self.crops.has_begun:
            return
        self.crops.want(known, self.gallery.seen(), self.gallery.seen(_AHEAD_ROWS, _AHEAD_COLUMNS))

    def _on_window(self, side: float) -> None:
        self.crops.side = side
        self._cut_later.start()

    def _on_contrast(self, contrast: str) -> None:
        self.crops.contrast = cast("Contrast", contrast)
        self.crops.forget_tiles()
        self.gallery.viewport().update()
