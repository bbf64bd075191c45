"""Train the edge classifier of `paper` link models on windows of recordings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from napari_cellcycle.features.paper import PaperCells
from napari_cellcycle.models.link.paper.graph import (
    Candidates,
    PaperGraph,
    candidates,
    cut_graph,
    reach_of,
    window_starts,
)
from napari_cellcycle.training.link.recordings import Recording

Split = Literal["multiSequence", "sepSequences"]
HeldOut = Literal["from_both", "end_first", "end_second"]
Selection = Literal["accuracy", "f1"]


@dataclass(frozen=True)
class Window:
    """A graph, with the place of its recording in the list and its first frame."""

    graph: PaperGraph
    recording: int
    first: int


@dataclass(frozen=True)
class Batch:
    """Several graphs as one that falls into pieces."""

    nodes: torch.Tensor
    edges: torch.Tensor
    true: torch.Tensor
    judged: torch.Tensor


@dataclass(frozen=True)
class EdgeReport:
    """How many candidate links were told right and wrong."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def accuracy(self) -> float:
        """Share of the links told right."""
        right = self.true_positives + self.true_negatives
        return right / max(right + self.false_positives + self.false_negatives, 1)

    @property
    def precision(self) -> float:
        """Share of the links found that are true."""
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def recall(self) -> float:
        """Share of the true links that are found."""
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        wrong = self.false_positives + self.false_negatives
        return 2 * self.true_positives / max(2 * self.true_positives + wrong, 1)

    def figures(self) -> dict[str, float]:
        """All of it, for a model card."""
        return {
            "TP": self.true_positives,
            "FP": self.false_positives,
            "TN": self.true_negatives,
            "FN": self.false_negatives,
            **{
                name: round(getattr(self, name), 5)
                for name in ("accuracy", "precision", "recall", "f1")
            },
        }


def known_links(
    recording: Recording, cells: PaperCells, track: np.ndarray, sides: float
) -> Candidates:
    """Candidates within reach, and all true links; judged is what the recording knows.

    A link is judged if the source's future or the target's past is known, or if it was
    rejected. As published, the link of a mother to her daughter counts as false.
    """
    links = candidates(cells.frame, cells.centroid, reach_of(cells, sides), track)
    place = {"frame": cells.frame, "label": cells.table["seg_label"].to_numpy()}
    truth = recording.truth.set_index(["frame", "label"])
    rows = list(zip(*place.values(), strict=True))
    future, past = (
        truth[name].reindex(rows, fill_value=False).to_numpy(bool) for name in ("future", "past")
    )
    judged = future[links.source] | past[links.target]
    rejected = np.zeros(len(judged), bool)
    if len(recording.rejected):
        bad = set(recording.rejected.itertuples(index=False, name=None))
        ends = zip(links.source, links.target, strict=True)
        rejected[:] = [(*rows[i], *rows[j]) in bad for i, j in ends]
    return Candidates(links.source, links.target, links.true & ~rejected, judged | rejected)


def windows_of(
    number: int, cells: PaperCells, links: Candidates, length: int, stride: int = 1
) -> list[Window]:
    """All windows of `length` frames of one recording that hold a judged link."""
    frames = int(cells.frame.max(initial=0)) + 1
    found = []
    for first in window_starts(frames, length, stride).tolist():
        graph = cut_graph(cells, links, first, first + length - 1)
        if graph.judged.any():
            found.append(Window(graph, number, first))
    return found


def thinned(windows: Sequence[Window], most_links: int | None) -> list[Window]:
    """Every so many of the windows that they hold `most_links` links, at least one window."""
    if most_links is None:
        return list(windows)
    total = sum(len(window.graph.true) for window in windows)
    return list(windows[:: max(1, -(-total // most_links))])


def split_windows(
    windows: Sequence[Window],
    split: Split = "multiSequence",
    held_out: HeldOut = "from_both",
    share: float = 0.2,
) -> tuple[list[Window], list[Window]]:
    """Windows to learn from, and windows kept aside.

    "sepSequences" keeps the first recording aside and learns from the others. "multiSequence"
    pools all and keeps a `share` of them aside: from the end of the first recording and the
    start of the second, and so on in turn ("from_both"), from the end of the first alone, or
    from that of the last.
    """
    numbers = sorted({window.recording for window in windows})
    if split == "sepSequences":
        aside = {id(w) for w in windows if w.recording == numbers[0]}
    elif held_out == "from_both":
        chosen: list[Window] = []
        for place, number in enumerate(numbers):
            own = [w for w in windows if w.recording == number]
            count = round(share * len(own))
            chosen += own[len(own) - count :] if place % 2 == 0 else own[:count]
        aside = {id(w) for w in chosen}
    else:
        number = numbers[0] if held_out == "end_first" else numbers[-1]
        own = [w for w in windows if w.recording == number]
        aside = {id(w) for w in own[max(len(own) - round(share * len(windows)), 0) :]}
    return [w for w in windows if id(w) not in aside], [w for w in windows if id(w) in aside]


def without_shared_frames(
    learned: Sequence[Window], aside: Sequence[Window], length: int
) -> list[Window]:
    """The windows to learn from that share no frame with those kept aside."""
    firsts: dict[int, list[int]] = {}
    for window in aside:
        firsts.setdefault(window.recording, []).append(window.first)
    return [
        w
        for w in learned
        if all(abs(w.first - other) >= length for other in firsts.get(w.recording, []))
    ]


class EdgeTask:
    """Batches of windows in random order; what is kept aside gives the score."""

    def __init__(
        self,
        learned: Sequence[Window],
        held_out: Sequence[Window],
        *,
        at_once: int = 8,
        select: Selection = "accuracy",
        threshold: float = 0.5,
        device: torch.device | None = None,
    ) -> None:
        self._learned, self._held_out = list(learned), list(held_out)
        self._at_once, self._select, self._threshold = at_once, select, threshold
        self._device = device or torch.device("cpu")

    def __len__(self) -> int:
        return -(-len(self._learned) // self._at_once)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Every window once."""
        order = rng.permutation(len(self._learned))
        for start in range(0, len(order), self._at_once):
            chosen = order[start : start + self._at_once]
            yield joined([self._learned[i].graph for i in chosen], self._device)

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Balanced cross entropy of the judged links."""
        return edge_loss(network(batch.nodes, batch.edges)[batch.judged], batch.true[batch.judged])

    def score(self, network: nn.Module) -> float | None:
        """Accuracy, or F1, of the links kept aside."""
        if not self._held_out:
            return None
        report = edge_report(network, self._held_out, self._threshold, self._device)
        return report.accuracy if self._select == "accuracy" else report.f1


def edge_loss(log_odds: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Cross entropy where positives together weigh as much as negatives of this batch."""
    positives = true.sum()
    weight = (len(true) - positives) / positives.clamp(min=1)
    weight = torch.where(weight > 0, weight, torch.ones_like(weight))
    return functional.binary_cross_entropy_with_logits(
        log_odds, true.to(log_odds.dtype), pos_weight=weight
    )


def joined(graphs: Sequence[PaperGraph], device: torch.device) -> Batch:
    """Graphs side by side."""
    counts = [len(graph.nodes) for graph in graphs]
    starts = np.cumsum([0, *counts[:-1]])
    edges = [graph.edges + start for graph, start in zip(graphs, starts, strict=True)]
    arrays = (
        np.concatenate([graph.nodes for graph in graphs]),
        np.concatenate(edges, 1),
        np.concatenate([graph.true for graph in graphs]),
        np.concatenate([graph.judged for graph in graphs]),
    )
    return Batch(*(torch.from_numpy(array).to(device) for array in arrays))


def edge_report(
    network: nn.Module,
    windows: Sequence[Window],
    threshold: float = 0.5,
    device: torch.device | None = None,
) -> EdgeReport:
    """How the judged links of `windows` are told, at the threshold that tracking uses."""
    network.eval()
    counts = np.zeros((2, 2), np.int64)
    with torch.inference_mode():
        for window in windows:
            batch = joined([window.graph], device or torch.device("cpu"))
            found = network(batch.nodes, batch.edges).sigmoid() > threshold
            pairs = 2 * batch.true.long() + found.long()
            counts += torch.bincount(pairs[batch.judged], minlength=4).cpu().numpy().reshape(2, 2)
    (tn, fp), (fn, tp) = counts.tolist()
    return EdgeReport(tp, fp, tn, fn)
