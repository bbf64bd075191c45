"""The filmstrip: the chosen cell over time, beside what the viewer shows."""

from collections import OrderedDict
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.widgets.cutter import WIDTHS, Cutter, Key, Place, Source
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.reel import Reel
from napari_cellcycle.widgets.session import Session
from napari_cellcycle.widgets.stage_keys import legend, let_go, set_stage_from

_SAMPLES = 12
_KEPT = 4000
_AHEAD = 8
_PAUSE_MS = 250
_CHOOSE = "Click on a cell in the viewer to see it over time."
_FOLLOW = (
    "Click on a cell in the viewer: it is followed from frame to frame, without tracking all cells."
)


class Filmstrip(QWidget):
    """Crops of the chosen cell in all its frames, its mother's before its own.

    It follows the choice in the session and the frame of the viewer; clicking a crop moves the
    viewer there. Number keys set the stage of the cell that is seen in this frame, from it on.
    Crops are cut in a thread, those in view first; all are shown with the same
    contrast, which comes from some of them spread over the whole life.
    """

    _HIDDEN = -1

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.cutter = Cutter()
        self.reel = Reel()
        self.facts = QLabel(_CHOOSE)
        self.legend = QLabel()
        self.side = QDoubleSpinBox()
        self._centres: dict[Key, bytes] = {}
        self._settling = False
        self._crops: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._movie: Movie | None = None
        self._labels: LabelStack | None = None
        self._channel: str | None = None
        self._shown: tuple[Any, ...] = (None,) * 3
        self._number = self._HIDDEN
        self._diameter: float | None = None
        self._build()
        self._later = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._later.timeout.connect(self._begin)
        self._connect()

    def _build(self) -> None:
        self.reel.crops = self._crops
        self.side.setRange(1, 10_000)
        self.side.setDecimals(0)
        self.side.setSuffix(" µm")
        self.side.setValue(30)
        self.side.setKeyboardTracking(False)
        self.side.setToolTip("Side of the window around the cell")
        line = QHBoxLayout()
        line.addWidget(self.facts, 1)
        line.addWidget(self.legend)
        line.addWidget(QLabel("Window"))
        line.addWidget(self.side)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.reel, 1)

    def _connect(self) -> None:
        self._session.selected.connect(self._on_selected)
        self._session.edited.connect(self._on_edited)
        self.reel.keys.pressed.connect(partial(set_stage_from, self._session, on_path=True))
        self.reel.keys.let_go.connect(partial(let_go, self._session, on_path=True))
        self._session.moved.connect(self._on_moved)
        self.reel.chosen.connect(self._on_chosen)
        self.reel.scrolled.connect(self._want)
        self.cutter.cut.connect(self._on_cut)
        self.cutter.measured.connect(self._on_measured)
        self.cutter.failed.connect(self._on_failed)
        self.side.valueChanged.connect(lambda _: self._later.start())

    # ---------------------------------------------------------------- what is shown

    def show_movie(
        self, movie: Movie | None, labels: LabelStack | None, channel: str | None
    ) -> None:
        """Cut from this movie; the window is as wide as the median mask of `labels` asks for."""
        result = self._session.result
        pixels = movie.pixels if movie is not None else None
        facts = (movie.pixel_size if movie is not None else (), channel, labels is None)
        if pixels is self._shown[0] and result is self._shown[1] and facts == self._shown[2]:
            return
        self._shown = (pixels, result, facts)
        self._movie, self._labels, self._channel = movie, labels, channel
        self._diameter = None
        self._begin()

    def tell(self, words: str) -> None:
        """Say something in place of the crops."""
        self.reel.words = words
        self.reel.show_life(None)

    @property
    def is_complete(self) -> bool:
        """Whether every crop in view is there."""
        life = self.reel.life
        return life is not None and all(_key(life, p) in self._crops for p in self.reel.seen())

    def close_thread(self) -> None:
        """Stop cutting."""
        self.cutter.close()

    def showEvent(self, event: Any) -> None:
        """Catch up with what was chosen while this was hidden."""
        super().showEvent(event)
        if self._number == self._HIDDEN:
            self._begin()
        self._on_selected(self._session.life)

    # ---------------------------------------------------------------- following

    def _on_selected(self, life: Life | None) -> None:
        if not self.isVisible() or (self._settling and life is None):
            return
        display = self._session.result.display if self._session.result else None
        tracked = display is not None and display.has_tracks
        self.reel.words = _CHOOSE if tracked else _FOLLOW
        if life is not None and life.track is None and life is not self.reel.life:
            self._crops.clear()
        self.reel.pins = self._pins(life)
        if self._settling and life is not None:
            self.reel.update_life(life)
        else:
            self.reel.show_life(life)
        self.legend.setText(legend(life.stages) if life and life.codes is not None else "")
        self.facts.setText(_facts(life) if life else "")
        self.reel.show_frame(self._session.frame, bring=not self._settling)
        self._settling = False
        self._want()

    def _on_edited(self, _edit: object) -> None:
        """Stay where it is scrolled if the chosen cell is still there when it is chosen anew."""
        result, track = self._session.result, self._session.track
        there = result is not None and track is not None
        self._settling = bool(there and result and (result.display.vertices[:, 0] == track).any())

    def _pins(self, life: Life | None) -> frozenset[Key]:
        """Sights of this life whose stage a user set."""
        draft = self._session.draft
        if life is None or life.track is None or draft is None:
            return frozenset()
        label = draft.column("label")
        rows = np.flatnonzero(np.isin(label, life.tracks))
        rows = rows[draft.column("pinned")[rows] != ""]
        return frozenset(
            zip(label[rows].tolist(), draft.column("frame")[rows].tolist(), strict=True)
        )

    def _on_moved(self, frame: int) -> None:
        if self.isVisible():
            self.reel.show_frame(frame)

    def _on_chosen(self, place: int) -> None:
        if self.reel.life is not None:
            self._session.go_to(self.reel.life, place)

    # ---------------------------------------------------------------- crops

    def _begin(self) -> None:
        """Cut anew, with the window that is set or, at first, one that fits the cells."""
        self._crops.clear()
        if not self.isVisible():
            self._number = self._HIDDEN
            return
        self.reel.show_life(self.reel.life)
        if self._movie is None:
            self._number = self.cutter.begin(None)
            return
        known = self._diameter
        side = self.side.value() if known else None
        depth = 0.6 * known if known else None
        source = Source(self._movie, self._channel, self._labels, side, depth)
        self._number = self.cutter.begin(source)
        self.reel.show_frame(self._session.frame)
        self._want()

    def _want(self) -> None:
        """Ask for the crops that set the contrast, those in view, and some to both sides."""
        life = self.reel.life
        if life is None or not self.isVisible() or self._number == self._HIDDEN:
            return
        seen = self.reel.seen()
        ahead = [*range(seen.stop, seen.stop + _AHEAD), *range(seen.start - _AHEAD, seen.start)]
        wanted = dict.fromkeys([*_samples(life), *seen, *ahead])
        places = [Place(_key(life, p), life.centres_px[p]) for p in wanted if 0 <= p < len(life)]
        self.cutter.want([place for place in places if not self._has(place)])
        self._set_range(life)

    def _has(self, place: Place) -> bool:
        """Whether a crop is there, cut where the cell is now."""
        centre = place.centre_px.tobytes()
        if self._centres.get(place.key) != centre:
            self._centres[place.key] = centre
            self._crops.pop(place.key, None)
        return place.key in self._crops

    def _on_cut(self, number: int, crops: dict[Key, np.ndarray]) -> None:
        if number != self._number:
            return
        self._crops.update(crops)
        while len(self._crops) > _KEPT:
            key, _ = self._crops.popitem(last=False)
            self._centres.pop(key, None)
        if self.reel.life is not None:
            self._set_range(self.reel.life)
        self.reel.viewport().update()

    def _set_range(self, life: Life) -> None:
        """One contrast for the whole strip, as soon as the crops it is taken from are there."""
        found = [self._crops[_key(life, p)] for p in _samples(life) if _key(life, p) in self._crops]
        if found and len(found) == len(_samples(life)):
            pixels = np.stack(found)
            self.reel.show_range(*(float(v) for v in np.percentile(pixels, (5, 99.8))))

    def _on_measured(self, number: int, side: float, diameter: float) -> None:
        if number == self._number:
            self._diameter = diameter
            self.side.blockSignals(True)
            self.side.setValue(round(WIDTHS * diameter))
            self.side.blockSignals(False)

    def _on_failed(self, number: int, sentence: str) -> None:
        if number == self._number:
            self.tell(sentence)


def _key(life: Life, place: int) -> Key:
    return int(life.tracks[place]), int(life.frames[place])


def _samples(life: Life) -> list[int]:
    """Positions, spread over the life, of the crops that set the contrast."""
    return np.unique(np.linspace(0, len(life) - 1, _SAMPLES).round().astype(int)).tolist()


def _facts(life: Life) -> str:
    first, last = int(life.frames[0]), int(life.frames[-1])
    if life.track is None:
        return f"One cell, followed from frame {first} to {last}"
    path = list(dict.fromkeys(life.tracks.tolist()))
    place = path.index(life.track)
    words = [f"Cell {life.track}"]
    if place:
        words.append(f"daughter of {path[place - 1]}")
    if place + 1 < len(path):
        words.append(f"then daughter {path[place + 1]}")
    return ", ".join(words) + f"     frames {first} to {last}"
