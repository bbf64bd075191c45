"""Which masks of a corrected experiment are true: frames as a whole, or single cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from napari_cellcycle.data.annotated import UNKNOWN
from napari_cellcycle.data.drawn import drawn_masks
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.pipeline.keep import kept_frames

MASK = "mask"
"""Kind of confirmation that says that the mask of a cell is right."""
_RING = 0.15
"""Width of the ring around a known cell, in its diameters, in which background is known."""
_LEAST_RING_PX = 2


@dataclass(frozen=True)
class KnownMasks:
    """What is known of the masks of an experiment.

    `frames` are right as a whole, background included. `rows` are positions in `Tracks.cells` of
    the cells in other frames whose masks a person drew or confirmed; `drawn` are the labels of
    those, by frame, where there are no tracks.
    """

    frames: frozenset[int]
    rows: np.ndarray
    drawn: Mapping[int, np.ndarray] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.frames) or len(self) > 0

    def __len__(self) -> int:
        """How many masks are known outside of the frames that are right as a whole."""
        return len(self.rows) + sum(map(len, self.drawn.values()))


def known_masks(experiment: Experiment) -> KnownMasks:
    """Find the frames that were confirmed or corrected as a whole, and the cells elsewhere."""
    whole, tracks = kept_frames(experiment), experiment.tracks
    if tracks is None:
        drawn = drawn_masks(experiment.confirmed).items()
        elsewhere = {time: labels for time, labels in drawn if time not in whole}
        return KnownMasks(whole, np.empty(0, np.int64), elsewhere)
    cells = tracks.cells
    rows = np.flatnonzero(cells["by"].to_numpy() == BY_USER)
    confirmed = [number for kind, number in experiment.confirmed if kind == MASK]
    right = cells.index.get_indexer(pd.Index(confirmed, dtype=np.int64))
    rows = np.union1d(rows, right[right >= 0])
    return KnownMasks(whole, rows[~np.isin(cells["frame"].to_numpy()[rows], sorted(whole))])


def known_labels(experiment: Experiment, known: KnownMasks) -> dict[int, np.ndarray | None]:
    """The labels that are known in each frame of which anything is, None where all is."""
    found: dict[int, np.ndarray | None] = dict.fromkeys(sorted(known.frames))
    if len(known.rows):
        assert experiment.tracks is not None
        here = experiment.tracks.cells.iloc[known.rows]
        frame, label = here["frame"].to_numpy(np.int64), here["label"].to_numpy(np.int64)
        found |= {int(time): label[frame == time] for time in np.unique(frame)}
    return dict(sorted((found | dict(known.drawn)).items()))


def known_only(masks: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Masks ([Z,] Y, X) with `UNKNOWN` everywhere but in `labels` and the background around them.

    All of the masks where `labels` is None. Volumes are looked at plane by plane, as they are
    learned from.
    """
    from scipy.ndimage import distance_transform_edt

    if labels is None:
        return masks
    if masks.ndim == 3:
        return np.stack([known_only(plane, labels) for plane in masks])
    own = np.isin(masks, labels[labels > 0])
    found = np.where(own, masks, UNKNOWN).astype(np.int32)
    if own.any():
        diameter = 2 * (own.sum() / len(np.unique(masks[own])) / np.pi) ** 0.5
        ring = distance_transform_edt(~own) <= max(_LEAST_RING_PX, round(_RING * diameter))
        found[ring & (masks == 0)] = 0
    return found
