"""Few corrections: something is always left to learn from, of every kind that was corrected."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from taught import TINY, corrected, request_for, saved, untouched, with_pins

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.teach import teach
from napari_cellcycle.training.teach.aside import aside_of, turns_of
from napari_cellcycle.training.teach.lesson import Material
from napari_cellcycle.training.teach.mask_lesson import MaskLesson
from napari_cellcycle.training.teach.stage_lesson import StageLesson
from napari_cellcycle.training.teach.truth import lineage_of

pytestmark = pytest.mark.usefixtures("little_memory")

CORRECTIONS = some.lists(
    some.tuples(some.integers(0, 7), some.integers(-1, 3)), min_size=1, max_size=40
)


def cells_of_lineages(experiment, *counts):
    """So many cells (ids) of each of the first lineages."""
    lineage, ids = lineage_of(experiment.tracks), experiment.tracks.cells.index
    return [ids[lineage == number][:count].tolist() for number, count in enumerate(counts)]


def stages_of_lineages(*stages):
    """A movie in which the first cells of each lineage were set to these stages."""
    found = untouched()
    cells = cells_of_lineages(found, *map(len, stages))
    return with_pins(found, dict(zip(chain(*cells), chain(*stages), strict=True)))


@given(CORRECTIONS, some.integers(0, 5), some.sampled_from([0.1, 0.25, 0.5]))
def test_every_kind_that_was_corrected_is_learned_from(corrections, seed, part):
    group, code = np.array(corrections).T
    aside = aside_of(group, code, part, seed, ("lineage", "lineages"), 8)
    held = aside.kept[group]
    kinds = set(code[code >= 0])
    assert set(code[~held & (code >= 0)]) == kinds
    assert not held.any() or set(code[held]) & kinds
    assert aside.words.startswith("nothing was kept aside") == (not held.any())


@given(CORRECTIONS, some.integers(0, 5), some.sampled_from([0.1, 0.25, 0.5]))
def test_in_every_turn_every_kind_that_was_corrected_is_learned_from(corrections, seed, part):
    group, code = np.array(corrections).T
    aside = turns_of(group, code, part, seed, ("lineage", "lineages"), 8)
    kinds = set(code[code >= 0])
    for groups in aside.parts:
        held = np.isin(group, groups)
        assert held.any() and set(code[~held & (code >= 0)]) == kinds
    assert aside.words.startswith("nothing was kept aside") == (not aside)


@pytest.mark.parametrize(("base", "interphase"), [("rnn", 2), ("frame", 6)])
@pytest.mark.parametrize("seed", range(3))
def test_the_only_lineage_that_shows_a_stage_is_learned_from(seed, base, interphase):
    """The other one is kept aside: for good, or in a turn."""
    found = stages_of_lineages(["interphase"] * 4, ["interphase"] * 2 + ["apoptosis"] * 2)
    settings = TINY.model_copy(update={"seed": seed})
    lesson = StageLesson(
        Material(find_model(base, "stage"), [("mine", found)], settings, torch.device("cpu"))
    )
    assert lesson.counts == {"interphase": interphase, "apoptosis": 2}
    assert "No cell kept aside shows apoptosis" in " ".join(lesson.notes)


@pytest.mark.parametrize("base", ["frame", "rnn"])
def test_two_cells_of_two_stages_teach_though_nobody_knows_how_well(base, tmp_path):
    place = saved(stages_of_lineages(["interphase"], ["metaphase"]), tmp_path)
    (model,) = teach(request_for(place, "stage", bases={"stage": base})).models
    assert model.counts == {"interphase": 1, "metaphase": 1}
    assert not model.verdict.recommended and "Nobody knows" in model.verdict.words
    assert model.split == "nothing was kept aside, as every lineage is needed to learn from"


@pytest.mark.parametrize("seed", range(3))
def test_masks_are_learned_from_frames_that_show_cells(seed):
    """All others that are done are empty: nothing is to be found there."""
    found = corrected()
    masks = np.asarray(found.labels.base).copy()
    masks[:6] = 0
    cells, links = found.tracks.cells, found.tracks.links
    cells = cells[cells["frame"] >= 6]
    links = links[links.isin(cells.index)[["parent", "child"]].all(axis=1)]
    done = frozenset(("frame", time) for time in (0, 1, 2, 9, 10))
    late = replace(
        found,
        labels=LabelStack(masks),
        tracks=Tracks(cells, links.reset_index(drop=True)),
        confirmed=done,
    )
    settings = TINY.model_copy(update={"seed": seed})
    base = find_model("cellcycle-nuclei", "segment")
    lesson = MaskLesson(Material(base, [("mine", late)], settings, torch.device("cpu")))
    assert lesson.counts["cells"] > 0
