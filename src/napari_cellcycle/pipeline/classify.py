"""Give every tracked cell its stage of the cell cycle."""

from pathlib import Path

import numpy as np

from napari_cellcycle.config import ClassifySettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.sights import parents, sights
from napari_cellcycle.io.frames import check_labels_fit
from napari_cellcycle.models.stage.model import StageModel, open_stage_model
from napari_cellcycle.models.store import find_model
from napari_cellcycle.pipeline.durations import Durations, stored_durations
from napari_cellcycle.pipeline.redecode import pinned_codes, redecode, with_seen
from napari_cellcycle.progress import Progress, silent

USUAL_SMOOTHING = 0.5
"""Bayes' rule: frames count as if each had been seen by itself."""


def classify(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    settings: ClassifySettings | None = None,
    *,
    model: StageModel | str | Path | None = None,
    device: str = "auto",
    stages: StageSet | None = None,
    durations: Durations | None = None,
    progress: Progress = silent,
) -> Tracks:
    """Look at every cell in every frame, then choose stages that make sense along lineages.

    Frames are read one after the other. `model` replaces the one that `settings` names;
    `stages` (by default the model's own) must have the names that the model knows. `durations`
    are by default those on the model's card, or else those that the stages state. `labels` tell
    how large cells are. Stages in the column `pinned` of the cells are kept, and what comes
    before and after follows them.

    Returns the tracks with the column `stage` and, a stage each, the columns `p_<stage>` (its
    chance given all that was seen of the lineage) and `seen_<stage>` (what the network saw in
    that frame alone). Raises `BadInput` if masks or tracks do not fit the movie, it has no
    such channel, or a pinned stage is not among the model's; `MissingModel` if there is no such
    model.
    """
    settings = settings or ClassifySettings()
    movie.channel_number(settings.channel)
    check_labels_fit(movie, labels)
    _check_tracks_fit(movie, tracks)
    network = open_stage_model(model if model is not None else settings.model, device)
    stages = _agreed(stages, network.stages)
    pinned_codes(tracks, stages)  # refuse a pin that does not fit before the work, not after it
    probabilities = look(movie, labels, tracks, settings, network, progress)
    return redecode(
        with_seen(tracks, probabilities, stages),
        stages,
        movie.frame_interval,
        smoothing_of(settings, model),
        durations=durations or stored_durations(model or settings.model, stages),
    )


def smoothing_of(settings: ClassifySettings, model: StageModel | str | Path | None = None) -> float:
    """The smoothing that is set, or what the card of the stage model says suits it.

    A model that looks over time by itself needs less. `model` replaces the one that `settings`
    names; without a card it is 0.5. Raises `MissingModel` if there is no such model.
    """
    if settings.smoothing is not None:
        return settings.smoothing
    model = settings.model if model is None else model
    if not isinstance(model, str | Path):
        return USUAL_SMOOTHING
    return float(find_model(str(model), "stage").card.settings.get("smoothing", USUAL_SMOOTHING))


def look(
    movie: Movie,
    labels: LabelStack,
    tracks: Tracks,
    settings: ClassifySettings,
    model: StageModel,
    progress: Progress = silent,
) -> np.ndarray:
    """What `model` sees: probabilities (n, S) before decoding, in the order of the cells."""
    seen = sights(
        movie, labels, tracks, channel=settings.channel, reach=model.reach, progress=progress
    )
    return model(seen, parents(tracks), settings.batch_size)


def _agreed(stages: StageSet | None, known: StageSet) -> StageSet:
    """The stage set asked for, if it has the stages that the model knows; the model's if none."""
    if stages is not None and stages.names != known.names:
        raise BadInput(
            f"The model tells the stages {', '.join(known.names)}, but "
            f"{', '.join(stages.names)} are asked for; choose a model trained for those stages."
        )
    return stages or known


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
