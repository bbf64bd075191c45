"""Tracked cells as folders of crops: `Raw/` with one image a frame and `Mask/` beside it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.crop_folders import CropSet, read_image, stacked


class CropTrack(NamedTuple):
    """One tracked cell: images (t, Y, X) float32, masks (t, Y, X) bool, and the images' files."""

    images: np.ndarray
    masks: np.ndarray
    files: list[Path]


def read_track(folder: Path, labels: int) -> CropTrack:
    """Read the crops of a track, of which `labels` frames have a label.

    A mask has the name of its image with every "Raw" replaced by "Mask". It may be of zeros and
    ones, of zeros and another value, or hold a label for each of several cells, of which the one
    nearest the middle counts. Files named `._*` are skipped.

    Raises `BadInput` if images, masks and labels are not as many, or do not fit each other.
    """
    raw, masked = (_files(folder / name) for name in ("Raw", "Mask"))
    if not len(raw) == len(masked) == labels or not raw:
        raise BadInput(
            f"The track {folder} has {len(raw)} images, {len(masked)} masks and {labels} labels, "
            "but there must be as many of each, and at least one; mend or remove this folder."
        )
    images, masks = [], []
    for path in raw:
        own = folder / "Mask" / path.name.replace("Raw", "Mask")
        image, mask = read_image(path), read_image(own if own.is_file() else own.parent / path.name)
        if image.shape != mask.shape:
            raise BadInput(
                f"The image {path} has the shape {image.shape}, but its mask {mask.shape}; they "
                "must be alike: cut them anew."
            )
        images.append(image)
        masks.append(centre_cell(mask))
    return CropTrack(stacked(images), stacked(masks, "constant"), raw)


def centre_cell(mask: np.ndarray) -> np.ndarray:
    """Where the cell in the middle is, (Y, X) bool, of a mask of any kind."""
    values = np.unique(mask)
    if (values > 0).sum() <= 1:
        return np.asarray(mask > 0)
    y, x = np.nonzero(mask)
    middle = (np.array(mask.shape) - 1) / 2
    nearest = np.argmin((y - middle[0]) ** 2 + (x - middle[1]) ** 2)
    return np.asarray(mask == mask[y[nearest], x[nearest]])


def joined_tracks(
    root: Path,
    tracks: list[CropTrack],
    stage: list[np.ndarray],
    original: list[np.ndarray],
    group: list[int],
) -> CropSet:
    """Tracks one after the other; images are divided by the largest value of their track.

    `stage` and `original` hold an array (t,) a track, `group` the number of each track's group.
    """
    sizes = [len(track.files) for track in tracks]
    images = [i for t in tracks for i in t.images / max(float(t.images.max()), 1e-6)]
    return CropSet(
        images=stacked(images),
        stage=np.concatenate(stage),
        group=np.repeat(group, sizes),
        file=np.array([p.relative_to(root).as_posix() for t in tracks for p in t.files]),
        masks=stacked([mask for t in tracks for mask in t.masks], "constant"),
        track=np.repeat(np.arange(len(tracks)), sizes),
        original=np.concatenate(original),
    )


def integers(text: str, separator: str, path: Path, most: int) -> np.ndarray:
    """Labels 1 to `most` from a line of text, (t,) int.

    Raises `BadInput`, naming the file, if anything else stands there.
    """
    parts = [part.strip() for part in text.strip().strip(separator).split(separator)]
    try:
        values = np.array([int(part) for part in parts], np.int64)
    except ValueError:
        values = np.array([0])
    if not len(values) or values.min() < 1 or values.max() > most:
        raise BadInput(
            f"The labels in {path} cannot be read: expected numbers from 1 to {most}, one a frame, "
            f"with {separator!r} between them; mend the file."
        )
    return values


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
