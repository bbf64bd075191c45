"""Divisions that may be none, or have another daughter."""

from collections.abc import Iterator

import numpy as np

from napari_cellcycle.data.row_of import NONE
from napari_cellcycle.errors import Fix
from napari_cellcycle.review.doubt import Doubt
from napari_cellcycle.review.evidence import Evidence, known, logit
from napari_cellcycle.review.mends import best, divided, drawn_between
from napari_cellcycle.review.scene import Candidate, Scene
from napari_cellcycle.review.weights import LEAST, chance
from napari_cellcycle.review.words import frames, listed, percent

_UNSURE, _UNLIKE, _SOON = 0.97, 0.5, 6
"""From when on it is mentioned: a probability, a ratio of areas (log), frames."""


_DRAWN = 0.9
"""How likely a daughter that is missing right after her birth is there."""


def division_rows(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` that divide, as no user has said."""
    rows = rows[scene.second[rows] != NONE]
    return rows[~(scene.held(scene.first[rows]) & scene.held(scene.second[rows]))]


def division_evidence(scene: Scene, rows: np.ndarray) -> Evidence:
    """What speaks for and against the divisions of `rows`."""
    norms = scene.norms
    one, two = scene.first[rows], scene.second[rows]
    apart = np.linalg.norm(scene.place[one] - scene.place[two], axis=1) / norms.unit
    drift = norms.drift[scene.frame[one]]
    middle = (scene.place[one] + scene.place[two]) / 2 - drift - scene.place[rows]
    areas = [known(scene.log_area[each]) for each in (rows, one, two)]
    return {
        **(_thought(scene, rows) if norms.scored else {}),
        "unlike": np.abs(areas[1] - areas[2]),
        "shrunk": np.abs(np.logaddexp(areas[1], areas[2]) - areas[0]),
        "young": known(1 / _age(scene, rows)),
        "short": np.maximum(*(1 / _left(scene, each) for each in (one, two))),
        "apart": np.log(0.3 + apart),
        "aside": np.log(0.1 + np.linalg.norm(middle, axis=1) / norms.unit),
        "gap": np.minimum(scene.frame[one] + scene.frame[two] - 2 * scene.frame[rows] - 2, 3),
        "trouble": np.full(len(rows), norms.trouble),
    }


def _thought(scene: Scene, rows: np.ndarray) -> Evidence:
    """How sure the tracker was, and of what else."""
    rivals, score = scene.rivals, scene.draft.column("link_score")
    one, two = scene.first[rows], scene.second[rows]
    others = [scene.likeliest(rivals.into, born, (0, rows)) for born in (one, two)]
    return {
        "unsure": -logit(np.minimum(score[one], score[two])),
        "rival": logit(np.maximum(*others)),
        "goes_on": logit(scene.likeliest(rivals.out, rows)),
    }


def _age(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Frames (m,) from birth to division; infinite where the birth was not seen."""
    head = scene.head(rows)
    age = scene.frame[rows] - scene.frame[head] + 1.0
    return np.where(scene.parent[head] == NONE, np.inf, age)


def _left(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Frames (m,) that cells live on, if they are lost then; infinite if they divide or stay."""
    tail = scene.tail(rows)
    left = scene.frame[tail] - scene.frame[rows] + 1.0
    lost = (scene.first[tail] == NONE) & (scene.frame[tail] < scene.facts.frames - 1)
    return np.where(lost, left, np.inf)


def division_doubts(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """A doubt for each division of one of `rows` that may be wrong."""
    rows = division_rows(scene, rows)
    evidence = division_evidence(scene, rows)
    weight = chance(scene.named("division"), evidence)
    shown = np.flatnonzero(weight >= LEAST)
    rows = rows[shown]
    born = np.column_stack([scene.first[rows], scene.second[rows]])
    goes_on = scene.still(scene.rivals.out, rows)
    splits = scene.still(scene.rivals.divisions, rows)
    unlike, age = evidence["unlike"][shown], _age(scene, rows)
    left = np.column_stack([_left(scene, each) for each in born.T])
    for place, row in enumerate(rows.tolist()):
        names = [int(scene.label[each]) for each in born[place]]
        said = _about(scene, row, born[place])
        if unlike[place] > _UNLIKE:
            said.append(f"one daughter is {np.exp(unlike[place]):.1f} times as large")
        for name, seen in zip(names, left[place].tolist(), strict=True):
            if seen < _SOON:
                said.append(f"cell {name} is lost after {frames(int(seen))}")
        if age[place] < _SOON:
            said.append(f"it was born only {frames(int(age[place]))} before")
        yield scene.doubt(
            "division",
            [row, *born[place].tolist()],
            f"Cell {scene.label[row]} divides into {names[0]} and {names[1]} after frame "
            f"{scene.frame[row]}{': ' if said else ''}{listed(said)}.",
            float(weight[shown[place]]),
            ("division", int(scene.ids[row])),
            _mends(scene, row, born[place].tolist(), goes_on[place], splits[place]),
        )


def _about(scene: Scene, row: int, born: np.ndarray) -> list[str]:
    """What the tracker thought of a division, and how long its daughters are not seen."""
    sure = float(scene.draft.column("link_score")[born].min())
    said = [f"the tracker was {percent(sure)} sure"] if sure < _UNSURE else []
    gap = int(scene.frame[born].max()) - int(scene.frame[row])
    return [*said, f"a daughter is seen only {frames(gap)} later"] if gap > 1 else said


def _mends(
    scene: Scene, row: int, born: list[int], goes_on: list[Candidate], splits: list[Candidate]
) -> tuple[Fix, ...]:
    """What could be instead of a division: one daughter only, or other daughters."""
    mother, options = int(scene.ids[row]), []
    likely = {ends[1]: score for ends, score in goes_on}
    larger = max(born, key=lambda each: float(known(scene.diameter[[each]])[0]))
    for each in born:
        cell = int(scene.ids[each])
        words = f"No division: cell {scene.label[row]} goes on as {scene.label[each]}"
        fix = Fix(words, "undivide", {"mother": mother, "keep": cell})
        options.append((likely.get(cell, 0.0) + 1e-3 * (each == larger), fix))
    own = {int(scene.ids[each]) for each in born}
    options += [
        (score, divided(scene, mother, ends[1:])) for ends, score in splits if set(ends[1:]) != own
    ]
    options += [
        (_DRAWN, drawn_between(scene, mother, int(scene.ids[each])))
        for each in born
        if scene.frame[each] - scene.frame[row] > 1
    ]
    return best(options)
