"""Finding out how large cells are, by trying."""

from collections.abc import Callable, Sequence

import numpy as np

from napari_cellcycle.models.segment.normalise import diameters_px, stretch

_MOST_PX = 512
_CELLS_ACROSS = 32


def guess_diameter(
    images: Sequence[np.ndarray],
    guesses_px: Sequence[float],
    segment: Callable[[np.ndarray, float], np.ndarray],
) -> float | None:
    """Typical diameter, in pixels, of the cells of images ([Z,] Y, X); None if there are none.

    `segment` gives masks (Y, X) of a stretched image whose cells are said to measure so many
    pixels. It is tried with each of `guesses_px` on the middle of each image; the guess at
    which masks of about that size cover the largest share is refined once.
    """
    planes = [_plane(image) for image in images if image.min() < image.max()]

    def sizes(diameter_px: float) -> tuple[np.ndarray, float]:
        probes = [_middle(plane, _CELLS_ACROSS * diameter_px) for plane in planes]
        found = [diameters_px(segment(probe, diameter_px)) for probe in probes]
        area = float(sum(probe.size for probe in probes))
        return np.concatenate(found) if found else np.zeros(0), area

    best, covered = None, 0.0
    for guess in guesses_px:
        found, area = sizes(guess)
        fitting = found[(found > 0.6 * guess) & (found < 1.65 * guess)]
        share = float((fitting**2).sum()) / max(area, 1.0)
        if share > 1.1 * covered:
            best, covered = _middle_size(fitting), share
    if best is None:
        return None
    found = sizes(best)[0]
    refined = _middle_size(found) if len(found) else best
    return float(np.clip(refined, best / 1.5, best * 1.5))


def _middle_size(diameters: np.ndarray) -> float:
    """Median diameter, each mask weighted by its own: debris counts little."""
    ordered = np.sort(diameters)
    across = np.cumsum(ordered)
    return float(ordered[np.searchsorted(across, across[-1] / 2)])


def _plane(image: np.ndarray) -> np.ndarray:
    """Stretched image; the plane with most light of a volume."""
    values = stretch(image)
    return values if values.ndim == 2 else values[int(values.mean((1, 2)).argmax())]


def _middle(values: np.ndarray, side: float) -> np.ndarray:
    """Middle of an image, at most `side` and 512 pixels wide and high."""
    side_px = min(_MOST_PX, max(96, round(side)))
    starts = [max(0, (length - side_px) // 2) for length in values.shape]
    return values[starts[0] : starts[0] + side_px, starts[1] : starts[1] + side_px]
