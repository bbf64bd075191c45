"""A column may be called anything, and is still there when a file is opened again."""

import json
import re
from dataclasses import replace

import geff.core_io
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.stages import free_stages
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.io.exchange import export_experiment, import_tracks
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.io.movies import movie_from_array
from napari_cellcycle.io.property_keys import property_keys

ODD = ["a/b", "/x", ".", "..", "", "a\\b", " a", "zarr.json", "x" * 300, "é", "%", "a", "A", "._b."]
CLASHING = ["t", "T", "t_2", "seg_id", "track_id", "lineage_id", "solution", "Label", "pos"]


def of_columns(names, stages=("G1/S", "M")):
    """A cell seen twice, with a number in each of the columns."""
    more = {name: [float(n), n + 0.5] for n, name in enumerate(names)}
    cells = pd.DataFrame(
        {"frame": [0, 1], "label": [1, 1], "y": [1.0, 1.0], "x": [2.0, 2.0], "by": "model"}
        | {"stage": [stages[0], stages[-1]]}
        | more,
        index=pd.Index([5, 9], name="cell_id"),
    )
    links = pd.DataFrame({"parent": [5], "child": [9], "score": [0.5], "by": "user", "a/b": [7.0]})
    masks = np.zeros((2, 4, 4), np.int32)
    masks[:, 1, 2] = 1
    movie = movie_from_array(np.zeros((2, 4, 4), np.uint8), "TYX", pixel_size=1, frame_interval=60)
    return Experiment(movie, LabelStack(masks), Tracks(cells, links), free_stages(stages))


def is_reopened(experiment, folder):
    save_experiment(experiment, folder)
    tracks = open_experiment(folder).tracks
    pd.testing.assert_frame_equal(tracks.cells, experiment.tracks.cells)
    pd.testing.assert_frame_equal(tracks.links, experiment.tracks.links)


def comes_back_from_a_geff(experiment, path):
    report = export_experiment(experiment, path, "geff")
    assert report.complete, report
    read, said = import_tracks(path)
    assert said.complete, said
    ours = experiment.tracks
    assert set(read.cells) == set(ours.cells) and set(read.links) == set(ours.links)
    for name in ours.cells:
        assert read.cells[name].tolist() == ours.cells[name].tolist(), name
    assert read.links["a/b"].tolist() == [7.0]


def test_a_stage_with_a_slash_is_saved_and_opened(tmp_path):
    experiment = of_columns(["p_G1/S", "p_M", "seen_G1/S"])
    is_reopened(experiment, tmp_path / "a.cellcycle")
    comes_back_from_a_geff(experiment, tmp_path / "a.geff")


@pytest.mark.parametrize("names", [ODD, CLASHING])
def test_a_column_with_an_odd_name_is_saved_and_opened(tmp_path, names):
    is_reopened(of_columns(names), tmp_path / "a.cellcycle")


@pytest.mark.parametrize("names", [ODD, CLASHING])
def test_a_column_with_an_odd_name_comes_back_from_a_geff(tmp_path, names):
    comes_back_from_a_geff(of_columns(names), tmp_path / "a.geff")


def test_other_programs_find_time_masks_and_tracks_beside_columns_of_the_same_name(tmp_path):
    export_experiment(of_columns(["t", "seg_id", "lineage_id"]), tmp_path / "a.geff", "geff")
    nodes = zarr.open_group(tmp_path / "a.geff", mode="r")["nodes/props"]
    assert nodes["t/values"][:].tolist() == [0, 1]
    assert nodes["seg_id/values"][:].tolist() == [1, 1]
    assert nodes["lineage_id/values"][:].tolist() == [1, 1]
    assert nodes["t_2/values"][:].tolist() == [0.0, 0.5]
    document = json.loads((tmp_path / "a.geff" / ".zattrs").read_text())["geff"]
    assert document["node_props_metadata"]["t_2"]["name"] == "t"


def test_an_experiment_from_before_columns_could_be_called_anything_opens(tmp_path):
    folder = tmp_path / "a.cellcycle"
    experiment = of_columns(["my area"])
    save_experiment(experiment, folder)
    props = folder / "tracks.geff" / "nodes" / "props"
    (props / "my%20area").rename(props / "my area")
    path = folder / "tracks.geff" / ".zattrs"
    document = json.loads(path.read_text())
    described = document["geff"]["node_props_metadata"]
    described["my area"] = described.pop("my%20area") | {"identifier": "my area"}
    del document["geff"]["extra"]["napari-cellcycle"]["cells"]["names"]
    path.write_text(json.dumps(document))
    pd.testing.assert_frame_equal(open_experiment(folder).tracks.cells, experiment.tracks.cells)


def test_tracks_that_would_not_open_again_do_not_replace_those_before(tmp_path, monkeypatch):
    folder = tmp_path / "a.cellcycle"
    save_experiment(of_columns(["area"]), folder)
    write = geff.core_io.write_arrays

    def cut_short(path, *args, **named):
        write(path, *args, **named)
        values = zarr.open_group(path, mode="a")["nodes/props/area/values"]
        values.resize((1,))

    monkeypatch.setattr("geff.core_io.write_arrays", cut_short)
    changed = of_columns(["area"])
    changed = replace(changed, tracks=changed.tracks.with_columns(area=0.0))
    with pytest.raises(CannotWrite, match=r"cannot be read from there again .* is untouched"):
        save_experiment(changed, folder)
    assert open_experiment(folder).tracks.cells["area"].tolist() == [0.0, 0.5]
    assert [path.name for path in folder.glob("tracks*")] == ["tracks.geff"]


@given(names=st.lists(st.text(), unique=True))
def test_any_name_becomes_a_key_that_is_a_folder_on_any_disk(names):
    keys = property_keys(names, taken=["t"])
    assert list(keys) == names
    folder = re.compile(r"(?!\.)[\w.~%-]{1,110}(?<!\.)", re.ASCII)
    assert all(folder.fullmatch(key) for key in keys.values())
    assert len({"t", *map(str.casefold, keys.values())}) == len(names) + 1


def test_a_plain_name_is_its_own_key():
    assert property_keys(["area", "p_G1.5", "a/b"]) == {
        "area": "area",
        "p_G1.5": "p_G1.5",
        "a/b": "a%2Fb",
    }
