"""Cutting and drawing cells with the mouse on the masks."""

import numpy as np
import pytest
from correcting import Window
from corrections import check
from examples import toy
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_cellcycle.widgets.picking import Picker
from napari_cellcycle.widgets.tools import MaskTools


class Cut(Window):
    """A window with the tools, and cells that are chosen by a click."""

    def __init__(self, viewer, made, kind="memory"):
        super().__init__(viewer, made, kind)
        self.picker = self.add(Picker(viewer, self.session))
        self.dock = QWidget()
        viewer.window.add_dock_widget(self.dock, name="tools")
        self.tools = self.add(MaskTools(viewer, self.session, self.dock))
        self.told = []
        self.tools.changed.connect(self.told.append)

    @property
    def marks(self):
        return [layer for layer in self.viewer.layers if layer.name == "cut"]

    def label_at(self, y, x, frame=0):
        mask = self.draft.mask(frame)
        return int(mask[(y, x) if mask.ndim == 2 else (8, y, x)])


@pytest.fixture
def window(viewer):
    opened = []

    def show(made, kind="memory"):
        opened.append(Cut(viewer, made, kind))
        return opened[-1]

    yield show
    for one in opened:
        one.close()


def blob(ndim=2):
    """One mask that holds two cells, and a cell that was missed, for two frames."""
    discs = {1: (40, 30, 6.0, 50), 2: (40, 41, 6.0, 50), 3: (75, 70, 6.0, 50)}
    made = toy("blob", [discs] * 2, {((0, 1), (1, 1))}, ndim)
    masks = made.labels.to_array()
    masks[masks == 2] = 1
    masks[masks == 3] = 0
    return type(made)(made.name, made.movie, type(made.labels)(masks), made.links)


@pytest.mark.parametrize(("ndim", "kind"), [(2, "memory"), (2, "disk"), (3, "memory")])
def test_a_cell_is_cut_along_a_line_that_is_drawn_over_it(window, ndim, kind):
    shown = window(blob(ndim), kind)
    shown.go_to(0, plane=8 if ndim == 3 else None)
    shown.tools.take("line")
    shown.mouse.drag([(28, 36), (36, 35), (44, 36), (52, 36)])
    assert [edit.operation for edit in shown.edits] == ["split_line"]
    assert 0 != shown.label_at(40, 28) != shown.label_at(40, 43) != 0
    plane = shown.draft.mask(0)
    assert np.array_equal(shown.on_screen(), plane[8] if ndim == 3 else plane)
    assert not len(shown.marks[0].data), "the line is gone"
    check(shown.draft)
    shown.session.undo()
    assert shown.label_at(40, 28) == shown.label_at(40, 43)


def test_the_line_is_seen_while_it_is_drawn_and_the_viewer_does_not_move(window):
    shown = window(blob())
    centre = shown.viewer.scene.camera.center
    shown.tools.take("line")
    seen = []
    shown.marks[0].events.data.connect(lambda: seen.append(len(shown.marks[0].data)))
    shown.mouse.drag([(28, 36), (36, 35), (52, 36)])
    assert max(seen) > 10 and seen[-1] == 0
    assert shown.viewer.scene.camera.center == centre


def test_a_cell_is_cut_by_two_clicks_that_choose_none_and_chosen_by_one_after_them(window):
    shown = window(blob())
    shown.tools.take("points")
    shown.mouse.click(40, 28)
    assert not shown.edits
    assert np.rint(shown.marks[0].data).tolist() == [[0, 40, 28]]
    assert shown.session.track is None
    shown.mouse.click(41, 43)
    assert [edit.operation for edit in shown.edits] == ["split"]
    assert shown.label_at(40, 28) != shown.label_at(40, 43)
    assert not len(shown.marks[0].data)
    shown.session.undo()
    shown.tools.put_down()
    shown.mouse.click(40, 28)
    assert shown.session.track == 1


def test_the_first_of_two_clicks_is_forgotten_in_another_frame(window):
    shown = window(blob())
    shown.tools.take("points")
    shown.mouse.click(40, 28)
    shown.go_to(1)
    shown.mouse.click(40, 43)
    assert not shown.edits
    shown.mouse.click(40, 28)
    assert shown.edits[0].frames == [1]


def test_a_missed_cell_is_drawn_by_a_click(window):
    shown = window(blob())
    shown.tools.take("draw")
    shown.mouse.click(74, 71)
    assert [edit.operation for edit in shown.edits] == ["draw_cell"]
    drawn = shown.draft.mask(0) == shown.label_at(75, 70)
    assert np.count_nonzero(drawn) == pytest.approx(np.pi * 36, rel=0.15)
    check(shown.draft)


def test_where_a_tool_can_do_nothing_it_says_why(window):
    shown = window(blob())
    for tool, places, said in (
        ("line", [(10, 10), (10, 20)], "No cell lies under the line"),
        ("points", [(10, 10)], "No cell lies there"),
        ("draw", [(40, 30)], "is there already"),
        ("line", [(40, 30)], "needs a line"),
    ):
        shown.refused.clear()
        shown.tools.take(tool)
        shown.mouse.drag(places)
        assert said in str(shown.refused[0])
        assert not shown.edits and shown.tools.tool == tool


def test_escape_leaves_the_tool_and_so_does_taking_it_again(window, qtbot):
    shown = window(blob())
    shown.tools.take("draw")
    layers = list(shown.viewer.layers)
    shown.dock.activateWindow()
    qtbot.waitUntil(lambda: shown.dock.isActiveWindow())
    qtbot.keyClick(shown.dock, Qt.Key.Key_Escape)
    assert shown.told == ["draw", ""]
    assert not shown.marks and len(shown.viewer.layers) == len(layers) - 1
    assert shown.layer.mouse_pan and shown.layer.cursor == "standard"
    shown.mouse.click(74, 71)
    assert not shown.edits
    shown.told.clear()
    for name in ("line", "draw", "draw"):
        shown.tools.take(name)
    assert shown.told == ["line", "draw", ""], "another replaces it, the same puts it down"


def test_a_tool_is_put_down_when_something_else_is_done(window):
    shown = window(blob())
    layers = shown.viewer.layers
    deeds = (
        lambda: setattr(shown.layer, "mode", "paint"),
        lambda: setattr(layers.selection, "active", layers["toy"]),
        lambda: layers.remove(shown.marks[0]),
        lambda: shown.session.replace(shown.session.result),
        lambda: setattr(shown.viewer.dims, "ndisplay", 3),
        lambda: layers.remove(shown.layer),
    )
    for deed in deeds:
        shown.viewer.dims.ndisplay = 2
        shown.layer.mode = "pan_zoom"
        layers.selection.active = shown.layer
        shown.told.clear()
        shown.tools.take("line")
        assert shown.tools.tool == "line" and shown.marks
        deed()
        assert shown.tools.tool == "" and shown.told == ["line", ""]
        assert not shown.marks
        if painting := deed is deeds[0]:
            assert shown.layer.mode == "paint"
        assert shown.layer.mouse_pan is not painting


def test_without_masks_or_in_3d_no_tool_is_taken(window):
    shown = window(blob())
    shown.viewer.dims.ndisplay = 3
    shown.tools.take("line")
    assert "2D view" in str(shown.refused[0])
    shown.viewer.dims.ndisplay = 2
    shown.session.replace(None)
    shown.tools.take("line")
    assert "press Run" in str(shown.refused[1])
    assert not shown.told
