"""What is measured of a crop with one cell in its middle: form, brightness and grain."""

from itertools import pairwise
from typing import Any

import numpy as np

_LOW, _HIGH = 5, 99.9
"""Percentiles between which brightness goes from 0 to 1, the upper one in a disc."""
_REACH = 0.65
"""How far from the middle pieces of the cell may lie, likewise."""
_LEAST_PX, _PIECES = 12, 3
_GRAINS = (0.7, 1.2, 2.2, 4.0)
_PERCENTILES = (10, 50, 90)
_CIRCLES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1)
_STRIPES = 9
_BINS = 8


def crop_traits(images: np.ndarray) -> np.ndarray:
    """Traits (n, F), float32, of crops (n, [channels,] size, size) in any unit of brightness.

    The first channel shows the form of the cell: chromatin, or what else fills it. All lengths are
    in pixels of the crop.
    """
    crops = images[:, None] if images.ndim == 3 else images
    found = [_traits(np.asarray(crop, np.float32)) for crop in crops]
    return np.nan_to_num(np.array(found, np.float32)) if found else np.zeros((0, 0), np.float32)


def _traits(crop: np.ndarray) -> np.ndarray:
    """Traits (F,) of one crop (channels, size, size)."""
    size = crop.shape[-1]
    y, x = np.indices((size, size)) - (size - 1) / 2
    away = np.hypot(y, x) / (size / 2)
    channels = [_normalised(channel, away < 1) for channel in crop]
    pieces = _pieces(channels[0], away)
    nucleus, form = _form(channels[0], pieces)
    regions = [*_belts(nucleus), *(((away >= a) & (away < b)) for a, b in pairwise(_CIRCLES))]
    found = [np.array(form, float)]
    for channel in channels:
        found += [_levels(channel, regions), _along_axes(channel, nucleus, away < 1)]
        found.append(np.histogram(channel[nucleus], _BINS, (-0.1, 1.5))[0] / nucleus.sum())
    for other in channels[1:]:
        found.append(np.array([_alike(channels[0], other, r) for r in (nucleus, away < 0.9)]))
    return np.concatenate(found)


def _normalised(channel: np.ndarray, central: np.ndarray) -> np.ndarray:
    """0 where it is dark, 1 where it is brightest; dying cells have spots that outshine all."""
    low, high = np.percentile(channel, _LOW), np.percentile(channel[central], _HIGH)
    return np.asarray(np.clip((channel - low) / max(high - low, 1e-6), -0.5, 2.0), np.float32)


def _pieces(channel: np.ndarray, away: np.ndarray) -> list[Any]:
    """Bright pieces near the middle, the largest first; the middle itself if nothing is bright."""
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops

    bright = channel > threshold_otsu(channel)
    pieces = sorted(regionprops(label(bright), channel), key=lambda piece: -piece.area)
    middle = (np.array(channel.shape) - 1) / 2
    reach = _REACH * len(channel) / 2
    near = [p for p in pieces if np.linalg.norm(p.centroid - middle) < reach]
    near = [p for p in near if p.area >= _LEAST_PX] or near[:1]
    return near or regionprops((away < 0.2).astype(np.int32), channel)


def _form(channel: np.ndarray, pieces: list[Any]) -> tuple[np.ndarray, list[float]]:
    """The nucleus, of all its pieces, and numbers about their form and distance."""
    from scipy import ndimage
    from skimage.measure import regionprops

    nucleus = np.zeros(channel.shape, bool)
    for piece in pieces[:_PIECES]:
        nucleus[piece.coords[:, 0], piece.coords[:, 1]] = True
    nucleus = ndimage.binary_fill_holes(nucleus)
    whole, first = regionprops(nucleus.astype(np.int32), channel)[0], pieces[0]
    middle = (np.array(channel.shape) - 1) / 2
    apart = [float(np.linalg.norm(np.subtract(p.centroid, first.centroid))) for p in pieces[1:]]
    form = [len(pieces), whole.area, first.area / whole.area, whole.extent]
    form += [whole.perimeter**2 / whole.area, np.linalg.norm(whole.centroid - middle)]
    for one in (whole, first):
        form += [one.area, one.eccentricity, one.solidity]
        form += [one.axis_major_length, one.axis_minor_length]
    form += [apart[0], pieces[1].area, min(apart)] if apart else [0.0, 0.0, float(len(channel))]
    moments = np.asarray(whole.moments_hu)
    return nucleus, [*form, *(np.sign(moments) * np.log(np.abs(moments) + 1e-9))]


def _belts(nucleus: np.ndarray) -> list[np.ndarray]:
    """The nucleus, its core, and two belts around it."""
    from scipy import ndimage

    near, far = (ndimage.binary_dilation(nucleus, iterations=n) for n in (4, 10))
    core = ndimage.binary_erosion(nucleus, iterations=3)
    return [nucleus, core if core.sum() > _LEAST_PX else nucleus, near & ~nucleus, far & ~near]


def _levels(channel: np.ndarray, regions: list[np.ndarray]) -> np.ndarray:
    """Brightness and grain of several sizes in every region: percentiles, mean and spread."""
    import cv2

    planes = [channel]
    for width in _GRAINS:
        fine, coarse = (cv2.GaussianBlur(channel, (0, 0), w) for w in (width, 1.6 * width))
        planes += [fine - coarse, np.abs(fine - coarse)]
    slopes = [cv2.Sobel(channel, cv2.CV_32F, *axes) for axes in ((1, 0), (0, 1))]
    seen = np.stack([*planes, np.hypot(*slopes)])
    found = []
    for region in regions:
        values = seen[:, region] if region.any() else np.zeros((len(seen), 1), np.float32)
        found += [*np.percentile(values, _PERCENTILES, axis=1), values.mean(1), values.std(1)]
    return np.concatenate(found)


def _along_axes(channel: np.ndarray, nucleus: np.ndarray, window: np.ndarray) -> np.ndarray:
    """How brightness falls off along the nucleus and across it, and how far it reaches."""
    y, x = np.nonzero(nucleus)
    middle = np.array([y.mean(), x.mean()])
    spread = np.cov(np.stack([y, x])) if len(y) > 1 else np.eye(2)
    axes = np.linalg.eigh(spread)[1].T[::-1]
    places = np.indices(channel.shape) - middle[:, None, None]
    bright = np.clip(channel, 0, None) * window + 1e-9
    share = bright / bright.sum()
    found, reach = [], []
    for axis in axes:
        along = np.abs(np.tensordot(axis, places, 1))
        stripe = np.minimum((along / (len(channel) / 2) * _STRIPES).astype(int), _STRIPES)
        count = np.bincount(stripe[window], minlength=_STRIPES + 1)
        total = np.bincount(stripe[window], channel[window], _STRIPES + 1)
        profile = (total / np.maximum(count, 1))[:_STRIPES]
        found += [profile, np.diff(profile)]
        reach.append(float((share * along**2).sum()))
    disorder = -float((share * np.log(share)).sum())
    return np.concatenate([*found, [*reach, reach[0] / (reach[1] + 1), disorder]])


def _alike(one: np.ndarray, other: np.ndarray, region: np.ndarray) -> float:
    """Correlation of two channels in a region."""
    first, second = one[region] - one[region].mean(), other[region] - other[region].mean()
    return float((first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-9))
