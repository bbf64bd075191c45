"""Stages chosen anew after an edit: the lineage concerned, at once, and no other."""

import time

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.pipeline.durations import Durations
from napari_cellcycle.pipeline.redecode import lineage_rows, redecode, with_seen

METAPHASE, INTERPHASE = H2B.names.index("metaphase"), H2B.names.index("interphase")
CHANCES = [f"p_{name}" for name in H2B.names]


def families(count=1, life=10, frames=30):
    """`count` founders; every cell divides after `life` frames, until the last frame."""
    rows, links, label = [], [], 0
    tips = [(None, 0)] * count
    while tips:
        parent, start = tips.pop()
        label += 1
        for frame in range(start, min(start + life, frames)):
            rows.append((frame, label))
            if parent is not None:
                links.append((parent, len(rows)))
            parent = len(rows)
        if start + life < frames:
            tips += [(parent, start + life)] * 2
    cells = pd.DataFrame(rows, columns=["frame", "label"]).assign(y=0.0, x=0.0)
    cells.index = pd.RangeIndex(1, len(cells) + 1, name="cell_id")
    return Tracks(cells, pd.DataFrame(links, columns=["parent", "child"]).assign(score=1.0))


def seen(tracks, seed=0):
    """The tracks with what a network saw: dividing cells in mitosis, others not, unsurely."""
    rng = np.random.default_rng(seed)
    code = np.full(len(tracks), INTERPHASE)
    code[tracks.cells.index.isin(tracks.divisions)] = METAPHASE
    chances = np.exp(rng.normal(0, 1, (len(tracks), 7)) + 3 * np.eye(7)[code])
    return with_seen(tracks, chances / chances.sum(axis=1, keepdims=True), H2B)


def decoded(tracks, **rest):
    return redecode(tracks, H2B, 300.0, 0.5, **rest)


def test_a_lineage_is_all_relatives_and_nobody_else():
    tracks = families(count=2)
    rows = lineage_rows(tracks, [1])
    assert len(rows) == len(tracks) // 2
    assert tracks.cells.index[rows[0]] == 1
    assert len(lineage_rows(tracks, [1, len(tracks)])) == len(tracks)


def test_decoding_one_lineage_tells_what_decoding_all_tells():
    tracks = seen(families(count=3))
    whole = decoded(tracks)
    blank = whole.with_columns(stage="", **dict.fromkeys(CHANCES, np.float32(0)))
    one = decoded(blank, cells=[1])
    rows = lineage_rows(tracks, [1])
    pd.testing.assert_frame_equal(one.cells.iloc[rows], whole.cells.iloc[rows])
    others = np.setdiff1d(np.arange(len(tracks)), rows)
    assert (one.cells["stage"].iloc[others] == "").all()


def test_a_pin_is_kept_and_taken_back():
    tracks = decoded(seen(families()))
    pinned = np.full(len(tracks), "", dtype=object)
    pinned[4] = "metaphase"
    after = decoded(tracks.with_columns(pinned=pinned.astype(str)), cells=[1])
    assert after.cells["stage"].iloc[4] == "metaphase"
    assert after.cells["p_metaphase"].iloc[4] == 1
    back = decoded(after.with_columns(pinned=""), cells=[1])
    pd.testing.assert_frame_equal(back.cells.drop(columns="pinned"), tracks.cells)


def test_cutting_a_link_frees_the_stages_on_both_sides():
    tracks = decoded(seen(families(life=12, frames=20)))
    daughter = tracks.links.loc[tracks.links["parent"].isin(tracks.divisions), "child"].iloc[0]
    cut = decoded(tracks.unlink(daughter), cells=[1, daughter])
    assert tracks.cells.loc[daughter, "stage"] in ("anaphase", "telophase")
    assert cut.cells.loc[daughter, "p_interphase"] > tracks.cells.loc[daughter, "p_interphase"]


def test_durations_count():
    tracks = seen(families())
    long = Durations((1300.0, 60.0, 60.0, 60.0, 60.0, 60.0, 60.0), (300.0, *[20.0] * 6))
    count = [
        (told.cells["stage"] == "interphase").sum()
        for told in (decoded(tracks), decoded(tracks, durations=long))
    ]
    assert count[1] < count[0]


def test_a_pin_to_a_stage_that_the_model_does_not_know_is_refused():
    tracks = seen(families()).with_columns(pinned="S phase")
    with pytest.raises(BadInput, match="pinned to the stage 'S phase'"):
        decoded(tracks)


def test_cells_that_were_never_classified_are_refused():
    with pytest.raises(BadInput, match="run Classify first"):
        decoded(families(), cells=[1])


def test_a_lineage_of_100_frames_is_told_at_once():
    """20 ms on a free machine; the test allows for a busy one."""
    tracks = seen(families(count=30, life=25, frames=100))
    tracks = decoded(tracks)
    assert len(tracks) > 10_000
    spent = []
    for cell in (1, 40, 80):
        start = time.process_time()
        decoded(tracks, cells=[cell])
        spent.append(time.process_time() - start)
    assert min(spent) < 0.06
