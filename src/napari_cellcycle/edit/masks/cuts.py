"""Cutting one mask into pieces: pure geometry, in 2D and 3D alike.

A mask is cut where it is narrow, where it is dark, and between what lies nearer to the one seed
than to the other: by a watershed of the three together.
"""

import numpy as np
from scipy import ndimage
from skimage.draw import line as line_pixels
from skimage.segmentation import watershed

_BRIGHTNESS = 0.5
_NEARNESS = 1.5
"""Weights against the depth in the mask, which is 1 in its middle. On pairs of touching cells of
two recordings, masks cut by a point anywhere in each cell fit best with about these."""
_SMOOTH_PX = 1.0
_MEANS_ROUNDS = 12


def cut_by_seeds(
    inside: np.ndarray,
    seeds: np.ndarray,
    image: np.ndarray | None,
    spacing: np.ndarray,
) -> np.ndarray:
    """Pieces 1, 2, ... of a mask, one around each of the seeds (k, d), which lie inside of it."""
    markers = np.zeros(inside.shape, np.int32)
    for number, seed in enumerate(seeds, start=1):
        markers[tuple(seed)] = number
    pieces = watershed(_height(inside, seeds, image, spacing), markers, mask=inside)
    return _all_covered(pieces, inside, spacing)


def cut_by_line(
    inside: np.ndarray, line: np.ndarray, spacing: np.ndarray, least: float = 0.02
) -> np.ndarray:
    """Pieces 1, 2, ... on the sides of a line (k, 2) through y and x, in all planes of a volume.

    Only one piece if the line, with its ends drawn out, does not cut the mask. What has less than
    a share `least` of the mask goes to the piece beside it.
    """
    for reach in (0.0, float(max(inside.shape[-2:]))):
        cut = _curtain(_drawn_out(line, reach), inside.shape)
        parts, count = ndimage.label(inside & ~cut)
        size = np.bincount(parts.ravel(), minlength=count + 1)
        size[0] = 0
        large = np.flatnonzero(size >= max(1.0, least * np.count_nonzero(inside)))
        if len(large) > 1:
            break
    number = np.zeros(count + 1, np.int32)
    number[large] = np.arange(1, len(large) + 1)
    return _all_covered(number[parts], inside, spacing)


def cut_in_two(inside: np.ndarray, image: np.ndarray | None, spacing: np.ndarray) -> np.ndarray:
    """Pieces 1 and 2 of a mask that are joined by the narrowest neck, for how small they are."""
    pairs = [_two_means(inside, spacing, axis) for axis in range(min(2, inside.ndim))]
    pairs.append(_two_peaks(inside, spacing))
    options = [
        cut_by_seeds(inside, pair, image, spacing)
        for pair in pairs
        if pair is not None and (pair[0] != pair[1]).any()
    ]
    return min(options, key=_neck) if options else inside.astype(np.int32)


def nearest_inside(inside: np.ndarray, points: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The pixel (k, d) of a mask that is nearest to each of the points (k, d)."""
    pixels = np.argwhere(inside)
    away = (pixels[np.newaxis] - points[:, np.newaxis]) * spacing
    return pixels[(away**2).sum(axis=2).argmin(axis=1)]


def _height(
    inside: np.ndarray, seeds: np.ndarray, image: np.ndarray | None, spacing: np.ndarray
) -> np.ndarray:
    """What the water has to climb: low deep in the mask, where it is bright, and near a seed."""
    depth = depth_in(inside, spacing)
    height = -depth / depth.max()
    if image is not None:
        height -= _BRIGHTNESS * _brightness(image, inside)
    grid = np.indices(inside.shape, float)
    away = [
        sum(((grid[i] - seed[i]) * spacing[i]) ** 2 for i in range(inside.ndim)) for seed in seeds
    ]
    apart = [
        float(np.linalg.norm((one - other) * spacing))
        for n, one in enumerate(seeds)
        for other in seeds[:n]
    ]
    nearest = np.sqrt(np.min(away, axis=0))
    return height + _NEARNESS * nearest / max(min(apart, default=1.0), 1.0)


def depth_in(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """How far each pixel lies from the edge of the mask, in widths of a pixel."""
    padded = np.pad(inside, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    return depth[(slice(1, -1),) * inside.ndim]


def _brightness(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Brightness from 0 to 1, of the darkest and brightest few pixels of the mask."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), _SMOOTH_PX)
    low, high = np.percentile(smooth[inside], [2, 98])
    return np.clip((smooth - low) / max(high - low, 1e-6), 0, 1)


def _all_covered(pieces: np.ndarray, inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Give pixels of the mask that are in no piece, such as islands, to the nearest piece."""
    left = inside & (pieces == 0)
    if not left.any() or not pieces.any():
        return pieces
    where = ndimage.distance_transform_edt(
        pieces == 0, sampling=spacing, return_distances=False, return_indices=True
    )
    return np.where(left, pieces[tuple(where)], pieces)


def _curtain(line: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels under a line through y and x, in all planes."""
    flat = np.zeros(shape[-2:], bool)
    for start, stop in zip(np.rint(line[:-1]), np.rint(line[1:]), strict=True):
        y, x = line_pixels(*start.astype(int), *stop.astype(int))
        seen = (y >= 0) & (y < shape[-2]) & (x >= 0) & (x < shape[-1])
        flat[y[seen], x[seen]] = True
    return np.broadcast_to(flat, shape)


def _drawn_out(line: np.ndarray, reach: float) -> np.ndarray:
    """A line with its first and last piece made longer by `reach` pixels."""
    ends = []
    for end, other in ((line[0], line[1:]), (line[-1], line[-2::-1])):
        way = next((end - p for p in other if np.linalg.norm(end - p) >= 2), end - other[-1])
        length = float(np.linalg.norm(way))
        ends.append(end + way / length * reach if length > 0 else end)
    return np.vstack([ends[0], line, ends[1]])


def _two_means(inside: np.ndarray, spacing: np.ndarray, axis: int) -> np.ndarray | None:
    """Middles of two halves of a mask, first along its longest (0) or next longest axis (1)."""
    pixels = np.argwhere(inside)
    if len(pixels) < 2:
        return None
    places = pixels * spacing
    spread = np.atleast_2d(np.cov(places.T, bias=True))
    value, vector = np.linalg.eigh(spread)
    step = vector[:, -1 - axis] * max(float(value[-1 - axis]), 1e-6) ** 0.5
    middle = places.mean(axis=0)
    means = np.array([middle - step, middle + step])
    for _ in range(_MEANS_ROUNDS):
        nearer = ((places[:, np.newaxis] - means) ** 2).sum(axis=2).argmin(axis=1)
        if len(np.unique(nearer)) < 2:
            return None
        means = np.array([places[nearer == half].mean(axis=0) for half in (0, 1)])
    return nearest_inside(inside, means / spacing, spacing)


def _two_peaks(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray | None:
    """The deepest place of a mask, and one that is deep and far from it."""
    depth = ndimage.gaussian_filter(depth_in(inside, spacing), _SMOOTH_PX)
    peaks = np.argwhere((depth == ndimage.maximum_filter(depth, 3)) & inside)
    if len(peaks) < 2:
        return None
    height = depth[tuple(peaks.T)]
    first = int(height.argmax())
    away = np.linalg.norm((peaks - peaks[first]) * spacing, axis=1)
    worth = height * np.minimum(away / np.maximum(height, 1e-6), 1.5)
    second = int(worth.argmax())
    return peaks[[first, second]] if second != first else None


def _neck(pieces: np.ndarray) -> float:
    """How long the seam between two pieces is, in sides of a square as large as the smaller."""
    seam = 0
    for axis in range(pieces.ndim):
        here = np.take(pieces, range(pieces.shape[axis] - 1), axis)
        there = np.take(pieces, range(1, pieces.shape[axis]), axis)
        seam += int(np.count_nonzero((here != there) & (here > 0) & (there > 0)))
    smaller = int(np.bincount(pieces.ravel(), minlength=3)[1:3].min())
    if smaller == 0:
        return np.inf
    return float(seam / smaller ** ((pieces.ndim - 1) / pieces.ndim))
