"""What speaks for something being wrong, as numbers that mean the same in every movie."""

import numpy as np

FARTHEST = 3.0
"""Diameters beyond which cells are not compared, times the root of the frames between."""
Evidence = dict[str, np.ndarray]
"""Values (m,) by name, a row for each thing that is doubted."""


def logit(chance: np.ndarray) -> np.ndarray:
    """Log-odds of chances, which are taken to be from 2 to 99.9 %."""
    chance = np.clip(np.nan_to_num(chance, nan=1.0), 0.02, 0.999)
    return np.log(chance / (1 - chance))


def known(values: np.ndarray) -> np.ndarray:
    """Values, and 0 where they are not known."""
    return np.where(np.isfinite(values), values, 0)


def near(distance: np.ndarray) -> np.ndarray:
    """1 for a distance of nothing, and 0 for more than three diameters: exp(-distance^2)."""
    return np.where(distance <= FARTHEST, np.exp(-(np.minimum(distance, FARTHEST) ** 2)), 0)


def spread(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All places from `begin` to before `end` (m,), one range after the other, and whose they are.

    Returns the number of the range and the place (k,), (k,).
    """
    count = np.maximum(end - begin, 0)
    whose = np.repeat(np.arange(len(count)), count)
    return whose, np.repeat(begin - np.cumsum(count) + count, count) + np.arange(len(whose))
