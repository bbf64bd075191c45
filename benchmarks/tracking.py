"""Link given masks with our linkers and with others, side by side, and score all of them.

    python benchmarks/tracking.py [--data FOLDER] [--weights FOLDER] [--train]
        [--only HeLa DIC PSC] [--masks silver markers worsened] [--linkers ours simple ...]
        [--btrack PYTHON] [--device cpu] [--volumes] [--out FILE.json]

Prints a Markdown table, one line as soon as it is known. Masks: the challenge's silver truth;
the truth's own markers, where links alone are scored; silver masks worsened on purpose (5 % of
the cells of a frame missing, 3 % merged with a neighbour, 3 % split). With `--volumes` also
simulated embryos with given masks.

Our linkers are scored with weights that never saw the links being scored. "never saw it": not
trained on this sequence at all. "within": trained on the other half of its frames as well. They
are read from --weights (links-HeLa-other.safetensors, ...-first, ...-second; simple-..., and
paper-...) or, with --train, trained into it. "gaps left open" shows what filling gaps with drawn
masks is worth. LapTrack and btrack are shown with the best of a dozen settings, chosen by the
truth, which flatters them; "best of each" takes every score from another setting.

Every line comes from a process of its own. Seconds are for measuring + linking masks in memory,
after a first short run that loads what is needed; reading the images, which the others do not
use, counts as measuring; painting the result does not count. Memory is the most the process
ever held until then, the kernel's figure, with Python, libraries and masks. DIV is the F1 of
divisions, one frame forgiven. btrack runs in an environment of its own, whose python is given.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from rows import LINKERS, VOLUME_LINKERS, Job, best_of_each, line, make_row, table
from sequences import MASKS, SEQUENCES, Case, cases, volumes


def in_own_process(job: Job) -> dict[str, Any]:
    """The row of a job, from a fresh process."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        try:
            return pool.submit(make_row, job).result()
        except BrokenProcessPool:
            return job.row(failed="the process died")


def jobs_of(case: Case, chosen: argparse.Namespace) -> Iterator[Job]:
    """All lines of the table about one movie with one kind of masks."""
    for name in chosen.linkers:
        known = VOLUME_LINKERS if case.shipped else LINKERS
        for linker, how in known.get(name, ()):
            yield Job(case, linker, how, chosen.weights, chosen.btrack, chosen.device)


def main() -> None:
    """Train what is missing if asked to, link, score, print."""
    chosen = _arguments()
    if chosen.train:
        import crossfit

        for linker in set(chosen.linkers) & set(crossfit.MODELS):
            for key in chosen.only:
                for name in crossfit.train(linker, key, chosen.data, chosen.weights):
                    print(f"trained {name}", flush=True)
    rows: list[dict[str, Any]] = []
    print(table([]), end="")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        everything = (cases(key, chosen.masks, chosen.data, folder) for key in chosen.only)
        if chosen.volumes:
            everything = (*everything, volumes(folder))
        for group in everything:
            for case in group:
                for job in jobs_of(case, chosen):
                    row = in_own_process(job)
                    new = [row, best_of_each(row)] if "grid" in row else [row]
                    rows += new
                    print("\n".join(map(line, new)), flush=True)
                    if chosen.out:
                        chosen.out.write_text(json.dumps(rows, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = os.environ.get("CELLCYCLE_DATA", str(Path(__file__).parents[2] / "shared/data"))
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--weights", type=Path, default=Path(tempfile.gettempdir()) / "cellcycle")
    parser.add_argument("--only", nargs="*", default=list(SEQUENCES), choices=list(SEQUENCES))
    parser.add_argument("--masks", nargs="*", default=list(MASKS), choices=MASKS)
    parser.add_argument("--linkers", nargs="*", default=list(LINKERS), choices=list(LINKERS))
    parser.add_argument("--train", action="store_true", help="train the weights that are missing")
    parser.add_argument("--btrack", metavar="PYTHON", help="python of an environment with btrack")
    parser.add_argument("--device", default="cpu", help="where graph networks are computed")
    parser.add_argument("--volumes", action="store_true", help="simulated embryos as well")
    parser.add_argument("--out", type=Path, help="file for all figures, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
