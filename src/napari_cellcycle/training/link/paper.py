"""Train `paper` link models: the tracker of cell-tracker-gnn (ECCV 2022) and what it needs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.paper import Mode, PaperCells, measure_paper
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.link.paper.linker import LINKS, METRIC, with_embedding
from napari_cellcycle.models.link.paper.metric import Embedder
from napari_cellcycle.models.link.paper.network import EdgeClassifier
from napari_cellcycle.models.link.paper.settings import PaperSettings
from napari_cellcycle.models.store import Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.fit import Epoch, FitSettings, fit, records
from napari_cellcycle.training.link.paper_links import (
    EdgeReport,
    EdgeTask,
    HeldOut,
    Selection,
    Split,
    Window,
    edge_report,
    known_links,
    split_windows,
    thinned,
    windows_of,
    without_shared_frames,
)
from napari_cellcycle.training.link.paper_metric import LossName, canvas_of, crops_of, train_metric
from napari_cellcycle.training.link.recordings import Recording

ARCHITECTURE = "paper: edge classifier of cell-tracker-gnn (ECCV 2022)"


class PaperTraining(Settings):
    """How a `paper` model learns; the defaults are the published choices.

    What mends them: `select` "f1" instead of accuracy, `apart` to learn from no window that
    shares frames with one kept aside, `inference` "windows" (see `PaperSettings`). `stride`
    above 1 and `most_links`, the links of a recording's windows together, give fewer windows
    and a shorter training.
    """

    links: FitSettings = FitSettings(
        epochs=500,
        learning_rate=1e-3,
        weight_decay=1e-5,
        warmup=0,
        schedule="constant",
        clip=0,
        patience=50,
    )
    metric: FitSettings = FitSettings(
        epochs=1000,
        learning_rate=1e-4,
        weight_decay=1e-4,
        warmup=0,
        schedule="constant",
        clip=0,
    )
    metric_loss: LossName = "multi-similarity"
    metric_split: Literal["ids", "frames"] = "ids"
    width: int = 64
    graphs: int = 8
    split: Split = "multiSequence"
    held_out: HeldOut = "from_both"
    select: Selection = "accuracy"
    apart: bool = False
    stride: int = 1
    most_links: int | None = None
    inference: Literal["whole", "windows"] = "whole"


@dataclass(frozen=True)
class Prepared:
    """A recording with the features of those of its cells whose track is known."""

    recording: Recording
    cells: PaperCells


def train_paper(
    recordings: Sequence[Recording],
    out_folder: str | Path,
    *,
    name: str = "paper",
    features: Literal["basic", "full"] = "basic",
    mode: Mode = "masks",
    ndim: Literal[2, 3] = 2,
    settings: PaperTraining | None = None,
    device: str = "cpu",
    card: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Model:
    """Train an edge classifier, with "full" features an embedding before it, and store both.

    `card` holds fields of the model card beside those written here.

    Raises
    ------
    BadInput
        Recordings without images or of another number of dimensions, or too short to learn from.
    """
    start = time.perf_counter()
    settings = settings or PaperTraining()
    about = PaperSettings(
        ndim=ndim,
        mode=mode,
        features=features,
        inference=settings.inference,
        width=settings.width,
        smallest_px=20 if ndim == 2 and mode == "masks" else 0,
    )
    chosen = choose_device(device)
    prepared = [prepare(recording, about, progress) for recording in recordings]
    state: dict[str, torch.Tensor] = {}
    figures: dict[str, Any] = {}
    history: dict[str, list[Epoch]] = {}
    if features == "full":
        cells = [p.cells for p in prepared]
        about = about.model_copy(update={"canvas": canvas_of(cells)})
        metric, history["metric"] = _train_metric(prepared, about, settings, chosen, progress)
        figures["embedding, precision at 1"] = _best(history["metric"])
        state |= {METRIC + key: tensor for key, tensor in metric.state_dict().items()}
        prepared = [_embedded(p, metric, about, chosen, progress) for p in prepared]
    network, history["links"], report = train_edges(prepared, about, settings, chosen, progress)
    state |= {LINKS + key: tensor for key, tensor in network.state_dict().items()}
    if report is not None:
        figures["links of windows kept aside"] = report.figures()
    described = describe(prepared, about, settings, history)
    written = ModelCard(
        name=name,
        kind="link",
        architecture=ARCHITECTURE,
        metrics=figures,
        software={"torch": torch.__version__},
        seconds=round(time.perf_counter() - start, 1),
        **{**described, **(card or {})},
    )
    return save_model(state, written, out_folder)


def describe(
    prepared: Sequence[Prepared],
    about: PaperSettings,
    settings: PaperTraining,
    history: Mapping[str, Sequence[Epoch]],
) -> dict[str, Any]:
    """What a card says of the data and the training."""
    extremes = {p.recording.name: [p.cells.low, p.cells.high] for p in prepared}
    return {
        "description": "The published tracker, for comparison: links from one frame to the next, "
        "divisions guessed from where tracks end.",
        "data": [p.recording.name for p in prepared],
        "split": f"{settings.split}, {settings.held_out}, by windows of {about.window} frames",
        "settings": {
            "paper": about.model_dump(mode="json"),
            "scaling": {
                "kind": "MinMaxCell" if about.mode == "masks" else "MinMax_all",
                "recordings": extremes,
            },
            "training": settings.model_dump(mode="json"),
            "history": {part: records(list(epochs)) for part, epochs in history.items()},
        },
    }


def prepare(recording: Recording, about: PaperSettings, progress: Progress = silent) -> Prepared:
    """Measure a recording; cells of no known track are left out, as published."""
    if recording.movie is None:
        raise BadInput(
            f"The recording {recording.name} has no images, but 'paper' models look at "
            "brightness; leave it out, or train another kind of link model."
        )
    if recording.labels.ndim != about.ndim:
        raise BadInput(
            f"The recording {recording.name} is {recording.labels.ndim}D, but a model for "
            f"{about.ndim}D was asked for; leave it out, or ask for the other."
        )
    cells = measure_paper(recording.movie, recording.labels, about.mode, progress=progress)
    known = tracks_of(recording, cells) > 0
    return Prepared(recording, replace(cells, table=cells.table[known]))


def tracks_of(recording: Recording, cells: PaperCells) -> np.ndarray:
    """The true track of each cell (n,), 0 if it has none."""
    truth = recording.truth.set_index(["frame", "label"])["track"]
    sightings = list(zip(cells.frame, cells.table["seg_label"], strict=True))
    return truth.reindex(sightings, fill_value=0).to_numpy()


def _train_metric(
    prepared: Sequence[Prepared],
    about: PaperSettings,
    settings: PaperTraining,
    device: torch.device,
    progress: Progress,
) -> tuple[Embedder, list[Epoch]]:
    crops = crops_of(
        [p.recording for p in prepared],
        [p.cells for p in prepared],
        [tracks_of(p.recording, p.cells) for p in prepared],
        about.canvas,
    )
    return train_metric(
        crops,
        settings.metric,
        ndim=about.ndim,
        width=about.width,
        loss=settings.metric_loss,
        split=settings.metric_split,
        device=device,
        progress=progress,
    )


def _embedded(
    prepared: Prepared,
    metric: Embedder,
    about: PaperSettings,
    device: torch.device,
    progress: Progress,
) -> Prepared:
    recording = prepared.recording
    assert recording.movie is not None, "checked when it was measured"
    cells = with_embedding(
        prepared.cells, recording.movie, recording.labels, metric, about.canvas, device, progress
    )
    return Prepared(recording, cells)


def train_edges(
    prepared: Sequence[Prepared],
    about: PaperSettings,
    settings: PaperTraining,
    device: torch.device,
    progress: Progress = silent,
) -> tuple[EdgeClassifier, list[Epoch], EdgeReport | None]:
    """Train the edge classifier; the report is of the windows kept aside, by the best weights."""
    windows: list[Window] = []
    for number, each in enumerate(prepared):
        track = tracks_of(each.recording, each.cells)
        links = known_links(each.recording, each.cells, track, about.reach)
        own = windows_of(number, each.cells, links, about.window, settings.stride)
        windows += thinned(own, settings.most_links)
    if not windows:
        raise BadInput(
            "No recording has two frames with cells whose tracks are known, so there is nothing "
            "to learn from; add a recording."
        )
    learned, aside = split_windows(windows, settings.split, settings.held_out)
    if settings.apart:
        learned = without_shared_frames(learned, aside, about.window)
    if not learned:
        raise BadInput(
            f"All {len(windows)} windows are kept aside by the split {settings.split!r}, so "
            "nothing is left to learn from; add a recording, or choose the other split."
        )
    torch.manual_seed(settings.links.seed)
    network = EdgeClassifier(about).to(device)
    task = EdgeTask(
        learned,
        aside,
        at_once=settings.graphs,
        select=settings.select,
        threshold=about.threshold,
        device=device,
    )
    rate, decay = settings.links.learning_rate, settings.links.weight_decay

    def optimiser(net: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay)

    history = fit(network, task, settings.links, optimiser=optimiser, progress=progress)
    report = edge_report(network, aside, about.threshold, device) if aside else None
    return network, history, report


def _best(history: Sequence[Epoch]) -> float | None:
    scores = [epoch.score for epoch in history if epoch.score is not None]
    return round(max(scores), 5) if scores else None
