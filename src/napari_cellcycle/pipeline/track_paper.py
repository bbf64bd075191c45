"""Link cells as cell-tracker-gnn (ECCV 2022) does: the `paper` models."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from skimage.measure import label

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.paper import PaperCells
from napari_cellcycle.features.shape import measure
from napari_cellcycle.models.link.paper.follow import Lineage, follow
from napari_cellcycle.models.link.paper.linker import PaperLinker
from napari_cellcycle.progress import Progress, silent


def link_paper(
    movie: Movie,
    labels: LabelStack,
    linker: PaperLinker,
    settings: TrackSettings | None = None,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measured cells and links between them, as `Tracks` takes them.

    Masks are cleaned on a copy first, as the model's settings say; what is too small has no
    row. Conflicts are resolved as `follow` describes: where the published rules fuse two
    tracks that meet in one cell, the nearest keeps it and the other ends, as a cell has at most
    one parent; of more than two daughters the two nearest stay. Nothing of `settings` is used:
    reach and threshold are the model's own, and no gap is closed.

    Raises
    ------
    BadInput
        No cell is left to track, or the model is for movies of another number of dimensions.
    """
    kept = cleaned(labels, linker.settings.smallest_px)
    cells = measure(movie, kept, progress=progress)
    if cells.empty:
        raise BadInput(
            f"No cells of at least {linker.settings.smallest_px} pixels were found in the "
            f"{len(labels)} frames, so there is nothing to track; check the segmentation."
        )
    seen = linker.measure(movie, kept, progress)
    return cells, links_table(cells, lineage_of(seen, linker, progress))


def lineage_of(cells: PaperCells, linker: PaperLinker, progress: Progress = silent) -> Lineage:
    """Links between the rows of `cells`."""
    links, score = linker(cells, progress)
    return follow(cells.frame, cells.centroid, links, score, linker.settings.threshold)


def links_table(cells: pd.DataFrame, lineage: Lineage) -> pd.DataFrame:
    """The links of a lineage between rows of `cells`, as in `Tracks.links`."""
    number = cells.index.to_numpy()
    return pd.DataFrame(
        {
            "parent": number[lineage.parent],
            "child": number[lineage.child],
            "score": lineage.score,
            "by": "model",
        }
    )


def cleaned(labels: LabelStack, smallest_px: int) -> LabelStack:
    """The masks without small pieces, each the largest piece of what it was; `labels` stays.

    Frames are cleaned when they are read. 0 cleans nothing.
    """
    return LabelStack(_Cleaned(labels, smallest_px)) if smallest_px else labels


@dataclass(frozen=True)
class _Cleaned:
    """Masks that are cleaned frame by frame as they are read."""

    labels: LabelStack
    smallest_px: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, [Z,] Y, X)."""
        return self.labels.shape

    def __getitem__(self, time: int) -> np.ndarray:
        return clean_frame(self.labels.frame(time), self.smallest_px)


def clean_frame(mask: np.ndarray, smallest_px: int) -> np.ndarray:
    """A copy of `mask` with the largest piece of each value, if it has `smallest_px` pixels."""
    pieces, count = label(mask, return_num=True)
    if not count:
        return np.zeros_like(mask)
    size = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    value = np.zeros(count, mask.dtype)
    value[pieces[mask > 0] - 1] = mask[mask > 0]
    order = np.lexsort((-size, value))
    largest = order[np.unique(value[order], return_index=True)[1]]
    new = np.zeros(count + 1, mask.dtype)
    largest = largest[size[largest] >= smallest_px]
    new[largest + 1] = value[largest]
    return new[pieces]
