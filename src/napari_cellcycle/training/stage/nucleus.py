"""Train the networks of the nucleus family: ours and the published ones."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from napari_cellcycle.config import Settings
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.device import device_of, plain
from napari_cellcycle.models.stage.nucleus.model import card_settings, states
from napari_cellcycle.models.stage.nucleus.networks import build
from napari_cellcycle.models.stage.nucleus.presets import PRESETS, NucleusPreset
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import Epoch, FitSettings, fit
from napari_cellcycle.training.stage.frame import macro_f1
from napari_cellcycle.training.stage.nucleus_examples import NucleusExamples
from napari_cellcycle.training.stage.nucleus_views import OURS, NucleusViews, views
from napari_cellcycle.training.stage.plateau import PlateauAdam
from napari_cellcycle.training.threads import threads

Batch = tuple[torch.Tensor, torch.Tensor]


class NucleusTraining(Settings):
    """How a network of the nucleus family learns."""

    preset: NucleusPreset = PRESETS["nucleus"]
    fit: FitSettings = FitSettings(epochs=60, learning_rate=3e-3, average=0.98)
    views: NucleusViews = OURS
    batch_size: int = Field(32, ge=1, description="Samples in a batch")
    batches: int = Field(
        40, ge=0, description="Batches in an epoch; 0: every example once, without balance"
    )
    balance: float = Field(
        0.75, ge=0, le=1, description="How far the states are evened out when samples are drawn"
    )
    flat_share: float = Field(
        0.2, ge=0, le=1, description="Share of the batches that are of flat images, if there are"
    )
    most: int = Field(0, ge=0, description="Most examples of each state; 0: all")
    weights: tuple[float, ...] = Field(
        (), description="Weight of each state in the loss; none: all alike"
    )
    smoothing: float = Field(0.05, ge=0, lt=1, description="Doubt in every label")
    plateau: bool = Field(
        False, description="The rate falls when the held-out loss no longer does (Adam)"
    )


def _paper(name: str, batch_size: int, most: int, epochs: int, decay: float) -> NucleusTraining:
    patience = 35 if decay else 0
    return NucleusTraining(
        preset=PRESETS[name],
        fit=FitSettings(
            epochs=epochs,
            learning_rate=1e-5,
            weight_decay=decay,
            warmup=0.0,
            schedule="constant",
            clip=0.0,
            patience=patience,
        ),
        views=NucleusViews() if name != "convlstm" else _AS_THEY_ARE,
        batch_size=batch_size,
        batches=0,
        most=most,
        smoothing=0.0,
        plateau=bool(decay),
    )


_AS_THEY_ARE = NucleusViews(flips=False, chance=0.0)

TRAININGS: dict[str, NucleusTraining] = {
    "nucleus": NucleusTraining(),
    "cnn": _paper("cnn", 4, 224, 200, 0.0),
    "3ncnn": _paper("3ncnn", 16, 216, 300, 0.0),
    "4ncnn": _paper("4ncnn", 16, 224, 300, 1e-5),
    "convlstm": _paper("convlstm", 16, 221, 300, 1e-5),
}
"""How each preset is trained: ours, and the published ones as published."""


class NucleusTask:
    """Learn the state of nuclei: a `Task` for `fit`.

    `sources` are examples in volumes and, if there are any, flat ones; each batch is of one of
    them. The held-out score is the mean macro-F1 of the held-out sets.
    """

    def __init__(
        self,
        sources: Sequence[NucleusExamples],
        held_out: Sequence[NucleusExamples],
        settings: NucleusTraining,
    ) -> None:
        seed = settings.fit.seed
        most = settings.most
        self.settings = settings
        self.sources = [s.capped(most, seed) if most else s for s in sources]
        self.held_out = held_out
        self.frames = len(settings.preset.frames)
        self.weights = torch.tensor(settings.weights) if settings.weights else None
        self.chances = [_chances(source.code, settings.balance) for source in self.sources]
        self.plateau: PlateauAdam | None = None

    def __len__(self) -> int:
        if self.settings.batches:
            return self.settings.batches
        return sum(-(-len(source) // self.settings.batch_size) for source in self.sources)

    def optimiser(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Adam with a rate that falls on a plateau of the held-out loss."""
        chosen = self.settings.fit
        self.plateau = PlateauAdam(network.parameters(), chosen.learning_rate, chosen.weight_decay)
        return self.plateau

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Batches of one epoch: random views, and codes."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        for source, chosen in self._drawn(rng) if self.settings.batches else self._all(rng):
            samples = torch.from_numpy(source.samples[chosen].astype(np.float32))
            seen = views(samples, self.frames, self.settings.views, generator)
            yield seen, torch.from_numpy(source.code[chosen])

    def _drawn(self, rng: np.random.Generator) -> Iterator[tuple[NucleusExamples, np.ndarray]]:
        share = self.settings.flat_share if len(self.sources) > 1 else 0.0
        for _ in range(len(self)):
            which = int(rng.random() < share)
            chances = self.chances[which]
            yield self.sources[which], rng.choice(len(chances), self.settings.batch_size, p=chances)

    def _all(self, rng: np.random.Generator) -> Iterator[tuple[NucleusExamples, np.ndarray]]:
        for source in self.sources:
            order, size = rng.permutation(len(source)), self.settings.batch_size
            for start in range(0, len(order), size):
                yield source, order[start : start + size]

    def loss(self, network: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Cross-entropy, with weights of the states if there are any."""
        device = device_of(network)
        samples, code = (part.to(device) for part in batch)
        weights = None if self.weights is None else self.weights.to(device)
        doubt = self.settings.smoothing
        return functional.cross_entropy(
            network(samples), code, weight=weights, label_smoothing=doubt
        )

    def score(self, network: torch.nn.Module) -> float | None:
        """Mean macro-F1 of the held-out sets; None without any."""
        scores, losses = [], []
        for examples in self.held_out:
            logits = outputs(network, examples.samples)
            code = torch.from_numpy(examples.code)
            losses.append(float(functional.cross_entropy(logits, code)))
            told = logits.argmax(1).numpy()
            scores.append(macro_f1(examples.code, told, len(examples.names)))
        if self.plateau is not None and losses:
            self.plateau.report(float(np.mean(losses)))
        return float(np.mean(scores)) if scores else None


def outputs(network: torch.nn.Module, samples: np.ndarray, batch_size: int = 128) -> torch.Tensor:
    """Logits (n, S) of scaled samples, on the CPU."""
    device, parts = device_of(network), []
    with torch.inference_mode():
        for start in range(0, len(samples), batch_size):
            seen = torch.from_numpy(samples[start : start + batch_size].astype(np.float32))
            parts.append(network(seen.to(device)).cpu())
    return torch.cat(parts)


def _chances(code: np.ndarray, balance: float) -> np.ndarray:
    weight = np.bincount(code)[code] ** -float(balance)
    return np.asarray(weight / weight.sum())


def train_nucleus(
    examples: NucleusExamples | Sequence[NucleusExamples],
    settings: NucleusTraining | None = None,
    *,
    start: dict[str, torch.Tensor] | None = None,
    held_out: NucleusExamples | Sequence[NucleusExamples] = (),
    checkpoint: Checkpoint | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, torch.Tensor], dict[str, Any], list[Epoch]]:
    """Train a network on examples of volumes, of flat images, or of both (in this order).

    With `held_out` examples, of other embryos, the epoch of the best macro-F1 is kept, otherwise
    the last. `start` holds weights to go on from. One thread does the work.

    Returns
    -------
    state, card settings, history
        The weights by name, what the model card has to hold, the record of each epoch.

    Raises
    ------
    BadInput
        There are no examples, or all show one state.
    """
    settings = settings or TRAININGS["nucleus"]
    sources = [examples] if isinstance(examples, NucleusExamples) else list(examples)
    kept = [held_out] if isinstance(held_out, NucleusExamples) else list(held_out)
    _check(sources, settings)
    stages = states(sources[0].names)
    torch.manual_seed(settings.fit.seed)
    network = build(settings.preset, len(stages))
    if start is not None:
        network.load_state_dict(start)
    network.to(device)
    task = NucleusTask(sources, kept, settings)
    with threads(1):
        history = fit(
            network,
            task,
            settings.fit,
            optimiser=task.optimiser if settings.plateau else None,
            checkpoint=checkpoint,
            progress=progress,
        )
    state = plain(network.state_dict())
    return state, card_settings(settings.preset, stages), history


def _check(sources: list[NucleusExamples], settings: NucleusTraining) -> None:
    code = np.concatenate([source.code for source in sources] or [np.zeros(0, int)])
    names = sources[0].names if sources else ()
    if len(np.unique(code)) < 2:
        found = f"all {len(code)} show {names[code[0]]!r}" if len(code) else "there are none"
        raise BadInput(
            f"A network cannot learn from these examples of nuclei: {found}, but at least two "
            "states are needed; add movies in which cells divide."
        )
    if any(source.samples.shape[1] != settings.preset.channels for source in sources):
        raise BadInput(
            f"The examples have {sources[0].samples.shape[1]} channels, but the network sees "
            f"{settings.preset.channels}; cut them with the preset that is trained."
        )
