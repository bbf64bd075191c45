"""Published layouts of annotated cells are read as they are, and told when they are not."""

import numpy as np
import pytest
from tests.core.crop_layouts import live_cell, write, zhong

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.crop_folders import has_crops, read_crops
from napari_cellcycle.io.crop_tracks import centre_cell
from napari_cellcycle.io.live_cell_miner import (
    OFFSETS,
    after_mitosis,
    is_live_cell_miner,
    read_live_cell_miner,
)
from napari_cellcycle.io.zhong import is_zhong, published_split, read_zhong


def test_cells_of_live_cell_miner_return_to_interphase_after_mitosis(tmp_path):
    found = read_live_cell_miner(live_cell(tmp_path), offset=3)
    early, late = "early mitosis", "late mitosis"
    assert found.stage.tolist() == ["interphase"] * 2 + [early] * 2 + [late] * 3 + ["interphase"]
    assert found.original.tolist() == [1, 1, 2, 2, 3, 3, 3, 3]
    assert found.images.shape == (8, 12, 12) and found.masks.dtype == bool
    assert (found.masks.sum(axis=(1, 2)) == 16).all()
    assert (np.diff(found.images[:, 5, 5]) > 0).all(), "frames are in the order of time"
    four = read_live_cell_miner(tmp_path, stages=4, offset=3)
    assert four.stage[-2:].tolist() == [late, "after mitosis"]


def test_the_end_of_late_mitosis_is_drawn_by_the_seed(tmp_path):
    code = np.r_[np.zeros(5, int), np.ones(5, int), np.full(40, 2)]
    text = ";".join(str(c + 1) for c in code)
    live_cell(tmp_path, text=text, frames=50)
    length = [
        (read_live_cell_miner(tmp_path, seed=seed).stage == "late mitosis").sum()
        for seed in (0, 0, 1, 2, 3, 4)
    ]
    assert length[0] == length[1] and len(set(length)) > 1
    assert min(length) >= OFFSETS[0] and max(length) <= OFFSETS[1]


def test_a_cell_that_never_reaches_anaphase_stays_what_it_is():
    assert after_mitosis(np.array([0, 1, 1]), 15).tolist() == [0, 1, 1]


def test_only_folders_of_cells_are_tracks_and_one_track_is_read_alone(tmp_path):
    live_cell(tmp_path, "cell_02", "1;1", 2)
    live_cell(tmp_path, "cell_01", "1;2;2", 3)
    live_cell(tmp_path, "other", "1;1", 2)
    found = read_live_cell_miner(tmp_path)
    assert found.track.tolist() == [0, 0, 0, 1, 1] and found.group.tolist() == [0, 0, 0, 1, 1]
    assert found.file[0] == "cell_01/Raw/Raw_000.png"
    assert len(read_live_cell_miner(tmp_path / "cell_02")) == 2
    assert is_live_cell_miner(tmp_path) and not is_zhong(tmp_path)


@pytest.mark.parametrize("value", [1, 255, 7])
def test_masks_of_any_value_are_read(tmp_path, value):
    found = read_live_cell_miner(live_cell(tmp_path, mask_value=value))
    assert (found.masks.sum(axis=(1, 2)) == 16).all()


def test_of_several_cells_in_a_mask_the_middle_one_counts():
    mask = np.zeros((9, 9), int)
    mask[:3], mask[4:6, 4:6] = 3, 8
    assert centre_cell(mask).sum() == 4
    assert not centre_cell(np.zeros((9, 9))).any()


def test_a_track_must_have_as_many_images_masks_and_labels(tmp_path):
    live_cell(tmp_path, text="1;1;2")
    with pytest.raises(BadInput, match="8 images, 8 masks and 3 labels"):
        read_live_cell_miner(tmp_path)


@pytest.mark.parametrize("text", ["1;4;1", "1;two;1", ""])
def test_labels_out_of_range_are_refused(tmp_path, text):
    live_cell(tmp_path, text=text, frames=3)
    with pytest.raises(BadInput, match="numbers from 1 to 3"):
        read_live_cell_miner(tmp_path)


def test_a_second_daughter_has_the_labels_and_the_group_of_the_first(tmp_path):
    zhong(tmp_path)
    zhong(tmp_path, "P0037_T1__B01", "1,2,3,4,4,5,6,6")
    found = read_zhong(tmp_path)
    assert is_zhong(tmp_path) and not is_live_cell_miner(tmp_path)
    assert found.group.tolist() == [0] * 16 + [1] * 16
    assert found.track.tolist() == np.repeat(range(4), 8).tolist()
    assert found.stage[:8].tolist() == found.stage[8:16].tolist()
    assert found.stage[3] == "prometaphase" and found.original[6] == 6
    learned, tested = published_split(found)
    assert learned.tolist() == [True] * 16 + [False] * 16
    assert tested.tolist() == [False] * 16 + [True] * 8 + [False] * 8


def test_a_track_without_its_twin_has_its_own_labels(tmp_path):
    zhong(tmp_path, "P0001__B02", twin=False)
    assert len(read_zhong(tmp_path)) == 8


def test_folders_of_other_things_hold_no_tracks(tmp_path):
    (tmp_path / "cell_1").mkdir()
    for read in (read_live_cell_miner, read_zhong):
        with pytest.raises(BadInput, match="No track was found"):
            read(tmp_path)
    assert not has_crops(tmp_path)


def test_a_flat_folder_has_crops_without_a_stage(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", np.full((8, 8), number, np.uint8))
    found = read_crops(tmp_path, sorted_by_stage=False)
    assert found.stage.tolist() == ["", "", ""] and found.file.tolist() == [
        "0.png",
        "1.png",
        "2.png",
    ]
    with pytest.raises(BadInput, match="one subfolder of images for each stage"):
        read_crops(tmp_path)


def test_crops_beside_folders_of_stages_are_told_too(tmp_path):
    write(tmp_path / "meta" / "a.png", np.zeros((8, 8), np.uint8))
    write(tmp_path / "b.png", np.zeros((8, 8), np.uint8))
    found = read_crops(tmp_path, sorted_by_stage=False)
    assert dict(zip(found.file, found.stage, strict=True)) == {"meta/a.png": "meta", "b.png": ""}
    assert read_crops(tmp_path).file.tolist() == ["meta/a.png"]


def test_a_crop_without_a_label_has_no_stage_and_is_not_learned_from(tmp_path):
    for name in "abc":
        write(tmp_path / f"{name}.png", np.zeros((8, 8), np.uint8))
    lines = ["path,label,group", "a.png,,7", "b.png,NA,7", "c.png,meta,"]
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    found = read_crops(tmp_path, sorted_by_stage=False)
    assert found.stage.tolist() == ["", "NA", "meta"]
    assert found.group.tolist() == ["7", "7", "c.png"], "one without a group is its own"
    assert read_crops(tmp_path).stage.tolist() == ["NA", "meta"]
    (tmp_path / "index.csv").write_bytes(b"path,label\n\xff\xfe")
    with pytest.raises(BadInput, match="cannot be read"):
        read_crops(tmp_path)


def test_smaller_crops_are_padded_in_the_middle(tmp_path):
    write(tmp_path / "a" / "0.png", np.full((4, 6), 9, np.uint8))
    write(tmp_path / "a" / "1.tif", np.zeros((8, 8), np.uint16))
    found = read_crops(tmp_path)
    assert found.images.shape == (2, 8, 8)
    assert (found.images[0] == 9).all(), "mirrored at the border"
    colour = read_crops(tmp_path, channel=None)
    assert colour.images.shape == (2, 8, 8, 3)
    assert (colour.images[0, 2:6, 1:7] == 9).all() and (colour.images[0, 0] == 0).all()


def test_what_is_no_crop_is_named(tmp_path):
    write(tmp_path / "a" / "0.tif", np.zeros((7, 8, 8), np.uint8))
    with pytest.raises(BadInput, match="an image in two dimensions"):
        read_crops(tmp_path)
    for damaged in (b"text", b"II*\0", b""):
        (tmp_path / "a" / "0.tif").write_bytes(damaged)
        with pytest.raises(BadInput, match=r"0.tif cannot be read"):
            read_crops(tmp_path)
    (tmp_path / "a" / "0.tif").unlink()
    write(tmp_path / "a" / "0.png", np.arange(4096, dtype=np.uint8).reshape(64, 64))
    (tmp_path / "a" / "0.png").write_bytes((tmp_path / "a" / "0.png").read_bytes()[:60])
    with pytest.raises(BadInput, match=r"0.png cannot be read"):
        read_crops(tmp_path)


def test_a_channel_that_is_not_there_is_told(tmp_path):
    write(tmp_path / "a" / "0.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(BadInput, match="no channel 3"):
        read_crops(tmp_path, channel=3)
