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


@dataclass(frozen=True)
class CropSet:
    """Crops of cells with their stage.

    `images` is (n, Y, X) float32 as stored, `stage` (n,) the names, and `group` (n,) tells
    which crops show the same cell: crops of one group must never be split between training
    and test.
    """

    images: np.ndarray
    stage: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, chosen: np.ndarray) -> "CropSet":
        """Return the crops picked by an index or boolean array."""
        return CropSet(self.images[chosen], self.stage[chosen], self.group[chosen])


def read_crops(
    folder: str | Path, stages: dict[str, str] | None = None, channel: int = 0
) -> CropSet:
    """Read a folder that holds one subfolder of images a stage.

    An `index.csv` with the columns `path`, `label` and, where crops show the same cell,
    `group` is followed if there is one; otherwise every image of every subfolder is read and
    is its own group. `stages` maps folder names to stage names (folders not in it are left
    out), None keeps the folder names; `channel` is read from colour images.
    """
    from skimage.io import imread

    folder = Path(folder)
    index = _index(folder)
    if stages is not None:
        index = index[index["label"].isin(list(stages))]
        index = index.assign(label=index["label"].map(stages))
    if not len(index):
        raise BadInput(
            f"No crops were found in {folder}: expected one subfolder of images for each stage; "
            "choose the folder that holds those subfolders."
        )
    try:
        images = [imread(folder / path) for path in index["path"]]
    except (OSError, ValueError) as error:
        raise BadInput(f"A crop in {folder} cannot be read ({error}); remove it.") from error
    plain = [image[..., channel] if image.ndim == 3 else image for image in images]
    if len({image.shape for image in plain}) > 1:
        raise BadInput(
            f"The crops in {folder} have different sizes; cut them all to the same size."
        )
    return CropSet(
        images=np.stack(plain).astype(np.float32),
        stage=index["label"].to_numpy(str),
        group=index["group"].to_numpy(),
    )


def _index(folder: Path) -> pd.DataFrame:
    """Table of the crops: path relative to `folder`, label, group."""
    listed = folder / "index.csv"
    if listed.is_file():
        index = pd.read_csv(listed)
        missing = {"path", "label"} - set(index.columns)
        if missing:
            raise BadInput(
                f"{listed} has no column {sorted(missing)[0]!r}; expected path, label and group."
            )
    else:
        suffixes = {".png", ".tif", ".tiff"}
        found = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in suffixes)
        index = pd.DataFrame(
            {
                "path": [p.relative_to(folder).as_posix() for p in found],
                "label": [p.parent.name for p in found],
            }
        )
    return index if "group" in index else index.assign(group=np.arange(len(index)))
