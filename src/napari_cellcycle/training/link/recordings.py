"""Movies with masks and known links: what link models learn from and are judged by."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie

_PAIR = ("parent_frame", "parent_label", "child_frame", "child_label")


@dataclass(frozen=True)
class Recording:
    """A movie, its masks, and what is known of who becomes whom.

    `truth` has one row a mask: `frame`, `label`, `track` (its true track; 0 if it is no cell),
    and whether its `past` (which cell it comes from, or none) and its `future` are known;
    nothing is learned from what is not. `mother` gives the mother track of each daughter track.
    `rejected` lists links known to be wrong, as frame and label of parent and child.
    Without a `movie`, brightness is unknown and `pixel_size` says how large pixels are, in um.
    """

    name: str
    labels: LabelStack
    truth: pd.DataFrame
    mother: dict[int, int]
    pixel_size: tuple[float, ...]
    movie: Movie | None = None
    rejected: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_PAIR)))


def fully_known(values: list[np.ndarray]) -> pd.DataFrame:
    """The `truth` of masks whose values are their true tracks, given the values of each frame."""
    label = np.concatenate([np.empty(0, np.int64), *values]).astype(np.int64)
    frame = np.repeat(np.arange(len(values)), [len(v) for v in values])
    return pd.DataFrame(
        {"frame": frame, "label": label, "track": label, "past": True, "future": True}
    )
