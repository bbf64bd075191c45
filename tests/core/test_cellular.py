"""Fields of view with one mask a cell become label images in which every cell is where it was."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.io import imread, imsave

from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.cellular import SplitImages, evaluate_split
from napari_cellcycle.evaluation.label_colours import random_hues, ten_colours
from napari_cellcycle.evaluation.pixels import mean_measures, score_pixels
from napari_cellcycle.io.cellular import find_fields
from napari_cellcycle.io.cellular_export import prepare_cellular
from napari_cellcycle.io.cellular_field import read_field
from napari_cellcycle.io.cellular_settings import PrepareSettings, SplitSettings
from napari_cellcycle.io.cellular_split import split_fields
from napari_cellcycle.simulate.cellular import FIELDS, write_cellular
from napari_cellcycle.training.segment.sources import read_sources

SHAPE = (40, 50)
NAME = "Timepoint_001_220518-ST_D05_s1"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small simulated data set in the layout of CELLULAR."""
    folder = tmp_path_factory.mktemp("cellular") / "tiny"
    write_cellular(folder, side_px=96, cells=8, seed=1)
    return folder


def box(top, left, height=8, width=8):
    """A mask with one cell, a rectangle."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[top : top + height, left : left + width] = 255
    return mask


def picture(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        imsave(path, array, check_contrast=False)
    else:
        tifffile.imwrite(path, array)


def field(folder, masks, name=NAME, image=None):
    """Write one field; `masks` by "class/file"."""
    picture(folder / "images" / f"{name}_w1.TIF", np.zeros(SHAPE, np.uint16))
    if image is not None:
        picture(folder / "images" / f"{name}_w1.TIF", image)
    for place, mask in masks.items():
        picture(folder / "masks" / name / f"{place}.png", mask)


def read(folder, unidentified="ignore"):
    (found,) = find_fields(folder)
    return read_field(found, unidentified)


def refused(call):
    with pytest.raises(BadInput) as caught:
        call()
    return str(caught.value)


def test_all_classes_are_in_one_image_and_each_label_has_its_class(tmp_path):
    field(tmp_path, {"unfed/a": box(0, 0), "fed/a": box(20, 20), "fed/b": box(10, 30)})
    found = read(tmp_path)
    assert found.cells[["label", "class", "file"]].values.tolist() == [
        [1, "fed", "a.png"],
        [2, "fed", "b.png"],
        [3, "unfed", "a.png"],
    ]
    assert [found.annotated.masks[place] for place in ((24, 24), (14, 34), (4, 4))] == [1, 2, 3]
    assert found.annotated.group == "220518-ST_D05"
    assert found.annotated.name == NAME


def test_a_class_alone_is_numbered_from_one_and_the_others_are_background(tmp_path):
    field(tmp_path, {"fed/a": box(0, 0), "unfed/a": box(20, 20), "unfed/b": box(10, 30)})
    alone = read(tmp_path).of_class("unfed")
    assert [alone[24, 24], alone[14, 34], alone[4, 4]] == [1, 2, 0]


@pytest.mark.parametrize(
    ("treatment", "value", "rows"), [("ignore", -1, 2), ("cells", 1, 2), ("leave-out", 0, 1)]
)
def test_cells_of_unknown_class_are_unknown_cells_or_background(tmp_path, treatment, value, rows):
    field(tmp_path, {"Unidentified/a": box(0, 0), "fed/a": box(20, 20)})
    found = read(tmp_path, treatment)
    assert found.annotated.masks[4, 4] == value
    assert found.annotated.masks[24, 24] > 0
    assert len(found.cells) == rows


def test_pixels_that_two_cells_claim_go_to_the_smaller_whatever_the_files_are_called(tmp_path):
    for place, names in (("x", ("a", "b")), ("y", ("b", "a"))):
        masks = {f"fed/{names[0]}": box(0, 0, 20, 20), f"unfed/{names[1]}": box(5, 5, 4, 4)}
        field(tmp_path / place, masks)
        found = read(tmp_path / place)
        assert found.cells["area_px"].tolist() == [400 - 16, 16]
        assert found.cells["contested_px"].tolist() == [16, 0]


def test_known_cells_come_before_unidentified_ones(tmp_path):
    field(tmp_path, {"Unidentified/a": box(0, 0, 4, 4), "fed/a": box(0, 0, 10, 10)})
    found = read(tmp_path)
    assert (found.annotated.masks[:10, :10] == 1).all()
    assert found.cells["class"].tolist() == ["fed"]
    assert "a.png lies wholly within other cells" in found.notes[0]


@pytest.mark.parametrize("colour", [(0, 0, 1), (200, 10, 0)])
def test_the_colour_of_a_mask_means_nothing_and_transparency_is_no_cell(tmp_path, colour):
    coloured = (box(3, 4)[..., None] // 255) * np.array([*colour, 0], np.uint8)
    coloured[..., 3] = 255
    field(tmp_path, {"fed/a": coloured})
    assert (read(tmp_path).annotated.masks == box(3, 4) // 255).all()


def test_an_empty_mask_is_skipped_and_named(tmp_path):
    field(tmp_path, {"fed/a": box(0, 0), "fed/b": 0 * box(0, 0)})
    found = read(tmp_path)
    assert len(found.cells) == 1
    assert "b.png shows no cell" in found.notes[0]


def test_channels_are_stacked_in_order_and_measured_in_each_cell(tmp_path):
    field(tmp_path, {"fed/a": box(0, 0)}, image=np.full(SHAPE, 1, np.uint16))
    for number in (10, 2):
        path = tmp_path / "images" / f"{NAME}_w{number}.TIF"
        picture(path, np.full(SHAPE, number, np.uint16))
    found = read(tmp_path)
    assert found.annotated.image[:, 0, 0].tolist() == [1, 2, 10]
    assert found.cells[["mean_w1", "mean_w2", "mean_w3"]].values.tolist() == [[1, 2, 10]]


def test_a_site_is_not_taken_for_another_that_begins_alike(tmp_path):
    for name, value in (("W_s1", 1), ("W_s10", 10)):
        field(tmp_path, {"fed/a": box(0, 0)}, name, np.full(SHAPE, value, np.uint16))
    picture(tmp_path / "images" / "W_s100_w1.TIF", np.zeros(SHAPE, np.uint16))
    fields = find_fields(tmp_path)
    assert [read_field(one).annotated.image[0, 0] for one in fields] == [1, 10]


@pytest.mark.parametrize("file", [f"{NAME}.png", f"{NAME}_color.png"])
def test_one_picture_in_colour_serves_as_well(tmp_path, file):
    picture(tmp_path / "images-color" / file, np.zeros((*SHAPE, 3), np.uint8) + np.uint8([1, 2, 3]))
    picture(tmp_path / "masks" / NAME / "fed" / "a.png", box(0, 0))
    assert read(tmp_path).annotated.image[:, 5, 5].tolist() == [1, 2, 3]


def test_the_simulated_set_has_the_published_split_and_gives_each_cell_back(tiny):
    fields = find_fields(tiny)
    split = split_fields(fields, SplitSettings())
    assert {name for name, of in split.items() if of == "test"} == set(FIELDS[:2])
    assert [name for name, of in split.items() if of == "valid"] == [FIELDS[-1]]
    for one in fields:
        found = read_field(one, "cells")
        files = sum(len(paths) for paths in one.classes.values())
        assert len(np.unique(found.labels)) - 1 == files - len(found.notes)


def test_fields_are_split_by_expression_by_list_and_by_wells_drawn_by_chance(tiny, tmp_path):
    fields = find_fields(tiny)
    names = [one.name for one in fields]
    by = SplitSettings(split_by="regex", valid=r"D05_s\d$", test="_s10$")
    assert [split_fields(fields, by)[name] for name in (FIELDS[1], FIELDS[2])] == ["test", "valid"]
    table = pd.DataFrame({"field": names, "split": ["test", *["train"] * (len(names) - 1)]})
    table.to_csv(tmp_path / "list.csv", index=False)
    listed = SplitSettings(split_by="list", split_list=tmp_path / "list.csv")
    assert split_fields(fields, listed) == dict(table.itertuples(index=False))
    draws = [split_fields(fields, SplitSettings(split_by="random", split_seed=s)) for s in (0, 0)]
    assert draws[0] == draws[1]
    assert draws[0][FIELDS[0]] == draws[0][FIELDS[1]]
    assert draws[0][FIELDS[2]] == draws[0][FIELDS[3]]
    assert set(draws[0].values()) == {"train", "valid", "test"}


def test_what_is_prepared_is_read_again_as_cellpose_and_our_training_read_it(tiny, tmp_path):
    made = prepare_cellular(tiny, tmp_path / "out")
    assert made.fields == {"train": 3, "test": 2, "valid": 1}
    learned = read_sources([tmp_path / "out" / "all" / "train"])
    by_name = {one.name: read_field(one).annotated for one in find_fields(tiny)}
    assert len(learned) == 3
    for image in learned:
        assert (image.masks == by_name[image.name].masks).all()
        assert (image.image == by_name[image.name].image).all()
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    train = cells[(cells["split"] == "train") & (cells["class"] == "fed")]
    alone = read_sources([tmp_path / "out" / "fed" / "train"])
    assert sum(int(image.masks.max()) for image in alone) == len(train)


def test_masks_are_written_as_png_where_nothing_is_unknown(tiny, tmp_path):
    settings = PrepareSettings(format="png", unidentified="cells")
    prepare_cellular(tiny, tmp_path / "out", settings)
    masks = imread(tmp_path / "out" / "all" / "valid" / f"{FIELDS[-1]}_masks.png")
    assert masks.dtype == np.uint16
    assert masks.max() == len(np.unique(masks)) - 1 > 2
    assert "PNG holds no -1" in refused(
        lambda: prepare_cellular(tiny, tmp_path / "other", PrepareSettings(format="png"))
    )


def test_a_folder_that_is_there_is_not_replaced_unless_asked(tiny, tmp_path):
    picture(tmp_path / "out" / "mine.png", box(0, 0))
    assert "exists already" in refused(lambda: prepare_cellular(tiny, tmp_path / "out"))
    assert (tmp_path / "out" / "mine.png").is_file()
    prepare_cellular(tiny, tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "mine.png").exists()


def test_a_field_that_cannot_be_read_leaves_nothing_half_made(tmp_path):
    field(tmp_path / "in", {"fed/a": box(0, 0)}, "W_s1")
    field(tmp_path / "in", {"fed/a": box(0, 0)[:20]}, "W_s2")
    said = refused(lambda: prepare_cellular(tmp_path / "in", tmp_path / "out"))
    assert "has 20 x 50 pixels, but the image of W_s2 has 40 x 50" in said
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_is_no_such_data_is_refused_in_a_sentence(tmp_path):
    assert "There is no folder" in refused(lambda: find_fields(tmp_path / "none"))
    assert "no folder 'masks'" in refused(lambda: find_fields(tmp_path))
    (tmp_path / "masks").mkdir()
    assert "masks is empty" in refused(lambda: find_fields(tmp_path))
    (tmp_path / "masks" / "A_s1").mkdir()
    assert "no folder 'images' or 'images-color'" in refused(lambda: find_fields(tmp_path))
    (tmp_path / "images").mkdir()
    assert "has masks but no image" in refused(lambda: find_fields(tmp_path))
    picture(tmp_path / "images" / "A_s1_w1.TIF", np.zeros(SHAPE, np.uint16))
    assert "The field A_s1 has no masks" in refused(lambda: find_fields(tmp_path))
    picture(tmp_path / "masks" / "A_s1" / "fed" / "a.png", box(0, 0) * 0 + 9)
    assert "covers the whole image" in refused(lambda: read(tmp_path))
    (tmp_path / "masks" / "A_s1" / "fed" / "a.png").write_bytes(b"no picture")
    assert "cannot be read as an image" in refused(lambda: read(tmp_path))
    assert "holds no class 'old'" in refused(lambda: find_fields(tmp_path, classes=["old"]))
    twice = ["fed", "Fed"]
    assert "'fed' is named twice" in refused(lambda: find_fields(tmp_path, classes=twice))
    picture(tmp_path / "images" / "A_s1_w1.png", box(0, 0))
    assert "The field A_s1 has two images" in refused(lambda: find_fields(tmp_path))
    (tmp_path / "images" / "A_s1_w1.png").unlink()
    picture(tmp_path / "images" / "A_s1_w2.TIF", np.zeros((9, 9), np.uint16))
    assert "(40, 50) and (9, 9)" in refused(lambda: read(tmp_path))


def test_a_class_in_two_spellings_is_refused(tmp_path):
    field(tmp_path, {"fed/a": box(0, 0), "Fed/a": box(20, 20)})
    if len(list((tmp_path / "masks" / NAME).iterdir())) == 1:
        pytest.skip("this disk does not tell capitals apart")
    assert "has the class 'fed' twice, as Fed and fed" in refused(lambda: find_fields(tmp_path))


def test_splits_that_cannot_be_are_refused_in_a_sentence(tiny, tmp_path):
    fields = find_fields(tiny)

    def said(**settings):
        return refused(lambda: split_fields(fields, SplitSettings(**settings)))

    assert "None of the 6 fields is left to learn from" in said(valid="", test="Timepoint")
    assert "matches both" in said(valid="ST_C03", test="ST_C03")
    assert "no regular expression" in said(split_by="regex", valid="(")
    assert "There is no list" in said(split_by="list")
    assert "4 wells, too few" in said(split_by="random", valid_part=0.5, test_part=0.5)
    file = tmp_path / "list.csv"
    lists = {
        "a,b\n1,2\n": "columns a, b",
        "field,split\nX,train\n": "names the field X, which has no masks",
        f"field,split\n{FIELDS[0]},train\n": "lacks 5 of the fields",
        f"field,split\n{FIELDS[0]},later\n": "the split 'later'",
        f"field,split\n{FIELDS[0]},train\n{FIELDS[0]},test\n": "twice",
    }
    for text, expected in lists.items():
        file.write_text(text)
        assert expected in said(split_by="list", split_list=file)


def test_pixels_are_scored_as_scikit_learn_does_each_image_counting_the_same():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    pairs = [(rng.integers(0, 3, SHAPE), rng.integers(0, 2, SHAPE)) for _ in range(3)]
    found = mean_measures([score_pixels(masks, truth) for masks, truth in pairs])
    scorers = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1": metrics.f1_score,
        "jaccard": metrics.jaccard_score,
    }
    for name, scorer in scorers.items():
        each = [scorer(t.ravel() > 0, m.ravel() > 0, average=None) for m, t in pairs]
        background, cell = np.mean(each, axis=0)
        assert found["background"][name] == pytest.approx(background)
        assert found["cell"][name] == pytest.approx(cell)
        assert found["average"][name] == pytest.approx((background + cell) / 2)


def test_unknown_pixels_do_not_count_and_what_cannot_be_told_is_not_told():
    truth = np.array([[0, 0, 1, 1], [-1, -1, -1, -1]])
    score = score_pixels(np.array([[0, 2, 1, 1], [5, 5, 5, 5]]), truth)
    assert score.measures()["cell"]["precision"] == pytest.approx(2 / 3)
    assert score.measures()["cell"]["recall"] == 1
    nothing = score_pixels(np.zeros((2, 2), int), np.zeros((2, 2), int))
    assert nothing.measures()["cell"] == dict.fromkeys(("precision", "recall", "f1", "jaccard"))
    assert mean_measures([score, nothing])["cell"]["recall"] == 1
    assert nothing.measures()["average"]["jaccard"] == 1


def test_three_hundred_cells_all_have_a_colour():
    labels = np.arange(301).reshape(7, 43)
    tab, hues = ten_colours(labels), random_hues(labels, np.random.default_rng(0))
    for colours in (tab, hues):
        dark = (colours == 0).all(axis=-1)
        assert dark.sum() == 1
        assert dark[0, 0]
    assert (tab.reshape(-1, 3)[256] == tab.reshape(-1, 3)[6]).all()
    assert len(np.unique(hues.reshape(-1, 3), axis=0)) > 290


class Shifted:
    """A segmenter that finds each cell of the truth one pixel to the right, but not the last."""

    name = "shifted"

    def __call__(self, image, pixel_size, settings):
        found = np.roll(image, 1, axis=1)
        return np.where(found == image.max(), 0, found).astype(np.int32)

    def find_diameter(self, images, pixel_size, settings):
        return None


def test_a_split_is_scored_with_tables_and_pictures(tmp_path):
    field(tmp_path, {"fed/a": box(2, 2), "fed/b": box(20, 20), "unfed/a": box(10, 35)})
    found = read(tmp_path)
    image = found.annotated
    shown = type(image)(image.masks, image.masks, image.group, image.name)
    classes = found.cells.assign(field=NAME)
    images = SplitImages("test", (NAME,), lambda _row: shown, classes)
    scores = evaluate_split(Shifted(), images, tmp_path / "out")
    assert scores["classes"] == {
        "fed": {"cells": 2, "found": 1.0},
        "unfed": {"cells": 1, "found": 0.0},
    }
    assert scores["instances"]["AP@0.5"] == pytest.approx(2 / 3)
    assert scores["cell"]["recall"] == pytest.approx(2 * 7 / (3 * 8))
    assert json.loads((tmp_path / "out" / "test_eval.json").read_text()) == scores
    table = pd.read_csv(tmp_path / "out" / "test_images.csv", index_col="image")
    assert table.loc[NAME, "cell recall"] == pytest.approx(scores["cell"]["recall"], rel=1e-5)
    labels = tifffile.imread(tmp_path / "out" / f"pred_{NAME}.tif")
    assert (labels == Shifted()(shown.image, None, None)).all()
    agreement = tifffile.imread(tmp_path / "out" / f"agreement_{NAME}.tif")
    assert set(np.unique(agreement)) == {0, 1, 3}
    for start in ("pred_visualized", "pred_hues"):
        colours = imread(tmp_path / "out" / f"{start}_{NAME}.png")
        assert ((colours > 0).any(axis=-1) == (labels > 0)).all()
