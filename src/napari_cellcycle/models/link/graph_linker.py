"""The `cellcycle-links` model as it is used: embed cells as they are seen, score in windows."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.candidates import frame_starts
from napari_cellcycle.features.graph import CellGraph
from napari_cellcycle.features.relations import Pace, part_of, relate
from napari_cellcycle.features.views import CHANNELS, SIZE, views
from napari_cellcycle.models.link.scores import Scores, probabilities
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.link.graph_network import GraphNetwork

CELLS_AT_ONCE = 12_000, 150_000
"""Least and most cells of a window, without the frames around it that it also sees."""


class Eye:
    """Looks at every frame while it is measured and keeps a few numbers a cell."""

    def __init__(self, linker: "GraphLinker", unit_px: tuple[float, ...]) -> None:
        self._linker, self._unit_px = linker, unit_px
        self._parts: list[np.ndarray] = []

    def __call__(
        self, image: np.ndarray | None, mask: np.ndarray, table: dict[str, np.ndarray]
    ) -> None:
        """Look at one frame."""
        self._parts.append(self._linker.embed(views(image, mask, table, self._unit_px)))

    def seen(self) -> np.ndarray:
        """Numbers of all cells so far (n, width), in the order of the table of cells."""
        return np.concatenate(self._parts)


class GraphLinker:
    """Gives each candidate link and division a probability, from everything around it."""

    def __init__(
        self,
        network: "GraphNetwork",
        device: "torch.device | str" = "cpu",
        cells_at_once: tuple[int, int] = CELLS_AT_ONCE,
    ) -> None:
        import torch

        self.network = network.eval().to(device)
        self.network.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device, self.cells_at_once = device, cells_at_once

    @classmethod
    def open(cls, model: Model, device: "torch.device | str" = "cpu") -> "GraphLinker":
        """Load stored weights. Raises `MissingModel` if they are not of this kind."""
        from napari_cellcycle.models.link.graph_network import GraphNetwork

        try:
            network = GraphNetwork(**model.card.settings["network"])
            network.load_state_dict(model.weights())
        except (KeyError, TypeError, RuntimeError) as error:
            raise MissingModel(
                f"The weights in {model.path} do not fit the graph network of this version "
                f"({error}); train the model again, or choose 'cellcycle-links'."
            ) from error
        return cls(network, device)

    def eye(self, unit: float, pixel_size: tuple[float, ...]) -> Eye:
        """Something to look at frames with; `unit` is the typical size of cells in um."""
        return Eye(self, tuple(unit / size for size in pixel_size))

    def embed(self, seen: np.ndarray) -> np.ndarray:
        """Numbers (n, width) for views (n, channels, side, side)."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(seen).to(self.device, torch.float32)
            batch = batch.contiguous(memory_format=torch.channels_last)
            return self.network.encoder(batch).cpu().numpy()

    def __call__(
        self, graph: CellGraph, seen: np.ndarray | None = None, progress: Progress = silent
    ) -> Scores:
        """Score all candidates of `graph`, of whose cells the eye has `seen` (n, width) or None.

        Movies of any length are scored in windows of frames. Each window is given as many
        frames more on both sides as messages can come from, so that windows do not show in the
        result.
        """
        c = graph.candidates
        if seen is None:
            blank = np.zeros((1, len(CHANNELS), SIZE, SIZE), np.float16)
            seen = np.broadcast_to(self.embed(blank), (len(graph.frame), self.network.seen))
        energies = np.zeros(len(c)), np.zeros(len(c.first))
        pace = Pace.of(graph)
        spans = list(self._windows(graph))
        for done, (span, around) in enumerate(spans):
            progress(done, len(spans), "Linking cells")
            part, links, divisions = part_of(graph, *around)
            found = self._energies(part, seen[slice(*around)], pace)
            parent = c.parent[links]
            own = (parent >= span[0]) & (parent < span[1])
            energies[0][links[own]] = found[0][own]
            mother = c.parent[c.first[divisions]]
            own = (mother >= span[0]) & (mother < span[1])
            energies[1][divisions[own]] = found[1][own]
        return probabilities(c, *energies, n_cells=len(graph.frame))

    def _windows(self, graph: CellGraph) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Rows of cells of each window, and of the window with what it also sees.

        Windows are at least as long as what they see on both sides, unless that is too much.
        """
        starts = frame_starts(graph.frame)
        longest = int(graph.candidates.gap.max(initial=1))
        reach = (len(self.network.rounds) + 2) * longest
        edges, frames = [0], len(starts) - 1
        for time in range(1, frames):
            cells = starts[time + 1] - starts[edges[-1]]
            is_long = time - edges[-1] >= 2 * reach
            if cells > self.cells_at_once[1] or (is_long and cells > self.cells_at_once[0]):
                edges.append(time)
        for first, last in pairwise([*edges, frames]):
            around = max(first - reach + longest, 0), min(last + reach, frames)
            yield (
                (int(starts[first]), int(starts[last])),
                (int(starts[around[0]]), int(starts[around[1]])),
            )

    def _energies(
        self, part: CellGraph, seen: np.ndarray, pace: Pace
    ) -> tuple[np.ndarray, np.ndarray]:
        import torch

        from napari_cellcycle.models.link.graph_network import GraphInput

        relations, c = relate(part, pace), part.candidates

        def tensor(values: np.ndarray) -> Any:
            return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

        given = GraphInput(
            tensor(part.looks), tensor(seen), tensor(relations.link), tensor(relations.division),
            tensor(c.parent), tensor(c.child), tensor(c.first), tensor(c.second),
        )  # fmt: skip
        with torch.inference_mode():
            link, division = self.network(given)
        return link.double().cpu().numpy(), division.double().cpu().numpy()
