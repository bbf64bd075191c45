"""A tiny made-up data set in the layout of CELLULAR, to try the pipeline and to test it."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_cellcycle.progress import Progress, silent, track_progress

FIELDS = (
    "Timepoint_001_220518-ST_C03_s1",
    "Timepoint_001_220518-ST_C03_s10",
    "Timepoint_001_220518-ST_D05_s3",
    "Timepoint_002_220518-ST_D05_s3",
    "Timepoint_002_220518-ST_E07_s2",
    "Timepoint_001_220518-ST_I06_s4",
)
"""Names as in the data set: by its published split, two score the model and one chooses it."""
KINDS = ("fed", "unfed", "Unidentified")
_SHARES = (0.4, 0.4, 0.2)
_WAVES = 3


def write_cellular(
    folder: str | Path,
    *,
    fields: tuple[str, ...] = FIELDS,
    side_px: int = 160,
    cells: int = 14,
    radius_px: float = 12.0,
    seed: int = 0,
    progress: Progress = silent,
) -> None:
    """Write `images/FIELD_w1.TIF` to `_w3` and `masks/FIELD/CLASS/cell_000.png` and so on.

    As in the data set: cells that touch overlap by a few pixels, the colour of a mask means
    nothing, and one mask (of the first field) is empty. Starved cells ("unfed") have bright spots
    in both reporters; channel 3 is bright-field.
    """
    folder, rng = Path(folder), np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for place, field in enumerate(
        track_progress(fields, len(fields), progress, "Simulating fields")
    ):
        outlines, kinds = _cells(side_px, cells, radius_px, rng)
        _write_images(folder / "images", field, outlines, kinds, radius_px, rng)
        _write_masks(folder / "masks" / field, outlines, kinds, rng, empty=place == 0)


def _cells(
    side: int, count: int, radius: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Outlines (N, Y, X), bool, and class numbers (N,) of cells that barely overlap."""
    centres: list[np.ndarray] = []
    for _ in range(200 * count):
        place = rng.uniform(0.6 * radius, side - 0.6 * radius, 2)
        if all(np.hypot(*(place - other)) > 1.85 * radius for other in centres):
            centres.append(place)
        if len(centres) == count:
            break
    y, x = np.indices((side, side))
    outlines = []
    for centre in centres:
        angle = np.arctan2(y - centre[0], x - centre[1])
        waves = sum(
            rng.normal(0, 0.04) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
            for k in range(2, 2 + _WAVES)
        )
        size = radius * rng.uniform(0.85, 1.12)
        outlines.append(np.hypot(y - centre[0], x - centre[1]) < size * (1 + waves))
    return np.array(outlines), rng.choice(len(KINDS), len(outlines), p=_SHARES)


def _write_images(
    folder: Path,
    field: str,
    outlines: np.ndarray,
    kinds: np.ndarray,
    radius: float,
    rng: np.random.Generator,
) -> None:
    import tifffile

    starved = (kinds == KINDS.index("unfed")) | (
        (kinds == KINDS.index("Unidentified")) & (rng.random(len(kinds)) < 0.5)
    )
    spots = (outlines & starved[:, None, None]).any(axis=0)
    spots = spots & (rng.random(spots.shape) < 6 / (np.pi * radius**2))
    bright = 20 * ndimage.gaussian_filter(spots.astype(np.float32), 1.2)
    body = ndimage.gaussian_filter(outlines.any(axis=0).astype(np.float32), 1.5)
    inner = np.max([ndimage.binary_erosion(o, iterations=2) for o in outlines], axis=0)
    rim = ndimage.gaussian_filter(outlines.any(axis=0).astype(np.float32) - inner, 0.8)
    planes = (
        200 + 500 * body * (1 - 0.4 * spots) + 300 * bright,
        150 + 350 * body + 700 * bright,
        2000 + 500 * body - 900 * rim,
    )
    for number, plane in enumerate(planes, 1):
        noisy = rng.normal(plane, 4 + np.sqrt(plane))
        path = folder / f"{field}_w{number}.TIF"
        tifffile.imwrite(path, np.clip(noisy, 0, 65_535).astype(np.uint16))


def _write_masks(
    folder: Path, outlines: np.ndarray, kinds: np.ndarray, rng: np.random.Generator, *, empty: bool
) -> None:
    from skimage.io import imsave

    for number, (outline, kind) in enumerate(zip(outlines, kinds, strict=True)):
        place = folder / KINDS[kind]
        place.mkdir(parents=True, exist_ok=True)
        colour = rng.integers(1, 256, 3)
        picture = (outline[..., None] * colour).astype(np.uint8)
        imsave(place / f"cell_{number:03d}.png", picture, check_contrast=False)
    if empty:
        place = folder / KINDS[0]
        place.mkdir(parents=True, exist_ok=True)
        blank = np.zeros((*outlines.shape[1:], 3), np.uint8)
        imsave(place / f"cell_{len(outlines):03d}.png", blank, check_contrast=False)
