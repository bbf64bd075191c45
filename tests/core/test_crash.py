"""No crash, full disk or second window loses a correction that was made."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted_edits import new_experiment, print_of, scripted

from napari_cellcycle.edit.opening import open_editor

LONG, SHORT = 200, 6
EDITS = 30
SEED = 3
SCRIPT = Path(__file__).with_name("scripted_edits.py")

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process made by fork")


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """An experiment folder that nothing was corrected in."""
    folder = tmp_path_factory.mktemp("start") / "family.cellcycle"
    new_experiment(folder)
    return folder


@pytest.fixture(scope="module")
def states(start, tmp_path_factory) -> list[str]:
    """Finger prints of the run before the first edit and after each of them."""
    folder = shutil.copytree(start, tmp_path_factory.mktemp("whole") / start.name)
    found = []
    for editor in scripted(folder, SEED, EDITS):
        found.append(print_of(editor))
    editor.record.close()
    assert len(set(found)) > EDITS / 2, "edits change something"
    return found


class Killer:
    """Makes the run again and again in child processes, and kills each of them at some moment."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )

    def run(self, folder: Path, edits: int, seconds: float) -> int:
        """How many edits were acknowledged; it is killed some `seconds` after so many of them."""
        self.process.stdin.write(f"{folder}\t{SEED}\t{EDITS}\n")
        made = [int(self._line())]
        while made[-1] < edits:
            made.append(int(self._line()))
        time.sleep(seconds)
        self.process.stdin.write("kill\n")
        while (line := self._line()) != "over":
            made.append(int(line))
        return made[-1]

    def _line(self) -> str:
        line = self.process.stdout.readline()
        assert line, "the child that makes the runs died"
        return line.strip()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def killer():
    made = Killer()
    yield made
    made.close()


def killed_at_random(killer, start, states, folder, times) -> list[int]:
    """Kill the run at random moments; how many edits were made each time."""
    rng = random.Random(0)
    counts = []
    for _ in range(times):
        shutil.copytree(start, folder)
        longest = rng.choice([0.002, 0.02, 1.0])  # an edit, some edits, a save
        made = killer.run(folder, rng.randrange(EDITS), rng.uniform(0, longest))
        editor = open_editor(folder)
        found = print_of(editor)
        editor.record.close()
        assert found in states[made : made + 2], f"killed after {made} edits, and they are not all"
        counts.append(made)
        shutil.rmtree(folder)
    return counts


@needs_fork
@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_kill_at_any_moment_loses_at_most_the_edit_in_flight(killer, start, states, tmp_path):
    counts = killed_at_random(killer, start, states, tmp_path / "run.cellcycle", LONG)
    assert len(set(counts)) > EDITS / 2, "moments are spread over the run"


@needs_fork
def test_a_kill_loses_at_most_the_edit_in_flight(killer, start, states, tmp_path):
    """A short version of the one above."""
    counts = killed_at_random(killer, start, states, tmp_path / "run.cellcycle", SHORT)
    assert max(counts) > 0
