"""A movie as flat pictures of one size: projected, cropped, brought to square pixels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cellcycle.data.experiment import Experiment

if TYPE_CHECKING:
    from napari_cellcycle.evaluation.film_frames import FilmSettings

_SAMPLED = 8
"""Frames that the contrast is measured on."""
_GAMMA = 0.7


@dataclass(frozen=True)
class FlatFrame:
    """One picture: brightness `image` (0 to 255) and `mask`, both (height, width).

    `corner` (rows, columns) is the upper left of the view in pixels of the movie.
    """

    image: np.ndarray
    mask: np.ndarray
    corner: np.ndarray


@dataclass(frozen=True)
class FlatView:
    """How a movie becomes pictures.

    `axes` are the movie's axes that run down and across; `span` (2,) is the view in pixels of
    the movie, `shape` (height, width) of the picture; `levels` are black and white.
    """

    experiment: Experiment
    settings: "FilmSettings"
    axes: tuple[str, str]
    span: np.ndarray
    shape: tuple[int, int]
    levels: tuple[float, float]

    @property
    def zoom(self) -> np.ndarray:
        """Pixels of the picture for each pixel of the movie, (2,)."""
        return np.array(self.shape) / self.span

    def micrometre(self) -> float:
        """Pixels of the picture in a micrometre."""
        sizes = self.experiment.movie.pixel_size
        names = "zyx"[-len(sizes) :]
        return float(self.zoom[1] / sizes[names.index(self.axes[1])])

    def frame(self, time: int, centre: np.ndarray | None) -> FlatFrame:
        """Picture of one frame, about `centre` ([z,] y, x in pixels) or of everything."""
        assert self.experiment.labels is not None
        image = flattened(self.experiment.movie.frame(time, self.settings.channel), self.settings)
        mask = flattened(self.experiment.labels.frame(time), self.settings, is_mask=True)
        corner = np.array([-0.5, -0.5])
        if centre is not None:
            names = "zyx"[-len(centre) :]
            middle = np.array([centre[names.index(axis)] for axis in self.axes])
            corner = np.round(middle - self.span / 2) - 0.5
        rows, columns = (
            corner[k] + (np.arange(self.shape[k]) + 0.5) / self.zoom[k] for k in (0, 1)
        )
        low, high = self.levels
        sampled = _sampled(image.astype(np.float32), rows, columns)
        bright = np.clip((sampled - low) / max(high - low, 1e-6), 0, 1) ** _GAMMA
        inside = _inside(rows, image.shape[0])[:, None] & _inside(columns, image.shape[1])
        nearest = np.ix_(_pixels(rows, mask.shape[0]), _pixels(columns, mask.shape[1]))
        picture = np.where(inside, 255 * bright, 0).astype(np.float32)
        return FlatFrame(picture, np.where(inside, mask[nearest], 0), corner)

    def places(self, positions: np.ndarray, corner: np.ndarray) -> np.ndarray:
        """Rows and columns (n, 2) in the picture of positions (n, ndim) in the movie."""
        names = "zyx"[-positions.shape[1] :]
        flat = positions[:, [names.index(axis) for axis in self.axes]]
        return (flat - corner) * self.zoom - 0.5


def flat_view(experiment: Experiment, settings: "FilmSettings", times: range) -> FlatView:
    """Choose the size of the pictures and the contrast, from a few frames of the film."""
    movie = experiment.movie
    names = "zyx"[-movie.ndim :]
    axes = tuple(a for a in names if movie.ndim == 2 or a != settings.axis)
    lengths = np.array([movie.frame_shape[names.index(axis)] for axis in axes], float)
    sizes = np.array([movie.pixel_size[names.index(axis)] for axis in axes])
    if settings.follow is not None:
        lengths = np.maximum(np.round(settings.side / sizes), 1)
    extent = lengths * sizes
    shape = np.maximum(np.round(extent / extent.max() * settings.size / 2).astype(int) * 2, 2)
    step = max(1, len(times) // _SAMPLED)
    sample = [
        flattened(movie.frame(time, settings.channel), settings).ravel()[::7]
        for time in times[::step]
    ]
    low, high = np.percentile(np.concatenate(sample), settings.contrast)
    place = (str(axes[0]), str(axes[1]))
    return FlatView(
        experiment, settings, place, lengths, (int(shape[0]), int(shape[1])), (low, high)
    )


def flattened(frame: np.ndarray, settings: "FilmSettings", *, is_mask: bool = False) -> np.ndarray:
    """One plane of a frame ([Z,] Y, X): its projection or slice along an axis."""
    if frame.ndim == 2:
        return frame
    axis = "zyx".index(settings.axis)
    if settings.projection == "slice":
        plane = frame.shape[axis] // 2 if settings.plane is None else settings.plane
        return np.take(frame, plane, axis)
    if is_mask or settings.projection == "max":
        return frame.max(axis)
    return frame.mean(axis)


def _sampled(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Brightness at rows and columns, by linear interpolation along one axis after the other.

    An image that is shrunk is first smoothed as far as its pixels are apart.
    """
    from scipy.ndimage import gaussian_filter

    steps = [float(p[1] - p[0]) if len(p) > 1 else 1.0 for p in (rows, columns)]
    spread = [0.5 * np.sqrt(max(step**2 - 1, 0)) for step in steps]
    if any(spread):
        image = gaussian_filter(image, spread, mode="nearest")
    for axis, place in ((0, rows), (1, columns)):
        place = np.clip(place, 0, image.shape[axis] - 1)
        lower = np.minimum(place.astype(int), max(image.shape[axis] - 2, 0))
        upper = np.minimum(lower + 1, image.shape[axis] - 1)
        share = (place - lower).astype(np.float32)
        share = share[:, None] if axis == 0 else share
        image = (1 - share) * image.take(lower, axis) + share * image.take(upper, axis)
    return image


def _pixels(place: np.ndarray, length: int) -> np.ndarray:
    return np.clip(np.round(place).astype(int), 0, length - 1)


def _inside(place: np.ndarray, length: int) -> np.ndarray:
    return (place >= -0.5) & (place <= length - 0.5)
