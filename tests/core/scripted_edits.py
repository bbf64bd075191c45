"""An editing run that is the same every time, for tests that stop it somewhere.

As a program (`python scripted_edits.py`) it waits for lines `FOLDER SEED COUNT` and makes that run
in the experiment folder, in a process of its own, with a line for each edit as soon as it was made.
It kills that process at a line `kill` and says `over`.
"""

import hashlib
import os
import random
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from corrections import columns_of, experiment_of
from examples import family

from napari_cellcycle.data.stages import H2B
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.edit.opening import move_record, open_editor, place_of
from napari_cellcycle.errors import Refused
from napari_cellcycle.io.experiment import journal_of, open_saved, save_experiment

SAVED_EVERY = 12
"""Edits between two saves of the whole experiment."""


def new_experiment(folder: Path) -> None:
    """Save the experiment that the run starts from."""
    save_experiment(experiment_of(family(), classified=True, considered=True), folder)


def scripted(folder: Path, seed: int, count: int) -> Iterator[Editor]:
    """Open an experiment and make `count` edits; yields the editor before and after each of them.

    From time to time everything is saved, as the user would do.
    """
    editor = open_editor(folder)
    former = open_saved(folder)
    rng = random.Random(seed)
    yield editor
    made = 0
    while made < count:
        if _one(editor, rng):
            made += 1
            yield editor
            if made % SAVED_EVERY == 0:
                former = save_experiment(
                    editor.experiment(former), folder, journal=place_of(editor)
                )
                move_record(editor, journal_of(folder))


def _one(editor: Editor, rng: random.Random) -> bool:
    """One step at random, as far as it is possible; True if something changed."""
    kind = rng.choice(["undo", "redo", *["do"] * 5])
    if kind != "do":
        return getattr(editor, kind)() is not None
    draft = editor.draft
    cells = draft.ids.tolist()
    if not cells:
        return editor.undo() is not None
    some, frame = rng.sample(cells, min(3, len(cells))), rng.randrange(6)
    operation, arguments = rng.choice(
        [
            ("link", {"parent": some[0], "child": some[-1]}),
            ("replace", {"parent": some[0], "child": some[-1]}),
            ("unlink", {"child": some[0]}),
            ("divide", {"mother": some[0], "daughters": some[-2:]}),
            ("swap", {"first": some[0], "second": some[-1]}),
            ("delete_cells", {"cells": some[: rng.randint(1, 2)]}),
            ("set_stage_from", {"cell": some[0], "stage": rng.choice(H2B.names)}),
            ("confirm", {"kind": "link", "number": some[0]}),
            ("paint", {"frame": frame, "corner": (rng.randrange(80), rng.randrange(80))}),
            ("draw_cell", {"frame": frame, "place": (rng.randrange(96), rng.randrange(96))}),
            ("split_in_two", {"frame": draft.frame(some[0]), "label": draft.label(some[0])}),
        ]
    )
    if operation == "paint":
        label = rng.choice([0, draft.label(some[0]), draft.next_label])
        arguments["masks"] = np.full((12, 14), label, np.int32)
    try:
        return editor.do(operation, **arguments) is not None
    except Refused:
        return False


def print_of(editor: Editor) -> str:
    """A finger print of everything that an editor holds, and of how far it can be undone."""
    parts = sorted(columns_of(editor.draft).items())
    lengths = len(editor.history.done), len(editor.history.undone)
    return hashlib.sha256(repr([parts, lengths]).encode()).hexdigest()[:16]


def _child(folder: Path, seed: int, count: int) -> None:
    for made, _ in enumerate(scripted(folder, seed, count)):
        os.write(1, f"{made}\n".encode())


def main() -> None:
    """Make runs, each in a process of its own that has everything imported already."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        folder, seed, count = line.split("\t")
        child = os.fork()
        if child == 0:
            try:
                _child(Path(folder), int(seed), int(count))
            finally:
                os._exit(0)
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.write(1, b"over\n")


if __name__ == "__main__":
    main()
