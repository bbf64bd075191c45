"""Copies of one experiment: a cell that is learned from is never kept aside in the other copy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from taught import BASES, TINY, corrected, request_for, saved, untouched

from napari_cellcycle.errors import BadInput
from napari_cellcycle.models.store import find_model
from napari_cellcycle.training.teach import teach
from napari_cellcycle.training.teach.copies import shared_groups
from napari_cellcycle.training.teach.known_links import deal, known_parts
from napari_cellcycle.training.teach.lesson import Material
from napari_cellcycle.training.teach.link_lesson import LinkLesson
from napari_cellcycle.training.teach.mask_lesson import MaskLesson
from napari_cellcycle.training.teach.stage_lesson import StageLesson
from napari_cellcycle.training.teach.truth import lineage_of


def lesson(kind, *experiments, base=None):
    kinds = {"segment": MaskLesson, "link": LinkLesson, "stage": StageLesson}
    named = [(f"mine-{number}", each) for number, each in enumerate(experiments)]
    model = find_model(base or BASES[kind], kind)
    return kinds[kind](Material(model, named, TINY, torch.device("cpu")))


def moved(experiment, by=1.0):
    """A copy whose cells were measured anew, a little beside where they were."""
    cells = experiment.tracks.cells
    there = cells[experiment.tracks.axes] + by
    tracks = replace(experiment.tracks, cells=cells.assign(**there))
    return replace(experiment, tracks=tracks)


@pytest.mark.parametrize("ndim", [2, 3])
def test_lineages_of_two_copies_are_one_group_though_their_masks_differ_a_little(ndim):
    one = untouched(ndim)
    lineage = lineage_of(one.tracks)
    first, second = shared_groups([one, moved(one)], [lineage, lineage])
    assert (first == second).mean() > 0.9
    assert len(np.unique(np.r_[first, second])) <= len(np.unique(lineage))


def test_lineages_of_two_movies_stay_apart():
    one = untouched()
    other = replace(one, movie=replace(one.movie, pixels=np.asarray(one.movie.pixels) + 1))
    lineage = lineage_of(one.tracks)
    first, second = shared_groups([one, other], [lineage, lineage])
    assert (first == lineage).all() and not set(first) & set(second)


def images_of(*cells):
    return {image.tobytes() for one in cells for image in one.data.images}


def test_no_stage_is_both_learned_and_kept_aside():
    found = lesson("stage", corrected(), corrected(), base="rnn")
    kept = images_of(*found._kept)
    assert kept and not kept & images_of(found._learned)


def test_both_copies_of_a_cell_are_kept_aside_in_the_same_turn():
    found = lesson("stage", corrected(), corrected(), base="frame")
    turns = [images_of(one) for one in found._kept]
    assert len(turns) > 1
    assert sum(map(len, turns)) == len(set().union(*turns))


def test_no_link_is_both_learned_and_kept_aside():
    parts = known_parts([("a", corrected()), ("b", corrected())])
    kept = deal(parts, 0.25, 0).kept
    learned, held = set(), set()
    for part in parts:
        for sides, which in ((learned, ~kept), (held, kept)):
            truth = part.only(which).truth
            known = truth[truth["past"] | truth["future"]]
            sides |= set(zip(known["frame"], known["label"], strict=True))
    assert held and learned and not held & learned


def test_no_frame_is_both_learned_and_kept_aside():
    found = lesson("segment", corrected(), corrected())
    learned, kept = ({image.name for image in part} for part in (found._learned, found._kept))
    assert kept and learned and not kept & learned


@pytest.mark.parametrize("kind", ["segment", "link", "stage"])
def test_a_copy_does_not_make_the_verdict_surer(kind):
    alone, twice = lesson(kind, corrected()), lesson(kind, corrected(), corrected())
    assert twice.held == alone.held
    plan = type("Plan", (), {"images": 6})
    one, two = (each.judge(each.start(), plan) for each in (alone, twice))
    assert len(one.added) == len(two.added)
    assert one.value == pytest.approx(two.value)


def test_the_same_folder_given_twice_is_refused(tmp_path):
    place = saved(corrected(), tmp_path)
    again = place.parent / ".." / tmp_path.name / place.name
    request = request_for(place, "link", sources=(place, again))
    with pytest.raises(BadInput, match="is given twice"):
        teach(request)
