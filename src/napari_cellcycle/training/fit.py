"""The one training loop: what a batch and a loss are, each task says for itself."""

import copy
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.models.device import device_of
from napari_cellcycle.models.freed_memory import keep_freed_memory
from napari_cellcycle.progress import Progress, silent
from napari_cellcycle.training.checkpoint import Checkpoint

if TYPE_CHECKING:
    import torch

_HALVED_FROM = 0.8
_MEMBER = re.compile(r"^members\.\d+\.")


class FitSettings(Settings):
    """How long and how fast a network learns (AdamW, warm-up, then a cosine to zero)."""

    epochs: int = Field(40, ge=1, description="Most passes over the examples")
    learning_rate: float = Field(1e-3, gt=0, description="Greatest step of the weights")
    weight_decay: float = Field(1e-2, ge=0, description="Pull of the weights towards zero")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the training with a slow start")
    schedule: Literal["cosine", "constant", "halving"] = Field(
        "cosine",
        description="After the slow start the learning rate falls to zero, stays, or stays and is "
        "halved ten times in the last fifth, as Cellpose does",
    )
    clip: float = Field(5.0, ge=0, description="Longest gradient that is followed; 0: any")
    average: float = Field(
        0.0, ge=0, lt=1, description="Memory of the running average of the weights; 0: none"
    )
    patience: int = Field(
        0, ge=0, description="Epochs without a better held-out score before training ends; 0: any"
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same network")
    closeness: float = Field(
        0.0, ge=0, description="Pull of the weights towards those that training began with"
    )
    layers: tuple[str, ...] = Field(
        (),
        description="Beginnings of the names of the weights that learn, those of all members of an "
        "ensemble; empty: all",
    )
    steady: bool = Field(
        False, description="Batch norms keep their statistics: for training on little"
    )


@dataclass(frozen=True)
class Epoch:
    """One pass over the examples: mean loss, held-out score (higher is better), seconds."""

    number: int
    loss: float
    score: float | None
    seconds: float


def bare_name(name: str) -> str:
    """Name of a weight within its network, also if that is a member of an ensemble."""
    return _MEMBER.sub("", name)


class Task(Protocol):
    """What is learned: the examples, the loss and the held-out score."""

    def __len__(self) -> int:
        """Number of batches in an epoch."""

    def batches(self, rng: np.random.Generator) -> Iterable[Any]:
        """Batches of one epoch, drawn and augmented with `rng`."""

    def loss(self, network: "torch.nn.Module", batch: Any) -> "torch.Tensor":
        """Mean loss of `network` on one batch, a scalar."""

    def score(self, network: "torch.nn.Module") -> float | None:
        """Score on held-out examples, or None to keep the last epoch."""


@dataclass
class _Run:
    """All that a training is made of, between two epochs."""

    network: "torch.nn.Module"
    average: "torch.nn.Module"
    optimiser: "torch.optim.Optimizer"
    rng: np.random.Generator
    first: "dict[str, torch.Tensor]" = field(default_factory=dict)
    best: "tuple[float, dict[str, torch.Tensor]] | None" = None
    waited: int = 0
    history: list[Epoch] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """What has to be kept to go on as if nothing had happened."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is self.network else self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": None if self.best is None else list(self.best),
            "waited": self.waited,
            "history": records(self.history),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` was when it was kept."""
        self.network.load_state_dict(state["network"])
        if self.average is not self.network:
            self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best = None if state["best"] is None else (state["best"][0], state["best"][1])
        self.waited = state["waited"]
        self.history = [Epoch(**epoch) for epoch in state["history"]]

    def judge(self, score: float | None) -> None:
        """Keep the averaged weights if no epoch was better; count the epochs without progress."""
        better = score is not None and (self.best is None or score > self.best[0])
        self.waited = 0 if better else self.waited + 1
        if score is not None and (self.best is None or score >= self.best[0]):
            self.best = score, copy.deepcopy(self.average.state_dict())


def fit(
    network: "torch.nn.Module",
    task: Task,
    settings: FitSettings,
    *,
    optimiser: "Callable[[torch.nn.Module], torch.optim.Optimizer] | None" = None,
    checkpoint: Checkpoint | None = None,
    is_over: Callable[[], bool] | None = None,
    progress: Progress = silent,
) -> list[Epoch]:
    """Train `network` in place and return the record of each epoch.

    With held-out scores the best epoch's weights are kept, otherwise the last ones. If
    `settings.average` is positive, an exponential moving average of the weights with that
    decay (Polyak averaging) is what is scored and kept. With `closeness`, each step also moves
    the weights back towards the first ones, by that share of the learning rate (L2-SP, Li et al.
    2018, decoupled from the gradients as AdamW's decay is).

    Parameters
    ----------
    optimiser
        Gives the optimiser of a network, instead of AdamW; the learning rate of each of its
        groups takes the place of that in `settings`.
    checkpoint
        Where the state is kept after each epoch. A training found there goes on, and ends with
        the same weights as one that was never interrupted.
    is_over
        Asked after each epoch; true ends the training as if it were complete.

    Raises
    ------
    BadInput
        The checkpoint belongs to a training with other settings or another network.
    CannotWrite
        The checkpoint cannot be stored.
    """
    import torch

    torch.manual_seed(settings.seed)
    if device_of(network).type == "cpu":
        keep_freed_memory()
    if settings.layers:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(bare_name(name).startswith(settings.layers))
    run = _Run(
        network,
        copy.deepcopy(network) if settings.average else network,
        _optimiser(network, settings) if optimiser is None else optimiser(network),
        np.random.default_rng(settings.seed),
        _learning(network) if settings.closeness else {},
    )
    rates = [float(group["lr"]) for group in run.optimiser.param_groups]
    about = {"settings": settings.model_dump(), "batches in an epoch": len(task)}
    if checkpoint is not None:
        found = checkpoint.read(network, run.rng, about)
        if found is not None:
            run.restore(found)
    steps = settings.epochs * len(task)
    while len(run.history) < settings.epochs and not _is_over(run, settings):
        _learn(run, task, settings, rates, progress)
        if checkpoint is not None:
            checkpoint.write(run.state(), network, run.rng, about)
        if is_over is not None and is_over():
            break
    network.load_state_dict(run.best[1] if run.best else run.average.state_dict())
    network.eval()
    progress(steps, steps, _message(run.history))
    return run.history


def _learn(
    run: _Run, task: Task, settings: FitSettings, rates: list[float], progress: Progress
) -> None:
    """One epoch: learn from all batches, then score."""
    import torch

    start, losses = time.perf_counter(), []
    number = len(run.history)
    steps = settings.epochs * len(task)
    run.network.train()
    if settings.steady:
        _hold_statistics(run.network)
    for step, batch in enumerate(task.batches(run.rng), start=number * len(task)):
        progress(step, steps, _message(run.history))
        share = _share(step / steps, settings)
        for group, rate in zip(run.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * share
        losses.append(_step(run.network, task, batch, run.optimiser, settings.clip))
        _pull_back(run, settings.closeness)
        if run.average is not run.network:
            _blend(run.average, run.network, settings.average)
    run.average.eval()
    with torch.inference_mode():
        score = task.score(run.average)
    seconds = time.perf_counter() - start
    run.history.append(Epoch(number + 1, float(np.mean(losses)), score, seconds))
    run.judge(score)


def _is_over(run: _Run, settings: FitSettings) -> bool:
    return bool(run.best is not None and settings.patience and run.waited >= settings.patience)


def _optimiser(network: "torch.nn.Module", settings: FitSettings) -> "torch.optim.Optimizer":
    import torch

    return torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )


def _step(
    network: "torch.nn.Module",
    task: Task,
    batch: Any,
    optimiser: "torch.optim.Optimizer",
    clip: float,
) -> float:
    import torch

    loss = task.loss(network, batch)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if clip:
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    return float(loss.detach())


def _hold_statistics(network: "torch.nn.Module") -> None:
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def _learning(network: "torch.nn.Module") -> "dict[str, torch.Tensor]":
    """Copies of the weights that learn, by name."""
    return {n: p.detach().clone() for n, p in network.named_parameters() if p.requires_grad}


def _pull_back(run: _Run, closeness: float) -> None:
    """Move the weights towards the first ones, by `closeness` times the learning rate."""
    import torch

    share = min(1.0, closeness * float(run.optimiser.param_groups[0]["lr"]))
    with torch.no_grad():
        for name, parameter in run.network.named_parameters() if run.first else ():
            if name in run.first:
                parameter.lerp_(run.first[name], share)


def _blend(average: "torch.nn.Module", network: "torch.nn.Module", decay: float) -> None:
    import torch

    with torch.no_grad():
        latest = network.state_dict()
        for name, tensor in average.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(latest[name], 1 - decay)
            else:
                tensor.copy_(latest[name])


def _share(done: float, settings: FitSettings) -> float:
    """Share of the full learning rate when `done` (0 to 1) of the training is over."""
    warmup = settings.warmup
    if done < warmup:
        return done / warmup + 1e-3
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "halving":
        return 0.5 ** max(0, math.floor((done - _HALVED_FROM) / (1 - _HALVED_FROM) * 10) + 1)
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def _message(history: list[Epoch]) -> str:
    if not history:
        return "Training"
    last = history[-1]
    score = "" if last.score is None else f", held-out score {last.score:.3f}"
    return f"Training, loss {last.loss:.3f}{score}"


def records(history: list[Epoch]) -> list[dict[str, float | int | None]]:
    """The record of each epoch as plain dictionaries, for model cards and files."""
    return [asdict(epoch) for epoch in history]
