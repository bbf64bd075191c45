"""The `cellcycle-links` model as it is used: embed cells as they are seen, score their links."""

from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.graph import CellGraph
from napari_cellcycle.features.views import CHANNELS, SIZE, views
from napari_cellcycle.models.link.scores import Scores, probabilities
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.link.graph_network import GraphNetwork

CELLS_AT_ONCE = 1_000, 50_000
"""Cells whose links are computed together, on the processor and elsewhere."""


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
        cells_at_once: int | None = None,
    ) -> None:
        self.network = network.eval().to(device)
        self.device = device
        self.cells_at_once = cells_at_once or CELLS_AT_ONCE[str(device) != "cpu"]

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
            return self.network.encoder(batch).cpu().numpy()

    def __call__(
        self, graph: CellGraph, seen: np.ndarray | None = None, progress: Progress = silent
    ) -> Scores:
        """Score all candidates of `graph`, of whose cells the eye has `seen` (n, width) or None.

        Movies of any length are scored a few frames at a time; see `Stream`.
        """
        from napari_cellcycle.models.link.stream import Stream

        n = len(graph.frame)
        if seen is None:
            blank = np.zeros((1, len(CHANNELS), SIZE, SIZE), np.float16)
            seen = np.broadcast_to(self.embed(blank), (n, self.network.seen))
        stream = Stream(self.network, graph, seen, self.cells_at_once, self.device)
        return probabilities(graph.candidates, *stream.energies(progress), n_cells=n)
