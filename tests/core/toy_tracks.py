"""Small lineages as drafts, told by the frames of their tracks."""

from itertools import pairwise

import numpy as np
import pandas as pd

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks


def draft_of(lives, mothers=None, *, axes=("y", "x"), stages=None, confirmed=()):
    """A draft of tracks: {number: frames}, {daughter: mother}, {(number, frame): stage}."""
    rows = [(track, frame) for track, frames in lives.items() for frame in frames]
    ids = {row: number for number, row in enumerate(rows, 1)}
    label, frame = np.array(rows, np.int64).reshape(-1, 2).T
    table = {"frame": frame, "label": label, "area": 10.0 * label}
    table |= {axis: np.arange(len(rows), dtype=float) for axis in axes}
    if stages is not None:
        table["stage"] = [stages.get(row, "interphase") for row in rows]
    pairs = []
    for track, frames in lives.items():
        known = sorted(frames)
        pairs += [(ids[track, a], ids[track, b]) for a, b in pairwise(known)]
        if mother := (mothers or {}).get(track):
            pairs.append((ids[mother, max(lives[mother])], ids[track, known[0]]))
    links = pd.DataFrame(pairs, columns=["parent", "child"]).assign(score=0.9)
    cells = pd.DataFrame(table, index=pd.Index(range(1, len(rows) + 1), name="cell_id"))
    return Draft(Tracks(cells, links), None, H2B, confirmed)


GRANDMOTHER = (
    {1: range(3), 2: range(3, 6), 3: range(3, 10), 4: range(6, 10), 5: range(6, 8), 6: range(10)},
    {2: 1, 3: 1, 4: 2, 5: 2},
)
"""1 divides into 2 and 3, 2 into 4 and 5; 6 is alone.

    frame 0  1  2  3  4  5  6  7  8  9
                            .--4-------
                  .--2------'--5--
          1-------'
                  '--3-----------------
          6----------------------------
"""
