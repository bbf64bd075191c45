"""How the cells of a lineage tree look: colours along the tracks, doubts, corrections, ticks."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.cells import NOBODY
from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.lineage_layout import Lineages
from napari_cellcycle.data.stages import StageSet
from napari_cellcycle.data.track_table import confirmed_cells, corrected, stage_codes_of
from napari_cellcycle.data.tracks import BY_USER
from napari_cellcycle.widgets.colours import (
    SURE,
    TRUSTED,
    UNKNOWN,
    ColourBy,
    doubt_colours,
    rgba,
    track_colours,
)

_SHADES = 20
"""Of a link that is trusted fully; those in doubt have half as many, as each takes its time."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Unbroken pieces of tracks in one colour: `first` and `last` frame, `track` and `colour`."""

    track: np.ndarray
    first: np.ndarray
    last: np.ndarray
    colour: np.ndarray


@dataclass(frozen=True, eq=False)
class Marks:
    """Something at cells: positions of their `track`, their `frame`, and a `colour`."""

    track: np.ndarray
    frame: np.ndarray
    colour: np.ndarray


@dataclass(frozen=True, eq=False)
class Look:
    """What is painted of some lineages; tracks are positions in them, colours 0xAARRGGBB.

    `colours` (n,) are those of all cells in the order of the lineages, `runs` the same in pieces.
    `gaps` run from the last frame before to the first one after frames in which a cell was not
    seen. `doubts` stand at cells whose link from their parent is little trusted, `dots` at those
    that the user corrected, `ticks` at those that the user confirmed.
    """

    colours: np.ndarray
    runs: Runs
    gaps: Runs
    doubts: Marks
    dots: Marks
    ticks: Marks


def look_of(draft: Draft, known: Lineages, by: ColourBy) -> Look:
    """Colour the cells of `draft` by track, by stage or by doubt, and mark them."""
    colours = _colours(draft, known, by)
    track, frame = known.track_of, known.frames
    goes_on = np.zeros(len(frame), bool)
    goes_on[1:] = track[1:] == track[:-1]
    skips = np.zeros_like(goes_on)
    skips[1:] = goes_on[1:] & (np.diff(frame) > 1)
    begins = ~goes_on | skips
    begins[1:] |= colours[1:] != colours[:-1]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(frame)) - 1 if len(first) else first
    runs = Runs(track[first], frame[first], frame[last], colours[first])
    after = np.flatnonzero(skips)
    gaps = Runs(track[after], frame[after - 1], frame[after], colours[after - 1])
    confirmed = confirmed_cells(draft)
    mine = corrected(draft, confirmed)[known.order]
    right = np.isin(known.cells, [cell for _, cell in confirmed])
    return Look(
        colours, runs, gaps, _doubts(draft, known), _marks(known, mine), _marks(known, right)
    )


def legend(by: ColourBy, stages: StageSet) -> str:
    """What colours and marks mean, as rich text."""
    amber = "".join(
        f'<span style="color:{_named(colour)}">▯</span>'
        for colour in argb(doubt_colours().map([0.4, 0.2, 0.0])).tolist()
    )
    marks = f"{amber}&nbsp;doubt &nbsp; ●&nbsp;corrected &nbsp; ✓&nbsp;confirmed"
    if by != "stage":
        return marks
    parts = [f'<span style="color:{s.colour}">■</span>&nbsp;{s.name}' for s in stages.stages]
    return " &nbsp; ".join([*parts, marks])


def told(draft: Draft, known: Lineages, place: int) -> str:
    """Number, frame, stage with probabilities, link and corrections of a cell, in lines."""
    cell = int(known.cells[place])
    row = int(known.order[place])
    words = [f"Cell {known.tracks[known.track_of[place]]}, frame {known.frames[place]}"]
    words += _told_stages(draft, row)
    parent = int(draft.column("parent")[row])
    if parent != NOBODY:
        by_user = draft.column("link_by")[row] == BY_USER
        score = float(draft.column("link_score")[row])
        how = "set by you" if by_user else f"trusted {100 * score:.0f} %"
        words.append(f"Link from cell {draft.label(parent)}, frame {draft.frame(parent)}: {how}")
    if draft.column("pinned")[row]:
        words.append("Stage set by you")
    right = sorted(kind for kind, number in draft.confirmed if number == cell and kind != "frame")
    if right:
        words.append(f"Confirmed: {', '.join(right)}")
    return "\n".join(words)


def argb(colours: np.ndarray) -> np.ndarray:
    """0xAARRGGBB (n,) uint32 of RGBA (n, 4) in 0..1."""
    parts = np.round(np.asarray(colours) * 255).astype(np.uint32)
    return (parts[:, 3] << 24) | (parts[:, 0] << 16) | (parts[:, 1] << 8) | parts[:, 2]


def _colours(draft: Draft, known: Lineages, by: ColourBy) -> np.ndarray:
    if by == "track":
        return argb(track_colours().map(known.tracks))[known.track_of]
    if by == "doubt":
        return np.full(len(known.frames), argb(rgba(SURE)[np.newaxis])[0])
    names = (UNKNOWN, *draft.stages.colours.values())
    table = argb(np.array([rgba(name) for name in names]))
    return table[stage_codes_of(draft)[known.order].astype(np.int64) + 1]


def _doubts(draft: Draft, known: Lineages) -> Marks:
    doubtful = (draft.column("link_score") < TRUSTED) & (draft.column("parent") != NOBODY)
    doubtful &= draft.column("link_by") != BY_USER
    found = _marks(known, doubtful[known.order])
    score = draft.column("link_score")[known.order[np.flatnonzero(doubtful[known.order])]]
    score = np.round(_SHADES * score) / _SHADES
    return Marks(found.track, found.frame, argb(doubt_colours().map(score)))


def _marks(known: Lineages, where: np.ndarray) -> Marks:
    places = np.flatnonzero(where)
    white = np.full(len(places), 0xFFFFFFFF, np.uint32)
    return Marks(known.track_of[places], known.frames[places], white)


def _told_stages(draft: Draft, row: int) -> list[str]:
    stage = str(draft.column("stage")[row])
    columns = [f"p_{name}" for name in draft.stages.names]
    if not stage or not set(columns) <= set(draft.names):
        return [stage] if stage else []
    chances = np.array([draft.column(name)[row] for name in columns], float)
    told = [
        f"{draft.stages.names[code]} {100 * chances[code]:.0f} %"
        for code in np.argsort(-chances, kind="stable")
        if chances[code] >= 0.005
    ]
    return [f"{stage}   ({', '.join(told)})" if told else stage]


def _named(colour: int) -> str:
    return f"#{colour & 0xFFFFFF:06x}"
