"""The small network behind the `simple` link model, in torch, for training."""

from itertools import pairwise

import torch
from torch import nn

LIMIT = 12.0
"""Energies are squashed to +-LIMIT: no candidate is ever beyond doubt."""


class LinkNetwork(nn.Module):
    """A few perceptrons side by side that give energies to links and to divisions.

    The energy of a candidate is its log-odds against "no such thing" as long as it has no
    rivals; rivals compete by softmax. The members of the ensemble are trained together but
    do not know of each other; their mean energy is used.
    """

    def __init__(
        self, link_features: int, division_features: int, hidden: int = 32, members: int = 4
    ) -> None:
        super().__init__()
        self.link = Perceptrons(link_features, hidden, members)
        self.division = Perceptrons(division_features, hidden, members)

    def forward(
        self, links: torch.Tensor, divisions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies (members, n) of links (n, f) and (members, m) of divisions (m, g)."""
        return self.link(links), self.division(divisions)


class Perceptrons(nn.Module):
    """`members` perceptrons with two hidden layers, from features to one energy each."""

    def __init__(self, features: int, hidden: int, members: int, drop: float = 0.1) -> None:
        super().__init__()
        sizes = (features, hidden, hidden, 1)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(members, a, b) * (2 / a) ** 0.5) for a, b in pairwise(sizes)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(members, 1, b)) for b in sizes[1:])
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.drop = nn.Dropout(drop)

    def standardise(self, features: torch.Tensor) -> None:
        """Remember mean and spread of typical `features` (n, f)."""
        self.mean.copy_(features.mean(0))
        self.scale.copy_(features.std(0).clamp(min=0.05))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Energies (members, n) of `features` (n, f)."""
        x = ((features - self.mean) / self.scale).clamp(-5, 5).unsqueeze(0)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x.expand(len(weight), -1, -1), weight)
            if i < len(self.weights) - 1:
                x = self.drop(torch.relu(x))
        return LIMIT * torch.tanh(x.squeeze(-1) / LIMIT)
