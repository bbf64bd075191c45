"""Cells by brightness alone: a smoothed local threshold and a watershed of distances."""

from collections.abc import Sequence

import numpy as np

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.models.segment.dynamics import tidy
from napari_cellcycle.models.segment.normalise import Levels, diameters_px, stretch

USUAL_MICROMETRES = 12.0
"""Diameter that is assumed to begin with, where none is given."""


class ThresholdSegmenter:
    """Needs no network and no weights; touching or dim cells are its weak side.

    A pixel is cell where the smoothed image exceeds both its surroundings (a wide Gaussian mean)
    and Otsu's threshold on a logarithmic scale. Touching cells are parted by a watershed from
    the peaks of the smoothed distance to the background (Beucher and Lantuejoul 1979).
    """

    name = "threshold"
    takes_levels = True

    def __call__(
        self,
        image: np.ndarray,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        levels: Levels | None = None,
    ) -> np.ndarray:
        """Masks of an image ([Z,] Y, X), int32."""
        if image.min() == image.max():
            return np.zeros(image.shape, np.int32)
        diameter = settings.diameter or self.find_diameter([image], pixel_size, settings)
        return self._segment(image, pixel_size, settings, diameter or USUAL_MICROMETRES, levels)

    def find_diameter(
        self,
        images: Sequence[np.ndarray],
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
    ) -> float | None:
        """Median diameter in micrometres of what two passes find; None if that is nothing."""
        diameter: float | None = None
        for _ in range(2):
            found = []
            for image in images:
                if image.min() == image.max():
                    continue
                used = diameter or max(USUAL_MICROMETRES, 8 * pixel_size[-1])
                masks = self._segment(image, pixel_size, settings, used)
                found.append(diameters_px(masks) * _mean_side(pixel_size))
            sizes = np.concatenate(found) if found else np.zeros(0)
            if not len(sizes):
                return diameter
            diameter = float(np.median(sizes))
        return diameter

    def _segment(
        self,
        image: np.ndarray,
        pixel_size: tuple[float, ...],
        settings: SegmentSettings,
        diameter: float,
        levels: Levels | None = None,
    ) -> np.ndarray:
        from scipy.ndimage import distance_transform_edt, gaussian_filter
        from skimage.feature import peak_local_max
        from skimage.segmentation import watershed

        unit = np.array(pixel_size)
        cell = _foreground(image, diameter / unit, settings.cell_threshold, levels)
        distance = gaussian_filter(
            np.asarray(distance_transform_edt(cell, sampling=unit)), 0.08 * diameter / unit
        )
        reach = np.maximum(1, np.round(0.3 * diameter / unit)).astype(int)
        peaks = peak_local_max(
            distance,
            footprint=np.ones(2 * reach + 1, bool),
            labels=cell.astype(np.int32),
            exclude_border=False,
        )
        seeds = np.zeros(image.shape, np.int32)
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        masks = watershed(-distance, seeds, mask=cell)
        least = _size_px(settings.min_diameter * diameter, unit)
        return tidy(np.asarray(masks, np.int32), least)


def _foreground(
    image: np.ndarray, diameter_px: np.ndarray, threshold: float, levels: Levels | None
) -> np.ndarray:
    """Pixels that belong to cells; `threshold` shifts the limit by tenths of the log range."""
    from scipy.ndimage import gaussian_filter, median_filter
    from skimage.filters import threshold_otsu

    if image.dtype == np.float16:  # of which scipy has no median
        image = image.astype(np.float32)
    values = stretch(median_filter(image, 3) if image.ndim == 2 else image, levels=levels)
    smooth = gaussian_filter(values, 0.07 * diameter_px)
    around = gaussian_filter(smooth, 2.0 * diameter_px)
    log = np.log(np.clip(smooth, 0, None) + 0.03)
    limit = threshold_otsu(log) + 0.1 * threshold
    return np.asarray((log > limit) & (smooth > 1.05 * around + 0.01))


def _size_px(diameter: float, pixel_size: np.ndarray) -> float:
    """Pixels in a disc or ball of `diameter` micrometres."""
    if len(pixel_size) == 2:
        return float(np.pi / 4 * diameter**2 / pixel_size.prod())
    return float(np.pi / 6 * diameter**3 / pixel_size.prod())


def _mean_side(pixel_size: tuple[float, ...]) -> float:
    """Side of a cube with a voxel's volume."""
    return float(np.prod(pixel_size) ** (1 / len(pixel_size)))
