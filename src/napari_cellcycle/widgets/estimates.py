"""How long a step will take here, learned from how long it took before."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellcycle.data.experiment import Step
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.widgets.workplace import root

USUAL = {"segment": 1.5, "track": 0.3, "classify": 0.6}
"""Seconds a megapixel on two processor cores, until a step has been run here."""


def estimate(movie: Movie, models: Mapping[Any, str]) -> float:
    """Seconds that the steps in `models` (model by step name) will take on `movie`."""
    known = _read()
    work = megapixels(movie)
    return sum(known.get(f"{step} {model}", USUAL[step]) * work for step, model in models.items())


def learn(movie: Movie, steps: Iterable[Step], models: Mapping[Any, str]) -> None:
    """Remember how long `steps` took on `movie`."""
    known, work = _read(), megapixels(movie)
    for step in steps:
        if step.seconds and step.name in models and work > 0:
            known[f"{step.name} {models[step.name]}"] = step.seconds / work
    with suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        partial = _file().with_suffix(".part")
        partial.write_text(json.dumps(known, indent=1))
        partial.replace(_file())


def megapixels(movie: Movie) -> float:
    """Million pixels of one channel over all frames."""
    return len(movie) * float(np.prod(movie.frame_shape)) / 1e6


def in_words(seconds: float) -> str:
    """Rough duration: "about 2 min"."""
    if seconds < 50:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 3300:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {max(1, round(seconds / 3600))} h"


def _file() -> Path:
    return root() / "timings.json"


def _read() -> dict[str, float]:
    with suppress(OSError, ValueError):
        read = json.loads(_file().read_text())
        return {str(k): float(v) for k, v in read.items()}
    return {}
