"""Scoring folders, sequences and experiments, the errors told, and bad input."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.io import imsave
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.mask_comparison import MEAN, POOLED, compare_folders
from napari_cellcycle.io.experiment import save_experiment
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path


def squares(*corners, side=10, shape=(60, 60)):
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(corners, start=1):
        labels[y : y + side, x : x + side] = number
    return labels


TRUTH = squares((5, 5), (5, 30), (30, 5), (30, 30))


def spoiled():
    """Cells 1 and 2 in one mask, 3 moved too far, 4 cut in two, and a mask of nothing."""
    found = np.zeros_like(TRUTH)
    found[5:15, 5:40] = 7
    found[35:45, 5:15] = 8
    found[30:35, 30:40] = 9
    found[35:40, 30:40] = 10
    found[50:60, 50:60] = 11
    return found


def write(folder, **images):
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels in images.items():
        tifffile.imwrite(folder / f"{name}.tif", labels.astype(np.uint16))
    return folder


def test_each_error_is_told_once_with_its_place(tmp_path):
    found = compare_folders(
        write(tmp_path / "a", t0=spoiled()), write(tmp_path / "b", t0=TRUTH), iou=0.6
    )
    assert found.counts() == {
        "merged cells": 2,
        "split cell": 1,
        "wrong outline": 1,
        "false cell": 1,
    }
    rows = found.errors.set_index("kind")
    assert rows.loc["split cell", ["y", "x"]].tolist() == [34.5, 34.5]
    assert rows.loc["false cell", "cell"] == 11 and rows.loc["false cell", "of"] == "result"
    assert rows.loc["wrong outline", "iou"] == pytest.approx(50 / 150)
    assert "mask 7, which holds another cell" in rows["sentence"].iloc[0]


def test_a_missed_cell_stands_where_it_is(tmp_path):
    fewer = np.where(TRUTH == 3, 0, TRUTH)
    found = compare_folders(write(tmp_path / "a", t0=fewer), write(tmp_path / "b", t0=TRUTH))
    row = found.errors.iloc[0]
    assert (row["kind"], row["cell"], row["y"], row["x"]) == ("missed cell", 3, 34.5, 9.5)
    assert found.scores.precision[0.5] == 3 / 4


def test_images_are_paired_by_name_whatever_their_order_and_ending(tmp_path):
    truth = write(tmp_path / "truth", b_masks=TRUTH, a_masks=squares((0, 0)))
    imsave(tmp_path / "b.png", TRUTH.astype(np.uint8), check_contrast=False)
    result = write(tmp_path / "result", a=squares((0, 0)), c=TRUTH)
    (tmp_path / "b.png").rename(result / "b.png")
    found = compare_folders(result, truth)
    assert found.scores.precision[0.9] == 1 and len(found.errors) == 0
    assert [image.name for image in found.images] == ["a_masks", "b_masks"]


def test_the_table_has_images_the_pool_and_their_mean(tmp_path):
    truth = write(tmp_path / "truth", t0=TRUTH, t1=squares((0, 0)))
    result = write(tmp_path / "result", t0=np.zeros_like(TRUTH), t1=squares((0, 0)))
    table = compare_folders(result, truth).table()
    assert list(table.index) == ["t0", "t1", POOLED, MEAN]
    assert table["AP@0.5"].tolist() == [0, 1, 1 / 5, 1 / 2]
    assert table["count error"].tolist() == [4, 0, 2, 2]


def test_markers_tell_what_is_missed_but_not_outlines(tmp_path):
    markers = squares((8, 8), (8, 33), (33, 8), (33, 33), side=4)
    write(tmp_path / "01_GT" / "TRA", man_track000=markers, man_track001=markers)
    fewer = np.where(TRUTH == 2, 0, TRUTH)
    result = write(tmp_path / "01_RES", mask000=TRUTH, mask001=fewer)
    found = compare_folders(result, tmp_path / "01_GT")
    assert found.scores.det == pytest.approx(1 - 10 / 80)
    assert found.scores.seg is None and found.scores.pq is None
    assert found.counts() == {"missed cell": 1} and found.errors["frame"].item() == 1


def test_outlines_of_all_cells_give_all_scores_of_a_sequence(tmp_path):
    truth = tmp_path / "01_GT"
    some = np.where(TRUTH == 2, 2, 0)
    write(truth / "TRA", man_track000=TRUTH, man_track001=TRUTH)
    write(truth / "SEG", man_seg000=TRUTH, man_seg001=some)
    found = compare_folders(write(tmp_path / "r", mask000=TRUTH, mask001=TRUTH), truth)
    assert (found.scores.segmented, found.scores.cells, found.scores.markers) == (5, 4, 8)
    assert found.scores.pq == 1 and len(found.errors) == 0


def test_an_experiment_is_scored_by_tracked_masks_that_are_outlines(tmp_path):
    movie = open_movie(sample_path())
    truth = sample_path().with_name("nuclei_2d_GT")
    from napari_cellcycle.io.ctc import read_ctc

    labels, _ = read_ctc(truth / "TRA")
    fewer = labels.with_frame(3, np.where(labels.frame(3) == labels.frame(3).max(), 0, 1))
    folder = tmp_path / "mine.cellcycle"
    save_experiment(Experiment(movie, labels=LabelStack(fewer.to_array())), folder)
    found = compare_folders(folder, truth)
    assert found.scores.pq is not None and 0.9 < found.scores.pq < 1
    assert set(found.errors["frame"]) == {3}


def test_the_command_prints_and_writes_all_scores(tmp_path):
    result = write(tmp_path / "a", t0=spoiled(), t1=TRUTH)
    truth = write(tmp_path / "b", t0=TRUTH, t1=TRUTH)
    files = {name: tmp_path / name for name in ("s.csv", "s.json", "e.csv", "pictures")}
    said = call(
        *("score", result, truth, "--csv", files["s.csv"], "--json", files["s.json"]),
        *("--errors", files["e.csv"], "--pictures", files["pictures"], "--iou", "0.6"),
    )
    assert said.exit_code == 0, said.output
    assert "PQ" in said.stdout and "8 cells; the masks are 1 too many" in said.stdout
    assert list(pd.read_csv(files["s.csv"])["image"]) == ["t0", "t1", POOLED, MEAN]
    assert json.loads(files["s.json"].read_text())["AP@0.5"] == pytest.approx(5 / 12)
    assert set(pd.read_csv(files["e.csv"])["image"]) == {"t0"}
    codes = tifffile.imread(files["pictures"] / "t0.tif")
    assert codes[55, 55] == 2 and codes[30, 8] == 3
    assert (tifffile.imread(files["pictures"] / "t1.tif") == np.where(TRUTH > 0, 1, 0)).all()
    said = call("score", result, truth, "--pictures", files["pictures"]).stderr
    assert "already holds other files" in " ".join(said.split())


def test_refusals_say_what_to_do(tmp_path):
    truth = write(tmp_path / "truth", t0=TRUTH)
    (tmp_path / "empty").mkdir()
    decimal = tmp_path / "decimal"
    decimal.mkdir()
    tifffile.imwrite(decimal / "t0.tif", TRUTH / 3)
    colour = tmp_path / "colour"
    colour.mkdir()
    imsave(colour / "t0.png", np.zeros((60, 60, 3), np.uint8), check_contrast=False)
    bad = {
        tmp_path / "empty": "no TIFF or PNG files",
        decimal: "decimal values",
        colour: "not a picture in colour",
        write(tmp_path / "small", t0=TRUTH[:30]): "same image",
        write(tmp_path / "others", p1=TRUTH, q1=TRUTH): "such as t0",
    }
    for folder, words in bad.items():
        with pytest.raises(BadInput, match=words):
            compare_folders(folder, truth)
    write(tmp_path / "x_GT" / "TRA", man_track007=TRUTH)
    with pytest.raises(BadInput, match="frame 7"):
        compare_folders(truth, tmp_path / "x_GT")
    (tmp_path / "y_GT" / "TRA").mkdir(parents=True)
    with pytest.raises(BadInput, match="neither"):
        compare_folders(truth, tmp_path / "y_GT")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
