"""A lineage tells which nuclei divide, are born, die or rest, and is silent about the others."""

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.events import PAPER, RELAXED, UNKNOWN, EventRules, events


def film(paths, frames, ndim=2, size=60):
    """A movie of discs (balls): `paths` maps a label to {frame: (y, x, radius, brightness)}."""
    shape = (size,) * 2 if ndim == 2 else (16, size, size)
    masks = np.zeros((frames, *shape), np.int32)
    images = np.full((frames, *shape), 10.0)
    rows = []
    for label, path in paths.items():
        for frame, (y, x, radius, light) in path.items():
            centre = ((8,) if ndim == 3 else ()) + (y, x)
            grid = np.indices(shape)
            disc = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2
            masks[frame][disc], images[frame][disc] = label, light
            rows.append((frame, label, *centre))
    axes = ["z", "y", "x"][-ndim:]
    cells = pd.DataFrame(rows, columns=["frame", "label", *axes])
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    movie = Movie(images[:, None], (1.0,) * ndim, 900.0, ("H2B",))
    return movie, LabelStack(masks), cells


def linked(cells, divisions=()):
    """Tracks of the cells of each label; `divisions` are (mother, daughter, daughter)."""
    pairs = []
    for _, path in cells.groupby("label"):
        pairs += list(zip(path.index[:-1], path.index[1:], strict=True))
    for mother, *daughters in divisions:
        last = cells.index[cells["label"] == mother][-1]
        pairs += [(last, cells.index[cells["label"] == d][0]) for d in daughters]
    return Tracks(cells, pd.DataFrame(pairs, columns=["parent", "child"]).assign(score=1.0))


def still(first, last, y=30, x=30, radius=6, light=50):
    return dict.fromkeys(range(first, last), (y, x, radius, light))


def told(code, tracks, label):
    """Names along the track of a label, in the order of time."""
    names = np.array([*NUCLEUS.names, "unknown"])
    return names[code[tracks.cells["label"].to_numpy() == label]].tolist()


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_last_before_and_the_first_after_a_division(ndim):
    paths = {1: still(0, 4), 2: still(4, 8, y=20), 3: still(4, 8, y=42)}
    _, labels, cells = film(paths, 8, ndim)
    tracks = linked(cells, [(1, 2, 3)])
    code = events(tracks, labels, RELAXED)
    assert told(code, tracks, 1) == ["stable"] * 3 + ["mitotic"]
    for daughter in (2, 3):
        assert told(code, tracks, daughter) == ["new daughter", "stable", "stable", "unknown"]


def test_the_published_rule_wants_twelve_quiet_neighbours():
    """Of 20 frames of one cell, those with 12 others within 8 frames are stable, the last never."""
    _, labels, cells = film({1: still(0, 20)}, 20)
    code = events(linked(cells), labels, PAPER)
    stable = np.flatnonzero(code == 0)
    # Near the end the last cell, which has no child, stands in the window.
    assert stable.tolist() == list(range(4, 11))
    assert set(code) == {0, UNKNOWN}


def test_an_event_within_the_window_is_not_quiet():
    paths = {1: still(0, 4), 2: still(4, 34, y=20), 3: still(4, 34, y=42)}
    _, labels, cells = film(paths, 34)
    tracks = linked(cells, [(1, 2, 3)])
    stable = np.array(told(events(tracks, labels, PAPER), tracks, 2)) == "stable"
    assert np.flatnonzero(stable).tolist() == list(range(9, 21))


def test_a_window_does_not_reach_into_another_track():
    _, labels, cells = film({1: still(0, 9, y=15), 2: still(0, 9, y=45)}, 9)
    assert (events(linked(cells), labels, PAPER) == UNKNOWN).all()


def shrinking(last=6):
    return {t: (30, 30, 6 if t < last - 2 else 3.5, 50) for t in range(last)}


def test_a_nucleus_that_shrinks_and_is_gone_has_died():
    _, labels, cells = film({1: shrinking(), 2: still(0, 9, y=10, x=10)}, 9)
    tracks = linked(cells)
    assert told(events(tracks, labels, RELAXED), tracks, 1)[-1] == "death"


def test_one_that_brightens_has_died_if_brightness_is_looked_at():
    paths = {1: {t: (30, 30, 6, 50 if t < 5 else 120) for t in range(6)}}
    movie, labels, cells = film(paths, 9)
    tracks = linked(cells)
    assert told(events(tracks, labels, RELAXED), tracks, 1)[-1] == "unknown"
    assert told(events(tracks, labels, RELAXED, movie=movie), tracks, 1)[-1] == "death"


def test_one_that_leaves_the_field_has_not_died():
    leaving = {t: (30, 40 + 4 * t, 6 - 0.5 * t, 50) for t in range(5)}
    _, labels, cells = film({1: leaving}, 9)
    tracks = linked(cells)
    assert labels.frame(4)[:, -1].any()
    assert told(events(tracks, labels, RELAXED), tracks, 1)[-1] == "unknown"


def test_one_whose_place_another_mask_takes_was_lost():
    """The segmentation gave the same nucleus a new label that nobody linked."""
    _, labels, cells = film({1: shrinking(), 2: still(6, 9)}, 9)
    tracks = linked(cells)
    assert told(events(tracks, labels, RELAXED), tracks, 1)[-1] == "unknown"


def test_one_that_just_ends_was_lost():
    _, labels, cells = film({1: still(0, 6)}, 9)
    tracks = linked(cells)
    assert told(events(tracks, labels, RELAXED), tracks, 1)[-1] == "unknown"
    lenient = EventRules(relaxed=True, shrunken=1.0)
    assert told(events(tracks, labels, lenient), tracks, 1)[-1] == "death"


def test_where_stages_tell_of_apoptosis_they_are_believed():
    _, labels, cells = film({1: still(0, 6), 2: shrinking()}, 9)
    stage = np.where((cells["label"] == 1) & (cells["frame"] > 3), "apoptosis", "interphase")
    tracks = linked(cells.assign(stage=stage))
    code = events(tracks, labels, RELAXED)
    assert told(code, tracks, 1) == ["stable"] * 4 + ["death"] * 2
    assert "death" not in told(code, tracks, 2)


def test_the_last_frame_of_a_movie_tells_nothing():
    _, labels, cells = film({1: shrinking()}, 6)
    tracks = linked(cells)
    assert told(events(tracks, labels, RELAXED), tracks, 1)[-1] == "unknown"


def test_no_cells_have_no_events():
    _, labels, cells = film({1: still(0, 1)}, 3)
    none = Tracks(cells.iloc[:0], pd.DataFrame({"parent": [], "child": [], "score": []}, dtype=int))
    assert len(events(none, labels, PAPER)) == 0
