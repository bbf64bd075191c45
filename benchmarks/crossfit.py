"""Weights that never saw the links they are scored on.

For every sequence there are three of a model: "other" never saw the sequence at all; "first"
and "second" saw the first and the second half of its frames as well, ours in a short training
that goes on from "other". Each half of the movie is
linked by the weights that saw the other half; links across the middle are in neither half.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sequences import SEQUENCES

from napari_cellcycle.features.graph import CellGraph
from napari_cellcycle.models.link.graph_linker import GraphLinker
from napari_cellcycle.models.link.open import open_linker
from napari_cellcycle.models.link.scores import Scores
from napari_cellcycle.models.store import ModelCard, find_model, save_model
from napari_cellcycle.progress import silent
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.link import graph, paper_weights, simple
from napari_cellcycle.training.link import weights as link_weights
from napari_cellcycle.training.link.paper import train_paper
from napari_cellcycle.training.link.presets import PRESETS, Lesson
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.sources import split_in_time

HALVES = ("first", "second")
PARTS = ("other", *HALVES)
MODELS = {"ours": "links", "simple": "simple", "paper": "paper"}
"""How the names of weight files begin."""
_RECIPES = {"ours": ("default", graph.SETTINGS), "simple": ("simple", simple.SETTINGS)}
"""Preset and settings, as the shipped weights are trained."""
_FURTHER = FitSettings(epochs=2, learning_rate=5e-4, weight_decay=1e-3, average=0.99)
"""How ours goes on from "other" on half of a movie."""


def weight_file(linker: str, key: str, part: str, folder: Path) -> Path:
    """Where the weights of a linker for a sequence are."""
    return folder / f"{MODELS[linker]}-{key}-{part}.safetensors"


def open_crossed(linker: str, key: str, how: str, folder: Path, device: str = "cpu") -> Any:
    """The linker for the sequence `key`; `how` is "never saw it" or "within"."""
    if how == "never saw it":
        return open_linker(weight_file(linker, key, "other", folder), device)
    files = [weight_file(linker, key, part, folder) for part in ("second", "first")]
    halves = [open_linker(file, device) for file in files]
    return GraphHalves(*halves) if isinstance(halves[0], GraphLinker) else Halves(*halves)


def joined(graph: CellGraph, early: Scores, late: Scores) -> Scores:
    """Scores of links that begin in the first half from `early`, of the others from `late`."""
    c = graph.candidates
    first = graph.frame[c.parent] < (int(graph.frame[-1]) + 1) // 2
    return Scores(
        np.where(first, early.link, late.link),
        np.where(first[c.first], early.division, late.division),
    )


class Halves:
    """Links the first half of a movie with one linker and the second with another."""

    def __init__(self, early: Any, late: Any) -> None:
        self.early, self.late = early, late

    def __call__(self, graph: CellGraph, *rest: Any) -> Scores:
        """Score all candidates with both, and keep one's."""
        return joined(graph, self.early(graph, *rest), self.late(graph, *rest))


class GraphHalves(GraphLinker):
    """`Halves` of two graph linkers; both look at every cell."""

    def __init__(self, early: GraphLinker, late: GraphLinker) -> None:
        self.early, self.late = early, late

    def embed(self, seen: np.ndarray) -> np.ndarray:
        """Numbers of both for views (n, channels, side, side)."""
        return np.concatenate([self.early.embed(seen), self.late.embed(seen)], axis=1)

    def __call__(self, graph: CellGraph, seen: np.ndarray | None = None, *rest: Any) -> Scores:
        """Score all candidates with both, and keep one's."""
        parts = (None, None) if seen is None else np.split(seen, 2, axis=1)
        return joined(graph, self.early(graph, parts[0], *rest), self.late(graph, parts[1], *rest))


def recordings(
    key: str, part: str, data: Path, *, alone: bool = False
) -> list[tuple[Recording, float]]:
    """What the weights for the sequence `key` learn from, each with its weight.

    `alone` leaves out all other sequences.
    """
    name = SEQUENCES[key].name
    found = []
    for recording, weight in link_weights.recordings(data, without=name if part == "other" else ""):
        if recording.name == name:
            recording = split_in_time(recording, 0.5)[HALVES.index(part)]
            if alone:
                return [(recording, weight)]
        if not alone:
            found.append((recording, weight))
    return found


def train(linker: str, key: str, data: Path, folder: Path) -> Iterator[str]:
    """Train the weights of a linker for one sequence that are missing; yields their names."""
    for part in PARTS:
        file = weight_file(linker, key, part, folder)
        if file.is_file() or (linker == "paper" and part != "other"):
            continue
        goes_on = linker == "ours" and part in HALVES
        learned = recordings(key, part, data, alone=goes_on)
        split = f"cross-fitted: {key}, {part}"
        if linker == "paper":
            flat = [r for r, _ in learned if r.movie is not None and r.labels.ndim == 2]
            settings = paper_weights.SETTINGS
            train_paper(flat, folder, name=file.stem, settings=settings, card={"split": split})
        else:
            preset, settings = _RECIPES[linker]
            lesson = Lesson(learned, settings=settings)
            if goes_on:
                other = find_model(str(weight_file(linker, key, "other", folder)), "link")
                lesson = Lesson(learned, start=other, settings=_FURTHER)
            found = PRESETS[preset].train(lesson, silent)
            card = ModelCard(
                name=file.stem,
                kind="link",
                architecture=PRESETS[preset].architecture,
                settings=found.settings,
                data=[recording.name for recording, _ in learned],
                split=split,
            )
            save_model(found.state, card, folder)
        yield file.stem
