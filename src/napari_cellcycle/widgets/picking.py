"""Choosing a cell by a click in the viewer, and a ring around the one that is chosen."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from napari.layers import Labels, Points

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.widgets.layers import placed
from napari_cellcycle.widgets.life import Life
from napari_cellcycle.widgets.movies import METADATA, plain
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.session import Session

RING = "chosen cell"
_WIDTHS = 1.45
_CHOSEN, _BESIDE = "#ffffff", "#66ccee"
_STILL = 4
"""Pixels of the screen that the mouse may move during a click."""


class Picker:
    """Chooses the cell that is clicked on while the chosen layer can be dragged around.

    With Shift, the cell is chosen beside the first, to be linked with it; a second such click lets
    it go, and a click without Shift lets go of all of them. A click with the right button chooses
    the cell, if it is not chosen already, and calls `menu`, if that is set.

    Clicks on masks of a result with tracks choose a cell in the session, as does picking a label
    with napari's own tool. Where there are no tracks, the session tells of the frame and the
    place in it, ([z,] y, x) in pixels of the movie.
    """

    def __init__(self, viewer: Any, session: Session) -> None:
        self._viewer = viewer
        self._session = session
        self._watched: Labels | None = None
        self._label = 0
        self.menu: Callable[[], object] | None = None
        viewer.mouse_drag_callbacks.append(self._on_press)
        session.changed.connect(self._watch)

    def close(self) -> None:
        """Take no more clicks."""
        self._session.changed.disconnect(self._watch)
        self._unwatch()
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def click(self, position: Sequence[float], event: Any = None) -> None:
        """Choose the cell at a position of the world; `event` gives the direction of view in 3D."""
        recording = self._session.recording
        if recording is None:
            return
        labels, result = recording.layers.labels, recording.result
        if result is not None and result.display.has_tracks:
            recording.layers.bring_back()
            label = label_at(labels, position, event) if labels is not None else 0
            if label:
                if event is None or event.button == 1:
                    self._session.pair(())
                self._session.select(label)
            return
        movie = recording.layer if labels not in self._viewer.layers else labels
        place = np.asarray(movie.world_to_data(position), float) if movie is not None else None
        if place is not None:
            self._session.clicked.emit(round(float(place[0])), place[-recording.ndim :])

    def click_beside(self, position: Sequence[float], event: Any = None) -> None:
        """Choose the cell at a position of the world beside the first, or let it go again."""
        session, recording = self._session, self._session.recording
        labels = recording.layers.labels if recording is not None else None
        draft = session.draft
        if recording is None or draft is None or labels is None:
            return
        recording.layers.bring_back()
        label = label_at(labels, position, event)
        cell = draft.cell_at(session.frame, label) if label else NOBODY
        if not cell:
            session.pair(())
        else:
            session.toggle_other(cell)

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        beside = len(event.modifiers) == 1 and "Shift" in event.modifiers
        if event.button not in (1, 2) or not self._is_free():
            return
        if event.modifiers and not beside:
            return
        start = np.asarray(event.pos, float)
        moved = 0.0
        yield
        while event.type == "mouse_move":
            moved = max(moved, float(np.abs(np.asarray(event.pos) - start).max()))
            yield
        if moved > _STILL:
            return
        if beside:
            self.click_beside(tuple(event.position), event)
            return
        self.click(tuple(event.position), event)
        if event.button == 2 and self.menu is not None:
            self.menu()

    def _watch(self, _experiment: object = None) -> None:
        """Listen to which label is picked in the masks layer of the result."""
        recording = self._session.recording
        labels = recording.layers.labels if recording is not None else None
        if labels is not self._watched:
            self._unwatch()
            self._watched = labels
            if labels is not None:
                self._label = int(labels.selected_label)
                labels.events.selected_label.connect(self._on_label)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._watched.events.selected_label.disconnect(self._on_label)
            self._watched = None

    def _on_label(self, _event: object = None) -> None:
        assert self._watched is not None
        label, former = int(self._watched.selected_label), self._label
        self._label = label  # napari tells of it also when it stays, as other colours are set
        if label not in (former, self._session.track):
            self._session.select(label)

    def _is_free(self) -> bool:
        """Whether a click does nothing else: the chosen layer is not painted on, edited or cut."""
        layer = plain(self._viewer.layers.selection.active)
        can_be_dragged = bool(getattr(layer, "mouse_pan", True))
        return can_be_dragged and str(getattr(layer, "mode", "pan_zoom")) == "pan_zoom"


class Ring:
    """A ring around the chosen cell in the frame that is shown, as a layer of points.

    Cells that are chosen beside it have a blue ring in their own frames.
    """

    def __init__(self, viewer: Any, session: Session) -> None:
        self._viewer = viewer
        self._session = session
        self._layer: Points | None = None
        session.selected.connect(self._on_selected)
        session.moved.connect(self._show)
        session.paired.connect(self._show)
        viewer.dims.events.ndisplay.connect(self._show)

    def close(self) -> None:
        """Let go of the viewer."""
        self._session.selected.disconnect(self._on_selected)
        self._session.moved.disconnect(self._show)
        self._session.paired.disconnect(self._show)
        self._viewer.dims.events.ndisplay.disconnect(self._show)

    def _on_selected(self, life: Life | None) -> None:
        recording, layers = self._session.recording, self._viewer.layers
        if life is None or recording is None or recording.layer not in layers:
            self._remove()
            return
        if self._layer is None or self._layer not in layers:
            self._add(recording, np.r_[life.frames[0], life.centres_px[0]])
        self._show()

    def _show(self, _any: object = None) -> None:
        """Put the ring where the cell is; left in another frame, it is not seen."""
        life, recording, layer = self._session.life, self._session.recording, self._layer
        place = life.at(self._session.frame) if life is not None else None
        if life is None or place is None or recording is None:
            return
        if layer is None or layer not in self._viewer.layers:
            return
        centre = np.r_[life.frames[place], life.centres_px[place]]
        side = recording.cell_side_px
        if len(centre) == 4 and self._viewer.dims.ndisplay == 2:
            plane = float(layer.world_to_data(self._viewer.dims.point)[1])
            planes = 0.5 * side * layer.scale[-1] / layer.scale[1]
            centre[1] = plane if abs(centre[1] - plane) <= max(planes, 0.5) else centre[1]
        others = self._others()
        layer.data = np.array([centre, *others])
        layer.border_color = [_CHOSEN, *[_BESIDE] * len(others)]
        layer.size = _WIDTHS * side

    def _others(self) -> list[np.ndarray]:
        draft = self._session.draft
        if draft is None:
            return []
        cells = [cell for cell in self._session.others if draft.has(cell)]
        return [np.r_[draft.frame(cell), draft.place(cell)] for cell in cells]

    def _add(self, recording: Recording, centre: np.ndarray) -> None:
        layers = self._viewer.layers
        active = plain(layers.selection.active)
        self._layer = Points(
            centre[np.newaxis],
            name=RING,
            face_color="transparent",
            border_color=_CHOSEN,
            border_width=0.02,
            size=_WIDTHS * recording.cell_side_px,
            metadata={METADATA: {"shows": "choice"}},
            **placed(recording.layer, len(centre)),
        )
        self._viewer.add_layer(self._layer)
        layers.selection.active = active

    def _remove(self) -> None:
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None


def label_at(labels: Labels, position: Sequence[float], event: Any = None) -> int:
    """The mask at a position of the world, 0 for none; in 3D the first that the view meets."""
    if event is not None and len(event.dims_displayed) == 3:
        value = labels.get_value(
            position,
            view_direction=event.view_direction,
            dims_displayed=list(event.dims_displayed),
            world=True,
        )
        return int(value) if isinstance(value, int | np.integer) else 0
    place = np.rint(labels.world_to_data(position)).astype(int)
    if (place < 0).any() or (place >= np.array(labels.data.shape)).any():
        return 0
    return int(np.asarray(labels.data[tuple(place)]))
