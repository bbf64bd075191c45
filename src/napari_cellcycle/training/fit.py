"""The one training loop: what a batch and a loss are, each task says for itself."""

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_cellcycle.config import Settings
from napari_cellcycle.progress import Progress, silent

if TYPE_CHECKING:
    import torch


class FitSettings(Settings):
    """How long and how fast a network learns (AdamW, warm-up, then a cosine to zero)."""

    epochs: int = 40
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.05
    clip: float = 5.0
    average: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """One pass over the examples: mean loss, held-out score (higher is better), seconds."""

    number: int
    loss: float
    score: float | None
    seconds: float


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


def fit(
    network: "torch.nn.Module",
    task: Task,
    settings: FitSettings,
    *,
    progress: Progress = silent,
) -> list[Epoch]:
    """Train `network` in place and return the record of each epoch.

    With held-out scores the best epoch's weights are kept, otherwise the last ones. If
    `settings.average` is positive, an exponential moving average of the weights with that
    decay (Polyak averaging) is what is scored and kept.
    """
    import torch

    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    average = copy.deepcopy(network) if settings.average else network
    steps = settings.epochs * len(task)
    best: tuple[float, dict[str, torch.Tensor]] | None = None
    history: list[Epoch] = []
    for number in range(settings.epochs):
        start = time.perf_counter()
        losses = []
        network.train()
        for step, batch in enumerate(task.batches(rng), start=number * len(task)):
            progress(step, steps, _message(history))
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * _schedule(step / steps, settings.warmup)
            losses.append(_step(network, task, batch, optimiser, settings.clip))
            if average is not network:
                _blend(average, network, settings.average)
        average.eval()
        with torch.inference_mode():
            score = task.score(average)
        seconds = time.perf_counter() - start
        history.append(Epoch(number + 1, float(np.mean(losses)), score, seconds))
        if score is not None and (best is None or score >= best[0]):
            best = score, copy.deepcopy(average.state_dict())
    network.load_state_dict(best[1] if best else average.state_dict())
    network.eval()
    progress(steps, steps, _message(history))
    return history


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
    torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    return float(loss.detach())


def _blend(average: "torch.nn.Module", network: "torch.nn.Module", decay: float) -> None:
    import torch

    with torch.no_grad():
        latest = network.state_dict()
        for name, tensor in average.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(latest[name], 1 - decay)
            else:
                tensor.copy_(latest[name])


def _schedule(share: float, warmup: float) -> float:
    if share < warmup:
        return share / warmup + 1e-3
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))


def _message(history: list[Epoch]) -> str:
    if not history:
        return "Training"
    last = history[-1]
    score = "" if last.score is None else f", held-out score {last.score:.3f}"
    return f"Training, loss {last.loss:.3f}{score}"


def records(history: list[Epoch]) -> list[dict[str, float | int | None]]:
    """The record of each epoch as plain dictionaries, for model cards and files."""
    return [asdict(epoch) for epoch in history]
