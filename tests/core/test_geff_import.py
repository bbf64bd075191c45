"""Geffs of other programs, which name time and place in many ways."""

import shutil
import warnings

import numpy as np
import pytest
from geff.core_io import write_arrays
from geff_spec import Axis, GeffMetadata

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.exchange import form_of, import_tracks
from napari_cellcycle.io.geff_import import read_foreign_geff
from napari_cellcycle.io.movies import movie_from_array

IDS = np.array([3, 5, 8, 9], np.uint64)
TIME = np.array([0, 1, 2, 2])
Y, X = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])
EDGES = np.array([[3, 5], [5, 8], [5, 9]], np.uint64)
"""A mother (3, 5) and her daughters (8, 9)."""


def written(path, nodes, edges=EDGES, axes=(), links=None, ids=IDS):
    def prop(values):
        missing = None
        if isinstance(values, tuple):
            values, missing = values
        return {"values": np.asarray(values), "missing": missing}

    metadata = GeffMetadata(
        directed=True,
        axes=[Axis(**axis) for axis in axes] or None,
        node_props_metadata={},
        edge_props_metadata={},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_arrays(
            path,
            ids,
            {name: prop(values) for name, values in nodes.items()},
            np.asarray(edges, np.uint64),
            {name: prop(values) for name, values in (links or {}).items()},
            metadata,
            structure_validation=False,
        )
    return path


def links(tracks):
    return sorted(map(tuple, tracks.links[["parent", "child"]].to_numpy().tolist()))


@pytest.mark.parametrize(
    "nodes",
    [
        {"t": TIME, "y": Y, "x": X},
        {"time": TIME, "pos": np.column_stack([Y, X])},
        {"frame": TIME, "centroid-y": Y, "centroid-x": X},
        {"TimePoint": TIME, "POSITION_X": X, "POSITION_Y": Y},
        {"time": TIME.astype(float), "coords": np.column_stack([Y, X]), "label": [1, 1, 2, 3]},
    ],
)
def test_time_and_place_are_known_by_their_usual_names(tmp_path, nodes):
    tracks, report = import_tracks(written(tmp_path / "a.geff", nodes))
    assert links(tracks) == [(3, 5), (5, 8), (5, 9)]
    assert tracks.cells["frame"].tolist() == TIME.tolist()
    assert tracks.cells[["y", "x"]].to_numpy().tolist() == np.column_stack([Y, X]).tolist()
    assert tracks.track_id.tolist() == [1, 1, 2, 3] and report.complete


def test_axes_in_the_metadata_say_what_unusual_names_mean(tmp_path):
    axes = [
        {"name": "when", "type": "time"},
        {"name": "down", "type": "space"},
        {"name": "right", "type": "space"},
    ]
    path = written(tmp_path / "a.geff", {"when": TIME, "right": X, "down": Y}, axes=axes)
    assert read_foreign_geff(path).tracks.cells["x"].tolist() == X.tolist()


def test_names_can_be_given(tmp_path):
    path = written(tmp_path / "a.geff", {"when": TIME, "right": X, "down": Y, "seg": [7, 7, 8, 9]})
    with pytest.raises(BadInput, match="none is known as frame, y, x: say which it is"):
        read_foreign_geff(path)
    names = {"frame": "when", "x": "right", "y": "down", "label": "seg"}
    tracks, _ = import_tracks(path, columns=names)
    assert tracks.cells["label"].tolist() == [7, 7, 8, 9]
    with pytest.raises(BadInput, match="no column 'where'"):
        import_tracks(path, columns=names | {"x": "where"})
    with pytest.raises(BadInput, match="nothing called 'colour'"):
        import_tracks(path, columns=names | {"colour": "when"})


def test_micrometres_and_minutes_become_pixels_and_frames(tmp_path):
    axes = [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    nodes = {"t": TIME * 2.5, "y": Y / 2, "x": X / 2}
    path = written(tmp_path / "a.geff", nodes, axes=axes)
    movie = movie_from_array(np.zeros((3, 9, 9)), "TYX", pixel_size=0.5, frame_interval=150)
    cells = import_tracks(path, movie=movie)[0].cells
    assert cells["frame"].tolist() == TIME.tolist() and cells["x"].tolist() == X.tolist()
    with pytest.raises(BadInput, match="give the movie as well"):
        import_tracks(path)


def test_ids_too_large_for_other_programs_are_numbered_anew_with_their_links(tmp_path):
    large = IDS + np.uint64(2**63)
    edges = np.vstack([EDGES + np.uint64(2**63), np.array([[7, 2**63 + 9]], np.uint64)])
    path = written(tmp_path / "a.geff", {"t": TIME, "y": Y, "x": X}, edges, ids=large)
    tracks, report = import_tracks(path)
    assert tracks.cells.index.tolist() == [1, 2, 3, 4] and tracks.cells["x"].tolist() == X.tolist()
    assert links(tracks) == [(1, 2), (2, 3), (2, 4)]
    assert report.counts["shifted"] == 4 and "Every cell has a new id" in str(report)
    large[1] = large[0]
    path = written(tmp_path / "b.geff", {"t": TIME, "y": Y, "x": X}, ids=large)
    with pytest.raises(BadInput, match=f"two cells with the number {2**63 + 3}"):
        import_tracks(path)


def test_a_frame_is_not_mixed_up_with_another_property_of_time(tmp_path):
    nodes = {"frame": TIME, "t": TIME * 60.0, "label": [1, 1, 2, 3], "seg_id": [9, 9, 9, 9]}
    cells = import_tracks(written(tmp_path / "a.geff", nodes | {"y": Y, "x": X}))[0].cells
    assert cells["frame"].tolist() == TIME.tolist() and cells["label"].tolist() == [1, 1, 2, 3]
    assert cells["t"].tolist() == (TIME * 60.0).tolist()


def test_calibration_is_taken_from_the_scale_of_axes(tmp_path):
    scaled = {"unit": "pixel", "scaled_unit": "nanometer", "type": "space"}
    axes = [
        {"name": "t", "type": "time", "unit": "frame", "scale": 5, "scaled_unit": "minute"},
        {"name": "y", "scale": 650, **scaled},
        {"name": "x", "scale": 650, **scaled},
    ]
    found = read_foreign_geff(written(tmp_path / "a.geff", {"t": TIME, "y": Y, "x": X}, axes=axes))
    assert found.pixel_size == pytest.approx((0.65, 0.65)) and found.frame_interval == 300


def test_of_a_graph_of_candidates_the_solution_is_read(tmp_path):
    nodes = {"t": TIME, "y": Y, "x": X, "solution": [True, True, True, False]}
    edges = np.vstack([EDGES, [[3, 8]]])
    path = written(tmp_path / "a.geff", nodes, edges, links={"solution": [True, True, True, False]})
    tracks, report = import_tracks(path)
    assert links(tracks) == [(3, 5), (5, 8)]
    assert "1 candidate that is not part of the solution was left out" in str(report)


def test_scores_that_are_chances_are_kept_and_others_only_rank(tmp_path):
    nodes = {"t": TIME, "y": Y, "x": X}
    merging = np.array([[3, 8], [5, 8], [5, 9]])
    path = written(tmp_path / "a.geff", nodes, merging, links={"prob": [0.9, 0.4, 0.7]})
    tracks, report = import_tracks(path)
    assert links(tracks) == [(3, 8), (5, 9)] and tracks.links["score"].tolist() == [0.9, 0.7]
    assert "cells cannot merge here" in str(report)
    path = written(tmp_path / "b.geff", nodes, merging, links={"weight": [-9.0, 4.0, 70.0]})
    tracks, _ = import_tracks(path)
    assert links(tracks) == [(5, 8), (5, 9)] and tracks.links["score"].tolist() == [1.0, 1.0]
    assert tracks.links["weight"].tolist() == [4.0, 70.0]


def test_other_properties_are_kept_and_shapes_told(tmp_path):
    stage = np.array(["G1", "M", "", "G1"])
    nodes = {
        "t": TIME,
        "y": Y,
        "x": X,
        "stage": (stage, np.array([False, False, True, False])),
        "count": (np.array([1, 2, 3, 4]), np.array([True, False, False, False])),
        "bbox": np.zeros((4, 4), int),
    }
    tracks, report = import_tracks(written(tmp_path / "a.geff", nodes))
    assert tracks.cells["stage"].fillna("none").tolist() == ["G1", "M", "none", "G1"]
    assert tracks.cells["count"].isna().tolist() == [True, False, False, False]
    assert "1 property that holds lists or shapes, such as masks, was left out" in str(report)


def test_a_geff_inside_a_folder_is_found_if_it_is_the_only_one(tmp_path):
    nodes = {"t": TIME, "y": Y, "x": X}
    written(tmp_path / "project" / "tracks.geff", nodes)
    assert form_of(tmp_path / "project") == "geff"
    assert len(import_tracks(tmp_path / "project")[0]) == 4
    written(tmp_path / "project" / "more.geff", nodes)
    with pytest.raises(BadInput):
        import_tracks(tmp_path / "project")


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"y": Y, "x": X}, "none is known as frame"),
        ({"t": TIME + 0.3, "y": Y, "x": X}, "whole numbers from 0"),
        ({"t": TIME, "y": Y, "x": np.array([1, 2, np.nan, 4])}, "has no place"),
    ],
)
def test_a_geff_without_time_or_place_is_refused(tmp_path, nodes, words):
    with pytest.raises(BadInput, match=words):
        import_tracks(written(tmp_path / "a.geff", nodes))


def test_a_damaged_geff_is_refused_in_one_sentence(tmp_path):
    path = written(tmp_path / "a.geff", {"t": TIME, "y": Y, "x": X})
    shutil.rmtree(path / "edges")
    with pytest.raises(BadInput, match=r"cannot be read .*write it anew") as error:
        import_tracks(path)
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match="is no geff"):
        read_foreign_geff(path / "nodes" / "props")


def test_the_geff_of_an_experiment_folder_opens_as_well(tmp_path):
    from test_exchange import family

    from napari_cellcycle.io.geff import write_geff

    tracks = family.__wrapped__().tracks
    codes = {"stage": H2B.names}
    write_geff(tracks, tmp_path / "tracks.geff", pixel_size=(1, 1), frame_interval=60, codes=codes)
    assert read_foreign_geff(tmp_path / "tracks.geff").stage_names == H2B.names
    read, report = import_tracks(tmp_path / "tracks.geff")
    assert (
        links(read) == links(tracks)
        and read.cells["stage"].tolist() == tracks.cells["stage"].tolist()
    )
    assert report.complete
