"""The `paper` link model in use: from a movie and masks to scored candidate links."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import ValidationError

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.paper import LEARNED, PaperCells, cell_crops, measure_paper
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.link.paper.graph import (
    Candidates,
    PaperGraph,
    candidates,
    cut_graph,
    reach_of,
    window_starts,
)
from napari_cellcycle.models.link.paper.settings import PaperSettings
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import nn

    from napari_cellcycle.models.link.paper.network import EdgeClassifier

LINKS, METRIC = "links.", "metric."
"""Beginnings of the names of both networks' weights in one file."""


class PaperLinker:
    """Scores candidate links between consecutive frames.

    `metric`, the embedding network, is there if `settings.features` is "full".
    """

    def __init__(
        self,
        network: "EdgeClassifier",
        settings: PaperSettings,
        metric: "nn.Module | None" = None,
        device: str = "cpu",
    ) -> None:
        self.settings = settings
        self.device = choose_device(device)
        self.network = network.to(self.device).eval()
        self.metric = None if metric is None else metric.to(self.device).eval()

    @classmethod
    def open(cls, model: Model, device: str = "auto") -> "PaperLinker":
        """Load a stored model. Raises `MissingModel` if it is not of this kind."""
        from napari_cellcycle.models.link.paper.metric import Embedder
        from napari_cellcycle.models.link.paper.network import EdgeClassifier

        tensors = model.weights()
        try:
            settings = PaperSettings.model_validate(model.card.settings["paper"])
            network = EdgeClassifier(settings)
            network.load_state_dict(_under(LINKS, tensors))
            metric = None
            if settings.learned:
                metric = Embedder(settings.ndim, settings.width)
                metric.load_state_dict(_under(METRIC, tensors))
        except (KeyError, ValidationError, RuntimeError) as error:
            raise MissingModel(
                f"The link model {model.path} does not fit its card ({type(error).__name__}); "
                "expected a 'paper' model with its settings; get the model again."
            ) from error
        return cls(network, settings, metric, device)

    def measure(self, movie: Movie, labels: LabelStack, progress: Progress = silent) -> PaperCells:
        """The features of all cells, with the learned ones if this model has them.

        Raises `BadInput` if the model was made for another number of dimensions.
        """
        if labels.ndim != self.settings.ndim:
            raise BadInput(
                f"The movie is {labels.ndim}D, but this 'paper' model was trained on "
                f"{self.settings.ndim}D movies; choose another link model, or train one."
            )
        cells = measure_paper(movie, labels, self.settings.mode, progress=progress)
        if self.metric is None:
            return cells
        return with_embedding(
            cells, movie, labels, self.metric, self.settings.canvas, self.device, progress
        )

    def __call__(
        self, cells: PaperCells, progress: Progress = silent
    ) -> tuple[Candidates, np.ndarray]:
        """All candidate links within reach, and the probability of each."""
        links = candidates(cells.frame, cells.centroid, reach_of(cells, self.settings.reach))
        frames = int(cells.frame.max(initial=0)) + 1
        length = frames if self.settings.inference == "whole" else self.settings.window
        total, count = np.zeros(len(links.source)), np.zeros(len(links.source))
        starts = window_starts(frames, length, max(1, length // 2))
        for done, start in enumerate(starts):
            progress(done, len(starts), "Linking cells")
            graph = cut_graph(cells, links, start, start + length - 1)
            total[graph.edge_row] += self.log_odds(graph)
            count[graph.edge_row] += 1
        progress(len(starts), len(starts), "Linking cells")
        mean = np.clip(total / np.maximum(count, 1), -50, 50)
        return links, 1 / (1 + np.exp(-mean))

    def log_odds(self, graph: PaperGraph) -> np.ndarray:
        """Log-odds (m,) of the edges of one graph."""
        import torch

        if not graph.edges.shape[1]:
            return np.empty(0, np.float32)
        with torch.inference_mode():
            nodes = torch.from_numpy(graph.nodes).to(self.device)
            edges = torch.from_numpy(graph.edges).to(self.device)
            return self.network(nodes, edges).cpu().numpy()


def with_embedding(
    cells: PaperCells,
    movie: Movie,
    labels: LabelStack,
    network: "nn.Module",
    canvas: tuple[int, ...],
    device: "torch.device",
    progress: Progress = silent,
) -> PaperCells:
    """The cells with their learned features as columns `feat_0` to `feat_127`."""
    from napari_cellcycle.models.link.paper.metric import embed

    starts = np.searchsorted(cells.frame, np.arange(len(labels) + 1))
    found = []
    for time in range(len(labels)):
        progress(time, len(labels), "Looking at cells")
        rows = slice(int(starts[time]), int(starts[time + 1]))
        crops = cell_crops(movie.frame(time), labels.frame(time), cells, rows, canvas)
        found.append(embed(network, crops, device))
    names = [f"feat_{i}" for i in range(LEARNED)]
    learned = pd.DataFrame(np.concatenate(found), cells.table.index, names)
    return replace(cells, table=cells.table.join(learned))


def _under(prefix: str, tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
