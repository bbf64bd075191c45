"""Small simulated experiments with corrections, for tests of teaching."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.models.store import Kind
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.teach import TeachRequest, TeachSettings

TINY = TeachSettings(epochs=2, batches=2, simulated=0)
"""Learning that is over in seconds."""
BASES: dict[Kind, str] = {"link": "simple", "stage": "frame", "segment": "cellcycle-nuclei"}


@cache
def untouched(ndim: int = 2) -> Experiment:
    """A simulated movie with its true masks and tracks, as a model would have made them."""
    size = {"size": 128} if ndim == 2 else {"size": 64, "planes": 8}
    made = simulate(
        SimulateSettings(
            ndim=ndim,
            seed=4,
            frames=12,
            cells=8 if ndim == 2 else 4,
            cycle_hours=2.5,
            mitosis_stretch=3,
            frame_interval=600,
            **size,
        )
    )
    cells = made.tracks.cells.assign(by="model", pinned="")
    return Experiment(made.movie, made.labels, Tracks(cells, made.tracks.links.assign(by="model")))


def corrected(ndim: int = 2, frames: int = 6) -> Experiment:
    """The same with every link and stage decided by the user, and the first frames done."""
    found = untouched(ndim)
    assert found.tracks is not None
    tracks = replace(
        found.tracks,
        cells=found.tracks.cells.assign(pinned=found.tracks.cells["stage"].astype(object)),
        links=found.tracks.links.assign(by=BY_USER),
    )
    done = frozenset(("frame", time) for time in range(frames))
    return replace(found, tracks=tracks, confirmed=done)


def with_pins(experiment: Experiment, stages: dict[int, str]) -> Experiment:
    """An experiment in which some cells (ids) are set to stages, and no others."""
    assert experiment.tracks is not None
    pinned = np.array([stages.get(cell, "") for cell in experiment.tracks.cells.index], object)
    return replace(experiment, tracks=experiment.tracks.with_columns(pinned=pinned))


def saved(experiment: Experiment, folder: Path, name: str = "mine") -> Path:
    """The folder that it is stored in."""
    place = folder / f"{name}.cellcycle"
    save_experiment(experiment, place)
    return place


def request_for(place: Path, *kinds: Kind, **more: object) -> TeachRequest:
    """A tiny teaching, whose models lie beside the experiment."""
    asked = {
        "sources": (place,),
        "kinds": kinds,
        "bases": {kind: BASES[kind] for kind in kinds},
        "model_folder": place.parent / "models",
        "settings": TINY,
        "device": "cpu",
        "threads": 1,
    }
    return TeachRequest(**{**asked, **more})
