"""Tools for the mouse on the masks: cut a cell along a line, cut it by two clicks, draw one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from napari.layers import Labels, Points
from psygnal import Signal
from qtpy.QtGui import QShortcut
from qtpy.QtWidgets import QWidget

from napari_cellcycle.errors import Refused
from napari_cellcycle.widgets.keys import remove_key, window_key
from napari_cellcycle.widgets.layers import placed
from napari_cellcycle.widgets.movies import METADATA
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.session import Session

ToolName = Literal["", "line", "points", "draw"]


@dataclass(frozen=True)
class Tool:
    """What a button or menu shows of a tool: its name, a title, and what to do with the mouse."""

    name: ToolName
    title: str
    words: str


TOOLS = (
    Tool("line", "Cut along a line", "drag the mouse across a cell where it is to be cut"),
    Tool("points", "Cut by two clicks", "click once in each of the two cells of a mask"),
    Tool("draw", "Draw a missed cell", "click in the middle of a cell that has no mask"),
)
"""All tools, in the order of a menu."""

_MARKS = "cut"
_COLOUR = "#ffe14d"
_WIDTH_PX = 4.0
"""Width on the screen of the line that is drawn."""
_SHORTEST = 2.0
"""Length of a line in pixels of the masks from which it counts."""


class MaskTools:
    """One tool at a time takes the left mouse button on the masks, until Escape is pressed.

    `changed` comes with the name of the tool now in hand, or "". It is put down when another layer
    or a mode of napari is chosen, another result is shown, or the view is in 3D. `parent` is a
    widget in whose window Escape is heard.
    """

    changed = Signal(str)

    def __init__(self, viewer: Any, session: Session, parent: QWidget) -> None:
        self._viewer = viewer
        self._session = session
        self.tool: ToolName = ""
        self._labels: Labels | None = None
        self._marks: Points | None = None
        self._first: tuple[int, int, np.ndarray] | None = None
        self._parent = parent
        self._escape: QShortcut | None = None
        session.changed.connect(self._on_changed)
        session.moved.connect(self._forget)

    def close(self) -> None:
        """Put the tool down and listen no more."""
        self.put_down()
        self._session.changed.disconnect(self._on_changed)
        self._session.moved.disconnect(self._forget)

    def take(self, tool: ToolName) -> None:
        """Take a tool in hand, or put it down if it is already."""
        if tool == self.tool or not tool:
            self.put_down()
            return
        recording = self._session.recording
        labels = recording.layers.labels if recording is not None else None
        reason = self._hindrance(labels)
        if reason or recording is None or labels is None:
            self._session.refused.emit(Refused(reason))
            return
        if self._labels is None:
            self._begin(recording, labels)
        self._forget()
        self.tool = tool
        self.changed.emit(tool)

    def put_down(self) -> None:
        """Leave the mouse to napari again."""
        if self._labels is not None:
            self._end(self._labels)
        if self.tool:
            self.tool = ""
            self.changed.emit("")

    # ---------------------------------------------------------------- beginning and ending

    def _hindrance(self, labels: Labels | None) -> str:
        """Why no tool can be used now; empty if one can."""
        if self._session.draft is None or labels is None:
            return "There are no masks to correct yet: press Run first."
        dims = self._viewer.dims
        if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
            return (
                "Masks are cut and drawn in the 2D view of y and x: switch to it (the square "
                "button below the layers) first."
            )
        return ""

    def _begin(self, recording: Recording, labels: Labels) -> None:
        recording.layers.bring_back()
        layers = self._viewer.layers
        self._labels = labels
        self._marks = Points(
            np.empty((0, labels.ndim)),
            ndim=labels.ndim,
            name=_MARKS,
            face_color=_COLOUR,
            border_width=0,
            metadata={METADATA: {"shows": "cut"}},
            **placed(recording.layer, labels.ndim),
        )
        self._viewer.add_layer(self._marks)
        layers.selection.active = labels
        labels.mode = "pan_zoom"
        labels.mouse_pan = False
        labels.cursor = "cross"
        labels.mouse_drag_callbacks.append(self._on_press)
        labels.events.mode.connect(self._on_mode)
        layers.selection.events.active.connect(self._on_active)
        layers.events.removed.connect(self._on_removed)
        self._viewer.dims.events.ndisplay.connect(self._on_mode)
        self._escape = window_key(self._parent, "Esc", self.put_down)

    def _end(self, labels: Labels) -> None:
        layers = self._viewer.layers
        self._labels = None
        if self._escape is not None:
            remove_key(self._escape)
            self._escape = None
        self._viewer.dims.events.ndisplay.disconnect(self._on_mode)
        layers.events.removed.disconnect(self._on_removed)
        layers.selection.events.active.disconnect(self._on_active)
        labels.events.mode.disconnect(self._on_mode)
        if self._on_press in labels.mouse_drag_callbacks:
            labels.mouse_drag_callbacks.remove(self._on_press)
        if str(labels.mode) == "pan_zoom":
            labels.mouse_pan = True
            labels.cursor = "standard"
        if self._marks is not None and self._marks in layers:
            active = layers.selection.active
            layers.remove(self._marks)
            layers.selection.active = active
        self._marks = None
        self._first = None

    def _on_changed(self, _experiment: object = None) -> None:
        self.put_down()

    def _on_mode(self, _event: object = None) -> None:
        self.put_down()

    def _on_active(self, event: Any) -> None:
        if event.value is not None and event.value is not self._labels:
            self.put_down()

    def _on_removed(self, event: Any) -> None:
        if event.value in (self._labels, self._marks):
            self.put_down()

    # ---------------------------------------------------------------- the mouse

    def _on_press(self, labels: Labels, event: Any) -> Iterator[None]:
        if event.button != 1 or event.modifiers:
            return
        tool, line = self.tool, [self._place(labels, event)]
        yield
        while event.type == "mouse_move":
            place = self._place(labels, event)
            if np.linalg.norm(place - line[-1]) >= 1:
                line.append(place)
                self._mark(np.array(line) if tool == "line" else np.empty((0, labels.ndim)))
            yield
        if self.tool != tool:
            return
        if tool == "line":
            self._cut_along(np.array(line))
        elif tool == "points":
            self._click_in(line[0])
        else:
            self._session.do("draw_cell", frame=int(line[0][0]), place=line[0][1:].tolist())

    def _place(self, labels: Labels, event: Any) -> np.ndarray:
        """Frame and [z,] y, x under the mouse, in pixels of the masks."""
        place = np.asarray(labels.world_to_data(event.position), float)
        place[:-2] = np.rint(place[:-2])
        return place

    def _cut_along(self, line: np.ndarray) -> None:
        """Cut the cell that most of a line (n, 1 + d) lies on."""
        self._mark(line[:0])
        if np.linalg.norm(np.diff(line[:, 1:], axis=0), axis=1).sum() < _SHORTEST:
            self._refuse("A cut needs a line: press beside a cell and drag to its other side.")
            return
        labels = self._labels_under(_dense(line, 0.5))
        if not len(labels):
            self._refuse("No cell lies under the line: draw it across the cell to be cut.")
            return
        values, count = np.unique(labels, return_counts=True)
        label, frame = int(values[count.argmax()]), int(line[0, 0])
        self._session.do("split_line", frame=frame, label=label, line=line[:, 1:].tolist())

    def _click_in(self, place: np.ndarray) -> None:
        """Remember the first click in a cell; cut the cell at the second."""
        found = self._labels_under(place[np.newaxis])
        frame = int(place[0])
        if not len(found):
            self._refuse("No cell lies there: click once in each of the two cells of a mask.")
            return
        label = int(found[0])
        if self._first is None or self._first[:2] != (frame, label):
            self._first = (frame, label, place)
            self._mark(place[np.newaxis], 3 * _WIDTH_PX)
            return
        points = [self._first[2][1:].tolist(), place[1:].tolist()]
        self._forget()
        self._session.do("split", frame=frame, label=label, points=points)

    def _labels_under(self, places: np.ndarray) -> np.ndarray:
        """The masks at places (n, 1 + d), without background; places outside count for nothing."""
        draft = self._session.draft
        assert draft is not None
        mask = draft.mask(int(places[0, 0]))
        pixels = np.rint(places[:, 1:]).astype(int)
        inside = ((pixels >= 0) & (pixels < mask.shape)).all(axis=1)
        found = mask[tuple(pixels[inside].T)]
        return found[found > 0]

    # ---------------------------------------------------------------- showing it

    def _forget(self, _frame: int = 0) -> None:
        """Forget the first of two clicks."""
        if self._first is not None and self._marks is not None:
            self._mark(np.empty((0, self._marks.ndim)))
        self._first = None

    def _mark(self, places: np.ndarray, width: float = _WIDTH_PX) -> None:
        """Show a line through places (n, 1 + d), or one place, `width` screen pixels wide."""
        if self._marks is None:
            return
        pixel = width / self._viewer.scene.camera.zoom / self._marks.scale[-1]
        self._marks.data = _dense(places, pixel / 2) if len(places) > 1 else places
        self._marks.size = pixel
        self._marks.current_size = pixel

    def _refuse(self, sentence: str) -> None:
        self._session.refused.emit(Refused(sentence))


def _dense(line: np.ndarray, step: float) -> np.ndarray:
    """Places along a line (n, d) that are no more than `step` apart."""
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    along = np.linspace(0, length[-1], int(np.ceil(length[-1] / step)) + 1)
    return np.column_stack([np.interp(along, length, values) for values in line.T])
