"""What an operation works on: the draft, and what is known about the movie."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from napari_cellcycle.config import ClassifySettings, TrackSettings
from napari_cellcycle.data.cells import Masks
from napari_cellcycle.data.channel import channel_of
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import UserError
from napari_cellcycle.pipeline.classify import USUAL_SMOOTHING, smoothing_of
from napari_cellcycle.pipeline.durations import Durations, stored_durations


@dataclass
class Bench:
    """A draft with its movie.

    `channel` is where the cells are seen, by default the first; `track` the settings that the
    cells were tracked with, whose costs are those of a local re-solve; `smoothing` the weight of
    the order of stages when they are decoded anew, and `durations` how long those last, by
    default as the stages state. Without a movie nothing is measured.
    """

    draft: Draft
    movie: Movie | None = None
    channel: str | None = None
    track: TrackSettings = field(default_factory=TrackSettings)
    smoothing: float = USUAL_SMOOTHING
    durations: Durations | None = None


def bench_of(experiment: Experiment, masks: Masks | None = None) -> Bench:
    """A bench for `experiment`, with the settings of its history.

    `masks` are what is shown and changed in place, by default a copy in memory.
    """
    if masks is None and experiment.labels is not None:
        masks = experiment.labels.to_array()
    draft = Draft(
        experiment.tracks,
        masks,
        experiment.stages,
        experiment.confirmed,
        experiment.movie.pixel_size,
    )
    return Bench(draft, experiment.movie, **_settings(experiment))


def _settings(experiment: Experiment) -> dict[str, Any]:
    """What the steps of an experiment were done with, as far as it is still known."""
    last = {step.name: step for step in experiment.history}
    found: dict[str, Any] = {"channel": channel_of(experiment)}
    if "track" in last:
        known = {k: v for k, v in last["track"].settings.items() if k in TrackSettings.model_fields}
        with suppress(ValidationError):
            found["track"] = TrackSettings(**known)
    if "classify" in last:
        known = last["classify"].settings
        settings = {k: v for k, v in known.items() if k in ClassifySettings.model_fields}
        with suppress(ValidationError, UserError):
            chosen = ClassifySettings(**settings)
            found["smoothing"] = smoothing_of(chosen)
            found["durations"] = stored_durations(chosen.model, experiment.stages)
    return found
