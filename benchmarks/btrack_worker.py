"""Run btrack on points and write its tracks; runs in btrack's environment, by `peers.btrack`.

    python btrack_worker.py cells.npz tracks.npz '{"max_search_radius": 50}'

Needs btrack and numpy alone. The motion and hypothesis models are those for cells that btrack's
own documentation uses (constant velocity, branching, no apoptosis without stages), written out
here; what a movie's scale decides is set by the arguments.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np


def configuration(
    max_search_radius: float = 50.0,
    dist_thresh: float = 40.0,
    lambda_branch: float = 50.0,
    max_lost: int = 2,
    noise: float = 5.0,
    process: float = 15.0,
    prob_not_assign: float = 0.001,
    lambda_link: float = 10.0,
) -> dict:
    """What btrack is told: lengths in the unit of the points.

    `max_search_radius` cells move at most, `dist_thresh` tracks are at most apart to be joined
    or to divide, `lambda_branch` the scale by which a division gets less likely with distance,
    `max_lost` frames without a sighting, `noise` (sigma) of a measured position.
    """
    motion = {
        "name": "cell_motion",
        "measurements": 3,
        "states": 6,
        "dt": 1.0,
        "accuracy": 7.5,
        "prob_not_assign": prob_not_assign,
        "max_lost": max_lost,
        "A": (np.eye(6) + np.eye(6, k=3)).ravel(),
        "H": np.eye(3, 6).ravel(),
        "P": 150.0 * np.diag([0.1, 0.1, 0.1, 1, 1, 1]).ravel(),
        "G": process * np.array([0.5, 0.5, 0.5, 1, 1, 1]),
        "R": noise * np.eye(3).ravel(),
    }
    hypotheses = {
        "name": "cell_hypothesis",
        "hypotheses": ["P_FP", "P_init", "P_term", "P_link", "P_branch"],
        "lambda_time": 5.0,
        "lambda_dist": 3.0,
        "lambda_link": lambda_link,
        "lambda_branch": lambda_branch,
        "eta": 1e-10,
        "theta_dist": 20.0,
        "theta_time": 5.0,
        "dist_thresh": dist_thresh,
        "time_thresh": 2,
        "apop_thresh": 5,
        "segmentation_miss_rate": 0.1,
        "apoptosis_rate": 0.001,
        "relax": True,
    }
    return {
        "motion_model": motion,
        "hypothesis_model": hypotheses,
        "max_search_radius": max_search_radius,
    }


def peak_gb() -> float:
    """The most memory this process has taken."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1e6
    return float("nan")


def main() -> None:
    """Read points, track, write the track of each point and the mother of each track."""
    import btrack

    given, answer, settings = sys.argv[1:4]
    with np.load(given) as stored:
        cells = {name: stored[name] for name in stored}
    n, shape = len(cells["frame"]), cells["shape"]
    start = time.perf_counter()
    points = {
        "ID": np.arange(n),
        "t": cells["frame"],
        "x": cells["x"],
        "y": cells["y"],
        "z": cells.get("z", np.zeros(n)),
    }
    objects = btrack.io.objects_from_dict(points)
    volume = [(0, float(length)) for length in shape[::-1]]
    with btrack.BayesianTracker(verbose=False) as tracker:
        tracker.configure(configuration(**json.loads(settings)))
        tracker.append(objects)
        tracker.volume = tuple(volume)
        tracker.track()
        tracker.optimize()
        tracks, refs = tracker.tracks, tracker.refs
        number, parents = [t.ID for t in tracks], [t.parent for t in tracks]
    seconds = time.perf_counter() - start
    track = np.full(n, -1)
    for own, members in zip(number, refs, strict=True):
        real = [m for m in members if m >= 0]
        track[real] = own
    born = [(c, p) for c, p in zip(number, parents, strict=True) if p not in (0, c)]
    np.savez(
        answer,
        track=track,
        child=np.array([c for c, _ in born], int),
        parent=np.array([p for _, p in born], int),
        seconds=seconds,
        peak_gb=peak_gb(),
    )


if __name__ == "__main__":
    main()
