"""How probable it is that something is wrong, from the evidence: fitted once, on known truth."""

import numpy as np

from napari_cellcycle.review.evidence import Evidence

LEAST = 0.01
"""Doubts less probable than this are not worth a look."""
COEFFICIENTS: dict[str, dict[str, float]] = {
    "link": {
        "": -0.82,
        "unsure": 0.62,
        "rival": 0.15,
        "splits": -0.02,
        "step": 0.14,
        "leap": 0.48,
        "grown": 1.12,
        "light": 0.48,
        "restless": 0.71,
        "gap": 7.54,
        "trouble": 0.48,
    },
    "start": {
        "": 2.56,
        "likely": 0.14,
        "splits": -0.41,
        "partner": -0.30,
        "edge": 1.50,
        "length": -0.43,
        "size": -0.66,
        "beside": 2.09,
        "taken": 1.04,
        "trouble": 0.49,
    },
    "end": {
        "": 4.74,
        "likely": 0.23,
        "splits": 0.33,
        "partner": 1.14,
        "edge": 1.00,
        "length": -0.32,
        "size": -0.32,
        "beside": 1.17,
        "taken": 1.16,
        "dying": -1.74,
        "trouble": 0.59,
    },
    "division": {
        "": 1.22,
        "unsure": 0.89,
        "rival": 0.29,
        "goes_on": -0.17,
        "unlike": -0.52,
        "shrunk": -0.47,
        "young": 1.26,
        "short": 0.67,
        "apart": 0.37,
        "aside": -0.13,
        "gap": 3.25,
        "trouble": 0.11,
    },
    "filled": {
        "": -1.56,
        "unsure": 0.66,
        "step": 0.55,
        "length": 0.28,
        "grown": 0.49,
        "trouble": -0.68,
    },
    "mask": {
        "": -5.76,
        "more": 2.04,
        "less": 1.84,
        "twice": 1.23,
        "half": 0.23,
        "size": 0.80,
        "hollow": 14.13,
        "trouble": 0.38,
        "beside": 1.58,
        "lost": 1.03,
        "found": 1.06,
    },
    "link, no scores": {
        "": -5.12,
        "step": 0.57,
        "leap": 1.62,
        "grown": 2.19,
        "light": 0.07,
        "restless": 0.49,
        "gap": 9.19,
        "trouble": 0.73,
    },
    "start, no scores": {
        "": 3.62,
        "partner": -0.24,
        "edge": 1.46,
        "length": -0.43,
        "size": -0.61,
        "beside": 2.14,
        "taken": 0.96,
        "trouble": 0.50,
    },
    "end, no scores": {
        "": 2.56,
        "partner": 1.20,
        "edge": 0.98,
        "length": -0.32,
        "size": -0.24,
        "beside": 1.54,
        "taken": 1.20,
        "dying": -1.72,
        "trouble": 0.58,
    },
    "division, no scores": {
        "": 0.05,
        "unlike": -0.04,
        "shrunk": -0.68,
        "young": 2.37,
        "short": 1.61,
        "apart": 0.34,
        "aside": 0.42,
        "gap": 3.11,
        "trouble": 0.38,
    },
    "filled, no scores": {"": -7.65, "step": 0.91, "length": 2.00, "grown": 3.00, "trouble": -1.14},
}
"""Log-odds of something wrong: a constant (""), and what each unit of evidence adds."""

STAGE_WEIGHTS = {
    "impossible": 0.9,
    "short": 0.5,
    "long": 0.3,
    "mitosis alone": 0.6,
    "division alone": 0.9,
}
"""Probability that something is wrong where stages and lineage do not fit."""


def chance(kind: str, evidence: Evidence) -> np.ndarray:
    """Probability (m,) that something is wrong, by logistic regression on the evidence."""
    known = COEFFICIENTS[kind]
    total = sum(
        (known[name] * values for name, values in evidence.items()),
        np.full(len(next(iter(evidence.values()))), known[""]),
    )
    return np.asarray(1 / (1 + np.exp(-np.clip(total, -30, 30))))
