"""How unsure the models are of each cell, from what they left in the tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cellcycle.data.draft import Draft
from napari_cellcycle.data.experiment import Experiment
from napari_cellcycle.data.tracks import BY_USER, Tracks
from napari_cellcycle.review.doubt import KINDS, Facts
from napari_cellcycle.review.find import LINK_RULES, doubts_in
from napari_cellcycle.review.scene import Scene
from napari_cellcycle.training.link.sources import decided
from napari_cellcycle.training.segment.corrected import KnownMasks, known_masks
from napari_cellcycle.training.teach.truth import pinned_stages

LEAST = 0.02
"""Doubt below which something is not worth a look."""
_FAR = 0.7
"""Diameters that a cell may move in a frame without overlapping less than is usual."""


@dataclass(frozen=True, eq=False)
class Doubtful:
    """How unsure a model is of each row of the cells (n,), 0 to 1, why, and what is known.

    `why` (n,) numbers the `reasons`; `known` marks rows that were corrected or confirmed already;
    `words` say more of each row than its reason, where there are any.
    """

    doubt: np.ndarray
    why: np.ndarray
    reasons: tuple[str, ...]
    known: np.ndarray
    words: tuple[str, ...] = ()


def _of(parts: list[np.ndarray], reasons: tuple[str, ...], known: np.ndarray) -> Doubtful:
    """The greatest of several doubts of each row, and which that is."""
    stacked = np.nan_to_num(np.stack(parts))
    doubt = np.where(known, 0.0, stacked.max(axis=0))
    return Doubtful(np.clip(doubt, 0, 1), stacked.argmax(axis=0), reasons, known)


def doubt_of_links(experiment: Experiment, tracks: Tracks) -> Doubtful:
    """How likely something is wrong in where each cell comes from and what it becomes.

    That is what the review says of it (`review.find`); cells of which past or future was decided
    are in no doubt any more.
    """
    movie, ids = experiment.movie, tracks.cells.index
    draft = Draft(tracks, None, experiment.stages, experiment.confirmed, movie.pixel_size)
    scene = Scene.of(
        draft, Facts(movie.frame_shape, len(movie), movie.frame_interval, movie.pixel_size)
    )
    doubt, why = np.zeros(len(ids)), np.zeros(len(ids), np.int64)
    kinds, words = list(KINDS), [""] * len(ids)
    place = {cell: row for row, cell in enumerate(ids.tolist())}
    for one in doubts_in(scene, LINK_RULES):
        row = place[one.cells[0]]
        if one.weight > doubt[row]:
            doubt[row], why[row], words[row] = one.weight, kinds.index(one.kind), one.reason
    past, future = decided(tracks, experiment.confirmed)
    links = tracks.links
    by_user = ids.isin(links.loc[links["by"] == BY_USER, "child"])
    known = past | future | by_user
    return Doubtful(np.where(known, 0.0, doubt), why, tuple(KINDS.values()), known, tuple(words))


def doubt_of_stages(experiment: Experiment, tracks: Tracks) -> Doubtful:
    """How unsure the stage model is of each cell; all are alike where it did not say.

    That is how little the likeliest stage is ahead of the next (the margin; Scheffer et al. 2001).
    """
    cells, names = tracks.cells, experiment.stages.names
    known = np.asarray(pinned_stages(tracks) != "", bool)
    n = len(cells)
    chances = [f"p_{name}" for name in names if f"p_{name}" in cells]
    seen = [f"seen_{name}" for name in names if f"seen_{name}" in cells]
    torn = np.full(n, 0.5)
    if len(chances) > 1:
        second, first = np.sort(np.nan_to_num(cells[chances].to_numpy(float)), axis=1)[:, -2:].T
        torn = 1 - (first - second)
    unlike = np.zeros(n)
    if seen and "stage" in cells:
        p, stage = cells[seen].to_numpy(float), cells["stage"].astype(str).to_numpy()
        at = pd.Index([name.removeprefix("seen_") for name in seen]).get_indexer(pd.Index(stage))
        unlike = np.where(at >= 0, 1 - p[np.arange(n), at], 0.0)
    return _of(
        [torn, 0.8 * unlike],
        (
            "the model is torn between stages",
            "what the image shows and what the order of stages says differ",
        ),
        known,
    )


def doubt_of_masks(experiment: Experiment, tracks: Tracks) -> tuple[Doubtful, KnownMasks]:
    """How odd the mask of each cell is beside the same cell before and after."""
    cells, found = tracks.cells, known_masks(experiment)
    n, ndim = len(cells), len(tracks.axes)
    known = np.zeros(n, bool)
    known[found.rows] = True
    known |= cells["frame"].isin(found.frames).to_numpy()
    track = tracks.components
    area = _column(cells, "area")
    size = np.where(np.isfinite(area) & (area > 0), area, np.nan)
    log = np.log(size)
    usual = pd.Series(log).groupby(track).transform("median").to_numpy()
    odd = np.abs(log - usual)
    all_usual = np.nanmedian(log) if np.isfinite(log).any() else 0.0
    extreme = np.abs(log - all_usual)
    ends = [cells.index.get_indexer(pd.Index(tracks.links[end])) for end in ("parent", "child")]
    moved, changed = np.zeros(n), np.zeros(n)
    if len(ends[0]):
        place = cells[tracks.axes].to_numpy(float) * np.asarray(experiment.movie.pixel_size)
        away = np.sqrt(((place[ends[1]] - place[ends[0]]) ** 2).sum(axis=1))
        diameter = 2 * (size / np.pi) ** 0.5 if ndim == 2 else (6 * size / np.pi) ** (1 / 3)
        moved[ends[1]] = away / np.maximum(diameter[ends[1]], 1e-9)
        is_born = tracks.links["parent"].isin(tracks.divisions).to_numpy()
        changed[ends[1]] = np.where(is_born, 0.0, np.abs(log[ends[1]] - log[ends[0]]))
    length = np.bincount(track)[track]
    fill = _column(cells, "fill")
    hollow = np.nan_to_num((np.nanmedian(fill) - fill) / 0.1) if np.isfinite(fill).any() else 0.0
    return _of(
        [
            1 - np.exp(-odd / 0.5),
            0.7 * (1 - np.exp(-np.maximum(extreme - 0.7, 0))),
            1 - np.exp(-changed / 0.7),
            0.6 * (length == 1),
            0.6 * np.clip(moved - _FAR, 0, 1),
            np.clip(0.5 * np.broadcast_to(hollow, n), 0, 1),
        ],
        (
            "masks of another size than the same cells have in other frames",
            "masks much smaller or larger than usual",
            "masks that change their size from one frame to the next",
            "cells that are seen in one frame only",
            "masks that hardly overlap with those of the frame before",
            "masks of an odd shape",
        ),
        known,
    ), found


def _column(cells: pd.DataFrame, name: str) -> np.ndarray:
    if name not in cells:
        return np.full(len(cells), np.nan)
    return cells[name].to_numpy(float)
