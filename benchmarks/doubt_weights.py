"""Fit how probable it is that something is wrong, from what speaks for it, on known truth.

    OMP_NUM_THREADS=1 python benchmarks/doubt_weights.py [--data FOLDER] [--out FILE.json]

Tracks HeLa 01, PSC 01 and DIC 01 (silver truth; two linkers; HeLa and PSC also with faults) and
six simulated movies (with the masks of the simulation, the same with faults, and those that the
shipped network finds), and asks of everything that `review` can doubt whether it is wrong. A
logistic regression a kind, a little shrunk, gives the table in `review/weights.py`, which is
printed; as is, for each movie, how well the weights of all other movies do: the expected and the
true number of errors, and average precision.

What is wrong over several frames, such as two cells that share a mask for long, is learned from
where it begins and ends: nothing shows it in between.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from known_truth import NONE, Truth
from ranking import default_data
from reviewed import Reviewed, learned_from

from napari_cellcycle.review import divisions, ends, gaps, links, masks
from napari_cellcycle.review.doubt import facts_of
from napari_cellcycle.review.evidence import Evidence
from napari_cellcycle.review.scene import Scene

SHRINK = 1.0
"""Weight of the squared coefficients."""
KINDS = ("link", "start", "end", "division", "filled", "mask")
THOUGHT = ("unsure", "rival", "splits", "goes_on", "likely")
"""What a tracker thought; the same weights are fitted without, for tracks that come from others."""
Example = tuple[Evidence, np.ndarray]


class Answers:
    """What of a scene is wrong: arrays with a row a cell."""

    def __init__(self, scene: Scene, truth: Truth) -> None:
        own = truth.of(scene.ids)
        parent, is_cell = scene.parent, own != NONE
        linked = parent != NONE
        true = truth.parent[own] == own[parent]
        right = linked & is_cell & is_cell[parent] & true
        born = np.array([len(children) for children in truth.children])[own] * is_cell
        there = (scene.first != NONE).astype(int) + (scene.second != NONE)
        alone = np.where(linked, there[parent], 0) == 1
        self.link = linked & (~right | (alone & (born[parent] == 2)))
        self.start = ~linked & (~is_cell | (truth.parent[own] != NONE))
        self.end = (there == 0) & (~is_cell | (born > 0))
        both = right[scene.first] & right[scene.second]
        self.division = (there == 2) & ((born != 2) | ~both)
        self.mask = ~is_cell
        self.clear_link = linked & (is_cell | is_cell[parent])
        beside = (linked & is_cell[parent]) | ((there > 0) & is_cell[scene.first])
        self.clear_mask = is_cell | beside | (~linked & (there == 0))


def examples(case: Reviewed) -> dict[str, Example]:
    """Evidence of each kind, and whether it is an error."""
    draft = case.draft()
    scene = Scene.of(draft, facts_of(draft, case.movie.frame_interval))
    answers = Answers(scene, Truth(case.true_tracks, case.true_labels, draft))
    every = np.arange(len(scene))
    starts, last = ends.start_rows(scene, every), ends.end_rows(scene, every)
    before = ends.partners(scene, starts, last, ends.BEFORE)
    after = ends.partners(scene, last, starts, ends.AFTER)
    linked = links.link_rows(scene, every)
    linked = linked[answers.clear_link[linked]]
    divided, drawn = divisions.division_rows(scene, every), gaps.filled_rows(scene, every)
    measured = masks.mask_rows(scene, every)
    measured = measured[answers.clear_mask[measured]]
    begin = ends.end_evidence(scene, starts, before, ends.BEFORE)
    end = ends.end_evidence(scene, last, after, ends.AFTER)
    return {
        "link": (links.link_evidence(scene, linked), answers.link[linked]),
        "start": (begin, answers.start[starts]),
        "end": (end, answers.end[last]),
        "division": (divisions.division_evidence(scene, divided), answers.division[divided]),
        "filled": (gaps.filled_evidence(scene, drawn), _wrong_gaps(scene, answers, drawn)),
        "mask": (masks.mask_evidence(scene, measured), answers.mask[measured]),
    }


def _wrong_gaps(scene: Scene, answers: Answers, rows: np.ndarray) -> np.ndarray:
    """Whether any cell that was drawn from each of `rows` on, or a link to it, is wrong."""
    end, wrong, at = gaps.gap_end(scene, rows), np.zeros(len(rows), bool), rows
    while len(rows) and (at != end).any():
        wrong |= (at != end) & (answers.mask[at] | answers.link[at])
        at = np.where(at != end, scene.first[at], at)
    return wrong | answers.link[end]


def fit(found: list[Example]) -> dict[str, float]:
    """Coefficients by name; "" is the constant."""
    names = list(found[0][0])
    table = np.concatenate([_table(evidence) for evidence, _ in found])
    wrong = np.concatenate([answer for _, answer in found]).astype(float)
    shrink = np.diag([1e-6, *[SHRINK] * len(names)])
    weights = np.zeros(len(names) + 1)
    for _ in range(100):
        chance = _sigmoid(table @ weights)
        slope = table.T @ (wrong - chance) - shrink @ weights
        curve = (table * (chance * (1 - chance) + 1e-9)[:, None]).T @ table + shrink
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return {name: round(float(w), 2) for name, w in zip(["", *names], weights, strict=True)}


def _without(example: Example) -> Example:
    evidence, wrong = example
    return {name: v for name, v in evidence.items() if name not in THOUGHT}, wrong


def _table(evidence: Evidence) -> np.ndarray:
    columns = list(evidence.values())
    return np.column_stack([np.ones(len(columns[0])), *columns]).astype(float)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def precision(chance: np.ndarray, wrong: np.ndarray) -> float:
    """Average precision of a ranking."""
    order = np.argsort(-chance, kind="stable")
    place = np.flatnonzero(wrong[order])
    return float(np.mean((np.arange(len(place)) + 1) / (place + 1))) if len(place) else np.nan


def main() -> None:
    """Track, fit, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument(
        "--out", type=Path, help="JSON file for the coefficients, and those without each movie"
    )
    chosen = parser.parse_args()
    found: dict[str, dict[str, Example]] = {}
    for case in learned_from(chosen.data):
        found[case.name] = examples(case)
        print(f"tracked {case.name}", flush=True)
    print("\n| kind | movie | doubts | wrong | expected | average precision |")
    print("|---" * 6 + "|")
    crossed: dict[str, dict[str, dict[str, float]]] = {}
    for kind in KINDS:
        for name, own in found.items():
            movie = name.partition(",")[0]
            others = [f[kind] for n, f in found.items() if n.partition(",")[0] != movie]
            weights, (evidence, wrong) = fit(others), own[kind]
            crossed.setdefault(movie, {})[kind] = weights
            chance = _sigmoid(_table(evidence) @ list(weights.values()))
            figures = f"{len(wrong)} | {wrong.sum()} | {chance.sum():.1f}"
            print(f"| {kind} | {name} | {figures} | {precision(chance, wrong):.3f} |")
    fitted = {kind: fit([f[kind] for f in found.values()]) for kind in KINDS}
    for kind in KINDS[:-1]:
        fitted[f"{kind}, no scores"] = fit([_without(f[kind]) for f in found.values()])
    for kind, weights in fitted.items():
        print(f'    "{kind}": {weights},'.replace("'", '"'))
    if chosen.out:
        chosen.out.write_text(json.dumps({"all": fitted, **crossed}, indent=2))


if __name__ == "__main__":
    main()
