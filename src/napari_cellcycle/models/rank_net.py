"""Small networks that judge cells by what is measured of them.

Annotated cells number hundreds, too few for a network to learn from pixels what matters. So traits
are measured, and each is replaced by its rank among the cells learned from, which makes outliers
harmless. Several small networks judge, and their mean counts; a linear discriminant may judge
beside them, for half of the result.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellcycle.models.discriminant import linear_discriminant

MEMBERS, HIDDEN = 8, 48
"""Networks, and their hidden units."""
_LEVELS = 129
_OUTERMOST = 0.003
_RIDGE, _CALM = 0.43, 2.8
"""How round the discriminant takes classes to be, and by what its logits are divided."""


class RankNet(nn.Module):
    """Logits (members, n, K) of ranked traits (1 or members, n, F), see `ranked`.

    Ranks are those among `levels`, set by `know`; a trait that had one value has rank 0. With
    `linear` there is a linear discriminant beside the members, set by `discriminate`.
    """

    levels: Tensor
    slopes: Tensor | None
    offsets: Tensor

    def __init__(
        self,
        classes: int,
        traits: int,
        members: int = MEMBERS,
        hidden: int = HIDDEN,
        dropout: float = 0.5,
        *,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.traits, self.members = classes, traits, members
        self.hidden = nn.Parameter(torch.randn(members, traits, hidden) / traits**0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(members, 1, hidden))
        self.out = nn.Parameter(torch.randn(members, hidden, classes) / hidden**0.5)
        self.out_bias = nn.Parameter(torch.zeros(members, 1, classes))
        self.register_buffer("levels", torch.zeros(_LEVELS, traits))
        self.register_buffer("slopes", torch.zeros(traits, classes) if linear else None)
        if linear:
            self.register_buffer("offsets", torch.zeros(classes))
        self.dropout = dropout

    def know(self, traits: np.ndarray) -> None:
        """Take the traits (n, F) of the cells learned from, n > 0, for the usual ones."""
        shares = np.linspace(0, 1, len(self.levels))
        self.levels.copy_(torch.from_numpy(np.quantile(traits, shares, axis=0)))

    def ranked(self, traits: Tensor) -> Tensor:
        """Traits (n, F) as if they were normally distributed in the cells learned from."""
        levels, values = self.levels.T.contiguous(), traits.T.contiguous()
        below = torch.searchsorted(levels, values)
        share = (below + torch.searchsorted(levels, values, right=True)) / (2 * len(self.levels))
        share = share.clamp(_OUTERMOST, 1 - _OUTERMOST)
        known = levels[:, :1] < levels[:, -1:]
        return torch.where(known, 2**0.5 * torch.erfinv(2 * share - 1), 0.0).T

    def discriminate(self, traits: np.ndarray, classes: np.ndarray, chances: np.ndarray) -> None:
        """Fit the linear discriminant to traits (n, F) of known classes (n,).

        `chances` (n,) say how much each counts; a class without a cell is never told.
        """
        if self.slopes is None:
            raise TypeError("only a network made with linear=True has a discriminant")
        ranks = self.ranked(torch.from_numpy(traits).to(self.levels)).double().cpu().numpy()
        told = np.eye(self.classes)[classes] * chances[:, None]
        slopes, offsets = linear_discriminant(ranks, told, _RIDGE)
        offsets[told.sum(axis=0) == 0] = -np.inf
        self.slopes.copy_(torch.from_numpy(slopes / _CALM))
        self.offsets.copy_(torch.from_numpy(offsets / _CALM))

    def forward(self, ranks: Tensor) -> Tensor:
        """Logits (members, n, K)."""
        ranks = functional.dropout(ranks, 0.4 * self.dropout, self.training)
        hidden = functional.gelu(ranks @ self.hidden + self.hidden_bias)
        hidden = functional.dropout(hidden, self.dropout, self.training)
        return hidden @ self.out + self.out_bias


def tell(network: RankNet, traits: np.ndarray) -> np.ndarray:
    """Probabilities (n, K), float32, of cells with traits (n, F).

    The mean of all members', and of the linear discriminant's if there is one.
    """
    if not len(traits):
        return np.zeros((0, network.classes), np.float32)
    with torch.inference_mode():
        given = torch.from_numpy(np.asarray(traits, np.float32)).to(network.levels.device)
        ranks = network.ranked(given)
        chances = network(ranks[None]).softmax(-1).mean(0)
        if network.slopes is not None:
            linear = (ranks @ network.slopes + network.offsets).softmax(-1)
            chances = (chances + linear) / 2
    return np.asarray(chances.cpu().numpy(), np.float32)
