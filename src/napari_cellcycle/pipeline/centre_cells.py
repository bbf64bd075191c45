"""What a recurrent stage model takes for each cell: to look at when a stage seems odd."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import Sight, flat_side_px, sights
from napari_cellcycle.models.stage.model import open_stage_model
from napari_cellcycle.progress import Progress, silent

if TYPE_CHECKING:
    from napari_cellcycle.models.stage.paper_rnn import PaperRecurrentModel
    from napari_cellcycle.models.stage.recurrent import RecurrentModel

    Drawing = RecurrentModel | PaperRecurrentModel


def centre_cells(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    *,
    model: "Drawing | str | Path" = "rnn",
    channel: str | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> Iterator[tuple[int, np.ndarray]]:
    """Draw, frame after frame, each cell alone on black as the network sees it, at its place.

    Recurrent networks learn to draw the cell in the middle of a crop without its neighbours
    (Jose et al. 2024), so a cell that is missing here, or has a piece of its neighbour, is one
    whose stage was told from the wrong pixels.

    Yields
    ------
    time, picture
        The frames that hold cells, in order; pictures are (Y, X) float32, the brightest of all
        cells where windows overlap. `rnn` draws how sure it is that a pixel belongs to the cell,
        times the movie's brightness; `rnn-paper` draws from 0 to 1. Volumes are seen from above,
        as by the network.

    Raises
    ------
    BadInput
        `model` is of a kind that draws no centre cell.
    """
    network: Any = open_stage_model(model, device)
    if not hasattr(network, "centres"):
        raise BadInput(
            "This stage model does not draw the centre cell; choose a recurrent one, such as 'rnn'."
        )
    return (
        (sight.frame, _picture(network, sight))
        for sight in sights(movie, labels, tracks, channel=channel, progress=progress)
    )


def _picture(network: "Drawing", sight: Sight) -> np.ndarray:
    """The cells of a frame as the network draws them, (Y, X)."""
    import cv2

    picture = np.zeros(sight.image.shape[-2:], np.float32)
    across = [max(1, round(side)) for side in flat_side_px(sight, network.side, network.unit)]
    _, drawn = network.centres(sight)
    for centre, cell in zip(sight.centres_px[:, -2:], drawn, strict=True):
        seen = cv2.resize(cell, across[::-1], interpolation=cv2.INTER_LINEAR)
        top, left = (
            round(middle - (side - 1) / 2) for middle, side in zip(centre, across, strict=True)
        )
        seen = seen[max(0, -top) :, max(0, -left) :]
        there = picture[max(0, top) :, max(0, left) :][: seen.shape[0], : seen.shape[1]]
        np.maximum(there, seen[: there.shape[0], : there.shape[1]], out=there)
    return picture
