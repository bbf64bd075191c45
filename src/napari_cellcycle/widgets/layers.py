"""The layers that show the results for one movie."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Labels, Layer, Tracks
from qtpy.QtCore import QTimer

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.widgets.colours import (
    ColourBy,
    doubt_colours,
    doubt_label_colours,
    stage_colours,
    stage_label_colours,
    track_colours,
    track_label_colours,
)
from napari_cellcycle.widgets.display import Display
from napari_cellcycle.widgets.look import look_at
from napari_cellcycle.widgets.movies import METADATA

OPACITY = 0.7
_TAIL = 12
_USUAL_SIDE = 30.0
_TRACKS_AFTER_MS, _LARGE_AFTER_MS = 120, 1500
_LARGE = 30_000
"""Cells from which the tracks layer follows corrections in pauses only."""
_OUTLINE = 2
"""Width of outlines in pixels of the masks, where cells are coloured by doubt."""


class ResultLayers:
    """A Labels and a Tracks layer over a movie layer, kept in step with a `Display`.

    The value of a mask is the id of the track shown for it. Showing another display replaces
    what the layers hold; a layer that the user has removed is added again, as it is by a
    correction.
    """

    def __init__(self, viewer: Any, movie: Image) -> None:
        self._viewer = viewer
        self._movie = movie
        self.labels: Labels | None = None
        self.tracks: Tracks | None = None
        self._display: Display | None = None
        self._tracked: Display | None = None
        self._coloured: tuple[int, str] | None = None
        self._unselected = False
        self._colour_by: ColourBy = "track"
        self._contour: int | None = None
        self._side: tuple[Display | None, float] | None = None
        self._later = QTimer(singleShot=True)
        self._later.timeout.connect(self._update_tracks)
        viewer.dims.events.current_step.connect(self._on_step)

    def adopt(self, labels: Labels | None, tracks: Tracks | None) -> None:
        """Take layers that are in the viewer already as ours."""
        self.labels, self.tracks = labels, tracks

    def show(self, display: Display | None) -> None:
        """Show `display` in place of what was shown; None takes our layers away."""
        for step in self.steps(display):
            step()

    def update(self, display: Display, frames: Sequence[int]) -> None:
        """Show what a correction changed; it painted in the masks of `frames` already.

        The tracks follow a moment later, together for all corrections made until then; napari
        takes half a second to show those of a hundred thousand cells, so they wait for a pause.
        """
        self.bring_back()
        shown = self._display
        self._display = display
        if shown is not None and self._side is not None and self._side[0] is shown:
            self._side = (display, self._side[1])
        if self.labels is not None:
            if round(float(self.labels.world_to_data(self._viewer.dims.point)[0])) in frames:
                self.labels.refresh()
            self._on_step()
        large = len(display.vertices) > _LARGE
        self._later.start(_LARGE_AFTER_MS if large else _TRACKS_AFTER_MS)

    def bring_back(self) -> None:
        """Put the masks back where they were if they were removed: nobody corrects unseen masks."""
        if self.labels is None or self._in_viewer(self.labels):
            return
        layers = self._viewer.layers
        below = (layer for layer in (self.tracks,) if self._in_viewer(layer))
        layers.insert(next(map(layers.index, below), len(layers)), self.labels)

    def catch_up(self, display: Display) -> None:
        """Show `display` if it is another one than is shown."""
        if self._display is not None and display is not self._display:
            self.update(display, range(self.frames))

    def _update_tracks(self) -> None:
        display = self._display
        if display is None or display is self._tracked:
            return
        self._show_tracks(display)
        self._coloured = None
        self._colour(display)

    def steps(self, display: Display | None) -> list[Callable[[], None]]:
        """What `show` does, in parts none of which holds up the viewer for long."""
        if display is None:
            return [self._clear]
        return [
            partial(self._show_labels, display),
            partial(self._show_tracks, display),
            partial(self._colour, display),
            self._select,
        ]

    def colour_by(self, colour_by: ColourBy) -> None:
        """Colour masks and tracks by track, by stage or by doubt."""
        self._colour_by = colour_by
        if self._display is not None:
            self._colour(self._display)

    def look_at(self, frame: int, place: Sequence[float], cell: int | None = None) -> None:
        """Move the viewer to a place ([z,] y, x in pixels of the masks); `cell` is chosen."""
        layer = self._shown()
        if layer is None:
            return
        point = [frame, *place]
        if layer.ndim > len(point):
            point.insert(_channel(self._movie), 0)
        look_at(self._viewer, layer, point, self.cell_side_px * layer.scale[-1])
        if cell is not None:
            self.choose(cell)

    def go_to_frame(self, frame: int) -> None:
        """Move the viewer to a frame; the place in it stays."""
        layer = self._shown()
        if layer is not None:
            time = layer.data_to_world((frame,) + (0,) * (layer.ndim - 1))[0]
            self._viewer.dims.set_point(self._viewer.dims.ndim - layer.ndim, time)

    def _shown(self) -> Layer | None:
        """The masks, or the movie where there are none."""
        layers = (self.labels, self._movie)
        return next((layer for layer in layers if self._in_viewer(layer)), None)

    @property
    def frames(self) -> int:
        """Number of frames of the movie."""
        layer = self._shown() or self._movie
        return int(layer.data.shape[0]) if not layer.multiscale else int(layer.data[0].shape[0])

    def paint_with(self, label: int) -> None:
        """Let the next stroke of the brush paint `label`."""
        self.bring_back()
        if self.labels is not None:
            self._viewer.layers.selection.active = self.labels
            self.labels.selected_label = label
            self.labels.mode = "paint"

    def choose(self, label: int) -> None:
        """Make `label` the one that the masks layer paints with."""
        if self.labels is not None and self._in_viewer(self.labels):
            self.labels.selected_label = label

    @property
    def cell_side_px(self) -> float:
        """Typical diameter of the cells in pixels of y and x; measured once for each display."""
        if self._side is None or self._side[0] is not self._display:
            self._side = (self._display, _cell_side(self.labels, self._display))
        return self._side[1]

    def close(self) -> None:
        """Let go of the viewer; the layers stay."""
        with suppress(RuntimeError):  # Qt has taken it away already when napari ends
            self._later.stop()
        self._viewer.dims.events.current_step.disconnect(self._on_step)

    def _clear(self) -> None:
        self._remove(self.labels)
        self._remove(self.tracks)
        self.labels = self.tracks = self._display = self._tracked = None
        self._coloured = None

    def _show_labels(self, display: Display) -> None:
        if not self._in_viewer(self.labels) or not _same_shape(self.labels, display.labels):
            self._remove(self.labels)
            self.labels = labels_layer(display, self._movie)
            self._contour = None
            self._viewer.add_layer(self.labels)
            self._coloured = None
            self._unselected = True
        elif self.labels is not None and self.labels.data is not display.labels:
            self.labels.data = display.labels
            forget_edits(self.labels)

    def _show_tracks(self, display: Display) -> None:
        if not display.has_tracks:
            self._remove(self.tracks)
            self.tracks = None
        elif not self._in_viewer(self.tracks):
            self.tracks = tracks_layer(display, self._movie)
            self._viewer.add_layer(self.tracks)
            self._coloured = None
        elif self.tracks is not None and self._tracked is not display:
            fill_tracks(self.tracks, display)
        self._tracked = display

    def _select(self) -> None:
        """Select new masks, so that the status bar tells about the cell under the mouse."""
        if self._unselected and self.labels is not None and self._in_viewer(self.labels):
            self._viewer.layers.selection.active = self.labels
        self._unselected = False

    def _colour(self, display: Display) -> None:
        self._display = display
        if self._coloured == (id(display), self._colour_by):
            return
        self._coloured = (id(display), self._colour_by)
        by = self._possible(display)
        if self.tracks is not None:
            column = {"stage": "stage", "doubt": "link_score", "track": "track_id"}[by]
            self.tracks.color_by = column
        if self.labels is not None:
            self._outline(self.labels, by == "doubt")
            if by == "track":
                self.labels.colormap = track_label_colours()
        self._on_step()

    def _possible(self, display: Display) -> ColourBy:
        """What is asked to be coloured by, if `display` knows it; else by track."""
        known = {"stage": display.has_stages, "doubt": display.doubts >= 0}
        return self._colour_by if known.get(self._colour_by, False) else "track"

    def _outline(self, labels: Labels, outlined: bool) -> None:
        """Show outlines only, or masks as they were shown before."""
        if outlined and self._contour is None:
            self._contour = labels.contour
            labels.contour = _OUTLINE
        elif not outlined and self._contour is not None:
            labels.contour = self._contour
            self._contour = None

    def _in_viewer(self, layer: Layer | None) -> bool:
        return layer is not None and layer in self._viewer.layers

    def _remove(self, layer: Layer | None) -> None:
        if layer is not None and self._in_viewer(layer):
            self._viewer.layers.remove(layer)

    def _on_step(self, _event: object = None) -> None:
        """Give masks the stages or doubts, and the status bar the numbers, of the frame shown."""
        display, labels = self._display, self.labels
        if display is None or labels is None or not display.has_tracks:
            return
        if not self._in_viewer(labels):
            return
        time = round(float(labels.world_to_data(self._viewer.dims.point)[0]))
        rows = display.in_frame(time)
        labels.features = rows.rename(columns={"track": "index"})
        by = self._possible(display)
        if by == "stage":
            labels.colormap = stage_label_colours(rows["track"], rows["stage"], display.stages)
        elif by == "doubt":
            labels.colormap = doubt_label_colours(rows["track"], rows["link_score"])


def _cell_side(labels: Labels | None, display: Display | None) -> float:
    """Diameter in pixels of x of an average cell, seen in one frame; 30 where nothing is known."""
    if labels is None or display is None or not display.has_tracks:
        return _USUAL_SIDE
    frames = display.features["frame"].to_numpy()
    frame = int(frames[len(frames) // 2])
    cells = max(len(display.in_frame(frame)), 1)
    pixels = max(np.count_nonzero(np.asarray(labels.data[frame])), 1) / cells
    world = pixels * float(np.prod(labels.scale[1:]))
    ndim = labels.ndim - 1
    diameter = (4 * world / np.pi) ** 0.5 if ndim == 2 else (6 * world / np.pi) ** (1 / 3)
    return float(diameter / labels.scale[-1])


def labels_layer(display: Display, movie: Image) -> Labels:
    """A Labels layer of the masks, placed as `movie` is."""
    return Labels(
        display.labels,
        name=f"{movie.name} cells",
        colormap=track_label_colours(),
        opacity=OPACITY,
        metadata={METADATA: {"shows": "labels"}},
        **placed(movie, display.labels.ndim),
    )


def tracks_layer(display: Display, movie: Image) -> Tracks:
    """A Tracks layer with divisions and features, placed as `movie` is."""
    return Tracks(
        display.vertices,
        features=_track_features(display),
        graph=display.graph,
        name=f"{movie.name} tracks",
        tail_length=_TAIL,
        tail_width=2,
        colormaps_dict=track_colormaps(display.stages),
        metadata={METADATA: {"shows": "tracks"}},
        **placed(movie, display.labels.ndim),
    )


def fill_tracks(layer: Tracks, display: Display) -> None:
    """Replace what a Tracks layer holds.

    napari forgets graph and features when data is set, so the order matters; and a property
    to colour by must exist all the while. Setting data or graph takes long, so they are set where
    they differ only: after a change of stages they do not.
    """
    layer.color_by = "track_id"
    moved = not np.array_equal(layer.data, display.vertices)
    if moved:
        layer.data = display.vertices
    layer.features = _track_features(display)
    if moved or {key: list(mothers) for key, mothers in layer.graph.items()} != display.graph:
        layer.graph = display.graph
    layer.colormaps_dict = track_colormaps(display.stages)


def forget_edits(layer: Labels) -> None:
    """Empty the undo history of a Labels layer, which outlives its data.

    Without this, undo would paint pixels of the former result into the new one. A layer that
    stops being editable forgets its history.
    """
    editable = layer.editable
    layer.editable = False
    layer.editable = editable


def track_colormaps(stages: StageSet) -> dict[str, Any]:
    """Colours for a Tracks layer, by what it is coloured by."""
    return {
        "track_id": track_colours(),
        "stage": stage_colours(stages),
        "link_score": doubt_colours(),
    }


def placed(movie: Image, ndim: int) -> dict[str, Any]:
    """Scale, place, units and axis names of a layer of `ndim` axes that lies on `movie`."""
    channel = [axis for axis in range(movie.ndim) if movie.ndim > ndim and axis == _channel(movie)]
    kept = [axis for axis in range(movie.ndim) if axis not in channel][-ndim:]
    names = ("t", "z", "y", "x") if ndim == 4 else ("t", "y", "x")
    return {
        "scale": np.asarray(movie.scale)[kept],
        "translate": np.asarray(movie.translate)[kept],
        "units": tuple(movie.units[axis] for axis in kept),
        "axis_labels": names,
    }


def _channel(movie: Image) -> int:
    names = [label.lower() for label in movie.axis_labels]
    return names.index("c") if "c" in names else 1


def _track_features(display: Display) -> pd.DataFrame:
    track = display.features["track"].to_numpy()
    return display.features.drop(columns="track").assign(track_id=track)


def _same_shape(layer: Labels | None, data: Any) -> bool:
    return layer is not None and tuple(layer.data.shape) == tuple(data.shape)
