"""A full disk, a folder that is gone, a second window: a clear sentence, and nothing is lost."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corrections import cell, check, columns_of, differences, experiment_of
from examples import family, frozen
from scripted_edits import new_experiment

from napari_cellcycle.data.settling import with_settled
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.edit.opening import move_record, open_editor, open_unkept, place_of
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.experiment import (
    journal_of,
    open_experiment,
    open_saved,
    save_experiment,
)
from napari_cellcycle.io.journal import InUse, read_journal

resource = pytest.importorskip("resource", reason="the size of files cannot be limited here")


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "family.cellcycle"
    new_experiment(folder)
    return folder


@pytest.fixture
def folder(start, tmp_path) -> Path:
    return shutil.copytree(start, tmp_path / "family.cellcycle")


@pytest.fixture
def editor(folder):
    opened = open_editor(folder)
    opened.resolving = False
    yield opened
    opened.record.close()


@contextmanager
def full_disk(journal: Path, room: int = 0):
    """No file may grow beyond the journal as it is and some more bytes."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + room, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def heard(editor: Editor) -> list[str]:
    """Sentences of trouble, as they come."""
    told: list[str] = []
    editor.trouble.connect(told.append)
    return told


def some_edits(editor: Editor) -> None:
    """Three edits, of a stage, a link and a mask; the last is taken back."""
    draft = editor.draft
    editor.do("set_stage_from", cell=cell(draft, 0, 5), stage="prophase")
    editor.do("unlink", child=cell(draft, 4, 5))
    editor.do("delete_cells", cells=[cell(draft, 2, 5)])
    editor.undo()


def reopened(folder: Path, experiment=None) -> Editor:
    again = open_editor(folder, experiment)
    again.record.close()
    return again


def saved_in(editor: Editor, former, folder: Path, **how: bool):
    """Save, and go on there, as a window does."""
    saved = save_experiment(editor.experiment(former, **how), folder, journal=place_of(editor))
    move_record(editor, journal_of(folder))
    return saved


def same(editor: Editor, again: Editor) -> None:
    """The same state, and the same can be undone and done again."""
    check(again.draft)
    assert not differences(columns_of(editor.draft), columns_of(again.draft))
    for pile in ("done", "undone"):
        mine, others = getattr(editor.history, pile), getattr(again.history, pile)
        assert [edit.words for edit in mine] == [edit.words for edit in others]


def test_what_was_corrected_is_there_when_the_folder_is_opened_again(editor, folder):
    some_edits(editor)
    editor.record.close()
    same(editor, reopened(folder))
    tables = open_experiment(folder).tracks
    assert tables.cells["stage"].tolist() == editor.draft.tracks().cells["stage"].tolist()


def test_masks_that_change_their_number_along_a_track_are_corrected_alike_everywhere(tmp_path):
    """Saved with another number from frame 3 on; a window and a script see the same corrections."""
    known, folder = experiment_of(family()), tmp_path / "numbers.cellcycle"
    table = known.tracks.cells
    late = (table["frame"] >= 3) & (table["label"] == 5)
    labels = known.labels
    for frame in range(3, len(labels)):
        mask = labels.frame(frame)
        labels = labels.with_frame(frame, np.where(mask == 5, 50, mask).astype(mask.dtype))
    cells = table.assign(label=table["label"].mask(late, 50))
    save_experiment(
        replace(known, labels=labels, tracks=replace(known.tracks, cells=cells)), folder
    )
    start = with_settled(open_saved(folder))
    editor = open_editor(folder, start)
    editor.resolving = False
    editor.do("unlink", child=cell(editor, 4, 5))
    editor.do("delete_cells", cells=[cell(editor, 2, 5)])
    editor.record.close()
    shown, opened = editor.experiment(start), open_experiment(folder)
    assert opened.tracks.cells["label"].tolist() == shown.tracks.cells["label"].tolist()
    for frame in range(len(labels)):
        assert np.array_equal(opened.labels.frame(frame), shown.labels.frame(frame))


def test_undo_goes_back_beyond_the_closing(editor, folder):
    before = columns_of(editor.draft)
    some_edits(editor)
    editor.record.close()
    again = reopened(folder)
    while again.can_undo:
        again.undo()
    assert not differences(before, columns_of(again.draft))


# ---------------------------------------------------------------- no room on the disk


@pytest.mark.parametrize("room", [0, 1, 300])
def test_a_full_disk_is_said_and_corrections_are_written_once_there_is_room(editor, folder, room):
    told = heard(editor)
    editor.do("confirm", kind="link", number=3)
    with full_disk(editor.record.path, room):
        some_edits(editor)
    assert len(told) >= 3 and "corrections are not on disk yet" in told[-1]
    assert "free some room" in told[-1] and "File too large" in told[-1]
    assert len(read_journal(editor.record.path)) == 5 - editor.record.pending
    count = len(told)
    editor.do("confirm", kind="link", number=2)
    assert len(told) == count and editor.record.pending == 0
    editor.record.close()
    same(editor, reopened(folder))


def test_closing_writes_what_was_waiting(editor, folder):
    with full_disk(editor.record.path):
        some_edits(editor)
    editor.record.close()
    same(editor, reopened(folder))


def test_saving_elsewhere_takes_along_what_was_waiting(editor, folder, tmp_path):
    some_edits(editor)
    with full_disk(editor.record.path):
        editor.do("delete_track", label=3)
    assert editor.record.pending == 1
    other = tmp_path / "other.cellcycle"
    saved_in(editor, open_saved(folder), other)
    editor.do("confirm", kind="link", number=2)
    editor.record.close()
    same(editor, reopened(other))


def test_saving_in_the_same_folder_writes_what_was_waiting(editor, folder):
    with full_disk(editor.record.path):
        some_edits(editor)
    saved_in(editor, open_saved(folder), folder)
    editor.do("confirm", kind="link", number=2)
    with pytest.raises(InUse):
        open_editor(folder)
    editor.record.close()
    same(editor, reopened(folder))


def test_a_save_that_finds_no_room_leaves_everything_as_it_was(editor, folder):
    some_edits(editor)
    experiment = editor.experiment(open_saved(folder))
    files = sorted(path.name for path in folder.iterdir())
    with full_disk(editor.record.path), pytest.raises(CannotWrite, match="could not be written"):
        save_experiment(experiment, folder, journal=place_of(editor))
    assert sorted(path.name for path in folder.iterdir()) == files
    editor.do("confirm", kind="link", number=2)
    editor.record.close()
    same(editor, reopened(folder))


# ---------------------------------------------------------------- a folder that is gone


def test_a_folder_that_is_removed_is_said_and_saving_elsewhere_keeps_the_history(
    editor, folder, tmp_path
):
    former, told = replace(open_saved(folder), movie=family().movie), heard(editor)
    some_edits(editor)
    shutil.rmtree(folder)
    editor.do("confirm", kind="link", number=2)
    assert "was moved or removed" in told[0] and "save the experiment elsewhere" in told[0]
    other = tmp_path / "other.cellcycle"
    saved_in(editor, former, other, every_mask=True)
    editor.do("confirm", kind="link", number=3)
    editor.record.close()
    same(editor, reopened(other))


def test_a_folder_that_is_removed_can_be_saved_again_under_its_name(editor, folder):
    former = replace(open_saved(folder), movie=family().movie)
    some_edits(editor)
    shutil.rmtree(folder)
    saved_in(editor, former, folder, every_mask=True)
    editor.do("confirm", kind="link", number=3)
    with pytest.raises(InUse):
        open_editor(folder)
    editor.record.close()
    same(editor, reopened(folder))


def test_what_is_done_while_a_save_runs_is_written_after_it(editor, folder, tmp_path):
    some_edits(editor)
    experiment, place = editor.experiment(open_saved(folder)), place_of(editor)
    editor.do("confirm", kind="link", number=2)
    other = tmp_path / "other.cellcycle"
    save_experiment(experiment, other, journal=place)
    editor.do("confirm", kind="link", number=3)
    move_record(editor, journal_of(other))
    editor.do("confirm", kind="link", number=4)
    editor.record.close()
    same(editor, reopened(other))


def test_a_journal_that_was_deleted_takes_no_later_correction_along(editor, folder):
    """Its corrections are in the tables; only undoing them is no longer possible."""
    some_edits(editor)
    saved_in(editor, open_saved(folder), folder)
    editor.record.close()
    editor.record.path.unlink()
    again = open_editor(folder)
    assert not differences(columns_of(editor.draft), columns_of(again.draft))
    assert not again.can_undo
    again.do("confirm", kind="link", number=2)
    again.record.close()
    same(again, reopened(folder))


def test_a_journal_of_other_cells_is_said_so(editor, folder):
    some_edits(editor)
    editor.record.close()
    other = experiment_of(frozen())
    save_experiment(other, folder, journal=replace(journal_of(folder), entries=0))
    with pytest.raises(BadInput, match=r"Correction \d of the journal does not fit .*remove its"):
        open_editor(folder)
    with pytest.raises(BadInput, match="does not fit the cells that were saved"):
        open_experiment(folder)
    editor.record.path.unlink()
    assert len(reopened(folder).draft) == 3, "it is not locked"


# ---------------------------------------------------------------- two windows


HOLDER = """
import sys
from napari_cellcycle.io.journal import Journal
journal = Journal(sys.argv[1])
print("holds", flush=True)
sys.stdin.readline()
"""


def test_a_second_process_is_told_and_can_look_but_not_write(folder):
    command = [sys.executable, "-c", HOLDER, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout.readline() == "holds\n"
        with pytest.raises(InUse, match="being corrected in another window: close it there"):
            open_editor(folder)
        looking = open_unkept(folder)
        looking.do("confirm", kind="link", number=2)
        assert looking.can_undo
        holder.communicate("\n", timeout=60)
    assert read_journal(journal_of(folder).path) == []
    reopened(folder)


def test_a_process_that_is_killed_lets_go_of_the_experiment(folder):
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        holder.stdout.readline()
        os.kill(holder.pid, 9)
    reopened(folder)


def test_a_window_that_only_looks_can_be_saved_elsewhere_with_its_history(editor, folder, tmp_path):
    some_edits(editor)
    looking = open_unkept(folder)
    looking.do("confirm", kind="link", number=2)
    other = tmp_path / "other.cellcycle"
    saved_in(looking, open_saved(folder), other)
    looking.do("confirm", kind="link", number=3)
    looking.record.close()
    same(looking, reopened(other))
    editor.do("confirm", kind="link", number=4)
    editor.record.close()
    same(editor, reopened(folder))
