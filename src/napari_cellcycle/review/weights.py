"""How probable it is that something is wrong, from what speaks for it.

`COEFFICIENTS` are logistic regressions, fitted by `benchmarks/doubt_weights.py` on recordings with
known truth: HeLa 01, PSC 01 and DIC 01 of the Cell Tracking Challenge (silver truth masks, linkers
`cellcycle-links` and `simple`; HeLa and PSC also with 3 % of the masks missing, 1.5 % merged and
1.5 % split) and six simulated movies (true masks, the same with such faults, and those of
`cellcycle-nuclei`). In a movie left out of the fit, as many errors as expected were found within a
factor of two where masks had faults; among true masks, which have fewer, up to eight times fewer.

`STAGE_WEIGHTS` are shares among the simulated movies, classified by `rnn`: 9 of 9 impossible
successions, 38 of 134 stages that were too short, 15 of 22 mitoses without a division and 6 of 7
divisions without mitosis went with a wrong stage, link or mask there; that of stages that are too
long is assumed, as there was one.
"""

import numpy as np

from napari_cellcycle.review.evidence import Evidence

LEAST = 0.01
"""Doubts less probable than this are not worth a look."""
COEFFICIENTS: dict[str, dict[str, float]] = {
    "link": {
        "": -1.08,
        "unsure": 0.67,
        "rival": 0.05,
        "splits": -0.06,
        "step": 0.1,
        "leap": 0.5,
        "grown": 1.14,
        "light": 0.46,
        "restless": 0.66,
        "gap": 7.53,
        "trouble": 0.46,
    },
    "start": {
        "": 2.96,
        "likely": 0.11,
        "splits": -0.29,
        "partner": -0.2,
        "edge": 1.45,
        "length": -0.41,
        "size": -0.84,
        "beside": 2.16,
        "taken": 0.86,
        "trouble": 0.54,
    },
    "end": {
        "": 4.22,
        "likely": 0.24,
        "splits": 0.21,
        "partner": 1.39,
        "edge": 1.03,
        "length": -0.25,
        "size": -0.69,
        "beside": 1.37,
        "taken": 0.99,
        "dying": -0.61,
        "trouble": 0.66,
    },
    "division": {
        "": 1.37,
        "unsure": 1.08,
        "rival": 0.39,
        "goes_on": -0.32,
        "unlike": -0.42,
        "shrunk": -0.06,
        "young": 0.61,
        "short": 0.65,
        "apart": 0.23,
        "aside": -0.28,
        "gap": 3.38,
        "trouble": 0.1,
    },
    "filled": {
        "": -1.57,
        "unsure": 0.66,
        "step": 0.49,
        "length": 0.55,
        "grown": 0.36,
        "trouble": -0.62,
    },
    "mask": {
        "": -5.65,
        "more": 2.01,
        "less": 1.86,
        "twice": 1.4,
        "half": 0.1,
        "size": 0.64,
        "hollow": 14.28,
        "trouble": 0.38,
        "beside": 1.32,
        "lost": 1.1,
        "found": 0.95,
    },
    "link, no scores": {
        "": -5.05,
        "step": 0.47,
        "leap": 1.77,
        "grown": 2.27,
        "light": 0.05,
        "restless": 0.47,
        "gap": 9.18,
        "trouble": 0.72,
    },
    "start, no scores": {
        "": 3.67,
        "partner": -0.16,
        "edge": 1.43,
        "length": -0.42,
        "size": -0.82,
        "beside": 2.22,
        "taken": 0.82,
        "trouble": 0.55,
    },
    "end, no scores": {
        "": 2.5,
        "partner": 1.44,
        "edge": 1.0,
        "length": -0.25,
        "size": -0.59,
        "beside": 1.78,
        "taken": 1.01,
        "dying": -0.57,
        "trouble": 0.65,
    },
    "division, no scores": {
        "": 0.03,
        "unlike": 0.26,
        "shrunk": -0.28,
        "young": 1.97,
        "short": 1.7,
        "apart": 0.04,
        "aside": 0.41,
        "gap": 3.23,
        "trouble": 0.41,
    },
    "filled, no scores": {"": -7.42, "step": 0.86, "length": 2.05, "grown": 2.83, "trouble": -1.06},
}
"""Log-odds of something wrong: a constant (""), and what each unit of evidence adds."""

STAGE_WEIGHTS = {
    "impossible": 0.9,
    "short": 0.28,
    "long": 0.3,
    "mitosis alone": 0.68,
    "division alone": 0.86,
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
