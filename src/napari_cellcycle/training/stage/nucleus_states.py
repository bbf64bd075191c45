"""Which nuclei of a tracked movie have a known state: by their lineage, by links and by hand."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.events import (
    DEATH,
    DYING,
    MITOTIC,
    NEW,
    PAPER,
    RELAXED,
    STABLE,
    UNKNOWN,
    events,
)
from napari_cellcycle.training.link.sources import decided


@dataclass(frozen=True)
class States:
    """States of the cells of a movie, each (n,).

    `code` is the state as its place in `NUCLEUS`, or `UNKNOWN`; `clean` whether the published
    rule, too, calls the cell so; `by_hand` whether the user set it.
    """

    code: np.ndarray
    clean: np.ndarray
    by_hand: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether the state of a cell is known, (n,)."""
        return self.code != UNKNOWN


def lineage_states(
    movie: Movie, labels: LabelStack, tracks: Tracks, channel: str | None = None
) -> States:
    """What the links and the stages of all cells tell, taken as true."""
    code = events(tracks, labels, RELAXED, movie=movie, channel=channel)
    clean = events(tracks, labels, PAPER, movie=movie, channel=channel) == code
    return States(code, clean, np.zeros(len(code), bool))


def corrected_states(
    experiment: Experiment, channel: str | None = None, *, trust_all: bool = False
) -> States:
    """What the user decided: states set by hand, and what links by the user tell.

    A division is known by its links, a stable nucleus by those before and after it, an end by the
    user's word that the cell is gone. With `trust_all` all links and stages are taken as true, but
    for what was set by hand.
    """
    labels, tracks = experiment.labels, experiment.tracks
    assert labels is not None and tracks is not None
    none = np.full(len(tracks), "", object)
    cells = tracks.cells
    pinned = cells["pinned"].fillna("").to_numpy(object) if "pinned" in cells else none
    if not trust_all:
        tracks = tracks.with_columns(stage=pinned.astype(str))
    found = lineage_states(experiment.movie, labels, tracks, channel)
    code = found.code.copy()
    if not trust_all:
        past, future = decided(tracks, experiment.confirmed)
        needs_past, needs_future = (
            np.isin(code, (STABLE, NEW)),
            np.isin(code, (STABLE, MITOTIC, DEATH)),
        )
        code[(needs_past & ~past) | (needs_future & ~future)] = UNKNOWN
    place = {name: number for number, name in enumerate(NUCLEUS.names)}
    place |= dict.fromkeys(DYING, DEATH)
    set_to = np.array([place.get(name, UNKNOWN) for name in pinned.tolist()], np.int64)
    by_hand = set_to != UNKNOWN
    code[by_hand] = set_to[by_hand]
    return States(code, found.clean & (code == found.code), by_hand)
