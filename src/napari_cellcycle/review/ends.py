"""Tracks that begin or end inside the field."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.row_of import NONE
from napari_cellcycle.errors import Fix
from napari_cellcycle.review.doubt import Doubt
from napari_cellcycle.review.evidence import FARTHEST, Evidence, known, logit, near
from napari_cellcycle.review.mends import best, divided, extended, joined, linked, parted
from napari_cellcycle.review.scene import Scene
from napari_cellcycle.review.weights import LEAST, chance
from napari_cellcycle.review.words import only

BEFORE, AFTER = -1, 1
REACH = 5
"""Most frames between the end of a track and the start of another that may be the same cell."""
_NEAR = 3
_SURE = 0.3
_FAR = 4.0
_MOMENT = 3
"""Most frames of a track that is seen for a moment only."""
_TAKEN = 0.5
_STAND_IN = 0.5
"""How likely a link of two loose ends at the same place is, if the tracker never looked at it."""
_IN_THE_WAY = 0.7
"""How near, at most, another cell may be where a cell is to be drawn."""
_EXTENDED = 0.1
"""How likely it is that a cell was only missed in the next frame, if nothing fits it."""
_CUT = 0.3
"""How much less likely something is wrong where a user has cut the track; assumed."""
_VERB = {BEFORE: "begins", AFTER: "ends"}
_WHEN = {BEFORE: "just before", AFTER: "just after"}
_MAY_DIVIDE = {BEFORE: "may have divided", AFTER: "may be its daughter"}


def start_rows(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` that come from nowhere, after the first frame."""
    return rows[(scene.parent[rows] == NONE) & (scene.frame[rows] > 0)]


def end_rows(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Those of `rows` that do not go on, before the last frame."""
    last = scene.facts.frames - 1
    return rows[(scene.first[rows] == NONE) & (scene.frame[rows] < last)]


@dataclass(frozen=True)
class Partners:
    """Loose ends that may belong to others: rows (m, k), `NONE` where there are no more.

    Distances (m, k) are in diameters, over the root of the frames between; infinite there.
    """

    rows: np.ndarray
    away: np.ndarray


def partners(scene: Scene, rows: np.ndarray, others: np.ndarray, later: int) -> Partners:
    """The nearest of `others` up to `REACH` frames after `rows` (or before, if `later` is -1)."""
    among = np.zeros(len(scene), bool)
    among[others] = True
    gaps = np.arange(1, REACH + 1)[::later]
    frames = (scene.frame[rows][:, None] + later * gaps).ravel()
    places, reach = np.repeat(scene.place[rows], REACH, axis=0), FARTHEST * REACH**0.5
    found, away = scene.nearest_to(places, frames, among, _NEAR, reach)
    away /= np.tile(gaps, len(rows))[:, None] ** 0.5
    found, away = (each.reshape(len(rows), REACH * _NEAR) for each in (found, away))
    order = np.argsort(away, axis=1, kind="stable")[:, :_NEAR]
    found, away = (np.take_along_axis(each, order, axis=1) for each in (found, away))
    too_far = away > FARTHEST
    return Partners(np.where(too_far, NONE, found), np.where(too_far, np.inf, away))


def end_evidence(scene: Scene, rows: np.ndarray, others: Partners, later: int) -> Evidence:
    """What speaks for and against tracks that begin (`later` -1) or end (1) at `rows`."""
    norms, rivals = scene.norms, scene.rivals
    links, splits = (
        (rivals.into, rivals.births) if later == BEFORE else (rivals.out, rivals.divisions)
    )
    length = scene.frame[scene.tail(rows)] - scene.frame[scene.head(rows)] + 1
    edge = scene.edge_distance(rows) / norms.unit
    beside, away = scene.nearest(rows, later, 1)
    thought = {
        "likely": logit(scene.likeliest(links, rows)),
        "splits": logit(scene.likeliest(splits, rows)),
    }
    return {
        **(thought if norms.scored else {}),
        "partner": near(others.away[:, 0]),
        "edge": np.log(0.1 + np.minimum(edge, _FAR)),
        "length": np.log(length),
        "size": known(scene.log_area[rows] - scene.ndim * np.log(norms.unit)),
        "beside": near(away[:, 0]),
        "taken": taken_over(scene, rows, beside[:, 0], later),
        **({"dying": dying(scene, rows)} if later == AFTER else {}),
        "trouble": np.full(len(rows), norms.trouble),
    }


def taken_over(scene: Scene, rows: np.ndarray, beside: np.ndarray, later: int) -> np.ndarray:
    """How well the cell beside explains where each of `rows` went to, or came from (m,).

    1 if what that cell gains is the area of the cell, 0 if it gains none or it is not known; it
    is beside in the next, or in the former, frame.
    """
    other = scene.comes_alone(beside) if later == AFTER else scene.goes_on_alone(beside)
    area = scene.diameter**scene.ndim
    gained = (area[beside] - area[other]) / area[rows]
    return np.where((beside != NONE) & (other != NONE), np.clip(known(gained), 0, 1), 0)


def dying(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Whether the stage of each of `rows` is one that nothing follows (m,)."""
    if "stage" not in scene.draft.names:
        return np.zeros(len(rows), bool)
    stages = scene.draft.stages
    final = np.array(stages.names)[stages.allowed().sum(axis=1) == 1]
    return np.isin(scene.draft.column("stage")[rows].astype(str), final)


def start_doubts(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """A doubt for each track that begins at one of `rows` and should not."""
    return _doubts(scene, start_rows(scene, rows), BEFORE)


def end_doubts(scene: Scene, rows: np.ndarray) -> Iterator[Doubt]:
    """A doubt for each track that ends at one of `rows` and should not."""
    return _doubts(scene, end_rows(scene, rows), AFTER)


def _doubts(scene: Scene, rows: np.ndarray, later: int) -> Iterator[Doubt]:
    every, kind = np.arange(len(scene)), "start" if later == BEFORE else "end"
    loose = end_rows(scene, every) if later == BEFORE else start_rows(scene, every)
    near_by = partners(scene, rows, loose, later)
    evidence = end_evidence(scene, rows, near_by, later)
    weight = chance(scene.named(kind), evidence)
    weight = np.where(scene.is_cut(rows, later == AFTER), _CUT * weight, weight)
    shown = np.flatnonzero(weight >= LEAST)
    rows = rows[shown]
    near_by = Partners(near_by.rows[shown], near_by.away[shown])
    options = _options(scene, rows, near_by, later)
    short, heads, tails = is_short(scene, rows), scene.head(rows), scene.tail(rows)
    edge = scene.edge_distance(np.where(short, heads, rows))
    free = evidence["beside"][shown] < _IN_THE_WAY
    beside = np.where(
        evidence["taken"][shown] > _TAKEN, scene.nearest(rows, later, 1)[0][:, 0], NONE
    )
    for place, row in enumerate(rows.tolist()):
        likely = max(options[place], key=lambda option: option.likely, default=None)
        likely = likely if likely is not None and likely.likely >= _SURE else None
        splits = likely is not None and likely.fix.operation == "divide"
        name = int(scene.label[row])
        likely_mends = [(option.likely, option.fix) for option in options[place]]
        if beside[place] != NONE:
            fix = _one_or_two(scene, row, int(beside[place]), later, bool(short[place]))
            likely_mends.append((_TAKEN, fix))
        if free[place]:
            likely_mends.append((_EXTENDED, extended(scene, int(scene.ids[row]), later)))
        last = (_deleted(name),) if short[place] else ()
        first_seen, last_seen = (int(scene.frame[end[place]]) for end in (heads, tails))
        seen = f"Cell {name} is seen {only(first_seen, last_seen)}"
        said = [seen if short[place] else f"Cell {name} {_VERB[later]} in frame {scene.frame[row]}"]
        said.append(f"{edge[place]:.0f} µm from the edge" if edge[place] > 0 else "at the edge")
        about = [row]
        if likely is not None:
            may_be = _MAY_DIVIDE[later] if splits else "may be the same cell"
            about.append(likely.row)
            said.append(f"cell {scene.label[likely.row]} {may_be}")
        elif beside[place] != NONE:
            about.append(int(beside[place]))
            other = scene.label[beside[place]]
            said.append(f"cell {other} beside it is larger {_WHEN[later]} by about as much")
        yield scene.doubt(
            "short track" if short[place] else "missing division" if splits else kind,
            about,
            f"{', '.join(said)}.",
            float(weight[shown[place]]),
            (kind, int(scene.ids[row])),
            best(likely_mends, *last),
        )


@dataclass(frozen=True)
class _Option:
    """What a loose end could be linked to: how likely that is, which row, and how."""

    likely: float
    row: int
    fix: Fix


def _options(scene: Scene, rows: np.ndarray, near_by: Partners, later: int) -> list[list[_Option]]:
    rivals, asking = scene.rivals, (rows, near_by.rows.tolist(), near(near_by.away).tolist())
    links = scene.still(rivals.into if later == BEFORE else rivals.out, rows)
    splits = scene.still(rivals.births if later == BEFORE else rivals.divisions, rows)
    found = []
    for row, others, closeness, single, pairs in zip(*asking, links, splits, strict=True):
        own = int(scene.ids[row])
        options: list[_Option] = []
        for ends, likely in single:
            other = scene.row_of.one(ends[0] if later == BEFORE else ends[1])
            options += (_Option(likely, other, fix) for fix in _joined(scene, ends[0], ends[1]))
        for ends, likely in pairs:
            other = scene.row_of.one(ends[0] if later == BEFORE else ends[1])
            options.append(_Option(likely, other, divided(scene, ends[0], ends[1:])))
        for other, close in zip(others, closeness, strict=True):
            if other != NONE:
                cell = int(scene.ids[other])
                pair = (cell, own) if later == BEFORE else (own, cell)
                options += (_Option(_STAND_IN * close, other, fix) for fix in linked(scene, *pair))
        found.append(options)
    return found


def _joined(scene: Scene, parent: int, child: int) -> Iterator[Fix]:
    """Link two cells; where the first goes on already, it divides."""
    row, born = scene.row_of.one(parent), scene.row_of.one(child)
    there = scene.first[row]
    goes_on = there != NONE and scene.second[row] == NONE
    if goes_on and scene.frame[there] == scene.frame[born] and scene.parent[born] == NONE:
        yield divided(scene, parent, [int(scene.ids[there]), child])
    else:
        yield from linked(scene, parent, child)


def _one_or_two(scene: Scene, row: int, beside: int, later: int, piece: bool) -> Fix:
    """Join a piece with the mask that it was cut from, or part the mask that took a cell in."""
    other = int(scene.parent[beside] if later == AFTER else scene.first[beside])
    if piece and scene.frame[other] == scene.frame[row]:
        return joined(scene, row, other)
    return parted(scene, beside)


def is_short(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Whether the tracks of `rows` are seen for a moment only and are nobody's relatives (m,)."""
    head, tail = scene.head(rows), scene.tail(rows)
    alone = (scene.parent[head] == NONE) & (scene.first[tail] == NONE)
    within = (scene.frame[head] > 0) & (scene.frame[tail] < scene.facts.frames - 1)
    return alone & within & (scene.frame[tail] - scene.frame[head] < _MOMENT)


def _deleted(label: int) -> Fix:
    return Fix(f"Delete cell {label}", "delete_track", {"label": label})
