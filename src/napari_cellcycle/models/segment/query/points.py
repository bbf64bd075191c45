"""Points of cells from a map, and masks grown from them: cheap enough to follow a slider."""

from dataclasses import dataclass

import numpy as np

SHARE = 0.2
"""Least share of the map's largest value that a maximum must have."""
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Points:
    """Places of cells, the surest first.

    `places` (n, 2) are (y, x) in pixels of the map, `scores` (n,) the smoothed map there, and
    `boxes` (n, 4) its (least y, least x, y end, x end), where the method knows them.
    """

    places: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)


def points_of(
    values: np.ndarray, threshold: float = 0.95, smoothing: float = 2.0, radius: float = 12.0
) -> Points:
    """Maxima of a map (Y, X) of values 0 to 1, at least `radius` pixels apart along each axis.

    What is below `threshold` is raised to it, the map is smoothed (Gaussian of `smoothing`
    pixels), and a pixel counts that is above the threshold, the largest in the square of
    2 `radius` + 1 pixels around it, and at least `SHARE` of the largest of all. Connected ones of
    equal height are one point. As published in the point-based cell pipeline.
    """
    import cv2
    from scipy import ndimage

    height = np.maximum(np.asarray(values, np.float32), np.float32(threshold))
    if smoothing > 0:
        height = cv2.GaussianBlur(height, (0, 0), smoothing, borderType=cv2.BORDER_REFLECT)
    side = 2 * round(radius) + 1
    around = cv2.dilate(height, np.ones((side, side), np.uint8))
    least = max(threshold + _ROUNDING, SHARE * float(height.max(initial=0)))
    labels, count = ndimage.label((height >= around) & (height > least), np.ones((3, 3)))
    index = np.arange(1, count + 1)
    places = np.array(ndimage.center_of_mass(labels > 0, labels, index)).reshape(-1, 2)
    return _sorted(places, np.asarray(ndimage.maximum(height, labels, index)).reshape(-1))


def components_of(values: np.ndarray, threshold: float = 0.95, least_px: int = 1) -> Points:
    """Connected parts (by sides) of a map (Y, X) above `threshold`: the middles of their boxes.

    Parts of fewer than `least_px` pixels are left out.
    """
    from scipy import ndimage

    labels, count = ndimage.label(np.asarray(values) > threshold)
    if count == 0:
        return Points(np.zeros((0, 2)), np.zeros(0), np.zeros((0, 4), np.int64))
    spans = [(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(labels)]
    boxes = np.array(spans, np.int64)
    kept = np.bincount(labels.ravel(), minlength=count + 1)[1:] >= least_px
    scores = np.asarray(ndimage.maximum(values, labels, np.arange(1, count + 1)))
    middles = (boxes[:, :2] + boxes[:, 2:] - 1) / 2
    return _sorted(middles[kept], scores[kept], boxes[kept])


def masks_from(
    inside: np.ndarray, depth: np.ndarray, points: Points, level: float = 0.5
) -> np.ndarray:
    """Masks (Y, X) int32, one a point: where `inside` exceeds `level`, parted along low `depth`.

    Watershed that starts at the points. Parts that hold no point are left out; a point outside
    keeps its one pixel.
    """
    from skimage.segmentation import watershed

    seeds = np.zeros(inside.shape, np.int32)
    if len(points) == 0:
        return seeds
    at = np.clip(np.rint(points.places).astype(int), 0, np.array(inside.shape) - 1)
    seeds[at[::-1, 0], at[::-1, 1]] = np.arange(len(points), 0, -1)
    height = np.rint(-1000 * np.asarray(depth, np.float32)).astype(np.int16)
    grown = watershed(height, seeds, mask=(inside > level) | (seeds > 0))
    return np.asarray(grown, np.int32)


def _sorted(places: np.ndarray, scores: np.ndarray, boxes: np.ndarray | None = None) -> Points:
    order = np.argsort(-scores, kind="stable")
    return Points(places[order], scores[order], None if boxes is None else boxes[order])
