"""Whatever is done in whatever order: lineages stay valid, and every step can be taken back."""

import inspect
import tempfile
from pathlib import Path
from typing import Any

import examples
import numpy as np
import pytest
from corrections import check, columns_of, differences, editor_of, experiment_of, state_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.edit.operations import OPERATIONS
from napari_cellcycle.errors import Refused
from napari_cellcycle.io.journal import Journal, read_journal

LAW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(900)
TOYS = (*examples.TOYS, examples.family)
CELLS = {"parent", "child", "mother", "cell", "last"}
LABELS = {"label", "track"}
OTHERWISE = {
    ("swap", "first"): "cell",
    ("swap", "second"): "cell",
    ("interpolate", "first"): "cell",
    ("join", "first"): "label",
    ("join", "second"): "label",
    ("undivide", "keep"): "cell",
    ("merge", "keep"): "label",
}
"""Arguments of one name that mean different things."""


class Draws:
    """Arguments for operations, sensible ones and a few that are not, from what is there."""

    def __init__(self, data: st.DataObject, editor: Editor) -> None:
        self.data, self.draft = data, editor.draft
        assert self.draft.masks is not None
        self.frames, *self.shape = self.draft.masks.shape

    def pick(self, strategy: st.SearchStrategy) -> Any:
        return self.data.draw(strategy)

    def odd(self, usual: list[int], strange: list[int]) -> int:
        return self.pick(st.sampled_from([*usual * (1 + 40 // max(len(usual), 1)), *strange]))

    def cell(self) -> int:
        return self.odd(self.draft.ids.tolist(), [0, -1, 999])

    def label(self) -> int:
        labels = np.unique(self.draft.column("label")).tolist()
        return self.odd(labels, [0, -3, 999, self.draft.next_label])

    def frame(self) -> int:
        return self.odd(list(range(self.frames)), [-1, self.frames])

    def several(self, one: Any, least: int = 0) -> list[int]:
        return [one() for _ in range(self.pick(st.integers(least, 3)))]

    def place(self) -> list[int]:
        middle = [8] if len(self.shape) == 3 else []
        return middle + [self.odd(list(range(0, 96, 3)), [-5, 200]) for _ in range(2)]

    def masks(self, frame: int, corner: list[int]) -> np.ndarray:
        """Some pixels painted over in a box that usually lies inside of the frame."""
        size = [self.pick(st.integers(0, 24)) for _ in self.shape]
        box = tuple(slice(max(c, 0), max(c, 0) + n) for c, n in zip(corner, size, strict=True))
        now = self.draft.mask(min(max(frame, 0), self.frames - 1))[box].copy()
        part = now[..., : max(1, now.shape[-1] // self.pick(st.integers(1, 3)))]
        part[...] = self.pick(st.sampled_from([0, 0, self.label()]))
        return now

    def arguments(self, operation: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, parameter in list(inspect.signature(OPERATIONS[operation]).parameters.items())[
            1:
        ]:
            if parameter.default is not parameter.empty and self.pick(st.booleans()):
                continue
            found[name] = self.value(operation, name, found)
        return found

    def value(self, operation: str, name: str, so_far: dict[str, Any]) -> Any:
        name = OTHERWISE.get((operation, name), name)
        if name in CELLS:
            return self.cell()
        if name in LABELS:
            return self.label()
        several = {"cells": self.cell, "daughters": self.cell, "labels": self.label}
        if name in several:
            return self.several(several[name], 2 if name == "daughters" else 0)
        if name in ("points", "line"):
            return [self.place() for _ in range(self.pick(st.integers(1, 3)))]
        if name == "masks":
            return self.drawn(so_far)
        options = {
            "frame": self.frame,
            "to": self.frame,
            "corner": self.place,
            "place": self.place,
            "stage": lambda: self.pick(st.sampled_from([*H2B.names, "metafase"])),
            "kind": lambda: self.pick(st.sampled_from(["link", "division", "stage"])),
            "number": self.cell,
            "pixels": lambda: self.pick(st.sampled_from([0.0, 1.0, 3.0])),
            "step": lambda: self.pick(st.sampled_from([1, -1])),
            "apart": lambda: self.pick(st.booleans()),
            "by": lambda: self.pick(st.sampled_from(["user", "model"])),
        }
        return options[name]()

    def drawn(self, so_far: dict[str, Any]) -> np.ndarray:
        if "corner" in so_far:
            return self.masks(so_far["frame"], so_far["corner"])
        return np.roll(self.draft.mask(min(max(so_far["frame"], 0), self.frames - 1)), 2, -1)


def one_step(draws: Draws, editor: Editor) -> None:
    """Do, undo or redo something; a refusal changes nothing."""
    what = draws.pick(st.sampled_from(["do"] * 6 + ["several", "undo", "redo"]))
    if what in ("undo", "redo"):
        getattr(editor, what)()
        return
    operations = draws.several(lambda: draws.pick(st.sampled_from(sorted(OPERATIONS))), 1)
    operations = operations if what == "several" else operations[:1]
    steps = [(name, draws.arguments(name)) for name in operations]
    before = state_of(editor.draft)
    try:
        editor.do_all(steps)
    except Refused as refusal:
        assert str(refusal).endswith("."), "a refusal is a sentence"
        assert all(fix.operation in OPERATIONS for fix in refusal.fixes)
        assert not differences(before, state_of(editor.draft)), "refused, yet something changed"


def a_toy(data: st.DataObject) -> dict[str, Any]:
    return {
        "toy": data.draw(st.sampled_from(TOYS))(data.draw(st.sampled_from([2, 2, 3]))),
        "classified": data.draw(st.booleans()),
        "considered": data.draw(st.booleans()),
    }


@LAW
@given(st.data())
def test_lineages_stay_valid_and_every_step_can_be_taken_back_and_done_again(data):
    how = {"resolving": data.draw(st.booleans()), "overlaid": data.draw(st.booleans())}
    editor = editor_of(**a_toy(data), **how)
    start = state_of(editor.draft)
    draws = Draws(data, editor)
    for _ in range(data.draw(st.integers(1, 8))):
        one_step(draws, editor)
        check(editor.draft)
    end, undone = state_of(editor.draft), len(editor.history.undone)
    while editor.can_undo:
        editor.undo()
        check(editor.draft)
    assert not differences(start, state_of(editor.draft))
    while len(editor.history.undone) > undone:
        editor.redo()
    assert not differences(end, state_of(editor.draft))


@LAW
@given(st.data())
def test_a_journal_read_back_leads_to_the_same_state_and_history(data):
    scene = a_toy(data)
    experiment = experiment_of(**scene)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(folder)
        editor = Editor(bench_of(experiment), journal, resolving=data.draw(st.booleans()))
        draws = Draws(data, editor)
        for _ in range(data.draw(st.integers(1, 6))):
            one_step(draws, editor)
        journal.close()
        entries = read_journal(Path(folder) / journal.path.name)
    again = Editor(bench_of(experiment), entries=entries)
    assert not differences(state_of(editor.draft), state_of(again.draft))
    check(again.draft)
    for one in (editor, again):
        while one.can_undo:
            one.undo()
    assert not differences(state_of(editor.draft), state_of(again.draft))
    for one in (editor, again):
        while one.can_redo:
            one.redo()
    assert not differences(state_of(editor.draft), state_of(again.draft))


@LAW
@given(st.data())
def test_an_experiment_saved_half_way_goes_on_as_if_it_had_not_been(data):
    """The tables hold the first entries of the journal, and the draft goes on with the others."""
    scene = a_toy(data)
    experiment = experiment_of(**scene)
    entries: list = []
    editor = Editor(bench_of(experiment), _Kept(entries), resolving=False)
    draws = Draws(data, editor)
    for _ in range(data.draw(st.integers(0, 4))):
        one_step(draws, editor)
    saved, applied = editor.experiment(experiment), len(entries)
    for _ in range(data.draw(st.integers(0, 4))):
        one_step(draws, editor)
    again = Editor(bench_of(saved), entries=entries, applied=applied)
    assert not differences(columns_of(editor.draft), columns_of(again.draft))
    while editor.can_undo:
        assert again.undo() is not None
        editor.undo()
        check(again.draft)
    assert not again.can_undo
    assert not differences(columns_of(editor.draft), columns_of(again.draft))


class _Kept:
    """A record in memory."""

    def __init__(self, entries: list) -> None:
        self.append = entries.append


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_refuses_where_there_is_nothing(name):
    """A movie without a single cell."""
    toy = examples.toy("empty", [{}, {}], set())
    editor = editor_of(toy)
    before = state_of(editor.draft)
    usual = {"frame": 0, "corner": [0, 0], "place": [5, 5], "stage": "metaphase", "kind": "link"}
    usual |= {"points": [[1, 1], [5, 5]], "line": [[0, 0], [9, 9]], "to": 1, "keep": 1}
    usual |= {"cells": [1], "labels": [1], "daughters": [1, 2], "masks": np.zeros((2, 2), np.int32)}
    parameters = list(inspect.signature(OPERATIONS[name]).parameters.values())[1:]
    needed = {p.name: usual.get(p.name, 1) for p in parameters if p.default is p.empty}
    if name in ("paint", "confirm", "unconfirm", "draw_cell"):
        return  # these can be done in an empty movie
    with pytest.raises(Refused):
        editor.do(name, **needed)
    assert not differences(before, state_of(editor.draft))
