"""Which layer is the movie, which channel shows the cells, and what a pixel means."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import UserError
from napari_cellcycle.widgets.movies import METADATA, is_ambiguous, movie_layers, movie_of, plain
from napari_cellcycle.widgets.narrow import narrow

_GUESSED = "background-color: #ffb000; color: #000000;"


_ALL_CHANNELS = "all channels"


class MoviePicker(QWidget):
    """Offers the layers that can be a movie and chooses one by itself.

    `chosen` comes with the layer, or None; `edited` when what is known about the movie
    changes, or a layer is called otherwise; `movie` is what the rest of the dock works on.
    """

    chosen = Signal(object)
    edited = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._offered: list[Image] = []
        self._movie: Movie | None = None
        self._touched: set[QDoubleSpinBox] = set()
        self._all_channels = self._channel_chosen = False
        self._guessed: set[str] = set()
        self.problem = ""
        self.layer: Image | None = None
        self._build()
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._on_layers)
        events.renamed.connect(self._on_renamed)
        self._on_layers()
        self._on_chosen()

    @property
    def movie(self) -> Movie | None:
        """The chosen movie with the pixel size and interval shown; lazy."""
        if self._movie is None:
            return None
        size, interval = list(self._movie.pixel_size), self._movie.frame_interval
        if self.planes in self._touched:
            size[0] = self.planes.value()
        if self.pixel in self._touched:
            size[-2:] = [self.pixel.value()] * 2
        if self.interval in self._touched:
            interval = 60 * self.interval.value()
        return replace(
            self._movie,
            pixel_size=tuple(size),
            frame_interval=interval,
            guessed=frozenset(self._guessed),
        )

    @property
    def channel(self) -> str | None:
        """The channel that shows the cells; None for all, and where there is only one."""
        return self.channels.currentData()

    def prefer_all_channels(self, preferred: bool) -> None:
        """Choose all channels, or the usual one, unless the user chose something."""
        if self._all_channels != preferred:
            self._all_channels = preferred
            if not self._channel_chosen:
                self._choose_usual_channel()

    def choose(self, layer: Image) -> None:
        """Choose `layer`, if it can be a movie."""
        layer = plain(layer)
        for row, offered in enumerate(self._offered):
            if offered is layer:
                self.layers.setCurrentIndex(row)

    def choose_channel(self, name: str | None) -> None:
        """Choose a channel, or all of them (None), as the user would."""
        row = self.channels.findData(name) if name is not None else self.channels.count() - 1
        if row >= 0 and row != self.channels.currentIndex():
            self._channel_chosen = True
            self.channels.setCurrentIndex(row)

    def close_events(self) -> None:
        """Stop listening to the viewer."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._on_layers)
        events.renamed.disconnect(self._on_renamed)

    def _build(self) -> None:
        self.layers = _combo("The image layer that shows your cells over time")
        self.channels = _combo(
            "The channel that shows the cells; all of them for models of colours"
        )
        self.axes = _combo("What the second axis of the layer is")
        self.axes.addItems(["planes (3D)", "channels (2D)"])
        self.planes = _spin(" µm/plane", 2, "Distance between planes")
        self.pixel = _spin(" µm/px", 3, "Size of a pixel")
        self.interval = _spin(" min/frame", 2, "Time between frames")
        self._spins = (self.planes, self.pixel, self.interval)
        self.frames = QLabel()
        self.note = QLabel()
        self.note.setWordWrap(True)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Movie", self.layers)
        form.addRow("Channel", self.channels)
        form.addRow("2nd axis", self.axes)
        form.addRow("Depth", self.planes)
        self._form = form
        row = QHBoxLayout()
        row.setSpacing(4)
        for widget in (self.pixel, self.interval):
            row.addWidget(widget, 1)
        row.addWidget(self.frames)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addLayout(row)
        layout.addWidget(self.note)
        self.layers.currentIndexChanged.connect(self._on_chosen)
        self.axes.currentIndexChanged.connect(self._describe)
        self.channels.activated.connect(self._on_channel)
        self.channels.currentIndexChanged.connect(self.edited)
        for spin in self._spins:
            spin.valueChanged.connect(_slot(self._on_size, spin))

    def _on_layers(self, _event: object = None) -> None:
        offered = movie_layers(self._viewer.layers)
        kept = next((row for row, x in enumerate(offered) if x is self.layer), 0)
        if [id(x) for x in offered] == [id(x) for x in self._offered]:
            return
        self._offered = offered
        self.layers.blockSignals(True)
        self.layers.clear()
        self.layers.addItems([layer.name for layer in offered])
        self.layers.setCurrentIndex(kept if offered else -1)
        self.layers.blockSignals(False)
        self._on_chosen()

    def _on_renamed(self, _event: object = None) -> None:
        for row, layer in enumerate(self._offered):
            self.layers.setItemText(row, layer.name)
        self.edited.emit()

    def _on_chosen(self) -> None:
        row = self.layers.currentIndex()
        layer = self._offered[row] if 0 <= row < len(self._offered) else None
        if layer is self.layer and layer is not None:
            return
        self.layer = layer
        if layer is not None:
            self.axes.blockSignals(True)
            self.axes.setCurrentIndex(int(layer.data.shape[1] <= 4))
            self.axes.blockSignals(False)
        self._describe()
        self.chosen.emit(layer)

    def _describe(self) -> None:
        """Show what is known about the chosen layer."""
        self._movie, self.problem = None, ""
        self._touched.clear()
        self._channel_chosen = False
        if self.layer is None:
            self.problem = "Open a movie: an image over time (File > Open, or Open Sample)."
        else:
            unsure = is_ambiguous(self.layer)
            channels = bool(self.axes.currentIndex()) if unsure else None
            try:
                self._movie = movie_of(self.layer, channels=channels)
            except UserError as error:
                self.problem = str(error)
        self._fill()
        self.edited.emit()

    def _on_channel(self, _row: int) -> None:
        self._channel_chosen = True

    def _choose_usual_channel(self) -> None:
        """The channel that the layer names, else the first; or all, where that is preferred."""
        own = (
            self.layer.metadata.get(METADATA, {}).get("channel") if self.layer is not None else None
        )
        row = self.channels.count() - 1 if self._all_channels else self.channels.findData(str(own))
        self.channels.setCurrentIndex(max(0, row) if self.channels.count() else -1)

    def _fill(self) -> None:
        movie = self._movie
        ndim = movie.ndim if movie else 2
        several = movie is not None and len(movie.channels) > 1
        self._form.setRowVisible(self.channels, several)
        self._form.setRowVisible(self.axes, self.layer is not None and is_ambiguous(self.layer))
        self.channels.blockSignals(True)
        self.channels.clear()
        if movie is not None and several:
            for name in movie.channels:
                self.channels.addItem(name, name)
            self.channels.addItem(_ALL_CHANNELS, None)
        self._choose_usual_channel()
        self.channels.blockSignals(False)
        for spin in self._spins:
            spin.blockSignals(True)
            spin.setEnabled(movie is not None)
        self._form.setRowVisible(self.planes, ndim == 3)
        if movie is not None:
            self.planes.setValue(movie.pixel_size[0])
            self.pixel.setValue(movie.pixel_size[-1])
            self.interval.setValue(movie.frame_interval / 60)
        for spin in self._spins:
            spin.blockSignals(False)
        self._guessed = set(movie.guessed) if movie else set()
        self.frames.setText(f"{len(movie)} frames" if movie else "")
        self._note()

    def _note(self) -> None:
        look = {"pixel_size": (self.planes, self.pixel), "frame_interval": (self.interval,)}
        for name, spins in look.items():
            for spin in spins:
                spin.setStyleSheet(narrow(_GUESSED if name in self._guessed else ""))
        words = {"pixel_size": "pixel size", "frame_interval": "time between frames"}
        text = self.problem
        if self._guessed and not text:
            guessed = " and ".join(word for name, word in words.items() if name in self._guessed)
            text = f"⚠ Guessed, please check: {guessed}."
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _on_size(self, spin: QDoubleSpinBox) -> None:
        self._touched.add(spin)
        self._guessed.discard("frame_interval" if spin is self.interval else "pixel_size")
        self._note()
        self.edited.emit()


def _slot(function: Callable[[Any], None], argument: Any) -> Callable[..., None]:
    return lambda *_: function(argument)


def _combo(tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tooltip)
    combo.setMinimumContentsLength(8)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return combo


def _spin(suffix: str, decimals: int, tooltip: str) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(10**-decimals, 10_000)
    spin.setDecimals(decimals)
    spin.setSuffix(suffix)
    spin.setToolTip(tooltip)
    spin.setKeyboardTracking(False)
    spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    spin.setMinimumWidth(88)
    return spin
