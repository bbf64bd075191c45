"""Following one cell through a movie from a single click, without any tracking."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.errors import BadInput
from napari_cellcycle.features.crops import median_diameter
from napari_cellcycle.io.ctc import centres
from napari_cellcycle.progress import Progress, silent

USUAL_DIAMETER = 15.0
"""Diameter of a cell (um) where neither masks nor the user tell it."""
_REACH, _NEAR = 2.0, 1.2
_CORE = 0.75
_ROUNDS = 4
_SMALLEST = 0.1
_CONTRAST = 4.0


class _Seen(NamedTuple):
    """Where a cell was found: its centre in pixels and its value in the masks."""

    centre: np.ndarray
    label: int


_Find = Callable[[int, np.ndarray], "_Seen | None"]


def follow_cell(
    movie: Movie,
    labels: LabelStack | None,
    frame: int,
    place_px: Sequence[float],
    *,
    channel: str | None = None,
    diameter: float | None = None,
    progress: Progress = silent,
) -> Tracks:
    """Follow the cell at a place of one frame to both ends of the movie, as far as it is seen.

    From frame to frame this takes the mask whose centre is nearest the last one, as the front
    end of the centre-cell recurrent network does (system 000). Without masks it takes the bright
    object around the last centre: Otsu's threshold of a window 2.4 diameters wide, and the
    centre of what lies above it near the middle. It ends where nothing is within one diameter.
    At a division it goes on with the daughter that is nearer.

    Parameters
    ----------
    movie, labels
        The movie and its masks, if there are any. Only windows around the cell are read.
    frame, place_px
        Where to begin: the frame, and the place in it ([z,] y, x in pixels).
    channel
        Channel that shows the cell; the first by default. Not read where there are masks.
    diameter
        Of a usual cell in micrometres; by default measured on the masks, or 15.
    progress
        Is told of every frame.

    Returns
    -------
    Tracks
        One track of one cell; `label` is its value in the masks of each frame (1 without masks),
        the `score` of a link one minus the step in diameters.

    Raises
    ------
    BadInput
        There is no cell within one diameter of the place, or no such frame or channel.
    """
    if not 0 <= frame < len(movie):
        raise BadInput(
            f"There is no frame {frame} in this movie of {len(movie)} frames; choose one of them."
        )
    if labels is not None:
        diameter = diameter or median_diameter(labels, movie.pixel_size)
        find: _Find = _Masks(labels, movie.pixel_size, diameter)
    else:
        diameter = diameter or USUAL_DIAMETER
        find = _Light(movie, channel, diameter)
    start = find(frame, np.asarray(place_px, float))
    if start is None:
        raise BadInput(
            f"There is no cell within {diameter:.3g} um of that place in frame {frame}; "
            "click on a cell."
        )
    found = {frame: start}
    for times in (range(frame + 1, len(movie)), range(frame - 1, -1, -1)):
        last = start
        for time in times:
            progress(len(found), len(movie), "Following the cell")
            seen = find(time, last.centre)
            if seen is None:
                break
            found[time] = last = seen
    progress(len(movie), len(movie), "Following the cell")
    return _tracks(found, movie.pixel_size, diameter)


class _Masks:
    """Finds the mask whose centre is nearest a place; one under the place itself comes first."""

    def __init__(self, labels: LabelStack, pixel_size: tuple[float, ...], diameter: float) -> None:
        self._labels = labels
        self._pixel = np.asarray(pixel_size)
        self._diameter = diameter
        self._first = True

    def __call__(self, time: int, place: np.ndarray) -> _Seen | None:
        window = _window(place, _REACH * self._diameter / self._pixel, self._labels.shape[1:])
        part = self._part(time, window)
        origin = np.array([cut.start for cut in window], float)
        table = centres(part)
        clicked, self._first = self._first, False
        if not len(table):
            return None
        middle = table[table.columns[1:]].to_numpy(float)
        distance = np.linalg.norm((middle + origin - place) * self._pixel, axis=1)
        if clicked:
            inside = np.clip(np.rint(place - origin), 0, np.array(part.shape) - 1).astype(int)
            distance = np.where(table["label"] == part[tuple(inside)], 0.0, distance)
        nearest = int(np.argmin(distance))
        if distance[nearest] > self._diameter:
            return None
        return _Seen(middle[nearest] + origin, int(table["label"].iloc[nearest]))

    def _part(self, time: int, window: tuple[slice, ...]) -> np.ndarray:
        if time in self._labels.edited:
            return self._labels.edited[time][window]
        return np.asarray(self._labels.base[(time, *window)]).astype(np.int32, copy=False)


class _Light:
    """Finds the bright object around a place."""

    def __init__(self, movie: Movie, channel: str | None, diameter: float) -> None:
        self._movie = movie
        self._channel = movie.channel_number(channel)
        self._diameter = diameter / np.asarray(movie.pixel_size)

    def __call__(self, time: int, place: np.ndarray) -> _Seen | None:
        window = _window(place, _NEAR * self._diameter, self._movie.frame_shape)
        part = np.asarray(self._movie.pixels[(time, self._channel, *window)], np.float32)
        image = ndimage.gaussian_filter(part, 0.06 * self._diameter, mode="nearest")
        local = place - np.array([cut.start for cut in window], float)
        bright = _bright(image)
        if bright is None:
            return None
        grid = np.indices(image.shape, np.float32).reshape(image.ndim, -1).T
        away = np.linalg.norm((grid - local) / self._diameter, axis=1)
        pieces, number = ndimage.label(bright)
        piece = pieces.ravel()
        nearest = np.full(number + 1, np.inf)
        np.minimum.at(nearest, piece, away)
        nearest[0] = np.inf
        nearest[np.bincount(piece) < _SMALLEST * np.prod(self._diameter)] = np.inf
        chosen = int(np.argmin(nearest))
        if not nearest[chosen] < 1 - _CORE / 2:
            return None
        own, light = grid[piece == chosen], image.ravel()[piece == chosen] - image.min() + 1e-6
        centre, core = local, nearest[chosen] + _CORE
        for _ in range(_ROUNDS):
            near = np.linalg.norm((own - centre) / self._diameter, axis=1) < core
            centre = np.average(own[near], axis=0, weights=light[near])
            core = _CORE
        if np.linalg.norm((centre - local) / self._diameter) > 1:
            return None
        return _Seen(centre + (place - local), 1)


def _bright(image: np.ndarray) -> np.ndarray | None:
    """What is above Otsu's threshold; None where that parts noise from noise."""
    if image.max() <= image.min():
        return None
    above = image > threshold_otsu(image)
    low, high = image[~above], image[above]
    if high.mean() - low.mean() < _CONTRAST * low.std():
        return None
    return np.asarray(above)


def _window(place: np.ndarray, reach: np.ndarray, shape: Sequence[int]) -> tuple[slice, ...]:
    """Part of a frame within `reach` pixels of `place`, at least one pixel of it."""
    last = np.asarray(shape) - 1
    low = np.clip(np.floor(place - reach), 0, last).astype(int)
    high = np.clip(np.ceil(place + reach), 0, last).astype(int) + 1
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _tracks(found: dict[int, _Seen], pixel_size: tuple[float, ...], diameter: float) -> Tracks:
    frames = sorted(found)
    places = np.array([found[frame].centre for frame in frames])
    ids = np.arange(1, len(frames) + 1)
    axes = dict(zip("zyx"[-len(pixel_size) :], places.T, strict=True))
    label = [found[frame].label for frame in frames]
    cells = pd.DataFrame({"frame": frames, "label": label, **axes}, index=pd.Index(ids))
    cells.index.name = "cell_id"
    step = np.linalg.norm(np.diff(places, axis=0) * pixel_size, axis=1) / diameter
    links = pd.DataFrame({"parent": ids[:-1], "child": ids[1:], "score": np.clip(1 - step, 0, 1)})
    return Tracks(cells, links)
