"""Train the `simple` link model."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_cellcycle.models.link.simple import SimpleLinker
from napari_cellcycle.models.store import Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.link.keep import Energies, both_sides, drift
from napari_cellcycle.training.link.simple_data import (
    FIRST_SEED,
    SIMULATED,
    real_recordings,
    simulated_recording,
    simulated_recordings,
)
from napari_cellcycle.training.link.simple_examples import (
    Example,
    Measured,
    example_of,
    imitate_errors,
)
from napari_cellcycle.training.link.windows import BATCHES, WindowTask, sample

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.link.network import LinkNetwork

SETTINGS = FitSettings(epochs=5, learning_rate=3e-3, weight_decay=1e-3, average=0.99)
"""How the shipped weights are trained."""
HELD_OUT: tuple[tuple[Literal[2, 3], int], ...] = ((2, 8000), (2, 8001), (3, 8002))
"""Dimensions and seeds of the simulated movies that the card's figures are measured on."""
WINDOW = 6
"""Frames whose cells are learned from in one batch."""
MOST_CELLS = 400


@dataclass(frozen=True)
class Batch:
    """Candidates of a few frames; `judged` marks the cells in them.

    `past` and `future` mark the cells of which they are known, `rejected` wrong links.
    """

    links: "torch.Tensor"
    divisions: "torch.Tensor"
    parent: "torch.Tensor"
    child: "torch.Tensor"
    first: "torch.Tensor"
    second: "torch.Tensor"
    true_link: "torch.Tensor"
    true_division: "torch.Tensor"
    judged: "torch.Tensor"
    past: "torch.Tensor"
    future: "torch.Tensor"
    rejected: "torch.Tensor"


class LinkTask(WindowTask):
    """Windows of candidates."""

    def cut(self, example: Example, rng: np.random.Generator) -> Batch:
        """Candidates of a few frames."""
        return cut_window(example, rng)

    def energies(self, network: "torch.nn.Module", window: Batch) -> Energies:
        """Energies by each member of the network."""
        link, division = network(window.links, window.divisions)
        return link, division

    def rivalry(self, energies: Energies, window: Batch) -> "torch.Tensor":
        """See `rivalry_loss`."""
        return _rivalry(energies, window)

    def drift(self, now: Energies, before: Energies, window: Batch) -> "torch.Tensor":
        """See `keep.drift`."""
        sides = both_sides(now, before, (window.parent, window.child), tuple(window.first.T))
        asked = [window.judged & ~known for known in (window.future, window.past)]
        return drift(list(zip(sides, asked, strict=True)), len(window.judged))


def cut_window(example: Example, rng: np.random.Generator) -> Batch:
    """All candidates that touch the cells of a few frames, in random place.

    Where little is known of a recording, the place is around something that is.
    """
    import torch

    graph, c = example.graph, example.graph.candidates
    last = int(graph.frame[-1])
    start = int(rng.integers(0, max(last - WINDOW + 1, 0) + 1))
    known = _known_cells(example)
    if not known.all():
        start = int(graph.frame[rng.choice(np.flatnonzero(known))] - rng.integers(0, WINDOW + 1))
    judged = (graph.frame >= start) & (graph.frame <= start + WINDOW)
    if judged.sum() > MOST_CELLS:
        centre = graph.position[rng.choice(np.flatnonzero(judged & known))]
        away = np.abs(graph.position - centre).max(1)
        radius = np.sort(away[judged])[MOST_CELLS]
        judged &= away <= radius
    touched = judged[c.parent] | judged[c.child]
    mother = c.parent[c.first]
    pairs = judged[mother] | judged[c.child[c.first]] | judged[c.child[c.second]]
    new = np.cumsum(touched) - 1
    keep = np.flatnonzero(touched)
    both = np.flatnonzero(pairs)
    tensor = torch.from_numpy
    return Batch(
        tensor(example.links[keep]),
        tensor(example.divisions[both]),
        tensor(c.parent[keep]),
        tensor(c.child[keep]),
        tensor(np.column_stack([mother, c.child[c.first], c.child[c.second]])[both]),
        tensor(new[c.first[both]]),
        tensor(example.true_link[keep]),
        tensor(example.true_division[both]),
        tensor(judged),
        tensor(judged & example.past),
        tensor(judged & example.future),
        tensor(example.rejected[keep]),
    )


def _known_cells(example: Example) -> np.ndarray:
    """Cells of which anything is known; all, if nothing is known of any."""
    known = example.past | example.future
    known[example.graph.candidates.child[example.rejected]] = True
    return known if known.any() else np.ones(len(known), bool)


def rivalry_loss(network: "torch.nn.Module", batch: Batch) -> "torch.Tensor":
    """Cross entropy of each judged cell's true past and true future among its options.

    With energies e, a cell's options have the probabilities exp(e) / (1 + sum exp(e)), where
    the 1 stands for having no parent, or no child; the loss of past and future is the pseudo
    log-likelihood (Besag 1975) of a random field over lineages whose optimum `assign` finds.
    Pasts and futures that are not known do not count; a link known to be wrong adds
    -log(1 - its probability).
    """
    return _rivalry(network(batch.links, batch.divisions), batch)


def _rivalry(energies: Energies, batch: Batch) -> "torch.Tensor":
    import torch

    link, division = energies
    members, n = len(link), len(batch.judged)
    mother, one, two = batch.first.T

    def sums(a: "torch.Tensor", b: "torch.Tensor", *cells: "torch.Tensor") -> "torch.Tensor":
        total = torch.zeros(members, n).index_add(1, cells[0], a)
        for cell in cells[1:]:
            total = total.index_add(1, cell, b)
        return total

    def loss(*cells: "torch.Tensor") -> "torch.Tensor":
        rivals = torch.log1p(sums(link.exp(), division.exp(), *cells))
        truth = sums(link * batch.true_link, division * batch.true_division, *cells)
        return (rivals - truth)[:, batch.judged]

    future, past = batch.future[batch.judged], batch.past[batch.judged]
    right = loss(batch.parent, mother) * future + loss(batch.child, one, two) * past
    wrong = torch.nn.functional.softplus(link[:, batch.rejected]).sum()
    count = (future.sum() + past.sum()) / 2 + batch.rejected.sum()
    return (right.sum() + wrong) / (members * count.clamp(min=1))


def examples_of(
    measured: Measured, weight: float, *, copies: int = 2, seed: int = 0
) -> list[tuple[Example, float]]:
    """A recording as it is, for half of its weight, and in `copies` worse versions."""
    rng = np.random.default_rng(seed)
    examples = [(example_of(measured), weight / 2)]
    for _ in range(copies):
        worse = imitate_errors(measured, rng)
        gap = int(rng.choice([2, 2, 3]))
        examples.append((example_of(worse, gap), weight / 2 / copies))
    return examples


def train_linker(
    examples: Sequence[tuple[Example, float]],
    settings: FitSettings = SETTINGS,
    *,
    batches: int = BATCHES,
    start: "Mapping[str, torch.Tensor] | None" = None,
    judge: "Callable[[torch.nn.Module], float] | None" = None,
    keeping: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> "tuple[LinkNetwork, list[Epoch]]":
    """Train a network on examples, each with its weight.

    Training goes on from the weights `start`, if they are given; with `keeping`, what is not known
    of the examples stays as these tell it. `judge` gives the score of a network on held-out
    recordings; `checkpoint` is as in `fit`.
    """
    import torch

    from napari_cellcycle.models.link.network import LinkNetwork

    torch.manual_seed(settings.seed)
    first = examples[0][0]
    network = LinkNetwork(first.links.shape[1], first.divisions.shape[1])
    if start is None:
        network.link.standardise(sample([e.links for e, _ in examples]))
        network.division.standardise(sample([e.divisions for e, _ in examples]))
    else:
        network.load_state_dict(start)
    task = LinkTask(examples, batches, judge=judge)
    if keeping:
        task.hold(network)
    history = fit(network, task, settings, checkpoint=checkpoint, progress=progress)
    return network, history


def train_simple(
    data_folder: str | Path,
    out_folder: str | Path,
    progress: Progress = silent,
    *,
    settings: FitSettings = SETTINGS,
) -> Model:
    """Train the shipped link model on simulated movies and all sequences in `data_folder`.

    Writes simple.safetensors and simple.json, with figures on simulated movies that were not
    trained on. Where real data is missing, the simulated movies have to do.
    """
    start = time.perf_counter()
    real = list(real_recordings(data_folder))
    recordings = [*real, *simulated_recordings(progress)]
    examples = []
    for done, (measured, weight) in enumerate(recordings):
        progress(done, len(recordings), "Preparing examples")
        examples += examples_of(measured, weight)
    network, history = train_linker(examples, settings, progress=progress)
    card = ModelCard(
        name="simple",
        kind="link",
        architecture="perceptrons on hand-made features of candidate links and divisions",
        description="Links cells by distance, overlap, size, shape, brightness and rivals.",
        data=[measured.name for measured, _ in real]
        + [f"{count} simulated movies in {n}D, seeds from {FIRST_SEED}" for n, count in SIMULATED],
        split="All of it is trained on. The figures here are of simulated movies that were not "
        "(dimensions and seed); cross-fitted figures on real movies: benchmarks/tracking.py.",
        metrics=held_out_scores(network),
        command="python -m napari_cellcycle.training.weights simple",
        licence="BSD-3-Clause; the challenge's conditions of use apply to what was learned from it",
        seconds=round(time.perf_counter() - start, 1),
        settings={"loss": [round(epoch.loss, 4) for epoch in history]},
    )
    return save_model(network.state_dict(), card, out_folder)


def linker_of(network: "torch.nn.Module") -> SimpleLinker:
    """The trained network as it is used."""
    return SimpleLinker({name: t.numpy() for name, t in network.state_dict().items()})


def held_out_scores(network: "torch.nn.Module") -> dict[str, dict[str, float]]:
    """How scores agree with the truth in the movies of `HELD_OUT`, before the assignment."""
    linker = linker_of(network)
    found = {}
    for ndim, seed in HELD_OUT:
        example = example_of(simulated_recording(seed, ndim))
        scores = linker(example.graph)
        found[f"{ndim}D, {seed}"] = {
            "links": round(_f1(scores.link > 0.5, example.true_link), 4),
            "divisions": round(_f1(scores.division > 0.5, example.true_division), 4),
        }
    return found


def _f1(found: np.ndarray, true: np.ndarray) -> float:
    either = int(found.sum() + true.sum())
    return float(2 * (found & true).sum() / either) if either else 1.0
