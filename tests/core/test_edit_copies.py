"""What is known now, taken from an editor again and again: each edited frame is copied once."""

import numpy as np
import pytest
from corrections import cell, editor_of, experiment_of
from examples import family

from napari_cellcycle.errors import Refused


@pytest.fixture
def editor():
    return editor_of(family())


@pytest.fixture
def start():
    return experiment_of(family())


def exact(editor, experiment):
    """Whether an experiment has the masks that the editor has now."""
    now, shown = editor.draft.masks, experiment.labels
    return all(np.array_equal(now[frame], shown.frame(frame)) for frame in range(len(shown)))


def paint(editor, frame, corner=(0, 0)):
    editor.do("paint", frame=frame, corner=corner, masks=np.full((2, 2), 5, np.int32))


def test_a_correction_copies_only_the_frame_that_it_changed(editor, start):
    for frame in (0, 1, 2):
        paint(editor, frame)
    before = editor.experiment(start).labels
    paint(editor, 1, (4, 0))
    after = editor.experiment(start).labels
    assert set(after.edited) == {0, 1, 2}
    assert all(after.frame(frame) is before.frame(frame) for frame in (0, 2))
    assert not np.array_equal(after.frame(1), before.frame(1))


def test_every_state_is_exact_on_the_way_back_and_forth_and_stays_as_it_was(editor, start):
    states = [editor.experiment(start)]
    steps = [
        lambda: paint(editor, 1),
        lambda: editor.do("delete_cells", cells=[cell(editor, 2, 5)]),
        lambda: paint(editor, 1, (4, 0)),
        editor.undo,
        editor.undo,
        editor.redo,
        editor.undo,
        editor.undo,
    ]
    masks = [editor.draft.masks.copy()]
    for step in steps:
        step()
        states.append(editor.experiment(start))
        masks.append(editor.draft.masks.copy())
        assert exact(editor, states[-1])
    assert np.array_equal(masks[0], masks[-1])
    for state, kept in zip(states, masks, strict=True):
        assert np.array_equal(state.labels.to_array(), kept)


def test_all_frames_are_copied_where_the_stored_ones_are_gone(editor, start):
    paint(editor, 1)
    editor.experiment(start)
    whole = editor.experiment(start, every_mask=True)
    assert set(whole.labels.edited) == set(range(len(start.labels))) and exact(editor, whole)
    paint(editor, 0)
    assert exact(editor, editor.experiment(start, every_mask=True))


def test_a_stroke_that_was_copied_half_done_and_then_refused_is_forgotten(editor, start):
    paint(editor, 1)
    masks = editor.draft.masks
    former = masks[1].copy()
    masks[1, :3, :3] = 1  # as a brush does, before it is made a correction
    editor.experiment(start)
    masks[1] = former
    with pytest.raises(Refused):
        editor.do("paint", frame=1, corner=(-9, 0), masks=np.ones((3, 3), np.int32))
    assert exact(editor, editor.experiment(start))
