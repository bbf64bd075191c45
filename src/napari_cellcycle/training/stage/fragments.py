"""Drawn crops of cells that have fallen apart: apoptosis has more looks than any simulation."""

import numpy as np
from scipy import ndimage
from scipy.special import expit

_CHUNK = 200


def draw_fragments(n: int, size: int, diameter_px: float, seed: int = 0) -> np.ndarray:
    """Draw `n` crops (n, size, size), float32, of fragmented nuclei `diameter_px` wide when whole.

    From a handful of large pieces to a cloud of small bubbles, each an ellipse with a soft rim
    and often a pale middle (a ring or a crescent where it is off the centre), over cloudy haze and
    grain.
    """
    rng = np.random.default_rng([seed, 23])
    parts = [_draw(min(_CHUNK, n - start), size, diameter_px, rng) for start in range(0, n, _CHUNK)]
    return np.concatenate([np.zeros((0, size, size), np.float32), *parts])


def _draw(n: int, size: int, diameter: float, rng: np.random.Generator) -> np.ndarray:
    coordinate = (np.arange(size) - (size - 1) / 2).astype(np.float32) / diameter
    y, x = coordinate[:, None], coordinate[None, :]
    pieces = np.exp(rng.uniform(np.log(2), np.log(45), n)).astype(int)
    typical = np.clip(rng.lognormal(np.log(0.28), 0.25, n) / np.sqrt(pieces), 0.05, 0.28)
    spread = np.where(pieces < 6, rng.uniform(0.1, 0.4, n), rng.uniform(0.25, 0.7, n))
    pale = rng.random(n) * (rng.random(n) < 0.5)
    aside = rng.normal(0, 0.1, (2, n))
    tail = rng.uniform(0.2, 1.1, n)
    images = np.zeros((n, size, size), np.float32)
    for piece in range(pieces.max()):
        angle = rng.uniform(0, 2 * np.pi, n)
        away = spread * np.sqrt(rng.random(n))
        radius = typical * rng.lognormal(0, 0.35, n)
        glow = np.where(piece < pieces, np.exp(tail * rng.normal(size=n)), 0)
        dy = y - (away * np.sin(angle) + aside[0])[:, None, None]
        dx = x - (away * np.cos(angle) + aside[1])[:, None, None]
        dy, dx = _turned(dy, dx, rng.uniform(0, np.pi, n), np.exp(0.25 * rng.normal(size=n)))
        disc = _disc(dy, dx, radius)
        off = radius * rng.uniform(0, 0.6, n)
        hole = _disc(dy - off[:, None, None], dx, 0.6 * radius)
        images += (glow[:, None, None] * disc * (1 - pale[:, None, None] * hole)).astype("f4")
    wide = (0, 0.2 * diameter, 0.2 * diameter)
    clouds = ndimage.gaussian_filter(rng.standard_normal(images.shape, dtype=np.float32), (0, 2, 2))
    clouds = 1 + rng.uniform(0, 4, (n, 1, 1)).astype("f4") * clouds
    haze = ndimage.gaussian_filter(images, wide) * np.clip(clouds, 0, None)
    images = images + haze * rng.uniform(0, 2, (n, 1, 1)).astype("f4")
    images /= images.max(axis=(1, 2), keepdims=True)
    grain = rng.uniform(0.01, 0.1, (n, 1, 1)) * rng.standard_normal(images.shape, dtype=np.float32)
    return np.asarray(images + grain, np.float32)


def _turned(
    dy: np.ndarray, dx: np.ndarray, angle: np.ndarray, stretch: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (n, y, x) in which an ellipse at `angle` is a disc."""
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    along, across = dy * sine + dx * cosine, dy * cosine - dx * sine
    return along * stretch[:, None, None], across / stretch[:, None, None]


def _disc(dy: np.ndarray, dx: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Discs (n, y, x) with a soft rim."""
    norm = np.sqrt(dy**2 + dx**2) / radius[:, None, None]
    return np.asarray(expit(8 * (1 - norm)))
