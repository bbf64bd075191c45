"""The preview of a segmentation, and segmenting frames and regions again, in a real viewer."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cellcycle.config import ComputeSettings, SegmentSettings
from napari_cellcycle.data.region import Region
from napari_cellcycle.evaluation.segmentation import score_masks
from napari_cellcycle.io.ctc import read_ctc
from napari_cellcycle.io.movies import open_movie
from napari_cellcycle.io.samples import sample_path
from napari_cellcycle.widgets.place import visible_region
from napari_cellcycle.widgets.preview import NAME
from napari_cellcycle.widgets.preview_thread import Previews, Wanted

PATIENCE = 120_000
"""Milliseconds; the first look imports torch, which takes long where other programs run."""


def true_masks(time_point):
    labels, _ = read_ctc(sample_path().with_name("nuclei_2d_GT") / "TRA")
    return labels.frame(time_point)


@pytest.fixture
def look(qtbot):
    """Do something and wait for the preview that follows it."""

    def wait(dock, deed):
        with qtbot.waitSignal(dock.preview.shown, timeout=PATIENCE) as shown:
            deed()
        return shown.args[0]

    return wait


def slider(dock, name):
    return dock.segment.form.rows[name].widget.slider


def test_the_shipped_network_is_previewed_live(viewer, sample, look):
    viewer.dims.set_current_step(0, 5)
    active = viewer.layers.selection.active
    seen = look(sample, sample.segment.preview_button.click)
    layer = viewer.layers[NAME]
    assert viewer.layers.selection.active == active
    assert seen.wanted.time == 5 and layer.translate[0] == 5 * layer.scale[0]
    truth = true_masks(5)[seen.region.slices]
    assert score_masks(seen.masks, truth).precision[0.5] > 0.8
    assert f"diameter {seen.diameter:.3g} µm" in sample.segment.told.text()
    before = np.count_nonzero(seen.masks)
    seen = look(sample, lambda: slider(sample, "cell_threshold").setValue(200))
    assert np.count_nonzero(seen.masks) < before
    assert seen.wanted.settings.cell_threshold == 6
    wide = seen.region

    def zoom():
        viewer.scene.camera.zoom *= 3

    seen = look(sample, zoom)
    assert np.prod(seen.region.shape) < 0.5 * np.prod(wide.shape)
    assert layer.data.shape == (1, *seen.region.shape)
    assert layer.translate[1] == pytest.approx(seen.region.top * layer.scale[1])
    seen = look(sample, lambda: viewer.dims.set_current_step(0, 9))
    assert seen.wanted.time == 9
    sample.segment.preview_button.click()
    assert NAME not in viewer.layers and sample.segment.told.text() == ""


def test_a_model_that_is_not_there_ends_the_preview_with_a_sentence(viewer, sample, qtbot):
    sample.segment.model.setCurrentText("nowhere")
    with qtbot.waitSignal(sample.preview.failed, timeout=PATIENCE):
        sample.segment.preview_button.click()
    assert "No model called 'nowhere'" in sample.notice.sentence.text()
    assert not sample.segment.preview_button.isChecked()


@pytest.fixture
def tracked(sample, quick, run):
    """The sample with its true tracks and made-up stages, its settings set to `threshold`."""
    sample.segment.model.setCurrentText("threshold")
    run(sample, sample.run_button)
    return sample


def test_a_frame_a_rectangle_or_some_frames_are_segmented_again_and_all_else_stays(
    viewer, tracked, run, qtbot
):
    a_frame_is_segmented_again(viewer, tracked, run)
    tracked.segment.form.rows["diameter"].value = 14  # to find it by itself takes long
    a_rectangle_is_segmented_again_by_its_key(viewer, tracked, qtbot)
    tracked.results.undo_button.click()
    some_frames_are_segmented_again(tracked, run)


def a_frame_is_segmented_again(viewer, tracked, run):
    """With new cells that keep their names, and their stages."""
    before = tracked.session.experiment
    viewer.dims.set_current_step(0, 7)
    tracked.segment.form.rows["cell_threshold"].value = 1.0
    run(tracked, tracked.segment.frame_button, timeout=PATIENCE)
    after = tracked.session.experiment
    changed = [time for time in range(36) if differs(before, after, time)]
    assert changed == [7]
    assert tracked.session.editor.history.done[-1].operation == "adopt_masks"
    kept = before.tracks.cells["label"][before.tracks.cells["frame"] != 7]
    assert kept.index.isin(after.tracks.cells.index).all()
    again = after.tracks.cells[after.tracks.cells["frame"] == 7]
    assert len(set(again["label"]) & set(before.tracks.cells["label"])) > 10
    assert again["stage"].notna().mean() > 0.8
    tracked.results.undo_button.click()
    assert tracked.session.experiment is before


def a_rectangle_is_segmented_again_by_its_key(viewer, tracked, qtbot):
    """Cells outside stay."""
    before = tracked.session.experiment
    viewer.dims.set_current_step(0, 7)
    scale = viewer.layers["nuclei 2d"].scale
    corners = np.array([[7, y, x] for y, x in ((0, 0), (0, 140), (140, 140), (140, 0))])
    viewer.add_layer(Shapes([corners], shape_type="rectangle", scale=scale, name="here"))
    assert isinstance(viewer.layers.selection.active, Shapes)
    tracked.segment.form.rows["cell_threshold"].value = 1.0
    window = tracked.window()
    window.activateWindow()
    window.setFocus()
    QTest.qWait(50)
    with qtbot.waitSignal(tracked.finished, timeout=PATIENCE):
        QTest.keyClick(window, "R", Qt.KeyboardModifier.ShiftModifier)
    old, new = before.labels.frame(7), tracked.session.experiment.labels.frame(7)
    rows, columns = np.nonzero(old != new)
    assert len(rows) and rows.max() < 175 and columns.max() < 175


def some_frames_are_segmented_again(tracked, run):
    """Those that were set."""
    before = tracked.session.experiment
    assert tracked.segment.form.rows["cell_threshold"].value == 1.0
    tracked.segment.last.setValue(3)
    tracked.segment.first.setValue(2)
    run(tracked, tracked.segment.range_button, timeout=PATIENCE)
    after = tracked.session.experiment
    assert [time for time in range(36) if differs(before, after, time)] == [2, 3]


def differs(one, other, time_point):
    return not np.array_equal(one.labels.frame(time_point), other.labels.frame(time_point))


def test_a_region_needs_a_rectangle_or_a_closer_view(viewer, tracked, qtbot):
    viewer.scene.camera.zoom *= 0.4
    movie = viewer.layers["nuclei 2d"]
    qtbot.waitUntil(lambda: visible_region(viewer, movie) is None, timeout=20_000)
    assert tracked.segment_again("region") is None
    assert "draw a rectangle" in tracked.notice.sentence.text()


def test_without_masks_nothing_can_be_segmented_again(sample):
    assert not sample.segment.frame_button.isEnabled()
    assert "no masks yet" in sample.segment.frame_button.toolTip()


def test_only_what_was_wanted_last_is_seen(qtbot):
    movie, previews = open_movie(sample_path()), Previews()
    seen = []
    previews.seen.connect(seen.append)
    try:
        for time_point in range(8):
            settings = SegmentSettings(model="threshold", diameter=14)
            region = Region(0, 0, 120, 100)
            previews.want(Wanted(movie, time_point, settings, ComputeSettings(), region))
        qtbot.waitUntil(lambda: not previews.is_busy, timeout=PATIENCE)
        qtbot.waitUntil(lambda: bool(seen), timeout=1000)
        time.sleep(0.2)
    finally:
        previews.close()
    assert [one.wanted.time for one in seen] == [7]
    assert seen[0].masks.shape == (120, 100) and seen[0].masks.max() > 0


def test_sliders_and_boxes_show_the_same(qtbot):
    from napari_cellcycle.widgets.segment_section import SegmentSection

    section = SegmentSection()
    qtbot.addWidget(section)
    rows = SimpleNamespace(**section.form.rows)
    assert rows.diameter.widget.slider.value() == 0 and section.settings.diameter is None
    rows.diameter.widget.slider.setValue(100)
    assert section.settings.diameter == pytest.approx(20, rel=0.02), "half way between 2 and 200"
    rows.diameter.widget.slider.setValue(0)
    assert section.settings.diameter is None
    rows.cell_threshold.value = 3
    assert rows.cell_threshold.widget.slider.value() == 150


def test_query_models_have_settings_of_their_own(qtbot):
    from napari_cellcycle.widgets.segment_section import SegmentSection

    section = SegmentSection()
    qtbot.addWidget(section)
    section.offer_models(["cellcycle-nuclei", "mine"])
    section.offer_queries(["mine"])
    rows = section.form.rows
    assert not rows["point_radius"].widget.isVisibleTo(section.form)
    section.model.setCurrentText("mine")
    assert rows["point_radius"].widget.isVisibleTo(section.form)
    assert not rows["flow_threshold"].widget.isVisibleTo(section.form)
