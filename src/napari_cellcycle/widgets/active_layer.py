"""The movie follows the layer that is made active, where that shows a result of another one."""

from collections.abc import Callable
from typing import Any

from napari.layers import Image

from napari_cellcycle.widgets.movies import plain
from napari_cellcycle.widgets.session import Session


class ActiveLayer:
    """Chooses the movie of the masks or tracks that are made the active layer.

    A brush stroke there is then a correction of the result that it is seen in.
    """

    def __init__(self, viewer: Any, session: Session, choose: Callable[[Image], None]) -> None:
        self._layers = viewer.layers
        self._session, self._choose = session, choose
        self._layers.selection.events.active.connect(self._on_active)

    def close(self) -> None:
        """Let go of the viewer."""
        self._layers.selection.events.active.disconnect(self._on_active)

    def _on_active(self, _event: object = None) -> None:
        layer = plain(self._layers.selection.active)
        if layer is None:
            return
        for recording in self._session.recordings:
            if layer in (recording.layers.labels, recording.layers.tracks):
                if recording is not self._session.recording:
                    self._choose(recording.layer)
                return
