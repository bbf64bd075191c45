"""Frames of a film: the movie with cells, tails and names in the colours of their stages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.errors import BadInput
from napari_cellcycle.evaluation.film_view import flat_view
from napari_cellcycle.evaluation.film_words import Words
from napari_cellcycle.features.sights import parents
from napari_cellcycle.progress import Progress, silent, track_progress

UNKNOWN = (221, 221, 221)
LARGEST_PX = 4096
"""Most pixels of the longer side of a film; larger pictures would fill the memory."""
_TAIL, _PAUSE_SECONDS = 6, 1.0


@dataclass(frozen=True)
class FilmSettings:
    """What a film shows; the defaults suit most movies.

    `channel` (the first if None); `contrast` (percentiles that become black and white, over the
    whole film); `cells` as outlines ("boundaries"), transparent "fills" or "none"; `ids`; `tails`
    (frames of past places); `projection` of volumes along `axis`, with the plane of a "slice"
    (the middle one if None); `only` (one stage; the other cells are left grey), `follow` (one
    cell: the view stays on it, `side` micrometres wide); `scale_bar`, `time_stamp`, `legend`;
    `speed` in frames a second; `pause` seconds more on each frame after a division; `size` in
    pixels of the longer side; `first` and `last` frame (all if None).
    """

    channel: str | None = None
    contrast: tuple[float, float] = (1.0, 99.7)
    cells: Literal["boundaries", "fills", "none"] = "boundaries"
    ids: bool = False
    tails: int = _TAIL
    projection: Literal["max", "mean", "slice"] = "max"
    axis: Literal["z", "y", "x"] = "z"
    plane: int | None = None
    only: str | None = None
    follow: int | None = None
    side: float = 60.0
    scale_bar: bool = True
    time_stamp: bool = True
    legend: bool = True
    speed: float = 5.0
    pause: float = 0.0
    size: int = 720
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class FilmFrame:
    """One picture (height, width, 3) uint8 and how many seconds it is shown."""

    picture: np.ndarray
    seconds: float


def film_frames(
    experiment: Experiment, settings: FilmSettings | None = None, progress: Progress = silent
) -> Iterator[FilmFrame]:
    """Draw a film frame by frame; one frame of the movie is held at a time.

    Raises
    ------
    BadInput
        There are no tracks, or a setting names what is not there.
    """
    settings = settings or FilmSettings()
    check_film(experiment, settings)
    cells = _Cells(experiment, settings)
    times = cells.times
    view = flat_view(experiment, settings, times)
    words = Words(experiment, settings, view)
    divisions = cells.first_frames_after_divisions()
    for time in track_progress(times, len(times), progress, "Drawing the film"):
        frame = view.frame(time, cells.centre(time))
        picture = frame.image[..., None].repeat(3, axis=-1).astype(np.float32)
        here = cells.at(time)
        if settings.cells != "none":
            _paint(picture, frame.mask, here, settings)
        drawn = words.draw(picture, frame, time, here, cells.tails(time))
        seconds = 1 / settings.speed + (settings.pause if time in divisions else 0)
        yield FilmFrame(drawn, seconds)


def check_film(experiment: Experiment, settings: FilmSettings) -> None:
    """Raise `BadInput` if a film cannot be made like this, before anything is drawn."""
    movie, tracks = experiment.movie, experiment.tracks
    if tracks is None or experiment.labels is None or not len(tracks):
        raise BadInput("There are no tracks to film yet: track the cells first.")
    if settings.channel is not None and settings.channel not in movie.channels:
        raise BadInput(
            f"The movie has no channel {settings.channel!r}; choose {' or '.join(movie.channels)}."
        )
    if settings.only is not None and settings.only not in experiment.stages.names:
        known = ", ".join(experiment.stages.names)
        raise BadInput(f"There is no stage {settings.only!r}; choose one of {known}.")
    if settings.follow is not None and settings.follow not in set(tracks.track_id):
        raise BadInput(f"There is no cell {settings.follow}; its number is that of its track.")
    axes = "zyx"[-movie.ndim :]
    if movie.ndim == 3 and settings.plane is not None:
        depth = movie.frame_shape[axes.index(settings.axis)]
        if not 0 <= settings.plane < depth:
            raise BadInput(f"Plane {settings.plane} is not in the movie; choose 0 to {depth - 1}.")
    first, last = film_span(experiment, settings)
    if not 0 <= first <= last < len(movie):
        raise BadInput(
            f"Frames {first} to {last} are not in the movie; choose from 0 to {len(movie) - 1}."
        )
    low, high = settings.contrast
    if not 0 <= low < high <= 100:
        raise BadInput(
            f"The contrast is {low:g} to {high:g}, but two percentiles from 0 to 100 were "
            "expected, the lower one first, such as 1 99.7."
        )
    if not 64 <= settings.size <= LARGEST_PX:
        raise BadInput(
            f"The longer side of the film is {settings.size:,} pixels; choose from 64 to "
            f"{LARGEST_PX:,}."
        )
    if settings.speed <= 0 or settings.side <= 0 or settings.tails < 0:
        raise BadInput(
            "A film needs more than 0 frames a second, a view of more than 0 micrometres, and "
            "tails of 0 frames or more."
        )


def film_span(experiment: Experiment, settings: FilmSettings) -> tuple[int, int]:
    """First and last frame of a film: those of the followed cell, unless they are given."""
    first, last = 0, len(experiment.movie) - 1
    tracks = experiment.tracks
    if settings.follow is not None and tracks is not None:
        own = tracks.cells["frame"][tracks.track_id == settings.follow]
        first, last = int(own.min()), int(own.max())
    return (
        first if settings.first is None else settings.first,
        last if settings.last is None else settings.last,
    )


class _Cells:
    """Where the cells are in each frame, their colours, and where they came from."""

    def __init__(self, experiment: Experiment, settings: FilmSettings) -> None:
        from matplotlib.colors import to_rgb

        assert experiment.tracks is not None
        tracks = experiment.tracks
        cells = tracks.cells
        first, last = film_span(experiment, settings)
        self.times = range(first, last + 1)
        self._tracks, self._settings = tracks, settings
        self._place = cells[tracks.axes].to_numpy(float)
        self._parent = parents(tracks)
        self._frame = cells["frame"].to_numpy(np.int64)
        self._order = np.argsort(self._frame, kind="stable")
        stages = experiment.stages.stages
        palette = np.array([*[to_rgb(s.colour) for s in stages], (0, 0, 0)]) * 255
        palette[-1] = UNKNOWN
        code = np.full(len(cells), -1)
        if "stage" in cells:
            position = {stage.name: k for k, stage in enumerate(stages)}
            code = cells["stage"].astype(str).map(position).fillna(-1).to_numpy(int)
        self._colour = palette[code]
        wanted = np.ones(len(cells), bool)
        if settings.only is not None:
            wanted = code == experiment.stages.names.index(settings.only)
        if settings.follow is not None:
            wanted &= (tracks.track_id == settings.follow).to_numpy()
        self._wanted = wanted
        self._label = cells["label"].to_numpy(np.int64)
        self._number = tracks.track_id.to_numpy()

    def rows(self, time: int) -> np.ndarray:
        """Rows of the cells in a frame."""
        ends = np.searchsorted(self._frame[self._order], (time, time + 1))
        return self._order[slice(*ends)]

    def at(self, time: int) -> pd.DataFrame:
        """Label, number, place (pixels), colour and whether it is wanted of each cell there."""
        rows = self.rows(time)
        place = dict(zip(self._tracks.axes, self._place[rows].T, strict=True))
        columns = {"label": self._label[rows], "number": self._number[rows], **place}
        columns |= {"wanted": self._wanted[rows]}
        colours = dict(zip("rgb", self._colour[rows].T, strict=True))
        return pd.DataFrame(columns | colours)

    def tails(self, time: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Pieces of the past of the cells there: from and to (pixels) and colour, each (m, .)."""
        rows = self.rows(time)
        rows, pieces = rows[self._wanted[rows]], []
        oldest = time - self._settings.tails
        for _ in range(self._settings.tails):
            before = self._parent[rows]
            known = (before >= 0) & (self._frame[before] >= oldest)
            rows, before = rows[known], before[known]
            if not len(rows):
                break
            pieces.append((self._place[before], self._place[rows], self._colour[before]))
            rows = before
        return pieces

    def centre(self, time: int) -> np.ndarray | None:
        """Where the followed cell is, or was last, in pixels; None to see everything."""
        if self._settings.follow is None:
            return None
        own = np.flatnonzero(self._number == self._settings.follow)
        seen = own[np.argsort(self._frame[own], kind="stable")]
        past = int(np.searchsorted(self._frame[seen], time, side="right")) - 1
        return self._place[seen[max(past, 0)]]

    def first_frames_after_divisions(self) -> set[int]:
        """Frames in which daughters are seen for the first time."""
        links = self._tracks.links
        born = links.loc[links["parent"].isin(self._tracks.divisions), "child"]
        return set(self._tracks.cells["frame"].loc[born].tolist())


def _paint(
    picture: np.ndarray, mask: np.ndarray, here: pd.DataFrame, settings: FilmSettings
) -> None:
    """Lay the colours of the cells over `picture` (height, width, 3), in place."""
    from scipy.ndimage import maximum_filter, minimum_filter

    table = np.zeros((int(mask.max(initial=0)) + 1, 4), np.float32)
    labels = here["label"].to_numpy()
    known = labels < len(table)
    colour = here[["r", "g", "b"]].to_numpy(np.float32, copy=True)
    wanted = here["wanted"].to_numpy(bool)
    strength = np.where(wanted, 1.0, 0.0 if settings.follow is not None else 0.35)
    colour[~wanted] = 150
    table[labels[known]] = np.c_[colour, strength][known]
    layer = table[mask]
    width = 3 + 2 * (settings.size // 400)
    rim = (maximum_filter(mask, width) != minimum_filter(mask, width)) & (mask > 0)
    alpha = layer[..., 3] * (rim if settings.cells == "boundaries" else 0.45 + 0.55 * rim)
    picture += alpha[..., None] * (layer[..., :3] - picture)
