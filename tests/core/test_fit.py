"""The one training loop: the same weights as ever, resumed as if never interrupted."""

import copy
import math

import numpy as np
import pytest
import torch

from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import FitSettings, fit

SETTINGS = FitSettings(epochs=6, learning_rate=0.05, average=0.8, seed=3)


class Sum:
    """Learn to add numbers, some of them hidden by drop-out; `scores` are told in turn."""

    def __init__(self, scores=None):
        self.scores = scores

    def __len__(self):
        return 5

    def batches(self, rng):
        for _ in range(len(self)):
            x = torch.tensor(rng.normal(size=(16, 3)), dtype=torch.float32)
            yield x, x.sum(1, keepdim=True)

    def loss(self, network, batch):
        return ((network(batch[0]) - batch[1]) ** 2).mean()

    def score(self, network):
        return None if self.scores is None else self.scores.pop(0)


def network(hidden=8):
    torch.manual_seed(1)
    layers = (torch.nn.Linear(3, hidden), torch.nn.BatchNorm1d(hidden), torch.nn.Dropout(0.3))
    return torch.nn.Sequential(*layers, torch.nn.Linear(hidden, 1))


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def stopping(step):
    def progress(done, total, message=""):
        if done == step:
            raise Cancelled

    return progress


def by_hand(settings):
    """The loop as it is described: AdamW, warm-up, cosine, clipping, Polyak average."""
    learner, task = network(), Sum()
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1.0, weight_decay=settings.weight_decay)
    average, steps, done = copy.deepcopy(learner), settings.epochs * len(task), 0
    for _ in range(settings.epochs):
        learner.train()
        for batch in task.batches(rng):
            share, warmup = done / steps, settings.warmup
            slope = 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))
            slope = share / warmup + 1e-3 if share < warmup else slope
            optimiser.param_groups[0]["lr"] = settings.learning_rate * slope
            optimiser.zero_grad()
            task.loss(learner, batch).backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.clip)
            optimiser.step()
            with torch.no_grad():
                for a, b in zip(
                    average.state_dict().values(), learner.state_dict().values(), strict=True
                ):
                    a.copy_(a.lerp(b, 1 - settings.average) if a.is_floating_point() else b)
            done += 1
    return average if settings.average else learner


@pytest.mark.parametrize("average", [0.0, 0.8])
def test_without_new_options_the_weights_are_those_of_the_plain_loop(average):
    settings = SETTINGS.model_copy(update={"average": average})
    learner = network()
    fit(learner, Sum(), settings)
    assert same(learner, by_hand(settings))


def test_keeping_the_state_changes_nothing(tmp_path):
    plain, kept = network(), network()
    fit(plain, Sum(), SETTINGS)
    fit(kept, Sum(), SETTINGS, checkpoint=Checkpoint(tmp_path / "state"))
    assert same(plain, kept)
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("step", [0, 4, 5, 13, 29])
@pytest.mark.parametrize("average", [0.0, 0.8])
def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, step, average):
    settings = SETTINGS.model_copy(update={"average": average})
    scores = [0.1, 0.5, 0.2, 0.4, 0.5, 0.3]
    whole, parted = network(), network()
    expected = fit(whole, Sum(list(scores)), settings)
    place = Checkpoint(tmp_path / "state")
    with pytest.raises(Cancelled):
        fit(parted, Sum(list(scores)), settings, checkpoint=place, progress=stopping(step))
    torch.rand(7)
    again = network()
    history = fit(again, Sum(scores[step // 5 :]), settings, checkpoint=place)
    assert same(again, whole)
    assert [(e.number, e.loss, e.score) for e in history] == [
        (e.number, e.loss, e.score) for e in expected
    ]


def test_a_training_that_is_over_is_not_repeated(tmp_path):
    place, first, again = Checkpoint(tmp_path / "state"), network(), network()
    fit(first, Sum(), SETTINGS, checkpoint=place)
    fit(again, Sum(), SETTINGS, checkpoint=place, progress=stopping(0))
    assert same(first, again)


@pytest.mark.parametrize(
    ("hidden", "changes", "about", "word"),
    [
        pytest.param(9, {}, {}, "other network", id="network"),
        pytest.param(8, {"epochs": 7}, {}, "other settings", id="settings"),
        pytest.param(8, {}, {"sources": ["b"]}, "other sources", id="sources"),
    ],
)
def test_the_state_of_another_training_is_refused(tmp_path, hidden, changes, about, word):
    place = tmp_path / "state"
    fit(network(), Sum(), SETTINGS, checkpoint=Checkpoint(place, {"sources": ["a"]}))
    with pytest.raises(BadInput, match=word):
        fit(
            network(hidden),
            Sum(),
            SETTINGS.model_copy(update=changes),
            checkpoint=Checkpoint(place, {"sources": ["a"], **about}),
        )


def test_a_damaged_state_is_refused(tmp_path):
    (tmp_path / "state").write_bytes(b"nonsense")
    with pytest.raises(BadInput, match="cannot be read as an interrupted training"):
        fit(network(), Sum(), SETTINGS, checkpoint=Checkpoint(tmp_path / "state"))


def test_a_state_that_cannot_be_stored_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite):
        fit(network(), Sum(), SETTINGS, checkpoint=Checkpoint(tmp_path / "file" / "state"))


def test_training_ends_when_patience_does_and_the_best_is_kept():
    patient = SETTINGS.model_copy(update={"patience": 2, "epochs": 30})
    history = fit(network(), Sum([0.1, 0.3, 0.2, 0.3, 0.1, 0.9]), patient)
    assert [epoch.score for epoch in history] == [0.1, 0.3, 0.2, 0.3]
    assert len(fit(network(), Sum(), SETTINGS.model_copy(update={"patience": 2}))) == 6


def test_patience_outlives_an_interruption(tmp_path):
    patient = SETTINGS.model_copy(update={"patience": 2, "epochs": 30})
    place = Checkpoint(tmp_path / "state")
    with pytest.raises(Cancelled):
        fit(network(), Sum([0.5, 0.3]), patient, checkpoint=place, progress=stopping(12))
    assert len(fit(network(), Sum([0.4, 0.9]), patient, checkpoint=place)) == 3


def test_an_optimiser_of_ones_own_keeps_the_rate_of_each_group():
    learner = network()
    frozen = learner[0].weight.detach().clone()
    rates = []

    def adam(given):
        made = torch.optim.Adam(
            [
                {"params": given[0].parameters(), "lr": 0.0},
                {"params": given[3].parameters(), "lr": 0.1},
            ]
        )
        made.register_step_pre_hook(lambda o, *_: rates.append([g["lr"] for g in o.param_groups]))
        return made

    plain = FitSettings(epochs=2, warmup=0, schedule="constant", clip=0, average=0)
    fit(learner, Sum(), plain, optimiser=adam)
    assert rates == [[0.0, 0.1]] * 10
    assert torch.equal(learner[0].weight, frozen)
