"""The graph network run along a movie, so that nothing is computed twice and little is kept.

A round of the network needs the states that the round before gave to cells some frames on. So
the frames are cut into blocks, each at least as long as links reach, and every round follows
the one before by one block: `GraphNetwork.forward` for all frames at once, out of states of the
few blocks in between. Within a block the links of some cells at a time are computed, so few
that the processor's caches hold them. Neither blocks nor parts show in the result.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch

from napari_cellcycle.features.candidates import frame_starts
from napari_cellcycle.features.graph import CellGraph
from napari_cellcycle.features.relations import (
    Pace,
    links_from,
    relate_divisions,
    relate_links,
    usual_steps,
)
from napari_cellcycle.models.link.graph_network import GraphNetwork, Rivalry, Round
from napari_cellcycle.progress import Progress, silent

MOST_APPEAL = 60.0
"""More is cut off, so that sums of exponentials stay within float32."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """Some of a block's cells, the links that begin at them, and pairs of these.

    Slices are rows of the block; `parent`, `child` (m,) count cells from the block's first, on
    into the next block.
    """

    links: slice
    divisions: slice
    parent: torch.Tensor
    child: torch.Tensor


@dataclass(eq=False)
class Block:
    """A few frames with the links that begin in them, and the latest states of both.

    `links` and `divisions` are rows of the movie's candidates, `relations` (m, g) those of the
    links. `own` (n, f) is what is known of each cell for itself; `cells` (n, width) are its
    states, `as_parent` and `as_child` what these tell the links. `edges` (m, width) are the
    states of links, `normal` what the last round, `exchange`, heard of them.
    """

    graph: CellGraph
    links: slice
    divisions: slice
    relations: np.ndarray
    parts: list[Part]
    own: torch.Tensor
    cells: torch.Tensor
    as_parent: torch.Tensor
    as_child: torch.Tensor
    edges: torch.Tensor
    normal: torch.Tensor
    exchange: Round | None = None
    said: dict[str, torch.Tensor] = field(default_factory=dict)


class Stream:
    """One run of a network along a movie, `cells_at_once` in a part of a block."""

    def __init__(
        self,
        network: GraphNetwork,
        graph: CellGraph,
        seen: np.ndarray,
        cells_at_once: int,
        device: torch.device | str,
    ) -> None:
        self.network, self.graph, self.seen = network, graph, seen
        self.cells_at_once, self.device = cells_at_once, device
        self.pace, self.steps = Pace.of(graph), usual_steps(graph)

    def energies(self, progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
        """Energies of all candidate links (m,) and divisions (k,), float32."""
        c = self.graph.candidates
        link, division = np.empty(len(c), np.float32), np.empty(len(c.first), np.float32)
        bounds = self._bounds()
        with torch.inference_mode():
            blocks = self._begun(bounds)
            for exchange in self.network.rounds:
                assert isinstance(exchange, Round)
                blocks = self._renewed(exchange, blocks)
            for done, (block, after) in enumerate(_ahead(blocks)):
                progress(done, len(bounds) - 1, "Linking cells")
                link[block.links], division[block.divisions] = self._judged(block, after)
        return link, division

    def _bounds(self) -> list[int]:
        """First cells of the blocks, and the number of cells."""
        starts = frame_starts(self.graph.frame)
        longest = int(self.graph.candidates.gap.max(initial=1))
        times, frames = [0], len(starts) - 1
        for time in range(longest, frames - longest + 1):
            cells = starts[time] - starts[times[-1]]
            if time - times[-1] >= longest and cells >= self.cells_at_once:
                times.append(time)
        return [int(starts[time]) for time in [*times, frames]]

    def _begun(self, bounds: list[int]) -> Iterator[Block]:
        """Blocks with what is known of cells before any round."""
        c, network = self.graph.candidates, self.network
        links = np.searchsorted(c.parent, bounds)
        divisions = np.searchsorted(c.first, links)
        for number, begin in enumerate(bounds[:-1]):
            cells = slice(begin, bounds[number + 1])
            rows = slice(*links[number : number + 2].tolist())
            pairs = slice(*divisions[number : number + 2].tolist())
            graph = links_from(self.graph, rows, pairs)
            relations = relate_links(graph, self.pace, self.steps)
            own = network.describe(
                self._tensor(self.graph.looks[cells]), self._tensor(self.seen[cells])
            )
            edges = own.new_empty(rows.stop - rows.start, network.shape["width"])
            yield Block(
                graph, rows, pairs, relations, list(self._parts(graph, cells)),
                own, network.cell(own), network.of_parent(own), network.of_child(own),
                edges, torch.empty_like(edges),
            )  # fmt: skip

    def _parts(self, graph: CellGraph, cells: slice) -> Iterator[Part]:
        c = graph.candidates
        ends = [*range(cells.start, cells.stop, self.cells_at_once), cells.stop]
        links = np.searchsorted(c.parent, ends)
        divisions = np.searchsorted(c.first, links)
        for number in range(len(ends) - 1):
            rows = slice(*links[number : number + 2].tolist())
            pairs = slice(*divisions[number : number + 2].tolist())
            parent, child = (self._tensor(cell[rows] - cells.start) for cell in (c.parent, c.child))
            yield Part(rows, pairs, parent, child)

    def _renewed(self, exchange: Round, blocks: Iterator[Block]) -> Iterator[Block]:
        """Blocks after one more round: cells hear their past and their future.

        What is said to cells of the next block is kept until that block's turn.
        """
        heads = exchange.past.heads
        said_before: torch.Tensor | None = None
        for block, after in _ahead(_speaking(exchange, blocks)):
            said = {
                name: _joined(own, after.said[name] if after else None)
                for name, own in block.said.items()
            }
            n, width = block.cells.shape
            past = block.cells.new_zeros(len(said["normal"]), width + heads)
            renewed = self._edges(block, after)
            future = block.cells.new_zeros(n, width + heads)
            if said_before is not None:
                past[: len(said_before)] += said_before
            for part in block.parts:
                e = exchange.edge_norm(renewed(part))
                block.normal[part.links] = e
                for rivalry, name, total, start, end in (
                    (exchange.past, "past", past, part.parent, part.child),
                    (exchange.future, "future", future, part.child, part.parent),
                ):
                    heard = _heard(rivalry, e, said[f"to {name}"], said[f"no {name}"], start, end)
                    total.index_add_(0, end, heard)
            said_before = past[n:]
            sides = [block.said["normal"], _shared(past[:n], heads), _shared(future, heads)]
            block.cells = block.cells + exchange.cell(torch.cat(sides, 1))
            block.as_parent = exchange.of_parent(block.cells)
            block.as_child = exchange.of_child(block.cells)
            block.exchange = exchange
            yield block

    def _edges(self, block: Block, after: Block | None) -> Callable[[Part], torch.Tensor]:
        """Brings the states of a part's links up to the latest states of their cells."""
        children = _joined(block.as_child, after.as_child if after else None)
        own = _joined(block.own, after.own if after else None)

        def renewed(part: Part) -> torch.Tensor:
            ends = block.as_parent.index_select(0, part.parent)
            ends += children.index_select(0, part.child)
            if block.exchange is None:
                unlike = own.index_select(0, part.parent) - own.index_select(0, part.child)
                relations = self._tensor(block.relations[part.links])
                edges = self.network.first_state(relations, unlike, ends)
            else:
                ends += block.normal[part.links]
                edges = block.edges[part.links] + block.exchange.edge(ends)
            block.edges[part.links] = edges
            return edges

        return renewed

    def _judged(self, block: Block, after: Block | None) -> tuple[np.ndarray, np.ndarray]:
        """Energies of a block's links and divisions after the last round."""
        network, c = self.network, block.graph.candidates
        cells = _joined(block.cells, after.cells if after else None)
        renewed = self._edges(block, after)
        link, division = [torch.empty(0)], [torch.empty(0)]
        for part in block.parts:
            edges = renewed(part)
            link.append(network.link_energy(edges).cpu())
            first, second = (
                self._tensor(row[part.divisions] - part.links.start) for row in (c.first, c.second)
            )
            table = relate_divisions(block.graph, block.relations, self.pace, part.divisions)
            daughters = cells.index_select(0, part.child[first])
            daughters += cells.index_select(0, part.child[second])
            pair = edges.index_select(0, first), edges.index_select(0, second)
            mother = cells.index_select(0, part.parent[first])
            energy = network.division_energy(self._tensor(table), pair, mother, daughters)
            division.append(energy.cpu())
        return torch.cat(link).numpy(), torch.cat(division).numpy()

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


def _speaking(exchange: Round, blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks with what their cells say in a round, and how little they think of all rivals."""
    for block in blocks:
        h = exchange.cell_norm(block.cells)
        block.said = {"normal": h}
        for name, rivalry in (("past", exchange.past), ("future", exchange.future)):
            block.said[f"to {name}"] = rivalry.from_cell(h)
            block.said[f"no {name}"] = rivalry.nobody(h)
        yield block


def _heard(
    rivalry: Rivalry,
    edges: torch.Tensor,
    says: torch.Tensor,
    nobody: torch.Tensor,
    start: torch.Tensor,
    end: torch.Tensor,
) -> torch.Tensor:
    """What each link tells the cell at its `end`, weighed by its appeal, and that weight."""
    appeal = rivalry.appeal(edges) - nobody.index_select(0, end)
    weight = appeal.clamp_(max=MOST_APPEAL).exp_()
    said = rivalry.from_edge(edges)
    said += says.index_select(0, start)
    by_head = said.relu_().unflatten(1, (rivalry.heads, -1))
    by_head *= weight.unsqueeze(-1)
    return torch.cat([said, weight], 1)


def _shared(total: torch.Tensor, heads: int) -> torch.Tensor:
    """Sums of what was heard (n, width), by the shares of attention; 1 stands for "nobody"."""
    width = total.shape[1] - heads
    by_head = total[:, :width].unflatten(1, (heads, -1))
    return (by_head / (1 + total[:, width:]).unsqueeze(-1)).flatten(1)


def _joined(own: torch.Tensor, after: torch.Tensor | None) -> torch.Tensor:
    """Rows of a block, and the same of the next."""
    return own if after is None else torch.cat([own, after])


def _ahead(items: Iterator[Item]) -> Iterator[tuple[Item, Item | None]]:
    """Each item with the one after it."""
    former: Item | None = None
    for item in items:
        if former is not None:
            yield former, item
        former = item
    if former is not None:
        yield former, None
