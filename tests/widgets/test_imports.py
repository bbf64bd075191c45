"""Tracks of other programs, taken over by the button Import tracks."""

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtTest import QTest

from napari_cellcycle.io.exchange import export_experiment
from napari_cellcycle.widgets import imports

FILE, FOLDER = 0, 1


@pytest.fixture
def classified(monkeypatch, tmp_path, sample, quick, run):
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))
    run(sample, sample.run_button)
    return sample


@pytest.fixture
def take(monkeypatch, qtbot):
    """Choose a file or folder with the button, and wait for what comes of it."""

    def taken(dock, path, entry):
        dialog = imports.QFileDialog
        monkeypatch.setattr(dialog, "getOpenFileName", lambda *_: (str(path), ""))
        monkeypatch.setattr(dialog, "getExistingDirectory", lambda *_: str(path))
        buttons = dock.track.findChildren(imports.QPushButton)
        button = next(b for b in buttons if b.text() == "Import tracks")
        with qtbot.waitSignal(dock.finished, timeout=60_000):
            button.menu().actions()[entry].trigger()
        return dock.notice.sentence.text()

    return taken


def exported(dock, form, path):
    export_experiment(dock.session.experiment, path, form)
    return path


def links(experiment):
    """The links by frame and place of both ends, to the pixel: tables have seven digits."""
    cells = experiment.tracks.cells
    place = {c: (f, round(y), round(x)) for c, f, y, x in cells[["frame", "y", "x"]].itertuples()}
    ends = experiment.tracks.links[["parent", "child"]].itertuples(index=False)
    return {(place[a], place[b]) for a, b in ends}


def test_what_was_exported_comes_back_onto_the_masks(classified, take, tmp_path):
    session = classified.session
    before = session.experiment
    for form, name, entry in (
        ("trackmate", "cells.xml", FILE),
        ("csv", "cells.csv", FILE),
        ("geff", "cells.geff", FOLDER),
        ("ctc", "cells_RES", FOLDER),
    ):
        said = take(classified, exported(classified, form, tmp_path / name), entry)
        assert f"{name} holds {len(before.tracks):,} cells" in said
        assert session.experiment is not before
        assert links(session.experiment) == links(before), form
        masks = session.recording.layers.labels.data
        assert np.array_equal(masks > 0, before.labels.to_array() > 0), form
        assert session.experiment.history[-1].name == "import"
        assert session.editor is not None and len(session.draft) == len(before.tracks)
        if form != "ctc":
            stages = session.experiment.tracks.cells["stage"].to_dict()
            assert stages == before.tracks.cells["stage"].to_dict(), form
        classified.results.undo_button.click()
        assert session.experiment is before


def test_without_masks_each_cell_gets_a_spot_and_that_is_told(classified, take, tmp_path, viewer):
    path = exported(classified, "csv", tmp_path / "cells.csv")
    cells = len(classified.session.experiment.tracks)
    viewer.layers.remove("nuclei 2d tracks")
    viewer.layers.remove("nuclei 2d cells")
    viewer.layers.remove("nuclei 2d")
    viewer.open_sample("napari-cellcycle", "nuclei_2d")
    assert classified.session.experiment is None and classified.source("track") is None
    said = take(classified, path, FILE)
    assert "a spot was painted around each cell" in said
    assert len(classified.session.draft) == cells
    assert (viewer.layers["nuclei 2d cells"].data > 0).any()


def test_masks_of_a_layer_are_taken_and_stay_as_they_are(
    sample, classified, take, tmp_path, viewer
):
    path = exported(classified, "csv", tmp_path / "cells.csv")
    masks = classified.session.experiment.labels.to_array()
    own = (masks % 200).astype(np.uint8)
    layer = viewer.add_labels(own.copy(), name="by hand")
    layer.scale = classified.picker.layer.scale
    classified.track.source.setCurrentText("by hand")
    classified.track.source.activated.emit(classified.track.source.currentIndex())
    take(classified, path, FILE)
    assert np.array_equal(layer.data, own)
    shown = classified.session.recording.layers.labels
    assert shown is not layer and np.array_equal(shown.data > 0, own > 0)


def test_what_cannot_be_read_is_told_and_nothing_changes(classified, take, tmp_path):
    before = classified.session.experiment
    wrong = tmp_path / "list.csv"
    wrong.write_text("a,b\n1,2\n")
    stored = sorted((tmp_path / "work").rglob("*.cellcycle"))
    said = take(classified, wrong, FILE)
    assert "list.csv" in said and classified.session.experiment is before
    assert sorted((tmp_path / "work").rglob("*.cellcycle")) == stored
    assert "folder with res_track.txt" in take(classified, tmp_path / "work", FOLDER)


def test_without_a_movie_it_says_what_to_do_first(dock):
    assert imports.ask_for_file(dock) is None
    assert "ovie" in dock.notice.sentence.text()
    assert imports.import_tracks(dock, Path("nowhere.csv")) is None
    QTest.qWait(10)
