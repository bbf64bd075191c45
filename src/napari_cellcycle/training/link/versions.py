"""A recording as other microscopes and worse segmentation would have given it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.features.shape import Masks
from napari_cellcycle.simulate.worsen import WorsenSettings, worsen
from napari_cellcycle.training.link.recordings import Recording


@dataclass(frozen=True)
class Version:
    """A recording to learn from, the longest gap, the size cells seem to have, its weight."""

    recording: Recording
    max_gap: int
    size_factor: float
    weight: float


def versions(recording: Recording, rng: np.random.Generator) -> Iterator[Version]:
    """The recording as it is, with worse masks, as mere markers, and at other frame rates."""
    yield Version(recording, 3, 1.0, 0.3)
    yield Version(worsened(recording, rng), 3, _factor(rng, 0.15), 0.25)
    yield Version(as_markers(recording, rng), 3, _factor(rng, 0.3), 0.25)
    if len(recording.labels) >= 20:
        step = int(rng.choice([2, 2, 3]))
        sparse = every(recording, step)
        yield Version(worsened(sparse, rng), 2, _factor(rng, 0.15), 0.2)


def _factor(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(rng.normal(0, spread)))


def worsened(recording: Recording, rng: np.random.Generator) -> Recording:
    """The recording with masks missing, merged and split at random rates."""
    rates = WorsenSettings(
        missing=float(rng.choice([0, 0.02, 0.05, 0.1])),
        merged=float(rng.choice([0, 0.02, 0.04])),
        split=float(rng.choice([0, 0.01, 0.03])),
    )
    labels, sources = worsen(recording.labels, rates, rng)
    rows = [(time, new, old) for time, source in enumerate(sources) for new, old in source.items()]
    named = pd.DataFrame(rows, columns=["frame", "label", "old"])
    known = recording.truth.rename(columns={"label": "old"})
    truth = named.merge(known, on=["frame", "old"], how="left").drop(columns="old")
    truth["track"] = truth["track"].fillna(0).astype(np.int64)
    for side in ("past", "future"):
        truth[side] = truth[side].fillna(True).astype(bool)
    return replace(recording, labels=labels, truth=truth, rejected=_renamed(recording, named))


def _renamed(recording: Recording, named: pd.DataFrame) -> pd.DataFrame:
    """The rejected links by the new labels; those of cells that are gone are left out."""
    rejected = recording.rejected
    for end in ("parent", "child"):
        keys = {"frame": f"{end}_frame", "old": f"{end}_label", "label": "new"}
        rejected = rejected.merge(named.rename(columns=keys), on=[keys["frame"], keys["old"]])
        rejected = rejected.drop(columns=keys["old"]).rename(columns={"new": keys["old"]})
    return rejected[recording.rejected.columns]


def as_markers(recording: Recording, rng: np.random.Generator) -> Recording:
    """The recording with a spot instead of each mask, as people who click cells would leave it.

    Spots lie around the masks' centres, not quite in the middle, all of one size or each of
    its own.
    """
    share = float(rng.uniform(0.2, 0.6))
    spread = float(rng.choice([0.0, 0.0, 0.25]))
    noise = float(rng.choice([0.0, 0.05, 0.1]))
    diameters = [Masks.of(mask).sum() ** (1 / mask.ndim) for mask in recording.labels]
    usual = float(np.median(np.concatenate(diameters)))
    isotropic = np.asarray(recording.pixel_size) / recording.pixel_size[-1]
    frames = [
        _spots(np.asarray(mask), share * usual * 0.56, spread, noise * usual, isotropic, rng)
        for mask in recording.labels
    ]
    return replace(recording, labels=LabelStack(np.stack(frames)))


def _spots(
    mask: np.ndarray,
    radius: float,
    spread: float,
    noise: float,
    isotropic: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    masks = Masks.of(mask)
    places = np.stack(np.unravel_index(masks.pixels, mask.shape), 1)
    count = masks.sum()
    centre = np.stack([masks.sum(p) / count for p in places.T], 1)
    centre += rng.normal(0, 1, centre.shape) * noise
    own = radius * np.exp(rng.normal(0, spread, len(count)))
    away = np.sqrt((((places - centre[masks.owner]) * isotropic) ** 2).sum(1))
    nearest = np.full(len(count), np.inf)
    np.minimum.at(nearest, masks.owner, away)
    kept = away <= np.maximum(own, nearest + 0.5)[masks.owner]
    spots = np.zeros(mask.size, np.int32)
    spots[masks.pixels[kept]] = masks.labels[masks.owner[kept]]
    return spots.reshape(mask.shape)


def every(recording: Recording, step: int) -> Recording:
    """Every `step`-th frame of the recording."""
    times = np.arange(0, len(recording.labels), step)
    labels = LabelStack(np.stack([recording.labels.frame(int(t)) for t in times]))
    movie = recording.movie
    if movie is not None:
        pixels = np.stack([movie.frame(int(t)) for t in times])[:, None]
        movie = replace(movie, pixels=pixels, channels=movie.channels[:1])
    truth = recording.truth[recording.truth["frame"] % step == 0]
    truth = truth.assign(frame=truth["frame"] // step)
    rejected, times_of = recording.rejected, ["parent_frame", "child_frame"]
    rejected = rejected[(rejected[times_of] % step == 0).all(axis=1)]
    rejected = rejected.assign(**{name: rejected[name] // step for name in times_of})
    return replace(recording, labels=labels, movie=movie, truth=truth, rejected=rejected)
