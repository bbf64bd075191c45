"""Of several channels, models learn from the one in which the cells were segmented and told."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from taught import TINY, corrected, saved

from napari_cellcycle.data.channel import stage_channel_of
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.link import simple
from napari_cellcycle.training.link.own import TeachSettings, teach_links
from napari_cellcycle.training.teach.lesson import Material
from napari_cellcycle.training.teach.link_lesson import LinkLesson
from napari_cellcycle.training.teach.mask_lesson import MaskLesson
from napari_cellcycle.training.teach.plan import plan_for
from napari_cellcycle.training.teach.stage_lesson import StageLesson

pytestmark = pytest.mark.usefixtures("simulated_once")

LESSONS = {"segment": MaskLesson, "link": LinkLesson, "stage": StageLesson}
SEGMENTED = (Step("segment", {"channel": "H2B"}), Step("track", {}), Step("classify", {}))


def behind_another(found: Experiment, history: tuple[Step, ...]) -> Experiment:
    """The same with its movie as the second channel, behind one that shows nothing of the cells."""
    pixels = np.asarray(found.movie.pixels)
    other = np.random.default_rng(0).integers(100, 140, pixels.shape).astype(pixels.dtype)
    movie = replace(
        found.movie, pixels=np.concatenate([other, pixels], axis=1), channels=("phase", "H2B")
    )
    return replace(found, movie=movie, history=history)


def judged(experiment, kind, base, channel=None):
    """How well the base model does on what is kept aside."""
    settings = TINY.model_copy(update={"channel": channel})
    named = [("mine", experiment)]
    lesson = LESSONS[kind](Material(find_model(base, kind), named, settings, torch.device("cpu")))
    architecture = {"segment": "FlowNet", "link": "perceptrons", "stage": "FrameNetwork"}[kind]
    return lesson.judge(lesson.start(), plan_for(kind, architecture, settings, 100)).value


@pytest.mark.parametrize(
    ("kind", "base", "ndim"),
    [
        ("segment", "cellcycle-nuclei", 2),
        ("link", "cellcycle-links", 2),
        ("link", "cellcycle-links", 3),
        ("stage", "frame", 2),
        ("stage", "frame", 3),
    ],
)
def test_another_channel_in_front_changes_nothing_that_is_learned(kind, base, ndim):
    alone = judged(corrected(ndim), kind, base)
    found = behind_another(corrected(ndim), SEGMENTED)
    assert judged(found, kind, base) == pytest.approx(alone, rel=1e-9)
    assert judged(found, kind, base, "phase") != pytest.approx(alone, rel=1e-9)


def test_stages_are_learned_in_the_channel_in_which_they_were_told():
    steps = (Step("segment", {"channel": "phase"}), Step("classify", {"channel": "H2B"}))
    found = behind_another(corrected(), steps)
    assert stage_channel_of(found) == "H2B"
    assert judged(found, "stage", "frame") == pytest.approx(judged(corrected(), "stage", "frame"))


@pytest.mark.parametrize(
    ("kind", "base"), [("segment", "cellcycle-nuclei"), ("link", "simple"), ("stage", "frame")]
)
def test_a_channel_that_a_movie_lacks_is_refused_with_those_it_has(kind, base):
    found = behind_another(corrected(), SEGMENTED)
    with pytest.raises(BadInput, match="no channel called 'DIC'; it has phase, H2B"):
        judged(found, kind, base, "DIC")


def test_a_tracker_is_trained_in_the_channel_that_was_segmented(tmp_path, monkeypatch):
    monkeypatch.setattr(simple, "train_linker", partial(simple.train_linker, batches=20))
    scores = []
    for name, found in {"one": corrected(), "two": behind_another(corrected(), SEGMENTED)}.items():
        _, learned = teach_links(
            name,
            [saved(found, tmp_path, name)],
            tmp_path / "models",
            preset="simple",
            settings=TeachSettings(epochs=1),
            device="cpu",
        )
        scores.append(learned.history[0].loss)
    assert scores[0] == pytest.approx(scores[1])
