"""Samples of nuclei in folders, brought to what a network of the family sees, and told."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.nucleus_folders import SampleFolder, find_samples
from napari_cellcycle.models.stage.nucleus.model import NucleusModel, channel_names
from napari_cellcycle.models.stage.nucleus.presets import NucleusPreset
from napari_cellcycle.models.stage.nucleus.samples import cut
from napari_cellcycle.progress import Progress, silent, track_progress


def predict_samples(
    folder: str | Path, model: NucleusModel, *, batch_size: int = 256, progress: Progress = silent
) -> pd.DataFrame:
    """State of every sample of a folder: `file`, `stage`, and one probability `p_<stage>` a stage.

    `file` is the path of the sample below `folder`. A frame that is missing counts as dark.
    """
    found = find_samples(folder)
    parts: list[np.ndarray] = []
    starts = range(0, len(found), batch_size)
    for start in track_progress(starts, len(starts), progress, "Looking at samples"):
        batch = stacked(found[start : start + batch_size], model.preset)
        parts.append(model.predict(batch, batch_size))
    probabilities = np.concatenate(parts)
    names = np.array(model.stages.names)
    table = {
        "file": [sample.path.relative_to(folder).as_posix() for sample in found],
        "stage": names[probabilities.argmax(axis=1)],
    }
    return pd.DataFrame(
        {**table, **{f"p_{name}": probabilities[:, i] for i, name in enumerate(names)}}
    )


def predict_files(
    before: np.ndarray,
    now: np.ndarray,
    after: np.ndarray,
    model: NucleusModel,
    mask: np.ndarray | None = None,
) -> dict[str, float]:
    """Probability of each stage of one nucleus, from three (or four) images cut around it.

    All are ([z,] y, x) of one size. Without a mask the nucleus is taken to be a ball in the middle,
    half as wide as the images.
    """
    frames = {-1: before, 0: now, 1: after}
    if not set(model.preset.frames) <= set(frames):
        raise BadInput(
            f"The model sees the frames {', '.join(channel_names(model.preset))}, but only t-1, t "
            "and t+1 are given; choose a model of three frames."
        )
    images = [frames[offset] for offset in model.preset.frames]
    own = ball(now.shape) if mask is None else mask > 0
    sample = cut_sample(images, own, None, model.preset)
    told = model.predict(sample[None])[0]
    return dict(zip(model.stages.names, map(float, told), strict=True))


def stacked(
    samples: Sequence[SampleFolder], preset: NucleusPreset, *, strict: bool = False
) -> np.ndarray:
    """Samples (n, C, z, y, x) float32 as `cut` gives them, read from folders.

    Raises `BadInput` where flat samples are among volumes, or, if `strict`, a frame or the mask
    is missing; else a missing frame is dark.
    """
    found = [_read(sample, preset, strict) for sample in samples]
    if len({sample.shape for sample in found}) > 1:
        raise BadInput(
            "Some of these samples are volumes and some are flat; put them in separate folders."
        )
    return np.stack(found)


def _read(sample: SampleFolder, preset: NucleusPreset, strict: bool) -> np.ndarray:
    images, mask = [sample.raw(time) for time in preset.frames], sample.mask()
    shown = [image for image in images if image is not None]
    wanting = [n for n, i in zip(channel_names(preset), images, strict=False) if i is None]
    wanting += ["mask"] if preset.mask and mask is None else []
    if not shown or (strict and wanting):
        raise BadInput(
            f"The sample {sample.path} lacks {' and '.join(wanting)}; add the files, or take the "
            "sample away."
        )
    shapes = {part.shape for part in (*shown, mask) if part is not None}
    if len(shapes) > 1 or len(shown[0].shape) not in (2, 3):
        raise BadInput(
            f"The images of the sample {sample.path} have the shapes "
            f"{' and '.join(map(str, sorted(shapes)))}, but all must be of one box; cut it again."
        )
    dark = np.zeros_like(shown[0])
    filled = [dark if image is None else image for image in images]
    own = ball(dark.shape) if mask is None or not mask.any() else mask
    return cut_sample(filled, own, _diameter_px(sample, dark.ndim), preset)


def cut_sample(
    images: Sequence[np.ndarray],
    mask: np.ndarray,
    diameter_px: Sequence[float] | None,
    preset: NucleusPreset,
) -> np.ndarray:
    """One sample (C, z, y, x) of a nucleus, from images and its mask in one box ([z,] y, x).

    Without `diameter_px` voxels are taken to be cubes, and the nucleus to be of usual size.
    """
    centre = np.array([index.mean() for index in np.nonzero(mask)])
    if diameter_px is None:
        size = float(mask.sum())
        width = np.cbrt(6 * size / np.pi) if mask.ndim == 3 else np.sqrt(4 * size / np.pi)
        diameter_px = (float(width),) * mask.ndim
    one = np.ones(1, int)
    return cut(images, mask.astype(np.int32), one, centre[None], diameter_px, preset)[0]


def ball(shape: tuple[int, ...]) -> np.ndarray:
    """A ball in the middle of a box, half as wide as it, ([z,] y, x) bool."""
    lines = [4 * (np.arange(n) - (n - 1) / 2) / n for n in shape]
    grid = np.meshgrid(*lines, indexing="ij")
    inside = (np.stack(grid) ** 2).sum(axis=0) <= 1
    if not inside.any():
        inside[tuple(n // 2 for n in shape)] = True
    return np.asarray(inside, bool)


def _diameter_px(sample: SampleFolder, ndim: int) -> tuple[float, ...] | None:
    """Median diameter of the movie's nuclei, in voxels of each axis, if the metadata say so."""
    told = sample.about.get("extraction_config", {})
    size, diameter = told.get("pixel_size_um"), told.get("median_diameter_um")
    if not diameter or not size or len(size) != ndim:
        return None
    return tuple(float(diameter) / float(step) for step in size)
