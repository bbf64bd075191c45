"""What goes out to other programs comes back, and what cannot is told, counted."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from forests import experiments
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.stages import H2B, free_stages
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.exchange import (
    FORMS,
    export_experiment,
    form_of,
    import_experiment,
    import_tracks,
)
from napari_cellcycle.io.exchange_check import differences
from napari_cellcycle.io.movies import movie_from_array

FILES = {"trackmate": "cells.xml", "geff": "cells.geff", "csv": "cells.csv", "ctc": "cells_RES"}
TABLES = ("trackmate", "geff", "csv")


@pytest.fixture
def family():
    """A mother (11, 12) seen again after a gap (13), her daughters (14, 15), and a stranger (16).

    11 -- 12 ------- 13 -/- 14
                        \\- 15
    16
    """
    cells = pd.DataFrame(
        {
            "frame": [0, 1, 3, 4, 4, 0],
            "label": [1, 1, 1, 2, 3, 4],
            "y": [2.0, 2, 2, 1, 4, 7],
            "x": [2.0, 3, 4, 4, 4, 7],
            "area": [9.0, 9, 9, 4, 4, 4],
            "stage": [
                "interphase",
                "prophase",
                "metaphase",
                "telophase",
                "telophase",
                "interphase",
            ],
            "pinned": ["", "prophase", "", "", "", ""],
            **{f"p_{name}": np.full(6, 1 / 7, np.float32) for name in H2B.names},
        },
        index=pd.Index([11, 12, 13, 14, 15, 16], name="cell_id"),
    )
    links = pd.DataFrame(
        {
            "parent": [11, 12, 13, 13],
            "child": [12, 13, 14, 15],
            "score": [0.9, 0.25, 1.0, 1.0],
            "by": ["model", "user", "model", "model"],
        }
    )
    masks = np.zeros((5, 9, 9), np.int32)
    for row in cells.itertuples():
        masks[row.frame, int(row.y), int(row.x)] = row.label
    rejected = pd.DataFrame({"parent": [16], "child": [12]})
    movie = movie_from_array(
        np.zeros((5, 9, 9), np.uint8), "TYX", pixel_size=0.5, frame_interval=120
    )
    confirmed = frozenset({("cell", 11), ("cell", 12)})
    tracks = Tracks(cells, links, rejected)
    return Experiment(movie, LabelStack(masks), tracks, confirmed=confirmed)


def same_tracks(ours, theirs, rtol):
    """Compare by plain means everything that a table of cells and one of links can hold."""
    theirs_cells = theirs.cells.loc[ours.cells.index]
    assert len(ours) == len(theirs)
    for name in ("frame", "label"):
        assert theirs_cells[name].tolist() == ours.cells[name].tolist()
    for name in (*ours.axes, "area", "p_one"):
        if name in ours.cells:
            read = theirs_cells[name].astype(ours.cells[name].dtype)
            np.testing.assert_allclose(read, ours.cells[name], rtol, atol=1e-12)
    for name in ("stage", "pinned", "by", "filled"):
        if name in ours.cells:
            assert theirs_cells[name].fillna("").tolist() == ours.cells[name].tolist()
    links = [tracks.links.set_index(["parent", "child"]).sort_index() for tracks in (ours, theirs)]
    assert links[0]["by"].to_dict() == links[1]["by"].to_dict()
    np.testing.assert_allclose(links[1]["score"], links[0]["score"], rtol, atol=1e-12)
    assert theirs.track_id.loc[ours.cells.index].tolist() == ours.track_id.tolist()


def comes_back(experiment, form, rtol):
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILES[form]
        report = export_experiment(experiment, path, form)
        read, said = import_tracks(path, movie=experiment.movie)
    assert report.complete, report
    assert said.complete, said
    same_tracks(experiment.tracks, read, rtol)


@settings(deadline=None, max_examples=25)
@given(experiment=experiments())
def test_any_forest_comes_back_from_trackmate(experiment):
    comes_back(experiment, "trackmate", 1e-9)


@settings(deadline=None, max_examples=25)
@given(experiment=experiments())
def test_any_forest_comes_back_from_a_table_to_seven_digits(experiment):
    comes_back(experiment, "csv", 1e-6)


@settings(deadline=None, max_examples=8)
@given(experiment=experiments())
def test_any_forest_comes_back_from_a_geff(experiment):
    comes_back(experiment, "geff", 1e-9)


@settings(deadline=None, max_examples=20)
@given(experiment=experiments())
def test_any_forest_comes_back_from_a_challenge_folder_by_its_places(experiment):
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILES["ctc"]
        report = export_experiment(experiment, path, "ctc")
        read, _ = import_tracks(path)
    assert report.complete, report

    def by_place(tracks):
        rows = tracks.cells[["frame", *tracks.axes]].apply(tuple, axis=1).to_dict()
        ends = zip(tracks.links["parent"], tracks.links["child"], strict=True)
        return set(rows.values()), {(rows[parent], rows[child]) for parent, child in ends}

    assert by_place(read) == by_place(experiment.tracks)


@settings(deadline=None, max_examples=20)
@given(experiment=experiments(), data=st.data())
def test_a_file_that_holds_something_else_is_found_out(experiment, data):
    tracks = experiment.tracks
    columns = ["label", "stage", "area"], ["score"]
    assert differences(tracks, tracks, *columns) == {}
    if not len(tracks):
        return
    cell = data.draw(st.sampled_from(tracks.cells.index.tolist()))
    here = tracks.cells.index == cell
    moved = tracks.with_columns(x=tracks.cells["x"] + here)
    assert differences(tracks, moved, *columns) == {"cells with another x": 1}
    restaged = tracks.with_columns(stage=tracks.cells["stage"].mask(here, "?!?!?!?"))
    assert differences(tracks, restaged, *columns) == {"cells with another stage": 1}
    bare = tracks.with_columns(stage=None)
    assert differences(tracks, bare, *columns) == {"cells with another stage": len(tracks)}
    if len(tracks.links):
        cut = replace(tracks, links=tracks.links.iloc[1:])
        assert differences(tracks, cut, *columns) == {"links missing": 1}
        assert differences(cut, tracks, *columns) == {"links too many": 1}


@pytest.mark.parametrize("form", FORMS)
def test_a_report_counts_what_a_file_holds(family, tmp_path, form):
    report = export_experiment(family, tmp_path / FILES[form], form)
    assert report.complete and report.form == form
    assert "holds 6 cells, 4 links and 1 division in 4 tracks" in report.sentences[0]
    assert report.counts["gaps"] == 1 and report.counts["pinned"] == 1
    assert "1 closed gap is kept as" in str(report)


@pytest.mark.parametrize(
    ("form", "lost"),
    [
        ("trackmate", ["no masks: 6 masks", "1 rejected link", "2 confirmations"]),
        ("csv", ["no masks: 6 masks", "1 rejected link", "seven digits"]),
        ("geff", ["no masks: 6 masks"]),
        ("ctc", ["6 stages", "1 pinned stage,", "4 link scores", "1 rejected link", "no ids"]),
    ],
)
def test_a_report_tells_what_has_no_place_in_a_form(family, tmp_path, form, lost):
    said = str(export_experiment(family, tmp_path / FILES[form], form))
    for words in lost:
        assert words in said
    if form == "geff":
        assert "Left out" not in said


def test_a_geff_keeps_rejections_confirmations_and_stages(family, tmp_path):
    export_experiment(family, tmp_path / "cells.geff", "geff")
    read, _ = import_experiment(tmp_path / "cells.geff", family.movie, family.labels)
    assert read.confirmed == family.confirmed and read.stages == family.stages
    assert read.tracks.rejected.to_numpy().tolist() == [[16, 12]]


def test_cells_without_masks_and_masks_without_cells_are_told(family, tmp_path):
    masks = family.labels.to_array()
    masks[0][masks[0] == 4] = 0
    masks[2, 8, 8] = 77
    report = export_experiment(
        replace(family, labels=LabelStack(masks)), tmp_path / "cells.xml", "trackmate"
    )
    assert "1 cell has no mask" in str(report)
    assert report.counts["spare"] == 1
    whole = masks.copy()
    whole[0, 7, 7] = 4
    report = export_experiment(replace(family, labels=LabelStack(whole)), tmp_path / "RES", "ctc")
    assert "1 mask was left out that belongs to no cell" in str(report)


def test_a_guessed_calibration_is_told(family, tmp_path):
    movie = replace(family.movie, guessed=frozenset({"pixel_size", "frame_interval"}))
    said = str(export_experiment(replace(family, movie=movie), tmp_path / "a.xml", "trackmate"))
    assert "pixel size and frame interval in it were assumed" in said


@pytest.mark.parametrize("form", TABLES)
def test_an_import_is_an_experiment_with_stages_and_masks_by_track(family, tmp_path, form):
    path = tmp_path / FILES[form]
    export_experiment(family, path, form)
    shuffled = np.where(family.labels.to_array() > 0, family.labels.to_array() + 40, 0)
    read, report = import_experiment(path, family.movie, LabelStack(shuffled))
    assert "6 of 6 cells lie on a mask of their own" in str(report)
    assert "6 cells have a stage, 1 of them pinned" in str(report)
    assert read.stages == H2B
    for row in read.tracks.cells.itertuples():
        assert read.labels.frame(row.frame)[int(row.y), int(row.x)] == row.label
    assert read.tracks.track_id.tolist() == read.tracks.cells["label"].tolist()
    assert read.history[-1].name == "import" and read.history[-1].notes == report.sentences


def test_stages_that_no_cell_has_come_back_or_are_told(family, tmp_path):
    few = family.tracks.cells[["frame", "label", "y", "x"]].assign(stage="")
    few.loc[12, "stage"] = "prophase"
    some = replace(family, tracks=replace(family.tracks, cells=few))
    own = replace(some, stages=free_stages(["prophase", "G1/S", "early"]))
    for experiment in (some, own):
        report = export_experiment(experiment, tmp_path / "a.xml", "trackmate")
        assert report.complete and "that no cell has" not in str(report)
        read, _ = import_experiment(tmp_path / "a.xml", family.movie, family.labels)
        assert read.stages == experiment.stages
    report = export_experiment(own, tmp_path / "a.csv", "csv")
    assert "2 stages that no cell has" in str(report)
    report = export_experiment(own, tmp_path / "a.geff", "geff")
    assert "that no cell has" not in str(report)


def test_a_file_tells_the_calibration_where_the_movie_does_not(family, tmp_path):
    export_experiment(family, tmp_path / "a.xml", "trackmate")
    unknown = movie_from_array(np.zeros((5, 9, 9), np.uint8), "TYX")
    read, report = import_experiment(tmp_path / "a.xml", unknown)
    assert read.movie.pixel_size == (0.5, 0.5) and read.movie.frame_interval == 120
    assert not read.movie.guessed
    assert "that of the file is taken" in str(report)
    other = movie_from_array(
        np.zeros((5, 9, 9), np.uint8), "TYX", pixel_size=0.6, frame_interval=60
    )
    read, report = import_experiment(tmp_path / "a.xml", other)
    assert read.movie.pixel_size == (0.6, 0.6)
    assert "The movie says 0.6 x 0.6 µm" in str(report) and "60 s" in str(report)


def test_without_masks_cells_stay_points_or_get_spots(family, tmp_path):
    export_experiment(family, tmp_path / "a.csv", "csv")
    read, report = import_experiment(tmp_path / "a.csv", family.movie)
    assert read.labels is None and "cells are points" in str(report)
    assert read.tracks.cells["label"].tolist() == read.tracks.track_id.tolist()
    read, report = import_experiment(tmp_path / "a.csv", family.movie, spots=True)
    assert "it is no outline" in str(report)
    for row in read.tracks.cells.itertuples():
        assert read.labels.frame(row.frame)[int(row.y), int(row.x)] == row.label


def test_cells_of_a_flat_movie_get_no_spots_in_a_volume(family, tmp_path):
    export_experiment(family, tmp_path / "a.csv", "csv")
    volume = movie_from_array(np.zeros((5, 3, 9, 9), np.uint8), "TZYX")
    with pytest.raises(BadInput, match="along y, x, but the movie has the axes z, y, x: choose"):
        import_experiment(tmp_path / "a.csv", volume, spots=True)


def test_nothing_is_written_without_tracks_or_in_an_unknown_form(family, tmp_path):
    with pytest.raises(BadInput, match="track the cells first"):
        export_experiment(replace(family, tracks=None), tmp_path / "a.xml", "trackmate")
    with pytest.raises(BadInput, match="choose one of trackmate"):
        export_experiment(family, tmp_path / "a.xml", "excel")
    with pytest.raises(BadInput, match="There are no masks"):
        export_experiment(replace(family, labels=None), tmp_path / "RES", "ctc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_what_is_in_the_way_stays_as_it_was(family, tmp_path, form):
    path = tmp_path / FILES[form]
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")
    with pytest.raises(CannotWrite):
        export_experiment(family, path, form)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert (path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("form", FORMS)
def test_an_export_replaces_an_earlier_one(family, tmp_path, form):
    path = tmp_path / FILES[form]
    export_experiment(family, path, form)
    cut = replace(family, tracks=family.tracks.unlink(13, by="model"))
    report = export_experiment(cut, path, form)
    assert report.complete and len(import_tracks(path)[0].links) == 3
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("form", FORMS)
def test_no_cells_make_an_empty_file(family, tmp_path, form):
    none = Tracks(family.tracks.cells.iloc[:0], family.tracks.links.iloc[:0])
    empty = replace(family, tracks=none, labels=LabelStack(np.zeros((5, 9, 9), np.int32)))
    assert export_experiment(empty, tmp_path / FILES[form], form).complete
    assert len(import_tracks(tmp_path / FILES[form], movie=family.movie)[0]) == 0


def test_the_form_of_a_file_is_seen_in_it(family, tmp_path):
    for form, name in FILES.items():
        export_experiment(family, tmp_path / name, form)
        assert form_of(tmp_path / name) == form
    with pytest.raises(BadInput, match="There is no"):
        form_of(tmp_path / "nowhere")
    (tmp_path / "notes.docx").write_text("")
    with pytest.raises(BadInput, match="nothing that tracks can be read from"):
        form_of(tmp_path / "notes.docx")


def test_tracks_longer_than_movie_or_masks_are_refused(family, tmp_path):
    export_experiment(family, tmp_path / "a.csv", "csv")
    short = movie_from_array(np.zeros((3, 9, 9), np.uint8), "TYX")
    with pytest.raises(BadInput, match="the movie ends at 2"):
        import_experiment(tmp_path / "a.csv", short)
    with pytest.raises(BadInput, match="the masks end at 2"):
        import_tracks(tmp_path / "a.csv", labels=LabelStack(np.zeros((3, 9, 9), np.int32)))
    volume = LabelStack(np.zeros((5, 3, 9, 9), np.int32))
    with pytest.raises(BadInput, match="2D"):
        import_tracks(tmp_path / "a.csv", labels=volume)
