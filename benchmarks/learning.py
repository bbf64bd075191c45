"""How fast models learn from corrections: by the suggestions, and by chance.

    OMP_NUM_THREADS=1 python benchmarks/learning.py [--kinds masks links stages] [--quick]
        [--bases FOLDER] [--data FOLDER] [--seeds N] [--guard N] [--json FILE]

A base model that never saw the data is taught, with the quick effort, from 5, 10, 20, 50 and 100
corrections by somebody who knows the truth: whole frames of DIC 01 that get the masks of the truth
and are marked as done, if the truth has an outline of every cell ("masks"), past and future of
cells of PSC 01 in the editor ("links"), stages of crops of H2B cells by a model that saw no
recording and two of the stages nowhere ("stages"), and stages of single cells of simulated movies
of a look that no training has ("look"). The order is that of `suggest`, asked anew after every
five, or a random one. Masks are scored as the challenge does: not those wholly at the edge, nor
those on cells of which the truth has no outline. A taught model that is recommended
goes over what is not corrected, as "Teach and go on" does, and its doubts are those of the next
suggestions. Frames that are tested are later ones (crops of other cells, three other movies), and
nothing of them is ever in a teaching. "error" is 1 - score of the model that is then in use: the
taught one if its verdict recommends it, else the base, from which each teaching begins. The area is
the mean error over the curve. Intervals are of 2,000 bootstrap samples of lineages (frames, for
masks).

--bases is where base models are looked for (those of `segmentation.py --train` and
`tracking.py --train` first) and put if they have to be trained, shortly; the table says how.
--quick takes 20 and 50 corrections, smaller movies and one seed. --guard N adds N fine-tunings from
4 to 40 random corrections, in every other one a tenth of them wrong, and tells how much better or
worse the accepted model is on the test part.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import learning_bases as bases
import numpy as np
from learning_cases import STRANGE, Case, CropCase, LinkCase, MaskCase, StageCase
from learning_curves import ORDERS, Areas, Curve, Guarded, Point, compared, curve, guarded

from napari_cellcycle.training.teach import TeachSettings
from napari_cellcycle.training.teach.tallies import Tally, draws

KINDS = ("masks", "links", "stages", "look")
COUNTS, QUICK = (5, 10, 20, 50, 100), (20, 50)
HEAD = (
    "| case | order | corrections | error | 95 % interval | less by | recommended "
    "| error if always taken | seconds |\n" + "| --- " * 9 + "|"
)
AREAS = (
    "| case | area, suggested | area, random | suggested less by | 95 % interval |\n"
    + "| --- " * 5
    + "|"
)
GUARD = (
    "| case | corrections | wrong | recommended | accepted - old | 95 % interval | taught - old |\n"
    + "| --- " * 7
    + "|"
)


def cases(chosen: argparse.Namespace) -> Iterator[Case]:
    """The cases of the kinds that are asked for."""
    folder, quick = chosen.bases, chosen.quick
    if "masks" in chosen.kinds:
        yield MaskCase(bases.mask_base(folder), chosen.data, quick=quick)
    if "links" in chosen.kinds:
        yield LinkCase(bases.link_base(folder), chosen.data, quick=quick)
    if "stages" in chosen.kinds:
        name = f"H2B crops, {' and '.join(bases.WITHHELD)} withheld"
        yield CropCase(bases.stage_base_without(folder), name, chosen.data)
    if "look" in chosen.kinds:
        frames = 24 if quick else 48
        base = bases.stage_base(folder)
        yield StageCase(base, "stages, strange look", STRANGE, range(7_101, 7_105), frames)


def interval(tally: Tally) -> tuple[float, float]:
    """95 % interval of the error."""
    low, high = np.percentile(1 - tally.samples(draws(len(tally.added))), [2.5, 97.5])
    return float(low), float(high)


def row(case: Case, order: str, point: Point, before: Tally) -> str:
    """A line of the table."""
    error, old = 1 - point.accepted.value, 1 - before.value
    low, high = interval(point.accepted)
    always = "-" if point.proposed is None else f"{1 - point.proposed.value:.3f}"
    taken = "-" if not point.corrections else "yes" if point.recommended else "no"
    fall = f"{1 - error / old:.0%}" if old > 0 else "-"
    return (
        f"| {case.name} | {order} | {point.corrections} | {error:.3f} | {low:.3f} to {high:.3f} "
        f"| {fall} | {taken} | {always} | {point.seconds:.0f} |"
    )


def curves_of(case: Case, before: Tally, chosen: argparse.Namespace) -> list[Curve]:
    """The curves of a case in both orders, shown as they are measured."""
    counts = chosen.counts or (QUICK if chosen.quick else COUNTS)
    found = []
    for seed in range(chosen.seeds or (1 if chosen.quick else 3)):
        for order in ORDERS:
            one = Curve(order, seed)
            settings = TeachSettings(seed=seed)
            for point in curve(case, order, counts, seed, settings, before):
                one.points.append(point)
                print(row(case, order, point, before), flush=True)
            found.append(one)
    return found


def line_of_areas(case: Case, areas: Areas) -> str:
    """A line of the table of areas."""
    low, high = areas.interval
    return (
        f"| {case.name} | {areas.suggested:.3f} | {areas.random:.3f} | {areas.less:+.3f} "
        f"| {low:+.3f} to {high:+.3f} |"
    )


def guard_line(one: Guarded) -> str:
    """A line of the table of the guard."""
    low, high = one.accepted.gain_interval
    taught = "-" if one.proposed is None else f"{one.proposed.gain:+.3f}"
    return (
        f"| {one.name} | {one.corrections} | {one.wrong:.0%} | {'yes' if one.recommended else 'no'}"
        f" | {one.accepted.gain:+.3f} | {low:+.3f} to {high:+.3f} | {taught} |"
    )


def summed(guard: Sequence[Guarded]) -> str:
    """The distribution of what accepting by the verdict did."""
    gain = np.array([one.accepted.gain for one in guard])
    worse = sum(one.accepted.gain_interval[1] < 0 for one in guard)
    always = [one.proposed for one in guard if one.proposed is not None]
    bad = sum(one.gain_interval[1] < 0 for one in always)
    parts = " ".join(f"{value:+.3f}" for value in np.quantile(gain, [0, 0.1, 0.25, 0.5, 0.75, 1]))
    return (
        f"{len(guard)} fine-tunings, {sum(one.recommended for one in guard)} recommended. Accepted "
        f"- old: least, 10 %, 25 %, median, 75 %, most: {parts}. Worse by more than the interval: "
        f"{worse}; {bad} of {len(always)}, had every proposal been taken."
    )


def details(tally: Tally) -> dict[str, float]:
    """The figures that a score is made of."""
    sums = tally.added.sum(axis=0)
    return {name: round(float(figure(sums)), 4) for name, figure in tally.figures.items()}


def as_json(case: Case, found: Sequence[Curve], areas: Areas) -> dict[str, Any]:
    """All figures of a case."""
    return {
        "case": case.name,
        "base": case.base.recipe,
        "curves": [
            {
                "order": each.order,
                "seed": each.seed,
                "points": [
                    {
                        "corrections": point.corrections,
                        "error": 1 - point.accepted.value,
                        "interval": interval(point.accepted),
                        "proposed": None if point.proposed is None else 1 - point.proposed.value,
                        "recommended": point.recommended,
                        "figures": details(point.accepted),
                        "seconds": round(point.seconds, 1),
                        "words": point.reason,
                    }
                    for point in each.points
                ],
            }
            for each in found
        ],
        "areas": {"suggested": areas.suggested, "random": areas.random, "of": areas.interval},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Find or train the bases, correct, teach, score, print."""
    chosen = _arguments(arguments)
    chosen.bases.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"curves": [], "guard": []}
    every, olds, lines = list(cases(chosen)), [], []
    for case in every:
        print(f"{case.name}: base {case.base.recipe}", flush=True)
    print(f"\n{HEAD}")
    for case in every:
        before = case.tally(case.base.path)
        olds.append(before)
        if chosen.guard and chosen.counts == []:
            continue
        found = curves_of(case, before, chosen)
        areas = compared(found)
        lines.append(line_of_areas(case, areas))
        figures["curves"].append(as_json(case, found, areas))
        _keep(figures, chosen.json)
    print("\n".join(["", AREAS, *lines]), flush=True)
    if chosen.guard:
        _guard(every, olds, chosen, figures)


def _guard(
    every: Sequence[Case], olds: Sequence[Tally], chosen: argparse.Namespace, figures: dict
) -> None:
    print(f"\n{GUARD}")
    done = []
    for one in guarded(every, chosen.guard, TeachSettings(), olds):
        done.append(one)
        print(guard_line(one), flush=True)
        both = {"accepted": one.accepted, "proposed": one.proposed}
        told = {name: None if c is None else c.model_dump() for name, c in both.items()}
        about = {"case": one.name, "corrections": one.corrections, "wrong": one.wrong}
        about |= {"recommended": one.recommended, "words": one.reason}
        figures["guard"].append({**about, **told})
        _keep(figures, chosen.json)
    print(f"\n{summed(done)}")


def _keep(figures: dict[str, Any], file: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps(figures, indent=1))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = os.environ.get("CELLCYCLE_DATA", str(Path(__file__).parents[2] / "shared/data"))
    parser.add_argument("--data", type=Path, default=Path(default))
    place = Path(tempfile.gettempdir()) / "cellcycle"
    parser.add_argument("--bases", type=Path, default=place, help="folder of the base models")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--quick", action="store_true", help="a small part")
    parser.add_argument(
        "--counts", nargs="*", type=int, help="numbers of corrections; none: the guard alone"
    )
    parser.add_argument("--seeds", type=int, help="random orders, and seeds of learning")
    parser.add_argument("--guard", type=int, default=0, metavar="N", help="fine-tunings to try")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
