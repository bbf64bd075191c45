"""Rows and columns of a gallery: a family of cells, aligned and sorted."""

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.features.gallery_rows import gallery_rows, kept_rows
from napari_cellcycle.features.sighted import NOT_SEEN, Sighted

#   frame     0 1 2 3 4 5 6 7
#   cell 1    i i p m              divides into 2 and 3
#   cell 2            a i i i
#   cell 3            a t i        not seen in frame 6
#   cell 4      i i i p m i        divides into nobody
FAMILY = {
    1: (0, "iipm"),
    2: (4, "aiii"),
    3: (4, "ati"),
    4: (1, "iiipmi"),
}
LETTERS = {
    "i": "interphase",
    "p": "prophase",
    "m": "metaphase",
    "a": "anaphase",
    "t": "telophase",
    "?": "",
}


def sighted(family=FAMILY, mothers=None, **more):
    tracks, frames, codes = [], [], []
    for track, (birth, stages) in family.items():
        for place, letter in enumerate(stages):
            tracks.append(track)
            frames.append(birth + place)
            name = LETTERS[letter]
            codes.append(H2B.names.index(name) if name else -1)
    n = len(tracks)
    known = Sighted(
        np.arange(1, n + 1),
        np.array(tracks, np.int64),
        np.array(frames, np.int64),
        np.zeros((n, 2)),
        np.array(codes, np.int8),
        np.full(n, 1.0),
        np.full(n, np.nan),
        np.zeros(n, bool),
        {2: 1, 3: 1} if mothers is None else mothers,
        H2B,
    )
    return replace(known, **more)


def seen(rows, known):
    """Frames that each row shows, column by column."""
    sights = rows.sights(known, range(len(rows)), rows.columns)
    return [[None if s == NOT_SEEN else int(known.frames[s]) for s in row] for row in sights]


def test_cells_stand_with_their_births_below_each_other():
    known = sighted()
    rows = gallery_rows(known, "birth")
    assert rows.tracks.tolist() == [1, 2, 3, 4] and rows.columns == range(6)
    assert seen(rows, known)[2] == [4, 5, 6, None, None, None]


def test_a_mother_stands_before_her_daughters():
    known = sighted()
    rows = gallery_rows(known, "birth", with_mothers=True)
    assert rows.columns == range(-4, 6)
    assert seen(rows, known)[1] == [0, 1, 2, 3, 4, 5, 6, 7, None, None]
    assert seen(rows, known)[0] == [None] * 4 + [0, 1, 2, 3, None, None]
    own = known.tracks[rows.sights(known, range(1, 2), range(-1, 1))]
    assert own.tolist() == [[1, 2]]


def test_onsets_of_mitosis_stand_below_each_other_and_cells_without_are_left_out():
    known = sighted()
    rows = gallery_rows(known, "mitosis")
    assert rows.tracks.tolist() == [1, 4] and rows.anchors.tolist() == [2, 4]
    assert rows.left_out == 2
    assert rows.columns == range(-3, 3)
    assert seen(rows, known) == [[None, 0, 1, 2, 3, None], [1, 2, 3, 4, 5, 6]]


def test_the_mitosis_that_a_daughter_is_born_in_is_not_her_own():
    known = sighted({1: (0, "iipm"), 2: (4, "mtip"), 3: (4, "tii")})
    assert known.onsets.tolist() == [2, 7, NOT_SEEN]


def test_cells_that_divide_stand_with_their_last_frame_below_each_other():
    known = sighted({**FAMILY, 5: (0, "im"), 6: (2, "a"), 7: (2, "a")}, {2: 1, 3: 1, 6: 5, 7: 5})
    rows = gallery_rows(known, "division")
    assert rows.tracks.tolist() == [1, 5] and rows.anchors.tolist() == [3, 1]
    assert rows.columns == range(-3, 1)


def test_by_frame_all_cells_of_a_column_are_seen_together():
    known = sighted()
    rows = gallery_rows(known, "frame")
    assert rows.columns == range(8) and not rows.anchors.any()
    assert seen(rows, known)[3] == [None, 1, 2, 3, 4, 5, 6, None]


@pytest.mark.parametrize(
    ("sort_by", "order"),
    [
        ("number", [1, 2, 3, 4]),
        ("duration", [4, 1, 2, 3]),
        ("time in mitosis", [1, 3, 4, 2]),
    ],
)
def test_cells_are_sorted(sort_by, order):
    assert gallery_rows(sighted(), sort_by=sort_by).tracks.tolist() == order


def test_the_order_can_be_reversed_and_equal_cells_stay_in_the_order_of_their_numbers():
    rows = gallery_rows(sighted(), sort_by="time in mitosis", reverse=True)
    assert rows.tracks.tolist() == [2, 1, 3, 4]


def test_the_most_doubtful_cell_is_first_and_what_a_user_set_is_not_doubted():
    known = sighted()
    chances = known.chances.copy()
    chances[known.tracks == 2] = 0.6
    chances[known.tracks == 4] = 0.5
    scores = known.scores.copy()
    scores[np.flatnonzero(known.tracks == 3)[1]] = 0.2
    doubted = replace(known, chances=chances, scores=scores)
    assert doubted.mistakes.tolist() == pytest.approx([0, 1.6, 0.8, 3.0])
    assert gallery_rows(doubted, sort_by="doubt").tracks.tolist() == [4, 2, 3, 1]
    settled = replace(doubted, pinned=known.tracks == 4)
    assert gallery_rows(settled, sort_by="doubt").tracks.tolist() == [2, 3, 1, 4]


def test_cells_are_sorted_by_their_stage_in_a_frame_and_those_that_are_not_there_come_last():
    known = sighted({**FAMILY, 5: (4, "?")})
    rows = gallery_rows(known, "frame", "stage", frame=4)
    assert rows.tracks.tolist() == [4, 2, 3, 1, 5]
    turned = gallery_rows(known, "frame", "stage", frame=4, reverse=True)
    assert turned.tracks.tolist() == [2, 3, 4, 1, 5]


def test_rows_keep_their_place_after_an_edit():
    known = sighted()
    rows = gallery_rows(known, "mitosis", "duration")
    assert rows.tracks.tolist() == [4, 1]
    edited = sighted({**FAMILY, 1: (0, "ipmm"), 4: (1, "iiipm"), 9: (0, "iip"), 10: (0, "i")})
    kept = kept_rows(edited, known, rows, "mitosis")
    assert kept.tracks.tolist() == [4, 1, 9] and kept.anchors.tolist() == [4, 2, 2]
    assert kept.left_out == 3
    assert gallery_rows(edited, "mitosis").anchors.tolist() == [1, 4, 2]


def test_a_row_leaves_with_its_cell():
    known = sighted()
    rows = gallery_rows(known, sort_by="duration", with_mothers=True)
    edited = sighted({2: FAMILY[2], 3: FAMILY[3], 4: FAMILY[4]}, {})
    kept = kept_rows(edited, known, rows, with_mothers=True)
    assert kept.tracks.tolist() == [4, 2, 3] and not kept.mothers.any()
    assert kept.columns == range(6)


def test_where_nothing_is_tracked_there_are_no_rows():
    known = sighted({}, {})
    for align_at in ("birth", "mitosis", "division", "frame"):
        rows = gallery_rows(known, align_at, "stage", with_mothers=True)
        assert len(rows) == 0 and rows.row_of(1) is None
        assert rows.sights(known, range(0), range(3)).shape == (0, 3)


def test_a_hundred_thousand_cells_are_arranged_within_a_tenth_of_a_second():
    lives = {track: (track % 50, "i" * 40 + "ppmm" + "i" * 6) for track in range(1, 2001)}
    known = sighted(lives, {})
    assert len(known) == 100_000
    before = process_time()
    rows = gallery_rows(known, "mitosis", "doubt")
    sights = rows.sights(known, range(30), range(-10, 20))
    assert process_time() - before < 0.1
    assert (sights != NOT_SEEN).mean() > 0.5
