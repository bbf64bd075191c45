"""Stages are found of which only the order is known, by how long they last and how cells look."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cellcycle.data.stages import LIVE_CELL
from napari_cellcycle.errors import BadInput
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.checkpoint import Checkpoint
from napari_cellcycle.training.fit import FitSettings
from napari_cellcycle.training.stage.by_order import train_by_order
from napari_cellcycle.training.stage.flat_start import flat_start
from napari_cellcycle.training.stage.recurrent import (
    RecurrentSettings,
    SequenceTaskSettings,
    tell,
)
from napari_cellcycle.training.stage.sequences import UNKNOWN, CellSequences
from napari_cellcycle.training.stage.weak import Aligner, AlignerSettings

SHAPE = RecurrentSettings(width=6, features=16, hidden=12)
TASK = SequenceTaskSettings(batches=10, sequences=4, length=12)
FIT = FitSettings(epochs=8, learning_rate=5e-3)
WHOLE_LIFE = (0, 1, 2)


@pytest.fixture(autouse=True)
def single_thread():
    torch.set_num_threads(1)


def cells(n=12, frames=16, seed=0):
    """Cells that are round and dim, then small and bright, then two, for times that vary."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((64, 64)) - 31.5
    images, code = [], []
    for _ in range(n):
        middle = int(rng.integers(2, 5))
        first = int(rng.integers(4, frames - middle - 3))
        stages = np.repeat([0, 1, 2], [first, middle, frames - first - middle])
        for stage in stages:
            radius, apart = [(13, 0), (7, 0), (6, 9)][stage]
            near = [np.hypot(y, x - side) < radius + rng.normal(0, 0.4) for side in (-apart, apart)]
            bright = np.where(near[0] | near[1], (0.5, 1.0, 0.8)[stage], 0.1)
            images.append(bright + rng.normal(0, 0.05, bright.shape))
        code.append(stages)
    paths = tuple(np.split(np.arange(n * frames), n))
    stack = np.array(images, np.float32)
    return CellSequences(stack, None, np.concatenate(code), paths, np.arange(n), LIVE_CELL)


def untold(known):
    """The same cells without their stages."""
    return replace(known, code=np.full_like(known.code, UNKNOWN))


def right(known, chances):
    return (chances.argmax(1) == known.code).mean()


@pytest.fixture(scope="module")
def known():
    return cells()


def test_looks_find_the_frames_at_which_stages_change(known) -> None:
    aligner = Aligner(LIVE_CELL, WHOLE_LIFE)
    by_order_alone = aligner.lay(untold(known), np.zeros((len(known.images), 3)))
    found = flat_start(untold(known), Aligner(LIVE_CELL, WHOLE_LIFE), 48)
    assert right(known, by_order_alone) < 0.8
    assert right(known, found) > 0.97
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_a_movie_may_show_any_part_of_a_life(known) -> None:
    parts = tuple(path[start:] for path, start in zip(known.paths, [0, 5] * 6, strict=True))
    settings = AlignerSettings(partial=True)
    lengths = np.array([8.0, 3.0, 6.0])
    aligner = Aligner(LIVE_CELL, WHOLE_LIFE, settings, mean_length=lengths)
    some = replace(untold(known), paths=parts)
    rows = np.unique(np.concatenate(parts))
    by_order_alone = aligner.lay(some, np.zeros((len(known.images), 3)))
    found = flat_start(some, aligner, 48)
    alone, looked_at = (
        (laid.argmax(1)[rows] == known.code[rows]).mean() for laid in (by_order_alone, found)
    )
    assert looked_at > 0.85 and looked_at > alone + 0.1


def test_lengths_that_nobody_knows_are_learned(known) -> None:
    aligner = Aligner(LIVE_CELL, WHOLE_LIFE)
    flat_start(untold(known), aligner, 48)
    middle = (known.code == 1).sum() / len(known)
    assert aligner.mean_length[1] == pytest.approx(middle, rel=0.25)


@pytest.mark.parametrize("n, noise", [(1, 0.0), (1, 1.0), (3, 0.0)])
def test_few_cells_or_some_that_all_look_the_same_are_laid_out_by_order(n, noise) -> None:
    few = untold(cells(n))
    rng = np.random.default_rng(0)
    few.images[:] = 1 + noise * rng.random(few.images.shape)
    found = flat_start(few, Aligner(LIVE_CELL, WHOLE_LIFE), 48).argmax(1)
    for path in few.paths:
        assert found[path][0] == 0 and found[path][-1] == 2
        assert (np.diff(found[path]) >= 0).all()


def test_a_mother_is_on_the_verge_of_division_before_her_daughters_first_frame() -> None:
    from napari_cellcycle.data.stages import H2B

    codes = [H2B.names.index(name) for name in ("interphase", "metaphase", "anaphase")]
    order = (codes[0], codes[1], codes[2], codes[0])
    born = np.arange(12) == 4
    one = CellSequences(
        np.zeros((12, 64, 64), np.float32),
        None,
        np.full(12, UNKNOWN),
        (np.arange(12),),
        np.zeros(1, np.int64),
        H2B,
        born,
    )
    laid = Aligner(H2B, order).lay(one, np.zeros((12, len(H2B)))).argmax(1)
    assert H2B.names[laid[3]] in H2B.last and H2B.names[laid[4]] in H2B.first


@pytest.fixture(scope="module")
def taught(known):
    """A network that was told the order alone, and its epochs."""
    aligner = Aligner(LIVE_CELL, WHOLE_LIFE)
    aside = cells(seed=1)
    return train_by_order(untold(known), aligner, FIT, TASK, shape=SHAPE, held_out=aside)


def test_the_network_learns_from_the_order_alone(taught) -> None:
    network, history = taught
    other = cells(seed=2)
    assert right(other, tell(network, other, SHAPE)) > 0.9
    assert history[-1].loss < history[0].loss and max(e.score or 0 for e in history) > 0.8
    assert not any("layout" in name for name in network.state_dict())


def test_a_network_that_knows_stages_lays_them_out_itself(known, taught, monkeypatch) -> None:
    monkeypatch.setattr("napari_cellcycle.training.stage.by_order.flat_start", None)
    short = FIT.model_copy(update={"epochs": 1, "learning_rate": 1e-4})
    start, aligner = taught[0].state_dict(), Aligner(LIVE_CELL, WHOLE_LIFE)
    network, _ = train_by_order(untold(known), aligner, short, TASK, shape=SHAPE, start=start)
    assert right(known, tell(network, known, SHAPE)) > 0.9


def test_a_training_that_was_stopped_goes_on_as_if_nothing_had_happened(tmp_path) -> None:
    few = untold(cells(4))

    def trained(place, stop_after=None):
        steps = 0

        def progress(done, total, message=""):
            nonlocal steps
            steps += message.startswith("Training")
            if stop_after and steps > stop_after:
                raise Cancelled

        network, _ = train_by_order(
            few,
            Aligner(LIVE_CELL, WHOLE_LIFE),
            FIT.model_copy(update={"epochs": 4}),
            TASK.model_copy(update={"batches": 2}),
            shape=SHAPE,
            checkpoint=Checkpoint(place, {}),
            progress=progress,
        )
        return network.state_dict()

    whole = trained(tmp_path / "whole")
    with pytest.raises(Cancelled):
        trained(tmp_path / "stopped", stop_after=5)
    resumed = trained(tmp_path / "stopped")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_sequence_without_room_for_its_transcript_is_refused(known) -> None:
    short = replace(untold(known), paths=(known.paths[0][:2], *known.paths[1:]))
    with pytest.raises(BadInput, match="names 3 stages, but its sequence has only 2 frames"):
        train_by_order(short, Aligner(LIVE_CELL, WHOLE_LIFE), FIT, TASK, shape=SHAPE)
