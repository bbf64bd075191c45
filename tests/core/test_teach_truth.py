"""What counts as truth in a corrected experiment, what is kept aside, and what is suggested."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import distance_transform_edt
from taught import corrected, untouched, with_pins

from napari_cellcycle.data.annotated import UNKNOWN
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import BadInput
from napari_cellcycle.training.segment.corrected import known_labels, known_masks
from napari_cellcycle.training.segment.sources import images_of
from napari_cellcycle.training.teach import count_truth, suggest
from napari_cellcycle.training.teach.aside import aside_of, frame_blocks, turns_of
from napari_cellcycle.training.teach.contradictions import check_links, check_stages
from napari_cellcycle.training.teach.known_links import deal, known_parts
from napari_cellcycle.training.teach.truth import lineage_of


def edited(experiment, *steps):
    """What it is after some corrections."""
    editor = Editor(bench_of(experiment), resolving=False)
    for name, arguments in steps:
        editor.do(name, **arguments)
    return editor.experiment(experiment)


def division_of(experiment):
    """A mother and her daughters."""
    mother = int(experiment.tracks.divisions[0])
    links = experiment.tracks.links
    return mother, links.loc[links["parent"] == mother, "child"].tolist()


def test_what_a_model_made_is_no_truth():
    assert count_truth([untouched()]).in_words() == "nothing"


def test_corrections_count_for_what_they_are():
    found = untouched()
    cells = found.tracks.cells
    child = int(found.tracks.links["child"].iloc[0])
    mother, _ = division_of(found)
    one = int(cells.index[0])
    after = edited(
        found,
        ("confirm", {"kind": "frame", "number": 3}),
        ("confirm", {"kind": "link", "number": child}),
        ("confirm", {"kind": "division", "number": mother}),
        ("set_stage", {"cells": [one], "stage": "metaphase"}),
    )
    counts = count_truth([after])
    assert counts.frames == 1 and counts.cells == 0
    assert counts.links == 3 and counts.divisions == 1 and counts.rejected == 0
    assert counts.stages == {"metaphase": 1} and counts.pinned == 1
    assert count_truth([after, after]).links == 6


def test_a_link_taken_away_is_remembered_as_wrong():
    found = untouched()
    child = int(found.tracks.links["child"].iloc[0])
    assert count_truth([edited(found, ("unlink", {"child": child}))]).rejected == 1


def test_a_stage_set_by_hand_does_not_make_the_mask_true():
    found = untouched()
    cell = int(found.tracks.cells.index[0])
    after = edited(found, ("set_stage", {"cells": [cell], "stage": "metaphase"}))
    assert not known_masks(after)


@pytest.mark.parametrize("ndim", [2, 3])
def test_around_an_edited_cell_only_a_thin_ring_is_known(ndim):
    found = untouched(ndim)
    cell = int(found.tracks.cells.index[0])
    label = int(found.tracks.cells.loc[cell, "label"])
    after = replace(found, confirmed=frozenset({("mask", cell)}))
    for image in images_of(after, known_labels(after, known_masks(after)), "mine"):
        assert set(np.unique(image.masks)) == {UNKNOWN, 0, label}
        assert distance_transform_edt(image.masks != label)[image.masks == 0].max() <= 3


def test_a_frame_that_is_done_is_known_as_a_whole():
    after = replace(untouched(), confirmed=frozenset({("frame", 2)}))
    (image,) = images_of(after, known_labels(after, known_masks(after)), "mine")
    assert image.known.all() and (image.cells == after.labels.frame(2)).all()


def test_whole_lineages_are_kept_aside_never_cells():
    parts = known_parts([("mine", corrected())])
    aside = deal(parts, 0.25, 0)
    (part,) = parts
    held, learned = part.only(aside.kept), part.only(~aside.kept)
    lineage = lineage_of(corrected().tracks)
    known = [one.truth[["past", "future"]].any(axis=1).to_numpy() for one in (held, learned)]
    assert known[0].any() and known[1].any()
    assert not set(lineage[known[0]]) & set(lineage[known[1]])
    assert "lineages with corrections" in aside.words


def test_lineages_that_a_wrong_link_joins_are_kept_together():
    found = corrected()
    child = int(found.tracks.links["child"].iloc[3])
    parent = int(found.tracks.links["parent"].iloc[3])
    (part,) = known_parts([("mine", edited(found, ("unlink", {"child": child})))])
    row = {cell: at for at, cell in enumerate(found.tracks.cells.index)}
    assert part.group[row[child]] == part.group[row[parent]]


def test_every_kind_is_kept_aside_where_two_groups_have_it():
    group = np.repeat(np.arange(8), 10)
    code = np.zeros(80, int)
    code[[3, 77]] = 1
    for seed in range(5):
        aside = aside_of(group, code, 0.25, seed, ("lineage", "lineages"), 8)
        held = aside.kept[group]
        assert set(code[held]) == {0, 1} and (~held).any()
        again = aside_of(group, code, 0.25, seed, ("lineage", "lineages"), 8)
        assert (aside.kept == again.kept).all()


def test_in_turn_every_group_is_kept_aside_once_but_what_only_it_shows_is_always_learned():
    group = np.repeat(np.arange(8), 10)
    code = np.zeros(80, int)
    code[[3, 77]] = 1
    code[25] = 2  # in group 2 alone
    for seed in range(5):
        aside = turns_of(group, code, 0.25, seed, ("lineage", "lineages"), 8)
        assert aside.part[2] == -1 and set(aside.part) == {-1, 0, 1, 2, 3}
        assert sorted(np.concatenate(aside.parts)) == [0, 1, 3, 4, 5, 6, 7]
        for one in aside.parts:
            assert set(code[~np.isin(group, one)]) == {0, 1, 2}


@pytest.mark.parametrize("dealt", [aside_of, turns_of])
def test_of_one_group_nothing_is_kept_aside(dealt):
    aside = dealt(np.zeros(5, int), np.zeros(5, int), 0.25, 0, ("lineage", "lineages"), 1)
    assert not aside and "nothing was kept aside" in aside.words


def test_frames_close_in_time_stay_together():
    assert frame_blocks([0, 1, 2, 3, 9, 10, 30]).tolist() == [0, 0, 0, 1, 2, 2, 3]
    assert frame_blocks([4, 5]).tolist() == [0, 1]


def test_a_link_both_made_and_taken_away_is_told():
    found = untouched()
    child = int(found.tracks.links["child"].iloc[0])
    yes = edited(found, ("confirm", {"kind": "link", "number": child}))
    no = edited(found, ("unlink", {"child": child}))
    check_links([("a", yes), ("b", yes)])
    with pytest.raises(BadInput, match="was made in a and taken away in b"):
        check_links([("a", yes), ("b", no)])


def test_a_cell_set_to_two_stages_is_told():
    found = untouched()
    cell = int(found.tracks.cells.index[0])
    one, other = (with_pins(found, {cell: name}) for name in ("metaphase", "anaphase"))
    check_stages([("a", one), ("b", one)])
    with pytest.raises(BadInput, match="set to metaphase in a, but to anaphase in b"):
        check_stages([("a", one), ("b", other)])


def test_the_most_doubtful_link_is_suggested_first_until_it_is_confirmed():
    found = untouched()
    tracks = found.tracks
    at = 5
    score = np.full(len(tracks.links), 0.99)
    score[at] = 0.01
    doubtful = replace(found, tracks=replace(tracks, links=tracks.links.assign(score=score)))
    child = int(tracks.links["child"].iloc[at])
    first = max(suggest(doubtful, "link", 3), key=lambda each: each.doubt)
    assert first.cell == child and first.doubt > 0.4
    assert "the tracker was 1 % sure" in first.reason
    confirmed = edited(doubtful, ("confirm", {"kind": "link", "number": child}))
    assert child not in [each.cell for each in suggest(confirmed, "link", 3)]


def cut_inside(found):
    """A link of the movie to a cell far from its border, and the tracks without it."""
    tracks = found.tracks
    middle = np.array(found.movie.frame_shape) / 2
    place = tracks.cells.loc[tracks.links["child"], ["y", "x"]].to_numpy()
    at = int(np.abs(place - middle).max(axis=1).argmin())
    links = tracks.links.drop(index=tracks.links.index[at]).reset_index(drop=True)
    return tracks.links.iloc[at], replace(tracks, links=links)


def test_a_cell_that_comes_from_nowhere_inside_the_field_is_suggested():
    found = untouched()
    link, tracks = cut_inside(found)
    said = {each.cell: each.reason for each in suggest(replace(found, tracks=tracks), "link", 3)}
    assert "begins in frame" in said[link["child"]]


def test_what_a_tracker_thought_of_a_cell_that_was_deleted_is_passed_over():
    found = untouched()
    link, tracks = cut_inside(found)
    frame = tracks.cells.loc[link["parent"], "frame"]
    here = tracks.cells.index[tracks.cells["frame"] == frame]
    gone = next(int(cell) for cell in here if cell != link["parent"])
    rivals = pd.DataFrame({"parent": [gone], "child": [link["child"]], "other": 0, "score": 0.6})
    doubtful = replace(found, tracks=replace(tracks, candidates=rivals))
    left = edited(doubtful, ("delete_cells", {"cells": [gone]}))
    told = suggest(left, "link", 3)
    assert told and gone not in [each.cell for each in told]


def test_cells_between_two_stages_are_suggested_but_not_those_set_by_hand():
    found = untouched()
    cells, names = found.tracks.cells, found.stages.names
    chances = {f"p_{name}": np.zeros(len(cells)) for name in names}
    chances["p_interphase"][:] = 1
    torn = cells.index[7]
    chances["p_interphase"][7] = chances["p_prophase"][7] = 0.5
    doubtful = replace(found, tracks=found.tracks.with_columns(**chances))
    assert [each.cell for each in suggest(doubtful, "stage", 5)] == [torn]
    assert suggest(with_pins(doubtful, {torn: "prophase"}), "stage", 5) == []


def test_frames_with_odd_masks_are_suggested_and_spread_out():
    found = untouched()
    cells = found.tracks.cells
    area = np.full(len(cells), 100.0)
    area[cells["frame"] == 4] = 300.0
    odd = replace(found, tracks=found.tracks.with_columns(area=area))
    first, *others = suggest(odd, "segment", 3)
    assert first.frame in (4, 5) and "size" in first.reason
    assert len({each.frame for each in (first, *others)}) == 1 + len(others)
    done = replace(odd, confirmed=frozenset({("frame", first.frame)}))
    assert first.frame not in [each.frame for each in suggest(done, "segment", 3)]


def test_nothing_is_suggested_where_nothing_is_segmented():
    bare = replace(untouched(), labels=None, tracks=None)
    assert suggest(bare, "segment", 3) == []


def test_links_by_the_user_alone_are_known():
    found = untouched()
    by = np.array(["model"] * len(found.tracks.links), object)
    by[0] = BY_USER
    one = replace(found, tracks=replace(found.tracks, links=found.tracks.links.assign(by=by)))
    (part,) = known_parts([("mine", one)])
    assert part.recording.truth["past"].sum() in (1, 2)
    with pytest.raises(BadInput, match="No link was corrected"):
        known_parts([("mine", found)])


def test_cells_of_which_something_was_decided_are_not_suggested_again():
    found = untouched()
    tracks = found.tracks
    links = tracks.links.assign(score=0.05)
    doubtful = replace(found, tracks=replace(tracks, links=links))
    first = [each.cell for each in suggest(doubtful, "link", 5)]
    linked = [cell for cell in first if cell in set(links["child"])]
    assert linked
    confirmed = edited(
        doubtful, *(("confirm", {"kind": "link", "number": cell}) for cell in linked)
    )
    assert not set(linked) & {each.cell for each in suggest(confirmed, "link", 50)}
