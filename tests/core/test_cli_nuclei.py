"""Nuclei with known fate are written from the command line, and learned from as they lie there."""

import json

import numpy as np
import pytest
import torch
from taught import saved, untouched, with_pins
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.features.events import NEW
from napari_cellcycle.io.frames import write_plane
from napari_cellcycle.io.nucleus_folders import find_samples
from napari_cellcycle.models.stage.nucleus.presets import PRESETS
from napari_cellcycle.training.stage.nucleus_sources import open_nuclei


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def dividing(tmp_path):
    """An embryo in which a nucleus, there for two frames, becomes two, there for two more."""
    folder = tmp_path / "embryo"
    for name in ("registered_images", "registered_label_images"):
        (folder / name).mkdir(parents=True)
    for time in range(4):
        mask = np.zeros((4, 20, 20), np.uint16)
        if time < 2:
            mask[1:3, 8:12, 8:12] = 1
        else:
            mask[1:3, 2:6, 8:12], mask[1:3, 14:18, 8:12] = 2, 3
        write_plane(folder / "registered_images" / f"nuclei_reg8_{time}.tif", mask * 50)
        write_plane(folder / "registered_label_images" / f"label_reg8_{time}.tif", mask)
    links = [("000_001", "001_001"), ("001_001", "002_002"), ("001_001", "002_003")]
    links += [("002_002", "003_002"), ("002_003", "003_003")]
    graph = {
        "Nodes": [{"Name": name} for name in sorted({name for link in links for name in link})],
        "Edges": [{"EndNodes": link} for link in links],
    }
    (folder / "LineageGraph.json").write_text(json.dumps(graph))
    return folder


def test_an_embryo_gives_the_nuclei_before_and_after_its_division(dividing, tmp_path):
    out = tmp_path / "nuclei"
    done = call("events", dividing, "--out", out, "--pixel-size", "2,0.5,0.5")
    assert done.exit_code == 0, done.output
    assert "2 new daughter, 1 mitotic." in done.stdout
    samples = find_samples(out)
    assert sorted(sample.state for sample in samples) == ["mitotic", "new daughter", "new daughter"]
    assert {sample.dataset for sample in samples} == {"embryo"}
    assert samples[0].about["extraction_config"]["pixel_size_um"] == [2.0, 0.5, 0.5]
    again = call("events", dividing, "--out", out)
    assert again.exit_code == 2 and "exists already" in again.stderr
    flat = call("events", dividing, "--out", tmp_path / "flat", "--pixel-size", "0.5")
    assert flat.exit_code == 2 and "plane spacing first" in " ".join(flat.stderr.split())


def test_an_embryo_is_learned_from_as_it_lies(dividing):
    small = PRESETS["nucleus"].model_copy(update={"size": (4, 8, 8), "width": 4})
    found, names = open_nuclei(dividing, small)
    assert (found.code == NEW).sum() == 2 and names.tolist() == ["all frames"]


def test_states_set_by_hand_come_before_what_the_links_tell(tmp_path):
    found = untouched()
    frame = found.tracks.cells["frame"]
    middle = found.tracks.cells.index[(frame >= 3) & (frame <= 8)]
    place = saved(with_pins(found, dict.fromkeys(middle[:6].tolist(), "death")), tmp_path)
    done = call("events", place, "--out", tmp_path / "nuclei", "--max-samples", 20)
    assert done.exit_code == 0, done.output
    states = [sample.state for sample in find_samples(tmp_path / "nuclei")]
    assert states.count("death") >= 6
    small = PRESETS["nucleus"].model_copy(update={"size": (1, 8, 8), "width": 4})
    assert len(open_nuclei(tmp_path / "nuclei", small)[0]) == len(states)
