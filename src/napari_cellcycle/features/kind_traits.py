"""What is measured of a cell to tell its kind: colours and fibres in its nucleus and around it.

Of the image's colours the first is taken for a marker, in which fibres are looked for, and the last
for the nuclei. Everything is measured in the nucleus, in rings around it that reach no nearer to
another nucleus, and in the wider surroundings. All lengths are in diameters of the usual nucleus.
"""

from itertools import pairwise

import numpy as np

from napari_cellcycle.features.colours import COLOURS, colours_last, lit_colours, working_size

WORKING_PX = 40.0
"""Diameter of the usual nucleus in the image that is measured."""
RINGS = (0.0, 0.1, 0.25, 0.5, 0.9, 1.4, 2.3)
"""Distances from the nucleus at which rings end."""
_AROUND = (1.1, 2.0)
"""Distance from any nucleus, and from the middle of the cell's own, of its surroundings."""
_FINE, _WIDE = (0.018, 0.036, 0.071), (0.09, 0.21)
"""Widths of fibres, and of the places in which their directions are compared."""
_RIDGE = 0.027
_DIM = 3 / 255
_PERCENTILES = (20, 50, 90)
_RANGE = (2, 99.5)
_NEIGHBOURS = (1, 2, 5)
_ALONE = 30.0
_LEAST_PX = 5


def traits_of(
    image: np.ndarray, masks: np.ndarray, labels: np.ndarray, places: np.ndarray, diameter: float
) -> np.ndarray:
    """Traits (n, F), float32, of the cells whose values in `masks` (Y, X) are `labels`.

    `image` is (Y, X) or (C, Y, X); `diameter` is that of the usual nucleus, in pixels. A cell
    without a mask is taken for a disc of this size at its place, of `places` (n, 2), in pixels.
    """
    import cv2

    size = working_size(masks.shape, WORKING_PX / diameter)
    ratio = np.array(size) / masks.shape
    colours = lit_colours(colours_last(image, COLOURS))
    colours = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_AREA)
    small = cv2.resize(masks.astype(np.float32), size[::-1], interpolation=cv2.INTER_NEAREST)
    small, numbers = _with_discs(small.astype(np.int32), labels, (places + 0.5) * ratio - 0.5)
    planes = _planes(colours)
    surroundings = _Surroundings(small)
    low, high = np.percentile(planes[0, ::4, ::4], _RANGE)
    found = []
    for number in map(int, numbers):
        window, regions = surroundings.regions(number)
        levels = _levels(planes[:, *window], regions, low, high)
        found.append(np.concatenate([surroundings.shape(number), levels]))
    return np.array(found, np.float32) if found else np.zeros((0, 0), np.float32)


class _Surroundings:
    """Which places are nearest to which nucleus, and how far; `masks` (y, x) of all nuclei."""

    def __init__(self, masks: np.ndarray) -> None:
        from scipy import ndimage
        from skimage.measure import regionprops

        self.masks = masks
        self.distance, nearest = ndimage.distance_transform_edt(masks == 0, return_indices=True)
        self.distance = self.distance / WORKING_PX
        self.owner = masks[nearest[0], nearest[1]]
        self.nuclei = {nucleus.label: nucleus for nucleus in regionprops(masks)}
        self.middles = np.array([nucleus.centroid for nucleus in self.nuclei.values()])
        self.area = float(np.median([nucleus.area for nucleus in self.nuclei.values()] or [1.0]))

    def shape(self, number: int) -> list[float]:
        """Size of a nucleus, alone and beside the others', its form, and how far others are."""
        nucleus = self.nuclei[number]
        apart = np.sort(np.linalg.norm(self.middles - nucleus.centroid, axis=1)) / WORKING_PX
        apart = np.append(np.minimum(apart, _ALONE), [_ALONE] * _NEIGHBOURS[-1])
        form = [nucleus.area / WORKING_PX**2, nucleus.area / self.area]
        return [*form, nucleus.eccentricity, nucleus.solidity, *apart[list(_NEIGHBOURS)]]

    def regions(self, number: int) -> tuple[tuple[slice, slice], list[np.ndarray]]:
        """A window around a nucleus; in it the nucleus, its rings, and the surroundings."""
        middle = np.array(self.nuclei[number].centroid)
        reach = int(WORKING_PX * (RINGS[-1] + 1))
        start = np.maximum(middle.astype(int) - reach, 0)
        window = tuple(slice(s, int(m) + reach) for s, m in zip(start, middle, strict=True))
        own, distance = self.owner[window] == number, self.distance[window]
        nucleus = self.masks[window] == number
        y, x = np.indices(own.shape) + (start - middle)[:, None, None]
        near, far = _AROUND
        around = (distance < near) & ~nucleus & (np.hypot(y, x) < far * WORKING_PX)
        rings = [own & (distance > a) & (distance <= b) for a, b in pairwise(RINGS)]
        return window, [nucleus, *rings, around]  # type: ignore[return-value]


def _levels(planes: np.ndarray, regions: list[np.ndarray], low: float, high: float) -> np.ndarray:
    """Percentiles of all planes (P, y, x) in each region; an empty one is like that before it.

    The middle of the first plane comes once more, within its range in the image.
    """
    found = []
    last = np.zeros((len(_PERCENTILES), len(planes)))
    for region in regions:
        if np.count_nonzero(region) >= _LEAST_PX:
            last = np.percentile(planes[:, region], _PERCENTILES, axis=1)
        found.append(np.append(last, (last[1, 0] - low) / (high - low + 2 * _DIM)))
    return np.concatenate(found)


def _planes(colours: np.ndarray) -> np.ndarray:
    """Colours (y, x, 3) and how fibrous the first one is, in several ways: (P, y, x)."""
    marker = np.ascontiguousarray(colours[..., 0])
    planes = [marker, colours[..., 1], colours[..., 2]]
    for width in _FINE:
        contrast = _blurred(marker, width) - _blurred(marker, 2 * width)
        contrast = np.sqrt(_blurred(contrast * contrast, 4 * width))
        planes += [contrast, contrast / (_blurred(marker, 6 * width) + _DIM)]
    return np.stack([*planes, *_directions(marker), *_ridges(marker)])


def _directions(marker: np.ndarray) -> list[np.ndarray]:
    """How steep the marker is, and how much its slopes have one direction."""
    import cv2

    smooth = _blurred(marker, _FINE[0])
    along_x, along_y = (cv2.Sobel(smooth, cv2.CV_32F, *axes) for axes in ((1, 0), (0, 1)))
    planes = []
    for width in _WIDE:
        xx, yy, xy = (
            _blurred(slopes, width)
            for slopes in (along_x * along_x, along_y * along_y, along_x * along_y)
        )
        one_way = np.hypot(xx - yy, 2 * xy) / (xx + yy + 4 / 255**2)
        planes += [np.sqrt(np.maximum(xx + yy, 0)), one_way]
    return planes


def _ridges(marker: np.ndarray) -> list[np.ndarray]:
    """How sharply the marker falls off to both sides of a line; the same beside its brightness."""
    import cv2

    smooth = _blurred(marker, _RIDGE)
    xx, yy, xy = (cv2.Sobel(smooth, cv2.CV_32F, *axes) for axes in ((2, 0), (0, 2), (1, 1)))
    mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    across, along = mean - spread, mean + spread
    ridge = np.maximum(-across - np.abs(along), 0) / (_blurred(marker, 4 * _RIDGE) + _DIM)
    return [np.maximum(-across, 0), ridge]


def _blurred(plane: np.ndarray, width: float) -> np.ndarray:
    """A plane, blurred by a Gaussian of a width in diameters."""
    import cv2

    return cv2.GaussianBlur(plane, (0, 0), width * WORKING_PX)


def _with_discs(
    masks: np.ndarray, labels: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Masks in which every cell has some, and the values of the cells in them.

    Small masks may be lost by reducing the image.
    """
    masks, labels = masks.copy(), np.asarray(labels)
    there = np.isin(labels, masks) & (labels > 0)
    numbers = np.where(there, labels, masks.max(initial=0) + labels.max(initial=0) + 1)
    numbers = numbers + np.where(there, 0, np.arange(len(labels)))
    y, x = np.indices(masks.shape)
    for number, (row, column) in zip(numbers[~there], places[~there], strict=True):
        row, column = np.clip([row, column], 0, np.array(masks.shape) - 1)
        away = np.hypot(y - row, x - column)
        disc = away <= max(WORKING_PX / 2, 1)
        masks[disc & (masks == 0)] = number
        masks[away == away.min()] = number
    return masks, numbers
