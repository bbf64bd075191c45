"""Give every tracked cell its stage of the cell cycle."""

from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from napari_cellcycle.config import ClassifySettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crops import median_diameter
from napari_cellcycle.io.frames import check_labels_fit
from napari_cellcycle.pipeline.decode import decode
from napari_cellcycle.progress import Progress, silent, track_progress

if TYPE_CHECKING:
    from napari_cellcycle.models.stage.frame import FrameModel


def classify(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    settings: ClassifySettings | None = None,
    *,
    model: Union["FrameModel", str, Path, None] = None,
    device: str = "auto",
    stages: StageSet | None = None,
    progress: Progress = silent,
) -> Tracks:
    """Look at every cell in every frame, then choose stages that make sense along lineages.

    Frames are read one after the other. `model` replaces the one that `settings` names;
    `stages` (by default those of H2B-labelled chromatin) must have the names that the model
    knows. `labels` tell how large cells are.

    Returns the tracks with the column `stage` (names, after decoding) and one column
    `p_<stage>` a stage (probabilities of the single frame, before decoding). Raises `BadInput`
    if masks or tracks do not fit the movie, `MissingModel` if the model is not there.
    """
    settings = settings or ClassifySettings()
    check_labels_fit(movie, labels)
    _check_tracks_fit(movie, tracks)
    network = _opened(model if model is not None else settings.model, device)
    stages = _agreed(stages, network.stages)
    probabilities = look(movie, labels, tracks, settings, network, progress)
    code = decode(tracks, probabilities, stages, movie.frame_interval, settings.smoothing)
    columns = {f"p_{name}": probabilities[:, i] for i, name in enumerate(stages.names)}
    return tracks.with_columns(stage=np.array(stages.names)[code], **columns)


def look(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    settings: ClassifySettings,
    model: "FrameModel",
    progress: Progress = silent,
) -> np.ndarray:
    """Probabilities (n, S) of each cell in each frame by itself, in the order of the cells."""
    diameter = median_diameter(labels, movie.pixel_size)
    diameter_px = tuple(diameter / size for size in movie.pixel_size)
    centres = tracks.cells[tracks.axes].to_numpy(float)
    frame = tracks.cells["frame"].to_numpy()
    order = np.argsort(frame, kind="stable")
    starts = np.searchsorted(frame[order], np.arange(len(movie) + 1))
    result = np.zeros((len(tracks), len(model.stages)), np.float32)
    for time in track_progress(range(len(movie)), len(movie), progress, "Classifying cells"):
        cells = order[starts[time] : starts[time + 1]]
        if len(cells):
            image = movie.frame(time, settings.channel)
            result[cells] = model(image, centres[cells], diameter_px, settings.batch_size)
    return result


def _opened(model: Union["FrameModel", str, Path], device: str) -> "FrameModel":
    from napari_cellcycle.models.device import choose_device
    from napari_cellcycle.models.stage.frame import FrameModel
    from napari_cellcycle.models.store import find_model

    if isinstance(model, FrameModel):
        return model
    return FrameModel.open(find_model(str(model), "stage"), choose_device(device))


def _agreed(stages: StageSet | None, names: tuple[str, ...]) -> StageSet:
    """The stage set, if it has the stages that the model knows."""
    stages = stages or H2B
    if stages.names != names:
        raise BadInput(
            f"The model tells the stages {', '.join(names)}, but {', '.join(stages.names)} are "
            "asked for; choose a model trained for those stages."
        )
    return stages


def _check_tracks_fit(movie: Movie, tracks: Tracks) -> None:
    frame = tracks.cells["frame"]
    if len(tracks) and (frame.min() < 0 or frame.max() >= len(movie)):
        raise BadInput(
            f"The tracks reach from frame {frame.min()} to {frame.max()}, but the movie has "
            f"{len(movie)} frames; choose the tracks that were made from this movie."
        )
    if len(tracks) and len(tracks.axes) != movie.ndim:
        raise BadInput(
            f"The tracks have the positions {', '.join(tracks.axes)}, but the movie is "
            f"{movie.ndim}-dimensional; choose the tracks that were made from this movie."
        )
