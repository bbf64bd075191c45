"""Choosing a cell, the filmstrip and the stages over time: they go together with the viewer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import H2B, LIVE_CELL, NUCLEUS
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.features.mitosis import resting
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.life import life_of, life_of_followed
from napari_cellcycle.widgets.matrix_image import told
from napari_cellcycle.widgets.result import Result
from napari_cellcycle.widgets.sights import sights_of
from napari_cellcycle.widgets.stage_grid import NOBODY, stage_grid
from napari_cellcycle.widgets.stage_keys import legend


def family(stages=H2B, names=None):
    """Mother 1 in frames 0 to 2, her daughters 2 and 3 in 3 to 5, and 4 alone in all frames."""
    rows = [(1, t) for t in range(3)] + [(d, t) for t in range(3, 6) for d in (2, 3)]
    rows += [(4, t) for t in range(6)]
    label, frame = np.array(rows).T
    place = {1: 10, 2: 8, 3: 20, 4: 30}
    y = np.array([place[int(one)] for one in label], float)
    ids = np.arange(1, len(rows) + 1)
    cells = pd.DataFrame({"frame": frame, "label": label, "y": y, "x": 5.0 + frame}, index=ids)
    at = dict(zip(rows, ids, strict=True))
    pairs = [(at[a, t], at[a, t + 1]) for a, t in rows if (a, t + 1) in at]
    pairs += [(at[1, 2], at[2, 3]), (at[1, 2], at[3, 3])]
    links = pd.DataFrame(pairs, columns=["parent", "child"]).assign(score=1.0)
    stage = names or {}
    cells["stage"] = [stage.get(row, stages.names[0]) for row in rows]
    for name in stages.names:
        cells[f"p_{name}"] = np.where(cells["stage"] == name, 0.8, 0.2 / (len(stages) - 1))
    return Tracks(cells, links)


def experiment(tracks, stages=H2B, frames=6):
    masks = np.zeros((frames, 40, 40), np.int32)
    for row in tracks.cells.itertuples():
        masks[row.frame, int(row.y) - 2 : int(row.y) + 3, int(row.x) - 2 : int(row.x) + 3] = (
            row.label
        )
    movie = Movie(np.where(masks, 900, 100)[:, np.newaxis], (0.5, 0.5), 300.0, ("H2B",))
    return Experiment(movie, LabelStack(masks), tracks, stages)


# ------------------------------------------------------------------ lives and the matrix


def test_a_daughter_follows_her_mother():
    display = prepare(experiment(family()))
    life = life_of(display, 3)
    assert life.tracks.tolist() == [1, 1, 1, 3, 3, 3] and life.frames.tolist() == [*range(6)]
    assert life.own.tolist() == [False] * 3 + [True] * 3
    assert life.centres_px[4].tolist() == [20, 9]
    assert life_of(display, 99) is None


def test_a_mother_goes_on_with_the_daughter_that_is_asked_for():
    display = prepare(experiment(family()))
    assert life_of(display, 1).tracks.tolist() == [1, 1, 1, 2, 2, 2]
    assert life_of(display, 1, {1: 3}).tracks.tolist() == [1, 1, 1, 3, 3, 3]


def test_a_life_knows_its_stages_in_any_set():
    display = prepare(
        experiment(family(NUCLEUS, {(1, 2): "mitotic", (2, 3): "new daughter"}), NUCLEUS)
    )
    life = life_of(display, 2)
    assert [life.stage(p) for p in (1, 2, 3)] == ["stable", "mitotic", "new daughter"]
    assert life.colour(2) == NUCLEUS.colours["mitotic"]
    assert life.chances[2].tolist() == pytest.approx([0.2 / 3, 0.8, 0.2 / 3, 0.2 / 3])
    assert (life.at(2), life.at(7), life.near(7)) == (2, None, 5)


def test_a_followed_cell_has_a_life_without_stages():
    tracks = family()
    alone = tracks.cells[tracks.cells["label"] == 4].drop(columns=["stage"])
    life = life_of_followed(Tracks(alone, tracks.links.iloc[:0]), H2B)
    assert life.track is None and life.frames.tolist() == [*range(6)]
    assert life.stage(0) == "" and life.colour(0) is None


def test_the_matrix_is_sorted_by_onset_of_mitosis_or_birth():
    names = {(1, 1): "prophase", (1, 2): "metaphase", (2, 3): "anaphase", (3, 3): "anaphase"}
    names |= {(2, 4): "telophase", (4, 0): "apoptosis", (3, 5): "prophase"}
    grid = stage_grid(sights_of(prepare(experiment(family(H2B, names)))), 6)
    assert dict(zip(grid.tracks, grid.onsets, strict=True)) == {1: 1, 2: 6, 3: 5, 4: 6}
    assert grid.sorted_by("onset of mitosis").tracks.tolist() == [1, 3, 4, 2]
    assert grid.sorted_by("birth").tracks.tolist() == [1, 4, 2, 3]
    by_birth = grid.sorted_by("birth")
    assert by_birth.codes[2].tolist() == [NOBODY] * 3 + [4, 5, 0]
    assert told(by_birth, 2, 3) == "Cell 2, frame 3: anaphase (80 %)"
    assert told(by_birth, 2, 0) == "Cell 2, frame 0: not there"


@pytest.mark.parametrize(
    ("stages", "calm"),
    [
        (H2B, {"interphase", "apoptosis"}),
        (NUCLEUS, {"stable", "death"}),
        (LIVE_CELL, {"interphase"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_stages_outside_mitosis_are_known_for_every_set(stages, calm):
    assert resting(stages) == calm
    words = legend(stages).replace("&nbsp;", " ")
    assert all(name in words for name in stages.names)


def test_a_thousand_tracks_over_a_thousand_frames_are_arranged_quickly():
    from time import process_time

    track, frame = (part.ravel() for part in np.mgrid[1:1001, :1000])
    stage = np.array(H2B.names)[(track + frame // 50) % 7]
    features = pd.DataFrame({"track": track, "frame": frame, "stage": stage, "probability": 0.9})
    small = prepare(experiment(family()))
    vertices = np.column_stack([track, frame, track, frame]).astype(float)
    display = replace(small, vertices=vertices, features=features, graph={})
    before = process_time()
    grid = stage_grid(sights_of(display), 1000).sorted_by("onset of mitosis")
    assert process_time() - before < 2
    assert grid.codes.shape == (1000, 1000) and (grid.codes >= 0).all()


# ------------------------------------------------------------------ in the viewer


@pytest.fixture
def open_family(viewer, dock):
    """The dock with a small family of cells, as if it had been tracked and classified."""

    def show(stages=H2B, names=None):
        known = experiment(family(stages, names), stages)
        viewer.add_image(known.movie.pixels[:, 0], name="made up", scale=(1, 0.5, 0.5))
        dock.session.replace(Result(known, prepare(known)))
        return dock

    return show


@pytest.fixture
def strip(open_family, qtbot):
    """The filmstrip of daughter 3, all crops there."""
    dock = open_family(H2B, {(1, 2): "metaphase", (3, 3): "anaphase", (3, 4): "telophase"})
    dock.below.buttons["filmstrip"].click()
    dock.session.select(3)
    qtbot.waitUntil(lambda: dock.filmstrip.is_complete, timeout=20_000)
    return dock


def frame_of(viewer):
    return viewer.dims.current_step[0]


def colours_on_screen(widget, points):
    image = widget.viewport().grab().toImage()
    return [image.pixelColor(point).name() for point in points]


def click(viewer, layer, frame, place):
    """A click into the canvas, as napari tells of it."""
    from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks

    class Event:
        button, modifiers, handled = 1, (), False
        type = "mouse_press"
        pos = np.array([50, 50])
        position = layer.data_to_world((frame, *place))
        dims_displayed = tuple(viewer.dims.displayed)
        view_direction = None

    event = Event()
    model = getattr(viewer, "__wrapped__", viewer)
    mouse_press_callbacks(model, event)
    event.type = "mouse_release"
    mouse_release_callbacks(model, event)


def test_clicking_or_picking_a_cell_chooses_and_rings_it_and_painting_does_not(viewer, open_family):
    dock = open_family()
    nothing_is_chosen_until_somebody_does(viewer, dock)
    labels = dock.session.recording.layers.labels
    viewer.dims.set_current_step(0, 4)
    active = viewer.layers.selection.active
    click(viewer, labels, 4, (20, 9))
    assert dock.session.track == 3 and labels.selected_label == 3
    ring = viewer.layers["chosen cell"]
    assert ring.data.tolist() == [[4, 20, 9]]
    assert viewer.layers.selection.active == active
    viewer.dims.set_current_step(0, 1)
    assert ring.data.tolist() == [[1, 10, 6]]
    click(viewer, labels, 1, (35, 35))
    assert dock.session.track == 3
    dock.session.select(None)
    assert "chosen cell" not in viewer.layers
    dock.session.recording.layers.labels.selected_label = 4
    assert dock.session.track == 4
    dock.session.recording.layers.labels.selected_label = 77
    assert dock.session.track == 4
    dock.session.select(None)
    labels = dock.session.recording.layers.labels
    viewer.layers.selection.active = labels
    labels.mode = "fill"
    click(viewer, labels, 4, (20, 9))
    assert dock.session.track is None


def nothing_is_chosen_until_somebody_does(viewer, dock):
    """Neither by colours and time nor by another result."""
    for by in ("stage", "track", "stage"):
        dock.session.colour(by)
        viewer.dims.set_current_step(0, 3)
    known = dock.session.experiment
    dock.session.replace(Result(known, prepare(known)))
    assert dock.session.life is None and "chosen cell" not in viewer.layers


def test_the_filmstrip_shows_mother_and_daughter_in_their_stages_and_leads_there(
    viewer, strip, qtbot
):
    reel = strip.filmstrip.reel
    assert reel.life.tracks.tolist() == [1, 1, 1, 3, 3, 3]
    assert "Cell 3, daughter of 1" in strip.filmstrip.facts.text()
    edge = reel.side // 2 + 1
    edges = [reel.middle_of(place) - QPoint(edge, 0) for place in range(6)]
    shown = colours_on_screen(reel, edges)
    names = ["interphase", "interphase", "metaphase", "anaphase", "telophase", "interphase"]
    assert shown == [H2B.colours[name] for name in names]
    middles = [reel.middle_of(place) for place in range(6)]
    far = [reel.middle_of(place) - QPoint(reel.side // 2 - 3, 0) for place in range(6)]
    bright, dark = colours_on_screen(reel, middles), colours_on_screen(reel, far)
    assert all(int(c[1:3], 16) > 240 for c in bright)
    assert all(int(c[1:3], 16) < 60 for c in dark)
    viewer.dims.set_current_step(0, 0)
    qtbot.mouseClick(reel.viewport(), Qt.MouseButton.LeftButton, pos=reel.middle_of(4))
    assert frame_of(viewer) == 4
    assert viewer.scene.camera.center[1:] == pytest.approx((10.0, 4.5))
    qtbot.keyClick(reel, Qt.Key.Key_Right)
    assert frame_of(viewer) == 5
    qtbot.keyClick(reel, Qt.Key.Key_Home)
    assert frame_of(viewer) == 0 and strip.session.track == 1
    assert reel.life.tracks.tolist() == [1, 1, 1, 3, 3, 3]


def test_the_window_is_in_micrometres_and_fits_the_cells_at_first(strip, qtbot):
    film = strip.filmstrip
    diameter = 0.5 * np.sqrt(4 * 25 / np.pi)
    assert film.side.value() == round(2.4 * diameter)
    before = film.reel.crops[3, 4].copy()
    film.side.setValue(14)
    qtbot.waitUntil(
        lambda: (3, 4) in film.reel.crops and not np.array_equal(film.reel.crops[3, 4], before),
        timeout=20_000,
    )
    wide = film.reel.crops[3, 4]
    assert (wide[48] > 500).sum() == pytest.approx((before[48] > 500).sum() / 2, abs=2)


def test_thousands_of_frames_are_cut_only_where_they_are_seen(viewer, dock, qtbot):
    frames = 3000
    cells = pd.DataFrame(
        {"frame": range(frames), "label": 1, "y": 10.0, "x": 10.0}, index=range(1, frames + 1)
    )
    links = pd.DataFrame({"parent": range(1, frames), "child": range(2, frames + 1), "score": 1.0})
    known = experiment(Tracks(cells, links), frames=frames)
    viewer.add_image(known.movie.pixels[:, 0], name="long")
    dock.session.replace(Result(known, prepare(known)))
    dock.below.buttons["filmstrip"].click()
    dock.session.select(1)
    viewer.dims.set_current_step(0, 2000)
    reel = dock.filmstrip.reel
    assert 2000 in reel.seen()
    qtbot.waitUntil(lambda: dock.filmstrip.is_complete, timeout=20_000)
    assert len(reel.crops) < 200


def test_the_matrix_leads_to_each_cell(viewer, open_family, qtbot):
    dock = open_family(H2B, {(1, 2): "metaphase", (3, 4): "telophase"})
    dock.below.buttons["stages"].click()
    matrix = dock.stages.matrix
    qtbot.waitUntil(lambda: matrix.grid is not None)
    dock.stages.order.setCurrentText("birth")
    assert matrix.grid.tracks.tolist() == [1, 4, 2, 3]
    viewer.dims.set_current_step(0, 1)
    shown = colours_on_screen(matrix, [matrix.middle_of(0, 2), matrix.middle_of(3, 4)])
    assert shown == [H2B.colours["metaphase"], H2B.colours["telophase"]]
    qtbot.mouseClick(matrix.viewport(), Qt.MouseButton.LeftButton, pos=matrix.middle_of(3, 4))
    assert dock.session.track == 3 and frame_of(viewer) == 4
    assert viewer.scene.camera.center[1:] == pytest.approx((10.0, 4.5))
    qtbot.keyClick(matrix, Qt.Key.Key_Left)
    assert frame_of(viewer) == 3 and dock.session.track == 3
    qtbot.keyClick(matrix, Qt.Key.Key_Up)
    assert dock.session.track == 2


def test_a_choice_outlives_a_new_result_and_goes_with_its_cell(viewer, open_family):
    dock = open_family()
    dock.session.select(4)
    known = dock.session.experiment
    dock.session.replace(Result(known, prepare(known)))
    assert dock.session.track == 4
    dock.session.undo()
    assert dock.session.track == 4
    dock.session.undo()
    assert dock.session.life is None


@pytest.mark.parametrize("stages", [NUCLEUS, LIVE_CELL], ids=lambda s: s.name)
def test_layers_and_legend_follow_the_stages_of_the_experiment(viewer, open_family, stages):
    from napari_cellcycle.widgets.colours import rgba

    other = stages.names[1]
    dock = open_family(stages, {(1, 2): other})
    dock.results.by_stage.setChecked(True)
    layers = dock.session.recording.layers
    viewer.dims.set_current_step(0, 2)
    assert np.allclose(layers.labels.get_color(1), rgba(stages.colours[other]))
    features = layers.tracks.features
    assert {f"p_{name}" for name in stages.names} <= set(features)
    where = ((features["track_id"] == 1) & (features["frame"] == 2)).to_numpy()
    shown = np.asarray(layers.tracks.track_colors)[where][0]
    assert np.allclose(shown[:3], rgba(stages.colours[other])[:3], atol=0.01)
    rows = [dock.results._rows.itemAtPosition(row, 1).widget().text() for row in range(len(stages))]
    assert rows == list(stages.names)


def test_one_click_follows_a_cell_that_nobody_has_tracked(viewer, dock, qtbot):
    known = experiment(family())
    movie = viewer.add_image(known.movie.pixels[:, 0], name="untracked", scale=(1, 0.5, 0.5))
    click(viewer, movie, 2, (30, 7))
    assert dock.task is None
    dock.below.buttons["filmstrip"].click()
    viewer.add_labels(known.labels.base, scale=(1, 0.5, 0.5))
    with qtbot.waitSignal(dock.finished, timeout=20_000):
        click(viewer, movie, 2, (30, 7))
    assert dock.filmstrip.reel.life.frames.tolist() == [*range(6)]
    assert "followed from frame 0 to 5" in dock.filmstrip.facts.text()
    qtbot.waitUntil(lambda: dock.filmstrip.is_complete, timeout=20_000)
    with qtbot.waitSignal(dock.finished, timeout=20_000):
        click(viewer, movie, 2, (3, 36))
    assert "click on a cell" in dock.notice.sentence.text()


def test_the_classify_step_says_what_each_model_does(dock):
    from napari_cellcycle.models.store import list_models

    dock.offer_models()
    dock.classify.unfolded = True
    for model in list_models("stage"):
        dock.classify.model.setCurrentText(model.card.name)
        assert dock.classify.about_model.text() == model.card.description
        assert dock.classify.about_model.isVisible() == bool(model.card.description)
