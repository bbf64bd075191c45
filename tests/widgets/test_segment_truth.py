"""Comparing masks with a truth: layers of right, false and missed ones, and rows leading there."""

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog, QInputDialog

from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.frames import write_label_frames
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.widgets import compare
from napari_cellcycle.widgets.agreement import FALSE, MISSED, RIGHT

TIME = 4


def truth():
    labels, _ = read_ctc(sample_path().with_name("nuclei_2d_GT") / "TRA", by_track=True)
    return labels


@pytest.fixture
def segmented(sample, quick, run):
    run(sample, sample.segment.run_button)
    return sample


@pytest.fixture
def other(tmp_path):
    """A truth that lacks one of our cells in a frame, and has one more, told by its label."""
    labels = truth()
    frame = labels.frame(TIME).copy()
    first, last = np.unique(frame[frame > 0])[[0, -1]]
    frame[frame == first] = 0
    y, x = np.argwhere(frame == 0)[-1]
    frame[max(0, y - 9) : y + 1, max(0, x - 9) : x + 1] = last + 1
    write_label_frames(labels.with_frame(TIME, frame), tmp_path / "other")
    return tmp_path / "other", int(first), int(last + 1)


def test_right_false_and_missed_masks_are_layers_with_a_legend(
    viewer, segmented, run, other, monkeypatch
):
    folder, false, missed = other
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    own = segmented.session.recording.layers.labels
    run(segmented, segmented.results.compare_masks_button)
    shown = {name: np.asarray(viewer.layers[name].data[TIME]) for name in (RIGHT, FALSE, MISSED)}
    assert set(np.unique(shown[FALSE])) == {0, false}
    assert set(np.unique(shown[MISSED])) == {0, missed}
    assert false not in shown[RIGHT] and shown[RIGHT].any()
    assert not np.asarray(viewer.layers[FALSE].data[TIME + 1]).any()
    assert not own.visible
    errors = segmented.errors
    assert "1 false masks" in errors.legend.text() and errors.legend.isVisible()
    assert "PQ 0.99" in errors.facts.text()
    assert errors.model.errors["kind"].tolist() == ["missed cell", "false cell"]
    viewer.dims.set_current_step(0, 0)
    errors.table.selectRow(1)
    assert round(own.world_to_data(viewer.dims.point)[0]) == TIME
    assert own.selected_label == false
    segmented.results.undo_button.click()
    assert RIGHT not in viewer.layers and own.visible
    segmented.results.redo_button.click()
    assert RIGHT in viewer.layers


def test_a_layer_of_masks_can_be_the_truth(viewer, segmented, run, monkeypatch):
    labels = truth().to_array()
    viewer.add_layer(Labels(labels, name="drawn by hand"))
    asked = []

    def choose(_parent, _title, _words, names, *_):
        asked.extend(names)
        return "drawn by hand", True

    monkeypatch.setattr(QInputDialog, "getItem", choose)
    run(segmented, segmented.results.compare_masks_button)
    assert asked == ["Choose a folder…", "drawn by hand"]
    assert segmented.errors.model.rowCount() == 0
    assert "drawn by hand:" in segmented.errors.facts.text()


def test_masks_of_another_size_are_refused_in_one_sentence(viewer, segmented, qtbot, tmp_path):
    small = read_ctc(sample_path("nuclei_3d").with_name("nuclei_3d_GT") / "TRA")[0]
    write_label_frames(small, tmp_path / "small")
    with qtbot.waitSignal(segmented.finished, timeout=60_000):
        compare.compare_masks(segmented, tmp_path / "small")
    assert "choose" in segmented.notice.sentence.text()
    assert RIGHT not in viewer.layers
