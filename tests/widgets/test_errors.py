"""Comparing the shown tracks with a truth, going to each error, and colours of doubt."""

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_cellcycle.io.ctc import read_ctc, write_ctc
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.models.store import list_models
from napari_cellcycle.widgets import colours


def truth_of(name):
    return sample_path(name).with_name(f"{name}_GT")


@pytest.fixture
def answer(monkeypatch):
    """What the user chooses when asked for a folder."""

    def choose(folder):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))

    return choose


def spoiled_truth(name, folder):
    """The truth without one link, so that the shown tracks differ from it by that."""
    labels, tracks = read_ctc(truth_of(name) / "TRA")
    child = int(tracks.links["child"].iloc[40])
    write_ctc(labels, tracks.unlink(child), folder)
    return tracks.cells.loc[child]


@pytest.mark.parametrize("name", ["nuclei_2d", "nuclei_3d"])
def test_an_error_in_the_table_leads_to_its_cell(viewer, dock, quick, run, answer, tmp_path, name):
    viewer.open_sample("napari-cellcycle", name)
    run(dock, dock.run_button)
    cell = spoiled_truth(name, tmp_path / "other_RES")
    answer(tmp_path / "other_RES")
    run(dock, dock.results.compare_button)
    errors = dock.errors
    assert errors.isVisible() and "other_RES" in errors.facts.text()
    kinds = [errors.kind.itemText(row) for row in range(errors.kind.count())]
    assert any(kind.startswith("false link (1") for kind in kinds), kinds
    errors.kind.setCurrentIndex(next(i for i, k in enumerate(kinds) if k.startswith("false")))
    assert errors.model.rowCount() == 1
    row = errors.model.errors.iloc[0]
    assert row["frame"] == cell["frame"]
    shown = [errors.model.index(0, c).data(Qt.ItemDataRole.DisplayRole) for c in range(4)]
    assert shown[0] == str(row["frame"]) and shown[1] == "false link"
    assert shown[2] == str(row["cell"]) and shown[3] == row["sentence"]
    viewer.dims.set_current_step(0, 0)
    errors.table.selectRow(0)
    labels = dock.session.recording.layers.labels
    axes = ["z", "y", "x"][-(labels.ndim - 1) :]
    here = labels.world_to_data(viewer.dims.point)
    assert round(here[0]) == row["frame"]
    centre = np.array([row[axis] for axis in axes]) * labels.scale[1:] + labels.translate[1:]
    assert viewer.scene.camera.center[1:] == pytest.approx(tuple(centre[-2:]))
    if name == "nuclei_3d":
        assert round(here[1]) == round(row["z"])
    assert labels.selected_label == row["cell"]


def test_rows_follow_the_headers_and_belong_to_the_result_that_was_compared(
    viewer, sample, quick, run, answer, tmp_path
):
    run(sample, sample.run_button)
    spoiled_truth("nuclei_2d", tmp_path / "other_RES")
    labels, tracks = read_ctc(tmp_path / "other_RES")
    last = int(tracks.cells.index[-1])
    fewer = tracks.unlink(int(tracks.links["child"].iloc[5])).unlink(last)
    write_ctc(labels, fewer, tmp_path / "worse_RES")
    answer(tmp_path / "worse_RES")
    run(sample, sample.results.compare_button)
    frames = sample.errors.model.errors["frame"]
    assert frames.is_monotonic_increasing and frames.nunique() > 1
    sample.errors.table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert sample.errors.model.errors["frame"].is_monotonic_decreasing
    rows = sample.errors.model.rowCount()
    assert rows > 0
    run(sample, sample.run_button)
    assert sample.errors.model.rowCount() == 0 and "No comparison" in sample.errors.facts.text()
    sample.results.undo_button.click()
    assert sample.errors.model.rowCount() == rows


def test_the_truth_itself_has_no_errors_and_its_table_comes_back_after_it_was_closed(
    viewer, sample, quick, run, answer
):
    run(sample, sample.run_button)
    answer(truth_of("nuclei_2d"))
    run(sample, sample.results.compare_button)
    assert sample.errors.model.rowCount() == 0
    assert "TRA 1.000" in sample.errors.facts.text()
    viewer.window.remove_dock_widget(sample.errors)
    assert not sample.errors.isVisible()
    run(sample, sample.results.compare_button)
    assert sample.errors.isVisible()


def test_a_folder_without_tracks_is_refused_in_one_sentence(
    viewer, sample, quick, run, answer, tmp_path
):
    run(sample, sample.run_button)
    answer(tmp_path)
    run(sample, sample.results.compare_button)
    assert "no tracks" in sample.notice.sentence.text()
    answer(truth_of("nuclei_3d"))
    run(sample, sample.results.compare_button)
    assert "same movie" in sample.notice.sentence.text()
    assert not sample.errors.isVisible()


def test_only_tracks_can_be_compared(viewer, sample, quick, run):
    run(sample, sample.segment.run_button)
    assert not sample.results.compare_button.isEnabled()


def test_doubt_is_shown_in_amber_to_red_and_what_was_filled_is_told(viewer, sample, quick, run):
    run(sample, sample.run_button)
    display, layers = sample.session.result.display, sample.session.recording.layers
    features = layers.tracks.features
    assert features["filled"].dtype == bool
    told = sample.session.experiment.tracks.cells["filled"]
    assert features["filled"].sum() == told.sum() > 0
    assert "link_score" in features and pd.isna(features["link_score"]).any()
    score = display.features["link_score"]
    assert score.isna().any() and (score < 0.5).any() and (score > 0.5).any()
    assert "trusted less than one half" in sample.results.by_doubt.toolTip()
    before = layers.labels.contour
    sample.results.by_doubt.setChecked(True)
    assert sample.session.colour_by == "doubt" and layers.labels.contour > 0
    assert layers.tracks.color_by == "link_score"
    sure = colours.rgba(colours.SURE)
    vertex = np.asarray(layers.tracks.track_colors)
    doubtful = (score < 0.5).to_numpy()
    assert np.allclose(vertex[~doubtful], sure, atol=0.01)
    assert (vertex[doubtful, 0] > 0.8).all() and (vertex[doubtful, 2] < 0.2).all()
    frame = int(display.features["frame"][doubtful].iloc[0])
    viewer.dims.set_current_step(0, frame)
    rows = display.in_frame(frame)
    assert {"link_score", "index"} <= set(layers.labels.features)
    for track, value in zip(rows["track"], rows["link_score"], strict=True):
        shown = layers.labels.get_color(int(track))
        assert np.allclose(shown, colours.doubt_colours().map([value])[0], atol=0.01)
    sample.results.by_track.setChecked(True)
    assert layers.labels.contour == before and layers.tracks.color_by == "track_id"


def test_doubt_is_darker_the_greater_it_is():
    shown = colours.doubt_colours().map([0.0, 0.25, 0.49, 0.5, 1.0, np.nan])
    light = shown[:, :3] @ (0.21, 0.72, 0.07)
    assert light[0] < light[1] < light[2]
    assert np.allclose(shown[3:], colours.rgba(colours.SURE))


def test_tracks_read_from_files_know_of_no_doubt(viewer, sample, quick, run):
    sample.segment.model.setCurrentText("sure")
    run(sample, sample.run_button)
    assert not sample.results.by_doubt.isEnabled()
    sample.session.colour("doubt")
    assert sample.session.recording.layers.tracks.color_by == "track_id"


def test_the_track_step_offers_every_link_model_and_says_what_it_is(viewer, dock):
    dock.offer_models()
    combo, models = dock.track.model, list_models("link")
    shown = {
        combo.itemText(row): combo.itemData(row, Qt.ItemDataRole.ToolTipRole)
        for row in range(combo.count())
    }
    assert models and shown == {m.card.name: m.card.description for m in models}
