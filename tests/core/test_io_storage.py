"""A folder is replaced as a whole or not at all."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from napari_cellcycle.io.storage import remove_unfinished, replaced_folder


@pytest.fixture
def result(tmp_path):
    folder = tmp_path / "RES"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    return folder


def test_a_new_folder_takes_the_place_of_the_former(result):
    with replaced_folder(result) as draft:
        (draft / "new.txt").write_text("new")
    assert [path.name for path in result.iterdir()] == ["new.txt"]
    assert [path.name for path in result.parent.iterdir()] == ["RES"]


def test_an_error_while_writing_leaves_the_former(result):
    with pytest.raises(OSError, match="disk full"), replaced_folder(result) as draft:
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
    with pytest.raises(OSError, match="refused"), replaced_folder(result) as draft:
        (draft / "new.txt").write_text("new")
    assert (result / "old.txt").read_text() == "old"
    assert [path.name for path in result.parent.iterdir()] == ["RES"]


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
