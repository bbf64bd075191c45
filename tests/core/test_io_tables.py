"""The table of cells says when, where and what each cell was, in minutes and micrometres."""

import numpy as np
import pandas as pd
import pytest

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.movies import movie_from_array
from napari_cellcycle.io.tables import cell_table, write_cell_table


@pytest.fixture
def family():
    """A mother (1), her daughters (2, 3), a granddaughter (4 and 5 of 2), and a stranger (9)."""
    cells = pd.DataFrame(
        {
            "frame": [0, 1, 2, 2, 3, 3, 3],
            "label": [1, 1, 2, 3, 4, 5, 9],
            "y": [1.0, 2, 3, 4, 5, 6, 7],
            "x": [10.0, 20, 30, 40, 50, 60, 70],
            "area": [5.0] * 7,
            "stage": ["G1"] * 7,
            "p_G1": [0.5] * 7,
        },
        index=pd.RangeIndex(11, 18, name="cell_id"),
    )
    ends = pd.DataFrame({"parent": [11, 12, 12, 13, 13], "child": [12, 13, 14, 15, 16]})
    movie = movie_from_array(
        np.zeros((4, 9, 80), np.uint16), "TYX", pixel_size=0.5, frame_interval=90
    )
    return Experiment(movie, tracks=Tracks(cells, ends.assign(score=1.0)))


def test_every_cell_has_its_time_place_and_ancestry(family):
    table = cell_table(family).set_index("cell_id")
    assert table.loc[15, ["time_min", "x_um", "y_um"]].tolist() == [4.5, 25.0, 2.5]
    assert table.loc[15, ["track_id", "mother_track", "generation", "lineage"]].tolist() == [
        4, 2, 2, 1,
    ]  # fmt: skip
    assert pd.isna(table.loc[17, "mother_track"])
    assert table.loc[17, ["generation", "lineage"]].tolist() == [0, 9]
    assert list(table) == [
        "track_id", "mother_track", "generation", "lineage", "divides", "frame", "time_min", "x_um",
        "y_um", "x_px", "y_px", "label", "parent_id", "link_score", "link_by", "area", "stage",
        "p_G1", "by",
    ]  # fmt: skip


def test_the_file_holds_the_same_table(family, tmp_path):
    write_cell_table(family, tmp_path / "new" / "cells.csv")
    read = pd.read_csv(
        tmp_path / "new" / "cells.csv", dtype={"mother_track": "Int64", "parent_id": "Int64"}
    )
    pd.testing.assert_frame_equal(read, cell_table(family), check_dtype=False)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cells.csv"]


def test_positions_in_3d_have_a_z(family):
    movie = movie_from_array(
        np.zeros((4, 3, 9, 80)), "TZYX", pixel_size=(2.0, 0.5, 0.5), frame_interval=90
    )
    tracks = family.tracks.with_columns(z=np.ones(7))
    table = cell_table(Experiment(movie, tracks=tracks))
    assert (table["z_um"] == 2.0).all()
    assert "z" not in table and "x" not in table


def test_no_cells_give_an_empty_table(family):
    none = Tracks(family.tracks.cells.iloc[:0], family.tracks.links.iloc[:0])
    assert len(cell_table(Experiment(family.movie, tracks=none))) == 0


def test_a_table_needs_tracks(family):
    with pytest.raises(BadInput, match="track first"):
        cell_table(Experiment(family.movie))
