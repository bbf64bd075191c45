"""Nuclei written to folders come back as they were; published embryos and samples are read."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from napari_cellcycle.config import ExtractSettings, SimulateSettings
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.features.events import RELAXED, events
from napari_cellcycle.features.sights import sights
from napari_cellcycle.io.frames import write_plane
from napari_cellcycle.io.lineage_graph import open_embryo, read_graph, time_points
from napari_cellcycle.io.nucleus_extract import Source, padded, write_samples
from napari_cellcycle.io.nucleus_folders import find_samples, missing_frames
from napari_cellcycle.models.stage.nucleus.folders import (
    predict_files,
    predict_samples,
    stacked,
)
from napari_cellcycle.models.stage.nucleus.model import NucleusModel
from napari_cellcycle.models.stage.nucleus.networks import build
from napari_cellcycle.models.stage.nucleus.presets import PRESETS
from napari_cellcycle.simulate import simulate

PUBLIC = Path(os.environ.get("CELLCYCLE_DATA", "../shared/data")) / "volumes" / "nucleus_crops"
SMALL = PRESETS["nucleus"].model_copy(update={"size": (4, 16, 16), "width": 4})


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=[2, 3])
def source(request):
    settings = SimulateSettings(
        ndim=request.param,
        size=96,
        planes=12,
        frames=5,
        cells=8,
        plane_spacing=2.0,
        debris=0,
        frame_interval=1200.0,
        cycle_hours=1.5,
        spacing=1.5,
        seed=4,
    )
    made = simulate(settings)
    return Source(made.movie, made.labels, made.tracks, "embryo7")


def state_of(source):
    code = events(source.tracks, source.labels, RELAXED)
    return np.array([*NUCLEUS.names, ""])[code]


def model():
    torch.manual_seed(0)
    return NucleusModel(build(SMALL, 4), SMALL)


def test_a_sample_has_the_published_layout_and_metadata(source, tmp_path):
    table = write_samples(source, state_of(source), tmp_path / "out")
    assert set(table["state"]) >= {"stable", "mitotic", "new daughter"}
    first = table[table["state"] == "new daughter"].iloc[0]
    place = tmp_path / "out" / first["sample"]
    count = len(np.unique(source.labels.frame(first["frame"]))) - 1
    assert place.name == (
        f"embryo7_frame_{first['frame']:03d}_nucleus_{first['nucleus']:03d}_count_{count}"
    )
    assert place.parent.name == "new_daughter"
    names = {"raw_cropped.tif", "label_cropped.tif", "metadata.json"}
    assert {p.name for p in (place / "t-1").iterdir()} == names
    own = {"binary_label_cropped.tif", "raw_image_cropped.tif"}
    assert {p.name for p in (place / "t").iterdir()} == names | own
    about = json.loads((place / "metadata.json").read_text())
    assert about["nucleus_summary"]["nucleus_id"] == first["nucleus"]
    assert len(about["lineage_info"]["parent"]) == 1
    assert list((tmp_path / "out").glob("*/classification_distribution.png"))


def test_samples_come_back_as_they_were(source, tmp_path):
    table = write_samples(source, state_of(source), tmp_path / "out")
    found = {f"{s.path.parent.name}/{s.path.name}": s for s in find_samples(tmp_path / "out")}
    assert set(found) == set(table["sample"])
    for row in table.itertuples():
        sample = found[row.sample]
        assert (sample.state, sample.frame, sample.nucleus) == (row.state, row.frame, row.nucleus)
        assert (sample.dataset, sample.times) == ("embryo7", (-1, 0, 1))
        size = (source.labels.frame(row.frame) == row.nucleus).sum()
        assert sample.mask().sum() == size
    assert not len(missing_frames(list(found.values())))


def test_a_folder_is_told_as_the_movie_that_it_was_cut_from(source, tmp_path):
    """A wide box holds the whole window, so the model sees the same either way."""
    wide = ExtractSettings(padding=8.0)
    table = write_samples(source, state_of(source), tmp_path / "out", wide)
    told = predict_samples(tmp_path / "out", model()).set_index("file")
    assert [c for c in told if c.startswith("p_")] == [f"p_{name}" for name in NUCLEUS.names]
    cells = source.tracks.cells
    made = (source.movie, source.labels, source.tracks)
    whole = model()(sights(*made, reach=1), np.full(len(cells), -1))
    at = pd.MultiIndex.from_frame(cells[["frame", "label"]])
    rows = at.get_indexer(pd.MultiIndex.from_frame(table[["frame", "nucleus"]]))
    seen = told.loc[table["sample"], [f"p_{name}" for name in NUCLEUS.names]].to_numpy()
    near = np.abs(seen - whole[rows]).max(axis=1) < 0.05
    assert near.mean() > 0.9


def test_at_most_so_many_of_each_class_always_the_same(source, tmp_path):
    few = ExtractSettings(max_samples=2, seed=3)
    tables = [write_samples(source, state_of(source), tmp_path / n, few) for n in ("a", "b", "a")]
    assert tables[0]["state"].value_counts().max() == 2
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])


def test_boxes_are_padded_or_cubes_and_stay_inside():
    own = (slice(10, 14), slice(0, 6))
    assert padded(own, (40, 40), ExtractSettings()) == (slice(8, 16), slice(0, 9))
    assert padded(own, (40, 40), ExtractSettings(cube=16)) == (slice(4, 20), slice(0, 11))


def test_a_folder_with_other_files_is_left_alone(source, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CannotWrite, match="already holds other files"):
        write_samples(source, state_of(source), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_known_is_nothing_to_write(source, tmp_path):
    with pytest.raises(BadInput, match="No cell of embryo7 has a known state"):
        write_samples(source, np.full(len(source.tracks), ""), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_frames_are_named_and_dark_in_use_but_not_in_training(source, tmp_path):
    table = write_samples(source, state_of(source), tmp_path / "out")
    place = tmp_path / "out" / table["sample"].iloc[0]
    (place / "t+1" / "raw_cropped.tif").unlink()
    found = find_samples(tmp_path / "out")
    audit = missing_frames(found)
    assert audit["sample"].tolist() == [str(place)]
    assert audit["frames"].tolist() == [[1]]
    lacking = [sample for sample in found if sample.path == place]
    assert (stacked(lacking, SMALL)[0, 2] == 0).all()
    with pytest.raises(BadInput, match=r"lacks t\+1"):
        stacked(lacking, SMALL, strict=True)


def test_three_or_four_images_are_enough():
    image = np.random.default_rng(0).random((9, 20, 20))
    told = predict_files(image, image, image, model())
    assert sum(told.values()) == pytest.approx(1, abs=1e-5)
    mask = np.zeros(image.shape, int)
    mask[3:6, 5:12, 5:12] = 4
    assert predict_files(image, image, image, model(), mask) != told


def test_a_folder_without_samples_is_refused(tmp_path):
    with pytest.raises(BadInput, match="No samples of nuclei"):
        find_samples(tmp_path)


def graph(folder, wrapped, edges=(("005_001", "006_002"), ("005_001", "006_007"))):
    nodes = sorted({name for edge in edges for name in edge})
    inner = {
        "Nodes": [{"Name": name} for name in nodes],
        "Edges": [{"EndNodes": list(edge)} for edge in edges],
    }
    folder.mkdir(exist_ok=True)
    found = {"G_based_on_nn": inner} if wrapped else inner
    (folder / "LineageGraph.json").write_text(json.dumps(found))


def embryo(folder, times=(5, 6)):
    for name in ("registered_images/nuclei_reg8", "registered_label_images/label_reg8"):
        (folder / name).parent.mkdir()
    for time in times:
        mask = np.zeros((4, 20, 20), np.uint16)
        if time == 5:
            mask[1:3, 8:12, 8:12] = 1
        else:
            mask[1:3, 2:6, 8:12], mask[1:3, 14:18, 8:12] = 2, 7
        write_plane(folder / "registered_images" / f"nuclei_reg8_{time}.tif", mask * 50)
        write_plane(folder / "registered_label_images" / f"label_reg8_{time}.tif", mask)


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_embryo_is_read_with_its_lineage(tmp_path, wrapped):
    graph(tmp_path, wrapped)
    embryo(tmp_path)
    found = open_embryo(tmp_path, pixel_size=(2.0, 0.5, 0.5))
    assert (found.first, found.left_out, len(found.movie)) == (5, 0, 2)
    assert found.movie.frame(1).max() == 350
    assert found.tracks.cells["label"].tolist() == [1, 2, 7]
    assert found.tracks.cells[["z", "y", "x"]].iloc[0].tolist() == [1.5, 9.5, 9.5]
    code = events(found.tracks, found.labels, RELAXED)
    assert [NUCLEUS.names[c] for c in code] == ["mitotic", "new daughter", "new daughter"]


def test_columns_instead_of_records_are_read_as_well(tmp_path):
    columns = {"Nodes": {"Name": ["001_001", "002_001"]}}
    columns["Edges"] = {"EndNodes": ["001_001", "002_001"]}
    (tmp_path / "g.json").write_text(json.dumps(columns))
    nodes, edges = read_graph(tmp_path / "g.json")
    assert nodes.to_numpy().tolist() == [[1, 1], [2, 1]]
    assert edges.to_numpy().tolist() == [[0, 1]]


def test_nuclei_that_the_masks_do_not_show_are_left_out_and_counted(tmp_path):
    graph(tmp_path, False, (("005_001", "006_002"), ("005_001", "006_009")))
    embryo(tmp_path)
    found = open_embryo(tmp_path)
    assert (len(found.tracks), found.left_out) == (2, 1)


def test_the_audit_names_missing_time_points(tmp_path):
    graph(tmp_path, False)
    embryo(tmp_path, times=(4, 6))
    audit = time_points(tmp_path)
    assert audit["image"].to_dict() == {4: True, 5: False, 6: True}
    assert audit["nodes"].to_dict() == {4: 0, 5: 1, 6: 2}
    with pytest.raises(BadInput, match="time point 5 are missing"):
        open_embryo(tmp_path)


def test_a_graph_in_which_cells_merge_is_refused(tmp_path):
    graph(tmp_path, False, (("005_001", "006_002"), ("005_003", "006_002")))
    embryo(tmp_path)
    mask = np.zeros((4, 20, 20), np.uint16)
    mask[1, 1:5, 1:5], mask[1, 8:12, 8:12] = 1, 3
    write_plane(tmp_path / "registered_label_images" / "label_reg8_5.tif", mask)
    with pytest.raises(BadInput, match="more than one parent"):
        open_embryo(tmp_path)


def test_other_json_is_refused(tmp_path):
    (tmp_path / "g.json").write_text('{"nodes": []}')
    with pytest.raises(BadInput, match="no lineage graph"):
        read_graph(tmp_path / "g.json")


@pytest.mark.skipif(not PUBLIC.is_dir(), reason=f"needs the nuclei in {PUBLIC}")
def test_published_samples_are_read_and_told():
    found = find_samples(PUBLIC)
    assert [(s.state, s.nucleus, s.frame) for s in found] == [("mitotic", 16, 25)] * 2
    assert missing_frames(found)["frames"].tolist() == [[-1], [0, 1]]
    whole = found[0]
    assert whole.raw(0).shape == whole.mask().shape == (21, 19, 25)
    told = predict_samples(PUBLIC, model())
    np.testing.assert_allclose(told.filter(like="p_").sum(axis=1), 1, atol=1e-5)
