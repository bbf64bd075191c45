"""Three generations of cells in a dock, tracked and classified, to look at and to correct."""

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.result import Result

FRAMES = 10
LIVES = {
    1: range(3),
    2: range(3, 6),
    3: range(3, 10),
    4: range(6, 10),
    5: range(6, 8),
    6: range(10),
}
"""Frames of each track: 1 divides into 2 and 3, 2 into 4 and 5, and 6 is alone."""
_MOTHERS = {2: 1, 3: 1, 4: 2, 5: 2}
_PLACES = {1: 12, 2: 8, 3: 20, 4: 4, 5: 12, 6: 30}
_DOUBTED = 5


def kin(score=0.2):
    """The experiment; the link from 2 to 5 has this score, all others 0.9."""
    rows = [(track, frame) for track, frames in LIVES.items() for frame in frames]
    ids = dict(zip(rows, range(1, len(rows) + 1), strict=True))
    label, frame = np.array(rows).T
    y = np.array([_PLACES[track] for track, _ in rows], float)
    cells = pd.DataFrame({"frame": frame, "label": label, "y": y, "x": 5.0 + 3 * frame})
    cells.index = pd.Index(range(1, len(rows) + 1), name="cell_id")
    last = {track: (track, frames[-1]) for track, frames in LIVES.items()}
    divides = [last[mother] for mother in set(_MOTHERS.values())]
    cells["stage"] = ["metaphase" if row in divides else "interphase" for row in rows]
    for name in H2B.names:
        cells[f"p_{name}"] = np.where(cells["stage"] == name, 0.94, 0.01)
    cells["area"] = 25 * 0.25
    pairs = [(ids[t, f], ids[t, f + 1]) for t, f in rows if (t, f + 1) in ids]
    pairs += [(ids[last[m]], ids[d, LIVES[d][0]]) for d, m in _MOTHERS.items()]
    links = pd.DataFrame(pairs, columns=["parent", "child"])
    doubted = links["child"] == ids[_DOUBTED, LIVES[_DOUBTED][0]]
    links["score"] = np.where(doubted, score, 0.9)
    masks = np.zeros((FRAMES, 40, 40), np.int32)
    for row in cells.itertuples():
        masks[row.frame, int(row.y) - 2 : int(row.y) + 3, int(row.x) - 2 : int(row.x) + 3] = (
            row.label
        )
    movie = Movie(np.where(masks, 900, 100)[:, np.newaxis], (0.5, 0.5), 1800.0, ("H2B",))
    return Experiment(movie, LabelStack(masks), Tracks(cells, links), H2B)


def open_kin(viewer, dock, known=None):
    """Show the experiment in a dock, where it can be corrected."""
    known = known or kin()
    viewer.add_image(known.movie.pixels[:, 0], name="kin", scale=(1, 0.5, 0.5))
    display = prepare(known)
    editor = Editor(bench_of(known, display.labels), resolving=False)
    dock.session.replace(Result(known, display, editor=editor))
    return dock
