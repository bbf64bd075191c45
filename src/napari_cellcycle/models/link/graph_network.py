"""The graph network behind `cellcycle-links`: cells are nodes, candidate links are edges.

Messages go both ways in time. At each cell the candidates of its past, and those of its
future, compete for attention by softmax, so that a link is weighed together with its rivals
(compare the parental softmax of Gallusser & Weigert, ECCV 2024).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from napari_cellcycle.models.link.encoder import CellEncoder

LIMIT = 12.0
"""Energies are squashed to +-LIMIT: no candidate is ever beyond doubt."""


@dataclass(frozen=True)
class GraphInput:
    """Part of a movie as tensors: n cells, m candidate links, k candidate divisions.

    `looks` (n, f) and `seen` (n, width; embedded views) describe cells, `link` (m, g) and
    `division` (k, h) candidates; `parent`, `child` (m,) are rows of cells, `first`, `second`
    (k,) rows of links, those to the two daughters.
    """

    looks: torch.Tensor
    seen: torch.Tensor
    link: torch.Tensor
    division: torch.Tensor
    parent: torch.Tensor
    child: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor


class Standardise(nn.Module):
    """Subtracts a remembered mean, divides by a remembered spread, and cuts off extremes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def remember(self, values: torch.Tensor) -> None:
        """Take mean and spread from typical `values` (n, width)."""
        self.mean.copy_(values.mean(0))
        self.scale.copy_(values.std(0).clamp(min=0.05))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Standardise (n, width)."""
        return ((values - self.mean) / self.scale).clamp(-5, 5)


class Rivalry(MessagePassing):
    """What a cell hears from its candidates on one side, past or future.

    Each head gives every candidate a share of attention; the shares of rivals and of "none
    of them" sum to 1.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.heads = heads
        self.appeal = nn.Linear(width, heads)
        self.nobody = nn.Linear(width, heads)
        self.from_edge = nn.Linear(width, width)
        self.from_cell = nn.Linear(width, width, bias=False)

    def forward(
        self, cells: torch.Tensor, edges: torch.Tensor, ends: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Sum for each cell (n, width) over `edges` (m, width) from `ends[0]` to `ends[1]`."""
        n = len(cells)
        everyone = torch.arange(n, device=cells.device)
        appeal = torch.cat([self.appeal(edges), self.nobody(cells)])
        share = softmax(appeal, torch.cat([ends[1], everyone]), num_nodes=n)[: len(edges)]
        return self.propagate(
            torch.stack(ends),
            x=self.from_cell(cells),
            edge=self.from_edge(edges),
            share=share,
            size=(n, n),
        )

    def message(self, x_j: torch.Tensor, edge: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Weigh what the other cell and the edge say, head by head."""
        said = torch.relu(x_j + edge)
        by_head = said.unflatten(1, (self.heads, said.shape[1] // self.heads))
        return (by_head * share.unsqueeze(-1)).flatten(1)


class Round(nn.Module):
    """One exchange: cells hear their past and their future, then links hear their cells."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.past, self.future = Rivalry(width), Rivalry(width)
        self.cell_norm, self.edge_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.cell = _perceptron(3 * width, width, width)
        self.edge = _head(width, width)
        self.of_parent = nn.Linear(width, width, bias=False)
        self.of_child = nn.Linear(width, width, bias=False)

    def forward(
        self, cells: torch.Tensor, edges: torch.Tensor, given: GraphInput
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Renew the states of cells (n, width) and of links (m, width)."""
        h, e = self.cell_norm(cells), self.edge_norm(edges)
        past = self.past(h, e, (given.parent, given.child))
        future = self.future(h, e, (given.child, given.parent))
        cells = cells + self.cell(torch.cat([h, past, future], 1))
        both = self.of_parent(cells)[given.parent] + self.of_child(cells)[given.child]
        return cells, edges + self.edge(e + both)


class GraphNetwork(nn.Module):
    """Energies of candidate links and divisions from cells, their views and their relations.

    The energy of a candidate is its log-odds against "no such thing" as long as it has no
    rivals; rivals compete by softmax.
    """

    def __init__(
        self, looks: int, links: int, divisions: int, *, width: int = 48, rounds: int = 3,
        seen: int = 32, channels: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        self.shape: dict[str, Any] = {
            "looks": looks, "links": links, "divisions": divisions,
            "width": width, "rounds": rounds, "seen": seen, "channels": channels,
        }  # fmt: skip
        self.seen = seen
        self.encoder = CellEncoder(channels, seen)
        self.looks, self.links = Standardise(looks), Standardise(links)
        self.divisions = Standardise(divisions)
        self.cell = _perceptron(looks + seen, width, width)
        self.link = nn.Linear(links, width)
        self.of_parent = nn.Linear(looks + seen, width)
        self.of_child = nn.Linear(looks + seen, width)
        self.unlike = nn.Linear(looks + seen, width)
        self.edge = _head(width, width)
        self.rounds = nn.ModuleList(Round(width) for _ in range(rounds))
        self.to_link = _head(width, 1)
        self.division = nn.Linear(divisions, width)
        self.of_links = nn.Linear(2 * width, width)
        self.of_cells = nn.Linear(2 * width, width)
        self.to_division = _head(width, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, given: GraphInput) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies (m,) of links and (k,) of divisions."""
        own = self.describe(given.looks, given.seen)
        cells = self.cell(own)
        parent, child = given.parent, given.child
        edges = self.first_state(
            given.link, own[parent] - own[child],
            self.of_parent(own)[parent] + self.of_child(own)[child],
        )  # fmt: skip
        for exchange in self.rounds:
            cells, edges = exchange(cells, edges, given)
        first, second = given.first, given.second
        division = self.division_energy(
            given.division,
            (edges[first], edges[second]),
            cells[parent[first]],
            cells[child[first]] + cells[child[second]],
        )
        return self.link_energy(edges), division

    def describe(self, looks: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """What is known of each cell for itself (n, f), from looks and embedded views."""
        return self.drop(torch.cat([self.looks(looks), seen], 1))

    def first_state(
        self, link: torch.Tensor, unlike: torch.Tensor, ends: torch.Tensor
    ) -> torch.Tensor:
        """States (m, width) of links before any round.

        `unlike` (m, f) is what parent and child differ by, `ends` (m, width) what they say.
        """
        relation = self.link(self.drop(self.links(link)))
        return self.edge(relation + self.unlike(unlike.abs()) + ends)

    def link_energy(self, edges: torch.Tensor) -> torch.Tensor:
        """Energies (m,) of links from their last states."""
        return _limited(self.to_link(edges).squeeze(1))

    def division_energy(
        self,
        division: torch.Tensor,
        links: tuple[torch.Tensor, torch.Tensor],
        mother: torch.Tensor,
        daughters: torch.Tensor,
    ) -> torch.Tensor:
        """Energies (k,) of divisions from the last states of their links and cells (k, width).

        `daughters` is the sum of both.
        """
        one, two = links
        energy = self.to_division(
            self.division(self.drop(self.divisions(division)))
            + self.of_links(torch.cat([one + two, (one - two).abs()], 1))
            + self.of_cells(torch.cat([mother, daughters], 1))
        )
        return _limited(energy.squeeze(1))


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs),
    )  # fmt: skip


def _head(width: int, outputs: int) -> nn.Sequential:
    """A perceptron on a state that has not been through a nonlinearity yet."""
    return nn.Sequential(
        nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )  # fmt: skip


def _limited(energy: torch.Tensor) -> torch.Tensor:
    return LIMIT * torch.tanh(energy / LIMIT)
