import numpy as np
import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

from napari_cellcycle.io.experiment import open_experiment
from napari_cellcycle.io.samples import sample_path


def truth(name):
    return sample_path(name).with_name(f"{name}_GT") / "TRA"


def test_manifest_is_valid_and_fills_the_menus():
    manifest = PluginManifest.from_distribution("napari-cellcycle")
    menus = manifest.contributions.menus
    for step in ("segment", "track", "classify"):
        commands = [item.command for item in menus[f"napari/layers/{step}"]]
        assert f"napari-cellcycle.{step}" in commands
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name))


@pytest.mark.parametrize("name", ["nuclei_2d", "nuclei_3d"])
def test_truth_opens_as_masks_and_tracks(viewer, name):
    labels, tracks = viewer.open(str(truth(name)), plugin="napari-cellcycle")
    assert labels.data.dtype == np.int32
    assert labels.data.ndim == tracks.data.shape[1] - 1
    track, frame, *place = tracks.data[0]
    assert labels.data[(int(frame), *(round(v) for v in place))] == track
    assert tracks.graph


@pytest.mark.parametrize("name", ["nuclei_2d", "nuclei_3d"])
def test_writers_and_readers_agree(viewer, tmp_path, name):
    viewer.open_sample("napari-cellcycle", name)
    viewer.open(str(truth(name)), plugin="napari-cellcycle")
    folder = tmp_path / "kept.cellcycle"
    assert viewer.layers.save(str(folder), plugin="napari-cellcycle")
    kept = open_experiment(folder)
    masks, tracks = viewer.layers[1], viewer.layers[2]
    assert np.array_equal(kept.labels.to_array(), masks.data)
    assert len(kept.tracks) == len(tracks.data)
    assert len(kept.tracks.divisions) == len(set(map(tuple, tracks.graph.values())))
    assert (
        kept.movie.frame_interval == viewer.layers[0].metadata["napari-cellcycle"]["frame_interval"]
    )
    viewer.layers.select_all()
    viewer.layers.selection.remove(viewer.layers[0])
    assert viewer.layers.save(str(tmp_path / "kept_RES"), selected=True, plugin="napari-cellcycle")
    assert (tmp_path / "kept_RES" / "res_track.txt").is_file()
    again, _ = viewer.open(str(tmp_path / "kept_RES"), plugin="napari-cellcycle")
    assert np.array_equal(again.data > 0, masks.data > 0)


def test_an_opened_experiment_is_taken_over_by_the_dock(viewer, dock, quick, run, qtbot, tmp_path):
    from napari_cellcycle.widgets import saving

    viewer.open_sample("napari-cellcycle", "nuclei_2d")
    run(dock, dock.run_button)
    cells = dock.session.result.display.counts
    folder = tmp_path / "mine.cellcycle"
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        saving.save(dock, folder)
    viewer.layers.clear()
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        viewer.open(str(folder), plugin="napari-cellcycle")
    assert dock.session.result.display.counts == cells
    assert dock.results.by_stage.isEnabled() and len(viewer.layers) == 3
    assert dock.session.recording.layers.labels in viewer.layers
    dock.session.colour("stage")
    assert viewer.layers[-1].color_by == "stage"


def test_a_folder_of_frames_opens_as_a_movie(viewer, tmp_path):
    import tifffile

    for time in range(3):
        tifffile.imwrite(tmp_path / f"t{time:03d}.tif", np.full((8, 9), time, np.uint16))
    (layer,) = viewer.open(str(tmp_path), plugin="napari-cellcycle")
    assert layer.data.shape == (3, 8, 9) and layer.data[2, 0, 0] == 2


def test_menu_commands_open_the_dock_and_run(viewer, quick, qtbot):
    from napari_cellcycle.widgets import commands

    viewer.open_sample("napari-cellcycle", "nuclei_2d")
    widget = commands.open_dock(viewer)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        commands.segment_layers(viewer)
    assert commands.open_dock(viewer) is widget
    assert "nuclei 2d cells" in viewer.layers
    widget._child.close()


def test_preferences_reach_the_jobs(qapp, monkeypatch):
    from types import SimpleNamespace

    from napari_cellcycle.config import ComputeSettings
    from napari_cellcycle.widgets import preferences

    page = SimpleNamespace(device="cpu", memory_gb=2.5, model_folder="")
    chosen = SimpleNamespace(compute=page)
    monkeypatch.setattr(preferences, "get_plugin_settings", lambda _: chosen)
    assert preferences.compute_settings() == ComputeSettings(device="cpu", memory_gb=2.5)


def test_preferences_page_is_offered(viewer):
    from napari.settings import get_plugin_settings

    assert get_plugin_settings("napari-cellcycle").compute.device == "auto"
