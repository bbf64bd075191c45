"""Images with masks that the segmentation network learns from, and how they are varied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellcycle.models.segment.normalise import compress, diameters_px, resize, stretch
from napari_cellcycle.progress import Progress, silent, track_progress
from napari_cellcycle.training.segment.optics import other_optics

STORED_PX = 44.0
"""Largest median cell diameter of stored examples, in pixels; larger ones are made smaller."""
SIZES_PX = (12.0, 44.0)
"""Cell diameters of the crops that are learned from, in pixels."""
_MOST_ENLARGED = 2.0
OTHER_OPTICS = 0.4
"""Share of fluorescent crops that are shown as unstained ones."""
RIM_PX = {"Fluo-N2DL-HeLa": 25, "DIC-C2DH-HeLa": 50, "PhC-C2DL-PSC": 25}
"""Width of the rim in which the challenge's truth leaves cells out, by data set."""


@dataclass(frozen=True)
class Example:
    """One image with its targets.

    `image` is stretched to percentiles (float32, Y, X); `maps` (Y, X, 4), float16, holds the flow
    in y and in x, whether a pixel is cell, and whether the truth is known there. Cells measure
    `diameter_px`. What is `fluorescent` may also be learned as other optics would show it.
    """

    image: np.ndarray
    maps: np.ndarray
    diameter_px: float
    fluorescent: bool = False


def example(
    image: np.ndarray,
    masks: np.ndarray,
    diameter_px: float,
    known: np.ndarray | None = None,
    *,
    fluorescent: bool = False,
) -> Example:
    """Make an example of an image (Y, X) with masks; `known` marks pixels with trusted masks."""
    import cv2

    from napari_cellcycle.models.segment.dynamics import flows_of

    scale = min(1.0, STORED_PX / diameter_px)
    shape = (max(8, round(image.shape[0] * scale)), max(8, round(image.shape[1] * scale)))
    small = cv2.resize(masks.astype(np.float32), shape[::-1], interpolation=cv2.INTER_NEAREST)
    labels = small.astype(np.int32)
    trusted = np.ones(shape, np.float32) if known is None else resize(known, shape)
    maps = np.dstack([*flows_of(labels), labels > 0, trusted])
    values = stretch(resize(image, shape))
    return Example(values, maps.astype(np.float16), scale * diameter_px, fluorescent)


def simulated_examples(
    seeds: Sequence[int], frames_each: int = 2, *, progress: Progress = silent
) -> Iterator[Example]:
    """Frames of simulated movies, `frames_each` of every seed, spread over the movie."""
    from napari_cellcycle.simulate import random_settings, simulate

    for seed in track_progress(seeds, len(seeds), progress, "Simulating movies to learn from"):
        made = simulate(random_settings(seed, 2))
        for time in np.linspace(0, len(made.movie) - 1, frames_each + 2)[1:-1].astype(int):
            image, masks = made.movie.frame(int(time)), made.labels.frame(int(time))
            if masks.any():
                diameter = float(np.median(diameters_px(masks)))
                yield example(image, masks, diameter, fluorescent=True)


def challenge_examples(
    sequence: Path, frames: range | None = None, *, progress: Progress = silent
) -> Iterator[Example]:
    """Frames of a Cell Tracking Challenge sequence (`.../01`) that have full masks.

    Full masks are the silver truth (`01_ST/SEG`), in which cells that were also drawn by hand
    (`01_GT/SEG`) take that outline; or those drawn by hand where there is no silver truth. Around
    cells that are tracked but have no mask, and outside masks in the rim that the challenge
    leaves out (`RIM_PX`), the truth counts as unknown.
    """
    import tifffile

    number = sequence.name
    gold = sequence.with_name(f"{number}_GT") / "SEG"
    truth = sequence.with_name(f"{number}_ST") / "SEG"
    if not truth.is_dir():
        truth = gold
    files = sorted(truth.glob("man_seg*.tif"))
    if frames is not None:
        files = [file for file in files if int(file.stem[7:]) in frames]
    message = f"Reading {sequence.parent.name}"
    for file in track_progress(files, len(files), progress, message):
        masks = tifffile.imread(file).astype(np.int32)
        if truth != gold and (gold / file.name).is_file():
            masks = redrawn(masks, tifffile.imread(gold / file.name).astype(np.int32))
        image = tifffile.imread(sequence / f"t{file.stem[7:]}.tif")
        markers = tifffile.imread(
            sequence.with_name(f"{number}_GT") / "TRA" / f"man_track{file.stem[7:]}.tif"
        )
        diameter = float(np.median(diameters_px(masks)))
        rim = RIM_PX.get(sequence.parent.name, 0)
        yield example(image, masks, diameter, known_pixels(masks, markers, diameter, rim))


def redrawn(masks: np.ndarray, better: np.ndarray) -> np.ndarray:
    """Masks in which those that overlap one of `better` by half give way to it; int32."""
    drawn = better > 0
    shared = np.bincount(masks[drawn], minlength=masks.max() + 1)
    gone = 2 * shared > np.bincount(masks.ravel())
    gone[0] = False
    kept = np.where(gone[masks], 0, masks)
    return np.where(drawn, better + masks.max(), kept).astype(np.int32)


def known_pixels(
    masks: np.ndarray, markers: np.ndarray, diameter_px: float, rim_px: int = 0
) -> np.ndarray:
    """Masks, and what is inside the rim and half a diameter away from markers without a mask."""
    from scipy.ndimage import distance_transform_edt

    covered = np.unique(markers[masks > 0])
    missing = (markers > 0) & ~np.isin(markers, covered)
    known = np.zeros(masks.shape, bool)
    inner = slice(rim_px, -rim_px or None)
    known[inner, inner] = True
    if missing.any():
        known &= distance_transform_edt(~missing) > diameter_px / 2
    return (known | (masks > 0)).astype(np.float32)


def varied_crop(
    source: Example,
    rng: np.random.Generator,
    side_px: int,
    sizes_px: tuple[float, float] = SIZES_PX,
) -> tuple[np.ndarray, np.ndarray]:
    """A turned, scaled, mirrored crop with varied light: image (side, side), maps (4, side, side).

    Cells come out at `sizes_px`, but at most at twice their own size.
    """
    import cv2

    smallest, largest = sizes_px
    largest = max(smallest, min(largest, _MOST_ENLARGED * source.diameter_px))
    size = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
    zoom = size / source.diameter_px
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn = turn @ np.diag([1, -1])
    centre = _centre(source, rng)
    corner, patch = _around(source.image.shape, centre, 0.75 * side_px / zoom + 8)
    to_source = turn / zoom
    offset = centre - corner - to_source @ np.full(2, (side_px - 1) / 2)
    matrix = np.column_stack([to_source, offset])
    shape = (side_px, side_px)
    image = source.image[patch]
    if source.fluorescent and rng.random() < OTHER_OPTICS:
        image = other_optics(image, source.diameter_px, rng)
    if zoom < 0.8:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / zoom - 0.3)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(image, matrix, shape, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    maps = cv2.warpAffine(source.maps[patch].astype(np.float32), matrix, shape, flags=flags)
    flow_xy = maps[..., 1::-1] @ turn
    maps = np.stack([flow_xy[..., 1], flow_xy[..., 0], maps[..., 2], maps[..., 3]])
    return compress(_vary_light(image, rng), np.exp(rng.uniform(-4.0, -2.0))), maps


def _around(
    shape: tuple[int, ...], centre: np.ndarray, reach: float
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """First pixel (x, y), and slices in y and x, of what lies within `reach` of `centre`."""
    limit = np.array(shape[::-1])
    low = np.clip(np.floor(centre - reach), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, low + 1, limit).astype(int)
    return low, (slice(low[1], high[1]), slice(low[0], high[0]))


def _centre(source: Example, rng: np.random.Generator) -> np.ndarray:
    """A point (x, y): mostly one inside a cell."""
    height, width = source.image.shape
    for _ in range(20 if rng.random() < 0.85 else 1):
        y, x = rng.integers(height), rng.integers(width)
        if source.maps[y, x, 2]:
            break
    return np.array([x, y], float)


def _vary_light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary contrast, blur, noise and illumination of a stretched image."""
    import cv2

    side = image.shape[0]
    if rng.random() < 0.3:
        image = np.sign(image) * np.abs(image) ** rng.uniform(0.8, 1.3)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.4:
        corners = rng.uniform(0, 10 ** rng.uniform(-2.5, -0.7), (3, 3)).astype(np.float32)
        image = image + cv2.resize(corners, (side, side), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.4:
        gains = rng.uniform(0.6, 1.3, (3, 3)).astype(np.float32)
        image = image * cv2.resize(gains, (side, side), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape, np.float32)
        shot = np.sqrt(np.clip(image, 0, None)) * rng.uniform(0, 0.08)
        image = image + noise * (10 ** rng.uniform(-3, -1.3) + shot)
    return np.asarray(image * np.exp(rng.uniform(-0.4, 0.4)) + rng.uniform(-0.02, 0.03))
