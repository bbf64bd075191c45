"""The preview of a segmentation on the frame that is shown, as layers that come and go."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, QTimer, Signal

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.region import Region
from napari_cellcycle.jobs.events import Failed
from napari_cellcycle.widgets.layers import placed
from napari_cellcycle.widgets.movies import METADATA, plain
from napari_cellcycle.widgets.place import visible_region
from napari_cellcycle.widgets.preferences import compute_settings
from napari_cellcycle.widgets.preview_thread import Previews, Seen, Wanted
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.session import Session

NAME, MAP_NAME = "preview", "preview: where cells are"
_LOOKING = "Looking for cells…"
_SOON_MS = 40
_LATER_MS = 350
_OPACITY, _STRONG = 0.55, 0.9
_COLOUR = "#ffe14d"
_OUTLINE = 2
"""Width of the outlines in pixels of the movie."""


class Preview(QObject):
    """Segments what is in view whenever movie, settings, frame or view change, while it is on.

    `movie()` and `settings()` tell what is chosen now. `told` comes with a sentence about what is
    shown, `failed` with a `Failed`; `switched` says whether the preview is on.
    """

    told = Signal(str)
    failed = Signal(object)
    switched = Signal(bool)
    shown = Signal(object)

    def __init__(
        self,
        viewer: Any,
        session: Session,
        movie: Callable[[], Movie | None],
        settings: Callable[[], SegmentSettings],
    ) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self._movie, self._settings = movie, settings
        self._layers: dict[str, Layer] = {}
        self.on = False
        self.process = Previews()
        self.process.seen.connect(self._on_seen)
        self.process.failed.connect(self._on_failed)
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._later = QTimer(self, singleShot=True, interval=_LATER_MS)
        self._soon.timeout.connect(self._look)
        self._later.timeout.connect(self._look_again)
        self._region: Region | None = None
        self._frame = -1
        self._recording: Recording | None = None
        self._wanted: Wanted | None = None
        viewer.scene.camera.events.connect(self._on_view)
        viewer.dims.events.connect(self._on_view)
        session.changed.connect(self._on_changed)

    def switch(self, on: bool) -> None:
        """Show the preview, or take it away."""
        if on == self.on:
            return
        self.on = on
        if on:
            self.told.emit(_LOOKING)
            self._look()
        else:
            self._clear()
            self.told.emit("")
        self.switched.emit(on)

    def refresh(self) -> None:
        """Settings, or what is known of the movie, have changed: look again, soon."""
        if self.on and self._movie() is None:
            self.switch(False)
        elif self.on:
            self._soon.start()

    def close(self) -> None:
        """Let go of the viewer and end the process."""
        self.on = False
        self._viewer.scene.camera.events.disconnect(self._on_view)
        self._viewer.dims.events.disconnect(self._on_view)
        self._session.changed.disconnect(self._on_changed)
        self.process.close()

    def _on_view(self, _event: object = None) -> None:
        if self.on:
            self._later.start()

    def _on_changed(self, _experiment: object = None) -> None:
        """Look again, and show nothing of another movie meanwhile."""
        if self.on and self._session.recording is not self._recording:
            self._clear()
            self.told.emit(_LOOKING)
        self.refresh()

    def _clear(self) -> None:
        """Show nothing, and wait for nothing."""
        self._wanted = None
        self.process.want(None)
        self._soon.stop()
        self._later.stop()
        self._remove()

    def _look_again(self) -> None:
        """Look if another frame or region is in view."""
        recording = self._session.recording
        region = visible_region(self._viewer, recording.layer) if recording else None
        if (self._session.frame, region) != (self._frame, self._region):
            self._look()

    def _look(self) -> None:
        movie, recording = self._movie(), self._session.recording
        if not self.on or movie is None or recording is None:
            return
        self._recording = recording
        self._frame = min(max(self._session.frame, 0), len(movie) - 1)
        self._region = visible_region(self._viewer, recording.layer)
        settings = self._settings()
        self._wanted = Wanted(movie, self._frame, settings, compute_settings(), self._region)
        self.process.want(self._wanted)

    def _on_failed(self, failed: Failed) -> None:
        if self.on:
            self.told.emit("")
            self.switch(False)
            self.failed.emit(failed)

    def _on_seen(self, seen: Seen) -> None:
        if seen.wanted is not self._wanted or self._recording is None:
            return
        movie = self._recording.layer
        self._show_masks(seen, movie)
        self._show_map(seen, movie)
        self.told.emit(_sentence(seen))
        self.shown.emit(seen)

    def _show_masks(self, seen: Seen, movie: Image) -> None:
        place = _placed(movie, seen.wanted.time, seen.region, seen.masks.ndim)
        masks = seen.masks[np.newaxis]
        layer = self._layers.get(NAME)
        if layer is not None and layer.ndim != masks.ndim:
            self._remove(NAME)
        if layer is None or layer not in self._viewer.layers:
            layer = Labels(
                masks,
                name=NAME,
                colormap=DirectLabelColormap(color_dict={None: _COLOUR, 0: "transparent"}),
                opacity=_STRONG,
                metadata=_OURS,
                **place,
            )
            layer.contour = _OUTLINE
            layer.editable = False
            self._add(NAME, layer)
        else:
            layer.data = masks
            layer.translate = place["translate"]

    def _show_map(self, seen: Seen, movie: Image) -> None:
        if seen.map is None:
            self._remove(MAP_NAME)
            return
        place = _placed(movie, seen.wanted.time, seen.region, 2)
        scale = np.array(seen.region.shape) / seen.map.shape
        place["translate"][-2:] += (scale / 2 - 0.5) * place["scale"][-2:]
        place["scale"][-2:] = place["scale"][-2:] * scale
        layer = self._layers.get(MAP_NAME)
        data = seen.map[np.newaxis]
        if layer is None or layer not in self._viewer.layers:
            layer = Image(
                data,
                name=MAP_NAME,
                colormap="magma",
                blending="additive",
                opacity=_OPACITY,
                contrast_limits=(0, 1),
                metadata=_OURS,
                **place,
            )
            self._add(MAP_NAME, layer)
        else:
            layer.data = data
            layer.scale, layer.translate = place["scale"], place["translate"]

    def _add(self, name: str, layer: Layer) -> None:
        active = plain(self._viewer.layers.selection.active)
        self._layers[name] = layer
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = active

    def _remove(self, *names: str) -> None:
        for name in names or tuple(self._layers):
            layer = self._layers.pop(name, None)
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)


_OURS = {METADATA: {"shows": "preview"}}


def _placed(movie: Image, time: int, region: Region, ndim: int) -> dict[str, Any]:
    """Place of a layer of one frame, of which a region is shown."""
    place = placed(movie, ndim + 1)
    first = np.zeros(ndim + 1)
    first[0], first[-2:] = time, (region.top, region.left)
    place["scale"] = np.array(place["scale"], float)
    place["translate"] = np.array(place["translate"], float) + first * place["scale"]
    return place


def _sentence(seen: Seen) -> str:
    """What is seen, in a few words."""
    count = len(np.unique(seen.masks[seen.masks > 0]))
    whole = Region.whole(seen.wanted.movie.frame_shape)
    where = "in this frame" if seen.region == whole else "in the part of it that was looked at"
    if seen.region == seen.wanted.region:
        where = "in view"
    said = f"{count:,} cell{'s' * (count != 1)} {where}"
    if seen.diameter:
        pixels = seen.diameter / seen.wanted.movie.pixel_size[-1]
        said += f"; diameter {seen.diameter:.3g} µm ({pixels:.0f} px)"
    return " ".join([f"{said}.", *seen.notes])
