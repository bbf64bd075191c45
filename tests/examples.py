"""Named toy lineages: small movies of discs or balls whose true links are known.

Time runs to the right in the drawings; each letter is a cell, a line a link.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_cellcycle.data.labels import LabelStack
from napari_cellcycle.data.movie import Movie

Sighting = tuple[int, int]
"""Frame and mask value."""
RADIUS = 6.0


@dataclass(frozen=True)
class Toy:
    """A movie, its masks and the true links, each from one sighting to another."""

    name: str
    movie: Movie
    labels: LabelStack
    links: frozenset[tuple[Sighting, Sighting]]


Disc = tuple[float, float, float, float]
"""y, x, radius (px) and brightness."""


def toy(name: str, frames: list[dict[int, Disc]], links: set, ndim: int = 2) -> Toy:
    """Paint `frames` (mask value to disc); in 3D the discs are balls in the middle plane."""
    shape = (96, 96) if ndim == 2 else (17, 96, 96)
    grid = np.indices(shape, float)
    masks = np.zeros((len(frames), *shape), np.int32)
    rng = np.random.default_rng(0)
    pixels = rng.normal(100, 2, (len(frames), 1, *shape))
    for time, discs in enumerate(frames):
        for label, (y, x, radius, brightness) in discs.items():
            centre = (y, x) if ndim == 2 else (8, y, x)
            away = sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True))
            inside = (away <= radius**2) & (masks[time] == 0)
            masks[time][inside] = label
            pixels[time, 0][inside] += brightness
    movie = Movie(pixels.astype(np.float32), (1.0,) * ndim, 300.0, ("H2B",))
    return Toy(name, movie, LabelStack(masks), frozenset(links))


def straight(*labels_by_frame: tuple[int, int]) -> set:
    """Links between consecutive sightings of one cell."""
    return set(pairwise(labels_by_frame))


def two_walkers(ndim: int = 2) -> Toy:
    """Two cells walk side by side; their mask values swap in every frame.

    A -- A -- A -- A
    B -- B -- B -- B
    """
    frames = [
        {1 + t % 2: (30, 20 + 4 * t, RADIUS, 50), 2 - t % 2: (60, 20 + 4 * t, RADIUS, 55)}
        for t in range(4)
    ]
    upper = straight(*[(t, 1 + t % 2) for t in range(4)])
    return toy("two walkers", frames, upper | straight(*[(t, 2 - t % 2) for t in range(4)]), ndim)


def blink(ndim: int = 2) -> Toy:
    """A cell that the segmentation misses in one frame, beside one that it does not.

    A -- A ------- A -- A
    B -- B -- B -- B -- B
    """
    frames = [{1: (30, 40 + t, RADIUS, 50), 2: (70, 40 - t, RADIUS, 50)} for t in range(5)]
    del frames[2][1]
    seen = [(t, 1) for t in (0, 1, 3, 4)]
    return toy("blink", frames, straight(*seen) | straight(*[(t, 2) for t in range(5)]), ndim)


def division(ndim: int = 2) -> Toy:
    """A cell rounds up, brightens and divides; another looks on.

                    /- D -- D -- D
    A -- A -- A -- A
                    \\- E -- E -- E
    B -- B -- B -- B -- B -- B -- B
    """
    mother = [(45, 45, 7, 50), (45, 45, 7, 55), (45, 45, 6, 90), (45, 45, 5, 130)]
    frames = [{1: disc, 2: (80, 20 + t, RADIUS, 50)} for t, disc in enumerate(mother)]
    for t, away in enumerate((6, 8, 10), start=4):
        frames.append(
            {
                3: (45 - away, 45, 4.5, 120 - 15 * (t - 4)),
                4: (45 + away, 46, 4.5, 120 - 15 * (t - 4)),
                2: (80, 20 + t, RADIUS, 50),
            }
        )
    links = straight(*[(t, 1) for t in range(4)]) | {((3, 1), (4, 3)), ((3, 1), (4, 4))}
    for label in (3, 4):
        links |= straight(*[(t, label) for t in range(4, 7)])
    return toy("division", frames, links | straight(*[(t, 2) for t in range(7)]), ndim)


def newcomer(ndim: int = 2) -> Toy:
    """A cell comes in over the border, far from the one that was there.

    A -- A -- A -- A
              B -- B
    """
    frames = [{1: (30, 30 + t, RADIUS, 50)} for t in range(4)]
    frames[2][2] = (70, 92, RADIUS, 50)
    frames[3][2] = (70, 89, RADIUS, 50)
    links = straight(*[(t, 1) for t in range(4)]) | straight((2, 2), (3, 2))
    return toy("newcomer", frames, links, ndim)


def frozen(ndim: int = 2) -> Toy:
    """Nothing moves at all.

    A -- A -- A
    """
    frames = [{7: (40, 40, RADIUS, 50)}] * 3
    return toy("frozen", frames, straight((0, 7), (1, 7), (2, 7)), ndim)


def family(ndim: int = 2) -> Toy:
    """Two generations in six frames, beside a cell that stays alone; 2 becomes 6 and 7.

              /- 2 -- 2 <= 6 -- 6
    1 -- 1 --           \\- 7 -- 7
              \\- 3 -- 3 -- 3 -- 3
    5 -- 5 -- 5 -- 5 -- 5 -- 5
    """
    large, small = (7.0, 50.0), (4.5, 70.0)
    frames = [{1: (40, 40, *large), 5: (80, 20 + 2 * t, *large)} for t in range(2)]
    frames += [{2: (33, 40 + t, *small), 3: (48, 40 - t, *small)} for t in range(2)]
    frames += [
        {6: (28, 34 - t, *small), 7: (30, 50 + 2 * t, *small), 3: (48, 38 - t, *small)}
        for t in range(2)
    ]
    for t in range(2, 6):
        frames[t][5] = (80, 20 + 2 * t, *large)
    links = straight((0, 1), (1, 1)) | straight(*[(t, 5) for t in range(6)])
    links |= {((1, 1), (2, 2)), ((1, 1), (2, 3))} | straight((2, 2), (3, 2))
    links |= straight(*[(t, 3) for t in range(2, 6)])
    links |= {((3, 2), (4, 6)), ((3, 2), (4, 7))}
    links |= straight((4, 6), (5, 6)) | straight((4, 7), (5, 7))
    return toy("family", frames, links, ndim)


TOYS = (two_walkers, blink, division, newcomer, frozen)
