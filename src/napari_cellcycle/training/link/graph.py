"""Train the graph network that links cells."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.link.graph_examples import GraphBatch, GraphExample, cut

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.link.graph_network import GraphNetwork

SETTINGS = FitSettings(epochs=6, learning_rate=2e-3, weight_decay=1e-3, average=0.995)
"""How the shipped weights are trained."""
BATCHES = 150
"""Batches of an epoch."""


class GraphTask:
    """Windows of examples, drawn so that every recording counts by its weight."""

    def __init__(
        self,
        examples: Sequence[tuple[GraphExample, float]],
        batches: int = BATCHES,
        at_once: int = 3,
        judge: "Callable[[torch.nn.Module], float] | None" = None,
    ) -> None:
        self._examples = [example for example, _ in examples]
        weight = np.array([weight for _, weight in examples])
        self._share = weight / weight.sum()
        self._batches, self._at_once, self._judge = batches, at_once, judge

    def __len__(self) -> int:
        return self._batches

    def batches(self, rng: np.random.Generator) -> Iterator[list[GraphBatch]]:
        """Draw windows at random."""
        for _ in range(self._batches):
            drawn = rng.choice(len(self._examples), self._at_once, p=self._share)
            yield [cut(self._examples[i], rng) for i in drawn]

    def loss(self, network: "torch.nn.Module", batch: list[GraphBatch]) -> "torch.Tensor":
        """Mean over the windows of what the truth was worth against its rivals."""
        import torch

        device = next(network.parameters()).device
        windows = [moved(window, device) for window in batch]
        return torch.stack([rivalry_loss(network, window) for window in windows]).mean()

    def score(self, network: "torch.nn.Module") -> float | None:
        """Tracking score of held-out recordings; None keeps the last, averaged weights."""
        return None if self._judge is None else self._judge(network)


def moved(batch: GraphBatch, device: "torch.device") -> GraphBatch:
    """The same on another device."""
    given = {f.name: getattr(batch.given, f.name).to(device) for f in fields(batch.given)}
    rest = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name != "given"}
    return GraphBatch(
        type(batch.given)(**given), **{name: tensor.to(device) for name, tensor in rest.items()}
    )


def rivalry_loss(network: "torch.nn.Module", batch: GraphBatch) -> "torch.Tensor":
    """Cross entropy of each judged cell's true past and true future among its options.

    With energies e, a cell's options have the probabilities exp(e) / (1 + sum exp(e)), where
    the 1 stands for having no parent, or no child: a softmax over parents (at most one) and
    one over futures. Their sum is the pseudo log-likelihood (Besag 1975) of a random field
    over lineages whose optimum the assignment finds. Links that a person took away add
    -log(1 - their probability).
    """
    import torch

    given = replace(batch.given, seen=network.encoder(batch.views))  # type: ignore[operator]
    link, division = network(given)
    n = len(given.looks)
    mother = given.parent[given.first]
    one, two = given.child[given.first], given.child[given.second]

    def sums(a: "torch.Tensor", b: "torch.Tensor", *cells: "torch.Tensor") -> "torch.Tensor":
        total = a.new_zeros(n).index_add(0, cells[0], a)
        for cell in cells[1:]:
            total = total.index_add(0, cell, b)
        return total

    def loss(judged: "torch.Tensor", *cells: "torch.Tensor") -> "torch.Tensor":
        rivals = torch.log1p(sums(link.exp(), division.exp(), *cells))
        truth = sums(link * batch.true_link, division * batch.true_division, *cells)
        wrong = torch.nn.functional.softplus(link[batch.rejected]).sum()
        return (rivals - truth)[judged].sum() + wrong

    total = loss(batch.future, given.parent, mother) + loss(batch.past, given.child, one, two)
    judged = batch.past.sum() + batch.future.sum() + batch.rejected.sum()
    return 2 * total / judged.clamp(min=1)


def train_network(
    examples: Sequence[tuple[GraphExample, float]],
    settings: FitSettings = SETTINGS,
    *,
    batches: int = BATCHES,
    start: "GraphNetwork | None" = None,
    judge: "Callable[[torch.nn.Module], float] | None" = None,
    checkpoint: Checkpoint | None = None,
    device: "torch.device | str" = "cpu",
    progress: Progress = silent,
) -> "tuple[GraphNetwork, list[Epoch]]":
    """Train a new network, or go on from `start`, on examples, each with its weight.

    `judge` gives the tracking score of a network on held-out recordings; `checkpoint` is as in
    `fit`.
    """
    import torch

    from napari_cellcycle.models.link.graph_network import GraphNetwork

    torch.manual_seed(settings.seed)
    network = start
    if network is None:
        first = examples[0][0]
        network = GraphNetwork(
            first.graph.looks.shape[1],
            first.relations.link.shape[1],
            first.relations.division.shape[1],
        )
        network.looks.remember(_sample([e.graph.looks for e, _ in examples]))
        network.links.remember(_sample([e.relations.link for e, _ in examples]))
        network.divisions.remember(_sample([e.relations.division for e, _ in examples]))
    task = GraphTask(examples, batches, judge=judge)
    history = fit(network.to(device), task, settings, checkpoint=checkpoint, progress=progress)
    return network, history


def _sample(tables: list[np.ndarray], most: int = 20_000) -> "torch.Tensor":
    import torch

    parts = [table[:: max(1, len(table) // most)] for table in tables]
    return torch.from_numpy(np.concatenate(parts))
