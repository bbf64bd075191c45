"""How long it takes to find what looks wrong among many cells, and to look again after an edit.

    OMP_NUM_THREADS=1 python benchmarks/reviewing.py [--cells 100000] [--edits 60]

A simulated colony (`colonies.py`), tracked by the simple linker. Edits are mends, confirmations
and undo, with the surroundings linked anew. Seconds of the processor and of the clock.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from colonies import colony

from napari_cellcycle.config import TrackSettings
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.history import Edit
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.errors import Refused
from napari_cellcycle.models.link.open import open_linker
from napari_cellcycle.pipeline.track import candidates_of, choose, links_of, score
from napari_cellcycle.review.catalogue import Doubts
from napari_cellcycle.review.doubt import Facts
from napari_cellcycle.review.find import find_doubts, refreshed


def tracked(cells: int) -> tuple[Draft, Facts]:
    """A colony of so many cells as a tracker leaves it, without masks."""
    made = colony(cells, seed=1)
    shape = (made.side, made.side)
    pixels = np.broadcast_to(np.uint8(0), (made.frames, 1, *shape))
    movie = Movie(pixels, (1.0, 1.0), 300.0, ("cells",))
    settings = TrackSettings(model="simple")
    linker = open_linker("simple")
    graph, scores = score(made.cells, made.overlaps, movie, settings, linker)
    links = links_of(graph, made.cells, *choose(graph, scores, settings))
    tracks = Tracks(made.cells, links, candidates=candidates_of(graph, made.cells, scores))
    numbered = replace(tracks, cells=tracks.cells.assign(label=tracks.track_id))
    draft = Draft(numbered, pixel_size=(1.0, 1.0))
    return draft, Facts(shape, made.frames, 300.0, (1.0, 1.0))


def timed(call: Callable[[], Doubts]) -> tuple[Doubts, float, float]:
    """What a call gives, and its seconds of the processor and of the clock."""
    clock, processor = time.perf_counter(), time.process_time()
    found = call()
    return found, time.process_time() - processor, time.perf_counter() - clock


def some_edit(editor: Editor, doubts: Doubts, rng: np.random.Generator) -> Edit | None:
    """A mend of one of the doubts, a confirmation, or an edit taken back."""
    doubt, dice = doubts[int(rng.integers(len(doubts)))], rng.random()
    if dice < 0.2:
        return editor.undo()
    if dice < 0.4 or not doubt.mends:
        keys = [("confirm", {"kind": k, "number": n}) for k, n in doubt.keys]
        return editor.do_all(keys)
    fix = doubt.mends[int(rng.integers(len(doubt.mends)))]
    return editor.do(fix.operation, **fix.arguments)


def main() -> None:
    """Find, edit, look again, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--edits", type=int, default=60)
    chosen = parser.parse_args()
    draft, facts = tracked(chosen.cells)
    find_doubts(draft, facts)
    doubts, processor, clock = timed(partial(find_doubts, draft, facts))
    print(f"{len(draft):,} cells: {len(doubts):,} doubts, {doubts.likely:,} of them likely")
    print(f"found in {processor:.2f} s of the processor, {clock:.2f} s of the clock")
    editor, rng = Editor(Bench(draft)), np.random.default_rng(0)
    seconds = []
    while len(seconds) < chosen.edits:
        try:
            edit = some_edit(editor, doubts, rng)
        except (Refused, AssertionError):  # a mend that needs masks
            continue
        if edit is not None:
            doubts, *spent = timed(partial(refreshed, doubts, draft, facts, edit.cells))
            seconds.append(spent)
    for name, values in zip(("processor", "clock"), np.array(seconds).T, strict=True):
        middle, most, worst = 1000 * np.quantile(values, (0.5, 0.95, 1))
        print(f"again after an edit, {name}: {middle:.0f} ms, 95 % {most:.0f}, most {worst:.0f}")


if __name__ == "__main__":
    main()
