"""Teaching: scores before and after on the same truth, proposals, guards, and clear sentences."""

import re
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from taught import BASES, TINY, corrected, request_for, saved, untouched, with_pins

from napari_cellcycle.data.stages import free_stages
from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.library import (
    NameTaken,
    default_model,
    list_entries,
    pick_model,
    roll_back,
)
from napari_cellcycle.models.stage.model import open_stage_model, stages_of
from napari_cellcycle.models.store import find_model, save_model
from napari_cellcycle.progress import Cancelled
from napari_cellcycle.training.fit import FitSettings, bare_name, fit
from napari_cellcycle.training.teach import (
    TeachRequest,
    accept,
    discard,
    keep_best,
    proposed,
    read_result,
    teach,
)
from napari_cellcycle.training.teach.new_stages import widened
from napari_cellcycle.training.teach.tallies import (
    Tally,
    contrast,
    f1_of,
    macro_f1_of,
    mean_fit,
)
from napari_cellcycle.training.teach.verdicts import PROBABLE, Tried, chosen, judged

pytestmark = pytest.mark.usefixtures("little_memory")


def stopping_when(told):
    """A progress that stops as soon as `told` says so."""

    def progress(done, total, message=""):
        if told():
            raise Cancelled

    return progress


def with_stage(stages, name):
    """A set with one stage more, told anywhere."""
    odd = free_stages([name]).stages
    return replace(stages, stages=(*stages.stages, *odd))


# ---------------------------------------------------------------- learning, proposing, accepting


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    """A link model taught on a corrected movie, with what was heard, and its weights."""
    place = saved(corrected(), tmp_path_factory.mktemp("links"))
    heard = []
    result = teach(request_for(place, "link"), listen=heard.append)
    return result, heard, load_file(result.models[0].path)


def test_a_taught_model_is_proposed_with_scores_before_and_after(links):
    result, heard, _ = links
    (model,) = result.models
    found = model.verdict.held_out
    assert found.groups >= 3 and "lineages kept aside" in found.on
    assert 0 <= found.before_interval[0] <= found.before <= found.before_interval[1] <= 1
    assert model.verdict.remembered is not None and 0 < model.verdict.share <= 1
    assert "were kept aside" in model.split and model.counts["links"] > 50
    assert [point["epoch"] for point in heard] == [1, 2] == [r.number for r in model.rounds]
    assert heard[0]["kind"] == "link" and heard[0]["seconds_left"] > 0


def test_the_card_tells_what_it_was_taught_from(links):
    result, *_ = links
    card = proposed(result, "link").card
    assert card.parent == "simple" == card.history[0].name
    assert card.examples == result.models[0].counts and card.seconds > 0
    assert {"kept aside", "kept aside, before"} <= set(card.metrics)
    assert card.settings["training"]["epochs"] == TINY.epochs
    assert "torch" in card.software and card.data[0].startswith("mine, frames")


def test_a_proposal_is_of_the_library_only_when_accepted(links):
    result, *_ = links
    folder = result.request.model_folder
    name = result.models[0].name
    assert name not in [entry.model.card.name for entry in list_entries("link", folder)]
    assert default_model("link", folder) == "cellcycle-links"
    with pytest.raises(NameTaken):
        accept(result, "link", name="simple")
    after, own = accept(result, "link")
    assert default_model("link", folder) == name == own.card.name
    assert read_result(result.folder).models[0].accepted == name == after.models[0].accepted
    assert roll_back("link", folder).card.name == "cellcycle-links"  # though taught from "simple"
    gone = discard(after, "link")
    assert gone.models[0].discarded and pick_model(name, folder).path.is_file()
    with pytest.raises(BadInput, match="no proposed model"):
        proposed(gone, "link")


def test_the_same_seed_gives_the_same_weights(links, tmp_path):
    place = saved(corrected(), tmp_path)
    again = teach(request_for(place, "link"))
    first, second = links[2], load_file(again.models[0].path)
    assert all((first[name] == second[name]).all() for name in first)


def test_what_was_taught_differs_from_the_base(links):
    old, new = load_file(pick_model("simple").path), links[2]
    assert any((old[name] != new[name]).any() for name in old)


@pytest.mark.parametrize("kind", ["segment", "stage"])
def test_masks_and_stages_are_taught_alike(kind, tmp_path):
    settings = TINY.model_copy(update={"batch_size": 2})
    result = teach(request_for(saved(corrected(), tmp_path), kind, settings=settings))
    (model,) = result.models
    assert model.verdict.held_out is not None and model.verdict.outcome != "unknown"
    assert model.name.startswith(BASES[kind]) and sum(model.counts.values()) > 20
    assert proposed(result, kind).weights()


def test_volumes_teach_links(tmp_path):
    result = teach(request_for(saved(corrected(3), tmp_path), "link"))
    assert result.models[0].verdict.words


# ---------------------------------------------------------------- stopping and going on


@pytest.mark.parametrize("kind", ["link", "stage"])
def test_a_stopped_teaching_goes_on_to_the_same_weights(tmp_path, kind):
    settings = TINY.model_copy(update={"epochs": 4})
    place = saved(corrected(), tmp_path)
    through = teach(request_for(place, kind, settings=settings, name="through"))
    heard = []
    stopped = request_for(place, kind, settings=settings, name="stopped")
    with pytest.raises(Cancelled):
        teach(stopped, stopping_when(lambda: len(heard) > 1), heard.append)
    assert read_result(stopped.folder) is None and not list(stopped.folder.glob("*/*.safetensors"))
    saved(untouched(), tmp_path)  # what is corrected meanwhile changes nothing
    result = teach(stopped, listen=heard.append)
    assert [point["epoch"] for point in heard] == [1, 2, 3, 4]
    one, other = (load_file(each.models[0].path) for each in (through, result))
    assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("kind", ["link", "stage"])
def test_the_best_so_far_of_a_stopped_teaching_can_be_kept(tmp_path, kind):
    settings = TINY.model_copy(update={"epochs": 50})
    request = request_for(saved(corrected(), tmp_path), kind, settings=settings)
    heard = []
    with pytest.raises(Cancelled):
        teach(request, stopping_when(lambda: len(heard) > 1), heard.append)
    (model,) = keep_best(request).models
    assert len(model.rounds) == len(heard) and "stopped early" in " ".join(model.notes)
    assert model.verdict.held_out is not None and model.path.is_file()


def test_nothing_is_kept_of_a_teaching_that_learned_nothing(tmp_path):
    request = request_for(saved(corrected(), tmp_path), "link")
    with pytest.raises(BadInput, match="No round of learning"):
        keep_best(request)


# ---------------------------------------------------------------- guards


def tally(right, of=20, groups=8):
    """F1 of some groups with so many of 20 right on average."""
    rng = np.random.default_rng(3)
    noise = rng.integers(-1, 2, groups)
    each = np.clip(right + noise, 0, of)
    return Tally(
        "F1", np.stack([each, np.full(groups, of), np.full(groups, of)], 1), f1_of(0, 1, 2)
    )


def test_better_same_and_worse_are_told_apart():
    old = Tried(0, tally(10), tally(18))
    better = judged(old, Tried(1, tally(14), tally(18)), "lineages")
    worse = judged(old, Tried(1, tally(6), tally(18)), "lineages")
    same = judged(old, Tried(1, tally(10), tally(18)), "lineages")
    assert [v.outcome for v in (better, same, worse)] == ["better", "no difference", "worse"]
    assert [v.recommended for v in (better, same, worse)] == [True, False, False]
    assert worse.words.startswith("Worse.") and better.words.startswith("Better.")


def test_a_gain_that_is_sure_but_tiny_is_said_to_be_hardly_any():
    old = tally(5_000, of=10_000)
    new = replace(old, added=old.added + np.array([4, 0, 0]))
    verdict = judged(Tried(0, old, None), Tried(1, new, None), "lineages")
    assert verdict.outcome == "better" and 0 < verdict.held_out.gain < 0.001
    assert verdict.words.startswith("Better, but hardly. F1 went up from 0.49999")
    before, after = re.search(r"from ([\d.]+) to ([\d.]+),", verdict.words).groups()
    assert float(before) < float(after)


def test_a_gain_that_is_likely_but_not_sure_is_said_to_be_so():
    old, new = tally(10), tally(11)
    few = replace(new, added=new.added.copy())
    few.added[0, 0] = old.added[0, 0] - 2
    verdict = judged(Tried(0, old, None), Tried(1, few, None), "lineages")
    assert verdict.held_out.gain_interval[0] < 0
    assert verdict.outcome == "probably better" and verdict.recommended
    assert verdict.words.startswith("Probably better (9")


def test_what_one_lineage_alone_has_won_may_be_chance():
    """The other links of these lineages got hardly worse; links of another kind, one has alone."""
    fit, often = np.tile([0.0, 4.0], (6, 1)), np.tile([0.0, 4.0], (6, 1))
    often[1, 0] = 2
    gain = np.tile([0.0, -5e-5], (6, 1))
    gain[1, 0] = 8e-3
    score = mean_fit(slice(0, 2), slice(2, 4))
    old, new = (Tally("certainty", np.hstack([each, often]), score) for each in (fit, fit + gain))
    verdict = judged(Tried(0, old, None), Tried(1, new, None), "6 lineages")
    assert verdict.held_out.chance > PROBABLE and not verdict.held_out.firm
    assert verdict.outcome == "no difference" and not verdict.recommended
    assert verdict.words.endswith("Without one of them it would be none: correct more.")
    both = gain.copy()
    often[2, 0], both[2, 0] = 2, 8e-3
    old, new = (Tally("certainty", np.hstack([each, often]), score) for each in (fit, fit + both))
    assert judged(Tried(0, old, None), Tried(1, new, None), "6 lineages").recommended


@pytest.mark.parametrize(("before", "remembered"), [(10, 17), (8.5, 14)])
def test_what_won_more_than_it_forgot_is_better_and_says_for_what(before, remembered):
    old = Tried(0, tally(before), tally(18))
    verdict = judged(old, Tried(1, tally(16), tally(remembered)), "lineages")
    assert verdict.outcome == "better" and verdict.recommended
    assert "elsewhere it may do worse" in verdict.words


def test_what_forgot_more_than_it_won_is_worse():
    old = Tried(0, tally(10), tally(18))
    verdict = judged(old, Tried(1, tally(10.5), tally(17)), "lineages")
    assert verdict.outcome == "worse" and not verdict.recommended


def test_what_forgot_as_much_as_it_won_is_worse():
    old = Tried(0, tally(10), tally(18))
    verdict = judged(old, Tried(1, tally(16), tally(12)), "lineages")
    assert verdict.outcome == "worse" and not verdict.recommended
    assert verdict.words.startswith("Worse: it forgot")


def test_the_step_that_forgets_nothing_is_chosen_and_the_shorter_of_two_alike():
    old = Tried(0, tally(10), tally(18))
    far = Tried(1, tally(16), tally(12))
    half, quarter = Tried(0.5, tally(14), tally(18)), Tried(0.25, tally(14), tally(18))
    assert chosen(old, [quarter, half, far]).share == 0.25
    assert chosen(old, [half, far]).share == 0.5
    assert chosen(old, [far]).share == 1


def test_two_groups_are_too_few_to_tell():
    verdict = judged(Tried(0, tally(4, groups=2), None), Tried(1, tally(18, groups=2), None), "x")
    assert verdict.outcome == "no difference" and "too little to tell" in verdict.words


def test_without_anything_kept_aside_nobody_knows():
    verdict = judged(Tried(0, None, tally(18)), Tried(1, None, tally(18)), "nothing")
    assert verdict.outcome == "unknown" and not verdict.recommended
    assert "Nobody knows" in verdict.words


def test_intervals_of_a_difference_are_of_pairs():
    found = contrast(tally(10), tally(11), "x")
    assert found.gain == pytest.approx(0.05) == found.gain_interval[0]
    assert np.ptp(found.before_interval) > np.ptp(found.gain_interval)


def test_macro_f1_counts_the_stages_that_occur():
    table = np.array([[4, 0, 0], [1, 3, 0], [0, 0, 0]]).ravel()
    assert macro_f1_of(3)(table) == pytest.approx((8 / 9 + 6 / 7) / 2)


def test_a_model_taught_wrong_stages_is_not_recommended(tmp_path):
    found = corrected()
    cells = found.tracks.cells
    swapped = {"interphase": "metaphase", "metaphase": "interphase"}
    wrong = {c: swapped.get(name, name) for c, name in cells["stage"].items()}
    settings = TINY.model_copy(
        update={"epochs": 3, "batches": 10, "learning_rate": 5e-3, "layers": "all", "closeness": 0}
    )
    place = saved(with_pins(found, wrong), tmp_path)
    (model,) = teach(request_for(place, "stage", settings=settings)).models
    assert model.verdict.outcome == "worse" and not model.verdict.recommended
    assert model.verdict.words.startswith("Worse: it forgot")


def test_layers_and_closeness_hold_weights_where_they_were():
    torch = pytest.importorskip("torch")

    class Task:
        def __len__(self):
            return 5

        def batches(self, rng):
            return iter([torch.ones(4, 3)] * 5)

        def loss(self, network, batch):
            return (network(batch) - 9).square().mean()

        def score(self, network):
            return None

    def moved(**settings):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
        before = {name: t.clone() for name, t in network.state_dict().items()}
        fit(network, Task(), FitSettings(epochs=2, learning_rate=0.1, **settings))
        after = network.state_dict()
        return {name: float((after[name] - before[name]).abs().sum()) for name in before}

    free, last, close = moved(), moved(layers=("1",)), moved(closeness=9.0)
    assert last["0.weight"] == 0 < last["1.weight"]
    assert 0 < close["0.weight"] < free["0.weight"]


# ---------------------------------------------------------------- clear sentences


@pytest.mark.parametrize("kind", ["segment", "link", "stage"])
def test_without_corrections_it_says_what_to_correct(kind, tmp_path):
    with pytest.raises(BadInput, match="nothing to learn from"):
        teach(request_for(saved(untouched(), tmp_path), kind))


def test_one_kind_without_corrections_does_not_stop_the_others(tmp_path):
    found = replace(corrected(), confirmed=frozenset())
    result = teach(request_for(saved(found, tmp_path), "segment", "link"))
    assert [model.kind for model in result.models] == ["link"]
    assert "No mask was corrected" in result.refused["segment"]


def test_one_stage_alone_teaches_nothing(tmp_path):
    found = untouched()
    one = with_pins(found, dict.fromkeys(found.tracks.cells.index[:20].tolist(), "metaphase"))
    with pytest.raises(BadInput, match="are in metaphase"):
        teach(request_for(saved(one, tmp_path), "stage"))


def test_stages_that_the_base_does_not_tell_are_named(tmp_path):
    found = replace(untouched(), stages=free_stages(["flat", "round"]))
    ids = found.tracks.cells.index
    found = replace(found, tracks=found.tracks.with_columns(stage="flat"))
    other = with_pins(found, {int(ids[0]): "flat", int(ids[1]): "round"})
    with pytest.raises(BadInput, match="shows flat, round, but the model 'frame' tells"):
        teach(request_for(saved(other, tmp_path), "stage"))


@pytest.mark.parametrize("base", ["frame", "rnn"])
def test_a_model_widened_by_a_stage_tells_the_others_as_before(base):
    model = find_model(base, "stage")
    old, wide = stages_of(model.card), with_stage(stages_of(model.card), "odd")
    before, after = model.weights(), widened(model.weights(), old, wide)
    heads = [name for name in before if bare_name(name).startswith("head.") and "weight" in name]
    assert len(heads) == model.card.settings.get("members", 1)
    for name in heads:
        seen = np.random.default_rng(0).random((500, before[name].shape[1])).astype(np.float32)
        told = []
        for state in (before, after):
            rows = [state[name.replace("weight", what)].numpy() for what in ("weight", "bias")]
            told.append((seen @ rows[0].T + rows[1]).argmax(axis=1))
        assert (told[0] == told[1]).all() and len(after[name]) == len(wide)


def test_a_stage_that_the_base_does_not_tell_is_learned_besides(tmp_path):
    found = corrected()
    wider = replace(found, stages=with_stage(found.stages, "odd"))
    cells = found.tracks.cells
    odd = {c: "odd" if name == "interphase" else name for c, name in cells["stage"].items()}
    settings = TINY.model_copy(
        update={"batches": 20, "batch_size": 8, "learning_rate": 0.1, "closeness": 0}
    )
    place = saved(with_pins(wider, odd), tmp_path)
    asked = request_for(place, "stage", settings=settings)
    result = teach(asked)
    card = proposed(result, "stage").card
    assert stages_of(card).names == wider.stages.names
    before, after = result.models[0].verdict.held_out.figures["F1 of odd"]
    assert before == 0 and after > 0.3
    told = open_stage_model(str(result.models[0].path), "cpu")
    assert told.stages.names[-1] == "odd"


def test_contradicting_corrections_of_two_copies_are_told(tmp_path):
    found = untouched()
    cell, other = found.tracks.cells.index[:2].tolist()
    places = [
        saved(with_pins(found, {cell: stage, other: "interphase"}), tmp_path, name)
        for name, stage in (("a", "metaphase"), ("b", "anaphase"))
    ]
    request = request_for(places[0], "stage", sources=tuple(places))
    with pytest.raises(BadInput, match="set to metaphase in a, but to anaphase in b"):
        teach(request)


def test_cells_far_too_large_for_the_base_are_told(tmp_path):
    found = corrected()
    masks = np.ones((len(found.labels), 700, 700), np.int32)
    pixels = np.random.default_rng(0).random((len(masks), 1, 700, 700)).astype(np.float32)
    from napari_cellcycle.data.labels import LabelStack

    movie = replace(found.movie, pixels=pixels)
    large = replace(found, movie=movie, labels=LabelStack(masks), tracks=None)
    with pytest.raises(BadInput, match=r"are 79\d pixels wide"):
        teach(request_for(saved(large, tmp_path), "segment"))


def test_models_that_cannot_be_taught_so_are_told(tmp_path):
    place = saved(corrected(), tmp_path)
    with pytest.raises(BadInput, match="model of Cellpose"):
        teach(request_for(place, "segment", bases={"segment": "cyto3"}))
    with pytest.raises(BadInput, match="is no experiment"):
        teach(request_for(tmp_path / "nothing", "link"))
    frame = find_model("frame", "stage")
    settings = {**frame.card.settings, "channels": 2}
    two = frame.card.model_copy(update={"name": "two", "settings": settings})
    save_model(frame.weights(), two, tmp_path / "models")
    with pytest.raises(BadInput, match="looks at 2 channels, but corrections show cells in one"):
        teach(request_for(place, "stage", bases={"stage": "two"}))


def test_a_request_is_the_same_after_writing_and_reading(tmp_path):
    request = request_for(tmp_path / "mine.cellcycle", "link")
    assert TeachRequest.model_validate_json(request.model_dump_json()) == request
    assert request.name and request.folder.parent == tmp_path / "models" / "teaching"


def test_smaller_batches_are_tried_where_the_memory_runs_out(tmp_path, monkeypatch):
    from napari_cellcycle.training.link import simple

    train, sizes = simple.train_linker, []

    def short_of_memory(*given, **named):
        sizes.append(1)
        if len(sizes) == 1:
            raise RuntimeError("CUDA out of memory")
        return train(*given, **named)

    monkeypatch.setattr(simple, "train_linker", short_of_memory)
    (model,) = teach(request_for(saved(corrected(), tmp_path), "link")).models
    assert len(sizes) == 2 and "memory ran out" in model.notes[0]


def test_the_best_so_far_is_kept_of_a_teaching_in_smaller_batches(tmp_path, monkeypatch):
    """Its rounds lie in another file, and none is left once there is a proposal."""
    from napari_cellcycle.training.link import simple

    train, tries, heard = simple.train_linker, [], []

    def short_of_memory(*given, **named):
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("CUDA out of memory")
        return train(*given, **named)

    monkeypatch.setattr(simple, "train_linker", short_of_memory)
    settings = TINY.model_copy(update={"epochs": 50})
    request = request_for(saved(corrected(), tmp_path), "link", settings=settings)
    with pytest.raises(Cancelled):
        teach(request, stopping_when(lambda: len(heard) > 1), heard.append)
    (model,) = keep_best(request).models
    assert len(model.rounds) == len(heard) and model.path.is_file()
    assert not list(request.folder.glob("*.training"))
