"""Label images as coloured pictures, each cell in a colour of its own on black."""

import colorsys
from collections.abc import Callable

import numpy as np

_GOLDEN = 0.618034


def ten_colours(labels: np.ndarray) -> np.ndarray:
    """Picture (Y, X, 3), uint8, in the ten colours of matplotlib's "tab10", in turn by label."""
    from matplotlib import colormaps

    table = np.array([colormaps["tab10"](i)[:3] for i in range(10)])
    return _painted(labels, lambda number: table[(number - 1) % 10])


def random_hues(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Picture (Y, X, 3), uint8, in bright colours, as unlike as hundreds of cells allow.

    Hues go round in golden steps from a random one on, in an order mixed by `rng`.
    """

    def hues(number: np.ndarray) -> np.ndarray:
        order = rng.permutation(len(number))
        turns = (rng.random() + _GOLDEN * order) % 1
        values = zip(turns, 0.6 + 0.4 * rng.random(len(order)), strict=True)
        return np.array([colorsys.hsv_to_rgb(h, s, 1.0) for h, s in values]).reshape(-1, 3)

    return _painted(labels, hues)


def _painted(labels: np.ndarray, colours: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    present, number = np.unique(labels, return_inverse=True)
    table = np.zeros((len(present), 3), np.uint8)
    cells = present > 0
    table[cells] = np.round(255 * colours(present[cells])).astype(np.uint8)
    return table[number.reshape(labels.shape)]
