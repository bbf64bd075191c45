"""Stages that cannot be, last too short or too long, or disagree with the lineage."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.row_of import NONE
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.errors import Fix
from napari_cellcycle.review.doubt import Doubt, Facts
from napari_cellcycle.review.mends import best, divided
from napari_cellcycle.review.norms import mitosis_seen
from napari_cellcycle.review.scene import Scene
from napari_cellcycle.review.weights import LEAST, STAGE_WEIGHTS

_UNSEEN = 0.2
"""Chance of mitosis below which it was not seen."""
_SLACK = 1.5
"""Times that a stage may be shorter, or longer, than its limits say."""


@dataclass(frozen=True)
class Visits:
    """Stretches of one stage within one track: their first and last rows, and the stage's code.

    `begins` and `ends` say whether the track was in another stage before and after, so that the
    whole of the stretch was seen.
    """

    first: np.ndarray
    last: np.ndarray
    code: np.ndarray
    begins: np.ndarray
    ends: np.ndarray


def is_classified(scene: Scene) -> bool:
    """Whether cells have stages that are known of."""
    return "stage" in scene.draft.names and bool(scene.draft.stages.stages)


def codes_of(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Place of the stage of each of `rows` among all stages; -1 where it has none."""
    names = scene.draft.column("stage")[rows]
    known, place = np.unique(names.astype(str), return_inverse=True)
    code = {name: number for number, name in enumerate(scene.draft.stages.names)}
    return np.array([code.get(str(name), -1) for name in known], np.int64)[place]


def visits_of(scene: Scene, rows: np.ndarray) -> Visits:
    """The stretches of stages of the tracks that are wholly among `rows`."""
    order = rows[np.lexsort((scene.frame[rows], scene.label[rows]))]
    code, label = codes_of(scene, order), scene.label[order]
    new_track = np.diff(label, prepend=-1) != 0
    starts = np.flatnonzero(new_track | (np.diff(code, prepend=-2) != 0))
    stops = np.append(starts[1:], len(order)) - 1
    first, last = order[starts], order[stops]
    goes_on = np.append(~new_track[starts[1:]], False)
    return Visits(first, last, code[starts], ~new_track[starts], goes_on)


def stage_doubts(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """Doubts about the stages of `rows`, which are whole tracks."""
    if not is_classified(scene) or not len(rows):
        return
    visits = visits_of(scene, rows)
    yield from _impossible(scene, visits)
    if scene.draft.stages.timed:
        yield from _too_long_or_short(scene, visits)
    if _divides_in_some(scene.draft.stages):
        yield from _mitosis_alone(scene, visits)
        yield from _division_alone(scene, rows)


def _divides_in_some(stages: StageSet) -> bool:
    """Whether it is known which stages mothers and daughters are in."""
    return len(stages.last) < len(stages) and len(stages.first) < len(stages)


def _impossible(scene: Scene, visits: Visits) -> Iterator[Doubt]:
    """Stages that cannot follow each other in one cell."""
    names, allowed = scene.draft.stages.names, reachable(scene.draft.stages, scene.facts)
    before = np.flatnonzero(visits.ends)
    after = before + 1
    known = (visits.code[before] >= 0) & (visits.code[after] >= 0)
    wrong = known & ~allowed[visits.code[before], visits.code[after]]
    for place in before[wrong].tolist():
        row, former = int(visits.first[place + 1]), int(visits.last[place])
        if _pinned(scene, row) and _pinned(scene, former):
            continue
        earlier, later = names[visits.code[place]], names[visits.code[place + 1]]
        yield _doubt(
            scene,
            "stage",
            [row, former],
            f"Cell {scene.label[row]}, frame {scene.frame[row]}: {later} cannot follow {earlier}.",
            STAGE_WEIGHTS["impossible"],
            "stage",
            (
                _staged(scene, visits, place + 1, earlier),
                _staged(scene, visits, place, later),
            ),
        )


def reachable(stages: StageSet, facts: Facts) -> np.ndarray:
    """Whether stage j can be seen in the frame after stage i (S, S), others between unseen."""
    follows = stages.allowed()
    for middle, stage in enumerate(stages.stages):
        if stage.duration[0] * 60 <= facts.frame_interval:
            follows |= np.outer(follows[:, middle], follows[middle])
    return follows


def _too_long_or_short(scene: Scene, visits: Visits) -> Iterator[Doubt]:
    """Stages whose whole stretch was seen and lasts less, or more, than they do."""
    stages, minutes = scene.draft.stages, scene.facts.frame_interval / 60
    limits = np.array([stage.duration for stage in stages.stages])[visits.code]
    frames = scene.frame[visits.last] - scene.frame[visits.first] + 1
    # What was seen for n frames lasted from n - 1 to n + 1 frame intervals.
    short = visits.begins & visits.ends & ((frames + 1) * minutes * _SLACK < limits[:, 0])
    long = (frames - 1) * minutes > limits[:, 1] * _SLACK
    for place in np.flatnonzero((short | long) & (visits.code >= 0)).tolist():
        row, is_short = int(visits.first[place]), bool(short[place])
        if _pinned(scene, row):
            continue
        name, end = stages.names[visits.code[place]], 0 if is_short else 1
        usual = f"{'at least' if is_short else 'at most'} {limits[place, end]:.0f} min"
        lasts = f"{frames[place] * minutes:.0f} min"
        around = [
            stages.names[visits.code[other]]
            for other, there in ((place - 1, visits.begins[place]), (place + 1, visits.ends[place]))
            if there and visits.code[other] >= 0
        ]
        yield _doubt(
            scene,
            "duration",
            [row, int(visits.last[place])],
            f"Cell {scene.label[row]}: {name} lasts {lasts} from frame {scene.frame[row]} on, "
            f"usually {usual}.",
            STAGE_WEIGHTS["short" if is_short else "long"],
            "duration",
            tuple(_staged(scene, visits, place, other) for other in dict.fromkeys(around))
            if is_short
            else (),
        )


def _mitosis_alone(scene: Scene, visits: Visits) -> Iterator[Doubt]:
    """Cells that leave the stages in which mothers divide, but do not divide."""
    stages = scene.draft.stages
    ends_in = np.array([name in stages.last for name in stages.names])
    final = stages.allowed().sum(axis=1) == 1
    before = np.flatnonzero(visits.ends)
    after = before + 1
    leaves = ends_in[visits.code[before]] & ~ends_in[visits.code[after]]
    leaves &= ~final[visits.code[after]] & (visits.code[before] >= 0) & visits.begins[before]
    for place in before[leaves].tolist():
        row = int(visits.last[place])
        own, goes_on = int(scene.ids[row]), int(scene.first[row])
        splits = scene.still(scene.rivals.divisions, np.array([row]))[0]
        yield _doubt(
            scene,
            "stage",
            [row, goes_on],
            f"Cell {scene.label[row]} leaves {stages.names[visits.code[place]]} after frame "
            f"{scene.frame[row]}, but does not divide.",
            STAGE_WEIGHTS["mitosis alone"],
            "mitosis",
            best((score, divided(scene, own, ends[1:])) for ends, score in splits),
        )


def _division_alone(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """Divisions before which no mitosis was seen, where it mostly is."""
    typical = scene.norms.mitosis
    rows = rows[scene.second[rows] != NONE]
    weight = STAGE_WEIGHTS["division alone"] * typical**2
    if weight < LEAST or not len(rows):
        return
    rows = rows[mitosis_seen(scene, rows) < _UNSEEN]
    rows = rows[~(scene.held(scene.first[rows]) & scene.held(scene.second[rows]))]
    for row in rows.tolist():
        born = [int(scene.first[row]), int(scene.second[row])]
        keep = max(born, key=lambda each: float(np.nan_to_num(scene.diameter[each])))
        words = f"No division: cell {scene.label[row]} goes on as {scene.label[keep]}"
        arguments = {"mother": int(scene.ids[row]), "keep": int(scene.ids[keep])}
        yield _doubt(
            scene,
            "stage",
            [row, *born],
            f"Cell {scene.label[row]} divides after frame {scene.frame[row]} without mitosis.",
            weight,
            "division",
            (Fix(words, "undivide", arguments),),
        )


def _staged(scene: Scene, visits: Visits, place: int, stage: str) -> Fix:
    """Give a stretch another stage."""
    first, last = int(visits.first[place]), int(visits.last[place])
    cells, row = [int(scene.ids[first])], first
    while row != last:
        row = int(scene.first[row])
        cells.append(int(scene.ids[row]))
    begin, end = scene.frame[first], scene.frame[last]
    when = f"in frame {begin}" if first == last else f"in frames {begin} to {end}"
    words = f"Cell {scene.label[first]} is in {stage} {when}"
    return Fix(words, "set_stage", {"cells": cells, "stage": stage})


def _pinned(scene: Scene, row: int) -> bool:
    return "pinned" in scene.draft.names and bool(scene.draft.column("pinned")[row])


def _doubt(
    scene: Scene,
    kind: str,
    rows: list[int],
    reason: str,
    weight: float,
    key: str,
    mends: tuple[Fix, ...],
) -> Doubt:
    return scene.doubt(kind, rows, reason, weight, (key, int(scene.ids[rows[0]])), mends)
