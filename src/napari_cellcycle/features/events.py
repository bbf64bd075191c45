"""What happens to a nucleus, read off its lineage: about to divide, just born, dying, stable."""

import numpy as np
import pandas as pd
from pydantic import Field

from napari_cellcycle.config import Settings
from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.stages import NUCLEUS
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.progress import Progress, silent, track_progress

UNKNOWN = -1
"""Code of a cell of which the lineage does not say what happens to it."""
STABLE, MITOTIC, NEW, DEATH = map(
    NUCLEUS.names.index, ("stable", "mitotic", "new daughter", "death")
)
DYING = ("apoptosis", "death")
"""Names of stages that say of a cell that it dies."""


class EventRules(Settings):
    """When a lineage counts as telling what happens to a cell."""

    window: int = Field(8, ge=1, description="Frames before and after in which nothing happens")
    neighbours: int = Field(
        12, ge=0, description="Least cells of the same track within the window of a stable one"
    )
    relaxed: bool = Field(
        False, description="Every cell with exactly one child and no event of its own is stable"
    )
    vacant: float = Field(
        0.5, ge=0, le=1, description="Least share of a dead cell's place that is empty afterwards"
    )
    shrunken: float = Field(
        0.8, gt=0, description="Largest size of a dying cell, as a share of its track's median"
    )
    brightened: float = Field(
        1.3, gt=0, description="Or least brightness of it, as a multiple of its track's median"
    )


PAPER = EventRules()
"""The published rule of a stable nucleus."""
RELAXED = EventRules(relaxed=True)
"""For short movies, and for telling every cell."""


def events(
    tracks: Tracks,
    labels: LabelStack,
    rules: EventRules = PAPER,
    *,
    movie: Movie | None = None,
    channel: str | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Code of what happens to each cell, (n,) int: its place in `NUCLEUS`, or `UNKNOWN`.

    A *mitotic* cell has two children, a *new daughter* has a parent with two. A cell is *stable*
    if it has exactly one child and, unless the rules are relaxed, nothing happens on its track
    within the window, of which enough is seen. *Death* is what the column `stage` calls so, where
    there is one that does; else the end of a track before the last frame, away from the border,
    whose place stays empty and which shrank or brightened. The brightness needs `movie`. All
    other ends are unknown: the cell was lost, or left the field.
    """
    cells = tracks.cells
    children = _children(tracks)
    code = np.full(len(cells), UNKNOWN)
    divided = cells.index.isin(tracks.divisions)
    born = tracks.links.loc[tracks.links["parent"].isin(tracks.divisions), "child"]
    code[children == 1] = STABLE
    code[cells.index.isin(born)] = NEW
    code[divided] = MITOTIC
    if not rules.relaxed:
        code[(code == STABLE) & ~_is_quiet(tracks, code, rules)] = UNKNOWN
    told = cells["stage"].isin(DYING).to_numpy() if "stage" in cells else np.zeros(0, bool)
    ends = (children == 0) & (cells["frame"].to_numpy() < len(labels) - 1)
    dead = told if told.any() else _vanished(tracks, labels, ends, rules, movie, channel, progress)
    code[dead] = DEATH
    return code


def _children(tracks: Tracks) -> np.ndarray:
    """Number of children of each cell, (n,)."""
    count = tracks.links["parent"].value_counts()
    return count.reindex(tracks.cells.index, fill_value=0).to_numpy()


def _is_quiet(tracks: Tracks, code: np.ndarray, rules: EventRules) -> np.ndarray:
    """Whether enough of each cell's track is seen around it, all of it uneventful, (n,)."""
    n, frame = len(tracks), tracks.cells["frame"].to_numpy()
    order = np.lexsort((frame, tracks.components))
    # One long axis on which tracks lie further apart than any window reaches.
    axis = tracks.components.astype(np.int64) * (int(frame.max(initial=0)) + 2 * rules.window + 2)
    place = (axis + frame)[order]
    first = np.searchsorted(place, place - rules.window, "left")
    after = np.searchsorted(place, place + rules.window, "right")
    eventful = np.r_[0, np.cumsum(code[order] != STABLE)]
    quiet = np.zeros(n, bool)
    enough = after - first - 1 >= rules.neighbours
    quiet[order] = enough & (eventful[after] == eventful[first])
    return quiet


def _vanished(
    tracks: Tracks,
    labels: LabelStack,
    ends: np.ndarray,
    rules: EventRules,
    movie: Movie | None,
    channel: str | None,
    progress: Progress,
) -> np.ndarray:
    """Whether a track ends at a cell as only a dying one does, (n,)."""
    if not ends.any():
        return ends
    looks = _looks(tracks, labels, movie, channel, progress)
    track = looks.groupby(tracks.components)
    usual_area, usual_light = track["area"].transform("median"), track["light"].transform("median")
    changed = looks["area"] <= rules.shrunken * usual_area
    changed |= looks["light"] >= rules.brightened * usual_light
    gone = ends & changed & ~looks["at_border"] & (looks["vacant"] >= rules.vacant)
    return np.asarray(gone, bool)


def _looks(
    tracks: Tracks,
    labels: LabelStack,
    movie: Movie | None,
    channel: str | None,
    progress: Progress,
) -> pd.DataFrame:
    """Size, brightness, whether it touches the border, and the share of its place empty next."""
    label, frame = (tracks.cells[name].to_numpy() for name in ("label", "frame"))
    columns = {name: np.full(len(tracks), np.nan) for name in ("area", "light", "vacant")}
    at_border = np.zeros(len(tracks), bool)
    rows_of = tracks.cells.reset_index(drop=True).groupby("frame").indices
    later: np.ndarray | None = None
    times = range(len(labels))
    for time in track_progress(times, len(times), progress, "Looking at how tracks end"):
        mask = labels.frame(time) if later is None else later
        later = labels.frame(time + 1) if time + 1 < len(labels) else None
        rows = rows_of.get(time)
        if rows is None:
            continue
        assert (frame[rows] == time).all()
        flat, own = mask.ravel(), label[rows]
        length = max(int(flat.max(initial=0)), int(own.max())) + 1
        area = np.bincount(flat, minlength=length)[own]
        columns["area"][rows] = area
        if movie is not None:
            light = np.bincount(flat, movie.frame(time, channel).ravel(), minlength=length)[own]
            columns["light"][rows] = light / np.maximum(area, 1)
        if later is not None:
            empty = np.bincount(flat, later.ravel() == 0, minlength=length)[own]
            columns["vacant"][rows] = empty / np.maximum(area, 1)
        at_border[rows] = np.isin(own, _border_values(mask))
    return pd.DataFrame({**columns, "at_border": at_border})


def _border_values(mask: np.ndarray) -> np.ndarray:
    """Values on the faces of a frame; of a single plane, on its four edges."""
    faces = [
        np.take(mask, (0, -1), axis=axis).ravel()
        for axis in range(mask.ndim)
        if mask.shape[axis] > 1
    ]
    return np.unique(np.concatenate(faces)) if faces else np.zeros(0, mask.dtype)
