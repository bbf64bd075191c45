import subprocess
import sys
import time

import numpy as np

OPENED = """
import sys
import napari
viewer = napari.Viewer(show=False)
viewer.window.add_plugin_dock_widget("napari-cellcycle", "Cell cycle")
print("loaded:", *{"torch", "cellpose", "torch_geometric"} & set(sys.modules))
viewer.close()
"""


def test_dock_opens_within_a_second(viewer):
    before = time.process_time()
    _, widget = viewer.window.add_plugin_dock_widget("napari-cellcycle", "Cell cycle")
    assert time.process_time() - before < 1.0
    assert not widget.run_button.isEnabled()
    assert "Open a movie" in widget.picker.note.text()


def test_dock_opens_without_the_slow_libraries():
    ran = subprocess.run(
        [sys.executable, "-c", OPENED], capture_output=True, text=True, timeout=120
    )
    assert "loaded:" in ran.stdout, ran.stderr
    assert ran.stdout.split("loaded:")[1].split() == []


def test_one_click_on_the_sample_gives_layers_whose_colours_follow_the_frame(
    viewer, sample, quick, run
):
    run(sample, sample.run_button)
    labels, tracks = viewer.layers["nuclei 2d cells"], viewer.layers["nuclei 2d tracks"]
    assert labels.data.dtype == np.int32
    assert labels.data.shape == viewer.layers["nuclei 2d"].data.shape
    track, frame, y, x = tracks.data.T
    for row in range(0, len(track), 50):
        here = labels.data[int(frame[row]), round(y[row]), round(x[row])]
        assert here in (track[row], 0)
    assert tracks.graph and all(len(mothers) == 1 for mothers in tracks.graph.values())
    assert {"track_id", "frame", "stage", "probability"} <= set(tracks.features)
    assert np.allclose(labels.scale, viewer.layers["nuclei 2d"].scale)
    assert str(labels.units[1]) == "micrometer"
    assert "divisions" in sample.results.facts.text()
    colours_follow_the_frame(viewer, sample)


def test_running_again_replaces_what_the_layers_hold(viewer, sample, quick, run):
    run(sample, sample.run_button)
    labels = sample.session.recording.layers.labels
    labels.data_setitem((np.array([0]), np.array([0]), np.array([0])), 9)
    run(sample, sample.run_button)
    assert len(viewer.layers) == 3
    assert sample.session.recording.layers.labels is labels
    labels.undo()
    assert labels.data[0, 0, 0] == 0
    sample.results.undo_button.click()
    assert sample.session.can_redo and labels.data[0, 0, 0] == 9
    sample.results.redo_button.click()
    assert labels.data[0, 0, 0] == 0


def test_results_survive_that_a_user_removes_layers(viewer, sample, quick, run):
    run(sample, sample.run_button)
    viewer.layers.remove("nuclei 2d cells")
    sample.switch_colours()
    viewer.dims.set_current_step(0, 3)
    run(sample, sample.run_button)
    assert "nuclei 2d cells" in viewer.layers
    viewer.layers.clear()
    assert not sample.run_button.isEnabled()


def test_steps_run_one_by_one(viewer, sample, quick, run):
    assert not sample.track.run_button.isEnabled()
    assert "Segment" in sample.track.run_button.toolTip()
    run(sample, sample.segment.run_button)
    assert len(viewer.layers) == 2 and sample.track.run_button.isEnabled()
    run(sample, sample.track.run_button)
    assert not sample.results.by_stage.isEnabled()
    run(sample, sample.classify.run_button)
    assert sample.results.by_stage.isEnabled()
    assert [step.name for step in sample.session.experiment.history] == [
        "segment",
        "track",
        "classify",
    ]


def test_cancel_leaves_everything_as_it_was(viewer, sample, quick_alone, run, qtbot, workplace):
    run(sample, sample.run_button)
    experiment, names = sample.session.experiment, [layer.name for layer in viewer.layers]
    pixels = sample.session.recording.layers.labels.data.copy()
    stored = sorted(workplace.rglob("*.cellcycle"))
    sample.segment.model.setCurrentText("slow")
    sample.run_button.click()
    qtbot.waitUntil(lambda: "frame 1" in sample.job_panel.words.text(), timeout=10_000)
    asked = time.monotonic()
    with qtbot.waitSignal(sample.finished, timeout=5000):
        sample.job_panel.cancel.click()
    assert time.monotonic() - asked < 1
    assert sample.session.experiment is experiment
    assert [layer.name for layer in viewer.layers] == names
    assert np.array_equal(sample.session.recording.layers.labels.data, pixels)
    assert sorted(workplace.rglob("*.cellcycle")) == stored
    assert sample.run_button.isEnabled() and not sample.job_panel.isVisible()


def test_errors_are_one_sentence_with_details(sample, quick, run):
    for model, words in (("wrong", "is black"), ("broken", "KeyError")):
        sample.segment.model.setCurrentText(model)
        run(sample, sample.run_button)
        assert words in sample.notice.sentence.text()
        assert "Traceback" in sample.notice.details.toPlainText()
        assert "napari" in sample.notice.details.toPlainText()
        assert not sample.notice.fold.unfolded
        sample.notice.copy.click()
        assert sample.session.experiment is None


def test_while_a_job_runs_the_buttons_say_why_they_rest(sample, quick, qtbot):
    sample.segment.model.setCurrentText("slow")
    sample.run_button.click()
    assert not sample.segment.run_button.isEnabled()
    assert "Track and classify" in sample.segment.run_button.toolTip()
    assert sample.job_panel.isVisible()
    with qtbot.waitSignal(sample.finished, timeout=5000):
        sample.cancel()


def test_notes_of_a_fallback_are_shown(sample, quick, run):
    sample.segment.model.setCurrentText("notes")
    run(sample, sample.run_button)
    assert "smaller tiles" in sample.notice.sentence.text()


def colours_follow_the_frame(viewer, sample):
    """Those of the stages do; chosen by track, they are the same in masks and tracks."""
    layers, display = sample.session.recording.layers, sample.session.result.display
    assert sample.session.colour_by == "stage"
    for time_point in (0, 5, 20):
        viewer.dims.set_current_step(0, time_point)
        rows = display.in_frame(time_point)
        colours = display.stages.colours
        for label, stage in zip(rows["track"][:5], rows["stage"][:5], strict=True):
            red, green, blue, _ = layers.labels.get_color(int(label))
            shown = "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
            assert shown == colours[stage]
    assert layers.tracks.color_by == "stage"
    sample.results.by_track.setChecked(True)
    assert sample.session.colour_by == "track" and layers.tracks.color_by == "track_id"
    track = int(layers.tracks.data[0, 0])
    masks = layers.labels.get_color(track)
    vertex = np.asarray(layers.tracks.track_colors)[0]
    assert np.allclose(masks[:3], vertex[:3], atol=0.01)


def test_a_movie_in_memory_is_stored_and_run(viewer, dock, quick, run, workplace):
    viewer.add_image(np.random.default_rng(0).random((4, 16, 16)), name="made up")
    assert dock.picker.movie.guessed == {"pixel_size", "frame_interval"}
    assert "pixel size" in dock.picker.note.text()
    dock.picker.pixel.setValue(0.5)
    assert dock.picker.movie.pixel_size == (0.5, 0.5)
    assert dock.picker.movie.guessed == {"frame_interval"}
    run(dock, dock.run_button)
    assert len(list(workplace.rglob("movie.zarr"))) == 1
    assert dock.notice.isVisible()


def test_save_and_export(viewer, sample, quick, run, qtbot, tmp_path):
    from napari_cellcycle.io.experiment import open_experiment
    from napari_cellcycle.widgets import exports, saving

    run(sample, sample.run_button)
    for start in (
        lambda: saving.save(sample, tmp_path / "mine"),
        lambda: exports.export(sample, "ctc", tmp_path / "mine_RES"),
        lambda: exports.export(sample, "csv", tmp_path / "mine.csv"),
    ):
        with qtbot.waitSignal(sample.finished, timeout=60_000):
            start()
    saved = open_experiment(tmp_path / "mine.cellcycle")
    assert np.array_equal(saved.labels.to_array(), sample.session.experiment.labels.to_array())
    assert (tmp_path / "mine_RES" / "res_track.txt").is_file()
    assert (tmp_path / "mine.csv").read_text().count("\n") == len(saved.tracks) + 1
