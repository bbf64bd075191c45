"""Following one clicked cell where nothing has been tracked."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.widgets.cutter import WIDTHS
from napari_cellcycle.widgets.life import life_of_followed
from napari_cellcycle.widgets.recording import Recording
from napari_cellcycle.widgets.task import Task

if TYPE_CHECKING:
    from napari_cellcycle.widgets.dock import CellCycle


def follow(dock: "CellCycle", frame: int, place: np.ndarray) -> Task | None:
    """Follow the cell at a place while the filmstrip is open, and show it there.

    Where there are no masks, the window of the filmstrip tells how large cells are.
    """
    recording, movie = dock.session.recording, dock.picker.movie
    if recording is None or movie is None or dock.task or not dock.filmstrip.isVisible():
        return None
    if not 0 <= frame < len(movie):
        return None
    labels = dock.known_labels
    diameter = dock.filmstrip.side.value() / WIDTHS if labels is None else None
    task = Task(
        "Follow a cell", _followed, movie, labels, frame, place, dock.picker.channel, diameter
    )
    task.succeeded.connect(partial(_on_followed, dock, recording))
    return dock.begin(task)


def _followed(
    movie: Movie,
    labels: LabelStack | None,
    frame: int,
    place: np.ndarray,
    channel: str | None,
    diameter: float | None,
    *,
    progress: Any,
) -> Tracks:
    from napari_cellcycle.features.follow import follow_cell

    return follow_cell(
        movie, labels, frame, place.tolist(), channel=channel, diameter=diameter, progress=progress
    )


def _on_followed(dock: "CellCycle", recording: Recording, tracks: Tracks) -> None:
    if dock.session.recording is recording:
        stages = dock.session.experiment.stages if dock.session.experiment else H2B
        dock.session.show_life(life_of_followed(tracks, stages))
