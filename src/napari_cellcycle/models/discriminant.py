"""Linear discriminants: classes told apart by the directions in which they differ most."""

import numpy as np


def linear_discriminant(
    values: np.ndarray, told: np.ndarray, ridge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (F, K) and offsets (K,): values @ slopes + offsets are log-likelihoods of K classes.

    They are those of normal distributions with one covariance for all classes (Fisher 1936), but
    for a term that is the same for all. `told` (n, K) says how much each of `values` (n, F) counts
    as which class; `ridge` is added to the variances within classes, so that few values do
    (Friedman 1989). How frequent classes are does not matter.
    """
    told = told / told.sum()
    share = told.sum(axis=0)
    mean = told.T @ values / np.maximum(share, 1e-12)[:, None]
    within = (values.T * told.sum(axis=1)) @ values - (mean.T * share) @ mean
    slopes = np.linalg.solve(within + ridge * np.eye(len(within)), mean.T)
    return slopes, -0.5 * (mean * slopes.T).sum(axis=1)
