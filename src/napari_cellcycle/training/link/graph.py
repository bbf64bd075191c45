"""Train the graph network that links cells."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.models.device import device_of
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.link.graph_examples import GraphBatch, GraphExample, cut
from napari_cellcycle.training.link.keep import Energies, both_sides, drift
from napari_cellcycle.training.link.windows import BATCHES, WindowTask, sample

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.link.graph_network import GraphNetwork

SETTINGS = FitSettings(epochs=6, learning_rate=2e-3, weight_decay=1e-3, average=0.995)
"""How the shipped weights are trained."""
AT_ONCE = 3
"""Windows in a batch."""


class GraphTask(WindowTask):
    """Windows of graphs, on the device of the network."""

    def cut(self, example: GraphExample, rng: np.random.Generator) -> GraphBatch:
        """A few frames with their context."""
        return cut(example, rng)

    def window_loss(self, network: "torch.nn.Module", window: GraphBatch) -> "torch.Tensor":
        """The loss of a window that is brought to the network first.

        Where the eye does not learn, cells are looked at once, as the former network sees the same.
        """
        window = moved(window, device_of(network))
        if not any(p.requires_grad for p in network.encoder.parameters()):  # type: ignore[union-attr]
            window = _looked_at(network, window)
        return super().window_loss(network, window)

    def energies(self, network: "torch.nn.Module", window: GraphBatch) -> Energies:
        """Energies after looking at the cells."""
        return _energies(network, window)

    def rivalry(self, energies: Energies, window: GraphBatch) -> "torch.Tensor":
        """See `rivalry_loss`."""
        return _rivalry(energies, window)

    def drift(self, now: Energies, before: Energies, window: GraphBatch) -> "torch.Tensor":
        """See `keep.drift`."""
        given = window.given
        one, two = given.child[given.first], given.child[given.second]
        sides = both_sides(
            now, before, (given.parent, given.child), (given.parent[given.first], one, two)
        )
        asked = (~window.future, ~window.past)
        return drift(list(zip(sides, asked, strict=True)), len(given.looks))


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
    return _rivalry(_energies(network, batch), batch)


def _looked_at(network: "torch.nn.Module", batch: GraphBatch) -> GraphBatch:
    """The batch with what the eye of a network makes of the views."""
    seen = network.encoder(batch.views)  # type: ignore[operator]
    return replace(batch, given=replace(batch.given, seen=seen))


def _energies(network: "torch.nn.Module", batch: GraphBatch) -> Energies:
    if not len(batch.given.seen):
        batch = _looked_at(network, batch)
    link, division = network(batch.given)
    return link, division


def _rivalry(energies: Energies, batch: GraphBatch) -> "torch.Tensor":
    import torch

    given, (link, division) = batch.given, energies
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
    keeping: bool = False,
    checkpoint: Checkpoint | None = None,
    device: "torch.device | str" = "cpu",
    progress: Progress = silent,
) -> "tuple[GraphNetwork, list[Epoch]]":
    """Train a new network, or go on from `start`, on examples, each with its weight.

    `judge` gives the tracking score of a network on held-out recordings; with `keeping`, what is
    not known of the examples stays as `start` tells it; `checkpoint` is as in `fit`.
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
        network.looks.remember(sample([e.graph.looks for e, _ in examples]))
        network.links.remember(sample([e.relations.link for e, _ in examples]))
        network.divisions.remember(sample([e.relations.division for e, _ in examples]))
    task = GraphTask(examples, batches, AT_ONCE, judge)
    network = network.to(device)
    if keeping:
        task.hold(network)
    history = fit(network, task, settings, checkpoint=checkpoint, progress=progress)
    return network, history
