"""Segment, track and stage cells in microscopy time-lapse."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "ClassifySettings": "config",
    "Experiment": "data.experiment",
    "LabelStack": "data.labels",
    "Movie": "data.movie",
    "RunSettings": "config",
    "SegmentSettings": "config",
    "StageSet": "data.stages",
    "TrackSettings": "config",
    "Tracks": "data.tracks",
    "classify": "pipeline.classify",
    "open_experiment": "io.experiment",
    "open_movie": "io.movies",
    "run": "pipeline.run",
    "save_experiment": "io.experiment",
    "segment": "pipeline.segment",
    "track": "pipeline.track",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import napari_cellcycle` is quick."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
