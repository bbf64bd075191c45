"""Teach a link model from links that were made, confirmed and taken away."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.device import plain
from napari_cellcycle.models.link.open import GRAPH
from napari_cellcycle.models.link.scores import Scores
from napari_cellcycle.models.store import Kind
from napari_cellcycle.pipeline.track import choose
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.link.presets import graph_examples, looked_at, measured_of
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.score import OUTCOMES, HeldOut, KnownLinks
from napari_cellcycle.training.link.sources import recording_of
from napari_cellcycle.training.teach.known_links import KnownPart, deal, known_parts
from napari_cellcycle.training.teach.lesson import Learned, Lesson, Material, State
from napari_cellcycle.training.teach.plan import Plan
from napari_cellcycle.training.teach.tallies import Tally, f1_of, mean_fit, spherical

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.link.open import Linker

_MOST_GROUPS = 60
"""Held-out lineages that count one by one; of more, several are taken together."""
_OWN, _SIMULATED = 0.75, 0.25
"""Shares of what is learned from."""
_BUCKETS = 8
"""Groups that the lineages of a simulated movie are put into."""
_REMEMBERED, _MIXED_IN = 90_000, 60_000
"""First seeds of the simulated movies that show whether anything was forgotten, and of those
that are learned from."""


@dataclass
class _Exam:
    """A recording measured once, with what is known of each group of lineages, by its number."""

    held: HeldOut
    seen: np.ndarray | None
    known: dict[int, KnownLinks]

    @classmethod
    def of(cls, recordings: Mapping[int, Recording], looks: bool, progress: Progress) -> "_Exam":
        """Measure one of some recordings, which differ in what is known: that of each group."""
        first = next(iter(recordings.values()))
        if looks:
            held, seen = looked_at(first, progress)
        else:
            held, seen = HeldOut(first, progress=progress), None
        gap = held.settings.max_gap
        known = {n: KnownLinks(one, held.cells, gap) for n, one in recordings.items()}
        return cls(held, seen, known)

    def added(self, linker: "Linker") -> np.ndarray:
        """What each group that is `known` adds to the score (groups, 12).

        Right, found and true links, the same of divisions; then of each of `OUTCOMES` how well the
        chances fit, and how often it was.
        """
        graph = self.held.graph
        scores = linker(graph) if self.seen is None else linker(graph, linker.embed(self.seen))  # type: ignore
        chosen, _ = choose(graph, scores, self.held.settings)
        ends = graph.candidates.parent[chosen], graph.candidates.child[chosen]
        return np.array([self._of_group(known, ends, scores) for known in self.known.values()])

    def _of_group(
        self, known: KnownLinks, ends: tuple[np.ndarray, np.ndarray], scores: Scores
    ) -> list[float]:
        told = known.score(*ends)
        kind, chance = known.chances(self.held.graph.candidates, scores)
        two = np.column_stack([chance, 1 - chance])
        fit = np.bincount(kind, spherical(two, np.zeros(len(two), np.int64)), len(OUTCOMES))
        often = np.bincount(kind, minlength=len(OUTCOMES))
        sums = [n for a in (told.links, told.divisions) for n in (a.right, a.found, a.true)]
        return [*sums, *fit, *often]


class LinkLesson(Lesson):
    """Links of several experiments, by lineage."""

    kind: Kind = "link"

    def __init__(self, material: Material, progress: Progress = silent) -> None:
        self.material = material
        self._looks = material.base.card.architecture.startswith(GRAPH)
        self._parts = known_parts(material.experiments, material.settings.channel)
        settings = material.settings
        aside = deal(self._parts, settings.held_out_part, settings.seed)
        self._kept = aside.kept
        self._learned = [part.only(~self._kept) for part in self._parts]
        self.counts = _counts(self._learned)
        self.corrections = sum(self.counts.values())
        if not self.corrections:
            raise BadInput(
                "All corrected links would be kept aside: correct links of other lineages, too."
            )
        self.split = aside.words
        self.held = f"{int(self._kept.sum())} lineages kept aside"
        self.data = [f"{part.recording.name}: corrected links" for part in self._parts]
        self._exams: list[_Exam] | None = None
        self._memory: list[_Exam] | None = None

    def learn(self, plan: Plan, checkpoint: Checkpoint, progress: Progress = silent) -> Learned:
        """Teach on the lineages that are not kept aside, simulated movies among them."""
        simulated = _simulated(
            _MIXED_IN + 1000 * plan.fit.seed, plan.simulated, self._ndim, progress
        )
        own = _OWN if simulated else 1.0
        shares = [own / len(self._learned)] * len(self._learned)
        shares += [_SIMULATED / max(1, len(simulated))] * len(simulated)
        given = list(zip([*self._learned, *simulated], shares, strict=True))
        if self._looks:
            return self._learn_graph(given, plan, checkpoint, progress)
        return self._learn_simple(given, plan, checkpoint, progress)

    def _learn_graph(
        self,
        given: list[tuple[Recording, float]],
        plan: Plan,
        checkpoint: Checkpoint,
        progress: Progress,
    ) -> Learned:
        from napari_cellcycle.models.link.graph_linker import GraphLinker
        from napari_cellcycle.training.link.graph import train_network

        device = self.material.device
        told = track_progress(given, len(given), progress, "Preparing links")
        examples = [example for one, share in told for example in graph_examples(one, share)]

        def judge(network: "torch.nn.Module") -> float:
            linker = GraphLinker(copy.deepcopy(network), device)  # type: ignore[arg-type]
            tally = self._judged(linker)
            return 0.0 if tally is None else tally.value

        network, history = train_network(
            examples,
            plan.fit,
            batches=plan.batches,
            start=GraphLinker.open(self.material.base).network,
            judge=judge if self._kept.any() else None,
            keeping=True,
            checkpoint=checkpoint,
            device=device,
            progress=progress,
        )
        return Learned(plain(network.state_dict()), history)

    def _learn_simple(
        self,
        given: list[tuple[Recording, float]],
        plan: Plan,
        checkpoint: Checkpoint,
        progress: Progress,
    ) -> Learned:
        from napari_cellcycle.training.link.simple import examples_of, linker_of, train_linker

        told = track_progress(given, len(given), progress, "Preparing links")
        examples = [
            e for one, share in told for e in examples_of(measured_of(one), share, copies=0)
        ]

        def judge(network: "torch.nn.Module") -> float:
            tally = self._judged(linker_of(network))
            return 0.0 if tally is None else tally.value

        network, history = train_linker(
            examples,
            plan.fit,
            batches=plan.batches,
            start=self.material.base.weights(),
            judge=judge if self._kept.any() else None,
            keeping=True,
            checkpoint=checkpoint,
            progress=progress,
        )
        return Learned(plain(network.state_dict()), history)

    def judge(self, state: State, plan: Plan, progress: Progress = silent) -> Tally | None:
        """How well the links of the lineages that were kept aside are told."""
        return self._judged(self._linker(state), progress)

    def remembers(self, state: State, progress: Progress = silent) -> Tally | None:
        """How well the links of simulated movies are told."""
        if self._memory is None:
            made = _simulated(_REMEMBERED, 2, self._ndim, progress)
            self._memory = [
                _Exam.of(_by_lineage(one, number * _BUCKETS), self._looks, progress)
                for number, one in enumerate(made)
            ]
        return _tally(self._memory, self._linker(state))

    def _judged(self, linker: "Linker", progress: Progress = silent) -> Tally | None:
        if not self._kept.any():
            return None
        if self._exams is None:
            each = [_kept_by_group(part, self._kept) for part in self._parts]
            told = track_progress(each, len(each), progress, "Measuring what is kept aside")
            self._exams = [_Exam.of(one, self._looks, silent) for one in told if one]
        return _tally(self._exams, linker)

    def _linker(self, state: State) -> "Linker":
        if not self._looks:
            from napari_cellcycle.models.link.simple import SimpleLinker

            return SimpleLinker({name: tensor.numpy() for name, tensor in state.items()})
        from napari_cellcycle.models.link.graph_linker import GraphLinker
        from napari_cellcycle.models.link.graph_network import GraphNetwork

        network = GraphNetwork(**self.material.base.card.settings["network"])
        network.load_state_dict(state)
        return GraphLinker(network, self.material.device)

    @property
    def _ndim(self) -> Literal[2, 3]:
        return 3 if self._parts[0].recording.labels.ndim == 3 else 2


def _counts(learned: list[Recording]) -> dict[str, int]:
    """How many links, divisions and wrong links are learned from."""
    links = divisions = rejected = 0
    for recording in learned:
        known = recording.truth[recording.truth["past"]]
        first = recording.truth.groupby("track")["frame"].min()
        born = known.loc[known["frame"] == known["track"].map(first), "track"]
        links += len(known)
        divisions += born.map(recording.mother).nunique()
        rejected += len(recording.rejected)
    return {"links": links, "divisions": divisions, "links taken away": rejected}


def _kept_by_group(part: KnownPart, kept: np.ndarray) -> dict[int, Recording]:
    """A recording for each kept group of which anything is known here, or each few of them."""
    number = np.where(kept, (np.cumsum(kept) - 1) % _MOST_GROUPS, -1)
    about = part.group[part.kind >= 0]
    numbers = np.unique(number[about][kept[about]]).tolist()
    return {one: part.only(number == one) for one in numbers}


def _by_lineage(recording: Recording, first: int) -> dict[int, Recording]:
    """A simulated recording with what is known of each few lineages, numbered from `first`."""
    truth = recording.truth
    founder = {}
    for track in sorted(set(truth["track"].tolist())):
        above = track
        while above in recording.mother:
            above = recording.mother[above]
        founder[track] = above
    bucket = truth["track"].map(founder).to_numpy() % _BUCKETS
    return {
        first + one: replace(
            recording, truth=truth.assign(past=bucket == one, future=bucket == one)
        )
        for one in np.unique(bucket).tolist()
    }


def _tally(exams: list[_Exam], linker: "Linker") -> Tally:
    """Scores by group; what copies of a movie tell of the same lineages adds to one."""
    numbers = [number for exam in exams for number in exam.known]
    row = np.unique(numbers, return_inverse=True)[1]
    each = np.concatenate([exam.added(linker) for exam in exams])
    added = np.zeros((row.max() + 1, each.shape[1]))
    np.add.at(added, row, each)
    figures = {
        "link F1": f1_of(0, 1, 2),
        "division F1": f1_of(3, 4, 5),
        "true links": lambda sums: sums[..., 2],
        "true divisions": lambda sums: sums[..., 5],
    }
    score = mean_fit(slice(6, 9), slice(9, 12))
    return Tally("certainty of the right links", added, score, figures)


def _simulated(first: int, count: int, ndim: Literal[2, 3], progress: Progress) -> list[Recording]:
    """Small simulated movies with all that is true of them."""
    from napari_cellcycle.simulate import random_settings, simulate

    small = {"frames": 12, "size": 192, "cells": 24}
    if ndim == 3:
        small = {"frames": 10, "size": 96, "cells": 8, "planes": 8}
    seeds = range(first, first + count)
    return [
        recording_of(
            simulate(random_settings(seed, ndim).model_copy(update=small)), f"simulated {seed}"
        )
        for seed in track_progress(seeds, count, progress, "Simulating movies")
    ]
