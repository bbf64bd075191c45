"""The simulated annotator of the benchmarks: it makes lineages perfect, and counts what it does."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from corrections import cell, editor_of, experiment_of
from examples import division

from napari_cellcycle.config import SimulateSettings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.evaluation.tracking import compare_tracking
from napari_cellcycle.simulate import simulate

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Gives a module of the benchmarks, which are scripts beside each other and no package."""
    monkeypatch.syspath_prepend(FOLDER)
    return import_module


@pytest.fixture
def known(benchmark):
    """The truth about a division, and an editor of it."""
    experiment, editor = experiment_of(division()), editor_of(division())
    truth = benchmark("known_truth").Truth(experiment.tracks, experiment.labels, editor.draft)
    return benchmark("known_truth"), truth, editor


def test_the_truth_has_no_errors(known):
    module, truth, editor = known
    assert truth.errors(editor.draft) == 0
    assert not module.link_errors(truth, editor.draft)
    assert not module.division_errors(truth, editor.draft)
    assert not module.mask_errors(truth, editor.draft)


def test_a_link_that_was_cut_is_one_error_that_both_its_ends_lead_to(known):
    module, truth, editor = known
    child = cell(editor, 2, 2)
    parent = editor.draft.parent(child)
    editor.do("unlink", child=child)
    assert truth.errors(editor.draft) == 1
    (error,) = module.link_errors(truth, editor.draft)
    assert error.cells == {parent, child}
    assert module.found_by([error], [[99], [child]]).tolist() == [1]
    assert module.found_by([error], [[99]]).tolist() == [1]


def test_a_cell_without_a_mask_leads_from_its_relatives_and_counts_as_one_event(known):
    module, truth, editor = known
    gone, before, after = (cell(editor, t, 2) for t in (2, 1, 3))
    editor.do("delete_cells", cells=[gone])
    truth.look_again(editor.draft, [2])
    errors = module.link_errors(truth, editor.draft)
    assert {frozenset(error.cells) for error in errors} == {frozenset((before, after))}
    assert len(errors) == 3  # two that are missed, one that skips
    assert set(module.as_events(errors)) == {0}


def test_two_cells_in_one_mask_have_none_of_their_own(known):
    module, truth, editor = known
    editor.do("merge", frame=5, labels=[3, 4], keep=3, apart=True)
    truth.look_again(editor.draft, [5])
    (error,) = module.mask_errors(truth, editor.draft)
    assert len(error.true) == 2
    assert truth.inside(cell(editor, 5, 3)) == sorted(error.true)
    assert module.division_errors(truth, editor.draft) == []


@pytest.fixture(scope="module")
def spoilt():
    """A simulated movie with faulty masks, tracked by the simple linker, and its truth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        reviewed = import_module("reviewed")
        settings = SimulateSettings(frames=12, size=160, cells=10, cycle_hours=3, seed=5)
        made = simulate(settings)
        source = reviewed.Source("small", made.movie, made.labels, made.labels, made.tracks)
        yield source.tracked("worse", "simple")


@pytest.mark.parametrize("order", ["the list", "frame by frame", "at random"])
@pytest.mark.parametrize("resolving", [True, False])
def test_every_order_ends_with_a_perfect_lineage(benchmark, spoilt, order, resolving):
    annotator = benchmark("annotator").corrected(spoilt, order, resolving)
    log, draft = annotator.log, annotator.draft
    assert log.errors[0] > 0 and log.errors[-1] == 0
    masks = LabelStack(np.asarray(draft.masks))
    found = compare_tracking(masks, draft.tracks(), spoilt.true_labels, spoilt.true_tracks)
    assert found.errors.empty
    clicks = [log.until(share)[0] for share in (0.5, 0.8, 1.0)]
    assert 0 < clicks[0] <= clicks[1] <= clicks[2]
    spent = sum(benchmark("annotating").COSTS[name] * n for name, n in log.counts.items())
    assert clicks[2] <= spent
    steps = len(annotator.editor.history.done)
    assert steps >= sum(log.counts.values()) - log.counts.get("view", 0) - log.counts.get("jump", 0)


def test_the_list_is_ranked_against_the_truth(benchmark, spoilt):
    found = benchmark("ranking").rank(spoilt)
    assert found.errors > 0
    assert 0 <= found.early_errors <= found.all_errors <= 1
    assert found.all_events > 0.8
    assert str(found).count("|") == found.HEAD.splitlines()[0].count("|")
