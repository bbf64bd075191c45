"""After an edit its surroundings are linked anew, around what the user decided.

Cells are called by a letter and their frame: a1 is the cell of row a in frame 1. Rows lie 50 pixels
apart, so that distance alone links nothing.
"""

import numpy as np
import pandas as pd
import pytest
from corrections import check, differences, editor_of, state_of
from examples import blink

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.settling import settled
from napari_cellcycle.data.tracks import BY_MODEL, BY_USER, Tracks
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.editor import Editor

Scores = dict[str, float]


class Rows:
    """An editor of cells `a0 b0 a1 ...`, with links and what a tracker thought of others.

    Links are written `a0-a1` or, where the user made them, `a0=a1`, and what was thought of
    `a0-b1` or `a0-a1+b1`, a division, each with its probability.
    """

    def __init__(self, cells: str, links: str | Scores, thought: Scores, resolving: bool = True):
        self.names = {name: number for number, name in enumerate(cells.split(), start=1)}
        table = pd.DataFrame(
            {
                "frame": [int(name[1:]) for name in self.names],
                "label": range(1, len(self.names) + 1),
                "y": [50.0 * (ord(name[0]) - 96) for name in self.names],
                "x": 0.0,
                "area": 100.0,
            },
            index=pd.Index(self.names.values(), name="cell_id"),
        )
        scores = links if isinstance(links, dict) else dict.fromkeys(links.split(), 0.9)
        pairs = [self.ends(text) for text in scores]
        made = pd.DataFrame(pairs, columns=["parent", "child"]).astype(np.int64)
        made = made.assign(score=list(scores.values()))
        made["by"] = [BY_USER if "=" in text else BY_MODEL for text in scores]
        rows = [(*self.ends(text), 0)[:3] for text in thought]
        candidates = pd.DataFrame(rows, columns=["parent", "child", "other"]).astype(np.int64)
        tracks = Tracks(table, made, candidates=candidates.assign(score=list(thought.values())))
        draft = Draft(settled(None, tracks)[1], pixel_size=(1.0, 1.0))
        self.draft, self.editor = draft, Editor(Bench(draft), resolving=resolving)

    def ends(self, text: str) -> list[int]:
        return [self.names[name] for name in text.replace("=", "-").replace("+", "-").split("-")]

    def do(self, operation: str, **cells: str):
        """Do something with cells by name; returns the edit."""
        named = {
            key: [self.names[one] for one in value.split()] if key in ("daughters", "cells") else
            self.names[value]
            for key, value in cells.items()
        }  # fmt: skip
        edit = self.editor.do(operation, **named)
        check(self.draft)
        return edit

    def links(self) -> str:
        """All links, as they are written above."""
        name = {number: text for text, number in self.names.items()}
        found = []
        for child in self.draft.ids.tolist():
            parent = self.draft.parent(child)
            if parent != NOBODY:
                mark = "=" if self.draft.value(child, "link_by") == BY_USER else "-"
                found.append(f"{name[parent]}{mark}{name[child]}")
        return " ".join(sorted(found))


def test_one_link_mends_a_swap():
    rows = Rows("a0 b0 a1 b1", "a0-b1 b0-a1", {"a0-a1": 0.5, "b0-b1": 0.8, "a0-b1": 0.6})
    edit = rows.do("replace", parent="a0", child="a1")
    assert rows.links() == "a0=a1 b0-b1"
    assert edit.consequences == ("Cell 2 goes on from frame 0 to 1.",)
    assert rows.draft.value(rows.names["b1"], "link_score") == 0.8


def test_without_it_nothing_else_changes():
    rows = Rows("a0 b0 a1 b1", "a0-b1 b0-a1", {"a0-a1": 0.5, "b0-b1": 0.8}, resolving=False)
    edit = rows.do("replace", parent="a0", child="a1")
    assert rows.links() == "a0=a1" and edit.consequences == ()


def test_all_of_it_is_one_step_of_the_history():
    rows = Rows("a0 b0 a1 b1", "a0-b1 b0-a1", {"a0-a1": 0.5, "b0-b1": 0.8})
    before = state_of(rows.draft)
    rows.do("replace", parent="a0", child="a1")
    rows.editor.undo()
    assert not differences(before, state_of(rows.draft)) and not rows.editor.can_undo
    rows.editor.redo()
    assert rows.links() == "a0=a1 b0-b1"


def test_a_link_that_the_user_cut_does_not_come_back():
    rows = Rows("a0 a1 a2", "a0-a1 a1-a2", {"a0-a1": 0.99, "a1-a2": 0.99})
    edit = rows.do("unlink", child="a1")
    assert rows.links() == "a1-a2" and edit.consequences == ()


def test_the_runner_up_takes_the_place_of_a_link_that_was_cut():
    rows = Rows("a0 a1 b1", "a0-a1", {"a0-a1": 0.99, "a0-b1": 0.6})
    rows.do("unlink", child="a1")
    assert rows.links() == "a0-b1"


def test_links_less_probable_than_tracking_would_make_are_not_made():
    rows = Rows("a0 a1 b1", "a0-a1", {"a0-a1": 0.99, "a0-b1": 0.25})
    assert rows.editor.bench.track.min_score == 0.3
    rows.do("unlink", child="a1")
    assert rows.links() == ""


def test_a_rival_gives_way_where_that_is_better_for_all():
    """b1 is better off with a0, and c0 finds another."""
    thought = {"a0-a1": 0.99, "a0-b1": 0.9, "c0-b1": 0.6, "c0-c1": 0.55}
    rows = Rows("a0 c0 a1 b1 c1", {"a0-a1": 0.99, "c0-b1": 0.6}, thought)
    edit = rows.do("unlink", child="a1")
    assert rows.links() == "a0-b1 c0-c1" and len(edit.consequences) == 2


def test_a_link_of_the_user_does_not_give_way():
    thought = {"a0-a1": 0.99, "a0-b1": 0.9, "c0-b1": 0.6, "c0-c1": 0.55}
    rows = Rows("a0 c0 a1 b1 c1", {"a0-a1": 0.99, "c0=b1": 0.6}, thought)
    rows.do("unlink", child="a1")
    assert rows.links() == "c0=b1"


def test_a_confirmed_link_does_not_give_way():
    thought = {"a0-a1": 0.99, "a0-b1": 0.9, "c0-b1": 0.6, "c0-c1": 0.55}
    rows = Rows("a0 c0 a1 b1 c1", {"a0-a1": 0.99, "c0-b1": 0.6}, thought)
    rows.editor.do("confirm", kind="link", number=rows.names["b1"])
    rows.do("unlink", child="a1")
    assert rows.links() == "c0=b1"


@pytest.mark.parametrize("score", [0.05, np.nan])
def test_a_link_that_is_there_stays_even_if_its_score_is_low_or_unknown(score):
    """Such as one of another program's tracks."""
    links = {"a0-a1": 0.9, "a1-a2": score, "b0-b1": score, "b1-b2": score}
    rows = Rows("a0 b0 a1 b1 a2 b2", links, {"a0-b1": 0.2, "a0-a1": 0.9})
    rows.do("unlink", child="a1")
    assert rows.links() == "a1-a2 b0-b1 b1-b2"


def test_a_cell_far_from_the_edit_is_left_alone_even_if_others_would_suit_it_better():
    thought = {"a0-a1": 0.9, "y5-z6": 0.99}
    rows = Rows("a0 a1 y5 y6 z6", "a0-a1 y5-y6", thought)
    rows.do("unlink", child="a1")
    assert rows.links() == "y5-y6"


def test_a_false_division_sets_the_other_daughter_free_for_her_own_mother():
    rows = Rows("a0 b0 a1 b1", "a0-a1 a0-b1", {"b0-b1": 0.7, "a0-a1": 0.9, "a0-a1+b1": 0.8})
    rows.do("undivide", mother="a0", keep="a1")
    assert rows.links() == "a0-a1 b0-b1"


def test_a_division_that_the_user_took_apart_does_not_come_back():
    rows = Rows("a0 a1 b1", "a0-a1 a0-b1", {"a0-a1": 0.9, "a0-a1+b1": 0.99})
    rows.do("unlink", child="b1")
    assert rows.links() == "a0-a1"


def test_a_division_that_was_missed_is_found_where_a_daughter_is_set_free():
    thought = {"a0-a1": 0.9, "b0-b1": 0.9, "a0-a1+b1": 0.8}
    rows = Rows("a0 b0 a1 b1", "a0-a1 b0-b1", thought)
    edit = rows.do("unlink", child="b1")
    assert rows.links() == "a0-a1 a0-b1"
    assert edit.consequences[-1].endswith(f"is born of cell {rows.draft.label(1)} in frame 1.")


def test_a_division_stays_whole_where_one_half_is_the_users():
    thought = {"x0-b1": 0.99, "x0-x1": 0.9, "a0-a1+b1": 0.8}
    rows = Rows("a0 x0 a1 b1 x1", "a0=a1 a0-b1 x0-x1", thought)
    rows.do("unlink", child="x1")
    assert rows.links() == "a0-b1 a0=a1"


def test_a_gap_is_closed_by_what_the_tracker_thought():
    rows = Rows("a0 a1 b1 a2", "a0-b1", {"a0-b1": 0.9, "a0-a2": 0.7})
    rows.do("delete_cells", cells="b1")
    assert rows.links() == "a0-a2"


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_cell_drawn_by_hand_is_linked_to_those_before_and_after_it(ndim):
    editor = editor_of(blink(ndim), resolving=True)
    draft = editor.draft
    editor.do("unlink", child=draft.cell_at(3, 1))
    rest = int(draft.label(draft.onwards(draft.track(1)[-1])[0]))
    assert rest == 1 and len(draft.track(1)) == 2
    place = (8, 30, 42)[-ndim:]
    editor.do("draw_cell", frame=2, place=place)
    assert len(draft.track(1)) == 5, "the new cell bridges what was cut"
    check(draft)


def test_distance_alone_takes_no_link_away():
    editor = editor_of(blink(), resolving=True)
    draft = editor.draft
    before = draft.column("parent").tolist()
    editor.do("draw_cell", frame=2, place=(55, 40))
    assert draft.column("parent")[:-1].tolist() == before
    check(draft)


def test_an_edit_that_sets_very_many_cells_free_is_left_alone():
    count = 301
    table = pd.DataFrame(
        {
            "frame": np.repeat([0, 1], count),
            "label": np.tile(np.arange(1, count + 1), 2),
            "y": np.tile(50.0 * np.arange(count), 2),
            "x": 0.0,
        },
        index=pd.RangeIndex(1, 2 * count + 1, name="cell_id"),
    )
    first = np.arange(1, count + 1)
    links = pd.DataFrame({"parent": first, "child": first + count, "score": 0.9})
    others = pd.DataFrame({"parent": first, "child": np.roll(first, 1) + count, "other": 0})
    tracks = Tracks(table, links, candidates=others.assign(score=0.8))
    editor = Editor(Bench(Draft(tracks)))
    edit = editor.do_all([("unlink", {"child": child}) for child in (first + count).tolist()])
    assert edit.consequences == () and not editor.draft.column("parent").any()
    editor.undo()
    editor.do_all([("unlink", {"child": child}) for child in (first + count)[:3].tolist()])
    assert np.count_nonzero(editor.draft.column("parent")) > count - 3
    check(editor.draft)
