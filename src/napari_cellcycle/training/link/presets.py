"""Ways to train a link model from recordings, by name."""

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.shape import measure_overlaps
from napari_cellcycle.features.views import typical_size, views
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings
from napari_cellcycle.training.link.recordings import Recording
from napari_cellcycle.training.link.score import (
    HeldOut,
    KnownLinks,
    LinkScore,
    rejected_rows,
    total,
)
from napari_cellcycle.training.link.simple_examples import Measured

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.training.link.graph_examples import GraphExample


@dataclass(frozen=True)
class Lesson:
    """What a link model is to learn.

    `learned` are recordings, each with its weight; `held_out` those that it is scored on, none
    of which are learned from; `start` the model whose weights it begins with; `settings` may
    differ from the preset's own.
    """

    learned: Sequence[tuple[Recording, float]]
    held_out: Sequence[Recording] = ()
    start: Model | None = None
    settings: FitSettings | None = None
    checkpoint: Checkpoint | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Learned:
    """Weights, what is needed to build their network again, and how well it does.

    `before` is the score of the model that training began with; both scores are None if nothing
    was held out. `figures` are others that the training measured.
    """

    state: "dict[str, torch.Tensor]"
    settings: dict[str, Any]
    history: list[Epoch]
    score: LinkScore | None = None
    before: LinkScore | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """A way to train.

    `architecture` and `description` are for the card; `start` is the shipped model that training
    goes on from unless another is chosen; `settings` are those of a training from nothing.
    """

    train: Callable[[Lesson, Progress], Learned]
    architecture: str
    description: str
    start: str | None
    settings: FitSettings


def measured_of(recording: Recording, progress: Progress = silent, max_gap: int = 4) -> Measured:
    """Measure a recording for the `simple` link model."""
    cells, overlaps = measure_overlaps(
        recording.movie,
        recording.labels,
        pixel_size=recording.pixel_size,
        max_gap=max_gap,
        progress=progress,
    )
    keys = ["frame", "label"]
    told = cells[keys].merge(recording.truth, on=keys, how="left")
    cells = cells.assign(
        truth=told["track"].fillna(0).to_numpy(np.int64),
        past=told["past"].eq(True).to_numpy(),
        future=told["future"].eq(True).to_numpy(),
    )
    rejected = cells.index.to_numpy()[rejected_rows(recording, cells)]
    shape, size = recording.labels.shape[1:], recording.pixel_size
    return Measured(recording.name, cells, overlaps, recording.mother, shape, size, rejected)


def train_simple_links(lesson: Lesson, progress: Progress = silent) -> Learned:
    """Train a `simple` link model; recordings of which little is known are not worsened."""
    from napari_cellcycle.training.link.simple import examples_of, linker_of, train_linker

    settings = lesson.settings or PRESETS["simple"].settings
    examples = []
    count = len(lesson.learned)
    told = track_progress(lesson.learned, count, progress, "Preparing examples")
    for recording, weight in told:
        measured = measured_of(recording)
        is_whole = bool(measured.cells[["past", "future"]].all(axis=None))
        examples += examples_of(measured, weight, copies=2 if is_whole else 0)
    held_out = [HeldOut(recording, progress=progress) for recording in lesson.held_out]

    def scored(network: "torch.nn.Module") -> LinkScore:
        linker = linker_of(network)
        return total(held_out, lambda held: linker(held.graph))

    start = lesson.start.weights() if lesson.start is not None else None
    network, history = train_linker(
        examples,
        settings,
        start=start,
        judge=(lambda network: scored(network).value) if held_out else None,
        checkpoint=lesson.checkpoint,
        progress=progress,
    )
    score = scored(network) if held_out else None
    before = None
    if held_out and start is not None:
        former = type(network)(examples[0][0].links.shape[1], examples[0][0].divisions.shape[1])
        former.load_state_dict(start)
        before = scored(former)
    return Learned(network.state_dict(), {}, history, score, before)


def train_graph_links(lesson: Lesson, progress: Progress = silent) -> Learned:
    """Train the graph network of `cellcycle-links`, from nothing or from a stored one."""
    import torch

    from napari_cellcycle.models.device import choose_device
    from napari_cellcycle.models.link.graph_linker import GraphLinker
    from napari_cellcycle.training.link.graph import train_network

    device = choose_device(lesson.device)
    count = len(lesson.learned)
    examples = [
        example
        for recording, weight in track_progress(
            lesson.learned, count, progress, "Preparing examples"
        )
        for example in graph_examples(recording, weight)
    ]
    held_out = [looked_at(recording, progress) for recording in lesson.held_out]
    seen = {id(held): views for held, views in held_out}

    def scored(linker: GraphLinker) -> LinkScore:
        found = [held for held, _ in held_out]
        return total(found, lambda held: linker(held.graph, linker.embed(seen[id(held)])))

    def judge(network: "torch.nn.Module") -> float:
        return scored(GraphLinker(copy.deepcopy(network), device)).value  # type: ignore[arg-type]

    start = None if lesson.start is None else GraphLinker.open(lesson.start, device)
    before = scored(start) if held_out and start is not None else None
    network, history = train_network(
        examples,
        lesson.settings or PRESETS["default"].settings,
        start=None if lesson.start is None else GraphLinker.open(lesson.start).network,
        judge=judge if held_out else None,
        checkpoint=lesson.checkpoint,
        device=device,
        progress=progress,
    )
    score = scored(GraphLinker(copy.deepcopy(network), device)) if held_out else None
    state = {name: tensor.to("cpu", torch.float32) for name, tensor in network.state_dict().items()}
    return Learned(state, {"network": network.shape}, history, score, before)


def graph_examples(recording: Recording, weight: float) -> "list[tuple[GraphExample, float]]":
    """A recording in many versions; if little is known, in those that leave all cells in place."""
    from napari_cellcycle.training.link.graph_examples import example_of, examples_of
    from napari_cellcycle.training.link.versions import Version, as_markers

    if recording.truth[["past", "future"]].all(axis=None):
        return examples_of([(replace(recording, rejected=recording.rejected.iloc[:0]), weight)])
    marked = as_markers(recording, np.random.default_rng(0))
    return [
        (example_of(Version(version, 3, 1.0, weight)), weight / 2)
        for version in (recording, marked)
    ]


def looked_at(recording: Recording, progress: Progress) -> tuple[HeldOut, np.ndarray]:
    """A recording measured as the graph network needs it, and the views of its cells."""
    unit = typical_size(recording.labels, recording.pixel_size)
    unit_px = tuple(unit / size for size in recording.pixel_size)
    seen: list[np.ndarray] = []

    def watch(image: np.ndarray | None, mask: np.ndarray, table: dict[str, np.ndarray]) -> None:
        seen.append(views(image, mask, table, unit_px))

    held = HeldOut(recording, unit=unit, watch=watch, progress=progress)
    return held, np.concatenate(seen)


def train_paper_links(lesson: Lesson, progress: Progress = silent) -> Learned:
    """Train the published tracker, which keeps windows of its own aside to choose its weights.

    Raises `BadInput` if it is to go on from a stored model, which it cannot.
    """
    from napari_cellcycle.training.link.paper import PaperTraining, train_paper

    if lesson.start is not None or lesson.checkpoint is not None:
        raise BadInput(
            "The preset 'paper' always begins anew: leave out --start and --resume, or choose "
            "another preset."
        )
    training = PaperTraining()
    if lesson.settings is not None:
        training = training.model_copy(update={"links": lesson.settings})
    recordings = [recording for recording, _ in lesson.learned]
    with tempfile.TemporaryDirectory() as place:
        model = train_paper(
            recordings,
            place,
            ndim=recordings[0].labels.ndim,  # type: ignore[arg-type]
            settings=training,
            device=lesson.device,
            progress=progress,
        )
        score = _paper_score(model, lesson.held_out, progress) if lesson.held_out else None
        return Learned(model.weights(), model.card.settings, [], score, None, model.card.metrics)


def _paper_score(model: Model, held_out: Sequence[Recording], progress: Progress) -> LinkScore:
    from napari_cellcycle.models.link.paper.linker import PaperLinker
    from napari_cellcycle.pipeline.track_paper import link_paper

    linker, score = PaperLinker.open(model, "cpu"), LinkScore()
    for recording in held_out:
        if recording.movie is None:
            raise BadInput(
                f"The recording {recording.name} has no images, but 'paper' models look at "
                "brightness; hold another one out."
            )
        cells, links = link_paper(recording.movie, recording.labels, linker, progress=progress)
        ends = [cells.index.get_indexer(pd.Index(links[end])) for end in ("parent", "child")]
        score += KnownLinks(recording, cells, TrackSettings().max_gap).score(*ends)
    return score


PRESETS: dict[str, Preset] = {
    "default": Preset(
        train_graph_links,
        "graph network over cells and candidate links, with views of the cells",
        "Links cells by a graph network that looks at each cell and weighs rival links.",
        "cellcycle-links",
        FitSettings(epochs=10, learning_rate=2e-3, weight_decay=1e-3, average=0.995),
    ),
    "simple": Preset(
        train_simple_links,
        "perceptrons on hand-made features of candidate links and divisions",
        "Links cells by distance, overlap, size, shape, brightness and rivals.",
        "simple",
        FitSettings(epochs=6, learning_rate=3e-3, weight_decay=1e-3, average=0.99),
    ),
    "paper": Preset(
        train_paper_links,
        "paper: edge classifier of cell-tracker-gnn (ECCV 2022)",
        "The published tracker, for comparison.",
        None,
        FitSettings(
            epochs=500,
            learning_rate=1e-3,
            weight_decay=1e-5,
            warmup=0,
            schedule="constant",
            clip=0,
            patience=50,
        ),
    ),
}
"""Every way to train, by its name on the command line."""
