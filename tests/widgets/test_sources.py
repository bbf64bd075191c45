"""What Track and Classify start from, and the names of layers in the lists of the dock."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.widgets.sources import OWN

TRUTH = sample_path("nuclei_2d").with_name("nuclei_2d_GT") / "TRA"


@pytest.fixture
def old(viewer, sample):
    """Old masks of the sample movie, with one cell, as a layer."""
    masks = np.zeros(viewer.layers["nuclei 2d"].data.shape, np.int32)
    masks[:, 20:40, 20:40] = 1
    return viewer.add_labels(masks, name="old masks")


def offered(section):
    return [section.source.itemText(row) for row in range(section.source.count())]


def pick(qtbot, section, name):
    """Choose what a step starts from, by the keyboard."""
    combo = section.source
    if not section.unfolded:
        section.button.click()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    while combo.currentText() != name:
        before = combo.currentIndex()
        qtbot.keyClick(combo, Qt.Key.Key_Down)
        assert combo.currentIndex() != before, f"{name} is not offered"


def steps(dock):
    return [step.name for step in dock.session.experiment.history]


def test_track_starts_from_the_newest_masks_though_others_were_open_before(old, sample, quick, run):
    assert sample.track.source.currentText() == "old masks"
    run(sample, sample.segment.run_button)
    assert sample.track.source.currentText() == OWN["track"]
    run(sample, sample.track.run_button)
    assert steps(sample) == ["segment", "track"]


def test_masks_that_the_user_chose_stay_chosen_under_another_name(old, sample, quick, run, qtbot):
    run(sample, sample.segment.run_button)
    pick(qtbot, sample.track, "old masks")
    old.name = "truth"
    assert offered(sample.track) == [OWN["track"], "truth"]
    assert sample.track.source.currentText() == "truth"
    assert sample.source("track").labels.frame(0).sum() == 400
    run(sample, sample.track.run_button)
    assert steps(sample) == ["track"]
    assert sample.track.source.currentText() == "truth"


def test_when_the_chosen_masks_are_removed_the_newest_are_taken(
    viewer, old, sample, quick, run, qtbot
):
    run(sample, sample.segment.run_button)
    pick(qtbot, sample.track, "old masks")
    viewer.layers.remove("old masks")
    assert offered(sample.track) == [OWN["track"]]
    viewer.add_labels(np.array(old.data), name="old masks")
    assert sample.track.source.currentText() == OWN["track"]


def test_layers_that_show_agreement_are_not_offered(viewer, old, sample, quick, run, monkeypatch):
    run(sample, sample.segment.run_button)
    monkeypatch.setattr(
        "qtpy.QtWidgets.QInputDialog.getItem", lambda *_: ("Choose a folder…", True)
    )
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(TRUTH.parent))
    run(sample, sample.results.compare_masks_button)
    assert {"right masks", "missed cells", "false masks"} <= {layer.name for layer in viewer.layers}
    sample.refresh()
    assert offered(sample.track) == [OWN["track"], "old masks"]


def test_the_list_of_movies_has_the_names_that_layers_have_now(viewer, sample, qtbot):
    viewer.add_image(np.random.default_rng(0).random((4, 32, 32)), name="another")
    layers = sample.picker.layers
    viewer.layers["nuclei 2d"].name = "renamed"
    assert [layers.itemText(row) for row in range(layers.count())] == ["renamed", "another"]
    viewer.layers["another"].name = "control"
    assert layers.currentText() == "renamed"
    qtbot.keyClick(layers, Qt.Key.Key_Down)
    assert layers.currentText() == "control"
    assert sample.session.recording.layer.name == "control"
