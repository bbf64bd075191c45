"""Several recurrent networks that were trained each by itself and are asked together."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from napari_cellcycle.models.stage.recurrent import RecurrentNetwork, Seen


class RecurrentEnsemble(nn.Module):
    """The mean chances of several recurrent networks of one shape (Lakshminarayanan et al. 2017).

    It is used, and taught further, as one `RecurrentNetwork` would be: logits are the logarithms
    of the mean chances, and the centre cell is the mean of what all draw.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def eye(self, crops: torch.Tensor) -> Seen:
        """What the members make of crops: their features side by side (n, M F), and the centre."""
        seen = [member.eye(crops) for member in self._members]
        centre = torch.stack([each.centre for each in seen]).mean(0)
        return Seen(torch.cat([each.features for each in seen], dim=1), centre)

    def forward(
        self, images: torch.Tensor, level: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and centre cells as of `RecurrentNetwork.forward`."""
        told = [member(images, level, valid) for member in self._members]
        if self.training and torch.is_grad_enabled() and images.device.type == "cpu":
            told = learned_apart(told)
        return _mean_chance([logits for logits, _ in told]), torch.stack(
            [centre for _, centre in told]
        ).mean(0)

    def follow(
        self, features: torch.Tensor, parent: np.ndarray, frames: list[np.ndarray]
    ) -> torch.Tensor:
        """Logits (n, S) of cells whose features (n, M F + 1) were seen, along their lineages."""
        own = features[:, :-1].chunk(len(self.members), dim=1)
        return _mean_chance(
            [
                member.follow(torch.cat([seen, features[:, -1:]], dim=1), parent, frames)
                for member, seen in zip(self._members, own, strict=True)
            ]
        )

    @property
    def _members(self) -> list[RecurrentNetwork]:
        return cast("list[RecurrentNetwork]", list(self.members))


def learned_apart(told: list[tuple[torch.Tensor, ...]]) -> list[tuple[torch.Tensor, ...]]:
    """The same tensors of each member, whose gradients are followed by a thread for each.

    On small images several threads at one product mostly wait for each other, so each member has
    one of its own. With one thread in all, nothing changes.
    """
    if torch.get_num_threads() == 1 or not all(
        part.requires_grad for each in told for part in each
    ):
        return told
    flat = _Apart.apply(torch.zeros((), requires_grad=True), told)
    parts = iter(flat)
    return [tuple(next(parts) for _ in each) for each in told]


class _Apart(torch.autograd.Function):
    """Cuts a graph in front of several members, and follows what is behind side by side."""

    @staticmethod
    def forward(
        ctx: Any, _lead: torch.Tensor, told: list[tuple[torch.Tensor, ...]]
    ) -> tuple[torch.Tensor, ...]:
        ctx.told = told
        return tuple(part.detach() for each in told for part in each)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None]:
        threads, rest = torch.get_num_threads(), iter(gradients)
        jobs = [(each, [next(rest) for _ in each]) for each in ctx.told]

        def follow(job: tuple[tuple[torch.Tensor, ...], list[torch.Tensor]]) -> None:
            torch.set_num_threads(1)
            torch.autograd.backward(*job)

        try:
            with ThreadPoolExecutor(min(threads, len(jobs))) as pool:
                list(pool.map(follow, jobs))
        finally:
            torch.set_num_threads(threads)
        return None, None


def recurrent_network(
    stages: int, *, width: int = 16, features: int = 96, hidden: int = 64, members: int = 1
) -> RecurrentNetwork | RecurrentEnsemble:
    """A new network for so many stages, or `members` of them together."""
    drawn = [RecurrentNetwork(stages, width, features, hidden) for _ in range(members)]
    return drawn[0] if members == 1 else RecurrentEnsemble(drawn)


def _mean_chance(logits: list[torch.Tensor]) -> torch.Tensor:
    """Logarithm of the mean of the chances that logits (..., S) stand for."""
    told = torch.stack([each.log_softmax(-1) for each in logits])
    return torch.logsumexp(told, dim=0) - float(np.log(len(logits)))
