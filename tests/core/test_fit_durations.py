"""How long stages last, read off cells that were watched from frame to frame."""

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.data.stages import H2B, LIVE_CELL
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.pipeline.durations import given_durations
from napari_cellcycle.pipeline.fit_durations import fit_durations

EARLY, LATE = LIVE_CELL.names[1:]
INTERPHASE = LIVE_CELL.names[0]


def cells_of(rows):
    """Tracks of `rows`: for each track, the stage in each frame from 0 on."""
    frame = np.concatenate([np.arange(len(row)) for row in rows])
    label = np.repeat(np.arange(1, len(rows) + 1), [len(row) for row in rows])
    cells = pd.DataFrame(
        {"frame": frame, "label": label, "y": 0.0, "x": 0.0, "stage": np.concatenate(rows)},
        index=pd.RangeIndex(1, len(frame) + 1, name="cell_id"),
    )
    inside = np.flatnonzero(np.diff(label) == 0) + 1
    return Tracks(cells, pd.DataFrame({"parent": inside, "child": inside + 1, "score": 1.0}))


def watched(interval, *, cells=400, frames=40, seed=0, early=40.0, late=60.0):
    """Tracks of cells that pass early and late mitosis, lognormal, and are seen for a while."""
    rng = np.random.default_rng(seed)
    begin = rng.uniform(-100, frames * interval, cells)
    first = early * rng.lognormal(-0.03, 0.25, cells)
    second = late * rng.lognormal(-0.03, 0.25, cells)
    time = np.arange(frames) * interval
    stage = (time >= begin[:, None]).astype(int)
    stage += time >= (begin + first)[:, None]
    stage += time >= (begin + first + second)[:, None]
    names = np.array([INTERPHASE, EARLY, LATE, INTERPHASE])
    return cells_of(list(names[stage]))


@pytest.mark.parametrize("interval", [5.0, 15.0, 30.0, 90.0])
def test_durations_are_found_at_any_frame_interval(interval):
    """At 90 minutes, most visits fall between two frames."""
    found = fit_durations(watched(interval), LIVE_CELL, interval * 60)
    tolerance = 0.1 if interval < 60 else 0.25
    assert found.mean_minutes[1:] == pytest.approx((40, 60), rel=tolerance)


def test_the_spread_is_found():
    found = fit_durations(watched(2.0, frames=200), LIVE_CELL, 120.0)
    assert found.spread[1] == pytest.approx(0.25 * 40, rel=0.2)


def test_visits_cut_off_by_the_end_do_not_shorten_the_mean():
    found = fit_durations(watched(5.0, frames=14), LIVE_CELL, 300.0)
    assert found.mean_minutes[1:] == pytest.approx((40, 60), rel=0.12)


def test_stages_hardly_seen_keep_what_is_given():
    given = given_durations(LIVE_CELL)
    assert fit_durations(watched(5.0, cells=3), LIVE_CELL, 300.0) == given


def test_a_visit_goes_on_through_the_division():
    """Metaphase for 10 frames, then anaphase for 2 in the mother and 2 in each daughter."""
    families, start = [], 1
    links = []
    for family in range(10):
        mother = ["metaphase"] * 2 + ["anaphase"] * 2
        daughter = ["anaphase"] * 2 + ["telophase"] * 3
        n = start
        links += [(i, i + 1) for i in range(n, n + 3)]
        for sister in (0, 1):
            first = n + 4 + 5 * sister
            links += [(n + 3, first), *((i, i + 1) for i in range(first, first + 4))]
        for label, row, begin in ((0, mother, 0), (1, daughter, 4), (2, daughter, 4)):
            families += [(begin + t, 3 * family + label + 1, s) for t, s in enumerate(row)]
        start += 14
    cells = pd.DataFrame(families, columns=["frame", "label", "stage"]).assign(y=0.0, x=0.0)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    tracks = Tracks(cells, pd.DataFrame(links, columns=["parent", "child"]).assign(score=1.0))
    found = fit_durations(tracks, H2B, 300.0)
    assert found.mean_minutes[H2B.names.index("anaphase")] == pytest.approx(20, rel=0.1)


def test_stages_skipped_before_a_division_count_once_for_both_daughters():
    """Half of the families show the mother in metaphase for one frame, half not at all."""
    rows, links = [], []
    for family in range(40):
        mother = ["interphase", "prometaphase", "metaphase" if family % 2 else "prometaphase"]
        n = len(rows)
        for label, begin, stages in ((0, 0, mother), (1, 3, ["anaphase"]), (2, 3, ["anaphase"])):
            rows += [(begin + t, 3 * family + label + 1, s) for t, s in enumerate(stages)]
        links += [(n + 1, n + 2), (n + 2, n + 3), (n + 3, n + 4), (n + 3, n + 5)]
    cells = pd.DataFrame(rows, columns=["frame", "label", "stage"]).assign(y=0.0, x=0.0)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    tracks = Tracks(cells, pd.DataFrame(links, columns=["parent", "child"]).assign(score=1.0))
    found = fit_durations(tracks, H2B, 1800.0)
    assert found.mean_minutes[H2B.names.index("metaphase")] == pytest.approx(15, rel=0.1)


def test_cells_of_unknown_stage_are_no_end_of_a_visit():
    row = [INTERPHASE] * 3 + [EARLY] * 4 + ["?"] * 2
    found = fit_durations(cells_of([row] * 20), LIVE_CELL, 300.0)
    assert found == given_durations(LIVE_CELL)


def test_tracks_without_stages_are_refused():
    tracks = watched(5.0, cells=3)
    bare = Tracks(tracks.cells.drop(columns="stage"), tracks.links)
    with pytest.raises(BadInput, match="no stages to learn"):
        fit_durations(bare, LIVE_CELL, 300.0)
