"""Finding out how large cells are, by trying."""

from collections.abc import Callable, Sequence

import numpy as np

from napari_cellcycle.models.segment.normalise import diameters_px, stretch

_PROBE_PX = 512


def guess_diameter(
    images: Sequence[np.ndarray],
    guesses_px: Sequence[float],
    segment: Callable[[np.ndarray, float], np.ndarray],
) -> float | None:
    """Median diameter, in pixels, of the cells of images ([Z,] Y, X); None if there are none.

    `segment` gives masks (Y, X) of a stretched image whose cells are said to measure so many
    pixels. It is tried with each of `guesses_px` on the middle of each image; the guess at
    which masks of about that size cover most is refined once.
    """
    probes = [_probe(image) for image in images if image.min() < image.max()]

    def sizes(diameter_px: float) -> np.ndarray:
        found = [diameters_px(segment(probe, diameter_px)) for probe in probes]
        return np.concatenate(found) if found else np.zeros(0)

    best, covered = None, 0.0
    for guess in guesses_px:
        found = sizes(guess)
        fitting = found[(found > 0.6 * guess) & (found < 1.65 * guess)]
        area = float((fitting**2).sum())
        if area > 1.1 * covered:
            best, covered = float(np.median(fitting)), area
    if best is None:
        return None
    found = sizes(best)
    refined = float(np.median(found)) if len(found) else best
    return float(np.clip(refined, best / 1.5, best * 1.5))


def _probe(image: np.ndarray) -> np.ndarray:
    """Stretched middle of an image; of the plane with most light in a volume."""
    values = stretch(image)
    if values.ndim == 3:
        values = values[int(values.mean((1, 2)).argmax())]
    starts = [max(0, (side - _PROBE_PX) // 2) for side in values.shape]
    return values[starts[0] : starts[0] + _PROBE_PX, starts[1] : starts[1] + _PROBE_PX]
