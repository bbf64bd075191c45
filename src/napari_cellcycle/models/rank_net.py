"""Small networks that judge cells by what is measured of them.

Annotated cells number hundreds, too few for a network to learn from pixels what matters. So traits
are measured, and each is replaced by its rank among the cells learned from, which makes outliers
harmless. Several small networks judge, and their mean counts.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

MEMBERS, HIDDEN = 8, 48
"""Networks, and their hidden units."""
_LEVELS = 129
_OUTERMOST = 0.003


class RankNet(nn.Module):
    """Logits (members, n, K) of ranked traits (1 or members, n, F), see `ranked`.

    Ranks are those among `levels`, set by `know`; a trait that had one value has rank 0.
    """

    levels: Tensor

    def __init__(
        self,
        classes: int,
        traits: int,
        members: int = MEMBERS,
        hidden: int = HIDDEN,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.classes, self.traits, self.members = classes, traits, members
        self.hidden = nn.Parameter(torch.randn(members, traits, hidden) / traits**0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(members, 1, hidden))
        self.out = nn.Parameter(torch.randn(members, hidden, classes) / hidden**0.5)
        self.out_bias = nn.Parameter(torch.zeros(members, 1, classes))
        self.register_buffer("levels", torch.zeros(_LEVELS, traits))
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

    def forward(self, ranks: Tensor) -> Tensor:
        """Logits (members, n, K)."""
        ranks = functional.dropout(ranks, 0.4 * self.dropout, self.training)
        hidden = functional.gelu(ranks @ self.hidden + self.hidden_bias)
        hidden = functional.dropout(hidden, self.dropout, self.training)
        return hidden @ self.out + self.out_bias


def tell(network: RankNet, traits: np.ndarray) -> np.ndarray:
    """Probabilities (n, K), float32, of cells with traits (n, F): the mean of all members'."""
    if not len(traits):
        return np.zeros((0, network.classes), np.float32)
    with torch.inference_mode():
        given = torch.from_numpy(np.asarray(traits, np.float32)).to(network.levels.device)
        chances = network(network.ranked(given)[None]).softmax(-1).mean(0)
    return np.asarray(chances.cpu().numpy(), np.float32)
