"""The whole way from a movie to tracked, staged cells, with its provenance."""

import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.config import (
    ClassifySettings,
    RunSettings,
    SegmentSettings,
    Settings,
    TrackSettings,
)
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.segment.cellpose import is_cellpose
from napari_cellcycle.models.store import Kind, find_model
from napari_cellcycle.pipeline.shares import Share
from napari_cellcycle.progress import Progress, silent

SHARES = {"segment": 0.72, "track": 0.10, "classify": 0.18}
"""Usual share of each step in the time of `run`, with the shipped network."""

_BY_FRAME = {
    "Segmenting": 0.94,
    "Measuring cells": 0.5,
    "Painting tracks": 0.3,
    "Classifying cells": 0.95,
}
_SUB_SHARES = {
    "Opening the model": 0.02,
    "Measuring how large cells are": 0.04,
    "Segmenting pieces": 0.94,
    "Linking cells": 0.2,
    **_BY_FRAME,
}
_DEFAULTS = RunSettings()
_SOFTWARE = ("napari-cellcycle", "numpy", "scipy", "scikit-image", "torch", "cellpose")


@dataclass
class _Place:
    """Where a step computes and stores, and how far the whole operation has come."""

    device: str
    folder: Path | None
    model_folder: str | None
    progress: Progress
    start: float = 0.0
    width: float = 1.0
    notes: list[str] = field(default_factory=list)

    def store(self, shape: tuple[int, ...]) -> Any:
        """Array for masks of `shape` inside the experiment folder; None to keep them here."""
        if self.folder is None:
            return None
        from napari_cellcycle.io.experiment import new_label_store

        return new_label_store(self.folder, shape)

    def share(self) -> Share:
        """Progress function for the present step."""
        return Share(self.progress, self.start, self.width, _SUB_SHARES, _BY_FRAME)

    def own_model(self, name: str, kind: Kind) -> Path | None:
        """File of a model in the user's own folder; None to have it found in the usual places."""
        if self.model_folder is None:
            return None
        return find_model(name, kind, self.model_folder).path


def run(
    subject: Experiment | Movie,
    settings: RunSettings = _DEFAULTS,
    *,
    device: str = "auto",
    folder: str | Path | None = None,
    model_folder: str | None = None,
    progress: Progress = silent,
) -> Experiment:
    """Segment, track and classify, and record each step in the history.

    With `folder`, an experiment folder (made if it is not there), masks are streamed into it
    and the result is stored there. A first run stores what it has after each step, so that a
    later failure keeps it; results that are there already are replaced only at the end.
    `model_folder` holds the user's own models.

    Raises `UserError` from any step, and `Cancelled` from `progress`.
    """
    experiment = Experiment(subject) if isinstance(subject, Movie) else subject
    _check(experiment.movie, settings, model_folder)
    is_first = experiment.labels is None and experiment.tracks is None and not _is_done(folder)
    place = _Place(device, _made(experiment, folder), model_folder, progress)
    steps: list[tuple[str, Callable[..., Experiment], Settings]] = [
        ("segment", _segmented, settings.segment),
        ("track", _tracked, settings.track),
        ("classify", _classified, settings.classify),
    ]
    for name, step, of_step in steps:
        place.width = SHARES[name]
        experiment = step(experiment, of_step, place)
        place.start += place.width
        if is_first or name == "classify":
            experiment = _stored(experiment, place)
    return experiment


def add_masks(
    experiment: Experiment,
    settings: SegmentSettings = _DEFAULTS.segment,
    *,
    device: str = "auto",
    folder: str | Path | None = None,
    model_folder: str | None = None,
    progress: Progress = silent,
) -> Experiment:
    """Segment the movie of `experiment`; its former masks and tracks are replaced.

    `folder` and the rest are those of `run`.
    """
    place = _Place(device, _made(experiment, folder), model_folder, progress)
    return _stored(_segmented(experiment, settings, place), place)


def add_tracks(
    experiment: Experiment,
    settings: TrackSettings = _DEFAULTS.track,
    *,
    device: str = "auto",
    folder: str | Path | None = None,
    model_folder: str | None = None,
    progress: Progress = silent,
) -> Experiment:
    """Link the masks of `experiment`; its former tracks and stages are replaced.

    `folder` and the rest are those of `run`.
    """
    place = _Place(device, _made(experiment, folder), model_folder, progress)
    return _stored(_tracked(experiment, settings, place), place)


def add_stages(
    experiment: Experiment,
    settings: ClassifySettings = _DEFAULTS.classify,
    *,
    device: str = "auto",
    folder: str | Path | None = None,
    model_folder: str | None = None,
    progress: Progress = silent,
) -> Experiment:
    """Classify the tracked cells of `experiment`; their former stages are replaced.

    `folder` and the rest are those of `run`.
    """
    place = _Place(device, _made(experiment, folder), model_folder, progress)
    return _stored(_classified(experiment, settings, place), place)


def _check(movie: Movie, settings: RunSettings, model_folder: str | None) -> None:
    """Refuse a channel or model that is not there now, rather than after minutes of work."""
    from napari_cellcycle.models.stage.model import opener_of

    for of_step in (settings.segment, settings.classify):
        movie.channel_number(of_step.channel)
    name = settings.segment.model
    if name != "threshold" and not is_cellpose(name):
        find_model(name, "segment", model_folder)
    find_model(settings.track.model, "link", model_folder)
    classifier = find_model(settings.classify.model, "stage", model_folder)
    opener_of(classifier.card)


def _segmented(experiment: Experiment, settings: SegmentSettings, place: _Place) -> Experiment:
    from napari_cellcycle.pipeline.keep import FRAME, kept_frames
    from napari_cellcycle.pipeline.segment import segment

    movie = experiment.movie
    store = place.store((len(movie), *movie.frame_shape))
    with _timed("segment", settings, place) as step:
        labels = segment(
            movie,
            settings,
            device=place.device,
            into=store,
            folder=place.model_folder,
            progress=place.share(),
        )
        labels, kept = _with_kept(labels, experiment, store)
    confirmed = experiment.confirmed if kept is not None else frozenset()
    confirmed |= {(FRAME, time) for time in kept_frames(experiment)}
    tracks = None if experiment.tracks is None else kept
    return experiment.with_result(step(), labels=labels, tracks=tracks, confirmed=confirmed)


def _with_kept(
    labels: LabelStack, experiment: Experiment, store: Any
) -> tuple[LabelStack, Tracks | None]:
    """New masks with those in them that the user decided about, and what is kept of the tracks."""
    from napari_cellcycle.pipeline.keep import kept_frames, kept_part, merged

    kept = kept_part(experiment)
    if kept is None or experiment.labels is None:
        return labels, None
    written: Any = store if store is not None else np.empty(labels.shape, np.int32)
    for frame, mask in merged(labels, experiment.labels, kept, kept_frames(experiment)):
        written[frame] = mask
    warnings.warn(_told(kept), stacklevel=2)
    return labels if store is not None else LabelStack(written), kept


def _told(kept: Tracks) -> str:
    cells = "1 cell" if len(kept) == 1 else f"{len(kept):,} cells" if len(kept) else "frames"
    return f"What you decided about {cells} was kept, and the rest done anew around it."


def _tracked(experiment: Experiment, settings: TrackSettings, place: _Place) -> Experiment:
    if experiment.labels is None:
        raise BadInput("There are no masks to track yet; run Segment first, or import masks.")
    from napari_cellcycle.data.channel import channel_of
    from napari_cellcycle.pipeline.gaps import without_drawn
    from napari_cellcycle.pipeline.keep import FRAME, Held, kept_cells, kept_frames, kept_part
    from napari_cellcycle.pipeline.track import track

    labels = experiment.labels
    if experiment.tracks is not None:
        labels = without_drawn(labels, experiment.tracks, kept_cells(experiment))
    kept = kept_part(experiment)
    held = None if kept is None else Held(kept, kept_frames(experiment))
    store = place.store(experiment.labels.shape)
    with _timed("track", settings, place) as step:
        labels, tracks = track(
            experiment.movie,
            labels,
            settings,
            model=place.own_model(settings.model, "link"),
            channel=channel_of(experiment),
            device=place.device,
            into=store,
            held=held,
            progress=place.share(),
        )
        if kept is not None and [s.name for s in experiment.history[-1:]] != ["segment"]:
            warnings.warn(_told(kept), stacklevel=1)
    said = experiment.confirmed
    if experiment.tracks is None:
        said = frozenset((kind, number) for kind, number in said if kind == FRAME)
    experiment = replace(experiment, tracks=tracks, confirmed=said)
    if held is not None:
        experiment = held.remembered(experiment)
    else:
        experiment = replace(experiment, confirmed=frozenset())
    return experiment.with_result(step(), labels=labels)


def _classified(experiment: Experiment, settings: ClassifySettings, place: _Place) -> Experiment:
    if experiment.labels is None or experiment.tracks is None:
        raise BadInput("There are no tracks to classify yet; run Track first, or import tracks.")
    from napari_cellcycle.data.channel import channel_of
    from napari_cellcycle.models.stage.model import stages_of
    from napari_cellcycle.pipeline.classify import classify

    seen = settings.channel or channel_of(experiment)
    settings = settings.model_copy(update={"channel": seen})
    chosen = str(place.own_model(settings.model, "stage") or settings.model)
    with _timed("classify", settings, place) as step:
        tracks = classify(
            experiment.movie,
            experiment.labels,
            experiment.tracks,
            settings,
            model=chosen,
            device=place.device,
            progress=place.share(),
        )
    stages = stages_of(find_model(chosen, "stage").card)
    return experiment.with_result(step(), tracks=tracks, stages=stages)


@contextmanager
def _timed(name: str, settings: Any, place: _Place) -> Iterator[Callable[[], Step]]:
    """Time a step and catch what it warns of; the function given makes its `Step` afterwards."""
    started, seconds = time.perf_counter(), 0.0

    def step() -> Step:
        return Step(
            name,
            settings.model_dump(mode="json"),
            settings.model,
            software_versions(),
            round(seconds, 3),
            tuple(dict.fromkeys(place.notes)),
        )

    place.notes = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield step
    seconds = time.perf_counter() - started
    own = str(Path(__file__).parents[1])
    place.notes = [
        str(warning.message)
        for warning in caught
        if warning.category is UserWarning and warning.filename.startswith(own)
    ]


def _is_done(folder: str | Path | None) -> bool:
    """Whether results lie in `folder` already."""
    if folder is None:
        return False
    from napari_cellcycle.io.experiment import has_results

    return has_results(folder)


def _made(experiment: Experiment, folder: str | Path | None) -> Path | None:
    """Make `folder` an experiment folder that holds `experiment`, unless it is one."""
    if folder is None:
        return None
    from napari_cellcycle.io.experiment import is_experiment, save_experiment

    path = Path(folder).expanduser()
    if not is_experiment(path):
        save_experiment(experiment, path)
    return path


def _stored(experiment: Experiment, place: _Place) -> Experiment:
    if place.folder is None:
        return experiment
    from napari_cellcycle.io.experiment import save_experiment

    return save_experiment(experiment, place.folder)


def software_versions() -> dict[str, str]:
    """Version of Python and of each package that results depend on."""
    found = {"python": platform.python_version()}
    for package in _SOFTWARE:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
