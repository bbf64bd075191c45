"""Tracked movies whose truth is known, to see how well what looks wrong is what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sequences import SEQUENCES

from napari_cellcycle.config import SegmentSettings, TrackSettings
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.frames import open_labels
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.pipeline.segment import segment
from napari_cellcycle.pipeline.track import track
from napari_cellcycle.simulate import simulate
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen
from napari_cellcycle.training.link.weights import settings_of

WORSE = WorsenSettings(missing=0.03, merged=0.015, split=0.015)
"""Share of the cells of a frame with each fault, in masks that are "worse"."""
MASKS = ("given", "worse", "found")
"""Masks of the truth, the same with faults, and those that the shipped network finds."""
LEARNED = ("varied 8000", "varied 8010", "varied 8011", "varied 8012", "dense 9200", "dense 9201")
"""Simulated movies that the weights of doubts were fitted on; no network learned from them."""
KEPT_ASIDE = ("varied 8021", "dense 9211")
"""Simulated movies that nothing was fitted on; of the first seeds, those with errors to find."""
HARD = "varied 8020"
"""One in which the shipped network finds poor masks."""


@dataclass(frozen=True)
class Reviewed:
    """A tracked movie and its truth; `masks` may be changed, as a draft does."""

    name: str
    movie: Movie
    masks: np.ndarray
    tracks: Tracks
    true_labels: LabelStack
    true_tracks: Tracks

    def draft(self) -> Draft:
        """The tracks to be corrected, on a copy of the masks."""
        return Draft(self.tracks, self.masks.copy(), pixel_size=self.movie.pixel_size)


@dataclass(frozen=True)
class Source:
    """A movie with given masks and the truth."""

    name: str
    movie: Movie
    labels: LabelStack
    true_labels: LabelStack
    true_tracks: Tracks

    def tracked(
        self, masks: str = "given", linker: str = "cellcycle-links", *, stages: bool = False
    ) -> Reviewed:
        """Track masks of a kind of `MASKS`, and classify the cells if `stages` are asked for."""
        labels = self.labels
        if masks == "worse":
            labels = worsen(labels, WORSE, np.random.default_rng(0))[0]
        elif masks == "found":
            labels = segment(self.movie, SegmentSettings())
        painted, tracks = track(self.movie, labels, TrackSettings(), model=linker)
        if stages:
            tracks = classify(self.movie, painted, tracks)
        name = f"{self.name}, {masks} masks, {linker}"
        truth = self.true_labels, self.true_tracks
        return Reviewed(name, self.movie, painted.to_array(), tracks, *truth)

    def cut(self, frames: int) -> "Source":
        """Its first frames only."""
        kept = self.true_tracks.cells["frame"] < frames
        cells = self.true_tracks.cells[kept]
        links = self.true_tracks.links
        links = links[links["child"].isin(cells.index)].reset_index(drop=True)
        movie = replace(self.movie, pixels=self.movie.pixels[:frames])
        parts = [LabelStack(stack.to_array()[:frames]) for stack in (self.labels, self.true_labels)]
        return Source(self.name, movie, *parts, Tracks(cells, links))


def challenge(key: str, data: Path) -> Source:
    """A sequence 01 of the Cell Tracking Challenge with its silver truth as the given masks."""
    place = data / "ctc" / SEQUENCES[key].name
    movie = open_movie(place / "01")
    labels = LabelStack(open_labels(place / "01_ST" / "SEG").to_array())
    markers, tracks = read_ctc(place / "01_GT" / "TRA")
    return Source(f"{key} 01", movie, labels, LabelStack(markers.to_array()), tracks)


def simulated(name: str) -> Source:
    """A simulated movie, such as "varied 8000", in which cells divide often."""
    kind, seed = name.split()
    made = simulate(settings_of(kind, 2, int(seed)))
    return Source(name, made.movie, made.labels, made.labels, made.tracks)


def learned_from(data: Path) -> Iterator[Reviewed]:
    """What the weights of doubts are fitted on, one after the other."""
    for key in ("HeLa", "PSC", "DIC"):
        source = challenge(key, data)
        yield source.tracked()
        yield source.tracked(linker="simple")
        if key != "DIC":
            yield source.tracked("worse")
    for name in LEARNED:
        source = simulated(name)
        for masks in MASKS:
            yield source.tracked(masks, stages=name.startswith("varied"))
