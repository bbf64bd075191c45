"""Figures and tables of stages."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.core.stage_lineages import lineage, one_cell, staged, together

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.figure_folder import write_figures
from napari_cellcycle.evaluation.learning_figures import (
    draw_features,
    draw_learning,
    principal_axes,
    read_curve,
)
from napari_cellcycle.evaluation.lineage_figure import draw_lineage_tree
from napari_cellcycle.evaluation.stage_figures import draw_confusion, draw_label_matrix, save_figure
from napari_cellcycle.evaluation.stage_matrix import stage_matrix
from napari_cellcycle.evaluation.stage_truth import open_staged
from napari_cellcycle.evaluation.stages import score_stages
from napari_cellcycle.io.experiment import save_experiment

FAMILIES = together((0, "IIIPMM", "ATII", "ATII"), (0, "IIIIIIII"), (1, "IPM", "AT", "AT"))


def told_late(tracks):
    """The same cells, each anaphase told as metaphase."""
    stage = tracks.cells["stage"].replace("anaphase", "metaphase")
    return tracks.with_columns(stage=stage)


def test_the_matrix_is_sorted_by_the_onset_of_mitosis():
    matrix = stage_matrix(FAMILIES, H2B, 10)
    assert matrix.tracks.tolist() == [5, 1, 6, 7, 2, 3, 4]
    assert matrix.onset.tolist() == [2, 3, 4, 4, 6, 6, 10]
    first = matrix.told[0].tolist()
    assert first == [-1, 0, 1, 3, -1, -1, -1, -1, -1, -1]


def test_a_frame_without_the_cell_is_a_white_gap():
    matrix = stage_matrix(one_cell("II MM"), H2B, 6)
    assert matrix.told.tolist() == [[0, 0, -1, 3, 3, -1]]
    figure = draw_label_matrix(matrix, H2B, 300.0)
    image = figure.axes[0].images[0]
    colours = image.cmap(image.norm(image.get_array()))
    assert colours[0, 2].tolist() == [1, 1, 1, 1]
    assert len({tuple(colour) for colour in colours[0]}) == 3


def test_the_truth_stands_beside_the_prediction():
    true = FAMILIES.cells["stage"]
    matrix = stage_matrix(told_late(FAMILIES), H2B, 10, true)
    assert (matrix.true == 4).sum() == 4
    assert (matrix.told == 4).sum() == 0
    assert len(draw_label_matrix(matrix, H2B, 300.0).axes) == 2


@pytest.mark.parametrize("stages", [2, 3, 9])
def test_rows_of_the_confusion_matrix_add_up_to_one(stages):
    rng = np.random.default_rng(0)
    names = [f"stage {k}" for k in range(stages)]
    true, told = rng.choice(names, (2, 400))
    share = draw_confusion(score_stages(true, told, names)).axes[0].images[0].get_array()
    assert share.shape == (stages, stages)
    assert np.asarray(share).sum(axis=1) == pytest.approx(1)


def test_the_first_principal_axis_is_the_longest():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=200)
    features = np.c_[hidden, 2 * hidden + 0.1 * rng.normal(size=200), rng.normal(size=200)]
    place, share = principal_axes(np.c_[features, np.ones(200), np.full(200, np.nan)])
    assert abs(np.corrcoef(place[:, 0], hidden)[0, 1]) > 0.99
    assert share[0] == pytest.approx(2 / 3, abs=0.02)
    stage = pd.Series(np.where(hidden > 0, "metaphase", "interphase"))
    assert len(draw_features(features, stage, H2B, stage).axes) == 2
    with pytest.raises(BadInput, match="3 cells and 2 features"):
        principal_axes(np.ones((10, 4)))


def test_learning_is_drawn_from_a_history_or_a_curve(tmp_path):
    history = [{"number": k, "loss": 1 / k, "score": k / 10, "seconds": 1.0} for k in (1, 2, 3)]
    figure = draw_learning(history)
    assert "best 0.300" in figure.axes[1].get_title()
    pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0]}).to_csv(tmp_path / "c.csv", index=False)
    figure = draw_learning(read_curve(tmp_path / "c.csv"))
    assert figure.axes[0].lines[0].get_ydata().tolist() == [2, 1]
    with pytest.raises(BadInput, match="no epochs"):
        draw_learning([])
    with pytest.raises(BadInput, match="no table"):
        read_curve(tmp_path / "nothing.csv")


def test_the_tree_has_durations_on_its_branches(tmp_path):
    experiment = staged(lineage("IIIPMM", "ATII", "ATII"))
    figure = draw_lineage_tree(experiment)
    words = [text.get_text().strip() for text in figure.axes[0].texts]
    assert {"1", "2", "3", ">15", "5", "10", ">10"} <= set(words)
    save_figure(figure, tmp_path / "tree.svg")
    assert "<svg" in (tmp_path / "tree.svg").read_text()


def test_only_the_lineages_asked_for_are_drawn():
    figure = draw_lineage_tree(staged(FAMILIES, frames=12), [6])
    words = {text.get_text().strip() for text in figure.axes[0].texts}
    assert {"5", "6", "7"} <= words and not {"1", "2", "4"} & words
    with pytest.raises(BadInput, match="no cell 99"):
        draw_lineage_tree(staged(FAMILIES), [99])


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_folder_of_figures_and_tables(tmp_path, ndim):
    experiment = staged(FAMILIES, ndim, frames=12)
    judged = write_figures(experiment, tmp_path / "out")
    assert judged is None
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "label_matrix.png",
        "durations.png",
        "features.png",
        "lineages.svg",
        "stage_visits.csv",
        "stage_durations.csv",
        "divisions.csv",
    }
    divisions = pd.read_csv(tmp_path / "out" / "divisions.csv")
    assert divisions["mitosis_min"].tolist()[1] == 25
    visits = pd.read_csv(tmp_path / "out" / "stage_visits.csv")
    assert visits["duration_min"].sum() == len(FAMILIES) * 5


def test_with_a_truth_scores_and_timing_are_written(tmp_path):
    experiment = staged(FAMILIES, frames=12)
    wrong = replace(experiment, tracks=told_late(experiment.tracks))
    save_experiment(experiment, tmp_path / "truth.cellcycle")
    truth = open_staged(tmp_path / "truth.cellcycle")
    judged = write_figures(wrong, tmp_path / "out", truth=truth)
    assert judged.scores.table.loc["anaphase", "recall"] == 0
    assert judged.scores.table.loc["interphase", "f1"] == 1
    assert np.isnan(judged.timing.loc["metaphase to anaphase", "median_error_frames"])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"confusion.png", "scores.png", "scores.csv", "timing.csv", "timing.png"} <= names


def test_a_truth_with_other_stages_is_refused(tmp_path):
    experiment = staged(FAMILIES, frames=12)
    strange = experiment.tracks.cells["stage"].replace("interphase", "G1")
    truth = (experiment.labels, experiment.tracks.with_columns(stage=strange))
    with pytest.raises(BadInput, match="the stage 'G1'"):
        write_figures(experiment, tmp_path / "out", truth=truth)
    assert list(tmp_path.iterdir()) == []


def test_cells_without_stages_are_refused(tmp_path):
    experiment = staged(FAMILIES)
    bare = Tracks(experiment.tracks.cells.drop(columns="stage"), experiment.tracks.links)
    with pytest.raises(BadInput, match="no stages"):
        write_figures(replace(experiment, tracks=bare), tmp_path / "out")
    save_experiment(replace(experiment, tracks=bare), tmp_path / "bare.cellcycle")
    with pytest.raises(BadInput, match="have no stages"):
        open_staged(tmp_path / "bare.cellcycle")
    assert [path.name for path in tmp_path.iterdir()] == ["bare.cellcycle"]
