"""Train the `frame` stage model."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.data.stages import H2B, StageSet
from napari_cellcycle.io.provenance import stages_to_json
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.stage.frame import FrameNetwork, predict
from napari_cellcycle.models.store import Model, ModelCard, save_model
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.crop_examples import (
    Examples,
    real_examples,
    simulated_examples,
)
from napari_cellcycle.training.stage.head import fit_head
from napari_cellcycle.training.stage.turns import ViewSettings, views
from napari_cellcycle.training.threads import threads

Batch = tuple[torch.Tensor, torch.Tensor]


class StageTaskSettings(Settings):
    """What a batch of crops is made of."""

    batch_size: int = 32
    batches: int = 30
    real_share: float = 0.75
    balance: float = 0.5
    cell_balance: float = 0.5
    smoothing: float = 0.05
    mixup: float = 0.0
    views: ViewSettings = ViewSettings()


WIDTH = 12
VIEWS = 4
SEEDS = range(1000, 1100)
FIT = FitSettings(epochs=120, learning_rate=3e-3, average=0.99)
PRETRAINING = FitSettings(epochs=50, learning_rate=3e-3, average=0.99)
OWN_FIT = FitSettings(epochs=60, learning_rate=3e-3, average=0.97)
"""For models of one's own, which may be trained for a few epochs only."""
TASK = StageTaskSettings()
SIMULATED_TASK = StageTaskSettings(batch_size=64)
REFITTING = StageTaskSettings(cell_balance=0.75)
H2B_CROPS = Path("stages") / "h2b_crops"


class StageTask:
    """Learn the stage of crops: a `Task` for `fit`.

    Every batch takes `real_share` of its crops from `real` and the rest from `simulated`;
    `balance` and `cell_balance` (0-1) even out how often stages, and cells within them, are drawn.
    Pairs of crops are blended, as much as `mixup` says (Zhang et al. 2018). The held-out score is
    macro-F1.
    """

    def __init__(
        self,
        real: Examples | None,
        simulated: Examples | None,
        held_out: Examples | None = None,
        settings: StageTaskSettings = TASK,
    ) -> None:
        self.settings = settings
        self.held_out = held_out
        share = 0.0 if real is None else 1.0 if simulated is None else settings.real_share
        count = round(share * settings.batch_size)
        self._sources = [
            (source, n, chances_of(source, settings), torch.from_numpy(source.images))
            for source, n in ((real, count), (simulated, settings.batch_size - count))
            if source is not None and n
        ]

    def __len__(self) -> int:
        return self.settings.batches

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Draw and augment the batches of one epoch: images and soft targets."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        for _ in range(len(self)):
            images, codes = [], []
            for examples, n, chances, stored in self._sources:
                chosen = rng.choice(len(examples), n, p=chances)
                images.append(views(stored[chosen], self.settings.views, generator))
                codes.append(torch.from_numpy(examples.code[chosen]))
            stages = len(self._sources[0][0].stages)
            target = functional.one_hot(torch.cat(codes), stages).float()
            target += self.settings.smoothing * (1 / stages - target)
            yield _blended(_of_one_kind(images), target, self.settings.mixup, rng)

    def loss(self, network: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Cross-entropy with soft targets."""
        images, target = (part.to(device_of(network)) for part in batch)
        return functional.cross_entropy(network(images), target)

    def score(self, network: torch.nn.Module) -> float | None:
        """Macro-F1 on the held-out crops."""
        if self.held_out is None:
            return None
        code = predict(network, self.held_out.windows()).argmax(1)
        return macro_f1(self.held_out.code, code, len(self.held_out.stages))


def macro_f1(true: np.ndarray, predicted: np.ndarray, stages: int) -> float:
    """Mean F1 of the stages that occur."""
    table = np.zeros((stages, stages))
    np.add.at(table, (true, predicted), 1)
    hits, total = np.diag(table), table.sum(0) + table.sum(1)
    present = table.sum(1) > 0
    return float((2 * hits[present] / np.maximum(total[present], 1)).mean())


def chances_of(examples: Examples, settings: StageTaskSettings) -> np.ndarray:
    """How often each crop is drawn."""
    cell = np.unique(examples.group, return_inverse=True)[1] * len(examples.stages) + examples.code
    weight = np.bincount(cell)[cell] ** -settings.cell_balance
    weight /= np.bincount(examples.code, weight)[examples.code] ** settings.balance
    return np.asarray(weight / weight.sum())


def _of_one_kind(images: list[torch.Tensor]) -> torch.Tensor:
    """All images in one, with dark channels where some have fewer."""
    channels = max(1 if part.ndim == 3 else part.shape[1] for part in images)
    if channels == 1:
        return torch.cat(images)
    parts = [part[:, None] if part.ndim == 3 else part for part in images]
    return torch.cat(
        [functional.pad(part, (0, 0, 0, 0, 0, channels - part.shape[1])) for part in parts]
    )


def _blended(
    images: torch.Tensor, target: torch.Tensor, strength: float, rng: np.random.Generator
) -> Batch:
    if not strength:
        return images, target
    share, other = float(rng.beta(strength, strength)), rng.permutation(len(images))
    return (
        share * images + (1 - share) * images[other],
        share * target + (1 - share) * target[other],
    )


def train_network(
    real: Examples | None,
    simulated: Examples | None,
    fit_settings: FitSettings = FIT,
    task_settings: StageTaskSettings = TASK,
    *,
    width: int = WIDTH,
    levels: bool = True,
    start: dict[str, torch.Tensor] | None = None,
    held_out: Examples | None = None,
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[FrameNetwork, list[Epoch]]:
    """Train a frame network on real and simulated crops; either may be missing.

    It begins with the weights `start`, or anew. The weights kept are the running average at the
    end, so nothing is selected; or, with `held_out` examples, those of the epoch that tells them
    best. One thread does the work: on images this small a second one only waits.
    """
    examples = real or simulated
    assert examples is not None
    torch.manual_seed(fit_settings.seed)
    channels = 1 if examples.images.ndim == 3 else examples.images.shape[1]
    network = FrameNetwork(len(examples.stages), width, channels=channels, levels=levels)
    if start is not None:
        network.load_state_dict(start)
    network = network.to(device=device)
    task = StageTask(real, simulated, held_out, task_settings)
    with threads(1):
        history = fit(network, task, fit_settings, checkpoint=checkpoint, progress=progress)
    return network, history


def widened(state: dict[str, torch.Tensor], channels: int) -> dict[str, torch.Tensor]:
    """Weights for more channels than a network was trained with, which do not count at first."""
    head = state["head.1.weight"]
    more = head.new_zeros(len(head), head.shape[1] * (channels - 1))
    return {**state, "head.1.weight": torch.cat([head, more], dim=1)}


def pretrained(simulated: Examples, *, progress: Progress = silent) -> dict[str, torch.Tensor]:
    """Weights of a network of one channel that learned from simulated crops alone."""
    network, _ = train_network(None, simulated, PRETRAINING, SIMULATED_TASK, progress=progress)
    return dict(network.state_dict())


def refitted(began: dict[str, torch.Tensor], real: Examples) -> FrameNetwork:
    """A network of one channel or more that tells `real` crops from what `pretrained` layers see.

    Only the last layer is fitted: on a few hundred crops of few cells, training all layers further
    was no better. Nothing is selected.
    """
    channels = 1 if real.images.ndim == 3 else real.images.shape[1]
    network = FrameNetwork(len(real.stages), WIDTH, channels=channels, levels=True)
    layers = {name: t for name, t in began.items() if not name.startswith("head.")}
    network.load_state_dict(layers, strict=False)
    fit_head(network, real, chances_of(real, REFITTING))
    return network


def train_frame(
    data_folder: str | Path,
    out_folder: str | Path,
    *,
    metrics: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Model:
    """Train the shipped stage model on simulated movies and all H2B crops, and store it.

    `data_folder` is the folder of real data; without its `stages/h2b_crops`, simulated movies
    are all there is to learn from. `metrics` are the figures for the card, measured before
    by `benchmarks/stage_crops.py` on crops held out of training.
    """
    started = time.perf_counter()
    folder = Path(data_folder) / H2B_CROPS
    real = real_examples(folder) if folder.is_dir() else None
    simulated = simulated_examples(SEEDS, progress=progress)
    network, _ = train_network(real, simulated, levels=False, progress=progress)
    card = frame_card(real is not None, metrics or {}, time.perf_counter() - started)
    return save_model(network.state_dict(), card, out_folder)


def frame_card(with_real: bool, metrics: dict[str, Any], seconds: float) -> ModelCard:
    """Card of the shipped stage model."""
    data = [f"simulated movies, random_settings seeds {SEEDS.start}-{SEEDS.stop - 1}"]
    if with_real:
        data.append(
            "stages/h2b_crops: 683 crops of H2B HeLa cells, CellCognition demo data "
            "(Held et al. 2010), red channel"
        )
    return ModelCard(
        name="frame",
        kind="stage",
        architecture="napari_cellcycle.models.stage.frame.FrameNetwork",
        description=(
            "Stage of a nucleus with labelled chromatin from one image: interphase, prophase, "
            "prometaphase, metaphase, anaphase, telophase, apoptosis."
        ),
        settings=card_settings(H2B, levels=False),
        data=data,
        split=(
            "figures: groups of crops of one cell dealt into thirds, each third told by a "
            "network that saw the other two and simulated cells; shipped weights: everything"
        ),
        metrics=metrics,
        command="python -m napari_cellcycle.training.weights frame",
        licence="BSD-3-Clause; the H2B crops that it learned from state no licence",
        software={"torch": torch.__version__, "numpy": np.__version__},
        seconds=round(seconds, 1),
    )


def card_settings(
    stages: StageSet, width: int = WIDTH, channels: int = 1, levels: bool = True
) -> dict[str, Any]:
    """What the card of a frame model has to hold for `FrameModel.open`."""
    shape = {"width": width, "channels": channels, "levels": levels}
    return {"stages": stages_to_json(stages), **shape, "views": VIEWS}
