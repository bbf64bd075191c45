"""The library of models by its buttons: use, go back, compare, rename, pass on, remove."""

import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_cellcycle.models.library import default_model, list_removed, remove_model, use_model
from napari_cellcycle.models.store import ModelCard, find_model, save_model
from napari_cellcycle.widgets import commands
from napari_cellcycle.widgets.library_panel import LibraryPanel


def taught(folder, name, parent="cellcycle-links", score=0.9, **facts):
    metrics = {"kept aside": {"link F1": score}, "kept aside, before": {"link F1": 0.8}}
    card = ModelCard(
        name=name,
        kind="link",
        architecture="graph network over cells",
        parent=parent,
        metrics=metrics,
        **facts,
    )
    return save_model({"w": torch.full((4,), score)}, card, folder)


@pytest.fixture
def panel(qtbot, tmp_path):
    """The panel on a folder with one link model, which was taught from the shipped one."""
    taught(tmp_path, "mine", data=["<dic> & more"])
    widget = LibraryPanel(str(tmp_path))
    qtbot.addWidget(widget)
    widget.resize(1200, 400)
    widget.show()
    return widget


def shown(panel):
    """Names in the table with a tick after those in use."""
    table = panel.table
    rows = range(table.rowCount())
    return {table.item(row, 2).text(): table.item(row, 0).text() for row in rows}


def choose(panel, *names):
    order = [entry.model.card.name for entry in panel.table.entries]
    panel.table.clearSelection()
    panel.table.setSelectionMode(panel.table.SelectionMode.MultiSelection)
    for name in names:
        panel.table.selectRow(order.index(name))
    panel.table.setSelectionMode(panel.table.SelectionMode.ExtendedSelection)


@pytest.fixture
def answer(monkeypatch):
    """What the user types when asked for a name, one answer after the other; None: Cancel."""
    asked = []

    def answers(*given):
        left = list(given)

        def get_text(_parent, _title, words, text):
            asked.append((words, text))
            said = left.pop(0)
            return (said or "", said is not None)

        monkeypatch.setattr(QInputDialog, "getText", get_text)
        return asked

    return answers


@pytest.fixture
def files(monkeypatch):
    """The file that the user chooses, to write and to read."""

    def choose_file(path):
        for name in ("getSaveFileName", "getOpenFileName"):
            monkeypatch.setattr(QFileDialog, name, lambda *_: (str(path), ""))

    return choose_file


def pressed(panel, qtbot, button):
    """Press a button whose work is done in a thread, and wait for its end."""
    button.click()
    qtbot.waitUntil(lambda: panel.task is None, timeout=20_000)


def test_all_models_are_listed_and_the_chosen_one_is_told_in_words(panel):
    assert {"cellcycle-nuclei", "cellcycle-links", "rnn", "mine"} <= shown(panel).keys()
    assert [name for name, tick in shown(panel).items() if tick] == [
        "cellcycle-nuclei",
        "cellcycle-links",
        "rnn",
    ]
    choose(panel, "mine")
    told = panel.details.toPlainText()
    assert "follows cells over time" in told and "<dic> & more" in told
    assert "Taught from" in told and "link F1 0.900" in told


def test_use_and_the_way_back_to_the_parent(panel, qtbot, tmp_path):
    choose(panel, "mine")
    assert not panel.back_button.isEnabled()
    with qtbot.waitSignal(panel.used) as used:
        qtbot.mouseClick(panel.use_button, Qt.MouseButton.LeftButton)
    assert used.args == ["link", "mine"] and shown(panel)["mine"] == "✓"
    assert "Track takes mine" in panel.notice.sentence.text()
    assert not panel.use_button.isEnabled() and panel.back_button.isEnabled()
    with qtbot.waitSignal(panel.used) as used:
        qtbot.mouseClick(panel.back_button, Qt.MouseButton.LeftButton)
    assert used.args == ["link", "cellcycle-links"]
    assert default_model("link", tmp_path) == "cellcycle-links"
    assert shown(panel)["mine"] == "" and "mine is still there" in panel.notice.sentence.text()


def test_one_model_is_compared_with_what_it_was_taught_from(panel):
    choose(panel, "mine")
    panel.compare_button.click()
    told = panel.details.toPlainText()
    assert "cellcycle-links and mine" in told and "0.800" in told and "0.900" in told
    assert "not measured on the same data" not in told


def test_any_two_models_can_be_compared(panel):
    choose(panel, "simple", "mine")
    panel.compare_button.click()
    told = panel.details.toPlainText()
    assert "simple" in told and "mine" in told and "Only simple learned from" in told
    assert "not measured on the same data" in told
    choose(panel, "simple", "mine", "rnn")
    assert not panel.compare_button.isEnabled()


def test_shipped_models_can_only_be_used_and_passed_on(panel):
    choose(panel, "simple")
    assert panel.use_button.isEnabled() and panel.export_button.isEnabled()
    assert not panel.rename_button.isEnabled() and not panel.remove_button.isEnabled()


def test_a_taken_name_is_asked_for_again_with_a_free_one(panel, qtbot, answer, tmp_path):
    asked = answer("rnn", "dic")
    choose(panel, "mine")
    with qtbot.waitSignal(panel.changed):
        panel.rename_button.click()
    assert asked[0][1] == "mine" and "'rnn' already" in asked[1][0] and asked[1][1] == "rnn-2"
    assert "dic" in shown(panel) and "mine" not in shown(panel)
    assert panel.table.selected[0].model.card.name == "dic"
    assert find_model("mine", "link", tmp_path).card.name == "dic"


@pytest.mark.parametrize("said", [None, "mine", "  "])
def test_no_new_name_changes_nothing(panel, answer, said):
    answer(said)
    choose(panel, "mine")
    panel.rename_button.click()
    assert "mine" in shown(panel) and not panel.notice.isVisible()


def test_an_impossible_name_is_told_in_a_sentence(panel, answer):
    answer("../etc")
    choose(panel, "mine")
    panel.rename_button.click()
    assert "cannot be the name of a model" in panel.notice.sentence.text()
    assert "mine" in shown(panel)


def test_a_removed_model_comes_back_from_the_bin(panel, qtbot, tmp_path):
    use_model(find_model("mine", "link", tmp_path), tmp_path)
    panel.refresh("mine")
    assert not panel.bin_button.isEnabled()
    with qtbot.waitSignals([panel.changed, panel.used]):
        panel.remove_button.click()
    assert "mine" not in shown(panel) and panel.bin_button.text() == "Bin (1)"
    assert "Track takes cellcycle-links again" in panel.notice.sentence.text()
    panel._menu.aboutToShow.emit()
    first = panel._menu.actions()[0]
    assert first.text().startswith("Bring back mine")
    first.trigger()
    assert "mine" in shown(panel) and panel.bin_button.text() == "Bin"


def test_a_model_comes_back_under_another_name_if_its_own_is_taken(panel, answer, tmp_path):
    remove_model(find_model("mine", "link", tmp_path), tmp_path)
    taught(tmp_path, "mine")
    panel.refresh()
    asked = answer("mine-2")
    panel._menu.aboutToShow.emit()
    panel._menu.actions()[0].trigger()
    assert asked[0][1] == "mine-2" and {"mine", "mine-2"} <= shown(panel).keys()


@pytest.mark.parametrize("yes", [True, False])
def test_the_bin_is_emptied_only_after_a_yes(panel, monkeypatch, tmp_path, yes):
    remove_model(find_model("mine", "link", tmp_path), tmp_path)
    button = QMessageBox.StandardButton
    monkeypatch.setattr(QMessageBox, "question", lambda *_: button.Yes if yes else button.No)
    panel._menu.aboutToShow.emit()
    panel._menu.actions()[-1].trigger()
    assert len(list_removed(tmp_path)) == (0 if yes else 1)


def test_a_model_is_passed_on_and_taken_over(panel, qtbot, files, answer, tmp_path):
    files(tmp_path / "out.cellmodel")
    choose(panel, "mine")
    pressed(panel, qtbot, panel.export_button)
    assert "out.cellmodel" in panel.notice.sentence.text()
    asked = answer("theirs")
    panel.import_button.click()
    qtbot.waitUntil(lambda: "theirs" in shown(panel), timeout=20_000)
    assert asked[0][1] == "mine-2" and "called 'mine' already" in asked[0][0]
    assert "theirs is among your models now" in panel.notice.sentence.text()
    assert panel.table.selected[0].model.card.name == "theirs"


def test_a_file_that_is_no_model_is_refused_in_a_sentence(panel, qtbot, files, tmp_path):
    path = tmp_path / "odd.cellmodel"
    torch.save({"w": torch.zeros(2)}, path)
    files(path)
    before = shown(panel)
    pressed(panel, qtbot, panel.import_button)
    assert "holds a pickle" in panel.notice.sentence.text() and shown(panel) == before
    assert panel.import_button.isEnabled()


def test_a_damaged_model_is_not_passed_on(panel, qtbot, files, tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(path.read_bytes()[:-2])
    files(tmp_path / "out.cellmodel")
    choose(panel, "mine")
    pressed(panel, qtbot, panel.export_button)
    assert "damaged" in panel.notice.sentence.text()
    assert not (tmp_path / "out.cellmodel").exists()


def test_no_file_chosen_does_nothing(panel, files):
    files("")
    choose(panel, "mine")
    panel.export_button.click()
    panel.import_button.click()
    assert panel.task is None


def test_a_model_that_is_gone_from_the_disk_is_told(panel, tmp_path):
    choose(panel, "mine")
    (tmp_path / "mine.safetensors").unlink()
    (tmp_path / "mine.json").unlink()
    panel.remove_button.click()
    assert panel.notice.isVisible() and "\n" not in panel.notice.sentence.text()


def test_another_folder_shows_other_models(panel, tmp_path):
    other = tmp_path / "other"
    taught(other, "theirs")
    panel.folder = str(other)
    assert "theirs" in shown(panel) and "mine" not in shown(panel)


def test_the_command_opens_it_once_below_the_viewer(viewer):
    panel = commands.open_library(viewer)
    again = commands.open_library(viewer)
    assert panel.isVisible() and again.winId() == panel.winId()
    assert "Models" in viewer.window.dock_widgets
