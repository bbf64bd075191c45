"""Correcting a movie by mouse and keys, taking it back, closing, opening again, doing it again."""

import numpy as np
import pytest
from pointer import Pointer
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from test_stage_editing import drag

from napari_cellcycle.widgets.recovery import find_unsaved

SHIFT = Qt.KeyboardModifier.ShiftModifier


class User:
    """What a person can do: click on cells, and press keys."""

    def __init__(self, viewer, dock):
        self.viewer = getattr(viewer, "__wrapped__", viewer)
        self.dock = dock
        self.session = dock.session

    @property
    def draft(self):
        return self.session.draft

    def press(self, key, modifiers=Qt.KeyboardModifier.NoModifier):
        window = self.viewer.window._qt_window
        window.activateWindow()
        window.setFocus()
        QTest.qWait(20)
        QTest.keyClick(window, key, modifiers)
        QTest.qWait(20)

    def click(self, cell, modifiers=Qt.KeyboardModifier.NoModifier):
        """Go to the frame of a cell and click on it."""
        self.session.go_to_frame(self.draft.frame(cell))
        self.viewer.layers.selection.active = self.session.recording.layers.labels
        self.session.recording.layers.labels.mode = "pan_zoom"
        QTest.qWait(20)
        box, inside = self.draft.pixels_of(cell)
        middle = np.argwhere(inside)[inside.sum() // 2] + [part.start for part in box]
        Pointer(self.viewer, self.session.recording.layers.labels).click(
            *middle, modifiers=modifiers
        )


@pytest.fixture
def own_work(monkeypatch, tmp_path):
    """Results are kept where no other test looks."""
    monkeypatch.setenv("NAPARI_CELLCYCLE_WORK", str(tmp_path / "work"))


@pytest.fixture
def user(own_work, viewer, sample, quick, run):
    """Somebody who has tracked and classified the sample movie."""
    run(sample, sample.run_button)
    return User(viewer, sample)


def a_division(draft):
    """A mother in the middle of the field and her daughters."""
    parents, counts = np.unique(draft.column("parent"), return_counts=True)
    mothers = parents[(counts == 2) & (parents > 0)]
    middle = np.array(draft.masks.shape[1:]) / 2
    nearest = min(mothers, key=lambda cell: np.abs(draft.place(int(cell)) - middle).max())
    return int(nearest), draft.children(int(nearest))


def state(draft):
    return draft.tracks(), np.array(draft.masks)


def same(one, other):
    return (
        one[0].cells.equals(other[0].cells)
        and one[0].links.equals(other[0].links)
        and np.array_equal(one[1], other[1])
    )


def test_a_movie_is_corrected_by_mouse_and_keys_and_nothing_is_lost(user, viewer, qtbot):
    draft, session = user.draft, user.session
    start = state(draft)
    mother, daughters = a_division(draft)
    name = draft.label(mother)

    user.click(mother)
    assert session.track == name
    user.press("Y")
    assert len(draft.children(mother)) == 1
    user.click(mother)
    user.click(daughters[0], SHIFT)
    user.click(daughters[1], SHIFT)
    user.press("Y")
    assert sorted(draft.children(mother)) == sorted(daughters)
    added = session.editor.history.done[-1]

    cells = [c for c in draft.in_frame(12).tolist() if draft.parent(c)]
    one, other = cells[0], cells[-1]
    tracks = draft.label(one), draft.label(other)
    user.click(one)
    user.click(other, SHIFT)
    user.press("S")
    assert (draft.label(one), draft.label(other)) == tracks[::-1]

    whole = cells[len(cells) // 2]
    label, before = draft.label(whole), len(draft.in_frame(12))
    user.click(whole)
    user.press("X")
    assert len(draft.in_frame(12)) == before + 1
    assert draft.has(whole) and draft.label(whole) == label

    user.dock.panels.show("stages")
    matrix = user.dock.stages.matrix
    grid = matrix.grid
    row = next(r for r in range(len(grid.tracks)) if (grid.codes[r, 4:8] >= 0).all())
    track = int(grid.tracks[row])
    here, there = matrix.middle_of(row, 5), matrix.middle_of(row, 6)
    edge = type(here)((matrix.middle_of(row, 4).x() + here.x()) // 2, here.y())
    drag(qtbot, matrix, edge, here, there)
    assert draft.value(draft.cell_at(5, track), "pinned") != ""

    end, steps = state(draft), len(session.editor.history.done)
    assert steps == 5 and added.operation == "divide"
    for _ in range(steps):
        user.press("Z")
    assert same(state(draft), start)
    folder = session.result.folder
    user.dock.picker.layer.visible = False
    viewer.layers.clear()
    QTest.qWait(50)
    with qtbot.waitSignal(user.dock.finished, timeout=30_000):
        viewer.open(str(folder), plugin="napari-cellcycle")
    again = user.session.editor
    assert again is not None and len(again.history.undone) == steps
    for _ in range(steps):
        user.press("Z", SHIFT)
    assert same(state(user.draft), end)


def test_what_is_not_possible_is_said_with_what_is(user):
    draft = user.draft
    daughters = a_division(draft)[1]
    user.click(daughters[0])
    user.click(draft.children(daughters[1])[0], SHIFT)
    user.press("C")
    notice = user.dock.notice
    assert "already" in notice.sentence.text()
    buttons = [notice.offers.itemAt(i).widget() for i in range(notice.offers.count() - 1)]
    words = {button.text(): button for button in buttons}
    grandchild = draft.children(daughters[1])[0]
    words["Link this one instead"].click()
    assert draft.parent(grandchild) == daughters[0]
    assert notice.isHidden()


def test_corrections_that_were_not_saved_are_found_again(user, viewer):
    user.click(a_division(user.draft)[0])
    user.press("B")
    assert find_unsaved() is None, "somebody still works on them"
    folder = user.session.result.folder
    viewer.layers.clear()
    QTest.qWait(50)
    found = find_unsaved()
    assert found is not None and found.folder == folder and found.corrections == 1
    assert "1 correction of nuclei 2d" in found.words


def test_a_second_window_on_one_experiment_is_told(user, viewer, qtbot, tmp_path):
    from napari_cellcycle.widgets import saving
    from napari_cellcycle.widgets.work import load

    with qtbot.waitSignal(user.dock.finished, timeout=30_000):
        saving.save(user.dock, tmp_path / "mine")
    user.click(a_division(user.draft)[0])
    user.press("B")
    other = load(tmp_path / "mine.cellcycle")
    assert "being corrected in another window" in other.warning
    assert len(other.experiment.tracks.links) == len(user.draft.tracks().links)


def test_cells_are_cut_and_drawn_with_the_mouse_until_escape(user):
    draft, session = user.draft, user.session
    cell = a_division(draft)[0]
    user.click(cell)
    label, many = draft.label(cell), len(draft)
    user.press("X", SHIFT)
    assert "until" in user.dock.notice.sentence.text() or "Esc" in user.dock.notice.sentence.text()
    box, _ = draft.pixels_of(cell)
    y, left, right = (
        (box[0].start + box[0].stop) // 2,
        box[1].start - 3,
        box[1].stop + 3,
    )
    pointer = Pointer(user.viewer, session.recording.layers.labels)
    pointer.drag([(y, left), (y, (left + right) // 2), (y, right)])
    assert len(draft) == many + 1
    assert session.editor.history.done[-1].operation == "split_line"
    assert label in draft.column("label")[draft.rows(draft.in_frame(session.frame))]
    user.press(Qt.Key.Key_Escape)
    assert user.dock.notice.isHidden()
