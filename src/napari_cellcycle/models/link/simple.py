"""The `simple` link model as it is used: numpy alone, so that linking starts at once."""

import numpy as np

from napari_cellcycle.errors import MissingModel
from napari_cellcycle.features.graph import (
    CellGraph,
    division_features,
    link_features,
    link_geometry,
)
from napari_cellcycle.models.link.scores import Scores, probabilities
from napari_cellcycle.models.store import Model
from napari_cellcycle.progress import Progress, silent

_LIMIT = 12.0
_BLOCK = 8_000


class SimpleLinker:
    """Gives each candidate link and division a probability, from hand-made features."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self._weights = weights

    @classmethod
    def open(cls, model: Model) -> "SimpleLinker":
        """Load stored weights. Raises `MissingModel` if they are not of this kind."""
        from safetensors.numpy import load_file

        try:
            weights = load_file(model.path)
        except Exception as error:
            raise MissingModel(
                f"The weights in {model.path} cannot be read ({error}); "
                "expected a complete safetensors file; get the file again."
            ) from error
        if "link.weights.0" not in weights or "division.weights.0" not in weights:
            raise MissingModel(
                f"The weights in {model.path} hold no perceptrons for links and divisions; "
                "choose a link model such as 'simple'."
            )
        return cls(weights)

    def __call__(self, graph: CellGraph, progress: Progress = silent) -> Scores:
        """Score all candidates of `graph`, a block at a time."""
        geometry = link_geometry(graph)
        c = graph.candidates
        blocks = -(-len(c) // _BLOCK), -(-len(c.first) // _BLOCK)
        energies: list[np.ndarray] = []
        for part, features, count, before in (
            ("link", link_features, blocks[0], 0),
            ("division", division_features, blocks[1], blocks[0]),
        ):
            parts = [np.empty(0)]
            for block in range(count):
                progress(before + block, sum(blocks), "Linking cells")
                rows = slice(block * _BLOCK, (block + 1) * _BLOCK)
                parts.append(self.energies(part, features(graph, geometry, rows)))
            energies.append(np.concatenate(parts))
        return probabilities(c, energies[0], energies[1], n_cells=len(graph.frame))

    def energies(self, part: str, features: np.ndarray) -> np.ndarray:
        """Energy of each row of `features`; `part` is "link" or "division"."""
        w = self._weights
        if features.shape[1] != len(w[f"{part}.mean"]):
            raise MissingModel(
                f"The link model knows {len(w[f'{part}.mean'])} features, but this version "
                f"measures {features.shape[1]}; train it again, or choose 'simple'."
            )
        x = features - w[f"{part}.mean"]
        x /= w[f"{part}.scale"]
        np.clip(x, -5, 5, out=x)
        first = w[f"{part}.weights.0"]
        hidden = x @ np.concatenate(list(first), axis=1)
        members = np.split(hidden, len(first), axis=1)
        total = np.zeros(len(x))
        for member, x in enumerate(members):
            for i in range(3):
                if i:
                    x = np.maximum(x, 0) @ w[f"{part}.weights.{i}"][member]
                x = x + w[f"{part}.biases.{i}"][member]
            total += _LIMIT * np.tanh(x[:, 0] / _LIMIT)
        return np.asarray(total / len(members))
