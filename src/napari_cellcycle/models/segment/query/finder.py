"""Cells of an image with their places, masks and kinds: both steps of the point-based pipeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_cellcycle.errors import MissingModel
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.query.model import QueryModel, open_query_model
from napari_cellcycle.models.segment.query.prepare import COLOURS, colours_last, lit_colours
from napari_cellcycle.models.stage.model import CLASSIFIER, stages_of
from napari_cellcycle.models.store import Model, find_model

if TYPE_CHECKING:
    import torch

    from napari_cellcycle.models.rank_net import RankNet
    from napari_cellcycle.models.stage.cell_classifier import CellClassifier

KINDS = "kinds of cells"
"""The `architecture` on the card of the default classifier."""


class Teller(Protocol):
    """Tells the kinds of cells; `kinds` are their names."""

    kinds: tuple[str, ...]

    def __call__(self, image: np.ndarray, places: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Probabilities (n, K) of cells at `places` (n, 2), number i of value i + 1 in `masks`."""


@dataclass(frozen=True)
class FoundCells:
    """Cells of one image, the surest first.

    `places` (n, 2) are (y, x) in pixels, `scores` (n,) from 0 to 1; number i has the value i + 1
    in `masks` (Y, X). `chances` (n, K) are those of the `kinds`, in their order.
    """

    places: np.ndarray
    scores: np.ndarray
    masks: np.ndarray
    chances: np.ndarray
    kinds: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.places)

    @property
    def labels(self) -> list[str]:
        """Name of the likeliest kind of each cell; "cell" if no kinds are known."""
        if not self.kinds:
            return ["cell"] * len(self)
        return [self.kinds[kind] for kind in self.chances.argmax(1)]


def find_cells(image: np.ndarray, model: QueryModel, teller: Teller | None = None) -> FoundCells:
    """All cells of an image (Y, X) or (C, Y, X); an image without cells gives none."""
    points, masks = model.cells(image)
    if teller is None or len(points) == 0:
        kinds = () if teller is None else teller.kinds
        chances = np.zeros((len(points), len(kinds)), np.float32)
        return FoundCells(points.places, points.scores, masks, chances, kinds)
    chances = teller(image, points.places, masks)
    return FoundCells(points.places, points.scores, masks, chances, teller.kinds)


def finder_of(
    model: str,
    kinds: str | None = None,
    *,
    search: Mapping[str, Any] | None = None,
    device: str = "auto",
    folder: str | Path | None = None,
) -> Callable[[np.ndarray], FoundCells]:
    """What finds the cells of an image with two stored models, by name or file.

    `search` replaces fields of the model's own `Search`. Raises `MissingModel` if a model is not
    there or does something else.
    """
    chosen = choose_device(device)
    queries = open_query_model(find_model(model, "segment", folder), chosen)
    queries.search = replace(queries.search, **dict(search or {}))
    teller = None if kinds is None else open_teller(find_model(kinds, "stage", folder), chosen)
    return partial(find_cells, model=queries, teller=teller)


def open_teller(model: Model, device: "torch.device") -> Teller:
    """The classifier that a card describes, for cells found at points.

    Raises `MissingModel` if it is of another kind, or its weights do not fit the card.
    """
    from napari_cellcycle.models.rank_net import RankNet
    from napari_cellcycle.models.stage.cell_classifier import CellClassifier

    kinds = stages_of(model.card).names
    try:
        if model.card.architecture == KINDS:
            known = model.card.settings
            sizes = (int(known[name]) for name in ("traits", "members", "hidden"))
            network = RankNet(len(kinds), *sizes)
            network.load_state_dict(model.weights())
            return KindTeller(network.eval().to(device), kinds, float(known["diameter"]))
        if model.card.architecture == CLASSIFIER:
            crops = CellClassifier(len(kinds))
            crops.load_state_dict(model.weights())
            return CropTeller(crops.eval().to(device), kinds)
    except (KeyError, RuntimeError) as error:
        raise MissingModel(
            f"The weights in {model.path} do not fit their card; expected a network of "
            f"{model.card.architecture}; get the model again."
        ) from error
    raise MissingModel(
        f"The model {model.card.name!r} ({model.card.architecture}) does not tell kinds of cells "
        f"at points; expected one of {KINDS!r} or {CLASSIFIER!r}; choose another."
    )


class KindTeller:
    """The default classifier: what is measured of each cell and its surroundings is judged.

    `diameter` is that of the usual nucleus, in pixels.
    """

    def __init__(self, network: "RankNet", kinds: tuple[str, ...], diameter: float) -> None:
        self.network, self.kinds, self.diameter = network, kinds, diameter

    def __call__(self, image: np.ndarray, places: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Probabilities (n, K); a cell without a mask counts as a disc at its place."""
        from napari_cellcycle.models.rank_net import tell
        from napari_cellcycle.models.segment.query.traits import traits_of

        numbers = np.arange(1, len(places) + 1)
        return tell(self.network, traits_of(image, masks, numbers, places, self.diameter))


class CropTeller:
    """The published classifier: 224 pixels around each point, as they are."""

    def __init__(self, network: "CellClassifier", kinds: tuple[str, ...]) -> None:
        self.network, self.kinds = network, kinds

    def __call__(self, image: np.ndarray, places: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Probabilities (n, K); masks do not matter."""
        from napari_cellcycle.models.stage.cell_classifier import predict, zero_padded

        colours = lit_colours(colours_last(image, COLOURS))
        device = next(self.network.parameters()).device
        return predict(self.network, zero_padded(colours, places), device)


def centres_of(masks: np.ndarray, numbers: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Middles (n, 2) of the masks of the given values; the place in `otherwise` without a mask."""
    count = int(max(masks.max(initial=0), numbers.max(initial=0))) + 1
    y, x = np.nonzero(masks)
    value = masks[y, x]
    size = np.bincount(value, minlength=count)[numbers]
    sums = [np.bincount(value, along, minlength=count)[numbers] for along in (y, x)]
    middles = np.stack(sums, 1) / np.maximum(size, 1)[:, None]
    return np.asarray(np.where(size[:, None] > 0, middles, otherwise))
