"""The library of models: in use, renamed, removed and brought back, compared, rolled back."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import torch

from napari_cellcycle.errors import BadInput, CannotWrite, MissingModel
from napari_cellcycle.models import library
from napari_cellcycle.models.known import is_known
from napari_cellcycle.models.library import (
    KINDS,
    NameTaken,
    check_name,
    default_model,
    empty_bin,
    former_of,
    free_name,
    list_entries,
    list_removed,
    pick_model,
    remove_model,
    rename_model,
    restore_model,
    roll_back,
    use_instead,
    use_model,
)
from napari_cellcycle.models.library_cards import (
    ancestry,
    card_in_words,
    compare_cards,
    headline,
    lineage,
)
from napari_cellcycle.models.store import ModelCard, find_model, list_models, save_model

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


def taught(folder, name, parent="cellcycle-links", day=0, **facts):
    """A link model of one's own, made so many days after that Monday."""
    known = {"kind": "link", "architecture": "graph network over cells"}
    card = ModelCard(
        name=name, parent=parent, created=MONDAY + timedelta(days=day), **(known | facts)
    )
    return save_model({"weight": torch.full((2, 3), float(day))}, card, folder)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def own(folder):
    return [entry.model.card.name for entry in list_entries(folder=folder) if not entry.shipped]


def test_shipped_models_are_in_use_until_another_is_chosen(tmp_path):
    shipped = {kind: default_model(kind, tmp_path) for kind in KINDS}
    assert shipped == {"segment": "cellcycle-nuclei", "link": "cellcycle-links", "stage": "rnn"}
    use_model(taught(tmp_path, "mine"), tmp_path)
    assert default_model("link", tmp_path) == "mine"
    assert default_model("stage", tmp_path) == "rnn"
    used = {entry.model.card.name for entry in list_entries(folder=tmp_path) if entry.used}
    assert used == {"cellcycle-nuclei", "mine", "rnn"}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"in use": 3}', '{"in use": {"link": "gone"}}'])
def test_what_cannot_be_read_or_found_falls_back_on_the_shipped_model(tmp_path, text):
    (tmp_path / "_in_use.json").write_text(text)
    assert default_model("link", tmp_path) == "cellcycle-links"


def test_the_way_back_goes_from_parent_to_parent_and_ends_at_the_first(tmp_path):
    taught(tmp_path, "first", day=1)
    use_model(taught(tmp_path, "second", parent="first", day=2), tmp_path)
    assert [each.name for each in lineage(pick_model("second", tmp_path).card, tmp_path)] == [
        "first",
        "cellcycle-links",
    ]
    assert roll_back("link", tmp_path).card.name == "first"
    assert default_model("link", tmp_path) == "first"
    assert roll_back("link", tmp_path).card.name == "cellcycle-links"
    with pytest.raises(MissingModel, match=r"'cellcycle-links', was not taught from another"):
        roll_back("link", tmp_path)
    assert default_model("link", tmp_path) == "cellcycle-links"


def test_the_way_back_from_a_taught_model_is_the_one_that_it_replaced(tmp_path):
    use_model(taught(tmp_path, "mine", day=3), tmp_path)
    use_instead(taught(tmp_path, "new", parent="simple", day=1), tmp_path)
    use_instead(taught(tmp_path, "newer", parent="new", day=4), tmp_path)
    assert roll_back("link", tmp_path).card.name == "new"
    assert roll_back("link", tmp_path).card.name == "mine"
    assert roll_back("link", tmp_path).card.name == "cellcycle-links"


def test_the_way_back_follows_other_names_and_forgets_what_was_removed(tmp_path):
    mine = taught(tmp_path, "mine")
    use_model(mine, tmp_path)
    new = taught(tmp_path, "new", parent="simple")
    use_instead(new, tmp_path)
    rename_model(mine, "yours", tmp_path)
    new = rename_model(new, "newest", tmp_path)
    assert former_of("link", tmp_path).card.name == "yours"
    removed = remove_model(pick_model("yours", tmp_path), tmp_path)
    with pytest.raises(MissingModel, match=r"instead of 'yours'.* bring it back from the bin"):
        roll_back("link", tmp_path)
    restore_model(removed, tmp_path)
    remove_model(new, tmp_path)
    use_model(taught(tmp_path, "newest", parent="simple"), tmp_path)
    assert roll_back("link", tmp_path).card.name == "simple"


def test_a_model_that_no_step_can_run_does_not_come_into_use(tmp_path):
    odd = taught(tmp_path, "odd", kind="stage", architecture="kinds of stars")
    with pytest.raises(BadInput, match=r"of a kind \(kinds of stars\) that no step can run"):
        use_model(odd, tmp_path)
    assert default_model("stage", tmp_path) == "rnn"


def test_a_parent_that_was_removed_is_named_and_can_be_brought_back(tmp_path):
    first = taught(tmp_path, "first", day=1)
    use_model(taught(tmp_path, "second", parent="first", day=2), tmp_path)
    removed = remove_model(first, tmp_path)
    with pytest.raises(MissingModel, match=r"taught from 'first'.* bring it back from the bin"):
        roll_back("link", tmp_path)
    restore_model(removed, tmp_path)
    assert roll_back("link", tmp_path).card.name == "first"


def test_a_later_model_under_the_name_of_the_parent_is_not_taken_for_it(tmp_path):
    remove_model(taught(tmp_path, "first", day=1), tmp_path)
    second = taught(tmp_path, "second", parent="first", day=2)
    taught(tmp_path, "first", day=3)
    use_model(second, tmp_path)
    with pytest.raises(MissingModel, match="not among"):
        roll_back("link", tmp_path)


def test_models_that_claim_each_other_as_parents_do_not_go_round_for_ever(tmp_path):
    one = taught(tmp_path, "one", parent="two", day=1)
    taught(tmp_path, "two", parent="one", day=1)
    assert [each.name for each in lineage(one.card, tmp_path)] == ["two"]


def test_a_card_tells_of_ancestors_that_are_not_there(tmp_path):
    first = taught(tmp_path, "first", day=1, data=["hela"])
    second = taught(tmp_path, "second", parent="first", day=2, history=ancestry(first.card))
    remove_model(first, tmp_path)
    (only,) = lineage(second.card, tmp_path)
    assert only.name == "first" and only.data == ["hela"]


def test_renaming_takes_the_curve_the_children_and_the_use_along(tmp_path):
    first = taught(tmp_path, "first", day=1)
    (tmp_path / "first.curve.csv").write_text("round,loss\n")
    taught(tmp_path, "second", parent="first", day=2)
    taught(tmp_path, "firstborn", day=1)
    use_model(first, tmp_path)
    renamed = rename_model(first, "dic", tmp_path)
    assert own(tmp_path) == ["dic", "firstborn", "second"]
    assert {"dic.curve.csv", "dic.json", "dic.safetensors"} <= set(names(tmp_path))
    assert not any(name.startswith("first.") for name in names(tmp_path))
    assert default_model("link", tmp_path) == "dic"
    assert lineage(pick_model("second", tmp_path).card, tmp_path)[0].name == "dic"
    assert torch.equal(renamed.weights()["weight"], torch.ones(2, 3))


def test_a_model_is_found_by_its_former_name_unless_another_has_it(tmp_path):
    rename_model(taught(tmp_path, "first", day=1), "dic", tmp_path)
    assert find_model("first", "link", tmp_path).card.name == "dic"
    taught(tmp_path, "first", day=5)
    assert find_model("first", "link", tmp_path).card.created == MONDAY + timedelta(days=5)


def test_a_name_given_back_is_no_former_name(tmp_path):
    renamed = rename_model(taught(tmp_path, "a"), "b", tmp_path)
    assert rename_model(renamed, "a", tmp_path).card.former_names == ["b"]


@pytest.mark.parametrize(
    "name", ["", "a b", "../a", "a/b", ".a", "_in_use", "ü", "a" * 65, "a.b", "-a"]
)
def test_names_that_are_no_names_of_files_are_refused(tmp_path, name):
    with pytest.raises(BadInput, match="cannot be the name of a model"):
        check_name(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("mine", "mine-2"),
        ("MINE", "MINE-2"),
        ("rnn", "rnn-2"),
        ("cyto3", "cyto3-2"),
        ("threshold", "threshold-2"),
    ],
)
def test_a_name_that_is_taken_is_answered_with_one_that_is_free(tmp_path, name, offer):
    taught(tmp_path, "mine")
    with pytest.raises(NameTaken, match="choose another name") as caught:
        check_name(name, tmp_path)
    assert caught.value.offer == offer
    check_name(offer, tmp_path)


def test_free_names_count_on(tmp_path):
    taught(tmp_path, "mine")
    taught(tmp_path, "mine-2")
    assert free_name("mine-2", tmp_path) == "mine-3"
    assert free_name("my own / model", tmp_path) == "my-own-model"


def test_shipped_models_stay_as_they_are(tmp_path):
    shipped = pick_model("rnn", tmp_path)
    with pytest.raises(BadInput, match="came with the package and keeps its name"):
        rename_model(shipped, "mine", tmp_path)
    with pytest.raises(BadInput, match="came with the package and cannot be removed"):
        remove_model(shipped, tmp_path)


def test_a_removed_model_comes_back_whole(tmp_path):
    model = taught(tmp_path, "mine", day=4)
    (tmp_path / "mine.curve.csv").write_text("round,loss\n")
    use_model(model, tmp_path)
    removed = remove_model(model, tmp_path)
    assert own(tmp_path) == [] and default_model("link", tmp_path) == "cellcycle-links"
    assert names(tmp_path) == ["_in_use.json", "_removed"]
    assert [each.card.name for each in list_removed(tmp_path)] == ["mine"]
    back = restore_model(removed, tmp_path)
    assert back == model and torch.equal(back.weights()["weight"], torch.full((2, 3), 4.0))
    assert (tmp_path / "mine.curve.csv").is_file() and list_removed(tmp_path) == []


def test_two_removed_models_of_one_name_are_kept_apart(tmp_path):
    for day in (1, 2):
        remove_model(taught(tmp_path, "mine", day=day), tmp_path)
    newest, oldest = list_removed(tmp_path)
    assert newest.card.created > oldest.card.created and newest.when >= oldest.when
    restore_model(oldest, tmp_path)
    with pytest.raises(NameTaken) as caught:
        restore_model(newest, tmp_path)
    restore_model(newest, tmp_path, caught.value.offer)
    assert set(own(tmp_path)) == {"mine", "mine-2"}
    assert pick_model("mine-2", tmp_path).card.created == MONDAY + timedelta(days=2)


def test_the_bin_can_be_emptied(tmp_path):
    removed = remove_model(taught(tmp_path, "mine"), tmp_path)
    assert empty_bin(tmp_path) == 1 and list_removed(tmp_path) == []
    assert empty_bin(tmp_path) == 0
    with pytest.raises(MissingModel, match="not in the bin any more"):
        restore_model(removed, tmp_path)


@pytest.mark.parametrize("step", ["store", "use", "delete"])
def test_a_rename_that_is_cut_short_loses_no_model(tmp_path, monkeypatch, step):
    model = taught(tmp_path, "mine", day=3)
    use_model(model, tmp_path)
    calls = {"store": "write_card", "use": "write_uses", "delete": "delete_files"}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(library, calls[step], fail)
    with pytest.raises(CannotWrite, match="disk is full"):
        rename_model(model, "dic", tmp_path)
    monkeypatch.undo()
    for found in list_models("link", tmp_path):
        assert found.weights()
    assert "mine" in own(tmp_path) and default_model("link", tmp_path) in own(tmp_path)


MOVING = """
import sys
from napari_cellcycle.models.library import *
folder, model = sys.argv[1], pick_model("mine", sys.argv[1])
print("begins", flush=True)
for number in range(10_000):
    model = rename_model(model, f"other-{number % 7}", folder)
    use_model(model, folder)
    model = restore_model(remove_model(model, folder), folder)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.003, 0.011, 0.023, 0.05])
def test_a_process_that_is_killed_while_it_moves_a_model_loses_none(tmp_path, after):
    taught(tmp_path, "mine", day=3)
    command = [sys.executable, "-c", MOVING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == b"begins"
        time.sleep(after)  # any moment will do
        process.kill()
    for removed in list_removed(tmp_path):
        with suppress(NameTaken):  # it was killed before the one in the folder was deleted
            restore_model(removed, tmp_path)
    own_models = [model for model in list_models("link", tmp_path) if model.path.parent == tmp_path]
    assert own_models
    for model in own_models:
        assert torch.equal(model.weights()["weight"], torch.full((2, 3), 3.0))
    assert find_model(default_model("link", tmp_path), "link", tmp_path).weights()


def test_comparing_tells_data_settings_and_scores_apart(tmp_path):
    before = taught(
        tmp_path,
        "before",
        data=["hela", "dic"],
        settings={"network": {"width": 48}, "loss": [1, 2]},
        metrics={"kept aside": {"link F1": 0.91, "true links": 300}},
        split="the last fifth",
    ).card
    after = taught(
        tmp_path,
        "after",
        parent="before",
        data=["dic", "mine"],
        settings={"network": {"width": 32}, "loss": [1, 2]},
        metrics={"kept aside": {"link F1": 0.96, "true links": 300, "division F1": 0.8}},
        split="the last fifth",
    ).card
    found = compare_cards(before, after)
    assert (found.data_one, found.data_both, found.data_other) == (["hela"], ["dic"], ["mine"])
    assert [(d.name, d.one, d.other) for d in found.settings] == [("network: width", 48, 32)]
    scores = {d.name: (d.one, d.other) for d in found.scores}
    assert scores["kept aside: link F1"] == (0.91, 0.96)
    assert scores["kept aside: division F1"] == (None, 0.8)
    assert found.same_measure
    stage = find_model("rnn", "stage").card
    assert [d.name for d in compare_cards(after, stage).settings][:2] == ["kind", "architecture"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_taught_model_is_compared_with_its_parent_on_the_same_data(tmp_path, turned):
    parent = taught(tmp_path, "parent", metrics={"kept aside": {"link F1": 0.99}}).card
    metrics = {
        "kept aside": {"link F1": 0.96, "new figure": 1.0},
        "kept aside, before": {"link F1": 0.91},
    }
    child = taught(tmp_path, "child", parent="parent", metrics=metrics).card
    found = compare_cards(child, parent) if turned else compare_cards(parent, child)
    (score,) = found.scores
    assert score.name == "kept aside: link F1" and found.same_measure
    assert (score.one, score.other) == ((0.96, 0.91) if turned else (0.91, 0.96))


def test_every_shipped_card_can_be_told_in_words_and_is_of_a_known_kind():
    for model in list_models():
        told = dict(card_in_words(model))
        assert {"What it does", "Made", "Learned from", "File"} <= told.keys()
        assert is_known(model.card), model.card.name


def test_the_figure_that_says_most_comes_with_what_it_was_before(tmp_path):
    metrics = {
        "kept aside": {"macro_f1": 0.91, "interval": [0.8, 0.95], "accuracy": 0.93},
        "kept aside, before": {"macro_f1": 0.62, "interval": [0.5, 0.7], "accuracy": 0.7},
    }
    card = taught(tmp_path, "mine", metrics=metrics, examples={"frames": 20, "cells": 1204}).card
    assert headline(card) == "mean F1 of stages 0.910, before 0.620"
    told = dict(card_in_words(pick_model("mine", tmp_path), tmp_path, used=True))
    assert told["How much"] == "20 frames, 1,204 cells"
    assert "mean F1 of stages 0.910 (0.800 to 0.950)" in told["Scores"]
    assert told["Taught from"] == "cellcycle-links" and told["What it does"].endswith("In use now.")


def test_cards_from_before_the_library_are_read(tmp_path):
    model = taught(tmp_path, "old", parent=None)
    card = json.loads(model.path.with_suffix(".json").read_text())
    for field in ("history", "examples", "former_names"):
        del card[field]
    card["created"] = "2026-01-02T03:04:05"  # without a time zone
    model.path.with_suffix(".json").write_text(json.dumps(card))
    taught(tmp_path, "new", parent="old")
    found = pick_model("new", tmp_path).card
    assert [each.name for each in lineage(found, tmp_path)] == ["old"]
