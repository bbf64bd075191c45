"""A long correction is made a step at a time, and is still one correction, or none."""

import pytest
from corrections import cell, columns_of, differences, editor_of
from examples import family

from napari_cellcycle.errors import Refused


@pytest.fixture
def editor():
    return editor_of(family())


def steps(editor):
    """Two cells are deleted, one after the other."""
    return [("delete_cells", {"cells": [cell(editor, frame, 5)]}) for frame in (1, 2)]


def test_steps_make_one_correction_that_one_undo_takes_back(editor):
    before = columns_of(editor.draft)
    assert len(list(editor.doing(steps(editor)))) == 2
    assert len(editor.history.done) == 1
    editor.undo()
    assert not differences(columns_of(editor.draft), before)


def test_nothing_else_is_corrected_until_the_last_step(editor):
    editor.do("delete_cells", cells=[cell(editor, 0, 5)])
    doing = editor.doing(steps(editor))
    next(doing)
    with pytest.raises(Refused, match="wait until it is done"):
        editor.do("delete_cells", cells=[cell(editor, 4, 5)])
    assert editor.undo() is None
    list(doing)
    editor.do("delete_cells", cells=[cell(editor, 4, 5)])
    assert len(editor.history.done) == 3


def test_steps_that_are_given_up_leave_no_trace(editor):
    before = columns_of(editor.draft)
    doing = editor.doing(steps(editor))
    next(doing)
    doing.close()
    assert not differences(columns_of(editor.draft), before)
    assert not editor.history.done
    assert editor.do("delete_cells", cells=[cell(editor, 4, 5)]) is not None


def test_a_step_that_is_refused_takes_back_those_before_it(editor):
    before = columns_of(editor.draft)
    with pytest.raises(Refused):
        editor.do_all([*steps(editor), ("unlink", {"child": cell(editor, 0, 5)})])
    assert not differences(columns_of(editor.draft), before)
