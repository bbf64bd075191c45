"""The last layer of a stage model learns from everything, and in turn without each part."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cellcycle.models.stage.frame import FrameNetwork, predict
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.crop_examples import simulated_examples
from napari_cellcycle.training.stage.frame import StageTaskSettings, macro_f1
from napari_cellcycle.training.stage.last_layer import NO_PART, train_last_layer

FIT = FitSettings(epochs=1, learning_rate=2e-2, average=0.9, layers=("head",))
TASK = StageTaskSettings(batches=60, real_share=0.75)


@pytest.fixture(scope="module")
def cells():
    """Crops of two movies, and those of another one, about a hundred each."""
    own, others = (simulated_examples([seed]) for seed in (41, 42))
    return own.subset(slice(None, None, 3)), others.subset(slice(None, None, 3))


@pytest.fixture(scope="module")
def base():
    model = find_model("frame", "stage")
    width, levels = model.card.settings["width"], bool(model.card.settings.get("levels", False))
    return model.weights(), FrameNetwork(7, int(width), levels=levels)


def learned(base, own, others, part, fit=FIT):
    state, network = base
    return train_last_layer(state, network, own, others, part, fit, TASK)


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def parts_for(own):
    return np.unique(own.group, return_inverse=True)[1] % 3


def test_what_is_kept_aside_in_a_turn_is_not_learned_from_in_it(cells, base):
    own, others = cells
    part = parts_for(own)
    wrong = replace(own, code=np.where(part == 1, (own.code + 3) % 7, own.code))
    right, misled = (learned(base, one, others, part)[0] for one in (own, wrong))
    assert len(right.apart) == 3
    assert not same(right.whole, misled.whole)
    assert [same(*pair) for pair in zip(right.apart, misled.apart, strict=True)] == [
        False,
        True,
        False,
    ]


def test_what_is_in_no_part_is_always_learned_from(cells, base):
    own, others = cells
    part = np.where(own.code == 0, NO_PART, parts_for(own))
    wrong = replace(own, code=np.where(part == NO_PART, 3, own.code))
    right, misled = (learned(base, one, others, part)[0] for one in (own, wrong))
    assert not any(same(*pair) for pair in zip(right.apart, misled.apart, strict=True))


def test_only_the_last_layer_learns_and_new_names_are_learned(cells, base):
    own, _ = cells
    turned = replace(own, code=(own.code + 1) % 7)  # every stage is called by the next one's name
    found, history = learned(
        base, turned, None, parts_for(own), FIT.model_copy(update={"epochs": 6})
    )
    state, network = base
    changed = {name for name in state if not torch.equal(state[name], found.whole[name])}
    assert changed == {"head.1.weight", "head.1.bias"}
    assert len(history) == 6 and history[-1].loss < history[0].loss
    network.load_state_dict(found.whole)
    told = predict(network.eval(), own.windows()).argmax(1)
    network.load_state_dict(state)
    before = predict(network.eval(), own.windows()).argmax(1)
    assert macro_f1(turned.code, told, 7) > macro_f1(turned.code, before, 7) + 0.3
