"""Small experiments of any shape: hypothesis draws the family tree, the stages and the marks."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.stages import free_stages
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.io.movies import movie_from_array

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Co", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=6,
)
MOST = 5
"""Cells in a frame; each has a place of its own, one pixel large."""


@st.composite
def families(draw, ndim=None):
    """Links (parent, child) of a forest, and the frame and place in it of each cell."""
    frames = draw(st.integers(1, 6))
    seen = [(t, k) for t in range(frames) for k in range(MOST) if draw(st.booleans())]
    children = [0] * len(seen)
    links = []
    for child, (time, _) in enumerate(seen):
        able = [p for p, (t, _) in enumerate(seen) if t < time and children[p] < 2]
        parent = draw(st.none() | st.sampled_from(able)) if able else None
        if parent is not None:
            children[parent] += 1
            links.append((parent, child))
    return frames, seen, links, ndim or draw(st.sampled_from([2, 3]))


@st.composite
def experiments(draw, ndim=None):
    """A movie with masks, tracks, stages, pins, scores, measurements and rejected links."""
    frames, seen, links, ndim = draw(families(ndim))
    n = len(seen)
    ids = np.array(draw(st.lists(st.integers(1, 10**6), min_size=n, max_size=n, unique=True)), int)
    shape = (frames, 3, 4, 2 * MOST)[:1] + (3, 4, 2 * MOST)[-ndim:]
    masks = np.zeros(shape, np.int32)
    label = np.array([100 * k + t + 1 for t, k in seen], int)
    middle = (1, 2)[-ndim + 1 :]
    for (time, k), number in zip(seen, label, strict=True):
        masks[(time, *middle, 2 * k)] = number
    stages = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    chance = st.floats(0, 1, width=32)
    several = {"min_size": n, "max_size": n}
    cells = pd.DataFrame(
        {
            "frame": np.array([t for t, _ in seen], int),
            "label": label,
            **dict(zip("zyx"[-ndim:-1], map(float, middle), strict=True)),
            "x": np.array([2.0 * k for _, k in seen], float),
            "by": pd.array(draw(st.lists(st.sampled_from(["model", "user"]), **several)), object),
            "area": np.array(draw(st.lists(st.floats(0.001, 1e6), **several)), float),
            "filled": np.array(draw(st.lists(st.booleans(), **several)), bool),
            "stage": pd.array(draw(st.lists(st.sampled_from(stages), **several)), object),
            "pinned": pd.array(draw(st.lists(st.sampled_from(["", *stages]), **several)), object),
            "p_one": np.array(draw(st.lists(chance, **several)), np.float32),
        },
        index=pd.Index(ids, name="cell_id"),
    )
    ends = ids[np.array(links, int).reshape(-1, 2)]
    many = {"min_size": len(links), "max_size": len(links)}
    table = pd.DataFrame(
        {
            "parent": ends[:, 0],
            "child": ends[:, 1],
            "score": np.array(draw(st.lists(st.floats(0, 1), **many)), float),
            "by": pd.array(draw(st.lists(st.sampled_from(["model", "user"]), **many)), object),
        }
    )
    tracks = Tracks(cells, table, draw(_rejected(cells, table)))
    movie = movie_from_array(
        np.zeros(shape, np.uint8),
        "TZYX"[:1] + "ZYX"[-ndim:],
        pixel_size=(2.0, 0.3, 0.7)[-ndim:],
        frame_interval=90.0,
    )
    confirmed = frozenset({("cell", int(ids[0]))}) if n else frozenset()
    return Experiment(movie, LabelStack(masks), tracks, free_stages(stages), confirmed=confirmed)


def _rejected(cells, links):
    """Pairs of cells, one after the other, that are not linked."""
    linked = set(zip(links["parent"], links["child"], strict=True))
    pairs = [
        (a, b)
        for a in cells.index
        for b in cells.index
        if cells["frame"][a] < cells["frame"][b] and (a, b) not in linked
    ]
    chosen = st.lists(st.sampled_from(pairs), max_size=3, unique=True) if pairs else st.just([])
    return chosen.map(
        lambda rows: pd.DataFrame(
            np.array(rows, np.int64).reshape(-1, 2), columns=["parent", "child"]
        )
    )
