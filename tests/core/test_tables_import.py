"""Tables of cells of any program: names of columns, signs between values, and what is missing."""

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.exchange import import_tracks
from napari_cellcycle.io.movies import movie_from_array

MOVIE = movie_from_array(np.zeros((4, 9, 9)), "TYX", pixel_size=0.5, frame_interval=150)


@pytest.fixture
def table(tmp_path):
    def save(text, name="cells.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return save


def links(tracks):
    return sorted(map(tuple, tracks.links[["parent", "child"]].to_numpy().tolist()))


def test_the_cell_before_makes_the_links(table):
    path = table("id,parent_id,t,y,x\n4,,0,1,2\n6,4,1,1,3\n7,6,2,1,4\n8,6,2,3,4\n")
    tracks, report = import_tracks(path)
    assert links(tracks) == [(4, 6), (6, 7), (6, 8)] and report.complete
    assert tracks.cells["x"].tolist() == [2, 3, 4, 4]


def test_tracks_and_their_mothers_make_the_links(table):
    rows = "10,0,1,2,\n10,2,1,3,\n20,3,1,4,10\n30,3,3,4,10\n40,1,9,9,77\n"
    tracks, _ = import_tracks(table("Track ID,Frame,Y,X,Parent Track ID\n" + rows))
    assert links(tracks) == [(1, 2), (2, 3), (2, 4)]
    assert tracks.track_id.tolist() == [10, 10, 20, 30, 40]


def test_napari_tracks_with_a_parent_column_are_understood(table):
    tracks, _ = import_tracks(table("track_id,t,y,x,parent\n1,0,5,5,0\n2,1,4,5,1\n3,1,6,5,1\n"))
    assert links(tracks) == [(1, 2), (1, 3)]


def test_places_without_tracks_are_points(table):
    tracks, _ = import_tracks(table("frame,z,y,x\n0,1,2,3\n1,1,2,3\n"))
    assert tracks.axes == ["z", "y", "x"] and len(tracks.links) == 0
    assert tracks.track_id.nunique() == 2


def test_unusual_names_are_given(table):
    path = table("zeit;hoch;quer;phase\n0;1,5;2,5;G1\n1;1,5;3,5;NA\n")
    names = {"frame": "zeit", "y": "hoch", "x": "quer"}
    with pytest.raises(BadInput, match="none is known as frame: say which it is, as in frame="):
        import_tracks(path)
    tracks, _ = import_tracks(path, columns=names)
    assert tracks.cells["x"].tolist() == [2.5, 3.5]
    assert tracks.cells["stage"].tolist() == ["G1", "NA"]


def test_tabs_and_a_byte_order_mark_do_not_matter(table):
    path = table("frame\ty\tx\n0\t1\t2\n", "cells.tsv", "utf-8-sig")
    assert import_tracks(path)[0].cells["x"].tolist() == [2]


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_decimal_comma_may_first_come_in_a_later_row(table, sign):
    rows = "frame;track;y;x;area;note;stage\n0;1;10;20;5;a 1,5;1,5\n1;1;10,5;;-2,5e1;;\n"
    path = table(rows.replace(";;-2", ";20;-2").replace(";", sign))
    cells = import_tracks(path)[0].cells
    assert cells["y"].tolist() == [10.0, 10.5] and cells["area"].tolist() == [5.0, -25.0]
    assert cells["note"].iloc[0] == "a 1,5" and cells["stage"].iloc[0] == "1,5"


def test_where_numbers_have_points_a_comma_is_none(table):
    cells = import_tracks(table("frame;y;x;plate\n0;1.5;2;1,2\n1;2;2;1,3\n"))[0].cells
    assert cells["y"].tolist() == [1.5, 2.0] and cells["plate"].tolist() == ["1,2", "1,3"]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_the_line_with_which_excel_names_its_sign_is_no_row(table, first):
    path = table(f"{first}\nframe;y;x,1\n0;1,5;2\n")
    cells = import_tracks(path, columns={"x": "x,1"})[0].cells
    assert cells["y"].tolist() == [1.5] and cells["x"].tolist() == [2]


def test_a_table_that_excel_saved_as_unicode_is_read(table):
    cells = import_tracks(table("frame\ty\tx\tGröße\n0\t1\t2\t3\n", encoding="utf-16"))[0].cells
    assert cells["x"].tolist() == [2] and cells["Größe"].tolist() == [3]


def test_micrometres_become_pixels_of_the_movie(table):
    path = table("frame,y_um,x_um\n0,1,2\n")
    assert import_tracks(path, movie=MOVIE)[0].cells["x"].tolist() == [4.0]
    with pytest.raises(BadInput, match="give the movie as well"):
        import_tracks(path)


def test_a_table_of_trackmate_has_more_header_rows(table):
    path = table(
        "LABEL,ID,TRACK_ID,POSITION_X,POSITION_Y,POSITION_Z,FRAME\n"
        "Label,Spot ID,Track ID,X,Y,Z,Frame\nLabel,Spot ID,Track ID,X,Y,Z,Frame\n"
        ",,,(micron),(micron),(micron),\nID11,11,0,1,2,0,0\nID12,12,0,2,2,0,1\n"
    )
    tracks, _ = import_tracks(path, movie=MOVIE)
    assert tracks.axes == ["y", "x"] and tracks.cells["x"].tolist() == [2.0, 4.0]
    assert links(tracks) == [(11, 12)]


def test_a_parent_that_is_not_there_is_told(table):
    tracks, report = import_tracks(table("id,parent_id,t,y,x\n4,3,0,1,2\n6,4,1,1,3\n7,-1,1,2,2\n"))
    assert links(tracks) == [(4, 6)]
    assert "1 link names a cell that the file does not have" in str(report)


def test_stages_pins_chances_and_measurements_are_kept(table):
    path = table(
        "frame,y,x,stage,pinned,p_G1,p_None,area,by,gene\n"
        "0,1,2,None,None,0.25,0.75,9,user,TP53\n1,1,2,,,0.5,0.5,,model,\n"
    )
    cells = import_tracks(path)[0].cells
    assert cells["stage"].iloc[0] == "None" and pd.isna(cells["stage"].iloc[1])
    assert cells["pinned"].tolist() == ["None", ""]
    assert cells["p_None"].tolist() == [0.75, 0.5] and np.isnan(cells["area"].iloc[1])
    assert cells["by"].tolist() == ["user", "model"] and cells["gene"].iloc[0] == "TP53"


def test_labels_that_two_cells_of_a_frame_share_are_given_anew(table):
    tracks, _ = import_tracks(table("frame,y,x,label\n0,1,2,5\n0,3,4,5\n1,1,2,\n"))
    assert tracks.cells["label"].iloc[0] == 5
    assert not tracks.cells.duplicated(["frame", "label"]).any()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no table of cells"),
        ("frame,y\n0,1\n", "none is known as x"),
        ("frame,y,x\n0,1\n0,1,2,3,4\n", "is no table of cells"),
        ("frame,y,x\n0,1,2\n1.5,1,2\n", "1.5 as the frame"),
        ("frame,y,x\n-1,1,2\n", "-1 as the frame"),
        ("frame,y,x\n0,1,2\n0,1,left\n", "has no place"),
        ("id,frame,y,x\n1,0,1,2\n1,1,1,2\n", "two cells with the number 1"),
        ("id,frame,y,x\na,0,1,2\n", "names a cell a"),
        ("id,frame,y,x\n18014398509481984,0,1,2\n", "below 9,007,199,254,740,992 are expected"),
        ("track_id,frame,y,x\n1,0,1,2\n1,0,2,2\n", "Track 1 in .* has two cells in frame 0"),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence(table, text, words):
    with pytest.raises(BadInput, match=words) as error:
        import_tracks(table(text))
    assert "\n" not in str(error.value)


def test_an_image_is_no_table(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(BadInput, match="is no table"):
        import_tracks(tmp_path / "a.csv")
