"""How long one correction takes in a large movie: every operation, undo and redo.

    python benchmarks/editing.py [--sizes 100000 1000000] [--side 1024] [--times 30] [--only link]

Prints a Markdown table a size, without and with what follows from an edit (links around it decided
anew, stages of the lineage decoded anew). Milliseconds of the processor from the call until it
returns, the line in the journal on disk included; the last column is on the clock, which other
programs disturb more. Each operation is done on cells drawn at random, taken back, done again, and
taken back once more. The movie is simulated: discs in memory, linked by the simple linker.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from editing_cases import CASES
from editing_scene import Scene, scene

from napari_cellcycle.edit.bench import bench_of
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.io.journal import Journal

SIZES = (100_000,)
_TRIES = 40
"""Draws of cells for each time an operation is measured; most may be refused."""


def timed(call: Callable[[], object]) -> tuple[float, float, object]:
    """Milliseconds on the clock and of the processor that a call takes, and what it gives."""
    clock, busy = time.perf_counter(), time.process_time()
    answer = call()
    return (time.perf_counter() - clock) * 1e3, (time.process_time() - busy) * 1e3, answer


def measured(editor: Editor, name: str, times: int, seed: int) -> Iterator[np.ndarray]:
    """Milliseconds (2, 3) on the clock and of the processor: to do it, undo it and redo it."""
    rng = np.random.default_rng(seed)
    case = CASES[name]
    for _ in range(times * _TRIES):
        if times == 0:
            return
        drawn = case(editor.draft, rng)
        if drawn is None:
            continue
        operation, arguments = drawn
        try:
            one = timed(lambda: editor.do(operation, **arguments))  # noqa: B023
        except Refused:
            continue
        if one[2] is None:
            continue
        yield np.array([one[:2], timed(editor.undo)[:2], timed(editor.redo)[:2]]).T
        editor.undo()
        times -= 1


def row_of(name: str, found: list[np.ndarray]) -> str:
    """One line of the table."""
    if not found:
        return f"| {name} | - | - | - | - | 0 |"
    clock, busy = np.stack(found)[:, 0], np.stack(found)[:, 1]
    cells = [f"{np.median(busy[:, i]):.1f} ({busy[:, i].max():.1f})" for i in range(3)]
    passed = f"{np.median(clock[:, 0]):.0f} ({clock[:, 0].max():.0f})"
    return f"| {name} | {' | '.join(cells)} | {passed} | {len(found)} |"


def table_of(made: Scene, resolving: bool, names: list[str], times: int) -> None:
    """Measure all operations on one movie, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        bench = bench_of(made.experiment, made.masks)
        editor = Editor(bench, Journal(Path(folder)), resolving=resolving)
        draft = editor.draft
        follows = "with" if resolving else "without"
        print(f"\n{len(draft):,} cells, {len(draft.names)} columns, frames of ", end="")
        print(f"{' x '.join(map(str, made.masks.shape[1:]))}, {follows} what follows\n")
        print("| operation | do: median (most), ms | undo | redo | do, on the clock | times |")
        print("| --- | --- | --- | --- | --- | --- |")
        gc.collect()
        for name in names:
            print(row_of(name, list(measured(editor, name, times, 0))), flush=True)
        tables = [timed(lambda: (setattr(draft, "_known", None), draft.tracks()))[1] for _ in "abc"]
        print(f"\nAll tables anew: {np.median(tables):.0f} ms")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    chosen = parser.parse_args()
    for size in chosen.sizes:
        made = scene(size, chosen.side)
        for resolving in (False, True):
            table_of(made, resolving, chosen.only, chosen.times)


if __name__ == "__main__":
    main()
