"""Links that may be wrong: the tracker was not sure, or a cell changes all of a sudden."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.row_of import NONE
from napari_cellcycle.errors import Fix
from napari_cellcycle.review.doubt import Doubt
from napari_cellcycle.review.evidence import Evidence, known, logit
from napari_cellcycle.review.mends import (
    Scored,
    best,
    divided,
    drawn_between,
    linked,
    parted,
    unlinked,
)
from napari_cellcycle.review.scene import Candidate, Scene
from napari_cellcycle.review.weights import LEAST, chance
from napari_cellcycle.review.words import frames, listed, moved, percent, times

_SUDDEN = 3.0
"""Times the movie's usual spread from which a change is worth mentioning."""
_LARGE_STEP, _LARGE_CHANGE = 0.3, 0.2
"""In diameters, and in logarithms: smaller changes are not mentioned."""
_LEAP = 2.0
"""Logarithm of how much farther than before and after cells hardly ever move for once."""
_UNSURE, _RIVAL = 0.97, 0.05
_COVERED = 0.75
"""Diameters within which another mask lies where a cell is missing."""
_DRAWN = 0.8
"""How likely a cell that is missing in between two frames is there."""


def link_rows(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` that go on from a cell which does not divide, as no user has said.

    Cells that were drawn into gaps are left to the rule about these.
    """
    rows = rows[scene.comes_alone(rows) != NONE]
    drawn = scene.filled(rows) | scene.filled(scene.parent[rows])
    return rows[~drawn & ~scene.held(rows)]


def link_evidence(scene: Scene, rows: np.ndarray) -> Evidence:
    """What speaks for and against the links that lead to `rows`."""
    norms, parent = scene.norms, scene.parent[rows]
    change = change_of(scene, rows)
    step = np.log1p(change.step / norms.step)
    restless = np.log1p(_restlessness(scene, rows) / norms.step)
    return {
        **(_thought(scene, rows) if norms.scored else {}),
        "step": step,
        "leap": (step - restless > _LEAP).astype(float),
        "grown": np.log1p(np.abs(change.grown) / norms.growth),
        "light": np.log1p(np.abs(change.light) / norms.light),
        "restless": restless,
        "gap": np.minimum(scene.frame[rows] - scene.frame[parent] - 1.0, 2),
        "trouble": np.full(len(rows), norms.trouble),
    }


def _thought(scene: Scene, rows: np.ndarray) -> Evidence:
    """How sure the tracker was, and of what else."""
    rivals, parent = scene.rivals, scene.parent[rows]
    into = scene.likeliest(rivals.into, rows, (0, parent))
    out = scene.likeliest(rivals.out, parent, (1, rows))
    splits = scene.likeliest(rivals.divisions, parent), scene.likeliest(rivals.births, rows)
    return {
        "unsure": -logit(scene.draft.column("link_score")[rows]),
        "rival": logit(np.maximum(into, out)),
        "splits": logit(np.maximum(*splits)),
    }


@dataclass(frozen=True)
class Change:
    """How cells differ from what they were: a step in diameters, growth and light in logs."""

    step: np.ndarray
    grown: np.ndarray
    light: np.ndarray


def change_of(scene: Scene, rows: np.ndarray) -> Change:
    """How `rows` differ from their parents, once what most cells do is taken out."""
    norms, parent, frame = scene.norms, scene.parent[rows], scene.frame[rows]
    gap = np.maximum(frame - scene.frame[parent], 1)
    step = scene.place[rows] - scene.place[parent] - norms.drift[frame]
    light = scene.log_light[rows] - scene.log_light[parent] - norms.lighter[frame]
    return Change(
        np.linalg.norm(step, axis=1) / norms.unit / np.sqrt(gap),
        known(scene.log_area[rows] - scene.log_area[parent]),
        known(light),
    )


def _restlessness(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Mean step (m,), in diameters, of the same cells right before and after; 0 if not known."""
    total, count = np.zeros(len(rows)), np.zeros(len(rows))
    for other in (scene.parent[rows], scene.goes_on_alone(rows)):
        known_step = (other != NONE) & (scene.comes_alone(other) != NONE)
        total[known_step] += change_of(scene, other[known_step]).step
        count += known_step
    return total / np.maximum(count, 1)


@dataclass(frozen=True)
class _Others:
    """What else a link could be: candidates to the child, and from the parent."""

    into: list[Candidate]
    out: list[Candidate]
    splits: list[Candidate]


def _others(scene: Scene, rows: np.ndarray) -> list[_Others]:
    rivals, parents = scene.rivals, scene.parent[rows]
    asked = [
        scene.still(rivals.into, rows),
        scene.still(rivals.out, parents),
        scene.still(rivals.divisions, parents),
        scene.still(rivals.births, rows),
    ]
    labels = zip(scene.label[rows].tolist(), scene.label[parents].tolist(), strict=True)
    return [
        _Others(
            [one for one in into if scene.label_of(one[0][0]) != former],
            [one for one in out if scene.label_of(one[0][1]) != own],
            splits + births,
        )
        for (own, former), into, out, splits, births in zip(labels, *asked, strict=True)
    ]


def link_doubts(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """A doubt for each link to one of `rows` that may be wrong."""
    rows = link_rows(scene, rows)
    weight = chance(scene.named("link"), link_evidence(scene, rows))
    shown = weight >= LEAST
    rows, weight = rows[shown], weight[shown]
    change, others = change_of(scene, rows), _others(scene, rows)
    in_the_way = _in_the_way(scene, rows).tolist()
    score = scene.draft.column("link_score")[rows]
    for place, row in enumerate(rows.tolist()):
        parent = int(scene.parent[row])
        about = _about(scene, float(score[place]), others[place])
        sudden = _sudden(scene, change, place)
        gap = int(scene.frame[row] - scene.frame[parent]) - 1
        kind = "gap" if gap else "link" if about or not sudden else "jump"
        between = [f"not seen for {frames(gap)} in between"] if gap else []
        said = listed([*between, *about, *sudden]) or "unusual, though nothing stands out"
        yield scene.doubt(
            kind,
            [row, parent],
            f"Cell {scene.label[row]}, frame {scene.frame[parent]} to {scene.frame[row]}: {said}.",
            float(weight[place]),
            ("link", int(scene.ids[row])),
            _mends(scene, row, parent, others[place], in_the_way[place]),
        )


def _about(scene: Scene, score: float, others: _Others) -> list[str]:
    """What the tracker thought of a link, and of the likeliest other."""
    said = [f"the tracker was {percent(score)} sure"] if score < _UNSURE else []
    options = [(likely, ends[0]) for ends, likely in others.into[:1]]
    options += [(likely, ends[1]) for ends, likely in others.out[:1]]
    likely, other = max(options, default=(0.0, 0))
    if likely >= _RIVAL:
        said.append(f"cell {scene.label_of(other)} was {percent(likely)}")
    return said


def _sudden(scene: Scene, change: Change, place: int) -> list[str]:
    """What changes much more than is usual."""
    norms, said = scene.norms, []
    step, grown, light = (values[place] for values in (change.step, change.grown, change.light))
    if step > max(_SUDDEN * norms.step, _LARGE_STEP):
        usual = moved(scene, 2 * norms.step)
        said.append(f"it moves {moved(scene, step)}, most others less than {usual}")
    if abs(grown) > max(_SUDDEN * norms.growth, _LARGE_CHANGE):
        said.append(f"it gets {times(grown, 'larger', 'smaller')}")
    if abs(light) > max(_SUDDEN * norms.light, _LARGE_CHANGE):
        said.append(f"it gets {times(light, 'brighter', 'dimmer')}")
    return said


def _in_the_way(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """The mask (m,) that lies where each cell is missing first, and may hold it too.

    `NONE` without, and for cells that were in the frame before.
    """
    found = np.full(len(rows), NONE)
    missing = np.flatnonzero(scene.frame[rows] - scene.frame[scene.parent[rows]] > 1)
    rows, parent = rows[missing], scene.parent[rows[missing]]
    share = 1 / (scene.frame[rows] - scene.frame[parent])[:, None]
    places = (1 - share) * scene.place[parent] + share * scene.place[rows]
    every = np.ones(len(scene), bool)
    there, away = scene.nearest_to(places, scene.frame[parent] + 1, every, 1, _COVERED)
    found[missing] = np.where(away < _COVERED, there, NONE)[:, 0]
    return found


def _mends(scene: Scene, row: int, parent: int, others: _Others, there: int) -> tuple[Fix, ...]:
    """What could be instead of the link that leads to a cell; `there` is what is in the way."""
    own, former = int(scene.ids[row]), int(scene.ids[parent])
    options: list[Scored] = []
    for ends, likely in others.into:
        options += ((likely, fix) for fix in linked(scene, ends[0], own))
    for ends, likely in others.out:
        options += ((likely, fix) for fix in linked(scene, former, ends[1]))
    options += ((likely, divided(scene, ends[0], ends[1:])) for ends, likely in others.splits)
    if scene.frame[row] - scene.frame[parent] > 1:
        options.append((_DRAWN, drawn_between(scene, former, own)))
        options += [(_DRAWN + 0.1, parted(scene, there))] if there != NONE else []
    return best(options, unlinked(scene, own))
