"""Annotations as JSON: what goes in comes out, and what is broken is told in a sentence."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.core.if_images import annotated_image

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.labelme import (
    Shape,
    annotation_files,
    classes_of,
    labelled_image,
    painted,
    read_folder,
    read_labelled,
    write_labelled,
)


def content(path: Path) -> dict:
    """What a file says, with images and masks decoded."""
    found = json.loads(path.read_text())
    found["imageData"] = base64.b64decode(found["imageData"])
    for shape in found["shapes"]:
        if "mask" in shape:
            data = np.frombuffer(base64.b64decode(shape["mask"]), np.uint8)
            shape["mask"] = (cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) > 0).tolist()
    return found


def written(tmp_path: Path) -> Path:
    path = tmp_path / "0001.json"
    write_labelled(annotated_image(1), path)
    return path


def changed(path: Path, **entries) -> Path:
    """The file with entries of its first shape, or of itself, replaced."""
    found = json.loads(path.read_text())
    shape = found["shapes"][0]
    for key, value in entries.items():
        (shape if key in shape else found)[key] = value
    path.write_text(json.dumps(found))
    return path


@pytest.mark.parametrize("kind", [{}, {"shape_type": None}])
def test_a_shape_of_no_kind_is_a_polygon_and_stays_one(tmp_path, kind):
    path = written(tmp_path)
    found = json.loads(path.read_text())
    outline = [[5, 5], [9, 5], [9, 8], [5, 8]]
    found["shapes"] = [{"label": "cell", "line_color": None, "points": outline, **kind}]
    path.write_text(json.dumps(found))
    image = read_labelled(path)
    assert image.shapes[0].box == (5, 5, 8, 9) and image.shapes[0].mask.all()
    write_labelled(image, tmp_path / "again.json")
    again = read_labelled(tmp_path / "again.json")
    assert np.array_equal(again.masks(), image.masks())
    assert again.shapes[0].fields["points"] == outline


def test_an_annotation_reads_back_as_it_was_written(tmp_path):
    image = annotated_image(3)
    write_labelled(image, tmp_path / "a.json")
    again = read_labelled(tmp_path / "a.json")
    assert np.array_equal(again.pixels(), image.pixels())
    assert np.array_equal(again.masks(), image.masks())
    assert again.labels() == image.labels()
    write_labelled(again, tmp_path / "b.json")
    assert content(tmp_path / "a.json") == content(tmp_path / "b.json")


def test_a_foreign_file_keeps_its_image_bytes_and_all_it_says_besides(tmp_path):
    path = written(tmp_path)
    jpeg = bytes(cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1])
    found = json.loads(path.read_text())
    found |= {"imageData": base64.b64encode(jpeg).decode(), "flags": {"seen": True}}
    found |= {"version": "5.8.1", "imageName": "0234.jpg", "checked": 3}
    found["shapes"][0] |= {"group_id": 7, "difficult": False, "flags": {"x": 1}}
    found["shapes"].append({"label": "l", "points": [[1.5, 2], [3, 4]], "shape_type": "line"})
    found["shapes"].append(
        {"label": "p", "points": [[1, 1], [9, 1], [9, 7]], "shape_type": "polygon"}
    )
    path.write_text(json.dumps(found))
    before = content(path)
    image = read_labelled(path)
    write_labelled(image, path)
    assert content(path) == before
    assert image.name == "0234.jpg"
    assert image.shapes[-1].mask.any() and not image.shapes[-2].mask.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_channel_is_stored_without_loss(tmp_path, dtype):
    pixels = np.arange(600).reshape(20, 30).astype(dtype)
    masks = np.zeros((20, 30), np.int32)
    masks[3:9, 4:12] = 5
    write_labelled(labelled_image(pixels, masks, {5: "cell"}, "a.png"), tmp_path / "a.json")
    image = read_labelled(tmp_path / "a.json")
    assert np.array_equal(image.pixels(), pixels)
    assert np.array_equal(image.masks() > 0, masks > 0)
    assert image.shapes[0].box == (3, 4, 8, 11), "the corners of a box belong to it"


def test_overlapping_boxes_erase_no_pixel_of_a_neighbour():
    disc = np.hypot(*(np.indices((21, 21)) - 10)) <= 10
    shapes = [Shape("a", disc, (0, 0)), Shape("b", disc, (15, 15))]
    masks = painted(shapes, (40, 40))
    assert np.array_equal(np.bincount(masks.ravel())[1:], [disc.sum(), disc.sum()])


def test_a_contested_pixel_goes_to_the_smaller_cell():
    small, large = (
        Shape("s", np.ones((4, 4), bool), (3, 3)),
        Shape("l", np.ones((9, 9), bool), (0, 0)),
    )
    for order in ([small, large], [large, small]):
        masks = painted(order, (9, 9))
        assert (masks[3:7, 3:7] == 1 + order.index(small)).all()
        assert (masks > 0).all()


def test_classes_that_are_not_asked_for_have_no_kind():
    image = annotated_image(2)
    assert classes_of([image]) == ["Fibrous", "Plain"]
    kinds = image.kinds(["Plain"])
    assert [k == 0 for k in kinds] == [label == "Plain" for label in image.labels()]
    assert set(kinds) <= {0, -1}


def test_images_and_masks_are_ready_to_learn_from():
    image = annotated_image(2)
    example = image.annotated("day 1")
    assert example.image.shape == (3, 120, 160) and example.group == "day 1"
    assert example.masks.max() == len(image.shapes)


def broken(text: str) -> str:
    return text[:-7] + "?!" + text[-5:]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"imageData": "abc?"}, "The image in .* is broken base64"),
        ({"imageData": base64.b64encode(b"no image").decode()}, "cannot be decoded"),
        ({"imageData": None}, "holds no image"),
        ({"imageHeight": 121}, "has 120 x 160 pixels, but its file says 121 x 160"),
        ({"mask": "abc?"}, "The mask of .* shape 1 is broken base64"),
        ({"mask": base64.b64encode(b"no image").decode()}, "The mask of .* cannot be decoded"),
        ({"points": [[-3.0, 2.0], [9.0, 9.0]]}, "does not lie in the image of 160 x 120"),
        ({"points": [[150.0, 2.0], [160.0, 9.0]]}, "does not lie in the image"),
        ({"points": [[0.0, 0.0], [3.0, 3.0]]}, "but its box 4 x 4"),
        ({"points": [[0.0, 0.0]]}, "mask with 1 points"),
        ({"points": "nowhere"}, "shape 1 cannot be read"),
        ({"shapes": None}, "no annotation that can be read"),
    ],
)
def test_what_is_broken_is_told_in_a_sentence(tmp_path, entries, told):
    path = changed(written(tmp_path), **entries)
    with pytest.raises(BadInput, match=told) as error:
        read_labelled(path).pixels()
    assert "0001" in str(error.value)


def test_no_json_and_no_file_are_told(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(BadInput, match="no annotation that can be read"):
        read_folder(tmp_path)
    with pytest.raises(BadInput, match="holds no JSON file"):
        annotation_files(tmp_path / "none")
