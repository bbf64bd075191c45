"""What it takes to make a lineage perfect: by the list of doubts, frame by frame, at random.

    OMP_NUM_THREADS=1 python benchmarks/annotator.py [--data FOLDER] [--quick] [--ranking]
        [--only HeLa PSC dense varied found HeLa-simple PSC-simple] [--crossed FILE.json]

A simulated annotator knows the truth and may do only what the viewer offers: the operations of
the editor, among them undo, each at the clicks and keys that it takes there (`annotating.COSTS`).
It corrects HeLa 01 and PSC 01 (silver truth, tracked by the shipped linker, which has learned
from both), two simulated movies that nothing has learned from (masks of the simulation), another
with the poor masks that the shipped network finds in it, and HeLa and PSC once more tracked by the
simple linker. With `--quick` the first twelve frames of HeLa and of a simulated movie only.

First, how much of what is wrong the list leads to. Then clicks per 1,000 cells until 50, 80, 95
and 100 % of what is wrong at first is gone, masks included:

- "the list": N takes it from doubt to doubt, the weightiest first, as long as they are worth a
  look; what is wrong there is mended by 1, 2 or 3 if a mend is right, else by hand, and what is
  right is confirmed. What is left is then found frame by frame.
- "at random": the same list in any order.
- "frame by frame": all cells of a frame are looked at, 25 at a glance, then the next frame.

"looks" counts what had to be judged per 1,000 cells: a doubt is one, a cell in a frame is one.
"re-solved" says whether the surroundings of an edit were linked anew after it.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from annotating import Annotator
from known_truth import Truth
from ranking import Ranking, default_data, rank
from reviewed import HARD, KEPT_ASIDE, Reviewed, challenge, simulated

from napari_cellcycle.edit.bench import Bench
from napari_cellcycle.edit.editor import Editor
from napari_cellcycle.review.doubt import facts_of
from napari_cellcycle.review.weights import COEFFICIENTS

ORDERS = ("the list", "frame by frame", "at random")
SHARES = (0.5, 0.8, 0.95, 1.0)
HEAD = (
    "| movie | order | re-solved | wrong | 50 % | 80 % | 95 % | all | looks for 95 % | steps |\n"
    + "|---" * 10
    + "|"
)


def movies(chosen: argparse.Namespace) -> Iterator[Reviewed]:
    """The movies to be corrected, tracked."""
    varied, dense = KEPT_ASIDE
    if chosen.quick:
        yield challenge("HeLa", chosen.data).cut(12).tracked()
        yield simulated(dense).cut(12).tracked()
        return
    wanted = {
        "HeLa": lambda: challenge("HeLa", chosen.data).tracked(),
        "PSC": lambda: challenge("PSC", chosen.data).tracked(),
        "dense": lambda: simulated(dense).tracked(),
        "varied": lambda: simulated(varied).tracked(),
        "found": lambda: simulated(HARD).tracked("found"),
        "HeLa-simple": lambda: challenge("HeLa", chosen.data).tracked(linker="simple"),
        "PSC-simple": lambda: challenge("PSC", chosen.data).tracked(linker="simple"),
    }
    for name, make in wanted.items():
        if not chosen.only or name in chosen.only:
            yield make()


def corrected(case: Reviewed, order: str, resolving: bool) -> Annotator:
    """Somebody who has corrected a movie in one order."""
    draft = case.draft()
    truth = Truth(case.true_tracks, case.true_labels, draft)
    editor = Editor(Bench(draft, case.movie), resolving=resolving)
    annotator = Annotator(editor, truth, facts_of(draft, case.movie.frame_interval))
    if order != "frame by frame":
        rng = np.random.default_rng(0) if order == "at random" else None
        annotator.follow_list(rng)
    annotator.go_through_frames()
    return annotator


def line(case: Reviewed, order: str, resolving: bool) -> str:
    """One row of the table."""
    cells = len(case.tracks)
    log = corrected(case, order, resolving).log
    found = [log.until(share) or (np.nan, np.nan) for share in SHARES]
    shown = [f"{1000 * clicks / cells:.1f}" for clicks, _ in found]
    steps = ", ".join(f"{n} {name}" for name, n in sorted(log.counts.items()))
    about = f"| {case.name} | {order} | {'yes' if resolving else 'no'} | {log.errors[0]} |"
    return f"{about} {' | '.join(shown)} | {1000 * found[2][1] / cells:.0f} | {steps} |"


def with_weights(case: Reviewed, weights: dict[str, dict[str, float]]) -> Ranking:
    """The ranking of a movie by other weights than those shipped."""
    shipped = dict(COEFFICIENTS)
    COEFFICIENTS.update(weights)
    try:
        found = rank(case)
    finally:
        COEFFICIENTS.update(shipped)
    return replace(found, name=f"{case.name}, weights that never saw it")


def main() -> None:
    """Track, rank, correct, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--quick", action="store_true", help="twelve frames of two movies")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--ranking", action="store_true", help="do not correct anything")
    parser.add_argument(
        "--crossed",
        type=Path,
        metavar="FILE",
        help="weights of doubts that were fitted without each movie, of doubt_weights.py --out",
    )
    chosen = parser.parse_args()
    cases = list(movies(chosen))
    print(Ranking.HEAD)
    crossed = json.loads(chosen.crossed.read_text()) if chosen.crossed else {}
    for case in cases:
        print(rank(case), flush=True)
        weights = crossed.get(case.name.partition(",")[0])
        if weights is not None:
            print(with_weights(case, weights), flush=True)
    if chosen.ranking:
        return
    print(f"\n{HEAD}")
    for case in cases:
        for resolving in (True, False):
            for order in ORDERS:
                print(line(case, order, resolving), flush=True)


if __name__ == "__main__":
    main()
