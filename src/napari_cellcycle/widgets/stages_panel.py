"""Stages of all tracks over time, as a tab below the viewer."""

from typing import Any, cast, get_args

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_cellcycle.widgets.display import Display
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.matrix import Matrix, legend
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.stage_grid import SortBy, StageGrid, stage_grid

_NO_STAGES = "Classify the cells to see their stages over time."


class StagesPanel(QWidget):
    """The label matrix: rows are tracks, columns frames, colours stages; it leads to each cell."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._display: Display | None = None
        self._unsorted: StageGrid | None = None
        self.legend = QLabel()
        self.order = QComboBox()
        self.order.addItems(list(get_args(SortBy)))
        self.order.setToolTip("What the rows are sorted by, the first at the top")
        self.matrix = Matrix()
        line = QHBoxLayout()
        line.addWidget(self.legend, 1)
        line.addWidget(QLabel("Sorted by"))
        line.addWidget(self.order)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.matrix, 1)
        session.changed.connect(self._on_changed)
        session.selected.connect(self._on_selected)
        session.moved.connect(self.matrix.show_frame)
        self.matrix.chosen.connect(self._on_chosen)
        self.order.currentTextChanged.connect(self._sort)

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
        self._display, self._unsorted = display, None
        if result is not None and display is not None and display.has_stages:
            self._unsorted = stage_grid(display, len(result.experiment.movie))
        self.legend.setText(legend(display.stages) if display and self._unsorted else "")
        self._sort()

    def _sort(self, _text: str = "") -> None:
        by = cast("SortBy", self.order.currentText())
        self.matrix.words = _NO_STAGES
        self.matrix.show_grid(self._unsorted.sorted_by(by) if self._unsorted else None)
        self.matrix.show_frame(self._session.frame)
        self._on_selected(self._session.life)

    def _on_selected(self, life: Life | None) -> None:
        grid = self.matrix.grid
        if self.isVisible() and grid is not None:
            self.matrix.show_row(grid.row_of(life.track if life else None))

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
