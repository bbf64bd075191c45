"""Nothing that lies on disk is replaced unasked, by the real dialogs of Qt."""

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox

from napari_cellcycle.io.experiment import is_experiment

YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No


class Answers:
    """Types a name into each file dialog that comes up, once, and answers each question."""

    def __init__(self):
        self.name, self.answer = "", NO
        self.offered, self.questions = [], []
        self._dialog = None
        self._timer = QTimer(interval=50)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def stop(self):
        self._timer.stop()

    def _look(self):
        window = QApplication.activeModalWidget()
        if isinstance(window, QFileDialog) and window is self._dialog:
            window.reject()
        elif isinstance(window, QFileDialog):
            self._dialog = window
            line = window.findChild(QLineEdit, "fileNameEdit")
            self.offered.append((window.directory().absolutePath(), line.text()))
            line.setText(str(self.name) if self.name else line.text())
            QTimer.singleShot(0, window.accept)
        elif isinstance(window, QMessageBox):
            self.questions.append(window.text())
            window.button(self.answer).click()


@pytest.fixture
def answers(qapp):
    given = Answers()
    yield given
    given.stop()


@pytest.fixture
def tracked(monkeypatch, tmp_path, sample, quick, run):
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))
    run(sample, sample.run_button)
    return sample


@pytest.fixture
def other(tmp_path):
    """What somebody else keeps under the name "mine"."""
    folder = tmp_path / "mine.cellcycle"
    folder.mkdir()
    (folder / "notes.txt").write_text("a year of work")
    return folder


def test_another_experiment_is_replaced_only_after_a_yes_and_one_s_own_unasked(
    tracked, answers, other, tmp_path, run
):
    answers.name = tmp_path / "new"
    run(tracked, tracked.results.save_button)
    assert is_experiment(tmp_path / "new.cellcycle") and not answers.questions
    answers.name = other.with_suffix("")
    tracked.results.save_button.click()
    assert tracked.task is None and not is_experiment(other)
    assert answers.questions == [f"mine.cellcycle is in {other.parent} already. Replace it?"]
    answers.answer = YES
    run(tracked, tracked.results.save_button)
    assert is_experiment(other)
    answers.name, answers.answer = "", NO
    asked = len(answers.questions)
    run(tracked, tracked.results.save_button)
    assert answers.offered[-1] == (str(tmp_path), "mine")
    assert len(answers.questions) == asked
    assert not list((tmp_path / "mine.cellcycle").glob("*.cellcycle"))


@pytest.fixture
def export_table(tracked):
    (action,) = [a for a in tracked.results.export_button.menu().actions() if "CSV" in a.text()]
    return action.trigger


def test_a_table_is_replaced_only_after_one_yes(tracked, answers, tmp_path, export_table, qtbot):
    table = tmp_path / "cells.csv"
    table.write_text("mine")
    answers.name = tmp_path / "cells"
    export_table()
    assert tracked.task is None and table.read_text() == "mine"
    answers.answer = YES
    with qtbot.waitSignal(tracked.finished, timeout=30_000):
        export_table()
    assert table.read_text() != "mine" and len(answers.questions) == 2
    table.write_text("mine")
    answers.name = table  # with its ending, so that the dialog itself asks
    with qtbot.waitSignal(tracked.finished, timeout=30_000):
        export_table()
    assert table.read_text() != "mine" and len(answers.questions) == 3
