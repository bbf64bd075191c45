"""Forms, pickers and the session, each alone."""

import numpy as np
import pytest
from napari.components import LayerList
from napari.layers import Image, Labels

from napari_cellcycle.config import (
    ClassifySettings,
    ComputeSettings,
    SegmentSettings,
    TrackSettings,
)
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.form import SettingsForm
from napari_cellcycle.widgets.movies import axes_of, is_ambiguous, is_movie, movie_layers, movie_of
from napari_cellcycle.widgets.step_section import StepSection


@pytest.fixture
def form(qtbot):
    def make(settings):
        widget = SettingsForm(settings)
        qtbot.addWidget(widget)
        return widget

    return make


def test_form_shows_returns_and_reports_settings(form):
    shown, seen = form(TrackSettings()), []
    shown.edited.connect(seen.append)
    assert shown.settings == TrackSettings()
    shown.rows["max_gap"].widget.setValue(4)
    assert seen == [TrackSettings(max_gap=4)]
    shown.settings = TrackSettings(min_score=0.25, max_distance=12.5)
    assert shown.settings.min_score == 0.25 and shown.settings.max_distance == 12.5
    assert shown.rows["max_gap"].widget.maximum() == 5
    assert "sightings" in shown.rows["max_gap"].widget.toolTip()
    assert shown.rows["max_gap"].title == "Longest gap"


@pytest.mark.parametrize(
    "model", [SegmentSettings, TrackSettings, ClassifySettings, ComputeSettings]
)
def test_forms_give_back_what_they_are_given(form, model):
    assert form(model()).settings == model()


def test_empty_means_found_by_itself(form):
    shown = form(SegmentSettings())
    assert shown.settings.diameter is None
    assert shown.rows["diameter"].widget.text() == "found by itself"
    shown.rows["diameter"].widget.setValue(14)
    assert shown.settings.diameter == 14


def test_choice_of_fixed_values_is_a_list(form):
    shown = form(ComputeSettings())
    shown.rows["device"].value = "cuda"
    assert shown.settings.device == "cuda"


def test_step_section_joins_its_two_forms(qtbot):
    section = StepSection("segment", SegmentSettings())
    qtbot.addWidget(section)
    section.offer_models(["cellcycle-nuclei", "mine"])
    section.model.setCurrentText("mine")
    section.more_form.rows["tile"].value = 512
    section.form.rows["diameter"].value = 20.0
    assert section.settings == SegmentSettings(model="mine", tile=512, diameter=20.0)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Image(np.zeros((5, 8, 8)), name="movie"), True),
        (Image(np.zeros((5, 3, 8, 8)), name="volumes"), True),
        (Image(np.zeros((8, 8)), name="picture"), False),
        (Image(np.zeros((5, 8, 8, 3), np.uint8), rgb=True, name="colour"), False),
        (Image(np.zeros((1, 8, 8)), name="one frame"), False),
        (Image(np.zeros((5, 8, 8)), axis_labels=("z", "y", "x"), name="stack"), False),
        (Labels(np.zeros((5, 8, 8), int), name="masks"), False),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_only_images_over_time_are_movies(layer, expected):
    assert is_movie(layer) is expected


def test_the_longest_visible_movie_comes_first():
    hidden = Image(np.zeros((50, 8, 8)), visible=False)
    short, long = Image(np.zeros((4, 8, 8))), Image(np.zeros((40, 8, 8)))
    assert movie_layers(LayerList([hidden, short, long])) == [long, short, hidden]


def test_pixel_size_comes_from_units_then_scale_then_a_guess():
    pixels = np.zeros((4, 8, 8))
    nm = Image(pixels, scale=(1, 500, 500), units=("min", "nm", "nm"))
    movie = movie_of(nm)
    assert movie.pixel_size == pytest.approx((0.5, 0.5)) and movie.frame_interval == 60
    assert not movie.guessed
    scaled = movie_of(Image(pixels, scale=(1, 0.3, 0.3)))
    assert scaled.pixel_size == (0.3, 0.3) and scaled.guessed == {"frame_interval"}
    assert movie_of(Image(pixels)).guessed == {"pixel_size", "frame_interval"}


def test_second_axis_is_told_or_asked():
    few, many = Image(np.zeros((5, 2, 8, 8))), Image(np.zeros((5, 9, 8, 8)))
    assert axes_of(few) == "TCYX" and axes_of(many) == "TZYX" and is_ambiguous(few)
    assert axes_of(few, channels=False) == "TZYX"
    named = Image(np.zeros((5, 2, 8, 8)), axis_labels=("t", "z", "y", "x"))
    assert axes_of(named) == "TZYX" and not is_ambiguous(named)
    both = movie_of(Image(np.zeros((5, 2, 9, 8, 8))))
    assert both.ndim == 3 and len(both.channels) == 2


@pytest.mark.parametrize("shape", [(3, 6, 6), (3, 4, 6, 6)], ids=["2D", "3D"])
def test_masks_are_loaded_when_small_and_lazy_when_large(shape):
    movie = Movie(np.zeros((3, 1, *shape[1:])), (0.5,) * (len(shape) - 1), 300.0, ("H2B",))
    masks = np.zeros(shape, np.uint16)
    masks[1, ..., 2:4, 2:4] = 7
    experiment = Experiment(movie, LabelStack(masks))
    loaded = prepare(experiment)
    assert loaded.labels.dtype == np.int32 and loaded.counts == {"cells": 1}
    lazy = prepare(experiment, most_loaded=1)
    assert not isinstance(lazy.labels, np.ndarray)
    assert np.array_equal(np.asarray(lazy.labels), masks)
