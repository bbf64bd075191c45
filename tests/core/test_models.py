"""Models are found by name, stored whole or not at all, and trained by one loop."""

import ctypes
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellcycle.errors import CannotWrite, MissingModel, UserError
from napari_cellcycle.models.device import choose_device, faster_products
from napari_cellcycle.models.freed_memory import keep_freed_memory
from napari_cellcycle.models.store import ModelCard, find_model, list_models, save_model
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.fit import FitSettings, fit

CARD = ModelCard(name="mine", kind="link", architecture="one layer")
NEWER = {**CARD.model_dump(), "description": "newer"}


@pytest.fixture
def saved(tmp_path):
    return save_model(torch.nn.Linear(3, 1).state_dict(), CARD, tmp_path)


def test_a_saved_model_is_found_by_name_and_by_path(saved, tmp_path):
    assert find_model("mine", "link", tmp_path) == saved
    assert find_model(str(saved.path), "link").weights().keys() == {"weight", "bias"}
    assert saved in list_models("link", tmp_path)


def test_an_unknown_model_is_answered_with_the_ones_there_are(saved, tmp_path):
    with pytest.raises(MissingModel, match=r"'yours' was found; there are: .*mine"):
        find_model("yours", "link", tmp_path)


def test_a_model_for_another_step_is_refused(saved, tmp_path):
    with pytest.raises(MissingModel, match="for the step 'link', but one for 'stage'"):
        find_model("mine", "stage", tmp_path)


def test_a_truncated_weight_file_is_named(saved):
    saved.path.write_bytes(saved.path.read_bytes()[:40])
    with pytest.raises(MissingModel, match=r"mine\.safetensors cannot be read"):
        saved.weights()


def test_a_broken_card_is_named(saved):
    saved.path.with_suffix(".json").write_text("{")
    with pytest.raises(MissingModel, match=r"mine\.json cannot be read"):
        find_model(str(saved.path), "link")


def test_a_folder_that_cannot_be_made_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="cannot be written"):
        save_model(torch.nn.Linear(3, 1).state_dict(), CARD, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("blocked", range(4))
def test_a_model_that_cannot_be_replaced_whole_stays_as_it_was(saved, monkeypatch, blocked):
    """Whichever of the files cannot be moved: never new weights with an old card."""
    rename, moves = Path.replace, []

    def refuse(path, target):
        moves.append(target)
        if len(moves) == blocked + 1:
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    before, files = saved.weights(), set(saved.path.parent.iterdir())
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(CannotWrite, match="Permission denied"):
        save_model(torch.nn.Linear(3, 1).state_dict(), ModelCard(**NEWER), saved.path.parent)
    assert find_model("mine", "link", saved.path.parent) == saved
    assert all((saved.weights()[name] == tensor).all() for name, tensor in before.items())
    assert set(saved.path.parent.iterdir()) == files


def test_a_first_model_that_cannot_be_stored_whole_is_not_there(tmp_path, monkeypatch):
    rename = Path.replace

    def refuse(path, target):
        if Path(target).suffix == ".json":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(CannotWrite):
        save_model(torch.nn.Linear(3, 1).state_dict(), CARD, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_takes_the_place_of_a_former_one(saved):
    newer = save_model(torch.nn.Linear(5, 1).state_dict(), ModelCard(**NEWER), saved.path.parent)
    assert find_model("mine", "link", saved.path.parent) == newer
    assert newer.weights()["weight"].shape == (1, 5)
    assert len(list(saved.path.parent.iterdir())) == 2


def test_models_in_the_home_folder_are_stored_and_found_there(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    model = save_model(torch.nn.Linear(3, 1).state_dict(), CARD, "~/models")
    assert model.path == tmp_path / "models" / "mine.safetensors"
    assert model in list_models("link", "~/models")
    assert find_model("~/models/mine.safetensors", "link") == model


def test_a_graphics_card_that_is_not_there_is_refused_with_a_sentence():
    assert choose_device("cpu").type == "cpu"
    missing = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(UserError, match="cannot use it; choose 'auto' or 'cpu'"):
        choose_device(missing)


class Sum:
    """Learn to add three numbers; the score is how near the weights come to one."""

    def __len__(self):
        return 20

    def batches(self, rng):
        for _ in range(len(self)):
            x = torch.tensor(rng.normal(size=(32, 3)), dtype=torch.float32)
            yield x, x.sum(1, keepdim=True)

    def loss(self, network, batch):
        return ((network(batch[0]) - batch[1]) ** 2).mean()

    def score(self, network):
        return -float((network.weight.detach() - 1).abs().max())


def trained(average=0.0, progress=lambda *_: None):
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 1)
    settings = FitSettings(epochs=10, learning_rate=0.1, average=average)
    return network, fit(network, Sum(), settings, progress=progress)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_training_learns_and_keeps_the_best_epoch(average):
    network, history = trained(average)
    assert Sum().score(network) == pytest.approx(max(epoch.score for epoch in history))
    assert Sum().score(network) > -0.02


def test_the_same_seed_gives_the_same_network():
    assert np.array_equal(trained()[0].weight.detach(), trained()[0].weight.detach())


def test_training_stops_when_cancelled():
    def stop(done, total, message=""):
        if done == 30:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(progress=stop)


@pytest.mark.parametrize(("has_them", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_products_are_of_bfloat16_only_where_the_processor_multiplies_it(
    monkeypatch, has_them, kind
):
    """Elsewhere a batch of the segmentation took nine times as long."""
    for tell in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, tell, lambda: has_them, raising=False)
    with faster_products(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


@pytest.mark.skipif(sys.platform != "linux", reason="asks the C library of Linux")
def test_memory_of_arrays_that_are_gone_is_used_again():
    """By default the system clears each page anew: a third of the time of a large image."""
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("another C library")
    keep_freed_memory()

    def pages_asked_for():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            torch.zeros(16_000_000) + 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages_asked_for()
    assert pages_asked_for() < 16_000_000 * 4 / resource.getpagesize()
