"""A folder is replaced as a whole or not at all."""

from pathlib import Path

import pytest

from napari_cellcycle.io.storage import replaced_folder


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
