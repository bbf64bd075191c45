"""Crops of single cells sorted into one folder a stage, as annotators leave them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellcycle.errors import BadInput

H2B_FOLDERS = {
    "inter": "interphase",
    "pro": "prophase",
    "prometa": "prometaphase",
    "meta": "metaphase",
    "earlyana": "anaphase",
    "lateana": "anaphase",
    "telo": "telophase",
    "apo": "apoptosis",
}
"""Stage that each folder of the CellCognition H2B crops shows."""
SMALLEST_PX = 12
"""Least side of a crop, in pixels, in which a stage can be seen."""
_SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"}


@dataclass(frozen=True)
class CropSet:
    """Crops of cells with their stage.

    `images` is (n, Y, X), or (n, Y, X, 3) in colour, as stored; `stage` (n,) the names, "" where
    nobody told; `group` (n,) says which crops belong together and must never be split between
    training and test; `file` (n,) where each comes from, below the folder.

    Crops of movies also have `masks` (n, Y, X) bool of the cell itself, and `track` (n,): crops of
    one track stand in the order of time. `original` (n,) are the annotator's own labels, where
    `stage` was made from them by a rule.
    """

    images: np.ndarray
    stage: np.ndarray
    group: np.ndarray
    file: np.ndarray
    masks: np.ndarray | None = None
    track: np.ndarray | None = None
    original: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, chosen: np.ndarray) -> "CropSet":
        """Return the crops picked by an index or boolean array."""

        def picked(column: np.ndarray | None) -> np.ndarray | None:
            return None if column is None else column[chosen]

        return CropSet(
            self.images[chosen],
            self.stage[chosen],
            self.group[chosen],
            self.file[chosen],
            picked(self.masks),
            picked(self.track),
            picked(self.original),
        )


def has_crops(folder: str | Path) -> bool:
    """Whether a folder holds crops sorted by stage: an `index.csv`, or subfolders of images."""
    folder = Path(folder)
    return (folder / "index.csv").is_file() or any(_is_image(p) for p in folder.glob("*/*"))


def read_crops(
    folder: str | Path,
    stages: dict[str, str] | None = None,
    channel: int | None = 0,
    *,
    sorted_by_stage: bool = True,
) -> CropSet:
    """Read a folder that holds one subfolder of images a stage.

    An `index.csv` with the columns `path`, `label` and, where crops show the same cell,
    `group` is followed if there is one; otherwise every image of every subfolder is read and
    is its own group. Smaller crops are padded to the size of the largest, mirrored at the border.

    Parameters
    ----------
    stages
        Stage of each folder (folders not in it are left out); None keeps the folders' names.
    channel
        Which channel of colour images is read; None keeps all three, and pads with zeros.
    sorted_by_stage
        False also takes images that lie in the folder itself, or that the index names no label
        of; their stage is "".

    Raises
    ------
    BadInput
        There are no crops, or one of them cannot be read or is no image in two dimensions.
    """
    folder = Path(folder).expanduser()
    index = _index(folder, sorted_by_stage)
    if sorted_by_stage:
        index = index[index["label"] != ""]
    if stages is not None:
        index = index[index["label"].isin(list(stages))]
        index = index.assign(label=index["label"].map(stages))
    if not len(index):
        wanted = "one subfolder of images for each stage" if sorted_by_stage else "images of cells"
        raise BadInput(
            f"No crops were found in {folder}: expected {wanted}; choose the folder that holds "
            f"{'those subfolders' if sorted_by_stage else 'them, or one subfolder a stage'}."
        )
    images = [read_image(folder / path, channel) for path in index["path"]]
    return CropSet(
        images=stacked(images, "symmetric" if channel is not None else "constant"),
        stage=index["label"].to_numpy(str),
        group=index["group"].to_numpy(),
        file=index["path"].to_numpy(str),
    )


def refuse_small(found: CropSet, folder: str | Path) -> None:
    """Raise `BadInput` if crops are too small for any model to see a stage in them."""
    height, width = found.images.shape[1:3]
    if min(height, width) < SMALLEST_PX:
        raise BadInput(
            f"The crops in {folder} are {width} x {height} pixels, but a model needs at least "
            f"{SMALLEST_PX} to see a stage; cut larger ones."
        )


def read_image(path: Path, channel: int | None = 0) -> np.ndarray:
    """One channel of an image (Y, X), float32; or all three of it (Y, X, 3) as stored, for None.

    Raises `BadInput` if it cannot be read, or is no image in two dimensions.
    """
    from skimage.io import imread

    try:
        image = np.asarray(imread(path))
    except Exception as error:  # what decoders raise of damaged files has no common kind
        reason = " ".join(str(error).split())
        raise BadInput(f"The crop {path} cannot be read ({reason}); remove it.") from error
    is_colour = image.ndim == 3 and image.shape[-1] in (2, 3, 4)
    if not (image.ndim == 2 or is_colour) or 0 in image.shape:
        raise BadInput(
            f"The crop {path} has the shape {image.shape}, but an image in two dimensions was "
            "expected, grey or in colour; leave it out."
        )
    if channel is None:
        colour = image[..., None].repeat(3, axis=2) if image.ndim == 2 else image[..., :3]
        return np.pad(colour, ((0, 0), (0, 0), (0, 3 - colour.shape[2])))
    if is_colour and channel >= image.shape[-1]:
        raise BadInput(
            f"The crop {path} has {image.shape[-1]} channels, so there is no channel {channel}; "
            "count channels from 0."
        )
    return (image[..., channel] if is_colour else image).astype(np.float32)


def stacked(images: list[np.ndarray], padding: str = "symmetric") -> np.ndarray:
    """Images (n, Y, X[, C]) of the size of the largest, each in the middle of its own."""
    size = np.max([image.shape[:2] for image in images], axis=0)
    result = []
    for image in images:
        room = size - image.shape[:2]
        pad = [(int(r) // 2, int(r) - int(r) // 2) for r in room] + [(0, 0)] * (image.ndim - 2)
        result.append(np.pad(image, pad, mode=padding) if room.any() else image)  # type: ignore[call-overload]
    return np.stack(result)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _index(folder: Path, sorted_by_stage: bool) -> pd.DataFrame:
    """Table of the crops: path relative to `folder`, label, group."""
    listed = folder / "index.csv"
    if listed.is_file():
        try:
            index = pd.read_csv(listed, dtype={"path": str, "label": str}, na_filter=False)
        except (OSError, ValueError) as error:
            raise BadInput(f"The index {listed} cannot be read ({error}); correct it.") from error
        missing = {"path", "label"} - set(index.columns)
        if missing:
            raise BadInput(
                f"{listed} has no column {sorted(missing)[0]!r}; expected path, label and group."
            )
    else:
        found = sorted(p for p in folder.glob("*/*") if _is_image(p))
        label = [p.parent.name for p in found]
        if not sorted_by_stage:
            loose = sorted(p for p in folder.glob("*") if _is_image(p))
            found, label = found + loose, label + [""] * len(loose)
        path = [p.relative_to(folder).as_posix() for p in found]
        index = pd.DataFrame({"path": path, "label": label}, dtype=str)
    if "group" not in index:
        return index.assign(group=np.arange(len(index)))
    alone = index["group"].astype(str) == ""
    return index.assign(group=index["path"].where(alone, index["group"])) if alone.any() else index
