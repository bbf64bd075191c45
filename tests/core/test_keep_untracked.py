"""What is corrected in masks before anything is tracked is kept, tracked and learned from."""

import numpy as np
import pytest

from napari_cellcycle.config import SegmentSettings, SimulateSettings, TrackSettings
from napari_cellcycle.data.corrected_masks import with_corrected_masks
from napari_cellcycle.data.drawn import drawn, drawn_masks
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.io.experiment import open_experiment, save_experiment
from napari_cellcycle.pipeline.run import add_masks, add_tracks
from napari_cellcycle.simulate import simulate
from napari_cellcycle.training.segment.corrected import known_labels, known_masks
from napari_cellcycle.training.teach.truth import count_truth

THRESHOLD = SegmentSettings(model="threshold")
SQUARE = (slice(4, 16), slice(6, 18))


@pytest.fixture(scope="module")
def segmented():
    made = simulate(SimulateSettings(frames=4, size=160, cells=6, seed=3))
    return add_masks(Experiment(made.movie), THRESHOLD)


@pytest.fixture
def drawn_on(segmented):
    """The movie with a square cell drawn in frame 1, and its label."""
    editor = Editor(bench_of(segmented))
    label = int(segmented.labels.frame(1).max()) + 5
    editor.do("paint", frame=1, corner=[4, 6], masks=np.full((12, 12), label, np.int32))
    return editor.experiment(segmented), label


def has_square(labels, frame=1):
    return len(np.unique(labels.frame(frame)[SQUARE])) == 1 and labels.frame(frame)[SQUARE].all()


def test_a_drawn_mask_is_remembered_by_frame_and_label(drawn_on):
    experiment, label = drawn_on
    assert label in drawn_masks(experiment.confirmed)[1]


def test_a_mask_that_was_drawn_is_forgotten_when_that_is_undone(segmented):
    editor = Editor(bench_of(segmented))
    editor.do("paint", frame=1, corner=[4, 6], masks=np.full((12, 12), 99, np.int32))
    editor.undo()
    assert not editor.experiment(segmented).confirmed


def test_a_mask_that_is_erased_again_is_no_longer_known(drawn_on):
    experiment, label = drawn_on
    editor = Editor(bench_of(experiment))
    editor.do("erase", frame=1, labels=[label])
    assert label not in drawn_masks(editor.draft.confirmed).get(1, [])


def test_a_drawn_mask_stays_when_the_movie_is_segmented_again(drawn_on):
    experiment, _ = drawn_on
    again = add_masks(experiment, THRESHOLD)
    assert has_square(again.labels)
    assert again.tracks is None
    assert has_square(add_masks(again, THRESHOLD).labels)


def test_a_drawn_mask_is_the_users_once_it_is_tracked_and_stays_from_then_on(drawn_on):
    experiment, _ = drawn_on
    tracked = add_tracks(experiment, TrackSettings(model="simple"))
    cells = tracked.tracks.cells
    own = cells[cells["by"] == BY_USER]
    assert own["frame"].unique().tolist() == [1]
    assert tracked.labels.frame(1)[10, 12] in own["label"].tolist()
    assert not drawn_masks(tracked.confirmed)
    assert has_square(add_masks(tracked, THRESHOLD).labels)


def test_a_frame_that_is_done_stays_whole_without_tracks(segmented):
    editor = Editor(bench_of(segmented))
    first = segmented.labels.frame(2)
    editor.do("erase", frame=2, labels=[int(first.max())])
    editor.do("confirm", kind="frame", number=2)
    experiment = editor.experiment(segmented)
    again = add_masks(experiment, THRESHOLD)
    np.testing.assert_array_equal(again.labels.frame(2) > 0, experiment.labels.frame(2) > 0)
    assert ("frame", 2) in again.confirmed
    tracked = add_tracks(again, TrackSettings(model="simple"))
    assert ("frame", 2) in tracked.confirmed


@pytest.mark.parametrize("is_tracked", [False, True])
def test_a_frame_that_is_done_without_a_cell_stays_empty(segmented, is_tracked):
    start = add_tracks(segmented, TrackSettings(model="simple")) if is_tracked else segmented
    editor = Editor(bench_of(start))
    labels = np.unique(start.labels.frame(2))
    editor.do("erase", frame=2, labels=labels[labels > 0].tolist())
    editor.do("confirm", kind="frame", number=2)
    again = add_masks(editor.experiment(start), THRESHOLD)
    assert not again.labels.frame(2).any()
    assert again.labels.frame(1).any()


def test_a_frame_corrected_in_python_stays(segmented):
    mask = np.zeros(segmented.labels.shape[1:], np.int32)
    mask[SQUARE] = 3
    again = add_masks(with_corrected_masks(segmented, {1: mask}), THRESHOLD)
    np.testing.assert_array_equal(again.labels.frame(1) > 0, mask > 0)
    assert known_masks(again).frames == {1}


def test_a_drawn_mask_teaches_the_segmentation_and_is_counted(drawn_on, tmp_path):
    experiment, label = drawn_on
    save_experiment(experiment, tmp_path / "m.cellcycle")
    opened = open_experiment(tmp_path / "m.cellcycle")
    known = known_masks(opened)
    assert label in known_labels(opened, known)[1]
    assert count_truth([opened]).cells == len(known) >= 1


def test_other_confirmations_are_no_drawn_masks():
    mixed = [("frame", 3), ("mask", 4), ("audit wrong link", 2), *drawn(7, [5, 2])]
    found = drawn_masks(mixed)
    assert {frame: labels.tolist() for frame, labels in found.items()} == {7: [2, 5]}
