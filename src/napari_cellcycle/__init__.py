"""Segment, track and stage cells in microscopy time-lapse."""

import os
from importlib import import_module
from typing import Any

# Read once, when torch is loaded: its threads sleep while they wait for each other. By default
# they spin, which makes small networks ten times slower as soon as another program takes a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
