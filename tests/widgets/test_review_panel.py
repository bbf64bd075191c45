"""The list of doubts and the audit: by keys and buttons, in a real viewer."""

import numpy as np
import pandas as pd
import pytest
from correcting import Window
from examples import division, two_walkers
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.tracks import BY_MODEL, Tracks
from napari_cellcycle.review.audit import estimate
from napari_cellcycle.review.doubt import facts_of
from napari_cellcycle.widgets.audit_panel import AuditPanel
from napari_cellcycle.widgets.below import show_below
from napari_cellcycle.widgets.review_panel import ReviewPanel
from napari_cellcycle.widgets.review_thread import Finder

WAIT = 20_000


@pytest.fixture
def window(viewer):
    """Two cells that walk side by side, in a viewer."""
    shown = Window(getattr(viewer, "__wrapped__", viewer), two_walkers())
    yield shown
    shown.close()


def doubted(window, *cells, score=0.02):
    """Let a tracker have been unsure of the links to some cells."""
    draft = window.draft
    with draft.recording():
        draft.set_values("link_score", draft.ids[draft.column("parent") > 0], 0.999)
        draft.set_values("link_score", cells, score)


def cell(window, frame, label):
    return window.draft.cell_at(frame, label)


@pytest.fixture
def review(window, qtbot):
    """Opens the list, and waits until it is there."""

    def show():
        panel = window.add(ReviewPanel(window.session))
        with qtbot.waitSignal(panel.finder.found, timeout=WAIT):
            show_below(window.viewer, panel, "Review")
        return panel

    return show


def press(panel, key, modifiers=Qt.KeyboardModifier.NoModifier):
    """A key where the focus is, as a keyboard does."""
    window = panel.window()
    window.activateWindow()
    QTest.qWait(20)
    focused = window.focusWidget()
    if focused is None:
        window.setFocus()
        focused = window
    QTest.keyClick(focused, key, modifiers)
    QTest.qWait(20)


def edit(panel, qtbot, act):
    """Do something that is an edit, and wait until the list has followed."""
    with qtbot.waitSignal(panel.finder.found, timeout=WAIT):
        act()


def test_buttons_and_clicks_lead_to_the_places_from_the_likeliest_on(window, review, qtbot):
    likely, less = cell(window, 2, 1), cell(window, 3, 2)
    doubted(window, less, score=0.05)
    with window.draft.recording():
        window.draft.set_values("link_score", [likely], 0.02)
    panel = review()
    assert len(panel.shown) == 2
    assert "2 places to check" in panel.facts.text()
    panel.next_button.click()
    assert panel.current is panel.shown[0]
    assert panel.current.cells[0] == likely
    assert window.session.frame == 2
    assert window.session.track == window.draft.label(likely)
    assert "2 % sure" in panel.reason.text()
    panel.next_button.click()
    assert (window.session.frame, window.session.track) == (3, window.draft.label(less))
    panel.former_button.click()
    assert window.session.frame == 2
    index = panel.rows.index(1, 4)
    place = panel.table.visualRect(index).center()
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert panel.current is panel.shown[1]
    assert window.session.frame == panel.current.frame == 3
    panel.former_button.click()
    first = panel.current
    edit(panel, qtbot, panel.mends[0].click)
    assert window.edits[-1].operation == first.mends[0].operation


def test_a_number_takes_a_mend_and_undo_brings_the_doubt_back(window, review, qtbot):
    begin = cell(window, 2, 1)
    end = window.draft.parent(begin)
    window.session.do("unlink", child=begin)
    with window.draft.recording():  # the tracker's fault, not the user's
        window.draft.mark("rejected", window.draft.rejected, there=False)
    doubted(window)
    panel = review()
    place = next(n for n, d in enumerate(panel.shown) if {begin, end} <= set(d.cells))
    for _ in range(place + 1):
        panel.next_button.click()
    assert "goes on as cell" in panel.mends[0].text()
    before = len(panel.shown)
    edit(panel, qtbot, lambda: press(panel, Qt.Key.Key_1))
    assert window.draft.parent(begin) == end
    assert not [d for d in panel.shown if begin in d.cells]
    edit(panel, qtbot, window.session.undo)
    assert len(panel.shown) == before


def test_enter_confirms_and_the_doubt_does_not_come_back(window, review, qtbot):
    likely, less = cell(window, 2, 1), cell(window, 3, 2)
    doubted(window, likely, less)
    panel = review()
    panel.next_button.click()
    first = panel.current
    edit(panel, qtbot, lambda: press(panel, Qt.Key.Key_Return))
    assert first.key in window.draft.confirmed
    assert len(panel.shown) == 1
    assert panel.current is None
    panel.next_button.click()
    assert panel.current.key != first.key
    edit(panel, qtbot, panel.confirm_button.click)
    assert not panel.shown
    assert "Nothing" in panel.facts.text()
    assert "Nothing looks wrong" in panel.words.text() and panel.words.isVisible()
    edit(panel, qtbot, window.session.undo)
    assert len(panel.shown) == 1


def test_n_goes_on_where_a_doubt_was_mended(window, review, qtbot):
    cells = [cell(window, frame, label) for frame, label in ((1, 1), (2, 2), (3, 1))]
    doubted(window, *cells)
    panel = review()
    assert len(panel.shown) == 3
    panel.next_button.click()
    panel.next_button.click()
    middle, last = panel.current, panel.shown[2]
    edit(panel, qtbot, lambda: press(panel, Qt.Key.Key_Return))
    edit(panel, qtbot, lambda: window.session.do("confirm", kind="frame", number=0))
    assert middle.key not in {doubt.key for doubt in panel.shown}
    panel.next_button.click()
    assert panel.current.key == last.key


def test_one_kind_only(viewer, qtbot):
    window = Window(getattr(viewer, "__wrapped__", viewer), division())
    mother, lost = cell(window, 3, 1), cell(window, 5, 3)
    doubted(window, cell(window, 2, 2), *window.draft.children(mother))
    window.session.do("delete_cells", cells=[lost])
    panel = window.add(ReviewPanel(window.session))
    with qtbot.waitSignal(panel.finder.found, timeout=WAIT):
        show_below(window.viewer, panel, "Review")
    kinds = {doubt.kind for doubt in panel.shown}
    assert "link" in kinds and len(kinds) > 1
    panel.kind.setCurrentIndex(panel.kind.findData("link"))
    assert {doubt.kind for doubt in panel.shown} == {"link"}
    panel.kind.setCurrentIndex(0)
    assert {doubt.kind for doubt in panel.shown} == kinds
    window.close()


def test_unlikely_doubts_are_shown_on_request(window, review):
    doubted(window, cell(window, 2, 1), score=0.6)
    panel = review()
    assert not panel.shown
    panel.unlikely.setChecked(True)
    assert panel.shown
    assert all(doubt.weight < 0.1 for doubt in panel.shown)


def test_a_hidden_list_does_no_work_and_catches_up(window, review, qtbot):
    doubted(window, cell(window, 2, 1), cell(window, 3, 2))
    panel = review()
    before = len(panel.shown)
    panel.parent().hide()
    with qtbot.assertNotEmitted(panel.finder.found, wait=300):
        child = panel.shown[0].cells[0]
        window.session.do("confirm", kind="link", number=child)
    with qtbot.waitSignal(panel.finder.found, timeout=WAIT):
        panel.parent().show()
    assert len(panel.shown) == before - 1


def test_digits_need_the_focus_of_the_list_and_another_result_has_its_own(window, review, qtbot):
    doubted(window, cell(window, 2, 1))
    panel = review()
    assert panel.shown
    panel.next_button.click()
    assert panel.current is not None
    window.viewer.window._qt_viewer.canvas.native.setFocus()
    press(panel, Qt.Key.Key_1)
    assert not [e for e in window.edits if e.operation == "unlink"]
    former = window.session.result
    window.session.replace(None)
    assert not panel.shown
    with qtbot.waitSignal(panel.finder.found, timeout=WAIT):
        window.session.undo()
    assert window.session.result is former
    assert len(panel.shown) == 1


def many_cells(cells=20_000, frames=40):
    """A draft of many cells, every tenth of whose links is doubtful."""
    rng, each = np.random.default_rng(0), cells // frames
    frame, label = np.divmod(np.arange(each * frames), each)
    table = pd.DataFrame(
        {
            "frame": frame,
            "label": label + 1,
            "y": 20.0 * (label // 25) + rng.normal(0, 1, len(frame)),
            "x": 20.0 * (label % 25) + rng.normal(0, 1, len(frame)),
            "area": rng.lognormal(5, 0.1, len(frame)),
        },
        index=pd.RangeIndex(1, len(frame) + 1, name="cell_id"),
    )
    child = table.index[each:].to_numpy()
    score = np.where(rng.random(len(child)) < 0.1, 0.02, 0.999)
    links = pd.DataFrame({"parent": child - each, "child": child, "score": score, "by": BY_MODEL})
    return Draft(Tracks(table, links), pixel_size=(1.0, 1.0))


def test_the_viewer_goes_on_while_doubts_are_found(qtbot, heartbeat):
    draft, finder = many_cells(), Finder()
    with heartbeat, qtbot.waitSignal(finder.found, timeout=60_000) as found:
        finder.find(draft, facts_of(draft, 300.0))
    assert len(found.args[0]) > 500
    assert np.median(heartbeat.gaps) < 0.05
    finder.close()


def test_edits_in_quick_succession_are_looked_at_together(qtbot):
    draft, finder = many_cells(2_000, 20), Finder()
    facts = facts_of(draft, 300.0)
    with qtbot.waitSignal(finder.found, timeout=WAIT) as found:
        finder.find(draft, facts)
    children = [doubt.cells[0] for doubt in found.args[0][:5]]
    lists = []
    finder.found.connect(lists.append)
    for child in children:
        with draft.recording():
            draft.set_values("link_score", [child], 0.999)
        finder.refresh(draft, facts, np.array([child]))
    qtbot.waitUntil(lambda: bool(lists) and finder.is_idle, timeout=WAIT)
    left = {doubt.cells[0] for doubt in lists[-1] if doubt.weight > 0.05}
    assert not left & set(children)
    finder.close()


# ------------------------------------------------------------------ audit


@pytest.fixture
def audit(window):
    panel = window.add(AuditPanel(window.session))
    show_below(window.viewer, panel, "Audit")
    QTest.qWait(50)
    panel.setFocus()
    return panel


def test_yes_and_no_are_counted_and_the_next_question_comes(window, audit):
    asked = audit.question
    assert audit.asked.text() == asked.words
    assert window.session.track == window.draft.label(asked.cell)
    press(audit, Qt.Key.Key_Right)
    assert audit.question != asked
    press(audit, Qt.Key.Key_Left)
    known = estimate(window.draft, "link")
    assert (known.right, known.asked) == (1, 2)
    share = audit.figures["link"][1].text()
    assert share.startswith("50.0 %") and "to" in share
    assert audit.figures["link"][2].text() == "2 of 6"
    window.session.undo()
    assert estimate(window.draft, "link").asked == 1


def test_up_and_down_show_the_frames_and_what_cannot_be_told_does_not_count(window, audit):
    asked = audit.question
    press(audit, Qt.Key.Key_Up)
    assert window.session.frame == asked.before
    press(audit, Qt.Key.Key_Down)
    assert window.session.frame == asked.frame
    audit.skip_button.click()
    assert audit.question != asked
    assert estimate(window.draft, "link").asked == 0


def test_it_says_when_it_is_enough(window, audit):
    audit.goal.setValue(20.0)
    while audit.question is not None:
        audit.yes_button.click()
    assert "Enough" in audit.figures["link"][4].text()
    assert "Nothing is left to ask about links" in audit.asked.text()
    assert not audit.yes_button.isEnabled()
    audit.kind.setCurrentIndex(audit.kind.findData("division"))
    assert "Nothing is left" in audit.asked.text()
    assert audit.figures["division"][4].text() == "none in this result"
