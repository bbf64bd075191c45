"""What the recurrent model takes for the centre cell: to look at when a stage seems odd."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import sights
from napari_cellcycle.models.stage.model import open_stage_model
from napari_cellcycle.progress import Progress, silent

if TYPE_CHECKING:
    from napari_cellcycle.models.stage.recurrent import RecurrentModel


def centre_cells(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    rows: np.ndarray,
    *,
    model: "RecurrentModel | str | Path" = "rnn",
    channel: str | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Crops of some cells as the network gets them, and the cell alone that it draws from each.

    `rows` (k,) are positions in `tracks.cells`. Both arrays are (k, size, size) float32, in the
    order of `rows`. Raises `BadInput` if `model` is of a kind that draws no centre cell.
    """
    network = open_stage_model(model, device)
    if not hasattr(network, "centres"):
        raise BadInput(
            "This stage model does not draw the centre cell; choose a recurrent one, such as 'rnn'."
        )
    chosen = Tracks(tracks.cells.iloc[rows], tracks.links.iloc[:0])
    images: list[np.ndarray] = [np.zeros(0)] * len(rows)
    drawn = list(images)
    seen = sights(movie, labels, chosen, channel=channel, progress=progress)
    for sight in seen:
        for row, crop, centre in zip(sight.rows, *network.centres(sight), strict=True):
            images[row], drawn[row] = crop, centre
    return np.stack(images), np.stack(drawn)
