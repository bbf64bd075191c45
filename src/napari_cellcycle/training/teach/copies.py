"""Copies of one movie among the experiments: the same cells are one group, whoever corrected them.

Otherwise one copy of a cell would be learned from, and the other would tell how well.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment


def movie_of(experiment: Experiment) -> str:
    """What a movie is known by: its shape, and what its first frame looks like."""
    pixels = experiment.movie.pixels
    first = np.asarray(pixels[0, 0])
    some = first[(..., slice(None, None, 7), slice(None, None, 7))]
    return f"{tuple(pixels.shape)} {hash(some.tobytes())}"


def shared_groups(
    experiments: Sequence[Experiment], groups: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Groups of the cells of tracked experiments, numbered on, with those of the same cells as one.

    `groups` (cells,) are those of each experiment, numbered from 0. Cells are the same in copies
    of a movie where the centre of the one lies in the mask of the other.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = np.cumsum([0, *(int(group.max(initial=-1)) + 1 for group in groups)])
    numbered = [group + start for group, start in zip(groups, first, strict=False)]
    movies = [movie_of(experiment) for experiment in experiments]
    edges = [np.empty((2, 0), np.int64)]
    for one, other in combinations(range(len(movies)), 2):
        if movies[one] == movies[other]:
            rows = _same_cells(experiments[one], experiments[other])
            edges.append(np.stack([numbered[one][rows[0]], numbered[other][rows[1]]]))
    ends = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(ends.shape[1], bool), tuple(ends)), shape=(first[-1], first[-1]))
    common = connected_components(graph, directed=False)[1].astype(np.int64)
    return [common[group] for group in numbered]


def _same_cells(one: Experiment, other: Experiment) -> np.ndarray:
    """Rows of the same cells in the tables of two copies of a movie (2, n)."""
    assert one.tracks is not None and other.tracks is not None and other.labels is not None
    cells = one.tracks.cells
    known = pd.MultiIndex.from_frame(other.tracks.cells[["frame", "label"]])
    frame = cells["frame"].to_numpy()
    label = np.zeros(len(cells), np.int64)
    for time in np.intersect1d(frame, other.tracks.cells["frame"]).tolist():
        mask, here = other.labels.frame(time), np.flatnonzero(frame == time)
        centre = cells[one.tracks.axes].to_numpy(float)[here].round().astype(int)
        label[here] = mask[tuple(np.clip(centre, 0, np.array(mask.shape) - 1).T)]
    row = known.get_indexer(pd.MultiIndex.from_arrays([frame, label]))
    return np.stack([np.flatnonzero(row >= 0), row[row >= 0]])
