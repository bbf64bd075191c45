"""The edge classifier of cell-tracker-gnn: message passing between cells and candidate links."""

import warnings
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from napari_cellcycle.models.link.paper.settings import PaperSettings

with warnings.catch_warnings():  # torch_geometric scripts itself on import, which torch deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import MessagePassing

BLOCKS = 6
NODE, EDGE = 32, 64
"""Numbers that describe a cell and a candidate link between the layers."""
_AT_ONCE = 200_000


class EdgeClassifier(nn.Module):
    """Log-odds of candidate links, from the features of the cells they join.

    With basic features the encoder of learned ones is absent, and that of the hand-made ones
    gives all 32 numbers of a cell; the rest is as published. The weights to begin with are not
    known; those here keep the spread of what passes through so many layers (He et al. 2015),
    without which training hardly starts.
    """

    def __init__(self, settings: PaperSettings) -> None:
        super().__init__()
        self.split = settings.hand
        widths = (16, 16) if settings.learned else (NODE, 0)
        self.hand = perceptron((settings.hand, 64, widths[0]), drop=0.4)
        self.learned = perceptron((settings.learned, 64, 16), drop=0.4) if widths[1] else None
        self.edge_inputs = settings.hand + settings.learned + 1 + 3 * NODE + 1
        self.edge = perceptron((self.edge_inputs, 128, EDGE), drop=0.4)
        self.blocks = nn.ModuleList(PassingBlock() for _ in range(BLOCKS))
        self.classifier = nn.Sequential(*perceptron((EDGE, 128, 32), drop=0.2), nn.Linear(32, 1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, nodes: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Log-odds (m,) of `edges` (2, m), rows of source and target in `nodes` (n, f)."""
        parts = [self.hand(nodes[:, : self.split])]
        if self.learned is not None:
            parts.append(self.learned(nodes[:, self.split :]))
        h = torch.cat(parts, 1)
        e = _over_edges(lambda i, j, _: self.edge(_compare(i, j, nodes, h)), edges)
        for block in self.blocks:
            h, e = block(h, e, edges)
        return _over_edges(lambda _, __, rows: self.classifier(e[rows]), edges)[:, 0]


class PassingBlock(nn.Module):
    """One round: cells hear from the past, links from the two cells they join."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = PathfinderConvolution(NODE, NODE, EDGE)
        self.edge = perceptron((EDGE + 3 * NODE + 1, 128, EDGE))

    def forward(
        self, h: torch.Tensor, e: torch.Tensor, edges: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """New states of cells (n, 32) and of links (m, 64)."""
        new = self.convolution(h, edges, e)
        e = _over_edges(
            lambda i, j, rows: self.edge(torch.cat([e[rows], *_states(i, j, new)], 1)), edges
        )
        return torch.relu(new), e


class PathfinderConvolution(MessagePassing):
    """Pathfinder discovery convolution (Rozemberczki et al. 2021).

    Each edge gets a weight in (0, 1) from its features; weights are normalised by the square
    roots of both ends' summed incoming weights, where each cell also hears itself with weight 1.
    """

    def __init__(self, before: int, after: int, edge: int, hidden: int = 16) -> None:
        super().__init__(aggr="add")
        self.linear = nn.Linear(before, after, bias=False)
        self.bias = nn.Parameter(torch.zeros(after))
        self.weigh = nn.Sequential(nn.Linear(edge, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, h: torch.Tensor, edges: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        """New states (n, after) of cells (n, before), from `edges` (2, m) with `e` (m, edge)."""
        weight = _over_edges(lambda _, __, rows: self.weigh(e[rows]), edges)[:, 0].sigmoid()
        incoming = torch.ones(len(h), dtype=h.dtype, device=h.device)
        scale = incoming.index_add(0, edges[1], weight).rsqrt()
        states = self.linear(h)
        weight = scale[edges[0]] * weight * scale[edges[1]]
        heard = self.propagate(edges, x=states, weight=weight)
        return heard + scale[:, None] ** 2 * states + self.bias

    def message(self, x_j: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """What travels along each edge."""
        return weight[:, None] * x_j


def perceptron(sizes: tuple[int, ...], drop: float = 0.0) -> nn.Sequential:
    """Linear layers, each followed by ReLU and, if any, dropout: after the last one too."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
        layers += [nn.Dropout(drop)] if drop else []
    return nn.Sequential(*layers)


def _compare(i: torch.Tensor, j: torch.Tensor, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    apart = [(x[i] - x[j]).abs(), functional.cosine_similarity(x[i], x[j])[:, None]]
    return torch.cat([*apart, *_states(i, j, h)], 1)


def _states(i: torch.Tensor, j: torch.Tensor, h: torch.Tensor) -> list[torch.Tensor]:
    """Both ends' states, how far they are apart, and the cosine between them."""
    a, b = h[i], h[j]
    return [a, b, (a - b).abs(), functional.cosine_similarity(a, b)[:, None]]


def _over_edges(
    compute: Callable[[torch.Tensor, torch.Tensor, slice], torch.Tensor], edges: torch.Tensor
) -> torch.Tensor:
    """`compute(source, target, rows)` for all edges; without gradients, in blocks."""
    m = edges.shape[1]
    step = m if torch.is_grad_enabled() else _AT_ONCE
    starts = range(0, max(m, 1), max(step, 1))
    rows = [slice(start, min(start + max(step, 1), m)) for start in starts]
    parts = [compute(edges[0, part], edges[1, part], part) for part in rows]
    return parts[0] if len(parts) == 1 else torch.cat(parts)
