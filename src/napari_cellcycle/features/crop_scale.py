"""How large cells are in crops of them."""

import numpy as np
from scipy import ndimage


def crop_diameter(images: np.ndarray, masks: np.ndarray | None = None) -> float:
    """Diameter, in pixels, of the large ones of the cells in the middle of crops (n, Y, X).

    The upper quartile of the diameters of discs as large as the masks (n, Y, X) if they are
    given, otherwise as what is brighter than Otsu's threshold in the middle of the crop. That is
    about the median of a movie: sorted crops are rich in mitotic cells, which are small. Crops
    in which nothing is found do not count; half the side of a crop if that leaves none.
    """
    if masks is not None:
        area = masks.sum(axis=(1, 2)).astype(float)
    else:
        area = np.array([_bright_area(image) for image in images], float)
    area = area[area > 0]
    if not len(area):
        return min(images.shape[1:]) / 2
    return float(np.sqrt(4 * np.percentile(area, 75) / np.pi))


def _bright_area(image: np.ndarray) -> int:
    """Pixels of the largest bright object that reaches into the middle of a crop."""
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(np.asarray(image, np.float32), 1.0)
    if np.ptp(smooth) <= 0:
        return 0
    labels, _ = ndimage.label(smooth > threshold_otsu(smooth))
    middle = tuple(slice(n // 3, n - n // 3) for n in image.shape)
    reaching = np.unique(labels[middle])
    sizes = np.bincount(labels.ravel())[reaching[reaching > 0]]
    return int(sizes.max(initial=0))
