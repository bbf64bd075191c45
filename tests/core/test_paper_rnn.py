"""The published recurrent network: its sizes, its memory of mothers, and how it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellcycle.data.stages import LIVE_CELL, MITOSIS
from napari_cellcycle.errors import BadInput, MissingModel
from napari_cellcycle.features.sights import parents, sights
from napari_cellcycle.models.stage.model import PAPER, RESNET, open_stage_model
from napari_cellcycle.models.stage.paper_rnn import PaperNetwork, PaperRecurrentModel, in_parts
from napari_cellcycle.models.stage.resnet import ResNetClassifier, predict
from napari_cellcycle.models.store import ModelCard, save_model
from napari_cellcycle.pipeline.classify import classify
from napari_cellcycle.simulate.movie import simulate
from napari_cellcycle.simulate.random_settings import random_settings
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.crop_examples import Examples
from napari_cellcycle.training.stage.paper_rnn import (
    FIT,
    PaperTask,
    PaperTraining,
    SecondRateAdagrad,
    card_settings,
    tell_sequences,
    train_paper_rnn,
)
from napari_cellcycle.training.stage.resnet import ResNetTraining, train_resnet
from napari_cellcycle.training.stage.resnet import card_settings as resnet_card
from napari_cellcycle.training.stage.sequences import CellSequences
from napari_cellcycle.training.stage.weak import (
    PAPER as PUBLISHED,
)
from napari_cellcycle.training.stage.weak import (
    Aligner,
    AlignerSettings,
    parse_transcript,
    read_grammar,
    transcripts_of,
    write_grammar,
)

TINY = PaperTraining(hidden=32, width=4, size=32, least=6, after_onset=4)
SMALLER = TINY.model_copy(update={"size": 16, "batch": 8})
GENTLE = FIT.model_copy(update={"epochs": 30, "learning_rate": 1e-3})


def weights(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def blinking_cells(n: int = 6, frames: int = 14, seed: int = 0) -> CellSequences:
    """Discs that are large and dim, then small and bright, then two, beside a neighbour."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32] - 15.5
    first = rng.integers(1, frames - 5, n)
    second = first + rng.integers(2, 4, n)
    code = (np.arange(frames) >= first[:, None]).astype(int)
    code += np.arange(frames) >= second[:, None]
    shapes = np.stack([y**2 + x**2 < 100, y**2 + x**2 < 36, ((abs(y) - 6) ** 2 + x**2 < 12)])
    masks = shapes[code].reshape(-1, 32, 32)
    bright = np.array([0.4, 1.0, 0.7])[code].reshape(-1, 1, 1)
    neighbour = (y - 12) ** 2 + (x - 12) ** 2 < 12
    images = masks * bright + 0.5 * neighbour + rng.uniform(0, 0.1, masks.shape)
    paths = tuple(np.arange(n * frames).reshape(n, frames))
    return CellSequences(
        images.astype(np.float32), masks, code.ravel(), paths, np.arange(n), LIVE_CELL
    )


def test_the_published_network_has_the_published_weights() -> None:
    network = PaperNetwork(6)
    parts = (network.backbone, network.memory, network.decoder, network.maps)
    assert [weights(part) for part in parts] == [5_888, 885_408, 92_545, 1_475_328]
    assert weights(network.classifier) == 75_526_150
    maps, sides = torch.zeros(1, 128, 12, 12), []
    for layer in network.decoder:
        maps = layer(maps)
        sides.append(maps.shape[-1])
    assert sides == [23, 23, 48, 48, 96]
    assert network.maps(torch.zeros(1, 128, 12, 12)).shape == (1, 18_432)


def test_the_network_sees_the_past_but_not_the_future() -> None:
    network = PaperNetwork(3, hidden=8, width=2, size=32).eval()
    images = torch.rand(1, 5, 32, 32)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight)
    other = images.clone()
    other[:, 3] = 0
    with torch.inference_mode():
        told, changed = network(images).stages, network(other).stages
    torch.testing.assert_close(told[:, :3], changed[:, :3])
    assert not torch.allclose(told[:, 4], changed[:, 4])


def test_daughters_go_on_from_what_their_mother_left() -> None:
    settings = random_settings(3).model_copy(
        update={"frames": 12, "size": 96, "cells": 6, "cycle_hours": 1.5}
    )
    done = simulate(settings)
    parent = parents(done.tracks)
    assert (np.bincount(parent[parent >= 0]) == 2).any()
    network = PaperNetwork(3, hidden=8, width=2, size=32).eval()
    model = PaperRecurrentModel(network, LIVE_CELL, side=1.5, unit="diameters")
    seen = list(sights(done.movie, done.labels, done.tracks))
    found = model(seen, parent, batch_size=4)
    images = torch.zeros(len(parent), 32, 32)
    for sight in seen:
        images[sight.rows] = model.crops(sight)
    childless = np.setdiff1d(np.arange(len(parent)), parent)
    longest = max((path(int(row), parent) for row in childless), key=len)
    assert len(longest) > 5
    with torch.inference_mode():
        told = network(in_parts(images[longest][None])[0]).stages[0]
    expected = network.probabilities(told).numpy()
    np.testing.assert_allclose(found[longest], expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    crops, centres = model.centres(seen[0])
    assert crops.shape == centres.shape == (len(seen[0].rows), 32, 32)


def path(row: int, parent: np.ndarray) -> list[int]:
    rows = [row]
    while parent[rows[-1]] >= 0:
        rows.append(int(parent[rows[-1]]))
    return rows[::-1]


def test_states_of_cells_that_nobody_follows_are_let_go() -> None:
    from napari_cellcycle.models.stage.paper_rnn import _Held

    network = PaperNetwork(3, hidden=8, width=2, size=32)
    parent = np.array([-1, -1, 0, 0, 2, 1])  # row 1 goes on two frames later
    held = _Held(network, parent, torch.zeros(()))
    for rows, kept in (([0, 1], [0, 1]), ([2, 3], [1, 2]), ([4, 5], [])):
        states = (*network.start(len(rows), torch.zeros(())), torch.zeros(len(rows)))
        held.keep(np.array(rows), states)
        assert held.rows.tolist() == kept


def test_it_learns_stages_and_to_draw_the_centre_cell_alone() -> None:
    cells = blinking_cells(8, 12)
    network, history, losses = train_paper_rnn(cells, GENTLE, SMALLER)
    assert history[-1].loss < history[0].loss
    assert len(losses) == 30 * 2  # a batch of whole sequences and one of windows
    right = tell_sequences(network, cells).argmax(1) == cells.code
    assert right.mean() > 0.8
    assert losses[-4:, 0].mean() < 0.85 * losses[:4, 0].mean()


def test_it_learns_stages_from_their_order_alone() -> None:
    cells = blinking_cells(8, 12)
    hidden = CellSequences(
        cells.images, cells.masks, np.full_like(cells.code, -1), cells.paths, cells.group, LIVE_CELL
    )
    aligner = Aligner(LIVE_CELL, (0, 1, 2), AlignerSettings(memory=30, prior_weight=1.0))
    fit = GENTLE.model_copy(update={"epochs": 50})
    settings = SMALLER.model_copy(update={"windows": False})
    network, _, _ = train_paper_rnn(hidden, fit, settings, aligner=aligner)
    right = tell_sequences(network, cells).argmax(1) == cells.code
    assert right.mean() > 0.75
    assert not any(name.startswith("aligner") for name in network.state_dict())


def test_the_rate_falls_once() -> None:
    network = torch.nn.Linear(1, 1)
    adagrad = SecondRateAdagrad(network, FitSettings(learning_rate=0.01), 2, 0.1)
    moved = []
    for _ in range(4):
        before = network.weight.item()
        network.weight.grad = torch.ones(1, 1)
        adagrad.step()
        moved.append(abs(network.weight.item() - before))
    assert moved[1] / moved[0] == pytest.approx(0.5**0.5, rel=0.01)
    assert moved[2] / moved[1] == pytest.approx(0.1 * (2 / 3) ** 0.5, rel=0.01)
    assert moved[3] / moved[2] == pytest.approx((3 / 4) ** 0.5, rel=0.01)


def test_windows_begin_soon_after_mitosis_does_and_are_not_short() -> None:
    cells = blinking_cells(frames=20)
    task = PaperTask(cells, TINY)
    rng = np.random.default_rng(0)
    spans = np.array([task._window(0, rng) for _ in range(300)])
    onset = int(np.argmax(cells.code[cells.paths[0]] == 1))
    assert spans[:, 0].min() == 0
    assert spans[:, 0].max() == onset + TINY.after_onset
    assert (spans[:, 1] - spans[:, 0] >= np.minimum(TINY.least, 20 - spans[:, 0])).all()
    assert spans[:, 1].max() == 20


def test_sequences_are_turned_alike_in_all_frames_and_in_every_way() -> None:
    cells = blinking_cells(1)
    cells.images[:] = np.arange(32 * 32).reshape(32, 32)  # every symmetry looks different
    task = PaperTask(cells, TINY.model_copy(update={"windows": False}))
    rng, seen = np.random.default_rng(0), set()
    for _ in range(80):
        (batch,) = task.batches(rng)
        assert (batch.images == batch.images[:, :1]).all()
        seen.add(batch.images[0, 0, 0, 0].item() + 1j * batch.images[0, 0, 0, -1].item())
    assert len(seen) == 8


def test_a_trained_network_is_stored_opened_and_used(tmp_path: Path) -> None:
    settings = TINY.model_copy(update={"side": 1.5})
    cells = blinking_cells(4)
    network, _, _ = train_paper_rnn(cells, FIT.model_copy(update={"epochs": 1}), settings)
    card = ModelCard(
        name="old",
        kind="stage",
        architecture=PAPER,
        settings=card_settings(network, cells, settings),
    )
    stored = save_model(network.state_dict(), card, tmp_path)
    done = simulate(random_settings(3).model_copy(update={"frames": 3, "size": 96, "cells": 4}))
    found = classify(done.movie, done.labels, done.tracks, model=stored.path)
    assert set(found.cells["stage"]) <= set(LIVE_CELL.names)
    card.settings.pop("hidden")
    save_model(network.state_dict(), card, tmp_path)
    with pytest.raises(MissingModel, match="expected a published recurrent network"):
        open_stage_model(stored.path)


def test_the_published_baseline_has_the_published_weights_and_looks_at_single_crops() -> None:
    network = ResNetClassifier(6)
    assert weights(network.trunk) + weights(network.classes) == 11_689_512
    assert weights(network.head) == 1000 * 6 + 6
    dim = torch.rand(2, 40, 40)
    with torch.inference_mode():
        told = ResNetClassifier(3, width=4, classes=0, size=64).eval()
        torch.testing.assert_close(told(dim), told(200 * dim), atol=1e-4, rtol=1e-3)


def test_the_baseline_learns_is_stored_and_used(tmp_path: Path) -> None:
    cells = blinking_cells(8, 12)
    crops = Examples(cells.images, cells.code, np.arange(96) // 12, LIVE_CELL.names)
    settings = ResNetTraining(batch=16, width=4, classes=0, size=32, side=1.5)
    fit = GENTLE.model_copy(update={"epochs": 12, "learning_rate": 1e-2})
    network, _ = train_resnet(crops, fit, settings, held_out=crops)
    assert (predict(network, cells.images).argmax(1) == cells.code).mean() > 0.9
    card = ModelCard(
        name="old",
        kind="stage",
        architecture=RESNET,
        settings=resnet_card(LIVE_CELL, settings),
    )
    stored = save_model(network.state_dict(), card, tmp_path)
    done = simulate(random_settings(3).model_copy(update={"frames": 2, "size": 96, "cells": 4}))
    found = classify(done.movie, done.labels, done.tracks, model=stored.path)
    assert set(found.cells["stage"]) <= set(LIVE_CELL.names)
    card.settings.pop("width")
    save_model(network.state_dict(), card, tmp_path)
    with pytest.raises(MissingModel, match="expected a ResNet"):
        open_stage_model(stored.path)
    crops.code[:] = 1
    with pytest.raises(BadInput, match="fewer than two stages"):
        train_resnet(crops, fit, settings)


def test_crops_that_are_too_small_or_show_one_stage_are_refused() -> None:
    cells = blinking_cells(2)
    with pytest.raises(BadInput, match="32 pixels wide, but the network looks at 96"):
        PaperTask(cells, PaperTraining())
    cells.code[:] = 0
    with pytest.raises(BadInput, match="fewer than two stages"):
        PaperTask(cells, TINY)


def test_running_averages_approach_what_the_sequences_show() -> None:
    cells = blinking_cells(8, 16, seed=2)
    aligner = Aligner(LIVE_CELL, transcripts_of(cells), AlignerSettings(memory=20))
    code = torch.from_numpy(cells.code.reshape(8, 16))
    log_probs = torch.log(torch.nn.functional.one_hot(code, 3) * 0.9 + 0.03)
    valid = torch.ones(8, 16, dtype=torch.bool)
    for _ in range(20):
        target = aligner.targets(log_probs, valid, np.arange(8))
    assert (target.argmax(2) == code).float().mean() > 0.95
    true = np.bincount(cells.code) / len(cells.code)
    np.testing.assert_allclose(aligner.prior, true, atol=0.05)
    middle = (cells.code == 1).sum() / 8
    assert aligner.mean_length[1] == pytest.approx(middle, rel=0.2)
    again = Aligner(LIVE_CELL, transcripts_of(cells))
    again.load_state_dict(aligner.state_dict())
    np.testing.assert_array_equal(again.mean_length, aligner.mean_length)


def test_lengths_that_are_known_stay_unless_they_are_to_be_learned() -> None:
    cells = blinking_cells(8, 16, seed=2)
    code = torch.from_numpy(cells.code.reshape(8, 16))
    log_probs = torch.log(torch.nn.functional.one_hot(code, 3) * 0.9 + 0.03)
    valid, known, found = torch.ones(8, 16, dtype=torch.bool), np.array([9.0, 2.0, 0.5]), []
    for learn in (False, True):
        settings = AlignerSettings(memory=20, learn_lengths=learn)
        aligner = Aligner(LIVE_CELL, transcripts_of(cells), settings, mean_length=known)
        for _ in range(20):
            aligner.targets(log_probs, valid, np.arange(8))
        found.append(aligner.mean_length)
        np.testing.assert_allclose(aligner.prior, np.bincount(cells.code) / 128, atol=0.05)
    assert found[0].tolist() == [9.0, 2.0, 1.0]  # no stage is shorter than a frame
    assert found[1][1] == pytest.approx((cells.code == 1).sum() / 8, rel=0.2)


def test_as_published_only_the_last_sequence_counts() -> None:
    aligner = Aligner(LIVE_CELL, [(0, 1), (0, 1, 2)], PUBLISHED)
    code = torch.tensor([[0] * 6 + [1] * 6, [0] * 2 + [1] * 3 + [2] * 7])
    log_probs = torch.log(torch.nn.functional.one_hot(code, 3) * 0.98 + 0.01)
    for _ in range(5):
        aligner.targets(log_probs, torch.ones(2, 12, dtype=torch.bool), [0, 1])
    # Its boundaries are a frame early.
    np.testing.assert_allclose(aligner.mean_length, [1, 3, 8])


def test_frames_that_do_not_count_are_left_out_wherever_they_are() -> None:
    aligner = Aligner(LIVE_CELL, [(0, 1), (1, 2)], AlignerSettings(soft=False))
    code = torch.tensor([[9, 0, 0, 9, 1, 1, 1], [1, 1, 2, 2, 2, 9, 9]])
    log_probs = torch.log(torch.nn.functional.one_hot(code.clamp_max(2), 3) * 0.9 + 0.03)
    target = aligner.targets(log_probs, code < 9, [0, 1])
    assert (target.sum(2) == (code < 9)).all()
    assert (target.argmax(2)[code < 9] == code[code < 9]).all()
    assert aligner.recall(1) is not None
    assert aligner.recall(1).argmax(1).tolist() == [1, 1, 2, 2, 2]
    told = aligner.decode(log_probs, code < 9)
    assert (told == np.where(code < 9, code, -1)).all()


def test_a_transcript_for_all_may_be_shown_in_part() -> None:
    aligner = Aligner(LIVE_CELL, (0, 1, 2, 0), AlignerSettings(partial=True, soft=False))
    code = torch.tensor([[0] * 8, [0] * 4 + [1] * 4, [1] * 2 + [2] * 3 + [0] * 3])
    log_probs = torch.log(torch.nn.functional.one_hot(code, 3) * 0.9 + 0.03)
    target = aligner.targets(log_probs, torch.ones(3, 8, dtype=torch.bool), [0, 1, 2])
    assert (target.argmax(2) == code).all()


def test_transcripts_are_typed_stored_and_read(tmp_path: Path) -> None:
    typed = parse_transcript("Interphase > prophase, prometaphase", MITOSIS)
    assert typed == (0, 1, 2)
    file = tmp_path / "grammar.txt"
    write_grammar(file, [typed, (0,), typed], MITOSIS)
    assert file.read_text() == "interphase\ninterphase, prophase, prometaphase\n"
    assert read_grammar(file, MITOSIS) == [(0,), typed]
    with pytest.raises(BadInput, match="names 'G2'; expected names of stages"):
        parse_transcript("interphase, G2", MITOSIS)
    with pytest.raises(BadInput, match="at least two stages"):
        Aligner(MITOSIS, [(0,), (0,)])
