"""Cells keep the ids that another program gave them, and these can have sixteen digits."""

from dataclasses import replace

import numpy as np
import pytest
from corrections import cell, check, experiment_of
from examples import family

from napari_cellcycle.data.row_of import NONE, RowOf
from napari_cellcycle.data.settling import settled
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.review.audit import questions
from napari_cellcycle.review.doubt import facts_of
from napari_cellcycle.review.find import find_doubts, refreshed

MORE = 9_000_000_000_000_000


def shifted(tracks: Tracks) -> Tracks:
    """The same cells with ids as other programs give them."""
    cells = tracks.cells.set_axis(tracks.cells.index + MORE).rename_axis("cell_id")
    ends = {name: tracks.links[name] + MORE for name in ("parent", "child")}
    candidates = tracks.candidates.copy()
    for name in ("parent", "child", "other"):
        candidates[name] += np.where(candidates[name] > 0, MORE, 0)
    return Tracks(cells, tracks.links.assign(**ends), candidates=candidates)


@pytest.fixture
def editors() -> list[Editor]:
    """The family with small ids and with large ones; what follows from an edit is done, too."""
    small = experiment_of(family(), classified=True, considered=True)
    large = replace(small, tracks=shifted(small.tracks))
    return [Editor(bench_of(one), resolving=True) for one in (small, large)]


def done(editor: Editor) -> tuple[list[str], list[list[int]], list[str]]:
    """What corrections say, the links after them by frame and label, and what is doubted then."""
    draft = editor.draft
    facts = facts_of(draft, 300.0)
    doubts = find_doubts(draft, facts)
    mother = int(draft.column("parent")[draft.column("parent") > 0][0])
    edits = [
        editor.do("unlink", child=draft.children(mother)[0]),
        editor.do("set_stage", cells=[cell(draft, 0, 1)], stage="metaphase"),
        editor.do("delete_cells", cells=[int(draft.in_frame(2)[0])]),
    ]
    doubts = refreshed(doubts, draft, facts, [c for e in edits for c in e.cells])
    check(draft)
    named = [[draft.frame(c), draft.label(c), draft.parent(c) % MORE] for c in draft.ids.tolist()]
    asked = [f"{sum(1 for _ in questions(draft, 'link'))} questions"]
    told = [sentence for edit in edits for sentence in (edit.words, *edit.consequences)]
    return told, named, [doubt.reason for doubt in doubts] + asked


def test_corrections_and_doubts_do_not_depend_on_how_large_the_ids_are(editors):
    small, large = (done(editor) for editor in editors)
    assert large == small


def test_rows_are_found_of_dense_and_of_sparse_numbers_and_of_none_that_is_not_there():
    for numbers in (np.array([1, 2, 5]), np.array([1, 2, MORE]), np.empty(0, np.int64)):
        row_of = RowOf(numbers)
        assert row_of(numbers).tolist() == list(range(len(numbers)))
        assert row_of(np.array([[0, -3], [3, MORE + 1]])).tolist() == [[NONE, NONE]] * 2
        assert [row_of.one(n) for n in (*numbers.tolist(), 4)] == [*range(len(numbers)), NONE]


def test_masks_with_large_labels_are_numbered_by_their_tracks():
    experiment = experiment_of(family())
    most = np.iinfo(np.int32).max - 100
    masks = experiment.labels.to_array()
    apart = np.where(masks > 0, masks + most, 0)
    apart[1] = np.where(masks[1] > 0, masks[1] + most + 20, 0)  # the same cells, numbered anew
    cells = experiment.tracks.cells
    cells = cells.assign(label=cells["label"] + most + 20 * (cells["frame"] == 1))
    labels, _ = settled(type(experiment.labels)(apart), replace(experiment.tracks, cells=cells))
    assert np.array_equal(labels.frame(1), np.where(masks[1] > 0, masks[1] + most, 0))
