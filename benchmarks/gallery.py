"""How fast the gallery and the matrix of stages are, in a real viewer with many cells.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/gallery.py [--cells 100000]

Prints two Markdown tables: milliseconds to paint the window while the gallery and the matrix are
scrolled, on the clock and of the processor; and milliseconds of the processor until a correction,
another cell or another frame is shown, without and with each view, what the core and the layers of
results take left out. Painted by software. The movie is that of `benchmarks/views.py`.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from views import opened, settle, show, timed

from napari_cellcycle.widgets.life import life_of

FLOATING = (1560, 940)
"""Size of the gallery in a window of its own, in pixels."""
_LINE = "| --- | --- | --- | --- | --- |"


def there(panel: Any, patience: float = 60.0) -> float:
    """Milliseconds until every crop in view is there, painting all the while."""
    start = time.perf_counter()
    while not panel.is_complete:
        QApplication.processEvents()
        if time.perf_counter() - start > patience:
            raise SystemExit("the crops do not come")
    return (time.perf_counter() - start) * 1e3


def scrolls(bar: Any, step: int, times: int, start: int = 0) -> Iterator[Callable[[], object]]:
    """Scrolling there and back again."""
    places = [start + step * one for one in range(times // 2)]
    for place in places + places[::-1]:
        yield lambda place=place: bar.setValue(place)


def scrolled(panel: Any, side: int) -> Iterator[tuple[str, str]]:
    """Milliseconds to paint the gallery while it is scrolled, tiles of this size."""
    gallery = panel.gallery
    panel.controls.tile.setValue(side)
    settle()
    there(panel)
    down, across = gallery.verticalScrollBar(), gallery.horizontalScrollBar()
    middle = down.maximum() // 2
    for place in range(middle, middle + 15 * gallery.sizes.down, gallery.sizes.down):
        down.setValue(place)
        there(panel)
    rows, columns = len(gallery.rows_seen()), len(gallery.columns_seen())
    words = f"tiles of {side}, {rows} x {columns} in view"
    step = gallery.sizes.down // 3
    yield f"gallery, down, {words}", timed(scrolls(down, step, 80, middle))
    yield f"gallery, sideways, {words}", timed(scrolls(across, 23, 80))
    jumps = np.linspace(0, down.maximum(), 20).astype(int).tolist()
    spent, turns = [], []
    for jump in jumps:
        start = before = time.perf_counter()
        down.setValue(jump)
        while not panel.is_complete:
            QApplication.processEvents()
            turns.append((time.perf_counter() - before) * 1e3)
            before = time.perf_counter()
        spent.append((time.perf_counter() - start) * 1e3)
    for name, times in (("a turn of the event loop meanwhile", turns), ("all crops there", spent)):
        yield f"after a jump: {name}", f"{np.median(times):.0f} | {max(times):.0f} | |"


def updated(dock: Any, shown: Any, times: int) -> Iterator[tuple[str, str]]:
    """Milliseconds of the processor that the views take to show a correction, and another cell."""
    session = dock.session
    draft = session.draft
    rng = np.random.default_rng(1)
    cells = rng.choice(draft.ids, 200, replace=False).tolist()
    session.do("set_stage", cells=cells, stage="prophase")
    edit = session.editor.history.done[-1]
    tracks = rng.choice(np.unique(draft.column("label")), times, replace=False).tolist()
    lives = [life_of(session.result.display, track) for track in tracks]
    deeds = {
        "200 stages that were painted": [lambda: session.edited.emit(edit)] * times,
        "another cell that is chosen": [lambda one=one: session.show_life(one) for one in lives],
        "another frame": [lambda one=one: session.moved.emit(one) for one in range(times)],
    }
    for name, several in deeds.items():
        spent = []
        for deed in several:
            settle()
            start = time.thread_time()
            deed()
            shown.repaint()
            spent.append((time.thread_time() - start) * 1e3)
        yield name, f"{np.median(spent):.0f} | {max(spent):.0f}"


def main() -> None:
    """Print the tables."""
    viewer, dock, times = opened(__doc__)
    counts = dock.session.result.display.counts
    print(f"\n{counts['cells']:,} cells, {counts['tracks']:,} tracks\n")
    alone = list(updated(dock, dock.results, times))
    print(f"| what is painted | median, ms | most | of the processor | most |\n{_LINE}")
    panel = show(viewer, dock, "gallery")
    window = viewer.window._qt_window
    window.resizeDocks([panel.parent()], [600], Qt.Orientation.Vertical)
    settle(20)
    holder = panel.parent()
    for side, floating in ((64, False), (32, False), (48, True)):
        holder.setFloating(floating)
        if floating:
            holder.resize(*FLOATING)
        settle(20)
        for name, row in scrolled(panel, side):
            print(f"| {name} | {row} |", flush=True)
    holder.setFloating(False)
    matrix = show(viewer, dock, "stages").matrix
    bar = matrix.verticalScrollBar()
    row = timed(scrolls(bar, 37, 100, bar.maximum() // 2))
    print(f"| the matrix, down | {row} |", flush=True)
    print("\n| until it shows | view | of the processor, ms | most |\n| --- | --- | --- | --- |")
    for deed, row in alone:
        print(f"| {deed} | none | {row} |")
    views = {"gallery": "gallery", "stages": "matrix", "filmstrip": "reel"}
    for name, area in views.items():
        panel = show(viewer, dock, name)
        for deed, row in updated(dock, getattr(panel, area).viewport(), times):
            print(f"| {deed} | {name} | {row} |", flush=True)
    viewer.close()


if __name__ == "__main__":
    main()
