"""Crops for the gallery: cut in a thread, kept, and brought to the size and contrast shown."""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.features.mitosis import is_mitotic
from napari_cellcycle.features.sighted import Sighted
from napari_cellcycle.widgets.cutter import SIZE, WIDTHS, Cutter, Key, Place, Source

Contrast = Literal["the same for all", "of each tile"]
_KEPT = 3000
_TILE_BYTES = 128_000_000
_SAMPLES = 16
_DARK, _BRIGHT = 5, 99.8
_DEPTH = 0.6
_OPAQUE = np.uint32(0xFF000000)
_GREY = np.uint32(0x00010101)


class GalleryCrops(QObject):
    """Cuts the sights that are asked for, and gives them as tiles.

    `arrived` is emitted when there are more, `measured` with the side of the window in
    micrometres that fits the cells, `failed` with a sentence. `side` is that window. A sight
    whose cell has moved since it was cut is cut again.
    """

    arrived = Signal()
    measured = Signal(float)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.contrast: Contrast = "the same for all"
        self.side: float | None = None
        self._cutter = Cutter()
        self._crops: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._places: dict[Key, bytes] = {}
        self._tiles: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._movie: Movie | None = None
        self._labels: LabelStack | None = None
        self._samples: list[Place] = []
        self._range: tuple[float, float] | None = None
        self._number = -1
        self._diameter: float | None = None
        self._cutter.cut.connect(self._on_cut)
        self._cutter.measured.connect(self._on_measured)
        self._cutter.failed.connect(self._on_failed)

    # ---------------------------------------------------------------- what is cut

    def show_movie(self, movie: Movie | None, labels: LabelStack | None) -> None:
        """Cut from this movie, once `begin` is called.

        Where it is another than before, the window is as wide as the median mask of `labels` asks
        for.
        """
        pixels = movie.pixels if movie is not None else None
        size = movie.pixel_size if movie is not None else ()
        former = self._movie
        if former is None or former.pixels is not pixels or former.pixel_size != size:
            self._diameter = None
        self._movie, self._labels = movie, labels

    def begin(self, known: Sighted, channel: str | None) -> None:
        """Cut anew, with the window that is set or, at first, one that fits the cells."""
        self._crops.clear()
        self._places.clear()
        self.forget_tiles()
        self._range = None
        self._samples = self._as_places(known, _samples(known))
        if self._movie is None:
            self._number = self._cutter.begin(None)
            return
        diameter = self._diameter
        side, depth = (self.side, _DEPTH * diameter) if diameter else (None, None)
        source = Source(self._movie, channel, self._labels, side, depth)
        self._number = self._cutter.begin(source)

    @property
    def has_begun(self) -> bool:
        """Whether crops of the movie that was shown last are being cut."""
        return self._number >= 0

    def want(self, known: Sighted, seen: np.ndarray, around: np.ndarray) -> None:
        """Cut what is `seen` and then what is `around` it, instead of what was wanted before.

        Both are done in the order of frames, so that each frame is read once.
        """
        further = np.setdiff1d(around, seen)
        ordered = [part[np.argsort(known.frames[part], kind="stable")] for part in (seen, further)]
        wanted = self._as_places(known, np.concatenate(ordered))
        if self._range is None:
            wanted = self._samples + wanted
        self._cutter.want([place for place in wanted if not self._has(place)])

    def has(self, known: Sighted, rows: np.ndarray) -> bool:
        """Whether all of these sights are there."""
        places = self._as_places(known, rows)
        return self._ready and all(self._has(place) for place in places)

    @property
    def count(self) -> int:
        """Number of crops that are kept."""
        return len(self._crops)

    @property
    def end(self) -> Callable[[], None]:
        """What stops the cutting; it holds nothing of the window."""
        return partial(Cutter.close, self._cutter)

    def _as_places(self, known: Sighted, rows: np.ndarray) -> list[Place]:
        keys = zip(known.cells[rows].tolist(), known.frames[rows].tolist(), strict=True)
        return [
            Place(key, centre) for key, centre in zip(keys, known.centres_px[rows], strict=True)
        ]

    def _has(self, place: Place) -> bool:
        """Whether a crop is there, cut where the cell is now."""
        key, centre = place.key, place.centre_px.tobytes()
        if self._places.get(key) != centre:
            self._places[key] = centre
            self._crops.pop(key, None)
            self._tiles.pop(key, None)
        if key not in self._crops:
            return False
        self._crops.move_to_end(key)
        return True

    def _on_cut(self, number: int, crops: dict[Key, np.ndarray]) -> None:
        if number != self._number:
            return
        self._crops.update(crops)
        for key in crops:
            self._tiles.pop(key, None)
        while len(self._crops) > _KEPT:
            key, _ = self._crops.popitem(last=False)
            self._places.pop(key, None)
        if self._range is None:
            found = [self._crops[s.key] for s in self._samples if s.key in self._crops]
            if found and len(found) == len(self._samples):
                low, high = np.percentile(np.stack(found), (_DARK, _BRIGHT))
                self._range = float(low), float(high)
        self.arrived.emit()

    def _on_measured(self, number: int, side: float, diameter: float) -> None:
        if number == self._number:
            self._diameter = diameter
            self.side = float(round(WIDTHS * diameter)) or side
            self.measured.emit(self.side)

    def _on_failed(self, number: int, sentence: str) -> None:
        if number == self._number:
            self.failed.emit(sentence)

    # ---------------------------------------------------------------- tiles

    def forget_tiles(self) -> None:
        """Make all tiles anew, in another size or contrast."""
        self._tiles.clear()

    def tiles(self, known: Sighted, rows: np.ndarray, size: int) -> list[np.ndarray | None]:
        """Tiles (size, size) uint32, opaque grey, of some sights; None where there is none yet."""
        if not self._ready:
            return [None] * len(rows)
        keys = list(zip(known.cells[rows].tolist(), known.frames[rows].tolist(), strict=True))
        missing = [key for key in keys if key not in self._tiles and key in self._crops]
        if missing:
            crops = np.stack([self._crops[key] for key in missing])
            self._tiles.update(zip(missing, self._rendered(crops, size), strict=True))
            while len(self._tiles) > max(len(keys), _TILE_BYTES // (4 * size * size)):
                self._tiles.popitem(last=False)
        return [self._tiles.get(key) for key in keys]

    @property
    def _ready(self) -> bool:
        return self._range is not None or self.contrast == "of each tile"

    def _rendered(self, crops: np.ndarray, size: int) -> np.ndarray:
        weights = _resampling(size)
        if self.contrast == "of each tile" or self._range is None:
            low, high = np.percentile(crops, (_DARK, _BRIGHT), axis=(1, 2))
            low, high = low[:, None, None], high[:, None, None]
        else:
            low, high = (np.asarray(limit) for limit in self._range)
        grey = (weights @ crops @ weights.T - low) * (255 / np.maximum(high - low, 1e-9))
        return np.clip(grey, 0, 255).astype(np.uint32) * _GREY | _OPAQUE


def _samples(known: Sighted) -> np.ndarray:
    """Sights that set the contrast: some of all, and as many in mitosis, which are brighter."""
    every = np.arange(len(known))
    parts = (every, every[is_mitotic(known.codes, known.stages)])
    spread = [
        part[np.linspace(0, len(part) - 1, _SAMPLES).astype(int)] for part in parts if len(part)
    ]
    return np.unique(np.concatenate(spread)) if spread else every


@lru_cache(maxsize=8)
def _resampling(size: int) -> np.ndarray:
    """Weights (size, SIZE) that bring a line of a crop to another number of pixels.

    Linear between the pixels of the crop, and their mean where several fall into one.
    """
    step = SIZE / size
    reach = max(step, 1.0)
    centres = (np.arange(size) + 0.5) * step - 0.5
    distance = np.abs(centres[:, np.newaxis] - np.arange(SIZE))
    weights = np.maximum(1 - distance / reach, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
