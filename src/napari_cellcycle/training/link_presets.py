"""Ways to train a link model from recordings, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.features.shape import measure_overlaps
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings
from napari_cellcycle.training.link_examples import Measured
from napari_cellcycle.training.link_score import HeldOut, LinkScore, rejected_rows, total
from napari_cellcycle.training.recordings import Recording

if TYPE_CHECKING:
    import torch

Judge = Callable[["torch.nn.Module"], float]


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
    was held out.
    """

    state: "dict[str, torch.Tensor]"
    architecture: str
    settings: dict[str, Any]
    history: list[Epoch]
    score: LinkScore | None = None
    before: LinkScore | None = None


@dataclass(frozen=True)
class Preset:
    """A way to train: the function, how its cards describe the architecture, where it starts."""

    train: Callable[[Lesson, Progress], Learned]
    architecture: str
    start: str | None
    description: str


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
    from napari_cellcycle.training.link import examples_of, linker_of, train_linker

    settings = lesson.settings or SIMPLE_SETTINGS
    examples = []
    for recording, weight in lesson.learned:
        measured = measured_of(recording, progress)
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
    return Learned(network.state_dict(), PRESETS["simple"].architecture, {}, history, score, before)


SIMPLE_SETTINGS = FitSettings(epochs=6, learning_rate=1e-3, weight_decay=1e-3, average=0.99)
PRESETS: dict[str, Preset] = {
    "simple": Preset(
        train_simple_links,
        "perceptrons on hand-made features of candidate links and divisions",
        "simple",
        "Links cells by distance, overlap, size, shape, brightness and rivals.",
    ),
}
