"""The embedding that tells cells apart, and the losses it is learned by.

All losses take embeddings (n, d) of length 1 and ids (n,); pairs of one id belong together.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from napari_cellcycle.features.paper import LEARNED
from napari_cellcycle.models.resnet import ResNet18


class Embedder(nn.Module):
    """A ResNet-18 trunk and one linear layer to 128 numbers, scaled to length 1."""

    def __init__(self, ndim: int = 2, width: int = 64) -> None:
        super().__init__()
        self.trunk = ResNet18(ndim, width)
        self.embedder = nn.Linear(self.trunk.features, LEARNED)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, 128) of crops (n, [Z,] Y, X)."""
        return functional.normalize(self.embedder(self.trunk(crops.unsqueeze(1))), dim=1)


def embed(
    network: nn.Module, crops: np.ndarray, device: torch.device, batch: int = 64
) -> np.ndarray:
    """Embeddings (n, 128) of any number of crops (n, [Z,] Y, X), float32."""
    found = [np.empty((0, LEARNED), np.float32)]
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            part = torch.from_numpy(crops[start : start + batch]).to(device)
            found.append(network(part).cpu().numpy())
    return np.concatenate(found)


class Pairs(NamedTuple):
    """Which pairs (n, n) of anchor and other count, as positive and as negative."""

    positive: torch.Tensor
    negative: torch.Tensor


def all_pairs(ids: torch.Tensor) -> Pairs:
    """Every pair of two different crops."""
    same = ids[:, None] == ids[None, :]
    return Pairs(same & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device), ~same)


def mine_pairs(embeddings: torch.Tensor, ids: torch.Tensor, epsilon: float = 0.1) -> Pairs:
    """The pairs that are hard for their anchor (multi-similarity mining, Wang et al. 2019).

    A negative counts if it is more alike than the least alike positive less `epsilon`; a
    positive if it is less alike than the most alike negative plus `epsilon`.
    """
    alike = (embeddings @ embeddings.T).detach()
    pairs = all_pairs(ids)
    infinite = torch.full_like(alike, torch.inf)
    least_positive = torch.where(pairs.positive, alike, infinite).amin(1, keepdim=True)
    most_negative = torch.where(pairs.negative, alike, -infinite).amax(1, keepdim=True)
    return Pairs(
        pairs.positive & (alike - epsilon < most_negative),
        pairs.negative & (alike + epsilon > least_positive),
    )


def multi_similarity_loss(
    embeddings: torch.Tensor,
    ids: torch.Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    epsilon: float | None = 0.1,
) -> torch.Tensor:
    """Multi-similarity loss (Wang et al. 2019), mean over anchors; `epsilon` None mines nothing."""
    alike = embeddings @ embeddings.T
    pairs = all_pairs(ids) if epsilon is None else mine_pairs(embeddings, ids, epsilon)
    zero = torch.zeros_like(alike[:, :1])
    pull = _log_sum(alpha * (base - alike), pairs.positive, zero) / alpha
    push = _log_sum(beta * (alike - base), pairs.negative, zero) / beta
    return (pull + push).mean()


def circle_loss(
    embeddings: torch.Tensor, ids: torch.Tensor, *, margin: float = 0.25, gamma: float = 128.0
) -> torch.Tensor:
    """Circle loss (Sun et al. 2020), mean over the anchors with a loss."""
    alike = embeddings @ embeddings.T
    pairs = all_pairs(ids)
    pull = torch.relu(1 + margin - alike.detach()) * (1 - margin - alike)
    push = torch.relu(alike.detach() + margin) * (alike - margin)
    total = _log_sum(gamma * pull, pairs.positive) + _log_sum(gamma * push, pairs.negative)
    both = pairs.positive.any(1) & pairs.negative.any(1)
    return _mean_above_zero(functional.softplus(total[both]))


def triplet_loss(
    embeddings: torch.Tensor, ids: torch.Tensor, *, margin: float = 0.25
) -> torch.Tensor:
    """Triplet loss on semi-hard triplets (Schroff et al. 2015), mean over those with a loss.

    Semi-hard: the negative is farther than the positive, but by no more than `margin`.
    """
    away = (2 - 2 * embeddings @ embeddings.T).clamp(min=1e-12).sqrt()
    pairs = all_pairs(ids)
    ahead = away[:, None, :] - away[:, :, None]
    counts = pairs.positive[:, :, None] & pairs.negative[:, None, :]
    counts = counts & (ahead > 0) & (ahead <= margin)
    return _mean_above_zero(torch.relu(margin - ahead[counts]))


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "multi-similarity": multi_similarity_loss,
    "circle": circle_loss,
    "triplet": triplet_loss,
}


def _log_sum(values: torch.Tensor, counts: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
    """Log of the sum of exp over the pairs of each anchor that count, and over `more` columns."""
    kept = values.masked_fill(~counts, -1e30)
    return torch.cat([kept, *more], 1).logsumexp(1)


def _mean_above_zero(losses: torch.Tensor) -> torch.Tensor:
    above = losses > 0
    return losses[above].mean() if above.any() else losses.sum() * 0


def precision_at_1(embeddings: np.ndarray, ids: np.ndarray, block: int = 2048) -> float:
    """Share of crops whose nearest other crop is of the same cell; mean of the cells' means.

    Cells seen once have nobody to be near to and are left out.
    """
    cells, cell, count = np.unique(ids, return_inverse=True, return_counts=True)
    right = np.zeros(len(ids))
    for start in range(0, len(ids), block):
        alike = embeddings[start : start + block] @ embeddings.T
        rows = np.arange(len(alike))
        alike[rows, rows + start] = -np.inf
        right[start : start + block] = ids[alike.argmax(1)] == ids[start : start + block]
    mean = np.bincount(cell, right, minlength=len(cells)) / count
    often = count > 1
    return float(mean[often].mean()) if often.any() else 0.0
