"""Where tracks lie in the lineage tree."""

from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_tracks import GRANDMOTHER, draft_of

from napari_cellcycle.data.lineage_layout import NONE, lay_out, lineages_of


def rows_of(layout):
    tracks = layout.lineages.tracks
    return {int(t): float(r) for t, r in zip(tracks, layout.rows, strict=True) if r == r}


def test_daughters_lie_around_their_mother_and_lineages_below_each_other():
    layout = lay_out(lineages_of(draft_of(*GRANDMOTHER)))
    rows = rows_of(layout)
    assert (rows[4], rows[5], rows[3]) == (0, 1, 2)
    assert rows[2] == 0.5 and rows[1] == 1.25
    assert rows[6] == 3.5 and layout.height == 4.5


@pytest.mark.parametrize("axes", [("y", "x"), ("z", "y", "x")], ids=["2D", "3D"])
def test_tracks_know_their_family_and_their_frames(axes):
    known = lineages_of(draft_of(*GRANDMOTHER, axes=axes))
    assert known.tracks.tolist() == [1, 2, 3, 4, 5, 6]
    assert known.mothers.tolist() == [NONE, 0, 0, 1, 1, NONE]
    assert known.first.tolist() == [0, 3, 3, 6, 6, 0]
    assert known.last.tolist() == [2, 5, 9, 9, 7, 9]
    assert [g.tolist() for g in known.generations] == [[0, 5], [1, 2], [3, 4]]
    assert known.founders.tolist() == [0, 0, 0, 0, 0, 5]
    number, until = known.progeny
    assert number.tolist() == [4, 2, 0, 0, 0, 0] and until.tolist() == [9, 9, 9, 9, 7, 9]
    assert list(known.ancestors(4)) == [1, 0] and known.daughters(1).tolist() == [3, 4]


def test_a_folded_track_hides_all_that_descends_from_it():
    known = lineages_of(draft_of(*GRANDMOTHER))
    layout = lay_out(known, folded={2})
    assert rows_of(layout) == {1: 0.5, 2: 0, 3: 1, 6: 2.5}
    assert layout.folded.tolist() == [False, True, False, False, False, False]
    assert rows_of(lay_out(known, folded={1, 3})).keys() == {1, 6}
    assert not lay_out(known, folded={3}).folded.any()


def test_one_lineage_can_be_shown_alone():
    known = lineages_of(draft_of(*GRANDMOTHER))
    assert rows_of(lay_out(known, only=5)) == {1: 1.25, 2: 0.5, 3: 2, 4: 0, 5: 1}
    assert rows_of(lay_out(known, only=6)) == {6: 0}
    assert rows_of(lay_out(known, only=77)) == rows_of(lay_out(known))


def test_the_track_under_the_mouse_is_the_nearest_one():
    layout = lay_out(lineages_of(draft_of(*GRANDMOTHER)))
    at = [layout.lineages.position(track) for track in (1, 2, 3, 4)]
    assert layout.track_at(1, 1.3, 0.4) == at[0]
    assert layout.track_at(4, 0.4, 0.4) == at[1]
    assert layout.track_at(8, 0.1, 0.4) == at[3]
    assert layout.track_at(8, 0.55, 0.4) == NONE
    assert layout.track_at(11, 2, 0.4) == NONE
    assert layout.track_at(11, 2, 0.4, before=2) == at[2]


def test_going_up_and_down_keeps_to_tracks_that_are_there():
    layout = lay_out(lineages_of(draft_of(*GRANDMOTHER)))
    known = layout.lineages
    here = known.position(3)
    assert known.tracks[layout.beside(here, 4, -1)] == 2
    assert known.tracks[layout.beside(here, 9, -1)] == 4
    assert known.tracks[layout.beside(here, 9, 1)] == 6
    assert layout.beside(known.position(6), 9, 1) == NONE


def test_a_cell_is_found_by_its_frame_or_the_nearest_one():
    known = lineages_of(draft_of({1: [0, 1, 4, 5]}))
    assert (known.place(0, 4), known.place(0, 3)) == (2, NONE)
    assert known.frames[known.nearest(0, 3)] == 4 and known.frames[known.nearest(0, 99)] == 5


def test_nothing_lies_anywhere_without_cells():
    known = lineages_of(draft_of({}))
    assert len(known) == 0 and lay_out(known).height == 0


@st.composite
def forests(draw):
    """Tracks of three frames; every other one may divide into two that follow it."""
    lives, mothers, open_ones = {}, {}, []
    for _ in range(draw(st.integers(1, 4))):
        number = len(lives) + 1
        lives[number] = range(3)
        open_ones.append(number)
    while open_ones and len(lives) < 30:
        mother = open_ones.pop(draw(st.integers(0, len(open_ones) - 1)))
        if draw(st.booleans()):
            start = lives[mother].stop
            for _ in range(2):
                number = len(lives) + 1
                lives[number], mothers[number] = range(start, start + 3), mother
                open_ones.append(number)
    return lives, mothers


@given(forests(), st.sets(st.integers(1, 30)))
def test_rows_of_any_forest_are_free_and_mothers_in_the_middle(forest, folded):
    layout = lay_out(lineages_of(draft_of(*forest)), folded=folded)
    rows, mothers = rows_of(layout), forest[1]
    ends = [track for track in rows if not any(mothers.get(other) == track for other in rows)]
    taken = sorted(rows[track] for track in ends)
    assert all(b - a >= 1 for a, b in pairwise(taken))
    assert taken[0] == 0 and taken[-1] + 1 == layout.height
    for mother in set(rows) - set(ends):
        own = [rows[d] for d, m in mothers.items() if m == mother]
        assert rows[mother] == pytest.approx((min(own) + max(own)) / 2)


def test_five_thousand_tracks_are_laid_out_anew_in_a_moment():
    lives, mothers = {}, {}
    for founder in range(1, 5000, 5):
        lives |= {founder: range(20), founder + 1: range(20, 40), founder + 2: range(20, 40)}
        lives |= {founder + 3: range(40, 60), founder + 4: range(40, 60)}
        mothers |= {founder + 1: founder, founder + 2: founder}
        mothers |= {founder + 3: founder + 1, founder + 4: founder + 1}
    draft = draft_of(lives, mothers)
    assert len(draft) == 100_000
    spent = []
    for _ in range(3):
        before = process_time()
        layout = lay_out(lineages_of(draft))
        spent.append(process_time() - before)
    assert layout.shown.all() and len(layout.rows) == 5000
    assert min(spent) < 0.05
