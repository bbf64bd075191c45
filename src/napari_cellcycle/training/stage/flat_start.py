"""A first guess of stages of which only the order is known, by their lengths and by looks."""

import numpy as np

from napari_cellcycle.features.crop_traits import crop_traits
from napari_cellcycle.models.discriminant import linear_discriminant
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.stage.sequences import CellSequences
from napari_cellcycle.training.stage.weak import Aligner

ROUNDS = 20
SETTLED = 1e-3
"""Mean change of a chance below which there are no more rounds."""
MOST_AXES, LEAST_AXES, CROPS_AN_AXIS = 100, 8, 20
"""Principal axes of the traits that stages are told apart by: few where there are few crops."""
FRAME_WEIGHT = 0.15
"""How much a frame counts: neighbouring frames look alike, so that each says little of its own."""
HELD_BACK = 0.5
"""How far frequent stages are held back where any part of an order, of any length, may be shown."""
_RIDGE = 0.05
_MOST = 8_000
"""Crops that principal axes are taken of."""
_BATCH = 64


def flat_start(
    sequences: CellSequences, aligner: Aligner, window: int, progress: Progress = silent
) -> np.ndarray:
    """Chances (n, S) of the stages of all crops, by the order of stages and by how cells look.

    At first, stages are laid by their order and lengths alone. Then, in turns, linear
    discriminants of the traits of crops are fitted to what was laid, and stages are
    laid anew by what they say. Too simple to learn single crops by heart, they find what stages
    have in common, as Gaussians do in the flat start of speech recognisers (Young et al. 2006).

    `window` is the side, in pixels, of the middle of the crops that is looked at.
    """
    laid = aligner.lay(sequences, np.zeros((len(sequences.images), len(sequences.stages))))
    axes = _axes(_traits(sequences, window, progress))
    if not axes.shape[1]:  # all crops look the same
        return laid
    for _ in track_progress(range(ROUNDS), ROUNDS, progress, "Laying out stages"):
        slopes, offsets = linear_discriminant(axes, laid, _RIDGE)
        scores = FRAME_WEIGHT * (axes @ slopes + offsets)
        if aligner.settings.partial and not aligner.knows_lengths:  # one stage could do for all
            scores -= HELD_BACK * np.log(aligner.prior)
        former, laid = laid, aligner.lay(sequences, scores)
        if np.abs(laid - former).mean() < SETTLED:
            break
    return laid


def _traits(sequences: CellSequences, window: int, progress: Progress) -> np.ndarray:
    """Traits of crops, and how they differ from what is usual in their group, as normal scores."""
    images = sequences.images
    edge = (images.shape[-1] - window) // 2
    images = images[:, edge : edge + window, edge : edge + window]
    starts = range(0, len(images), _BATCH)
    own = np.concatenate(
        [
            crop_traits(images[start : start + _BATCH])
            for start in track_progress(starts, len(starts), progress, "Measuring crops")
        ]
    )
    change = own.copy()
    for rows in sequences.rows_of_groups():
        change[rows] -= np.median(own[rows], axis=0)
    return np.concatenate([_normal_scores(own), _normal_scores(change)], axis=1)


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Values (n, F) replaced by those that a normal distribution has at their ranks."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.zeros(values.shape, np.float32)
    for score, column in zip(scores.T, values.T, strict=True):
        score[:] = ndtri((rankdata(column) - 0.5) / len(column))
        score /= score.std() or 1.0
    return scores


def _axes(traits: np.ndarray) -> np.ndarray:
    """The first principal axes (n, A) of traits (n, F), each with a spread of one."""
    traits -= traits.mean(axis=0)
    some = traits[:: -(-len(traits) // _MOST)]
    _, spread, axes = np.linalg.svd(some, full_matrices=False)
    most = min(MOST_AXES, max(LEAST_AXES, len(traits) // CROPS_AN_AXIS))
    kept = axes[:most][spread[:most] > 1e-3 * spread[0]]
    found = (traits @ kept.T).astype(np.float64)
    return np.asarray(found / found.std(axis=0))
