"""The journal keeps every edit on disk as it is made, and tells it again as it was."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from napari_cellcycle.data.changes import Marks, Pixels, Rows, Values
from napari_cellcycle.data.history import Edit
from napari_cellcycle.errors import BadInput, CannotWrite
from napari_cellcycle.io.journal import (
    Entry,
    InUse,
    Journal,
    is_complete,
    not_in_use,
    read_journal,
    write_journal,
)


def values(before, after, kind=None) -> Values:
    cells = np.arange(1, len(before) + 1)
    return Values("any", cells, np.array(before, kind), np.array(after, kind))


ROWS = {
    "cell_id": np.array([3, 8]),
    "stage": np.array(["", "metaphase"], object),
    "area": np.array([1.5, np.nan], np.float32),
    "at_edge": np.array([True, False]),
}
CHANGES = {
    "floats": values([0.1, np.nan, np.inf], [-0.0, 1e300, 2.5]),
    "short floats": values([0.1, 0.2], [0.3, 0.4], np.float32),
    "bools": values([True, False], [False, True]),
    "whole numbers": values([2**62, -1], [0, 7], np.int64),
    "texts": values(["", "metaphase"], ["µ ∂ \n \"'\\", ""], object),
    "objects": values([None, 3, True], ["a", 2.5, None], object),
    "no cells": values([], [], float),
    "cells that came": Rows(True, ROWS),
    "cells that went": Rows(False, ROWS),
    "no rows": Rows(True, {name: column[:0] for name, column in ROWS.items()}),
    "pixels": Pixels(4, (1, 2), np.zeros((3, 4), np.int32), np.full((3, 4), 70_000, np.int32)),
    "voxels": Pixels(0, (0, 5, 9), np.ones((2, 1, 3), np.int32), np.zeros((2, 1, 3), np.int32)),
    "few labels": Pixels(0, (0, 0), np.full((1, 2), 255, np.int32), np.full((1, 2), 9, np.int32)),
    "no pixels": Pixels(0, (0, 0), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.int32)),
    "rejected": Marks("rejected", frozenset({(1, 2), (1, 3)}), frozenset({(4, 5)})),
    "confirmed": Marks("confirmed", frozenset({("division", 4), ("link", 2)})),
}


def edit(*changes, **arguments) -> Edit:
    return Edit("link", arguments, "Linked", changes, ("More.",), "somebody", "model 1")


def same(one: object, other: object) -> bool:
    """Whether two changes are the same, byte for byte."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and repr(one) == repr(other)
    if hasattr(one, "__dict__"):
        return type(one) is type(other) and same(vars(one), vars(other))
    return one == other


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "a movie.cellcycle"
    made.mkdir()
    return made


def written(folder: Path, *entries: Entry) -> Path:
    """The file of a journal with some entries, that nobody holds any more."""
    journal = Journal(folder)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return journal.path


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_read_back_byte_for_byte(folder, name):
    path = written(folder, Entry("edit", edit(CHANGES[name])))
    (entry,) = read_journal(path)
    (change,) = entry.edit.changes
    assert same(change, CHANGES[name])
    assert same(change.inverse().inverse(), CHANGES[name])


def test_everything_about_an_edit_is_read_back(folder):
    made = edit(*CHANGES.values(), parent=1, cells=[2, 3], stage="metaphase", to=None)
    (entry,) = read_journal(written(folder, Entry("edit", made)))
    for name in ("operation", "arguments", "words", "consequences", "author", "model", "time"):
        assert getattr(entry.edit, name) == getattr(made, name)
    assert isinstance(entry.edit.time, datetime) and len(entry.edit.changes) == len(CHANGES)


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        ((1, np.int64(2)), [1, 2]),
        ({"a": (1,), 2: None}, {"a": [1], "2": None}),
        ({3}, [3]),
        (Path("a"), "a"),
        ([np.zeros((2, 3)), 1], [1]),
        (np.array([2, 3]), [2, 3]),
    ],
)
def test_an_argument_of_any_type_does_not_keep_an_edit_from_being_written(folder, value, known):
    (entry,) = read_journal(written(folder, Entry("edit", edit(argument=value))))
    assert entry.edit.arguments == {"argument": known}


def test_masks_are_written_once_with_the_changes_and_not_with_the_arguments(folder):
    masks = np.arange(400_000, dtype=np.int32).reshape(500, 800)
    path = written(folder, Entry("edit", edit(masks=masks, frame=3)))
    assert path.stat().st_size < 500
    assert read_journal(path)[0].edit.arguments == {"frame": 3}


def test_undo_and_redo_are_lines_too(folder):
    path = written(folder, Entry("edit", edit()), Entry("undo"), Entry("redo"))
    assert [entry.kind for entry in read_journal(path)] == ["edit", "undo", "redo"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[1:] == [{"do": "undo"}, {"do": "redo"}]


def test_every_entry_is_on_disk_when_append_returns(folder):
    journal = Journal(folder)
    for number in range(1, 4):
        journal.append(Entry("edit", edit()))
        assert len(read_journal(journal.path)) == number == journal.count
    journal.close()


def test_a_journal_goes_on_where_it_ended(folder):
    written(folder, Entry("edit", edit(n=1)))
    path = written(folder, Entry("edit", edit(n=2)))
    assert [entry.edit.arguments["n"] for entry in read_journal(path)] == [1, 2]


def test_a_line_cut_off_anywhere_is_left_out_and_written_over(folder):
    """As a crash in the middle of a write leaves it."""
    path = written(folder, Entry("edit", edit(n=1)))
    first = path.read_bytes()
    written(folder, Entry("edit", edit(CHANGES["texts"], n=2)))
    both = path.read_bytes()
    for length in range(len(first), len(both)):
        path.write_bytes(both[:length])
        assert len(read_journal(path)) == 1
    for length in (len(first) + 1, len(first) + 40, len(both) - 1):
        path.write_bytes(both[:length])
        written(folder, Entry("edit", edit(n=3)))
        assert [entry.edit.arguments["n"] for entry in read_journal(path)] == [1, 3]


def test_a_file_that_is_all_one_unfinished_line_is_an_empty_journal(folder):
    (folder / "journal.jsonl").write_bytes(b"x" * 200_000)
    assert read_journal(folder / "journal.jsonl") == []
    path = written(folder, Entry("undo"))
    assert [entry.kind for entry in read_journal(path)] == ["undo"]


def test_no_file_is_an_empty_journal(tmp_path):
    assert read_journal(tmp_path / "journal.jsonl") == []
    assert is_complete(tmp_path / "journal.jsonl", 0)
    assert not is_complete(tmp_path / "journal.jsonl", 1)


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b'{"do":"dance"}',
        b'{"do":"edit"}',
        b"\xff\xfe",
        b'{"do":"edit","operation":"link","arguments":{},"words":"","changes":[{"values":"a",'
        b'"cells":[1],"before":{"type":"<f8","shape":[1],"data":"!"},"after":["a"]}],'
        b'"consequences":[],"author":"","model":null,"time":"2026-01-01T00:00:00"}',
        b'{"do":"edit","operation":"link","arguments":{},"words":"","changes":[],'
        b'"consequences":[],"author":"","model":null,"time":"yesterday"}',
    ],
)
def test_a_damaged_line_is_named(folder, line):
    path = written(folder, Entry("undo"))
    path.write_bytes(path.read_bytes() + line + b"\n" + path.read_bytes())
    with pytest.raises(BadInput, match=r"Line 2 of .* is damaged .*restore that file"):
        read_journal(path)


def test_a_journal_is_locked_until_it_is_closed(folder):
    journal = Journal(folder)
    for again in (lambda: Journal(folder), lambda: not_in_use(folder)):
        with pytest.raises(InUse, match=r"a movie.cellcycle is being corrected in another window"):
            again()
    journal.close()
    journal.close()
    not_in_use(folder)
    Journal(folder).close()


def test_a_journal_in_the_home_folder_is_locked_by_any_name(folder, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder.parent))
    journal = Journal(folder)
    with pytest.raises(InUse):
        not_in_use(f"~/{folder.name}")
    journal.close()
    not_in_use(f"~/{folder.name}")


def test_a_journal_that_takes_the_place_of_another_holds_the_lock_as_long(folder):
    former = Journal(folder)
    now = Journal(folder, "journal-2.jsonl", former)
    former.close()
    with pytest.raises(InUse):
        not_in_use(folder)
    now.append(Entry("undo"))
    now.close()
    not_in_use(folder)
    assert len(read_journal(now.path)) == 1


def test_a_folder_that_is_not_there_or_not_writable_is_said_so(tmp_path):
    (tmp_path / "a file").touch()
    with pytest.raises(CannotWrite, match="save the experiment elsewhere"):
        Journal(tmp_path / "a file")


def test_a_folder_that_is_removed_is_said_so_and_entries_wait(folder):
    journal = Journal(folder)
    journal.append(Entry("undo"))
    shutil.rmtree(folder)
    for waiting in (1, 2):
        with pytest.raises(CannotWrite, match="was moved or removed"):
            journal.append(Entry("redo"))
        assert journal.pending == waiting and journal.count == 1 + waiting
    journal.close()


def test_a_folder_that_comes_back_gets_what_waited(folder, tmp_path):
    """Such as a disk that was away."""
    journal = Journal(folder)
    journal.append(Entry("undo"))
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(CannotWrite, match="was moved or removed"):
        journal.append(Entry("redo"))
    (tmp_path / "elsewhere").rename(folder)
    journal.append(Entry("edit", edit()))
    journal.close()
    assert [entry.kind for entry in read_journal(journal.path)] == ["undo", "redo", "edit"]


def test_a_whole_journal_can_be_written_at_once_but_over_none(folder):
    entries = [Entry("edit", edit(CHANGES["pixels"])), Entry("undo")]
    write_journal(folder / "one.jsonl", entries)
    found = read_journal(folder / "one.jsonl")
    assert [entry.kind for entry in found] == ["edit", "undo"]
    assert same(found[0].edit.changes[0], CHANGES["pixels"])
    with pytest.raises(FileExistsError):
        write_journal(folder / "one.jsonl", entries)
