"""How far a teaching goes, what it is judged by, and what it is held to."""

import numpy as np
import pytest
import torch

from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.fit import bare_name
from napari_cellcycle.training.link.keep import Options, both_sides, drift
from napari_cellcycle.training.teach.plan import plan_for
from napari_cellcycle.training.teach.request import TeachSettings
from napari_cellcycle.training.teach.suggestions import _evenly, spread_out
from napari_cellcycle.training.teach.tallies import Tally, contrast, mean_fit, spherical

USUAL = TeachSettings()


def test_a_segmentation_that_is_far_off_learns_longer_in_larger_steps_and_all_layers():
    usual = plan_for("segment", "FlowNet", USUAL, 20)
    anew = plan_for("segment", "FlowNet", USUAL, 20, is_far_off=True)
    assert usual.fit.layers and not anew.fit.layers
    assert anew.batches > usual.batches
    assert anew.fit.learning_rate > usual.fit.learning_rate
    assert anew.fit.closeness < usual.fit.closeness


@pytest.mark.parametrize(
    ("kind", "architecture", "name"),
    [
        ("segment", "FlowNet", "cellcycle-nuclei"),
        ("link", "graph network", "cellcycle-links"),
        ("link", "perceptrons", "simple"),
        ("stage", "recurrent network", "rnn"),
        ("stage", "FrameNetwork", "frame"),
    ],
)
def test_the_last_layers_can_be_asked_for_and_are_there_in_every_model(kind, architecture, name):
    plan = plan_for(kind, architecture, TeachSettings(layers="last"), 1000)
    weights = {bare_name(weight) for weight in find_model(name, kind).weights()}
    last = [weight for weight in weights if weight.startswith(plan.fit.layers)]
    assert 0 < len(last) < len(weights)
    assert all(any(w.startswith(layer) for w in weights) for layer in plan.fit.layers)


def test_other_models_learn_alike_however_far_off_they_are():
    for name in ("graph network", "perceptrons", "recurrent network", "FrameNetwork"):
        assert plan_for("link", name, USUAL, 20) == plan_for(
            "link", name, USUAL, 20, is_far_off=True
        )


def test_what_the_user_sets_is_kept_in_every_plan():
    settings = TeachSettings(epochs=3, batches=7, learning_rate=1e-5, closeness=9, layers="last")
    for far in (False, True):
        plan = plan_for("segment", "FlowNet", settings, 1000, is_far_off=far)
        assert (plan.fit.epochs, plan.batches) == (3, 7)
        assert (plan.fit.learning_rate, plan.fit.closeness) == (1e-5, 9)
        assert plan.fit.layers == ("up", "output")


# ---------------------------------------------------------------- held to what was thought


def window(energy):
    """Two cells that could each be the child of the first of two others."""
    links = torch.tensor(energy)
    none = torch.zeros(0)
    ends = torch.tensor([0, 0]), torch.tensor([2, 3])
    nobody = torch.zeros(0, dtype=torch.long)
    before = torch.tensor([1.0, -1.0])
    return both_sides((links, none), (before, none), ends, (nobody, nobody, nobody))


def test_thoughts_that_did_not_move_cost_nothing_and_others_do():
    everybody = torch.ones(4, dtype=torch.bool)
    still, moved, further = (
        float(drift([(side, everybody) for side in window(energy)], 4))
        for energy in ([1.0, -1.0], [1.0, 0.0], [1.0, 2.0])
    )
    assert still == pytest.approx(0, abs=1e-6)
    assert 0 < moved < further


def test_cells_of_which_something_is_known_may_change_their_mind():
    sides = window([-3.0, 3.0])
    known = torch.tensor([False, True, False, False])
    assert float(drift([(side, known) for side in sides], 4)) == pytest.approx(0, abs=1e-6)


def test_drift_is_the_divergence_of_chances_with_none_among_them():
    cell, now, before = torch.tensor([0, 0]), torch.tensor([0.3, -0.2]), torch.tensor([1.0, 0.5])

    def chances(energy):
        return torch.cat([energy, torch.zeros(1)]).softmax(0)

    p, q = chances(before), chances(now)
    expected = float((p * (p / q).log()).sum())
    side = Options(cell, now, before), torch.ones(1, dtype=torch.bool)
    assert float(drift([side], 1)) == pytest.approx(expected, abs=1e-6)


# ---------------------------------------------------------------- judged by


def test_chances_fit_best_if_honest():
    chances = np.linspace(0.01, 0.99, 99)
    two = np.column_stack([chances, 1 - chances])
    first, second = (spherical(two, np.full(99, at)) for at in (0, 1))
    assert chances[np.argmax(0.7 * first + 0.3 * second)] == pytest.approx(0.7)
    assert spherical(np.array([[1.0, 0.0]]), np.array([0])) == 1
    assert spherical(np.array([[1.0, 0.0]]), np.array([1])) == 0


def test_rare_kinds_count_as_much_as_common_ones():
    score = mean_fit(slice(0, 3), slice(3, 6))
    assert score(np.array([90.0, 0.5, 0, 100, 1, 0])) == pytest.approx((0.9 + 0.5) / 2)


def test_the_interval_of_few_groups_is_wider_than_their_spread():
    def tally(values):
        return Tally("share", np.array(values)[:, None], lambda sums: sums[..., 0] / 100)

    few, gains = [0.0] * 4, [1.0, 2.0, 3.0, 4.0]
    four = contrast(tally(few), tally(gains), "x")
    many = contrast(tally(few * 16), tally(gains * 16), "x")
    width = [np.ptp(one.gain_interval) / one.gain for one in (four, many)]
    assert width[0] > 1.3 * 4 * width[1]


# ---------------------------------------------------------------- suggestions


def test_rare_kinds_have_their_turn():
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1], [190, 10])
    chosen = spread_out(
        rng.random((200, 3)), np.full(200, 0.5), np.zeros((0, 3)), 10, kinds, np.zeros(0, int)
    )
    assert (kinds[chosen] == 1).sum() >= 4


def test_what_is_doubted_more_is_drawn_more_often_but_not_alone():
    rng = np.random.default_rng(0)
    doubt = np.repeat([0.1, 0.4], 500)
    noise = rng.gumbel(size=1000)
    chosen = spread_out(rng.random((1000, 3)) * 50, doubt, np.zeros((0, 3)), 100, noise=noise)
    assert 65 < (np.array(chosen) >= 500).sum() < 95


def test_frames_of_which_nothing_is_known_are_suggested_far_from_those_that_are_done():
    assert sorted(_evenly(41, frozenset(), 5)) == [0, 10, 20, 30, 40]
    more = _evenly(41, frozenset({0, 10, 20, 30, 40}), 4)
    assert sorted(more) == [5, 15, 25, 35]
    assert _evenly(3, frozenset({0, 1, 2}), 5) == []
    assert sorted(_evenly(3, frozenset({1}), 5)) == [0, 2]
