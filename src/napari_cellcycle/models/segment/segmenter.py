"""What every segmenter can do, and how one is chosen by its name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.models.segment.normalise import Levels

if TYPE_CHECKING:
    import torch


class Segmenter(Protocol):
    """Finds cells in one image at a time."""

    name: str

    def __call__(
        self, image: np.ndarray, pixel_size: tuple[float, ...], settings: SegmentSettings
    ) -> np.ndarray:
        """Masks of an image ([Z,] Y, X): int32 of the same shape, numbered 1, 2, ...

        `pixel_size` is in micrometres, in the order of the axes. Without `settings.diameter`
        the size of cells is found from this image alone.
        """

    def find_diameter(
        self,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> float | None:
        """Typical cell diameter in micrometres; None if there are no cells or it is not needed."""


class PieceSegmenter(Segmenter, Protocol):
    """A segmenter that can be told the brightness of the whole that it sees a piece of."""

    takes_levels: bool

    def __call__(
        self,
        image: np.ndarray,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        levels: Levels | None = None,
    ) -> np.ndarray:
        """Masks of a piece ([Z,] Y, X); `levels` become 0 and 1 instead of its percentiles."""


def takes_levels(segmenter: Segmenter) -> TypeGuard[PieceSegmenter]:
    """Whether the segmenter can be told the brightness of the whole."""
    return bool(getattr(segmenter, "takes_levels", False))


def open_segmenter(
    settings: SegmentSettings,
    device: "torch.device",
    folder: str | Path | None = None,
) -> Segmenter:
    """The segmenter that `settings.model` names.

    "threshold" needs no network. "cellpose:NAME" or a name that Cellpose knows ("cyto3",
    "nuclei", "cpsam", ...), and any file that is no `.safetensors`, are opened by Cellpose.
    All else is a model of this package: shipped, in the user's `folder`, or a file.

    Raises `MissingModel` if there is no such model, or its weights cannot be had.
    """
    from napari_cellcycle.models.segment.cellpose import CellposeSegmenter, is_cellpose

    name = settings.model
    if name == "threshold":
        from napari_cellcycle.models.segment.threshold import ThresholdSegmenter

        return ThresholdSegmenter()
    if is_cellpose(name):
        return CellposeSegmenter(name, device)
    from napari_cellcycle.models.segment.cellcycle import FlowSegmenter
    from napari_cellcycle.models.store import find_model

    model = find_model(name, "segment", folder)
    if model.card.architecture.startswith("coordinate queries"):
        from napari_cellcycle.models.segment.query.model import open_query_model

        return open_query_model(model, device)
    return FlowSegmenter(model, device)
