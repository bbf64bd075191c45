"""How fast the lineage tree and the table of cells are, in a real viewer with many cells.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/views.py [--cells 100000] [--side 512]

Prints three Markdown tables: milliseconds to compute what the views show, to paint the tree
while it is scrolled and zoomed, and from choosing a cell, or correcting something, until every
widget has painted it, with each view shown, with none, and without the layer of tracks either. On
the clock, and of the processor, which other programs disturb less. Everything happens in one
process and is painted by software, the whole window put together anew each time: what that takes
is told by the row of the legend. The movie is that of `benchmarks/editing.py`; links are cut at
random until there are `--tracks`.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import napari
import numpy as np
from editing_scene import scene
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.lineage_layout import lay_out, lineages_of
from napari_cellcycle.data.track_table import track_table
from napari_cellcycle.data.tracks import BY_MODEL
from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.widgets.display import prepare
from napari_cellcycle.widgets.life import life_of
from napari_cellcycle.widgets.lineage_look import look_of
from napari_cellcycle.widgets.result import Result

HIGH = 300
"""Height of the views below the viewer, in pixels."""


def many(cells: int, tracks: int, side: int) -> Experiment:
    """A movie of so many cells; more tracks come from links that are cut."""
    known = scene(cells, side).experiment
    assert known.tracks is not None
    rng = np.random.default_rng(0)
    now = known.tracks
    for _ in range(5):
        missing = tracks - now.track_id.nunique()
        if missing <= 0:
            break
        kept = np.ones(len(now.links), bool)
        kept[rng.choice(len(kept), missing, replace=False)] = False
        now = replace(now, links=now.links[kept].reset_index(drop=True))
    number = now.track_id
    if now is known.tracks:
        return known
    assert known.labels is not None
    masks = known.labels.to_array()
    frames, labels = now.cells["frame"].to_numpy(), now.cells["label"].to_numpy()
    for frame, mask in enumerate(masks):
        here = frames == frame
        table = np.zeros(int(mask.max()) + 1, np.int32)
        table[labels[here]] = number.to_numpy()[here]
        mask[...] = table[mask]
    return replace(known, labels=LabelStack(masks), tracks=now.with_columns(label=number))


def settle(times: int = 3) -> None:
    """Let everything be painted that is due."""
    for _ in range(times):
        QApplication.processEvents()


def settle_twice() -> None:
    """Let be painted what a deed changed, and what that changes in turn."""
    settle(2)


def timed(
    deeds: Iterator[Callable[[], object]], finish: Callable[[], object] = settle_twice
) -> str:
    """Median and most milliseconds until a deed is painted, and what it took of the processor."""
    spent = []
    for deed in deeds:
        settle()
        clock, busy = time.perf_counter(), time.process_time()
        deed()
        finish()
        spent.append((time.perf_counter() - clock, time.process_time() - busy))
    clock, busy = 1e3 * np.array(spent).T
    return f"{np.median(clock):.0f} | {clock.max():.0f} | {np.median(busy):.0f} | {busy.max():.0f}"


def computed(draft: Any) -> Iterator[tuple[str, str]]:
    """Milliseconds of what the views compute anew after a correction."""
    known = lineages_of(draft)
    deeds: dict[str, Callable[[], object]] = {
        "sorting all cells by track, finding mothers": lambda: lineages_of(draft),
        "laying out all tracks": lambda: lay_out(known),
        "laying out one lineage": lambda: lay_out(known, only=int(known.tracks[0])),
        "colours and marks of all cells": lambda: look_of(draft, known, "stage"),
        "the table of all tracks": lambda: track_table(draft, 5.0, ("metaphase",), known),
    }
    for name, deed in deeds.items():
        yield name, timed(iter([deed] * 20))


def painted(panel: Any) -> Iterator[tuple[str, str]]:
    """Milliseconds of each way to move about in the tree."""
    tree, port = panel.tree, panel.tree.viewport()

    def wheel(delta: int) -> None:
        place = QPointF(port.rect().center())
        event = QWheelEvent(
            place,
            QPointF(port.mapToGlobal(place.toPoint())),
            QPoint(),
            QPoint(0, delta),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(port, event)

    def scrolls(number: int) -> Iterator[Callable[[], object]]:
        """Down from the middle and back, a twelfth of what is in view at a time."""
        top, bottom = tree.box.viewRange()[1]
        step = (bottom - top) / 12
        tree.box.translateBy(y=tree.layout_shown.height / 2 - (top + bottom) / 2)
        for one in range(number):
            yield lambda turn=one: tree.box.translateBy(y=step if turn % 4 < 2 else -step)

    yield "only the legend above it", timed(panel.legend.update for _ in range(50))
    tree.show_readably()
    yield "scrolling, 18 pixels a row", timed(scrolls(200))
    height = tree.layout_shown.height
    for share in (0.1, 0.5):
        tree.box.setRange(yRange=(0, share * height), padding=0)
        yield f"scrolling, {100 * share:.0f} % of the tree in view", timed(scrolls(100))
    tree.fit()
    yield "the whole tree, painted anew", timed(tree.item.update for _ in range(50))
    ways = [120] * 40 + [-120] * 40
    yield "zooming by the wheel", timed(lambda one=one: wheel(one) for one in ways)


def linked(dock: Any, viewer: Any, times: int) -> Iterator[tuple[str, str]]:
    """Milliseconds from choosing, moving on and correcting until all is painted."""
    session = dock.session
    draft = session.draft
    rng = np.random.default_rng(1)
    chosen = rng.choice(np.unique(draft.column("label")), times, replace=False).tolist()
    yield "choosing a cell", timed(lambda one=one: session.select(one) for one in chosen)
    frames = rng.integers(0, int(draft.column("frame").max()), times).tolist()
    steps = (lambda one=one: viewer.dims.set_current_step(0, one) for one in frames)
    yield "going to another frame", timed(steps)
    children = draft.ids[(draft.column("parent") > 0) & (draft.column("link_by") == BY_MODEL)]
    cut = rng.choice(children, times, replace=False).tolist()
    cuts = (lambda one=one: session.do("unlink", child=one) for one in cut)
    yield "cutting a link", timed(cuts)
    yield "taking it back", timed(session.undo for _ in cut)


def followed(session: Any, port: Any, times: int) -> Iterator[tuple[str, str]]:
    """Milliseconds until what listens to the session has followed, and `port` is painted."""
    rng = np.random.default_rng(2)
    labels = np.unique(session.draft.column("label"))
    lives = [life_of(session.result.display, int(one)) for one in rng.choice(labels, times)]
    tells = (lambda one=one: session.selected.emit(one) for one in lives)
    yield "told of a chosen cell", timed(tells, port.repaint)
    child = session.draft.ids[session.draft.column("parent") > 0][0]
    edit = session.editor.do("unlink", child=int(child))
    session.undo()
    tells = (lambda: session.edited.emit(edit) for _ in range(times))
    yield "told of a correction", timed(tells, port.repaint)


def open_viewer(known: Experiment) -> tuple[Any, Any]:
    """A viewer with the dock and the experiment, corrections not followed up."""
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1500, 950)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellcycle", "Cell cycle")
    viewer.add_image(known.movie.pixels[:, 0], name="many cells")
    display = prepare(known)
    editor = Editor(bench_of(known, display.labels), resolving=False)
    dock.session.replace(Result(known, display, editor=editor))
    settle()
    return viewer, dock


def show(viewer: Any, dock: Any, name: str) -> Any:
    """Show one view below the viewer, at the usual height."""
    panel = dock.panels.show(name)
    settle()
    viewer.window._qt_window.resizeDocks([panel.parent()], [HIGH], Qt.Orientation.Vertical)
    settle(20)
    return panel


def opened(about: str) -> tuple[Any, Any, int]:
    """Viewer and dock with as many cells as the command line asks for, and how often to measure."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--tracks", type=int, default=5000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--times", type=int, default=25)
    asked = parser.parse_args()
    return *open_viewer(many(asked.cells, asked.tracks, asked.side)), asked.times


def main() -> None:
    """Print the tables."""
    viewer, dock, times = opened(__doc__)
    counts = dock.session.result.display.counts
    print(
        f"\n{counts['cells']:,} cells, {counts['tracks']:,} tracks, {counts['divisions']:,} ",
        end="",
    )
    panel = show(viewer, dock, "lineage")
    size = panel.tree.viewport().size()
    print(f"divisions; the tree is {size.width()} x {size.height()} pixels\n")
    head = "median, ms | most | processor | most |\n| --- | --- | --- | --- | --- |"
    print(f"| computed anew | {head}")
    for name, row in computed(dock.session.draft):
        print(f"| {name} | {row} |", flush=True)
    print(f"\n| painted | {head}")
    for colour in ("stage", "track", "doubt"):
        dock.session.colour(colour)
        settle()
        for name, row in painted(panel):
            print(f"| {name}, coloured by {colour} | {row} |", flush=True)
    dock.session.colour("stage")
    print("\n| until all is painted | shown | median, ms | most | processor | most |\n", end="")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in ("nothing", "lineage", "table"):
        if name == "nothing":
            panel.parent().hide()
            port = dock.results
        else:
            panel = show(viewer, dock, name)
            port = panel.tree.viewport() if name == "lineage" else panel.view.viewport()
        for deed, row in followed(dock.session, port, times):
            print(f"| {deed} | {name} | {row} |", flush=True)
        for deed, row in linked(dock, viewer, times):
            print(f"| {deed} | {name} | {row} |", flush=True)
    panel.parent().hide()
    tracks = next(layer for layer in viewer.layers if isinstance(layer, napari.layers.Tracks))
    tracks.visible = False
    settle()
    for deed, row in linked(dock, viewer, times):
        print(f"| {deed} | nothing, nor the tracks | {row} |", flush=True)
    viewer.close()


if __name__ == "__main__":
    main()
