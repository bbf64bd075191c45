"""Images with masks are read from where people keep them, and nothing else is taken for them."""

import cv2
import numpy as np
import pytest
import tifffile

from napari_cellcycle.data.annotated import UNKNOWN, Annotated
from napari_cellcycle.data.corrected_masks import corrected_frames, with_corrected_masks
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.errors import BadInput, UserError
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.training.segment.sources import one_channel, read_sources, split_last


def two_cells(shape=(40, 50)):
    masks = np.zeros(shape, np.uint16)
    masks[5:15, 5:15], masks[20:32, 25:38] = 3, 7
    return masks


def picture(masks):
    return (10 + 100 * (masks > 0)).astype(np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        assert cv2.imwrite(str(path), array)
    else:
        tifffile.imwrite(path, array)


def pair(folder, image=None, masks=None, mask_name="a_masks.tif"):
    masks = two_cells() if masks is None else masks
    write(folder / "a.tif", picture(two_cells()) if image is None else image)
    write(folder / mask_name, masks)


@pytest.mark.parametrize("mask_name", ["a_masks.png", "a_masks.tif", "a_cp_masks.png"])
def test_masks_beside_images_are_read_as_cellpose_leaves_them(tmp_path, mask_name):
    folder = tmp_path / "plate"
    pair(folder, mask_name=mask_name)
    write(folder / "b.tif", picture(two_cells()))
    (found,) = read_sources([folder])
    assert (found.group, found.name) == ("plate", "a")
    assert found.masks.dtype == np.int32 and set(np.unique(found.masks)) == {0, 3, 7}
    assert (found.image == picture(two_cells())).all()


@pytest.mark.parametrize("ending", ["", "_masks"])
def test_folders_of_images_and_of_masks_are_read_in_the_order_of_numbers(tmp_path, ending):
    for number in (2, 10, 1):
        write(tmp_path / "images" / f"t{number}.png", picture(two_cells()))
        write(tmp_path / "masks" / f"t{number}{ending}.tif", two_cells())
    assert [image.name for image in read_sources([tmp_path])] == ["t1", "t2", "t10"]


def test_colours_stay_channels_unless_they_are_equal(tmp_path):
    grey = picture(two_cells())
    pair(tmp_path / "grey", image=np.dstack([grey] * 3))
    pair(tmp_path / "colour", image=np.dstack([grey, grey // 2, 0 * grey]))
    one, other = read_sources([tmp_path / "grey", tmp_path / "colour"])
    assert one.image.shape == (40, 50) and other.image.shape == (3, 40, 50)
    assert (one_channel(other) == grey).all()
    assert (one_channel(other, "1") == grey // 2).all()
    assert one_channel(other, "grey") == pytest.approx((grey + grey // 2.0) / 3, abs=0.2)
    with pytest.raises(BadInput, match="3 channels, and none of them is '3'"):
        one_channel(other, "3")


NOT_MASKS = {
    "hold decimal values": two_cells() / 2.5,
    "20 x 20 pixels, but their image has 40 x 50": np.ones((20, 20), np.uint16),
    "nothing to learn from": np.zeros((40, 50), np.uint16),
    "not in colour": np.dstack([two_cells(), 0 * two_cells(), two_cells()]).astype(np.uint8),
    "values outside -1": -2 * two_cells().astype(np.int16),
    "each cell needs a number of its own": np.kron(np.eye(4, 5), np.pad([[255]], (3, 6))).astype(
        np.uint8
    ),
}


@pytest.mark.parametrize("said", NOT_MASKS)
def test_what_is_no_mask_is_refused_in_one_sentence(tmp_path, said):
    pair(tmp_path, masks=NOT_MASKS[said])
    with pytest.raises(BadInput, match=said):
        read_sources([tmp_path])


def test_one_pixel_and_values_that_are_no_numbers_teach_nothing(tmp_path):
    pair(tmp_path / "tiny", image=np.ones((1, 1), np.uint8), masks=np.ones((1, 1), np.uint8))
    with pytest.raises(BadInput, match="only 1 x 1 pixels"):
        read_sources([tmp_path / "tiny"])
    pair(tmp_path / "odd", image=np.full((40, 50), np.nan, np.float32))
    with pytest.raises(BadInput, match="NaN"):
        read_sources([tmp_path / "odd"])
    pair(tmp_path / "broken")
    (tmp_path / "broken" / "a.tif").write_bytes(b"no image")
    with pytest.raises(BadInput, match="cannot be read as an image"):
        read_sources([tmp_path / "broken"])


def test_folders_without_pairs_say_what_is_expected(tmp_path):
    write(tmp_path / "alone" / "a.tif", picture(two_cells()))
    write(tmp_path / "lost" / "a_masks.tif", two_cells())
    for folder, said in (
        ("alone", "expected masks NAME_masks.tif"),
        ("lost", "there is no image"),
        ("nowhere", "There is no folder"),
    ):
        with pytest.raises(BadInput, match=said):
            read_sources([tmp_path / folder])


def sequence(tmp_path, truth="01_ST", frames=(0, 1, 2)):
    """A sequence with full masks, in whose first frame cell 7 has a marker only."""
    root = tmp_path / "cells"
    for time in frames:
        masks = two_cells()
        write(root / "01" / f"t{time:03d}.tif", picture(masks))
        write(root / "01_GT" / "TRA" / f"man_track{time:03d}.tif", masks)
        shown = np.where(masks == 7, 0, masks) if time == 0 else masks
        write(root / truth / "SEG" / f"man_seg{time:03d}.tif", shown)
    return root


@pytest.mark.parametrize("truth", ["01_ST", "01_GT"])
@pytest.mark.parametrize("named", ["", "01", "01_GT"])
def test_challenge_sequences_know_where_a_cell_may_be(tmp_path, truth, named):
    found = read_sources([sequence(tmp_path, truth) / named])
    assert [image.name for image in found] == ["t000", "t001", "t002"]
    assert {image.group for image in found} == {"cells/01"}
    marked = two_cells() == 7
    assert (found[0].masks[marked] == UNKNOWN).all() and not found[0].known[marked].any()
    assert set(np.unique(found[1].masks)) == {0, 3, 7}
    assert (found[0].cells[marked] == 0).all()


def test_frames_can_be_named(tmp_path):
    root = sequence(tmp_path)
    assert [image.name for image in read_sources([root], frames=[2, 1])] == ["t001", "t002"]
    for asked in ([8], [1, 8]):
        with pytest.raises(BadInput, match="no masks in the frames 8:"):
            read_sources([root], frames=asked)


def experiment(folder, ndim=2):
    masks = two_cells() if ndim == 2 else np.stack([0 * two_cells(), two_cells(), two_cells()])
    stack = np.stack([masks] * 6).astype(np.int32)
    pixels = picture(stack)[:, None].repeat(2, axis=1)
    pixels[:, 1] += 1
    movie = Movie(pixels, (1.0,) * ndim, 60.0, ("H2B", "actin"))
    segmented = Experiment(movie).with_result(Step("segment", {}), labels=LabelStack(stack))
    return segmented, folder / "mine.cellcycle"


@pytest.mark.parametrize("ndim", [2, 3])
def test_of_an_experiment_the_corrected_frames_are_taken(tmp_path, ndim):
    made, folder = experiment(tmp_path, ndim)
    save_experiment(made, folder)
    with pytest.raises(BadInput, match=r"No masks of .* were corrected"):
        read_sources([folder])
    better = {time: np.roll(made.labels.frame(time), 1, axis=-1) for time in (4, 1)}
    save_experiment(with_corrected_masks(made, better), folder)
    found = read_sources([folder], channel="actin")
    names = ["t1", "t4"] if ndim == 2 else [f"t{t}, plane {z}" for t in (1, 4) for z in (1, 2)]
    assert [image.name for image in found] == names
    for image in found:
        assert (image.cells == np.roll(two_cells(), 1, axis=-1)).all()
        assert image.image.max() == 111
    assert len(read_sources([folder], trust_all=True)) == 6 * (ndim - 1)
    assert len(read_sources([folder], frames=[0])) == ndim - 1
    with pytest.raises(BadInput, match="no masks in the frames 6, 9:"):
        read_sources([folder], frames=[9, 0, 6])
    with pytest.raises(BadInput, match="it has H2B, actin"):
        read_sources([folder], channel="DAPI")


def test_corrections_are_remembered_until_the_movie_is_segmented_anew(tmp_path):
    made, folder = experiment(tmp_path)
    corrected = with_corrected_masks(made, {2: made.labels.frame(2)})
    save_experiment(corrected, folder)
    assert corrected_frames(open_experiment(folder)) == [2]
    assert corrected_frames(corrected.with_result(Step("track", {}))) == [2]
    assert corrected_frames(corrected.with_result(Step("segment", {}))) == []
    with pytest.raises(UserError, match="give masks of that shape"):
        with_corrected_masks(made, {2: np.zeros((3, 3), np.int32)})
    with pytest.raises(UserError, match="segment the movie first"):
        with_corrected_masks(Experiment(made.movie), {})


def images(group, names):
    blank = np.zeros((8, 8), np.int32)
    return [Annotated(blank, blank, group, name) for name in names]


def test_the_last_part_of_each_group_is_kept_aside():
    learned, aside = split_last([*images("a", "12345"), *images("b", "12"), *images("c", "1")], 0.2)
    assert [(i.group, i.name) for i in aside] == [("a", "5"), ("b", "2")]
    assert len(learned) == 6
    assert split_last(images("a", "12345"), 0.0)[1] == []


def test_planes_of_one_volume_stay_together():
    names = [f"t{time}, plane {z}" for time in range(3) for z in range(4)]
    learned, aside = split_last(images("a", names), 0.4)
    assert [i.name for i in aside] == names[8:] and len(learned) == 8
