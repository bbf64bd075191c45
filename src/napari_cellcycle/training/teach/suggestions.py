"""Which frames and cells it would teach most to correct next."""

from dataclasses import dataclass

import numpy as np

from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import Tracks
from napari_cellcycle.models.store import Kind
from napari_cellcycle.training.segment.corrected import known_masks
from napari_cellcycle.training.teach.doubtful import (
    LEAST,
    Doubtful,
    doubt_of_links,
    doubt_of_masks,
    doubt_of_stages,
)

_POOL = 300
"""So many times as many as are asked for, the most doubtful, are what is chosen from."""
_WORST = 0.9
"""Quantile of the doubts of a frame's cells that its own is made of."""
_LIKENESS = 0.5
"""Distance, in spreads of all cells, within which two are much alike."""
_FEATURES = ("frame", "area", "fill", "intensity_mean", "intensity_std", "touching")


@dataclass(frozen=True)
class Suggestion:
    """A frame, or a cell in it, that is worth correcting, and why in a sentence.

    `cell` is an id, None for a whole frame; `place` is [z,] y, x in pixels, None for a frame.
    `doubt` (0 to 1) is how unsure the models are there.
    """

    kind: Kind
    frame: int
    cell: int | None
    place: tuple[float, ...] | None
    doubt: float
    reason: str


def suggest(experiment: Experiment, kind: Kind, n: int = 10, *, seed: int = 0) -> list[Suggestion]:
    """The `n` frames ("segment") or cells ("link", "stage") whose correction would teach most.

    They are doubtful (by what the models left in the tables, links as the review sees them), and
    unlike each other and unlike what was corrected already (farthest first over what was measured
    of them). `seed` draws them. Fewer come where there is less to doubt; none of a movie that is
    not segmented.
    """
    tracks = experiment.tracks
    if n < 1 or experiment.labels is None:
        return []
    if kind == "segment":
        return _frames(experiment, tracks, n, seed)
    if tracks is None or not len(tracks):
        return []
    of = doubt_of_links if kind == "link" else doubt_of_stages
    return _cells(kind, tracks, of(experiment, tracks), n, seed)


def _cells(kind: Kind, tracks: Tracks, found: Doubtful, n: int, seed: int) -> list[Suggestion]:
    rng = np.random.default_rng(seed)
    order = np.argsort(-(found.doubt + 1e-9 * rng.random(len(found.doubt))), kind="stable")
    pool = order[: _POOL * n]
    pool = pool[found.doubt[pool] >= LEAST]
    features = _features(tracks, found)
    kinds = _kinds(tracks, found) if kind == "stage" else found.why
    chosen = spread_out(
        features[pool],
        found.doubt[pool],
        features[found.known],
        n,
        kinds[pool],
        kinds[found.known],
        rng.gumbel(size=len(pool)),
    )
    suggested = []
    for row in pool[chosen].tolist():
        cell = tracks.cells.iloc[row]
        reason = found.reasons[int(found.why[row])]
        said = f"Cell {int(cell['label'])} in frame {int(cell['frame'])}: {reason}."
        suggested.append(
            Suggestion(
                kind,
                int(cell["frame"]),
                int(tracks.cells.index[row]),
                tuple(float(cell[axis]) for axis in tracks.axes),
                float(found.doubt[row]),
                found.words[row] if found.words else said,
            )
        )
    return suggested


def _frames(experiment: Experiment, tracks: Tracks | None, n: int, seed: int) -> list[Suggestion]:
    assert experiment.labels is not None
    count = len(experiment.labels)
    if tracks is None or not len(tracks):
        done = known_masks(experiment).frames
        return [
            Suggestion("segment", time, None, None, 0.5, f"Frame {time}: nothing is known of it.")
            for time in _evenly(count, done, n)
        ]
    found, known = doubt_of_masks(experiment, tracks)
    frame = tracks.cells["frame"].to_numpy()
    doubt, why = np.zeros(count), np.zeros(count, int)
    for one in np.unique(frame).tolist():
        rows = np.flatnonzero(frame == one)
        worst = rows[found.doubt[rows] >= np.quantile(found.doubt[rows], _WORST)]
        doubt[one] = found.doubt[worst].mean()
        why[one] = np.bincount(found.why[worst], found.doubt[worst] + 1e-9).argmax()
    doubt[sorted(known.frames)] = 0
    pool = np.flatnonzero(doubt > 0)
    time = _time(count)
    chosen = spread_out(time[pool], doubt[pool], time[sorted(known.frames)], n)
    return [
        Suggestion(
            "segment",
            int(one),
            None,
            None,
            float(doubt[one]),
            f"Frame {one} shows {found.reasons[why[one]]}.",
        )
        for one in pool[chosen].tolist()
    ]


def spread_out(
    features: np.ndarray,
    doubt: np.ndarray,
    known: np.ndarray,
    n: int,
    kinds: np.ndarray | None = None,
    known_kinds: np.ndarray | None = None,
    noise: np.ndarray | None = None,
) -> list[int]:
    """Rows (at most `n`) that are doubtful, and far from each other and from what is `known`.

    The next one is always the row whose doubt, times how far it is from all before, is greatest
    (farthest first, Gonzalez 1985; see Sener & Savarese 2018). With `kinds`, whole numbers, what
    there is much of already counts less, so that rare kinds have their turn. With Gumbel `noise`
    (rows,) it is drawn, with chances like that product, for the most doubtful alone are odd ones
    and teach little of the rest (Kirsch et al. 2023).
    """
    from scipy.spatial import cKDTree

    away = np.full(len(features), np.inf)
    if len(known) and len(features):
        away = cKDTree(known).query(features)[0]
    chosen: list[int] = []
    left = doubt.astype(float).copy()
    if kinds is None or known_kinds is None:
        kinds, known_kinds = np.zeros(len(features), int), np.zeros(0, int)
    many = np.bincount(known_kinds, minlength=int(kinds.max(initial=0)) + 1).astype(float)
    while len(chosen) < min(n, len(features)):
        worth = left * (1 - np.exp(-away / _LIKENESS) + 1e-3) / (1 + many[kinds])
        row = int(np.argmax(worth if noise is None else worth * np.exp(noise)))
        chosen.append(row)
        left[row] = -1.0
        many[kinds[row]] += 1
        away = np.minimum(away, np.sqrt(((features - features[row]) ** 2).sum(axis=1)))
    return chosen


def _kinds(tracks: Tracks, found: Doubtful) -> np.ndarray:
    """A number for the stage of each cell and the reason why it is doubted."""
    if "stage" not in tracks.cells:
        return found.why
    stage = np.unique(tracks.cells["stage"].astype(str), return_inverse=True)[1]
    return np.asarray(stage * len(found.reasons) + found.why)


def _features(tracks: Tracks, found: Doubtful) -> np.ndarray:
    """What cells are compared by, in spreads of all of them: looks, time, place, reason."""
    cells = tracks.cells
    names = [name for name in (*_FEATURES, *tracks.axes) if name in cells]
    chances = [name for name in cells if str(name).startswith("p_")]
    values = [cells[name].to_numpy(float) for name in (*names, *chances)]
    return _scaled(np.stack([*values, found.why.astype(float)], axis=1))


def _scaled(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and spread 1, divided by how many there are, so that distances are 1."""
    values = np.where(np.isfinite(values), values, 0.0)
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.asarray(scaled / np.sqrt(max(1, values.shape[1])))


def _evenly(count: int, done: frozenset[int], n: int) -> list[int]:
    """Frames that are not done, as far from each other and from those that are as can be."""
    time = _time(count)
    is_done = np.isin(np.arange(count), sorted(done))
    free = np.flatnonzero(~is_done)
    return [int(free[row]) for row in spread_out(time[free], np.ones(len(free)), time[is_done], n)]


def _time(count: int) -> np.ndarray:
    """What frames are compared by: where in the movie they are, (frames, 1).

    Far apart they show other cells, or the same ones in other places.
    """
    return np.arange(count)[:, None] / max(count, 1)
