"""What corrections go by is what the steps of an experiment were done with."""

from dataclasses import replace

import examples
import pytest

from napari_cellcycle.config import ClassifySettings
from napari_cellcycle.data.experiment import Experiment, Step
from napari_cellcycle.edit.bench import bench_of


@pytest.mark.parametrize("model", ["rnn", "of another folder"])
def test_stages_are_decoded_with_the_smoothing_they_were_told_with(model):
    toy = examples.blink()
    told = Step("classify", ClassifySettings(model=model, smoothing=1.0).model_dump(mode="json"))
    known = replace(Experiment(toy.movie, toy.labels), history=(told,))
    assert bench_of(known).smoothing == 1.0
