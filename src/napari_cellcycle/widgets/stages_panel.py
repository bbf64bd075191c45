"""Stages of all tracks over time, as a tab below the viewer."""

from functools import partial
from typing import Any, cast, get_args

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.widgets.display import Display
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.matrix import Matrix
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.sights import sights_of
from napari_cellcycle.widgets.stage_grid import SortBy, StageGrid, stage_grid
from napari_cellcycle.widgets.stage_keys import legend, let_go, set_stage_from

_NO_STAGES = "Classify the cells to see their stages over time."
_KEYS = (
    "Click on a cell, then press a number: it has this stage from the frame shown on.\n"
    "Drag the border between two stages with the mouse to move it.\n"
    "Delete lets the model decide again where you set a stage (white dots).\n"
    "Ctrl and the wheel make rows and columns larger."
)


class StagesPanel(QWidget):
    """The label matrix: rows are tracks, columns frames, colours stages; it leads to each cell.

    Stages are set here by the number keys, and by dragging the change from one to the next.
    After a correction all rows stay where they are until they are sorted again.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._display: Display | None = None
        self._draft: Draft | None = None
        self._frames = 0
        self._unsorted: StageGrid | None = None
        self._settling = False
        self.legend = QLabel()
        self.legend.setToolTip(_KEYS)
        self.order = QComboBox()
        self.order.addItems(list(get_args(SortBy)))
        self.order.setToolTip("What the rows are sorted by, the first at the top")
        self.again = QToolButton()
        self.again.setText("↻")
        self.again.setToolTip("Sort the rows again, after corrections")
        self.matrix = Matrix()
        line = QHBoxLayout()
        line.addWidget(self.legend, 1)
        line.addWidget(QLabel("Sorted by"))
        line.addWidget(self.order)
        line.addWidget(self.again)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.matrix, 1)
        self._connect()

    def _connect(self) -> None:
        session = self._session
        session.changed.connect(self._on_changed)
        session.edited.connect(self._on_edited)
        session.selected.connect(self._on_selected)
        session.moved.connect(self.matrix.show_frame)
        self.matrix.chosen.connect(self._on_chosen)
        self.matrix.moved.connect(self._on_moved)
        self.matrix.keys.pressed.connect(partial(set_stage_from, session))
        self.matrix.keys.let_go.connect(partial(let_go, session))
        self.order.currentTextChanged.connect(self._sort)
        self.order.activated.connect(lambda _: self.matrix.setFocus())
        self.again.clicked.connect(self._sort)

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
            return
        known = self.matrix.grid is not None and self._draft is not None
        if known and self._draft is self._session.draft:
            self._on_edited()
            return
        if result is not None:
            self._frames = len(result.experiment.movie)
        self._read(display)
        self.legend.setText(legend(display.stages) if display and self._unsorted else "")
        self._sort()

    def _read(self, display: Display | None) -> None:
        self._display, self._unsorted, self._draft = display, None, self._session.draft
        if display is not None and display.has_stages:
            known = sights_of(display, self._session.draft)
            self._unsorted = stage_grid(known, self._frames)

    def _on_edited(self, _edit: object = None) -> None:
        """Show what was corrected, with every row where it was."""
        former, result = self.matrix.grid, self._session.result
        if not self.isVisible() or result is None:
            return
        if former is None:
            self._on_changed()
            return
        self._read(result.display)
        self.matrix.show_grid(self._unsorted.in_order_of(former) if self._unsorted else None)
        self._settling = True
        self._on_selected(self._session.life)
        grid = self.matrix.grid
        self._settling = grid is not None and grid.row_of(self._session.track) is not None
        self.again.setEnabled(True)

    def _sort(self, _asked: object = None) -> None:
        by = cast("SortBy", self.order.currentText())
        self.matrix.words = _NO_STAGES
        self.matrix.show_grid(self._unsorted.sorted_by(by) if self._unsorted else None)
        self.matrix.show_frame(self._session.frame)
        self._settling = False
        self._on_selected(self._session.life)
        self.again.setEnabled(False)

    def _on_selected(self, life: Life | None) -> None:
        """Mark the row of the chosen cell; after a correction it is not brought into view."""
        grid = self.matrix.grid
        if self.isVisible() and grid is not None:
            row = grid.row_of(life.track if life else None)
            self.matrix.show_row(row, bring=not self._settling)
        if life is not None:
            self._settling = False

    def _on_chosen(self, row: int, frame: int) -> None:
        grid, display = self.matrix.grid, self._display
        if grid is None or display is None:
            return
        track, place = int(grid.tracks[row]), int(grid.places[row, frame])
        self._session.select(track)
        if place < 0:
            self._session.go_to_frame(frame)
        else:
            self._session.look_at(frame, display.vertices[place, 2:].tolist(), track)

    def _on_moved(self, row: int, frame: int, to: int) -> None:
        grid = self.matrix.grid
        if grid is not None:
            track = int(grid.tracks[row])
            self._session.do("move_boundary", track=track, frame=frame, to=to)
