"""The viewer stays usable while a job runs, and can be closed."""

import os

import numpy as np
import psutil
import pytest

LONGEST_GAP = 0.2


def limit():
    """Longest gap allowed, in seconds; longer where other programs fill the processors."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return LONGEST_GAP * max(1.0, 2 * load / (os.cpu_count() or 1))


def is_busy(dock):
    runner = dock._child._runner
    return runner is not None and runner.is_busy


def set_up_layers(viewer, qtbot):
    """Have napari add masks and tracks of the movie, which takes it up to half a second."""
    shape = viewer.layers[0].data.shape
    masks = viewer.add_labels(np.ones(shape, np.int32))
    tracks = viewer.add_tracks(np.array([[1, time, *(5,) * (len(shape) - 1)] for time in (0, 1)]))
    qtbot.wait(200)
    masks.visible = tracks.visible = False


@pytest.mark.parametrize("name", ["nuclei_2d", "nuclei_3d"])
def test_real_job_leaves_the_viewer_usable(viewer, dock, run, heartbeat, qtbot, name):
    viewer.open_sample("napari-cellcycle", name)
    with heartbeat:
        set_up_layers(viewer, qtbot)
    alone, heartbeat.longest = heartbeat.longest, 0.0
    dock.segment.model.setCurrentText("threshold")
    with heartbeat:
        run(dock, dock.run_button, timeout=120_000)
    assert not dock.notice.isVisible(), dock.notice.sentence.text()
    assert heartbeat.longest < max(alone, limit()), "longer than napari alone"
    display = dock.session.result.display
    assert display.has_stages and display.counts["tracks"] > 5
    assert display.labels.ndim == (4 if name == "nuclei_3d" else 3)
    stages = dock.session.experiment.stages.names
    assert set(display.features["stage"]) <= set(stages)


def test_a_child_is_ready_before_a_job_is_asked_for(viewer, quick_alone, qtbot):
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellcycle", "Cell cycle")
    viewer.open_sample("napari-cellcycle", "nuclei_2d")
    qtbot.waitUntil(lambda: dock._child._runner is not None, timeout=20_000)
    dock._child.close()


def test_real_job_is_cancelled_within_a_second(viewer, sample, qtbot, heartbeat, workplace):
    sample.run_button.click()
    qtbot.waitUntil(lambda: is_busy(sample), timeout=60_000)
    child = sample._child._runner.pid
    with heartbeat, qtbot.waitSignal(sample.finished, timeout=1000 * limit() / LONGEST_GAP):
        sample.job_panel.cancel.click()
    assert not psutil.pid_exists(child)
    assert [layer.name for layer in viewer.layers] == ["nuclei 2d"]
    assert not list(workplace.rglob("*.cellcycle"))


def test_closing_during_a_job_stops_it(make_napari_viewer, quick_alone, qtbot, workplace):
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellcycle", "Cell cycle")
    viewer.open_sample("napari-cellcycle", "nuclei_2d")
    dock.segment.model.setCurrentText("slow")
    dock.run_button.click()
    qtbot.waitUntil(lambda: "frame 1" in dock.job_panel.words.text(), timeout=60_000)
    asked = viewer.window._qt_window._window._task_status_manager.get_status()
    assert any("Track and classify" in line for line in asked)
    holder = dock._child
    child = holder._runner.pid
    viewer.close()
    qtbot.waitUntil(lambda: not psutil.pid_exists(child), timeout=5000)
    qtbot.waitUntil(lambda: not list(workplace.rglob("*.cellcycle")), timeout=5000)
    qtbot.waitUntil(lambda: holder._runner is None, timeout=5000)


def test_stage_colours_of_thousands_of_cells_are_quick(qtbot):
    from time import process_time

    from napari_cellcycle.data.stages import H2B
    from napari_cellcycle.widgets.colours import stage_label_colours

    labels = np.arange(1, 5001)
    stages = np.array(H2B.names)[labels % 7]
    before = process_time()
    colours = stage_label_colours(labels, stages, H2B)
    assert process_time() - before < 0.2
    assert len(colours.color_dict) == 5002
