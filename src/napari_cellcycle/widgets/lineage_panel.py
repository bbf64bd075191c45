"""All lineages as a tree, as a tab below the viewer."""

from typing import Any

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QIntValidator
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollBar,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.lineage_layout import NONE, Lineages, lay_out, lineages_of
from napari_cellcycle.widgets.known_draft import draft_of
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.lineage_look import legend, look_of, told
from napari_cellcycle.widgets.lineage_tree import LineageTree
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.session import Session

_NO_TRACKS = "Track the cells to see their lineages."
_SCROLL = 20


class LineagePanel(QWidget):
    """The lineage tree with a line to find cells in it; it leads to each cell.

    A click with shift chooses another cell beside the first, or lets go of it; one without lets go
    of all of them. `menu_requested` comes with the cell (its id) under a right click, which is
    chosen first, and the place on the screen.
    """

    menu_requested = Signal(int, QPoint)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._draft: Draft | None = None
        self._known: Lineages | None = None
        self._folded: set[int] = set()
        self._result: Result | None = None
        self._stale = True
        self._settling = False
        self.tree = LineageTree()
        self.search = QLineEdit()
        self.only = QCheckBox("This lineage only")
        self.fold_button = QPushButton("Fold all")
        self.unfold_button = QPushButton("Unfold all")
        self.fit_button = QPushButton("Whole tree")
        self.read_button = QPushButton("Readable")
        self.legend = QLabel()
        self.words = QLabel(_NO_TRACKS)
        self.bar = QScrollBar(Qt.Orientation.Vertical)
        self._build()
        self._connect()

    def _build(self) -> None:
        self.search.setPlaceholderText("Find cell")
        self.search.setValidator(QIntValidator(1, 2_000_000_000))
        self.search.setMaximumWidth(90)
        self.search.setToolTip("Number of a cell; Enter chooses it")
        self.only.setToolTip("Show only the lineage of the chosen cell")
        self.fold_button.setToolTip(
            "Hide all daughters. Double click on a cell, or - and + with it chosen, hides or "
            "shows what descends from it"
        )
        self.unfold_button.setToolTip("Show all daughters again")
        self.fit_button.setToolTip("Zoom out until all lineages are in view")
        self.read_button.setToolTip("Zoom so that numbers can be read, around the chosen cell")
        self.legend.setMinimumWidth(40)
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        line = QHBoxLayout()
        for widget in (self.search, self.only, self.fold_button, self.unfold_button):
            line.addWidget(widget)
        line.addWidget(self.legend, 1)
        line.addWidget(self.read_button)
        line.addWidget(self.fit_button)
        shown = QWidget()
        row = QHBoxLayout(shown)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.tree, 1)
        row.addWidget(self.bar)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.words)
        self._stack.addWidget(shown)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self._stack, 1)

    def _connect(self) -> None:
        session, tree = self._session, self.tree
        session.changed.connect(self._on_changed)
        session.selected.connect(self._on_selected)
        session.moved.connect(self._on_moved)
        session.coloured.connect(self._on_coloured)
        session.edited.connect(self._on_edited)
        session.paired.connect(self._on_others)
        tree.chosen.connect(self._on_chosen)
        tree.framed.connect(session.go_to_frame)
        tree.folded.connect(self._on_folded)
        tree.paired.connect(self._on_paired)
        tree.asked.connect(self._on_asked)
        tree.stepped.connect(self._on_stepped)
        tree.turned.connect(self._on_turned)
        tree.hovered.connect(self._on_hovered)
        tree.scrolled.connect(self._on_scrolled)
        self.bar.valueChanged.connect(self._on_bar)
        self.search.returnPressed.connect(self._on_find)
        self.only.toggled.connect(self._on_only)
        self.fold_button.clicked.connect(self.fold_all)
        self.unfold_button.clicked.connect(self.unfold_all)
        self.fit_button.clicked.connect(tree.fit)
        self.read_button.clicked.connect(tree.show_readably)

    # ---------------------------------------------------------------- keeping it up to date

    def showEvent(self, event: Any) -> None:
        """Catch up with what changed while this was hidden."""
        super().showEvent(event)
        self._on_changed()

    def _on_changed(self, _experiment: object = None) -> None:
        """Show another result, from its first lineage on; or the same one as it is now."""
        if not self.isVisible():
            self._stale = True
            return
        result = self._session.result
        if result is not self._result:
            self._folded = set()
            self._read()
            self.tree.show_readably()
        elif self._stale:
            self._read()
        self._on_selected(self._session.life)
        self.tree.show_frame(self._session.frame)

    def _on_edited(self, _edit: object = None) -> None:
        """Show what was corrected, with the chosen track where it was on the screen."""
        if not self.isVisible():
            self._stale = True
            return
        self._read()
        self._settling = self._session.track is not None

    def _read(self) -> None:
        """Sort all cells anew."""
        self._stale, self._result = False, self._session.result
        self._draft = draft_of(self._session)
        self._known = lineages_of(self._draft) if self._draft is not None else None
        there = self._known is not None and len(self._known) > 0
        self._stack.setCurrentIndex(int(there))
        if not there:
            self._draft = self._known = None
        self._lay_out()

    def _lay_out(self) -> None:
        """Give all tracks their rows and colours; the chosen one stays where it is seen."""
        draft, known, tree = self._draft, self._known, self.tree
        result = self._session.result
        self.legend.setText("")
        if draft is None or known is None or result is None:
            tree.show_layout(None, None, 0)
            return
        seen = tree.anchor()
        only = self._session.track if self.only.isChecked() else None
        by = self._session.colour_by
        tree.item.chosen = known.position(self._session.track)
        tree.show_others(())
        tree.show_layout(
            lay_out(known, only, self._folded),
            look_of(draft, known, by),
            len(result.display.labels),
        )
        tree.hold(seen)
        self.legend.setText(legend(by, draft.stages))
        self.legend.setToolTip(self.legend.text())
        self._on_others()

    # ---------------------------------------------------------------- following

    def _on_selected(self, life: Life | None) -> None:
        """Mark the chosen track, and bring it into view; but not because of a correction."""
        known, layout = self._known, self.tree.layout_shown
        if not self.isVisible() or known is None or layout is None or self._stale:
            return
        position = known.position(life.track if life else None)
        if position != NONE and not layout.shown[position]:
            above = {int(known.tracks[one]) for one in known.ancestors(position)}
            self._folded -= above
            self._lay_out()
        elif self.only.isChecked() and position != NONE and layout.shown.all():
            self._lay_out()
        self.tree.show_track(position, bring=not self._settling)
        if life is not None:
            self._settling = False

    def _on_moved(self, frame: int) -> None:
        if self.isVisible():
            self.tree.show_frame(frame)

    def _on_coloured(self, _by: str) -> None:
        if self.isVisible():
            self._lay_out()
        else:
            self._stale = True

    def _on_others(self, _cells: object = None) -> None:
        draft, known = self._draft, self._known
        if draft is None or known is None or not self.isVisible():
            return
        there = [cell for cell in self._session.others if draft.has(cell)]
        places = [(known.position(draft.label(cell)), draft.frame(cell)) for cell in there]
        self.tree.show_others(tuple(places))

    # ---------------------------------------------------------------- leading

    def _on_chosen(self, position: int, frame: int) -> None:
        draft, known = self._draft, self._known
        if draft is None or known is None:
            return
        track, place = int(known.tracks[position]), known.place(position, frame)
        self._session.pair(())
        self._session.select(track)
        if place == NONE:
            self._session.go_to_frame(frame)
        else:
            there = draft.place(int(known.cells[place])).tolist()
            self._session.look_at(frame, there, track)

    def _on_paired(self, position: int, frame: int) -> None:
        known = self._known
        if known is not None:
            self._session.toggle_other(int(known.cells[known.nearest(position, frame)]))

    def _on_asked(self, position: int, frame: int, place: QPoint) -> None:
        known = self._known
        if known is None:
            return
        cell = known.nearest(position, frame)
        if int(known.tracks[position]) != self._session.track:
            self._on_chosen(position, int(known.frames[cell]))
        self.menu_requested.emit(int(known.cells[cell]), place)

    def _on_stepped(self, frames: int, rows: int) -> None:
        """Go along the life of the chosen cell, or to the next track."""
        session, layout = self._session, self.tree.layout_shown
        life = session.life
        if life is None or life.track is None or layout is None or not len(life):
            return
        if frames:
            place = min(max(life.near(session.frame) + frames, 0), len(life) - 1)
            session.select(int(life.tracks[place]))
            session.go_to(life, place)
            return
        known = layout.lineages
        position = known.position(life.track)
        other = layout.beside(position, session.frame, rows) if position != NONE else NONE
        if other != NONE:
            cell = known.nearest(other, session.frame)
            self._on_chosen(other, int(known.frames[cell]))

    def _on_hovered(self, position: int, frame: int) -> None:
        draft, known = self._draft, self._known
        words = ""
        if position != NONE and draft is not None and known is not None:
            words = told(draft, known, known.nearest(position, frame))
        self.tree.item.setToolTip(words)

    def _on_find(self) -> None:
        known = self._known
        number = int(self.search.text() or 0)
        position = known.position(number) if known is not None else NONE
        self.search.setStyleSheet("" if position != NONE else "color: #ffb000")
        self.search.setToolTip(
            "Number of a cell; Enter chooses it"
            if position != NONE
            else f"There is no cell {number}"
        )
        if known is not None and position != NONE:
            self._on_chosen(position, int(known.first[position]))
            self.tree.setFocus()

    # ---------------------------------------------------------------- folding and scrolling

    def fold_all(self) -> None:
        """Show founders only."""
        if self._known is not None:
            number, _ = self._known.progeny
            founders = (self._known.mothers == NONE) & (number > 0)
            self._folded = set(self._known.tracks[founders].tolist())
            self._lay_out()
            self.tree.show_readably()

    def unfold_all(self) -> None:
        """Show all tracks."""
        self._folded = set()
        self._lay_out()
        self.tree.show_readably()

    def _on_folded(self, position: int) -> None:
        self._turn(position, None)

    def _on_turned(self, folded: bool) -> None:
        if self._known is not None:
            self._turn(self._known.position(self._session.track), folded)

    def _turn(self, position: int, folded: bool | None) -> None:
        """Fold a track, unfold it, or (None) do what it is not."""
        if self._known is None or position == NONE:
            return
        track = int(self._known.tracks[position])
        if folded is None:
            folded = track not in self._folded
        self._folded = self._folded | {track} if folded else self._folded - {track}
        self._lay_out()

    def _on_only(self) -> None:
        self._lay_out()
        self.tree.show_readably()

    def _on_scrolled(self) -> None:
        """Let the scroll bar say what is in view."""
        layout = self.tree.layout_shown
        top, bottom = self.tree.box.viewRange()[1]
        height = layout.height if layout is not None else 0.0
        self.bar.blockSignals(True)
        self.bar.setRange(round(-1.5 * _SCROLL), round((height + 0.5 - (bottom - top)) * _SCROLL))
        self.bar.setPageStep(max(1, round((bottom - top) * _SCROLL)))
        self.bar.setSingleStep(_SCROLL)
        self.bar.setValue(round(top * _SCROLL))
        self.bar.blockSignals(False)
        self.bar.setVisible(self.bar.maximum() > self.bar.minimum())

    def _on_bar(self, value: int) -> None:
        self.tree.scroll_to(value / _SCROLL)
