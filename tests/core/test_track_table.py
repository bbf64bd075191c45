"""What the table of tracks says about them, and how its rows are found."""

import numpy as np
import pytest
from toy_tracks import GRANDMOTHER, draft_of

from napari_cellcycle.data.track_search import rows_found
from napari_cellcycle.data.track_table import columns_of, track_table
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.errors import BadInput


@pytest.fixture
def divided():
    """Two generations with stages; the link to 5 is in doubt, the one to 4 corrected."""
    stages = {(1, 2): "metaphase", (2, 3): "anaphase", (2, 4): "telophase"}
    draft = draft_of(*GRANDMOTHER, stages=stages, confirmed={("link", 2), ("frame", 3)})
    first = {track: int(draft.track(track)[0]) for track in range(1, 7)}
    with draft.recording():
        mother = draft.parent(first[4])
        draft.set_parents([first[4]], [mother], [1.0], [BY_USER])
        draft.set_parents([first[5]], [mother], [0.2], ["model"])
        draft.set_parents([2], [draft.parent(2)], [0.9], [BY_USER])
        draft.set_values("pinned", draft.track(6)[:3], "interphase")
    return draft


def test_the_table_tells_family_times_and_stages_of_every_track(divided):
    table = track_table(divided, 30.0, ("metaphase", "anaphase")).set_index("track")
    assert table["mother"].tolist() == [0, 1, 1, 2, 2, 0]
    assert table["daughters"].tolist() == ["2 3", "4 5", "", "", "", ""]
    assert table["divides"].tolist() == [True, True, False, False, False, False]
    assert table.loc[3, ["first_frame", "last_frame", "hours"]].tolist() == [3, 9, 3.5]
    assert table["mitosis_min"].tolist() == [30, 30, 0, 0, 0, 0]
    assert table.loc[2, ["anaphase_min", "telophase_min", "interphase_min"]].tolist() == [30] * 3
    assert table["area_um2"].tolist() == [10, 20, 30, 40, 50, 60]


def test_the_table_tells_what_is_doubtful_corrected_and_confirmed(divided):
    table = track_table(divided, 30.0).set_index("track")
    assert table["doubt"].tolist() == [0.9, 0.9, 0.9, 0.9, 0.2, 0.9]
    assert table["corrections"].tolist() == [0, 0, 0, 1, 0, 3]
    assert table["confirmed"].tolist() == [1, 0, 0, 0, 0, 0]


def test_the_table_leaves_out_what_nobody_knows():
    draft = draft_of({1: [0], 2: range(2)}, axes=("z", "y", "x"))
    table = track_table(draft, 30.0)
    assert "volume_um3" in table and not [name for name in table if str(name).endswith("_min")]
    assert np.isnan(table["doubt"][0]) and table["doubt"][1] == 0.9
    assert [column.name for column in columns_of(table)] == list(table.columns)


@pytest.mark.parametrize(
    ("words", "tracks"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("2", [1, 2, 4, 5]),
        ("divides", [1, 2]),
        ("not divides; hours > 3", [3, 6]),
        ("lowest link < 0.5", [5]),
        ("Corrections >= 1", [4, 6]),
        ("confirmed", [1]),
        ("mean area, µm² = 30; first frame=3", [3]),
        ("mean area != 30; mother = 1", [2]),
        ("metaphase > 0", [1]),
        (" ; telophase, min > 0 ;", [2]),
    ],
)
def test_searching_finds_the_rows_that_are_asked_for(divided, words, tracks):
    table = track_table(divided, 30.0, ("metaphase", "anaphase"))
    assert table["track"][rows_found(table, words)].tolist() == tracks


@pytest.mark.parametrize("words", ["nonsense", "hours", "hours > long", "daughters > 2", "> 3"])
def test_searching_for_what_is_not_there_says_how_to_ask(divided, words):
    table = track_table(divided, 30.0)
    if words == "hours":
        assert rows_found(table, words).all()
        return
    with pytest.raises(BadInput, match="hours > 20"):
        rows_found(table, words)


def test_a_movie_without_cells_has_an_empty_table():
    table = track_table(draft_of({}), 5.0)
    assert len(table) == 0 and len(rows_found(table, "divides")) == 0
