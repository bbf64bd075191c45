"""A folder is replaced as a whole or not at all."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from napari_cellcycle.errors import CannotWrite
from napari_cellcycle.io.storage import (
    EVERYTHING,
    NOTHING,
    remove_unfinished,
    replaced_folder,
)


@pytest.fixture
def result(tmp_path):
    folder = tmp_path / "RES"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    return folder


def test_a_new_folder_takes_the_place_of_the_former(result):
    with replaced_folder(result, EVERYTHING) as draft:
        (draft / "new.txt").write_text("new")
    assert [path.name for path in result.iterdir()] == ["new.txt"]
    assert [path.name for path in result.parent.iterdir()] == ["RES"]


def test_an_error_while_writing_leaves_the_former(result):
    with pytest.raises(OSError, match="disk full"), replaced_folder(result, EVERYTHING) as draft:
        (draft / "new.txt").write_text("new")
        raise OSError("disk full")
    assert (result / "old.txt").read_text() == "old"
    assert [path.name for path in result.parent.iterdir()] == ["RES"]


def test_a_failed_exchange_brings_the_former_back(result, monkeypatch):
    move = Path.replace

    def refuse(self, target):
        if self.suffix == ".tmp":
            raise OSError("refused")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="refused"), replaced_folder(result, EVERYTHING) as draft:
        (draft / "new.txt").write_text("new")
    assert (result / "old.txt").read_text() == "old"
    assert [path.name for path in result.parent.iterdir()] == ["RES"]


@pytest.mark.parametrize("own", [NOTHING, r"new\.txt", "old", r"ld\.txt"])
def test_a_folder_with_anything_that_is_not_ones_own_stays(result, own):
    match = r"RES already holds other files, such as old\.txt, and nothing was written: choose"
    with pytest.raises(CannotWrite, match=match), replaced_folder(result, own):
        pytest.fail("a folder was offered")
    assert (result / "old.txt").read_text() == "old"
    assert [path.name for path in result.parent.iterdir()] == ["RES"]


@pytest.mark.parametrize("own", [NOTHING, EVERYTHING])
def test_a_file_is_never_replaced_by_a_folder(result, own):
    file = result / "old.txt"
    with pytest.raises(CannotWrite, match=r"old\.txt is a file"), replaced_folder(file, own):
        pytest.fail("a folder was offered")
    assert file.read_text() == "old" and [path.name for path in result.iterdir()] == ["old.txt"]


def test_an_empty_folder_may_hold_what_a_system_left_there(tmp_path):
    (tmp_path / "RES").mkdir()
    (tmp_path / "RES" / "desktop.ini").write_text("[ViewState]")
    with replaced_folder(tmp_path / "RES", NOTHING) as draft:
        (draft / "new.txt").write_text("new")
    assert [path.name for path in (tmp_path / "RES").iterdir()] == ["new.txt"]


def test_what_a_failed_writer_left_is_gone_though_its_threads_still_write(tmp_path):
    left = tmp_path / "tracks.geff"

    def keeps_writing() -> None:
        for number in range(30):
            (left / str(number)).mkdir(parents=True, exist_ok=True)
            time.sleep(0.01)

    with ThreadPoolExecutor() as threads:
        writing = threads.submit(keeps_writing)
        remove_unfinished(left)
        writing.result()
    assert not left.exists()


def test_removing_what_was_never_written_is_fine_and_a_file_is_removed_as_well(tmp_path):
    remove_unfinished(tmp_path / "nothing")
    (tmp_path / "file").write_text("half")
    remove_unfinished(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
