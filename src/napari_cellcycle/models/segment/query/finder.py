"""Cells of an image with their places, masks and kinds: both steps of the point-based pipeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import MissingModel
from napari_cellcycle.models.device import choose_device
from napari_cellcycle.models.segment.query.model import QueryModel, open_query_model
from napari_cellcycle.models.stage.model import CLASSIFIER, KINDS, stage_model_of
from napari_cellcycle.models.store import Model, find_model

if TYPE_CHECKING:
    import torch


class Teller(Protocol):
    """Tells the kinds of cells, which are its `stages`."""

    stages: StageSet

    def at(
        self, image: np.ndarray, masks: np.ndarray, labels: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Probabilities (n, K) of cells at `places` (n, 2) with values `labels` (n,) in `masks`."""


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
    kinds = () if teller is None else teller.stages.names
    chances = np.zeros((len(points), len(kinds)), np.float32)
    if teller is not None and len(points):
        chances = teller.at(image, masks, np.arange(1, len(points) + 1), points.places)
    return FoundCells(points.places, points.scores, masks, chances, kinds)


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
    if model.card.architecture not in (KINDS, CLASSIFIER):
        raise MissingModel(
            f"The model {model.card.name!r} ({model.card.architecture}) does not tell kinds of "
            f"cells at points; expected one of {KINDS!r} or {CLASSIFIER!r}; choose another."
        )
    teller: Teller = stage_model_of(model, device)  # type: ignore[assignment]
    return teller


def centres_of(masks: np.ndarray, numbers: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Middles (n, 2) of the masks of the given values; the place in `otherwise` without a mask."""
    count = int(max(masks.max(initial=0), numbers.max(initial=0))) + 1
    y, x = np.nonzero(masks)
    value = masks[y, x]
    size = np.bincount(value, minlength=count)[numbers]
    sums = [np.bincount(value, along, minlength=count)[numbers] for along in (y, x)]
    middles = np.stack(sums, 1) / np.maximum(size, 1)[:, None]
    return np.asarray(np.where(size[:, None] > 0, middles, otherwise))
